//! The claims of a token in a request, read without doubt.
//!
//! Invariant: the tenant is the one in an issuer that is configured, and nothing the token says
//! contradicts it.
//!
//! Source: RFC 7519 section 4.1, Microsoft identity platform, "Access token claims reference".

use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::super::policy::UnixSeconds;
use super::super::super::tenant::{TenantId, TenantIdError};
use super::super::EntraToken;
use super::super::issuer::{Issuers, Match};
use super::super::json::{members, text, whole};
use super::super::jwt::decoded;
use super::Refused;

/// What a token claims. Times in seconds since 1970.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) token: EntraToken,
    pub(super) audience: String,
    pub(super) expires: UnixSeconds,
    pub(super) not_before: Option<UnixSeconds>,
    pub(super) issued: Option<UnixSeconds>,
    /// The account's role template ids. None: it says something else where they should be, which
    /// matters to those alone who ask for roles.
    pub(super) roles: Option<Box<[Uuid]>>,
}

/// Most roles of one account: more are not read.
const MOST_ROLES: usize = 256;

impl Claims {
    /// Reads a payload segment. `aud` is one text: Entra never writes a list, and of a list it
    /// would be doubtful whom the token is for.
    pub(super) fn read(payload: &str, issuers: &Issuers) -> Result<Self, Refused> {
        const MEMBERS: [&str; 10] = [
            "appid", "aud", "azp", "exp", "iat", "iss", "nbf", "oid", "tid", "wids",
        ];
        let mut buffer = Vec::new();
        let json = decoded(payload, &mut buffer).ok_or(Refused::Malformed)?;
        let [appid, aud, azp, exp, iat, iss, nbf, oid, tid, wids] =
            members(json, &MEMBERS).ok_or(Refused::Malformed)?;
        let owned = |value| text(value).map(std::borrow::Cow::into_owned);
        let issuer = iss.and_then(owned).ok_or(Refused::Issuer)?;
        let tenant = match issuers.find(Some(&issuer)) {
            Match::Tenant(tenant) => tenant,
            Match::Foreign | Match::Resembles => return Err(Refused::Issuer),
        };
        if let Some(tid) = tid {
            agrees(tid, tenant)?;
        }
        let audience = aud.and_then(owned).filter(|aud| !aud.is_empty());
        let expires = exp.and_then(whole).filter(|time| *time > 0);
        Ok(Self {
            token: EntraToken {
                tenant,
                issuer,
                app_id: [azp, appid].into_iter().flatten().find_map(owned),
                user_object_id: oid.and_then(owned),
            },
            audience: audience.ok_or(Refused::Audience)?,
            expires: expires.ok_or(Refused::Lifetime)?,
            not_before: nbf.map(time).transpose()?,
            issued: iat.map(time).transpose()?,
            roles: wids.map_or(Some(Box::default()), roles),
        })
    }
}

fn agrees(tid: &RawValue, tenant: TenantId) -> Result<(), Refused> {
    let tid = text(tid).ok_or(Refused::Malformed)?;
    match TenantId::parse(&tid) {
        Ok(tid) if tid == tenant => Ok(()),
        Ok(_) | Err(TenantIdError::Alias | TenantIdError::Nil) => Err(Refused::TenantMismatch),
        Err(TenantIdError::Empty | TenantIdError::NotAGuid) => Err(Refused::Malformed),
    }
}

/// The role template ids in `wids`: a list of GUIDs in their usual form, and nothing else.
fn roles(wids: &RawValue) -> Option<Box<[Uuid]>> {
    let ids: Vec<&RawValue> = serde_json::from_str(wids.get()).ok()?;
    if ids.len() > MOST_ROLES {
        return None;
    }
    let id = |value: &RawValue| {
        let id = text(value)?;
        let usual = id.len() == uuid::fmt::Hyphenated::LENGTH;
        Uuid::try_parse(&id).ok().filter(|_| usual)
    };
    ids.into_iter().map(id).collect()
}

fn time(value: &RawValue) -> Result<UnixSeconds, Refused> {
    whole(value)
        .filter(|time| *time >= 0)
        .ok_or(Refused::Lifetime)
}
