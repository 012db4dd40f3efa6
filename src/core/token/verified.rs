//! A token in a request, verified: a type that only verification can make.
//!
//! In this order, the cheap checks first:
//!
//! 1. It is a JWS in compact serialisation, of 32 KiB at most: three segments in base64url by the
//!    letter (`jws`).
//! 2. Its header is one JSON object without doubt: `alg` is `RS256`, `kid` names a key, nothing in
//!    it changes how the rest is to be read or where the key is (`jws`).
//! 3. Its claims are one JSON object without doubt: `iss` is a configured issuer of one tenant,
//!    `tid`, if there, is that tenant, `aud` is one audience, the times are whole seconds
//!    (`claims`).
//! 4. The key of that name signs for that issuer and tenant, and has signed this token.
//! 5. The audience is one of those expected, and now lies between its times, give or take the
//!    leeway.
//!
//! Steps 1 to 3 make an [`Unverified`], step 4 an [`Authentic`], step 5 a [`Verified`]: each can be
//! had from the one before only. A token inside a claim (`actort`, `act`) is never looked at.
//!
//! Invariant: a [`Verified`] has been through all five, in this order, under one key set.
//!
//! Source: RFC 7515, RFC 7519 section 7.2, RFC 8725.

mod claims;
mod jws;
mod refused;

use std::sync::Arc;

use uuid::Uuid;

use super::super::policy::Moment;
use super::super::tenant::TenantId;
use super::EntraToken;
use super::issuer::Issuers;
use super::keys::KeySet;
use claims::Claims;
use jws::Jws;
pub use jws::LONGEST;
pub use refused::Refused;

/// A token read and not yet verified. Nothing it says is given out but its key's name.
pub struct Unverified<'t> {
    jws: Jws<'t>,
    claims: Arc<Claims>,
    issuers: &'t Issuers,
}

impl<'t> Unverified<'t> {
    /// Reads a token without doubt, and holds it against the issuers.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn read(token: &'t str, issuers: &'t Issuers) -> Result<Self, Refused> {
        let jws = Jws::read(token)?;
        let claims = Arc::new(Claims::read(jws.payload, issuers)?);
        Ok(Self {
            jws,
            claims,
            issuers,
        })
    }

    /// The name of the key that signed it, as it says.
    pub fn kid(&self) -> &str {
        &self.jws.kid
    }

    /// Verifies the signature, and that the key signs for this issuer and tenant.
    ///
    /// # Errors
    /// [`Refused::UnknownKey`] when the set has no such key; any other.
    pub fn verify(&self, keys: &KeySet) -> Result<Authentic, Refused> {
        let token = &self.claims.token;
        let namesakes = keys.named(self.kid());
        if namesakes.is_empty() {
            return Err(Refused::UnknownKey);
        }
        let key = namesakes
            .iter()
            .find(|key| key.signs_for(&token.issuer, token.tenant, self.issuers))
            .ok_or(Refused::KeyIssuer)?;
        if !self.jws.is_signed_by(key) {
            return Err(Refused::Signature);
        }
        Ok(Authentic(Arc::clone(&self.claims)))
    }
}

/// A token whose signature holds: what it claims, whatever it is for and however old. This is what
/// may be remembered for as long as the key set is the same. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Authentic(Arc<Claims>);

impl Authentic {
    /// Accepts the token for an audience at a time; `leeway` in seconds.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn accept(
        &self,
        audience: &[String],
        now: impl Into<Moment>,
        leeway: u32,
    ) -> Result<Verified, Refused> {
        let claims = &self.0;
        if !audience.contains(&claims.audience) {
            return Err(Refused::Audience);
        }
        let Moment { earliest, latest } = now.into();
        let early = latest.saturating_sub(leeway.into());
        let late = earliest.saturating_add(leeway.into());
        if early >= claims.expires {
            return Err(Refused::Expired);
        }
        if claims.not_before.is_some_and(|time| time > late) {
            return Err(Refused::NotYetValid);
        }
        if claims.issued.is_some_and(|time| time > late) {
            return Err(Refused::IssuedInFuture);
        }
        Ok(Verified(self.clone()))
    }
}

/// A token that is verified: signature, issuer, tenant, key, audience, time.
#[derive(Clone, Debug)]
pub struct Verified(Authentic);

impl Verified {
    /// The account's tenant.
    pub fn tenant(&self) -> TenantId {
        self.token().tenant
    }

    /// What it says, for records.
    pub fn token(&self) -> &EntraToken {
        &self.0.0.token
    }

    /// The template ids of the account's roles in its tenant (`wids`), none if it says nothing of
    /// roles. `None` if what it says is no bounded list of GUIDs: then nobody can tell, and a token
    /// that is not asked for roles is as good as before.
    pub fn roles(&self) -> Option<&[Uuid]> {
        self.0.0.roles.as_deref()
    }
}

#[cfg(test)]
mod tests;
