//! Connection routes: who creates is told by a verified token, who signed in by another, both in
//! the request; nothing reaches the service before both are verified and decided about.
//!
//! Contoso is isolated; Fabrikam is foreign. Written from the specification.

mod answers;
mod bearer;
mod creator;
mod documents;
mod failures;
mod keys;
mod non_entra;
mod outage;
mod places;
mod replies;
mod rows;
mod shapes;
mod tokens;
mod trust;
mod wire;

use crate::harness::{CONTOSO, Policy, Setup, World};

/// Contoso's policy blocks the way out.
const OUT: &[(&str, &str)] = &[(CONTOSO, "outbound")];

fn contoso_on() -> Setup {
    Setup::connections().policy(Policy::on(CONTOSO))
}

async fn isolated() -> World {
    World::start(contoso_on()).await
}
