//! Tokens that PyJWT made, under keys that cryptography made and an identity provider of Python
//! publishes: right ones are believed, wrong ones refused, as creator's and as sign-in token.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tidegate_mock::{jwt, now};

use super::stage::{RESOURCES, Stage, setup};
use crate::harness::*;

/// Which of the two tokens a case is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Creator,
    SignIn,
}

impl Role {
    const BOTH: [Self; 2] = [Self::Creator, Self::SignIn];

    /// Creates a connection with this token in its role, and a good one of Contoso in the other.
    async fn send<'w>(self, stage: &'w mut Stage, token: &str) -> Created<'w> {
        let good = stage.id_token(CONTOSO).await;
        let (creator, sign_in) = match self {
            Self::Creator => (token, good.as_str()),
            Self::SignIn => (good.as_str(), token),
        };
        let creation = stage.world.creation(CONTOSO, CONTOSO);
        creation.bearer(creator).json_token(sign_in).send().await
    }

    /// The word that the caller is told.
    fn outside(self) -> &'static str {
        match self {
            Self::Creator => "creator_token_refused",
            Self::SignIn => "sign_in_token_refused",
        }
    }
}

async fn stage() -> Option<Stage> {
    Stage::start(setup().policy(Policy::on(CONTOSO))).await
}

fn header(token: &str) -> Value {
    let head = token.split('.').next().unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap()
}

/// The token, of this tenant, is verified and decides: only Contoso's creates a connection.
async fn believed(stage: &mut Stage, role: Role, tenant: &str, token: &str) {
    let before = stage.created().await.len();
    let outcome = role.send(stage, token).await;
    let created = match (role, tenant) {
        (_, CONTOSO) => {
            outcome.allowed("same_tenant");
            assert_eq!(outcome.answer.status, 201, "{:?}", outcome.answer);
            1
        }
        (Role::Creator, _) => {
            outcome.blocked("inbound_block", &[(CONTOSO, "inbound")]);
            0
        }
        (Role::SignIn, _) => {
            outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
            0
        }
    };
    let record = &outcome.record;
    assert_eq!(record["verified"], "signature", "{record}");
    match role {
        Role::Creator => {
            outcome.tenants(Some(tenant), Some(CONTOSO));
            assert_eq!(record["creator_source"], "bearer", "{record}");
        }
        Role::SignIn => {
            outcome.tenants(Some(CONTOSO), Some(tenant));
            let claims = jwt::claims(token).unwrap();
            assert_eq!(record["issuer"], claims["iss"], "{record}");
        }
    }
    assert_eq!(stage.created().await.len(), before + created);
}

#[tokio::test]
async fn right_tokens_are_believed() {
    let Some(mut stage) = stage().await else {
        return;
    };
    let mut kinds = std::collections::BTreeSet::new();
    for tenant in [CONTOSO, FABRIKAM, PERSONAL] {
        for (endpoint, id_version) in [("oauth2", "1.0"), ("oauth2/v2.0", "2.0")] {
            for (resource, version) in RESOURCES.into_iter().zip(["1.0", "2.0", "1.0"]) {
                let tokens = stage.sign_in(tenant, endpoint, resource).await;
                for (token, version) in [(tokens.access, version), (tokens.id, id_version)] {
                    let claims = jwt::claims(&token).unwrap();
                    assert_eq!(claims["ver"], version);
                    let nonce = header(&token)["nonce"].is_string();
                    kinds.insert((claims["iss"].as_str().unwrap().to_owned(), nonce));
                    for role in Role::BOTH {
                        println!("{role:?} {tenant} {endpoint} {resource} {version}");
                        believed(&mut stage, role, tenant, &token).await;
                    }
                }
            }
        }
    }
    // Three tenants, each with the issuer of version 1.0, with a nonce and without, and that of 2.0.
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    for order in [
        json!({ "tenant": CONTOSO, "headers": { "nonce": "signed as it is" } }),
        json!({ "tenant": CONTOSO, "headers": { "typ": "at+jwt" } }),
        json!({ "tenant": CONTOSO, "headers": { "x5t": "a thumbprint" } }),
        json!({ "tenant": CONTOSO, "claims": { "tid": null } }),
        json!({ "tenant": CONTOSO, "claims": { "exp": now() - 20 } }), // within the leeway
        json!({ "tenant": CONTOSO, "claims": { "nbf": null, "iat": null } }),
    ] {
        let token = stage.make(&order).await;
        println!("{order}");
        for role in Role::BOTH {
            believed(&mut stage, role, CONTOSO, &token).await;
        }
    }
    stage.finish().await;
}

