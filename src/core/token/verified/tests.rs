//! Tests of verification, in its order: header, claims, key and signature, audience and time; then
//! properties and public test vectors.

mod claims;
mod headers;
mod properties;
mod signatures;
mod times;
mod wycheproof;

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tidegate_mock::{KeyName, KeyRing, SigningKey};

use super::super::issuer::Cloud;
use super::*;
use crate::core::policy::UnixSeconds;

/// The isolated creator's tenant in most cases.
const A: &str = "aaaaaaaa-1111-4aaa-8aaa-aaaaaaaaaaaa";
/// A foreign tenant.
const B: &str = "bbbbbbbb-2222-4bbb-8bbb-bbbbbbbbbbbb";
/// Personal accounts.
const M: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

const NOW: UnixSeconds = 1_800_000_000;
const LEEWAY: u32 = 60;
const AUDIENCE: &str = "api://platform";

static RING: LazyLock<Arc<KeyRing>> = LazyLock::new(|| KeyRing::shared().unwrap());

fn key(name: KeyName) -> &'static SigningKey {
    RING.key(name)
}

fn issuers() -> Issuers {
    Issuers::of_clouds(&[Cloud::Public])
}

fn v2(tenant: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/v2.0")
}

fn v1(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// What `common` publishes: two keys for every tenant, one for personal accounts.
static COMMON: LazyLock<KeySet> = LazyLock::new(|| {
    key_set(&[
        key(KeyName::Enterprise).jwk(Some(&v2("{tenantid}"))),
        key(KeyName::EnterpriseNext).jwk(Some(&v2("{tenantid}"))),
        key(KeyName::Personal).jwk(Some(&v2(M))),
    ])
});

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A good header, of a key.
fn header_of(name: KeyName) -> String {
    json!({"typ": "JWT", "alg": "RS256", "kid": key(name).kid()}).to_string()
}

fn header() -> String {
    header_of(KeyName::Enterprise)
}

/// The same header with one member set.
fn header_with(member: &str, value: impl Into<Value>) -> String {
    let mut header: Value = serde_json::from_str(&header()).unwrap();
    header[member] = value.into();
    header.to_string()
}

/// Good claims of a tenant's version 2.0 token.
fn claims_of(tenant: &str) -> Value {
    json!({"aud": AUDIENCE, "iss": v2(tenant), "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 3_600,
           "azp": "client", "oid": "object", "tid": tenant, "ver": "2.0"})
}

/// A's with one claim set, or taken away.
fn claims_with(claim: &str, value: impl Into<Option<Value>>) -> Value {
    let mut claims = claims_of(A);
    match value.into() {
        Some(value) => claims[claim] = value,
        None => drop(claims.as_object_mut().unwrap().remove(claim).unwrap()),
    }
    claims
}

/// A's, as text, with members put in front.
fn claims_after(members: &str) -> String {
    claims_of(A)
        .to_string()
        .replacen('{', &format!("{{{members},"), 1)
}

/// Exactly this header and these claims, signed by a key.
fn sign_by(name: KeyName, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    let signature = key(name).sign(message.as_bytes());
    format!("{message}.{}", b64(signature))
}

fn sign(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    sign_by(KeyName::Enterprise, header, claims)
}

/// A good token.
fn good() -> String {
    sign(header(), claims_of(A).to_string())
}

fn authentic(token: &str, keys: &KeySet) -> Result<Authentic, Refused> {
    Unverified::read(token, &issuers())?.verify(keys)
}

/// All five steps, under the set of `common`.
fn verify(token: &str) -> Result<Verified, Refused> {
    authentic(token, &COMMON)?.accept(&[AUDIENCE.to_owned()], NOW, LEEWAY)
}

/// The outcome without the token.
fn outcome(token: &str) -> Result<TenantId, Refused> {
    verify(token).map(|verified| verified.tenant())
}

fn accepted(tenant: &str) -> Result<TenantId, Refused> {
    Ok(TenantId::parse(tenant).unwrap())
}

#[test]
fn good_tokens_are_verified() {
    let v1_claims = |tenant: &str| {
        json!({"aud": AUDIENCE, "iss": v1(tenant), "iat": NOW, "nbf": NOW, "exp": NOW + 60,
               "appid": "client", "oid": "object", "tid": tenant, "ver": "1.0"})
    };
    for (claims, issuer) in [(claims_of(A), v2(A)), (v1_claims(A), v1(A))] {
        let verified = verify(&sign(header(), claims.to_string())).unwrap();
        assert_eq!(verified.tenant(), TenantId::parse(A).unwrap());
        let expected = EntraToken {
            tenant: verified.tenant(),
            issuer,
            app_id: Some("client".to_owned()),
            user_object_id: Some("object".to_owned()),
        };
        assert_eq!(*verified.token(), expected);
    }
    let next = sign_by(
        KeyName::EnterpriseNext,
        header_of(KeyName::EnterpriseNext),
        claims_of(B).to_string(),
    );
    assert_eq!(outcome(&next), accepted(B));
    for claims in [claims_of(M), v1_claims(M)] {
        let personal = sign_by(
            KeyName::Personal,
            header_of(KeyName::Personal),
            claims.to_string(),
        );
        assert_eq!(outcome(&personal), accepted(M));
    }
}

#[test]
fn what_names_the_key_is_all_that_an_unverified_token_tells() {
    let (token, issuers) = (good(), issuers());
    let unverified = Unverified::read(&token, &issuers).unwrap();
    assert_eq!(unverified.kid(), key(KeyName::Enterprise).kid());
}

#[test]
fn words_are_distinct_and_say_what_they_are_about() {
    let mut words = std::collections::BTreeSet::new();
    for refused in [
        Refused::Algorithm,
        Refused::Audience,
        Refused::Encrypted,
        Refused::Expired,
        Refused::Header,
        Refused::Issuer,
        Refused::IssuedInFuture,
        Refused::KeyIssuer,
        Refused::KeyName,
        Refused::Lifetime,
        Refused::Malformed,
        Refused::NotYetValid,
        Refused::Signature,
        Refused::TenantMismatch,
        Refused::TooLong,
        Refused::Type,
        Refused::UnknownKey,
    ] {
        assert!(refused.as_str().starts_with("token_"), "{refused:?}");
        assert!(words.insert(refused.as_str()), "{refused:?}");
    }
}
