//! Who creates the connection (group A of the adversarial cases): what is believed, what is
//! refused, and that it never travels on.

mod header;
mod sources;
mod trust;

use crate::harness::{CONTOSO, FABRIKAM, Policy, Setup, World};

const HEADER: &str = "x-ms-client-tenant-id";

/// Contoso isolated; Fabrikam's connections may come in.
fn contoso_lets_fabrikam_in() -> Setup {
    Setup::new().policy(Policy::on(CONTOSO).inbound(FABRIKAM))
}

/// Nothing that looks like the trust header, in any spelling, reached the provider.
fn not_forwarded(world: &World) {
    for request in world.idp.requests().all() {
        for (name, value) in &request.headers {
            let name = name.as_str().replace('_', "-");
            assert!(
                !name.contains("tenant") && !name.contains("creator"),
                "{name}"
            );
            assert!(!value.as_bytes().starts_with(b"11111111-"), "{name}");
        }
    }
}
