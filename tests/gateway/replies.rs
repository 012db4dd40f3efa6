//! What the provider answers (group C of the adversarial cases): relayed byte for byte, or
//! withheld whole.
//!
//! Contoso is isolated and creates the connections; Fabrikam is foreign.

mod broken;
mod coding;
mod connections;
mod documents;
mod early;
mod modes;
mod non_entra;
mod passing;
mod tokens;

use tidegate_mock::{Mint, Preset, Reply, TokenBody};

use crate::harness::{CONTOSO, FABRIKAM, Outcome, Policy, Setup, World};

/// Contoso's policy blocks the way out.
const OUT: &[(&str, &str)] = &[(CONTOSO, "outbound")];

fn contoso_on() -> Setup {
    Setup::new().policy(Policy::on(CONTOSO))
}

async fn isolated() -> World {
    World::start(contoso_on()).await
}

/// An access token and an id_token of a tenant.
fn signed(mint: &Mint, tenant: &str) -> TokenBody {
    mint.body(&Preset::Signed, tenant)
}

/// Contoso's connection gets this reply.
async fn given(world: &World, reply: Reply) -> Outcome {
    world.next_reply(reply);
    world.exchange(CONTOSO, FABRIKAM).send().await
}

/// Contoso's connection gets this body.
async fn given_body(world: &World, body: &TokenBody) -> Outcome {
    given(world, body.reply()).await
}
