//! The core: what a tenant, a policy, a token and a creator are, and the rule that decides.
//!
//! Invariant: no async, no I/O, no logging, no clock. Everything here is a pure function of its
//! arguments, time included; `tests/core_is_pure.rs` reads these files and keeps it so.

pub mod creator;
pub mod form;
pub mod isolation;
pub mod policy;
pub mod tenant;
pub mod token;
