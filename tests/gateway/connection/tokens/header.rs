//! Headers: algorithms, keys, what asks for more than a plain signed token.

use std::io::ErrorKind;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tidegate_mock::{KeyName, Seal, Token, jwt};

use super::{Case, Role, head, kid, one, refused, text};
use crate::connection::isolated;
use crate::harness::World;

/// B1: no algorithm, with and without a signature.
#[tokio::test]
async fn no_algorithm() {
    fn unsigned(world: &World, token: &Token, algorithm: &str) -> String {
        let header = json!({ "typ": "JWT", "alg": algorithm, "kid": kid(world) });
        jwt::unsigned(header.to_string().as_bytes(), text(token).as_bytes())
    }
    let cases: &[Case] = &[
        ("none", "token_algorithm", |w, t| unsigned(w, &t, "none")),
        ("None", "token_algorithm", |w, t| unsigned(w, &t, "None")),
        ("nOnE", "token_algorithm", |w, t| unsigned(w, &t, "nOnE")),
        ("none, signed", "token_algorithm", |_, t| {
            t.header("alg", "none").build()
        }),
        ("NONE, signed", "token_algorithm", |_, t| {
            t.header("alg", "NONE").build()
        }),
        ("none, no kid", "token_algorithm", |_, t| {
            t.seal(Seal::Unsigned).build()
        }),
        ("RS256, unsigned", "token_signature", |w, t| {
            unsigned(w, &t, "RS256")
        }),
    ];
    refused(cases).await;
}

/// B2: the public key as a shared secret; and other algorithms of the same key.
#[tokio::test]
async fn another_algorithm() {
    fn hmac(world: &World, token: Token, secret: Vec<u8>) -> String {
        token.seal(Seal::Hmac(secret)).kid(kid(world)).build()
    }
    fn pem(world: &World) -> String {
        world.idp.mint().key(KeyName::Enterprise).public_pem()
    }
    let cases: &[Case] = &[
        ("HS256, PEM", "token_algorithm", |w, t| {
            hmac(w, t, pem(w).into_bytes())
        }),
        ("HS256, DER", "token_algorithm", |w, t| {
            let body: String = pem(w).lines().filter(|l| !l.starts_with('-')).collect();
            hmac(w, t, BASE64_STANDARD.decode(body).unwrap())
        }),
        ("HS256, JWK", "token_algorithm", |w, t| {
            let jwk = w.idp.keys().jwk(KeyName::Enterprise).to_string();
            hmac(w, t, jwk.into_bytes())
        }),
        ("HS256, empty secret", "token_algorithm", |w, t| {
            hmac(w, t, Vec::new())
        }),
        ("rs256", "token_algorithm", |_, t| {
            t.header("alg", "rs256").build()
        }),
        ("PS256", "token_algorithm", |_, t| {
            t.header("alg", "PS256").build()
        }),
        ("a list", "token_algorithm", |_, t| {
            t.header("alg", json!(["RS256"])).build()
        }),
        ("missing", "token_algorithm", |_, t| {
            t.without_header("alg").build()
        }),
        ("twice", "token_malformed", |w, t| {
            let twice = format!(r#"{{"alg":"none","alg":"RS256","kid":"{}"}}"#, kid(w));
            t.raw_header(twice).build()
        }),
        ("a twin", "token_malformed", |w, t| {
            let twin = format!(r#"{{"Alg":"none","alg":"RS256","kid":"{}"}}"#, kid(w));
            t.raw_header(twin).build()
        }),
    ];
    refused(cases).await;
}

/// B5: names of keys that try to be something else, or nothing; one line in the log each.
#[tokio::test]
async fn a_key_of_another_name() {
    let cases: &[Case] = &[
        ("a path", "token_key_unknown", |_, t| {
            t.kid("../../../dev/null").build()
        }),
        ("a query", "token_key_unknown", |_, t| {
            t.kid("' OR 1=1--").build()
        }),
        ("another case", "token_key_unknown", |w, t| {
            let kid = kid(w);
            let other: String = kid
                .chars()
                .map(|c| {
                    if c.is_ascii_lowercase() {
                        c.to_ascii_uppercase()
                    } else {
                        c.to_ascii_lowercase()
                    }
                })
                .collect();
            t.kid(other).build()
        }),
        ("line breaks", "token_key_name", |_, t| {
            t.kid("a\r\nx-evil: b").build()
        }),
        ("escape codes", "token_key_name", |_, t| {
            t.kid("\u{1b}[31m\u{2028}").build()
        }),
        ("300 characters", "token_key_name", |_, t| {
            t.kid("k".repeat(300)).build()
        }),
        ("empty", "token_key_name", |_, t| t.kid("").build()),
        ("a number", "token_key_name", |_, t| t.kid(7).build()),
        ("null", "token_key_name", |_, t| t.kid(json!(null)).build()),
        ("a list", "token_key_name", |w, t| {
            t.kid(json!([kid(w)])).build()
        }),
        ("missing", "token_key_name", |_, t| {
            t.without_header("kid").build()
        }),
        ("not published", "token_key_unknown", |_, t| {
            t.signed_by(KeyName::Unpublished).build()
        }),
        (
            "not published, by another's name",
            "token_signature",
            |w, t| t.signed_by(KeyName::Unpublished).kid(kid(w)).build(),
        ),
    ];
    refused(cases).await;
}

/// B5: 64 KiB of a name, where a token that large can arrive at all.
#[tokio::test]
async fn a_key_of_an_endless_name() {
    let world = isolated().await;
    one(&world, Role::SignIn, "64 KiB", "token_too_long", |_, t| {
        t.kid("k".repeat(64 * 1024)).build()
    })
    .await;
    world.finish().await;
}

/// B6: a token does not say where its keys are.
#[tokio::test]
async fn keys_of_its_own() {
    let world = isolated().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let jwk = world.idp.keys().jwk(KeyName::Unpublished);
    let chain = jwk["x5c"].clone();
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("jwk", jwk),
        ("x5c", chain),
    ] {
        for role in Role::BOTH {
            for key in [KeyName::Unpublished, KeyName::Enterprise] {
                let token = role
                    .token(&world)
                    .signed_by(key)
                    .header(name, value.clone());
                let outcome = role.creation(&world, &token.build()).send().await;
                outcome.token_refused(role.outside(), "token_header");
                world.forwarded(0).await;
            }
        }
    }
    let asked = listener.accept();
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::WouldBlock);
    world.finish().await;
}

