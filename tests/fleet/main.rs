//! Policies that a fleet shares through etcd, with a real etcd: three members on loopback that the
//! tests start, kill, stop and cut off.
//!
//! Needs `etcd` (Debian: etcd-server); without it these tests say so and pass, but for
//! `TIDEGATE_TEST_REQUIRE=etcd`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test tells what is wrong by failing there"
)]

mod accept;
mod auth;
mod cache;
mod clock;
mod commands;
mod demonstration;
mod follow;
mod gateway;
mod harness;
mod history;
mod hostile;
mod outage;
mod partition;
mod simulation;
mod write;
