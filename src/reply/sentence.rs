//! The documented sentence, with who, whereto, whose policy and whom to ask.
//!
//! Source: Azure Logic Apps, "Block connections to and from other tenants".

use crate::core::isolation::{Finding, Reason, Side};
use crate::core::tenant::TenantId;

/// The sentence, in its two halves.
pub(super) struct Sentence {
    /// What failed, and why.
    pub(super) finding: String,
    /// Whom to ask.
    pub(super) contact: String,
}

/// The sentence about a block by these sides.
pub(super) fn of(
    reason: Reason,
    blocking: &[&Side],
    creator: Option<TenantId>,
    sign_in: Option<TenantId>,
) -> Sentence {
    let Some(sign_in) = sign_in else {
        return undetermined(reason);
    };
    let from = creator.map_or_else(
        || "a connection without a client tenant id".to_owned(),
        |creator| format!("a connection of tenant {creator}"),
    );
    let sides: Vec<String> = blocking.iter().map(|side| whose(side)).collect();
    let ask: Vec<String> = blocking
        .iter()
        .map(|side| format!("tenant {}", side.tenant))
        .collect();
    Sentence {
        finding: format!(
            "The connection to the {sign_in} tenant has failed authorization due to a tenant \
             isolation configuration: {from} to tenant {sign_in} is blocked by tenant isolation, \
             {}.",
            sides.join(" and ")
        ),
        contact: format!(
            "Contact the administrator of {} to be added to the allowlist.",
            ask.join(" and of ")
        ),
    }
}

fn undetermined(reason: Reason) -> Sentence {
    Sentence {
        finding: format!(
            "The connection has failed authorization due to a tenant isolation configuration: \
             blocked by tenant isolation because the tenant of the account that signed in cannot \
             be determined ({}).",
            reason.as_str()
        ),
        contact: "Contact the administrator of the gateway.".to_owned(),
    }
}

/// One side: which way, whose policy, and the choice that made it block.
fn whose(side: &Side) -> String {
    let choice = match side.finding {
        Finding::BlocksWithoutClientTenant => " (connections without a client tenant id)",
        Finding::Absent
        | Finding::AllowsWithoutClientTenant
        | Finding::NotListed
        | Finding::Off
        | Finding::Rule(_)
        | Finding::Unreadable => "",
    };
    let (direction, tenant) = (side.direction.as_str(), side.tenant);
    format!("{direction} by the policy of tenant {tenant}{choice}")
}
