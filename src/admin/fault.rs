//! What the API answers when it does not do what was asked, in Microsoft's shape.
//!
//! Invariant: nothing here holds a token. What a document said wrongly is told to whoever wrote it,
//! each fault as a detail.
//!
//! Source: the error object of the tenant isolation policy API, as Microsoft's Terraform provider
//! reads it; Azure Resource Manager's error codes.

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::caller::{Forbidden, Unknown};
use super::json;
use crate::policies::document;

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No record of a change could be written, so none is made.
    AuditUnavailable,
    /// The header that says how additions are taken says something else.
    Additions,
    /// The body broke off.
    BodyIncomplete,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body is larger than is read.
    BodyTooLarge,
    /// `If-Match` or `If-None-Match` cannot be read, or both are there, or `If-Unmodified-Since`.
    Condition,
    /// The document has these faults.
    Document(Vec<document::Fault>),
    /// Something else owns the policies' files; a sentence.
    Elsewhere(String),
    /// The caller may not.
    Forbidden(Forbidden),
    /// The body is not JSON, or encoded.
    MediaType,
    /// Neither GET nor PUT.
    Method,
    /// There is no policy.
    NoPolicy,
    /// There is no such resource.
    NoResource,
    /// There is no such report of this tenant.
    NoReport,
    /// No store of events is kept, so that there are no reports.
    NoReports,
    /// The path names no tenant.
    NoTenant,
    /// It was written, and decisions may not use it yet.
    NotInForce,
    /// Nobody can tell whether it is written.
    OutcomeUnknown,
    /// The policy is another than the one that was meant.
    Precondition,
    /// A query parameter, and what it must be.
    Query(&'static str),
    /// A method that reports do not have, and those that they do.
    ReportMethod(&'static str),
    /// Reports cannot be read or made at the moment; the log says why.
    ReportStorage,
    /// A domain cannot be resolved at the moment; which, and why.
    Resolve(Vec<document::Fault>),
    /// The policy could not be written or read; the log says why.
    Storage,
    /// What is stored is no policy.
    StoredInvalid,
    /// Nobody is known to ask.
    Unknown(Unknown),
}

/// The code and the sentence of a fault.
struct Words(StatusCode, &'static str, String);

impl Fault {
    /// The word for records.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::AuditUnavailable => "audit_unavailable",
            Self::Additions => "additions_malformed",
            Self::BodyIncomplete => "body_incomplete",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::Condition => "condition_malformed",
            Self::Document(_) => "document",
            Self::Elsewhere(_) => "managed_elsewhere",
            Self::Forbidden(why) => why.as_str(),
            Self::MediaType => "media_type",
            Self::Method | Self::ReportMethod(_) => "method",
            Self::NoPolicy => "no_policy",
            Self::NoResource => "no_resource",
            Self::NoReport => "no_report",
            Self::NoReports => "no_reports",
            Self::NoTenant => "no_tenant",
            Self::NotInForce => "not_in_force",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Precondition => "precondition",
            Self::Query(_) => "query_malformed",
            Self::ReportStorage => "storage",
            Self::Resolve(_) => "resolve_unavailable",
            Self::Storage => "storage",
            Self::StoredInvalid => "stored_invalid",
            Self::Unknown(why) => why.as_str(),
        }
    }

    /// The answer's status.
    pub(super) fn status(&self) -> StatusCode {
        self.words().0
    }

    fn words(&self) -> Words {
        let words = |status, code, sentence: &str| Words(status, code, sentence.to_owned());
        match self {
            Self::AuditUnavailable => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "AuditUnavailable",
                "No record of a change can be written at the moment; the policy in force stays.",
            ),
            Self::BodyIncomplete => words(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "The request's body is incomplete.",
            ),
            Self::BodyTimeout => words(
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeout",
                "The request's body did not arrive in time.",
            ),
            Self::BodyTooLarge => words(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                "The policy is larger than 256 KiB.",
            ),
            Self::Additions => words(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "x-tidegate-additions says \"literal\" or is left out.",
            ),
            Self::Condition => words(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "If-Match and If-None-Match hold entity tags or *; the latter of a PUT must be *, \
                 and only one of them may be there. If-Unmodified-Since is not understood.",
            ),
            Self::Document(_) => words(
                StatusCode::BAD_REQUEST,
                "BadRequest",
                "The policy is not valid; the policy in force stays.",
            ),
            Self::Elsewhere(why) => Words(
                StatusCode::FORBIDDEN,
                "PolicyManagedElsewhere",
                format!("Policies cannot be changed here: {why}."),
            ),
            Self::Forbidden(Forbidden::Role) => words(
                StatusCode::FORBIDDEN,
                "Forbidden",
                "The caller has none of the roles that may do this.",
            ),
            Self::Forbidden(Forbidden::Roles) => words(
                StatusCode::FORBIDDEN,
                "Forbidden",
                "The caller's roles cannot be read from the token.",
            ),
            Self::Forbidden(Forbidden::Tenant) => words(
                StatusCode::FORBIDDEN,
                "Forbidden",
                "The caller may administer the policy of their own tenant only.",
            ),
            Self::MediaType => words(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                "A body of type application/json in UTF-8, not encoded further, is expected.",
            ),
            Self::Method => words(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "A policy is read with GET and written with PUT.",
            ),
            Self::NoPolicy => words(
                StatusCode::NOT_FOUND,
                "PolicyNotFound",
                "The tenant has no tenant isolation policy.",
            ),
            Self::NoResource => words(
                StatusCode::NOT_FOUND,
                "ResourceNotFound",
                "There is no such resource.",
            ),
            Self::NoReport => words(
                StatusCode::NOT_FOUND,
                "ReportNotFound",
                "The tenant has no such report.",
            ),
            Self::NoReports => words(
                StatusCode::NOT_FOUND,
                "ReportsNotKept",
                "The gateway keeps no decision events, so that there are no reports; its \
                 configuration has no [events].",
            ),
            Self::Query(expected) => Words(
                StatusCode::BAD_REQUEST,
                "InvalidQuery",
                format!("The query is malformed: {expected}."),
            ),
            Self::ReportMethod(_) => words(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "Reports are read with GET, and made with POST to all of them.",
            ),
            Self::ReportStorage => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "Reports cannot be read or made at the moment.",
            ),
            Self::NoTenant => words(
                StatusCode::BAD_REQUEST,
                "InvalidRequestUri",
                "The path must name the tenant by its id, a GUID of 36 characters.",
            ),
            Self::NotInForce => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "The policy is written and may not be in force yet; read it again.",
            ),
            Self::OutcomeUnknown => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "OutcomeUnknown",
                "The policy may have been written, or may yet be, in the place of the one that was \
                 there and of no other; read it again.",
            ),
            Self::Precondition => words(
                StatusCode::PRECONDITION_FAILED,
                "PreconditionFailed",
                "The policy has been changed since it was read; read it again.",
            ),
            Self::Resolve(_) => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "A domain cannot be resolved at the moment; the policy in force stays.",
            ),
            Self::Storage => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "The policy cannot be read or written at the moment.",
            ),
            Self::StoredInvalid => words(
                StatusCode::CONFLICT,
                "StoredPolicyInvalid",
                "The stored file is no policy. A PUT replaces it if it has a member of Tidegate's \
                 own, such as reportOnly.",
            ),
            Self::Unknown(Unknown::Closed) => words(
                StatusCode::FORBIDDEN,
                "PolicyAdministrationClosed",
                "Policy administration is closed: nobody is configured who may use it.",
            ),
            Self::Unknown(Unknown::Malformed | Unknown::Refused(_) | Unknown::Stranger) => words(
                StatusCode::UNAUTHORIZED,
                "InvalidAuthenticationToken",
                "The access token is not valid.",
            ),
            Self::Unknown(Unknown::Missing) => words(
                StatusCode::UNAUTHORIZED,
                "AuthenticationFailedMissingToken",
                "An access token is required.",
            ),
            Self::Unknown(Unknown::Unavailable) => words(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "Access tokens cannot be verified at the moment.",
            ),
        }
    }

    /// The answer.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let Words(status, code, sentence) = self.words();
        let details: Vec<_> = if let Self::Document(faults) | Self::Resolve(faults) = self {
            faults.iter().map(detail).collect()
        } else {
            Vec::new()
        };
        let error = json!({
            "error": { "code": code, "message": sentence, "details": details }
        });
        let mut response = json(status, error.to_string());
        if let Some((name, value)) = self.header() {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn header(&self) -> Option<(http::HeaderName, &'static str)> {
        const MISSING: &str = r#"Bearer realm="tidegate""#;
        const REFUSED: &str = r#"Bearer realm="tidegate", error="invalid_token""#;
        if *self == Self::Method {
            return Some((ALLOW, "GET, PUT"));
        }
        if let Self::ReportMethod(allowed) = self {
            return Some((ALLOW, allowed));
        }
        match self.status() {
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "5")),
            StatusCode::UNAUTHORIZED if *self == Self::Unknown(Unknown::Missing) => {
                Some((WWW_AUTHENTICATE, MISSING))
            }
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, REFUSED)),
            _ => None,
        }
    }
}

fn detail(fault: &document::Fault) -> serde_json::Value {
    let document::Fault {
        key,
        found,
        expected,
    } = fault;
    let place = if key.is_empty() { "the document" } else { key };
    json!({
        "code": "ValidationError",
        "message": format!("{place}: found {found}, expected {expected}"),
    })
}
