//! Why a token is refused.

/// Why a token is refused. Words for the inside: a client is only told that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::EnumCount)]
pub enum Refused {
    /// `alg` is not `RS256`.
    Algorithm,
    /// `aud` is not one of the audiences expected, or not one text.
    Audience,
    /// A JWE: only its recipient can read it.
    Encrypted,
    /// `exp` has passed.
    Expired,
    /// The header holds a member that changes how the token is to be read, or where its key is.
    Header,
    /// `iss` is not a configured issuer.
    Issuer,
    /// `iat` lies in the future.
    IssuedInFuture,
    /// The key that it names does not sign for its issuer and tenant.
    KeyIssuer,
    /// It does not name its key in 1 to 256 printable characters.
    KeyName,
    /// `exp` is missing, or `exp`, `nbf` or `iat` is not a number of whole seconds.
    Lifetime,
    /// Cannot be read without doubt.
    Malformed,
    /// `nbf` lies in the future.
    NotYetValid,
    /// The key that it names did not sign it.
    Signature,
    /// `tid` is not the tenant in `iss`.
    TenantMismatch,
    /// Longer than any token.
    TooLong,
    /// `typ` is neither `JWT` nor `at+jwt`.
    Type,
    /// The key that it names is not among the provider's.
    UnknownKey,
}

impl Refused {
    /// The word for records and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Algorithm => "token_algorithm",
            Self::Audience => "token_audience",
            Self::Encrypted => "token_encrypted",
            Self::Expired => "token_expired",
            Self::Header => "token_header",
            Self::Issuer => "token_issuer",
            Self::IssuedInFuture => "token_issued_in_future",
            Self::KeyIssuer => "token_key_issuer",
            Self::KeyName => "token_key_name",
            Self::Lifetime => "token_lifetime",
            Self::Malformed => "token_malformed",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Signature => "token_signature",
            Self::TenantMismatch => "token_tenant_mismatch",
            Self::TooLong => "token_too_long",
            Self::Type => "token_type",
            Self::UnknownKey => "token_key_unknown",
        }
    }
}
