//! What `deploy/` ships to run a fleet: the Kubernetes manifests, the Helm chart and the Compose file.
//!
//! There is no cluster here. What can be held against something real is: schemas of Kubernetes and of
//! Compose, Helm's own templates, `tidegate check` on every configuration, and the Compose file's
//! processes on ports of this machine.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, in its helpers as well"
)]

mod chart;
mod compose;
mod judge;
mod manifests;
mod pods;
mod tools;
mod trial;
