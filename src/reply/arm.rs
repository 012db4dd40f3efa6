//! Refusals in the words of Azure Resource Manager, where it has one; in its spelling, where not.
//!
//! Source: Azure Resource Manager, "Common deployment errors" and the common error codes of its
//! resource provider contract.

use crate::core::creator::CreatorError;
use crate::refusal::Refusal;

/// A block.
pub(super) const BLOCKED: &str = "BlockedByTenantIsolation";

/// `error.code` of a refusal.
pub(super) const fn code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::BodyTimeout => "RequestTimeout",
        Refusal::BodyTooLarge => "RequestEntityTooLarge",
        Refusal::ClientCertificate => "InvalidClientCertificate",
        Refusal::ContentType | Refusal::MediaType => "UnsupportedMediaType",
        Refusal::Creator(CreatorError::Contradiction) => "ConflictingCreatorTenants",
        Refusal::Creator(CreatorError::Malformed { .. }) => "InvalidCreatorTenant",
        Refusal::CreatorToken(_) => "InvalidAuthenticationToken",
        Refusal::CreatorTokenMissing => "AuthenticationFailedMissingToken",
        Refusal::BodyIncomplete | Refusal::Form | Refusal::GrantMissing | Refusal::JsonBody => {
            "InvalidRequestContent"
        }
        Refusal::Framing | Refusal::HeaderCount | Refusal::Host | Refusal::TrustHeader => {
            "InvalidRequestHeader"
        }
        Refusal::AuditUnavailable | Refusal::KeysUnavailable | Refusal::PolicyUnavailable => {
            "ServiceUnavailable"
        }
        Refusal::Method => "MethodNotAllowed",
        Refusal::NoRoute => "ResourceNotFound",
        Refusal::Overload => "ServerBusy",
        Refusal::Path | Refusal::TargetTooLong => "InvalidRequestUri",
        Refusal::SignInContradiction => "ConflictingSignInTokens",
        Refusal::SignInMalformed | Refusal::SignInToken(_) => "InvalidSignInToken",
        Refusal::SignInMissing => "MissingSignInToken",
        Refusal::UpstreamDeadline => "GatewayTimeout",
        Refusal::UpstreamConnect
        | Refusal::UpstreamEncoding
        | Refusal::UpstreamIncomplete
        | Refusal::UpstreamMetadata
        | Refusal::UpstreamRedirect
        | Refusal::UpstreamToken
        | Refusal::UpstreamTooLarge
        | Refusal::UpstreamUnreadable(_) => "BadGateway",
    }
}
