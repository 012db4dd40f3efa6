//! One token, classified: Entra's, not Entra's, or claiming to be Entra's without being believable.
//!
//! Invariant: three outcomes, never two. An `Option<TenantId>` would merge "this provider is not
//! Entra" (let through with a warning) with "this may be Entra and we cannot tell" (refused).
//!
//! Trust: what is read here is NOT verified by a signature. In a reply the TLS connection to the
//! configured provider vouches for it; in a request nothing would.

pub mod issuer;
mod json;
pub mod jwt;
pub mod keys;
pub mod presented;
pub mod reply;
mod respelling;
pub mod verified;

use super::tenant::{TenantId, TenantIdError};
use issuer::{Issuers, Match};
use jwt::{Claims, Form, JwtError, Tid};

/// What one token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// Issued by Entra for the tenant named.
    Entra(EntraToken),
    /// Not readable as an Entra token, and not pretending to be one.
    NotEntra(NotEntra),
    /// Claims to be Entra's, but what it says cannot be believed.
    Untrusted(Untrusted),
}

/// What a readable Entra token says; the identifiers are for records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntraToken {
    /// `tid`, or the GUID in `iss` where `tid` is absent.
    pub tenant: TenantId,
    /// `iss`, as written.
    pub issuer: String,
    /// `azp` (version 2.0) or `appid` (version 1.0): the client application.
    pub app_id: Option<String>,
    /// `oid`: the user or service principal.
    pub user_object_id: Option<String>,
}

/// Kinds of token that do not claim to be Entra's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumCount)]
pub enum NotEntra {
    /// A JWE: only its recipient can read it.
    Encrypted,
    /// A JWT of another issuer.
    ForeignIssuer,
    /// A string without structure.
    Opaque,
    /// A SAML assertion.
    Saml,
}

impl NotEntra {
    /// The word for records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::ForeignIssuer => "foreign",
            Self::Opaque => "opaque",
            Self::Saml => "saml",
        }
    }
}

/// Why a token that claims to be Entra's is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumCount)]
pub enum Untrusted {
    /// A signature algorithm that Entra does not use.
    Algorithm,
    /// `iss` resembles an Entra issuer and equals none of the configured ones.
    Issuer,
    /// Its header or claims cannot be read without doubt (not JSON, members twice, wrong types).
    Malformed,
    /// `tid` is not the tenant in `iss`.
    TenantMismatch,
}

/// Classifies one token, as found in a field that holds tokens or as a JWT found elsewhere.
pub fn classify(token: &str, issuers: &Issuers) -> Class {
    classify_form(token, jwt::form(token), issuers)
}

fn classify_form(token: &str, form: Form<'_>, issuers: &Issuers) -> Class {
    match form {
        Form::Encrypted => Class::NotEntra(NotEntra::Encrypted),
        Form::Misspelled => Class::Untrusted(Untrusted::Malformed),
        Form::Opaque if is_saml(token) => Class::NotEntra(NotEntra::Saml),
        Form::Opaque => Class::NotEntra(NotEntra::Opaque),
        Form::Signed { algorithm, payload } => match Claims::read(payload, &mut Vec::new()) {
            Ok(claims) => classify_claims(algorithm, &claims, issuers),
            Err(JwtError::Malformed) => Class::Untrusted(Untrusted::Malformed),
            // Entra seals whole tokens (JWE), never the payload alone.
            Err(JwtError::Sealed) => Class::NotEntra(NotEntra::ForeignIssuer),
        },
    }
}

/// The issuer comes first: of another issuer's token nothing else matters.
fn classify_claims(algorithm: jwt::Algorithm, claims: &Claims<'_>, issuers: &Issuers) -> Class {
    let tenant = match (
        issuers.find(claims.iss.as_deref()),
        &claims.iss,
        &claims.tid,
    ) {
        (Match::Foreign, None, Tid::Doubtful | Tid::Text(_)) | (Match::Resembles, _, _) => {
            return Class::Untrusted(Untrusted::Issuer);
        }
        (Match::Foreign, _, _) => return Class::NotEntra(NotEntra::ForeignIssuer),
        (Match::Tenant(tenant), _, _) => tenant,
    };
    if !algorithm.used_by_entra() {
        return Class::Untrusted(Untrusted::Algorithm);
    }
    let tid = match &claims.tid {
        Tid::Absent => Ok(tenant),
        Tid::Doubtful => return Class::Untrusted(Untrusted::Malformed),
        Tid::Text(text) => TenantId::parse(text),
    };
    match tid {
        Ok(tid) if tid == tenant => {}
        Ok(_) | Err(TenantIdError::Alias | TenantIdError::Nil) => {
            return Class::Untrusted(Untrusted::TenantMismatch);
        }
        Err(TenantIdError::Empty | TenantIdError::NotAGuid) => {
            return Class::Untrusted(Untrusted::Malformed);
        }
    }
    Class::Entra(EntraToken {
        tenant,
        issuer: claims.iss.as_deref().unwrap_or_default().to_owned(),
        app_id: claims
            .azp
            .as_deref()
            .or(claims.appid.as_deref())
            .map(str::to_owned),
        user_object_id: claims.oid.as_deref().map(str::to_owned),
    })
}

/// A SAML assertion, as XML or as the base64url of XML (on-behalf-of with
/// `requested_token_type …saml2`).
fn is_saml(token: &str) -> bool {
    let token = token.trim_start();
    token.starts_with('<') || token.starts_with("PHNhbW") || token.starts_with("PEFzc2VydGlvbi")
}

#[cfg(test)]
mod tests;
