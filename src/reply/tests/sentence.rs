//! The sentence, by who blocks.

use super::super::sentence::{self, Sentence};
use super::*;

/// A reason, the sides that block, creator and sign-in tenant, and the sentence that follows.
type Row<'a> = (
    Reason,
    &'a [&'a Side],
    Option<TenantId>,
    Option<TenantId>,
    String,
);

#[test]
fn the_sentence_names_who_whereto_whose_policy_and_whom_to_ask() {
    use Direction::{Inbound, Outbound};
    let (a, b) = (TenantId::parse(A).unwrap(), TenantId::parse(B).unwrap());
    let outbound = side(A, Outbound, Finding::NotListed);
    let inbound = side(B, Inbound, Finding::NotListed);
    let legacy = side(B, Inbound, Finding::BlocksWithoutClientTenant);
    let table: [Row<'_>; 4] = [
        (
            Reason::OutboundBlock,
            &[&outbound],
            Some(a),
            Some(b),
            format!(
                "The connection to the {B} tenant has failed authorization due to a tenant isolation \
                 configuration: a connection of tenant {A} to tenant {B} is blocked by tenant \
                 isolation, outbound by the policy of tenant {A}. Contact the administrator of \
                 tenant {A} to be added to the allowlist."
            ),
        ),
        (
            Reason::BothBlock,
            &[&outbound, &inbound],
            Some(a),
            Some(b),
            format!(
                "The connection to the {B} tenant has failed authorization due to a tenant isolation \
                 configuration: a connection of tenant {A} to tenant {B} is blocked by tenant \
                 isolation, outbound by the policy of tenant {A} and inbound by the policy of tenant \
                 {B}. Contact the administrator of tenant {A} and of tenant {B} to be added to the \
                 allowlist."
            ),
        ),
        (
            Reason::WithoutClientTenantBlocked,
            &[&legacy],
            None,
            Some(b),
            format!(
                "The connection to the {B} tenant has failed authorization due to a tenant isolation \
                 configuration: a connection without a client tenant id to tenant {B} is blocked by \
                 tenant isolation, inbound by the policy of tenant {B} (connections without a client \
                 tenant id). Contact the administrator of tenant {B} to be added to the allowlist."
            ),
        ),
        (
            Reason::NonEntra,
            &[],
            Some(a),
            None,
            "The connection has failed authorization due to a tenant isolation configuration: \
             blocked by tenant isolation because the tenant of the account that signed in cannot be \
             determined (non_entra). Contact the administrator of the gateway."
                .to_owned(),
        ),
    ];
    for (reason, sides, creator, sign_in, expected) in table {
        let Sentence { finding, contact } = sentence::of(reason, sides, creator, sign_in);
        assert_eq!(format!("{finding} {contact}"), expected);
    }
}
