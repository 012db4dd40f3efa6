//! The gateway as its users meet it: the real binary over real HTTPS, in front of mock providers
//! that live in the process of the test.
//!
//! One file per theme; `harness.rs` is what they share. See `tests/README.md`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that panics has failed, in its helpers as well, and says what it skips"
)]

mod agreement;
mod asgi;
mod audit_file;
mod bad_input;
mod connection;
mod creator;
mod discovery;
mod events;
mod harness;
mod lifecycle;
mod logs;
mod metrics;
mod msal;
mod oracle;
mod otlp;
mod policy_api;
mod python;
mod reload;
mod replies;
mod reports_api;
mod rotation;
mod rows;
mod tls;
mod traces;
mod webhooks;
