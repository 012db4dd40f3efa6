//! Whom a reply signs in: all its tokens in one word, for rules 6 and 7.
//!
//! Invariant: a tenant is named only if every token that names one names the same, and nothing
//! beside it is suspect.

use super::super::tenant::TenantId;
use super::super::token::reply::Tokens;
use super::super::token::{NotEntra, Untrusted};
use super::Provider;

/// Whom a reply signs in, in sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// Every token agrees on this tenant.
    Entra(TenantId),
    /// Nothing in it is a token.
    NoToken,
    /// Tokens, none of them Entra's, from a provider that is not Entra.
    NotEntra,
    /// It may be anybody. Tenants that some token does name are kept.
    Undetermined(Undetermined, Vec<TenantId>),
}

/// Why a sign-in tenant cannot be determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undetermined {
    /// Tokens of different tenants, or of an issuer that is not Entra beside Entra's.
    Disagreement,
    /// Only encrypted tokens.
    Encrypted,
    /// Only tokens of an issuer that is not this provider's.
    ForeignIssuer,
    /// Success, and nothing in it that we know for a token.
    NoToken,
    /// Only opaque tokens.
    Opaque,
    /// Only a SAML assertion.
    Saml,
    /// The reply cannot be read at all (only where nothing is withheld: report-only mode).
    Unreadable,
    /// A token that claims to be Entra's and is not believed.
    Untrusted(Untrusted),
}

/// Whether the upstream reported success (status 2xx).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An error: it may hold no token at all.
    Failure,
    /// Success: a token is expected.
    Success,
}

impl SignIn {
    /// Sums up the tokens of one reply.
    pub fn of(tokens: &Tokens, outcome: Outcome, provider: Provider) -> Self {
        let undetermined = |why| Self::Undetermined(why, tokens.tenants.clone());
        if let Some(why) = tokens.untrusted {
            return undetermined(Undetermined::Untrusted(why));
        }
        match (tokens.tenants.as_slice(), tokens.not_entra, provider) {
            ([_, _, ..], _, _) => undetermined(Undetermined::Disagreement),
            ([_], Some(NotEntra::ForeignIssuer), Provider::Entra) => {
                undetermined(Undetermined::Disagreement)
            }
            ([tenant], _, _) => Self::Entra(*tenant),
            ([], Some(_), Provider::Other(_)) => Self::NotEntra,
            ([], Some(kind), Provider::Entra) => undetermined(match kind {
                NotEntra::Encrypted => Undetermined::Encrypted,
                NotEntra::ForeignIssuer => Undetermined::ForeignIssuer,
                NotEntra::Opaque => Undetermined::Opaque,
                NotEntra::Saml => Undetermined::Saml,
            }),
            ([], None, _) if outcome == Outcome::Failure => Self::NoToken,
            ([], None, Provider::Other(_)) if tokens.error => Self::NoToken,
            ([], None, Provider::Other(_)) => Self::NotEntra,
            ([], None, Provider::Entra) => undetermined(Undetermined::NoToken),
        }
    }
}

impl Undetermined {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disagreement => "undetermined_disagreement",
            Self::Encrypted => "undetermined_encrypted",
            Self::ForeignIssuer => "undetermined_foreign_issuer",
            Self::NoToken => "undetermined_no_token",
            Self::Opaque => "undetermined_opaque",
            Self::Saml => "undetermined_saml",
            Self::Unreadable => "undetermined_unreadable",
            Self::Untrusted(Untrusted::Algorithm) => "undetermined_algorithm",
            Self::Untrusted(Untrusted::Issuer) => "undetermined_issuer",
            Self::Untrusted(Untrusted::Malformed) => "undetermined_malformed",
            Self::Untrusted(Untrusted::TenantMismatch) => "undetermined_tenant_mismatch",
        }
    }
}