/// Orders for wrong tokens of Contoso, which would create a connection within Contoso if they were
/// believed, and the word in the record.
fn wrong() -> Vec<(Value, &'static str)> {
    let personal = format!("https://login.microsoftonline.com/{PERSONAL}/v2.0");
    let fabrikam = format!("https://login.microsoftonline.com/{FABRIKAM}/v2.0");
    let slashless = format!("https://sts.windows.net/{CONTOSO}");
    let own = format!("https://127.0.0.1/{CONTOSO}/v2.0");
    vec![
        // Another algorithm, and one behind the name of another.
        (
            json!({ "alg": "HS256", "secret": "pem" }),
            "token_algorithm",
        ),
        (
            json!({ "alg": "HS256", "secret": "der" }),
            "token_algorithm",
        ),
        (
            json!({ "alg": "HS256", "secret": "jwk" }),
            "token_algorithm",
        ),
        (json!({ "alg": "none" }), "token_algorithm"),
        (json!({ "alg": "RS384" }), "token_algorithm"),
        (json!({ "alg": "RS384", "key": "rs384" }), "token_algorithm"),
        (json!({ "alg": "RS512" }), "token_algorithm"),
        (json!({ "alg": "PS256" }), "token_algorithm"),
        (
            json!({ "alg": "ES256", "key": "elliptic" }),
            "token_algorithm",
        ),
        (
            json!({ "alg": "RS256", "secret": "pem" }),
            "token_signature",
        ),
        (json!({ "alg": "RS256", "by": "PS256" }), "token_signature"),
        (json!({ "alg": "RS256", "by": "RS384" }), "token_signature"),
        // Another key.
        (
            json!({ "headers": { "kid": "another" } }),
            "token_key_unknown",
        ),
        (json!({ "headers": { "kid": null } }), "token_key_name"),
        (json!({ "key": "unpublished" }), "token_key_unknown"),
        (
            json!({ "key": "unpublished", "named": "enterprise" }),
            "token_signature",
        ),
        (
            json!({ "key": "unpublished", "enclosed": "unpublished" }),
            "token_header",
        ),
        (json!({ "key": "encrypting" }), "token_key_unknown"),
        (json!({ "key": "rs384" }), "token_key_unknown"),
        (json!({ "named": "elliptic" }), "token_key_unknown"),
        (json!({ "key": "personal" }), "token_key_issuer"),
        (
            json!({ "key": "personal", "version": "1.0" }),
            "token_key_issuer",
        ),
        (
            json!({ "key": "personal", "named": "enterprise" }),
            "token_signature",
        ),
        (json!({ "named": "personal" }), "token_key_issuer"),
        // Another tenant.
        (
            json!({ "claims": { "tid": FABRIKAM } }),
            "token_tenant_mismatch",
        ),
        (
            json!({ "claims": { "iss": fabrikam } }),
            "token_tenant_mismatch",
        ),
        (
            json!({ "key": "personal", "claims": { "iss": personal } }),
            "token_tenant_mismatch",
        ),
        (json!({ "claims": { "iss": slashless } }), "token_issuer"),
        (json!({ "claims": { "iss": own } }), "token_issuer"),
        (json!({ "claims": { "iss": null } }), "token_issuer"),
        // Another audience, another time.
        (json!({ "audience": "api://another" }), "token_audience"),
        (
            json!({ "claims": { "aud": ["api://v2"] } }),
            "token_audience",
        ),
        (json!({ "claims": { "aud": null } }), "token_audience"),
        (json!({ "claims": { "exp": now() - 90 } }), "token_expired"),
        (json!({ "claims": { "exp": null } }), "token_lifetime"),
        (
            json!({ "claims": { "nbf": now() + 600 } }),
            "token_not_yet_valid",
        ),
        (
            json!({ "claims": { "iat": now() + 600 } }),
            "token_issued_in_future",
        ),
        // More than a signature.
        (json!({ "headers": { "typ": "JWE" } }), "token_type"),
        (json!({ "headers": { "cty": "JWT" } }), "token_header"),
        (
            json!({ "headers": { "jku": "https://127.0.0.1/keys" } }),
            "token_header",
        ),
    ]
}

#[tokio::test]
async fn wrong_tokens_are_refused() {
    let Some(mut stage) = stage().await else {
        return;
    };
    for (mut order, reason) in wrong() {
        println!("{order}");
        order["tenant"] = CONTOSO.into();
        let token = stage.make(&order).await;
        refused(&mut stage, &token, reason).await;
    }

    // A nonce that is not the signed one.
    let graph = stage
        .sign_in(CONTOSO, "oauth2/v2.0", RESOURCES[2])
        .await
        .access;
    let (head, rest) = graph.split_once('.').unwrap();
    let mut head: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    head["nonce"] = "another".into();
    let head = BASE64_URL_SAFE_NO_PAD.encode(head.to_string());
    refused(&mut stage, &format!("{head}.{rest}"), "token_signature").await;

    let good = stage.make(&json!({ "tenant": CONTOSO })).await;
    for role in Role::BOTH {
        believed(&mut stage, role, CONTOSO, &good).await;
    }
    assert_eq!(stage.created().await.len(), 2);
    stage.finish().await;
}

async fn refused(stage: &mut Stage, token: &str, reason: &str) {
    for role in Role::BOTH {
        let outcome = role.send(stage, token).await;
        outcome.token_refused(role.outside(), reason);
    }
    assert_eq!(stage.created().await, Vec::<Value>::new());
}

/// The provider changes its key at once, and nobody was told: tokens of the new key are believed,
/// those of the old one no longer.
#[tokio::test]
async fn a_key_that_is_replaced_at_once() {
    let setup = setup()
        .policy(Policy::on(CONTOSO))
        .set("verification.key_cooldown", "0s")
        .set("verification.insecure_key_cooldown", true);
    let Some(mut stage) = Stage::start(setup).await else {
        return;
    };
    let old = stage.id_token(CONTOSO).await;
    believed(&mut stage, Role::SignIn, CONTOSO, &old).await;
    stage.idp("rotate", &json!({})).await;
    let new = stage.id_token(CONTOSO).await;
    assert_ne!(header(&old)["kid"], header(&new)["kid"]);
    for role in Role::BOTH {
        believed(&mut stage, role, CONTOSO, &new).await;
    }
    for role in Role::BOTH {
        let outcome = role.send(&mut stage, &old).await;
        outcome.token_refused(role.outside(), "token_key_unknown");
    }
    stage.finish().await;
}
