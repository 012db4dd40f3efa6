//! What a reader should know before a recommended policy is put in force.

use super::{Needs, Passed, State};
use crate::core::policy::{Policy, WithoutClientTenant};

/// Each as a sentence.
pub(super) fn notes(passed: &Passed, needs: &Needs, before: &Policy, state: State) -> Vec<String> {
    let legacy = passed.without_client_tenant;
    let is_blocked = before.without_client_tenant == WithoutClientTenant::Block;
    let added = needs.missing.len();
    let also_blocked = needs.kept.iter().filter(|it| it.blocked > 0).count();
    let number = |count: u64, one: &str, more: &str| {
        let word = if count == 1 { one } else { more };
        format!("{count} {word}")
    };
    let told = [
        (state == State::Enforced).then(|| {
            "Isolation is On already: the policy stays as it is.".to_owned()
        }),
        (!needs.left_out.is_empty()).then(|| {
            let tenants = number(needs.left_out.len() as u64, "tenant", "tenants");
            format!(
                "Left out: {tenants} whose exchanges got through earlier and are blocked by the \
                 policy of today."
            )
        }),
        (added > 0).then(|| {
            let tenants = number(added as u64, "tenant is", "tenants are");
            format!(
                "{tenants} to be added: everyone who got through, not everyone who should. Look at \
                 each that you do not know before you allow it."
            )
        }),
        (legacy > 0 && state != State::Enforced).then(|| {
            let exchanges = number(legacy, "exchange", "exchanges");
            format!(
                "{exchanges} came from connections without a client tenant id. The policy says \
                 connectionsWithoutClientTenant: allow, so that they go on; it lets in every such \
                 connection, whoever made it. Have them made anew, then say block."
            )
        }),
        (legacy > 0 && state == State::Enforced && is_blocked).then(|| {
            let exchanges = number(legacy, "exchange", "exchanges");
            format!(
                "{exchanges} of connections without a client tenant id got through earlier, and \
                 the policy of today blocks them."
            )
        }),
        (also_blocked > 0).then(|| {
            let tenants = number(also_blocked as u64, "tenant", "tenants");
            format!(
                "Exchanges with {tenants} of the list were blocked too: look at them before you \
                 allow more."
            )
        }),
        (needs.ending > 0).then(|| {
            let entries = number(needs.ending as u64, "entry", "entries");
            format!("{entries} of the policy will expire, and what they allow ends then.")
        }),
        (passed.non_entra > 0).then(|| {
            let exchanges = number(passed.non_entra, "exchange", "exchanges");
            format!(
                "{exchanges} passed without an Entra token: isolation does not stop these, whatever \
                 the policy says."
            )
        }),
        (passed.undetermined > 0).then(|| {
            let exchanges = number(passed.undetermined, "exchange", "exchanges");
            format!(
                "{exchanges} got through though their sign-in tenant was not known: the gateway's \
                 `undetermined` setting decides about these, not the policy."
            )
        }),
    ];
    told.into_iter().flatten().collect()
}
