//! The `tidegate` program as its users meet it: output, exit codes, and the files of `config/`.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, in its helpers as well"
)]

mod check;
mod config_files;
mod explain;
mod general;
mod harness;
mod logs;
mod policy;
mod remote;
mod report;
mod resolve;
mod simulate;
mod tail;
mod traces;
