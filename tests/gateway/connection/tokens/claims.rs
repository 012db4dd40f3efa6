//! Claims: issuer, tenant, audience, time; each exactly as it must be, or refused.

use serde_json::{Value, json};
use tidegate_mock::{KeyName, Seal, now};

use super::{Case, refused, text, text_and};
use crate::harness::{CONTOSO, FABRIKAM};

/// B9: an issuer is a template with the tenant filled in, byte for byte.
#[tokio::test]
async fn issuers() {
    fn iss(text: &str) -> Value {
        json!(text.replace("{t}", CONTOSO))
    }
    let cases: &[Case] = &[
        ("another host", "token_issuer", |_, t| {
            let evil = "https://login.microsoftonline.com.evil.test/{t}/v2.0";
            t.claim("iss", iss(evil)).build()
        }),
        ("userinfo", "token_issuer", |_, t| {
            let evil = "https://login.microsoftonline.com@evil.test/{t}/v2.0";
            t.claim("iss", iss(evil)).build()
        }),
        ("http", "token_issuer", |_, t| {
            let plain = "http://login.microsoftonline.com/{t}/v2.0";
            t.claim("iss", iss(plain)).build()
        }),
        ("escapes", "token_issuer", |_, t| {
            let escaped = "https://login.microsoftonline.com/%2e/{t}/v2.0";
            t.claim("iss", iss(escaped)).build()
        }),
        ("a slash at the end", "token_issuer", |_, t| {
            let slash = "https://login.microsoftonline.com/{t}/v2.0/";
            t.claim("iss", iss(slash)).build()
        }),
        ("no slash at the end", "token_issuer", |_, t| {
            t.claim("iss", iss("https://sts.windows.net/{t}")).build()
        }),
        ("upper case", "token_issuer", |_, t| {
            let upper = "https://LOGIN.microsoftonline.com/{t}/v2.0";
            t.claim("iss", iss(upper)).build()
        }),
        ("a way up", "token_issuer", |_, t| {
            let up = "https://login.microsoftonline.com/{t}/v2.0/../";
            t.claim("iss", iss(up)).build()
        }),
        ("another cloud", "token_issuer", |_, t| {
            let cloud = "https://login.microsoftonline.us/{t}/v2.0";
            t.claim("iss", iss(cloud)).build()
        }),
        ("a template", "token_issuer", |_, t| {
            let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
            t.claim("iss", template).build()
        }),
        ("common", "token_issuer", |_, t| {
            let common = "https://login.microsoftonline.com/common/v2.0";
            t.claim("iss", common).build()
        }),
        ("a list", "token_issuer", |_, t| {
            let list = json!([iss("https://login.microsoftonline.com/{t}/v2.0")]);
            t.claim("iss", list).build()
        }),
        ("missing", "token_issuer", |_, t| t.without("iss").build()),
        ("empty", "token_issuer", |_, t| t.claim("iss", "").build()),
        ("Azure DevOps", "token_issuer", |_, t| {
            let issuer = tidegate_mock::AZURE_DEVOPS_ISSUER;
            t.claim("iss", issuer).build()
        }),
        ("twice", "token_malformed", |_, t| {
            let more = format!(r#""iss":"https://sts.windows.net/{FABRIKAM}/""#);
            t.clone().raw_claims(text_and(&t, &more)).build()
        }),
    ];
    refused(cases).await;
}

/// B10, B12, B14: the tenant that the token names is the one that its issuer names.
#[tokio::test]
async fn tenants() {
    let cases: &[Case] = &[
        ("another", "token_tenant_mismatch", |_, t| {
            t.claim("tid", FABRIKAM).build()
        }),
        ("another's issuer", "token_tenant_mismatch", |_, t| {
            let issuer = format!("https://login.microsoftonline.com/{FABRIKAM}/v2.0");
            t.claim("iss", issuer).build()
        }),
        ("twice, the other last", "token_malformed", |_, t| {
            let more = format!(r#""tid":"{FABRIKAM}""#);
            t.clone().raw_claims(text_and(&t, &more)).build()
        }),
        ("twice, the other first", "token_malformed", |_, t| {
            let claims = format!(r#"{{"tid":"{FABRIKAM}",{}"#, &text(&t)[1..]);
            t.raw_claims(claims).build()
        }),
        ("twice, escaped", "token_malformed", |_, t| {
            let more = format!(r#""t\u0069d":"{FABRIKAM}""#);
            t.clone().raw_claims(text_and(&t, &more)).build()
        }),
        ("a list", "token_malformed", |_, t| {
            t.claim("tid", json!([CONTOSO])).build()
        }),
        ("an object", "token_malformed", |_, t| {
            t.claim("tid", json!({ "id": CONTOSO })).build()
        }),
        ("a number", "token_malformed", |_, t| {
            t.claim("tid", 1).build()
        }),
        ("null", "token_malformed", |_, t| {
            t.claim("tid", json!(null)).build()
        }),
        ("empty", "token_malformed", |_, t| {
            t.claim("tid", "").build()
        }),
        ("braces", "token_malformed", |_, t| {
            t.claim("tid", format!("{{{CONTOSO}}}")).build()
        }),
        ("TID only", "token_malformed", |_, t| {
            t.without("tid").claim("TID", CONTOSO).build()
        }),
        ("Tid only", "token_malformed", |_, t| {
            t.without("tid").claim("Tid", FABRIKAM).build()
        }),
        ("Tid beside tid", "token_malformed", |_, t| {
            t.claim("Tid", FABRIKAM).build()
        }),
        ("in an inner actor only", "token_tenant_mismatch", |_, t| {
            t.claim("act", json!({ "tid": CONTOSO }))
                .claim("tid", FABRIKAM)
                .build()
        }),
    ];
    refused(cases).await;
}

/// A key signs for the issuer that its key set names, and for no other.
#[tokio::test]
async fn keys_bound_to_issuers() {
    let cases: &[Case] = &[(
        "the personal key, an enterprise tenant",
        "token_key_issuer",
        |_, t| t.signed_by(KeyName::Personal).build(),
    )];
    refused(cases).await;
}

/// B15: the audience is one text, and one of those configured.
#[tokio::test]
async fn audiences() {
    let cases: &[Case] = &[
        ("missing", "token_audience", |_, t| t.without("aud").build()),
        ("another", "token_audience", |_, t| {
            t.audience("api://nobody").build()
        }),
        ("empty", "token_audience", |_, t| t.audience("").build()),
        ("another case", "token_audience", |_, t| {
            t.audience("API://platform").build()
        }),
        ("a longer one", "token_audience", |_, t| {
            t.audience("api://sign-in/.default").build()
        }),
        ("a list with the right one", "token_audience", |_, t| {
            let aud = t.claims()["aud"].clone();
            t.claim("aud", json!([aud, "api://nobody"])).build()
        }),
        ("a list of the right one", "token_audience", |_, t| {
            let aud = t.claims()["aud"].clone();
            t.claim("aud", json!([aud])).build()
        }),
        ("a number", "token_audience", |_, t| {
            t.claim("aud", 1).build()
        }),
        ("twice", "token_malformed", |_, t| {
            t.clone()
                .raw_claims(text_and(&t, r#""aud":"api://nobody""#))
                .build()
        }),
    ];
    refused(cases).await;
}

/// B16, B17: within a minute of leeway, and numbers that are numbers.
#[tokio::test]
async fn times() {
    fn exp(token: tidegate_mock::Token, number: &str) -> String {
        let claims = text(&token.clone().without("exp"));
        let claims = format!(r#"{},"exp":{number}}}"#, &claims[..claims.len() - 1]);
        token.raw_claims(claims).build()
    }
    let cases: &[Case] = &[
        ("expired", "token_expired", |_, t| t.expires_in(-61).build()),
        ("long expired", "token_expired", |_, t| exp(t, "1")),
        ("exp missing", "token_lifetime", |_, t| {
            t.without("exp").build()
        }),
        ("exp a text", "token_lifetime", |_, t| {
            t.claim("exp", "9999999999").build()
        }),
        ("exp 1e30", "token_lifetime", |_, t| exp(t, "1e30")),
        ("exp -1", "token_lifetime", |_, t| exp(t, "-1")),
        ("exp 0", "token_lifetime", |_, t| exp(t, "0")),
        ("exp 2^63", "token_lifetime", |_, t| {
            exp(t, "9223372036854775808")
        }),
        ("exp 2^64", "token_lifetime", |_, t| {
            exp(t, "18446744073709551616")
        }),
        ("exp a fraction", "token_lifetime", |_, t| {
            exp(t, &format!("{}.5", now() + 600))
        }),
        ("exp null", "token_lifetime", |_, t| exp(t, "null")),
        ("exp NaN", "token_malformed", |_, t| exp(t, "NaN")),
        ("not yet", "token_not_yet_valid", |_, t| {
            t.claim("nbf", now() + 65).build()
        }),
        ("nbf a text", "token_lifetime", |_, t| {
            t.claim("nbf", (now() - 60).to_string()).build()
        }),
        ("issued in the future", "token_issued_in_future", |_, t| {
            t.claim("iat", now() + 86_400).build()
        }),
        ("iat a text", "token_lifetime", |_, t| {
            t.claim("iat", "soon").build()
        }),
    ];
    refused(cases).await;
}

/// B22: a Graph-like token whose signature does not hold is no token of anybody else's.
#[tokio::test]
async fn graph_tokens_that_do_not_hold() {
    let cases: &[Case] = &[
        (
            "a nonce, signed plainly by nobody",
            "token_signature",
            |_, t| {
                t.header("nonce", "0123456789")
                    .seal(Seal::BadSignature)
                    .build()
            },
        ),
        ("another nonce", "token_signature", |_, t| {
            let token = t.seal(Seal::GraphNonce).build();
            let (head, rest) = token.split_once('.').unwrap();
            let head = String::from_utf8(tidegate_mock::jwt::unb64(head).unwrap()).unwrap();
            let mut head: Value = serde_json::from_str(&head).unwrap();
            head["nonce"] = "another".into();
            format!("{}.{rest}", tidegate_mock::jwt::b64(head.to_string()))
        }),
        ("a nonce of another type", "token_malformed", |_, t| {
            t.header("nonce", json!(["a"])).build()
        }),
    ];
    refused(cases).await;
}
