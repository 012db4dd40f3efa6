//! Every answer that is neither a relayed reply nor a block: one list, one exhaustive table.
//!
//! Invariant: a refusal holds nothing of the request or the reply, so its texts can leak nothing.

use http::StatusCode;

use crate::core::creator::CreatorError;
use crate::core::token::reply::Unreadable;
use crate::core::token::verified::Refused;

/// Why an exchange ends without a decision. Grouped by whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumCount)]
pub enum Refusal {
    // The caller's.
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body is larger than configured.
    BodyTooLarge,
    /// The body broke off.
    BodyIncomplete,
    /// The connection's client certificate is not good any more.
    ClientCertificate,
    /// The content type is not a form, or the content is encoded.
    ContentType,
    /// The creator tenant is malformed or contradictory.
    Creator(CreatorError),
    /// The creator's bearer token is refused.
    CreatorToken(Refused),
    /// The creator's bearer token is missing.
    CreatorTokenMissing,
    /// A form parameter is malformed, doubled or respelled.
    Form,
    /// Length or transfer encoding could be read in two ways.
    Framing,
    /// No `grant_type`.
    GrantMissing,
    /// There are too many headers.
    HeaderCount,
    /// The host is missing, doubled, malformed or contradictory.
    Host,
    /// A JSON body is malformed, or doubles or respells a name.
    JsonBody,
    /// The body is of another media type than the route reads, or encoded.
    MediaType,
    /// The route does not take this method.
    Method,
    /// No route.
    NoRoute,
    /// The path could be read in two ways.
    Path,
    /// Sign-in tokens of different tenants.
    SignInContradiction,
    /// A sign-in token is empty, doubled, respelled or of a wrong type.
    SignInMalformed,
    /// No sign-in token.
    SignInMissing,
    /// A sign-in token is refused.
    SignInToken(Refused),
    /// The request target is too long.
    TargetTooLong,
    /// A trust header is doubled or respelled.
    TrustHeader,
    // The upstream's.
    /// It could not be reached, or its certificate was not accepted.
    UpstreamConnect,
    /// It did not finish in time.
    UpstreamDeadline,
    /// Its reply is encoded in a way that is not read here, or wrongly.
    UpstreamEncoding,
    /// Its reply broke off, or was not HTTP.
    UpstreamIncomplete,
    /// Its metadata names endpoints that cannot be led through the gateway.
    UpstreamMetadata,
    /// It answered with a redirect.
    UpstreamRedirect,
    /// A path declared to carry no tokens carried one.
    UpstreamToken,
    /// Its reply is larger than configured.
    UpstreamTooLarge,
    /// Its reply cannot be inspected.
    UpstreamUnreadable(Unreadable),
    // Ours.
    /// A record of it could not be kept.
    AuditUnavailable,
    /// Signing keys cannot be had: nobody can tell whether a token is genuine.
    KeysUnavailable,
    /// Too many exchanges at once.
    Overload,
    /// A policy cannot be had.
    PolicyUnavailable,
}

