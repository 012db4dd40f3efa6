//! Webhooks: who is told of which decisions, that it is told once, and what becomes of it when the
//! receiver does not want it.
//!
//! Receivers are HTTPS servers in this process; every message that they get is verified with the
//! Standard Webhooks' own library.

mod failures;
mod flood;
mod stage;
mod told;
mod verified;
