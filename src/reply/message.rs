//! What an answer says, before it takes a form: the same facts for all of them.

use http::StatusCode;

use super::arm;
use super::sentence::{self, Sentence};
use crate::core::isolation::{Decision, Side};
use crate::core::policy::{Direction, Mode};
use crate::core::tenant::TenantId;
use crate::refusal::Refusal;

/// Entra's codes for the same two findings (Microsoft Entra authentication error codes):
/// `NotAllowedByOutboundPolicyTenant` and `NotAllowedByInboundPolicyTenant`.
const OUTBOUND_CODE: u32 = 500_212;
const INBOUND_CODE: u32 = 500_213;

/// One block or refusal.
pub(super) struct Message<'d> {
    pub(super) status: StatusCode,
    /// OAuth's word for the kind of error.
    pub(super) error: &'static str,
    /// Our word.
    pub(super) code: &'static str,
    /// The same in Azure Resource Manager's spelling.
    pub(super) arm_code: &'static str,
    /// Entra's numbers for it.
    pub(super) entra_codes: Vec<u32>,
    /// What happened, for people.
    pub(super) finding: String,
    /// The same, and whom to ask.
    pub(super) text: String,
    /// The sides that block, if it is a block.
    pub(super) blocking: Vec<&'d Side>,
    /// The refusal, if it is one.
    pub(super) refusal: Option<Refusal>,
}

impl<'d> Message<'d> {
    pub(super) fn of_block(
        decision: &'d Decision,
        creator: Option<TenantId>,
        sign_in: Option<TenantId>,
    ) -> Self {
        let blocking: Vec<&Side> = decision
            .blocking()
            .filter(|side| side.mode == Mode::Enforce)
            .collect();
        let Sentence { finding, contact } =
            sentence::of(decision.reason, &blocking, creator, sign_in);
        let entra_codes = blocking
            .iter()
            .map(|side| match side.direction {
                Direction::Inbound => INBOUND_CODE,
                Direction::Outbound => OUTBOUND_CODE,
            })
            .collect();
        Self {
            status: StatusCode::FORBIDDEN,
            error: "access_denied",
            code: "blocked_by_tenant_isolation",
            arm_code: arm::BLOCKED,
            entra_codes,
            text: format!("{finding} {contact}"),
            finding,
            blocking,
            refusal: None,
        }
    }

    pub(super) fn of_refusal(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            error: refusal.error(),
            code: refusal.code(),
            arm_code: arm::code(refusal),
            entra_codes: Vec::new(),
            finding: refusal.description().to_owned(),
            text: refusal.description().to_owned(),
            blocking: Vec::new(),
            refusal: Some(refusal),
        }
    }
}
