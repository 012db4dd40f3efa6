//! The claims Entra puts into its tokens, by purpose and version. Only shapes: who is meant comes
//! from the builder.

use serde_json::{Map, Value, json};

use crate::jwt::{b64, random, random_guid, sha256, stable_guid};
use crate::options::Version;
use crate::tenants::PERSONAL;
use crate::token::Purpose;

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user name, `alice@contoso.com`.
    pub username: String,
    /// The tenant the user belongs to. Differs from the sign-in tenant for a guest.
    pub home: String,
}

impl Account {
    /// The user's object id in a tenant; a guest has a different one in each.
    pub fn object_id(&self, tenant: &str) -> String {
        let id = stable_guid(&format!("{}/{tenant}", self.username));
        if tenant == PERSONAL {
            let digits: String = id
                .chars()
                .filter(char::is_ascii_hexdigit)
                .take(16)
                .collect();
            let (high, low) = digits.split_at(4);
            return format!("00000000-0000-0000-{high}-{low}");
        }
        id
    }

    /// The `client_info` member of a token reply: the user's id in the HOME tenant.
    pub fn client_info(&self) -> String {
        client_info(&self.object_id(&self.home), &self.home)
    }
}

/// A `client_info` value.
pub fn client_info(uid: &str, utid: &str) -> String {
    b64(json!({ "uid": uid, "utid": utid }).to_string())
}

/// What claims are made of.
pub(crate) struct Facts<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) version: Version,
    pub(crate) tenant: &'a str,
    pub(crate) issuer: String,
    /// `None` for an application's own token.
    pub(crate) account: Option<&'a Account>,
    pub(crate) client: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) scopes: &'a str,
    pub(crate) roles: &'a [String],
    pub(crate) nonce: Option<&'a str>,
    pub(crate) now: u64,
    pub(crate) lifetime: u64,
}

/// The claims of a token.
pub(crate) fn of(facts: &Facts<'_>) -> Map<String, Value> {
    let mut claims = common(facts);
    match facts.account {
        Some(account) => user(facts, account, &mut claims),
        None => application(facts, &mut claims),
    }
    match facts.purpose {
        Purpose::Access => access(facts, &mut claims),
        Purpose::Id => {
            if let Some(nonce) = facts.nonce {
                claims.insert("nonce".into(), json!(nonce));
            }
        }
    }
    claims
}

fn common(facts: &Facts<'_>) -> Map<String, Value> {
    // Entra backdates its tokens by five minutes.
    let issued = facts.now.saturating_sub(300);
    put(
        Map::new(),
        json!({
            "aud": facts.audience,
            "iss": facts.issuer,
            "iat": issued,
            "nbf": issued,
            "exp": facts.now.saturating_add(facts.lifetime),
            "aio": random(40),
            "rh": format!("1.{}.", random(36)),
            "tid": facts.tenant,
            "uti": random(16),
            "ver": facts.version.as_str(),
        }),
    )
}

fn user(facts: &Facts<'_>, account: &Account, claims: &mut Map<String, Value>) {
    let oid = account.object_id(facts.tenant);
    let subject = b64(sha256(format!("{oid}/{}", facts.client).as_bytes()));
    let name = account.username.split('@').next().unwrap_or_default();
    extend(
        claims,
        json!({
            "name": name,
            "oid": oid,
            "sub": subject,
            "sid": stable_guid(&format!("session/{}", account.username)),
        }),
    );
    if account.home != facts.tenant {
        claims.insert("idp".into(), json!(home_provider(&account.home)));
    }
    match facts.version {
        Version::V2 => extend(claims, json!({ "preferred_username": account.username })),
        Version::V1 => extend(
            claims,
            json!({
                "amr": ["pwd"],
                "family_name": "Mock",
                "given_name": name,
                "ipaddr": "192.0.2.1",
                "unique_name": account.username,
                "upn": account.username,
            }),
        ),
    }
}

fn application(facts: &Facts<'_>, claims: &mut Map<String, Value>) {
    let oid = stable_guid(&format!("principal/{}/{}", facts.client, facts.tenant));
    extend(
        claims,
        json!({ "oid": oid, "sub": oid, "idtyp": "app", "roles": facts.roles }),
    );
    if facts.version == Version::V1 {
        claims.insert(
            "idp".into(),
            json!(format!("https://sts.windows.net/{}/", facts.tenant)),
        );
    }
}

fn access(facts: &Facts<'_>, claims: &mut Map<String, Value>) {
    if facts.account.is_some() {
        claims.insert("scp".into(), json!(facts.scopes));
        if !facts.roles.is_empty() {
            claims.insert("roles".into(), json!(facts.roles));
        }
    }
    match facts.version {
        Version::V2 => extend(claims, json!({ "azp": facts.client, "azpacr": "1" })),
        Version::V1 => extend(
            claims,
            json!({
                "acr": "1",
                "appid": facts.client,
                "appidacr": "1",
                "app_displayname": "mock",
                "tenant_region_scope": "WW",
                "xms_st": { "sub": random_guid() },
            }),
        ),
    }
}

/// The `idp` claim of a guest.
fn home_provider(home: &str) -> String {
    if home == PERSONAL {
        "live.com".into()
    } else {
        format!("https://sts.windows.net/{home}/")
    }
}

fn put(mut claims: Map<String, Value>, more: Value) -> Map<String, Value> {
    extend(&mut claims, more);
    claims
}

fn extend(claims: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        claims.extend(more);
    }
}
