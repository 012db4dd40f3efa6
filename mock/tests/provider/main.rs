//! The mock from the outside: every test talks to it over a socket, as the gateway and real clients
//! do.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed assumption is a failed test"
)]

mod control;
mod devops;
mod discovery;
mod faults;
mod grants;
mod harness;
mod keys;
mod lifecycle;
mod service;
mod tokens;