impl Refusal {
    /// The status, OAuth's error word, and for the caller the sentence and the code.
    const fn parts(self) -> (u16, &'static str, &'static str, &'static str) {
        const BAD: &str = "invalid_request";
        const TOKEN: &str = "invalid_token";
        const GATEWAY: &str = "server_error";
        const LATER: &str = "temporarily_unavailable";
        match self {
            Self::BodyTimeout => (
                408,
                BAD,
                "The request's body did not arrive in time.",
                "body_timeout",
            ),
            Self::BodyTooLarge => (
                413,
                BAD,
                "The request's body is too large.",
                "body_too_large",
            ),
            Self::BodyIncomplete => (
                400,
                BAD,
                "The request's body is incomplete.",
                "body_incomplete",
            ),
            Self::ClientCertificate => (
                421,
                BAD,
                "The client certificate of this connection is not accepted any more.",
                "client_certificate",
            ),
            Self::ContentType => (
                415,
                BAD,
                "A body of type application/x-www-form-urlencoded, not encoded further, is expected.",
                "content_type",
            ),
            Self::Creator(CreatorError::Contradiction) => (
                400,
                BAD,
                "The creator tenant is named more than once, and differently.",
                "creator_contradiction",
            ),
            Self::Creator(CreatorError::Malformed { .. }) => (
                400,
                BAD,
                "The creator tenant is not a tenant id; a GUID with dashes is expected.",
                "creator_malformed",
            ),
            Self::CreatorToken(_) => (
                401,
                TOKEN,
                "The creator's token is not accepted.",
                "creator_token_refused",
            ),
            Self::CreatorTokenMissing => (
                401,
                BAD,
                "The creator's token is missing; a bearer token is expected.",
                "creator_token_missing",
            ),
            Self::Form => (
                400,
                BAD,
                "The form is malformed, or names a parameter twice or in another spelling.",
                "form_malformed",
            ),
            Self::Framing => (
                400,
                BAD,
                "The request's length or transfer encoding is ambiguous.",
                "framing",
            ),
            Self::GrantMissing => (
                400,
                BAD,
                "The parameter grant_type is missing.",
                "grant_missing",
            ),
            Self::HeaderCount => (431, BAD, "There are too many headers.", "header_count"),
            Self::Host => (
                400,
                BAD,
                "The request's host is missing, malformed or contradictory.",
                "host",
            ),
            Self::JsonBody => (
                400,
                BAD,
                "The body is not one JSON object, or names a member twice or in another spelling.",
                "json_malformed",
            ),
            Self::MediaType => (
                415,
                BAD,
                "A body of a media type that this path takes, not encoded further, is expected.",
                "media_type",
            ),
            Self::Method => (405, BAD, "This path does not take this method.", "method"),
            Self::NoRoute => (404, BAD, "No route matches this host and path.", "no_route"),
            Self::Path => (400, BAD, "The path is not in plain form.", "path"),
            Self::SignInContradiction => (
                400,
                BAD,
                "The sign-in tokens name different tenants.",
                "sign_in_contradiction",
            ),
            Self::SignInMalformed => (
                400,
                BAD,
                "A sign-in token is empty, named twice or in another spelling, or no text.",
                "sign_in_malformed",
            ),
            Self::SignInMissing => (400, BAD, "The sign-in token is missing.", "sign_in_missing"),
            Self::SignInToken(_) => (
                401,
                TOKEN,
                "The sign-in token is not accepted.",
                "sign_in_token_refused",
            ),
            Self::TargetTooLong => (
                414,
                BAD,
                "The request target is too long.",
                "target_too_long",
            ),
            Self::TrustHeader => (
                400,
                BAD,
                "A trust header is doubled or respelled.",
                "trust_header",
            ),
            Self::UpstreamConnect => (
                502,
                GATEWAY,
                "The server behind this gateway cannot be reached securely.",
                "upstream_connect",
            ),
            Self::UpstreamDeadline => (
                504,
                LATER,
                "The server behind this gateway did not answer in time.",
                "upstream_deadline",
            ),
            Self::UpstreamEncoding => (502, GATEWAY, CANNOT_INSPECT, "upstream_encoding"),
            Self::UpstreamIncomplete => (502, GATEWAY, CANNOT_INSPECT, "upstream_incomplete"),
            Self::UpstreamMetadata => (
                502,
                GATEWAY,
                "The metadata of the server behind cannot be led through this gateway.",
                "upstream_metadata",
            ),
            Self::UpstreamRedirect => (502, GATEWAY, CANNOT_INSPECT, "upstream_redirect"),
            Self::UpstreamToken => (
                502,
                GATEWAY,
                "A path declared to carry no tokens answered with one.",
                "upstream_token",
            ),
            Self::UpstreamTooLarge => (502, GATEWAY, CANNOT_INSPECT, "upstream_too_large"),
            Self::UpstreamUnreadable(_) => (502, GATEWAY, CANNOT_INSPECT, "upstream_unreadable"),
            Self::AuditUnavailable => (
                503,
                LATER,
                "A record of this exchange cannot be kept at the moment.",
                "audit_unavailable",
            ),
            Self::KeysUnavailable => (
                503,
                LATER,
                "The keys that tokens are verified with are not available at the moment.",
                "keys_unavailable",
            ),
            Self::Overload => (503, LATER, "Too many exchanges are under way.", "overload"),
            Self::PolicyUnavailable => (
                503,
                LATER,
                "A tenant isolation policy is not available at the moment.",
                "policy_unreadable",
            ),
        }
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.parts().0).unwrap_or(StatusCode::BAD_GATEWAY)
    }

    /// `error` of RFC 6749 section 5.2, or of RFC 6750 section 3.1.
    pub const fn error(self) -> &'static str {
        self.parts().1
    }

    /// The sentence for the caller.
    pub const fn description(self) -> &'static str {
        self.parts().2
    }

    /// The word for the caller: of a refused token it tells only which.
    pub const fn code(self) -> &'static str {
        self.parts().3
    }

    /// The word for logs, metrics and records: of a refused token it tells exactly why.
    pub const fn reason(self) -> &'static str {
        if let Self::CreatorToken(why) | Self::SignInToken(why) = self {
            return why.as_str();
        }
        self.code()
    }

    /// `WWW-Authenticate` of a 401 (RFC 6750 section 3): no error where no token was sent.
    pub fn challenge(self) -> Option<&'static str> {
        match self.parts().0 {
            401 if self == Self::CreatorTokenMissing => Some(r#"Bearer realm="tidegate""#),
            401 => Some(r#"Bearer realm="tidegate", error="invalid_token""#),
            _ => None,
        }
    }

    /// Whether the connection is closed after the answer: its framing can no longer be trusted.
    pub const fn closes(self) -> bool {
        matches!(
            self,
            Self::BodyTimeout
                | Self::BodyTooLarge
                | Self::BodyIncomplete
                | Self::ClientCertificate
                | Self::Framing
                | Self::Host
        )
    }
}

const CANNOT_INSPECT: &str = "The answer of the server behind this gateway cannot be inspected.";