/// B21 and others: what a plain signed token does not need, a token must not ask for.
#[tokio::test]
async fn more_than_a_signature() {
    let cases: &[Case] = &[
        ("crit", "token_header", |_, t| {
            t.header("crit", json!(["exp"])).header("exp", 1).build()
        }),
        ("crit b64", "token_header", |_, t| {
            t.header("crit", json!(["b64"]))
                .header("b64", false)
                .build()
        }),
        ("b64", "token_header", |_, t| t.header("b64", false).build()),
        ("b64 true", "token_header", |_, t| {
            t.header("b64", true).build()
        }),
        ("zip", "token_header", |_, t| t.header("zip", "DEF").build()),
        ("cty", "token_header", |_, t| t.header("cty", "JWT").build()),
        ("enc", "token_header", |_, t| {
            t.header("enc", "A128GCM").build()
        }),
        ("typ", "token_type", |_, t| t.header("typ", "JWE").build()),
        ("typ of a list", "token_type", |_, t| {
            t.header("typ", json!(["JWT"])).build()
        }),
        ("a twin of crit", "token_malformed", |_, t| {
            t.header("Crit", json!(["exp"])).build()
        }),
        ("a list", "token_malformed", |w, t| {
            t.raw_header(format!("[{}]", head(w))).build()
        }),
        ("trailing", "token_malformed", |w, t| {
            t.raw_header(format!("{} x", head(w))).build()
        }),
        ("a byte order mark", "token_malformed", |w, t| {
            t.raw_header(format!("\u{feff}{}", head(w))).build()
        }),
        ("no text", "token_malformed", |w, t| {
            let mut bytes = head(w).to_string().into_bytes();
            bytes[2] = 0xff;
            t.raw_header(bytes).build()
        }),
        ("a nested token", "token_malformed", |w, t| {
            let inner = t.build();
            t.raw_claims(format!("\"{inner}\""))
                .raw_header(head(w).to_string())
                .build()
        }),
    ];
    refused(cases).await;
}
