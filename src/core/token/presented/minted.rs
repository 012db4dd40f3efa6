//! Verified tokens, for the tests of what is decided with them.

use serde_json::json;
use tidegate_mock::{KeyName, Mint};

use super::super::issuer::{Cloud, Issuers};
use super::super::keys::KeySet;
use super::super::verified::{Unverified, Verified};

/// A verified token of a tenant.
pub(in crate::core) fn verified(tenant: &str) -> Verified {
    let mint = Mint::new(tidegate_mock::Issuers::default()).unwrap();
    let token = mint.access_token(tenant).audience("app").build();
    let issuer = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let keys = json!({"keys": [mint.key(KeyName::Enterprise).jwk(Some(issuer))]});
    let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
    let now: i64 = tidegate_mock::now().try_into().unwrap();
    Unverified::read(&token, &Issuers::of_clouds(&[Cloud::Public]))
        .and_then(|token| token.verify(&keys))
        .and_then(|token| token.accept(&["app".to_owned()], now, 60))
        .unwrap()
}
