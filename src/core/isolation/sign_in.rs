//! Whom a reply or a request signs in: all its tokens in one word, for rules 6 and 7.
//!
//! Invariant: a tenant is named only if every token that names one names the same, and nothing
//! beside it is suspect.

use super::super::tenant::TenantId;
use super::super::token::reply::Tokens;
use super::super::token::verified::Verified;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumCount)]
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

impl SignIn {
    /// The tenant, where one is settled.
    pub const fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Entra(tenant) => Some(*tenant),
            Self::NoToken | Self::NotEntra | Self::Undetermined(..) => None,
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

/// Whom the tokens of a request sign in: verified, or known not to be Entra's, or none at all at a
/// step where nobody has signed in yet.
#[derive(Clone, Debug)]
pub enum Presented {
    /// The route is for a step before anybody signs in.
    Nobody,
    /// Not Entra's, on a route whose provider is declared so.
    NotEntra(NotEntra),
    /// Verified; of several tokens that agree, the first.
    Verified(Verified),
}

impl Presented {
    /// Takes what each token of a request presents; the first is kept. None: no token.
    ///
    /// # Errors
    /// They name different tenants, or only some name one.
    pub fn agreeing(tokens: Vec<Self>) -> Result<Option<Self>, Disagreement> {
        let mut tokens = tokens.into_iter();
        let first = tokens.next();
        if tokens.all(|token| first.as_ref().is_some_and(|first| first.agrees(&token))) {
            Ok(first)
        } else {
            Err(Disagreement)
        }
    }

    fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Verified(one), Self::Verified(other)) => one.tenant() == other.tenant(),
            (Self::NotEntra(_), Self::NotEntra(_)) | (Self::Nobody, Self::Nobody) => true,
            (Self::Nobody | Self::NotEntra(_) | Self::Verified(_), _) => false,
        }
    }

    /// The same in the rule's words.
    pub fn sign_in(&self) -> SignIn {
        match self {
            Self::Nobody => SignIn::NoToken,
            Self::NotEntra(_) => SignIn::NotEntra,
            Self::Verified(token) => SignIn::Entra(token.tenant()),
        }
    }
}

/// Sign-in tokens in one request that do not sign in the same account's tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disagreement;
