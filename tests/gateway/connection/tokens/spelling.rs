//! Spellings of a token: one compact form and no other.

use serde_json::json;
use tidegate_mock::{KeyName, Seal, Token, jwt};

use super::{Case, Role, head, one, refused, text};
use crate::connection::isolated;
use crate::harness::{CONTOSO, FABRIKAM, World};

/// The three parts of a token.
fn parts(token: &Token) -> [String; 3] {
    let token = token.build();
    let mut parts = token.split('.').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap())
}

/// B21: other serialisations.
#[tokio::test]
async fn other_forms() {
    let cases: &[Case] = &[
        ("a JWE", "token_encrypted", |_, t| {
            t.seal(Seal::Encrypted).build()
        }),
        ("an opaque token", "token_malformed", |_, t| {
            t.seal(Seal::Opaque).build()
        }),
        ("JWS JSON", "token_malformed", |_, t| {
            let [protected, payload, signature] = parts(&t);
            json!({ "protected": protected, "payload": payload, "signature": signature })
                .to_string()
        }),
        ("a nested token", "token_header", |w, t| {
            let header = json!({ "alg": "RS256", "cty": "JWT", "kid": super::kid(w) });
            t.clone()
                .raw_header(header.to_string())
                .raw_claims(t.build())
                .build()
        }),
        ("claims in a list", "token_malformed", |_, t| {
            t.clone().raw_claims(format!("[{}]", text(&t))).build()
        }),
        (
            "claims with a byte order mark",
            "token_malformed",
            |_, t| {
                t.clone()
                    .raw_claims(format!("\u{feff}{}", text(&t)))
                    .build()
            },
        ),
        ("claims and more", "token_malformed", |_, t| {
            t.clone().raw_claims(format!("{}{{}}", text(&t))).build()
        }),
        ("claims that are no text", "token_malformed", |_, t| {
            let mut bytes = text(&t).into_bytes();
            bytes[2] = 0xff;
            t.raw_claims(bytes).build()
        }),
        ("no claims", "token_malformed", |_, t| {
            t.raw_claims("").build()
        }),
        ("one word", "token_malformed", |_, _| "token".repeat(8)),
    ];
    refused(cases).await;
}

/// B26: padding, the other alphabet, bits that do not count, more parts or fewer.
#[tokio::test]
async fn other_spellings() {
    let cases: &[Case] = &[
        ("padding", "token_malformed", |_, t| {
            format!("{}==", t.build())
        }),
        ("padding in the middle", "token_malformed", |_, t| {
            let [header, claims, signature] = parts(&t);
            format!("{header}=.{claims}=.{signature}")
        }),
        ("the other alphabet", "token_malformed", |_, t| {
            // 256 random bytes hold a character of both alphabets almost always.
            let [header, claims, signature] = loop {
                let parts = parts(&t);
                if parts[2].contains(['-', '_']) {
                    break parts;
                }
            };
            let signature = signature.replace('-', "+").replace('_', "/");
            format!("{header}.{claims}.{signature}")
        }),
        ("last bits", "token_malformed", |_, t| last_bits(&t)),
        ("two parts", "token_malformed", |_, t| {
            let [header, claims, _] = parts(&t);
            format!("{header}.{claims}")
        }),
        ("four parts", "token_malformed", |_, t| {
            format!("{}.{}", t.build(), jwt::random(16))
        }),
        ("a dot at the end", "token_malformed", |_, t| {
            format!("{}.", t.build())
        }),
        ("a dot at the start", "token_malformed", |_, t| {
            format!(".{}", t.build())
        }),
        ("in quotes", "token_malformed", |_, t| {
            format!("\"{}\"", t.build())
        }),
        ("escaped", "token_malformed", |_, t| {
            t.build().replacen('.', "%2e", 1)
        }),
    ];
    refused(cases).await;
}

/// The same bytes with another last character: its low bits do not count.
fn last_bits(token: &Token) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let token = token.build();
    let last = *token.as_bytes().last().unwrap();
    let at = ALPHABET.iter().position(|known| *known == last).unwrap();
    // 256 bytes leave four bits in the last character.
    let other = char::from(ALPHABET[at ^ 1]);
    format!("{}{other}", &token[..token.len() - 1])
}

/// B26: space around or within it.
#[tokio::test]
async fn space() {
    let world = isolated().await;
    let cases: &[Case] = &[
        ("before", "token_malformed", |_, t| {
            format!(" {}", t.build())
        }),
        ("after", "token_malformed", |_, t| {
            format!("{}\n", t.build())
        }),
        ("within", "token_malformed", |_, t| {
            t.build().replacen('.', ". ", 1)
        }),
        ("nul", "token_malformed", |_, t| format!("{}\0", t.build())),
        ("as a bearer", "token_malformed", |_, t| {
            format!("Bearer {}", t.build())
        }),
    ];
    for (name, reason, make) in cases {
        one(&world, Role::SignIn, name, reason, *make).await;
    }
    world.finish().await;
}

/// B26: a token that was verified and is remembered; the same one in another spelling is refused,
/// and the verified one is still what it was.
#[tokio::test]
async fn a_remembered_token_has_one_spelling() {
    let world = isolated().await;
    for role in Role::BOTH {
        let token = role.token(&world).build();
        for _ in 0..3 {
            let good = role.creation(&world, &token).send().await;
            good.created("same_tenant");
            world.forwarded(1).await;
            for other in [format!("{token}="), token[..token.len() - 1].to_owned()] {
                let outcome = role.creation(&world, &other).send().await;
                assert_eq!(outcome.answer.status, 401, "{:?}", outcome.answer);
                world.forwarded(0).await;
            }
        }
    }
    world.finish().await;
}

/// B28: only the outermost token counts, and only verified.
#[tokio::test]
async fn inner_tokens() {
    fn inner(world: &World) -> String {
        world.sign_in(CONTOSO).build()
    }
    let cases: &[Case] = &[
        ("an unsigned one around it", "token_algorithm", |w, t| {
            t.claim("actort", inner(w)).seal(Seal::Unsigned).build()
        }),
        ("an unsigned one with an act", "token_algorithm", |_, t| {
            let act = json!({ "tid": CONTOSO });
            t.claim("act", act).seal(Seal::Unsigned).build()
        }),
        ("a badly signed one around it", "token_signature", |w, t| {
            t.claim("actort", inner(w)).seal(Seal::BadSignature).build()
        }),
    ];
    refused(cases).await;
    // Whatever an inner token says, it decides about nothing.
    let world = isolated().await;
    let foreign = world.sign_in(FABRIKAM).build();
    let outer = world
        .sign_in(CONTOSO)
        .claim("actort", foreign)
        .claim("act", json!({ "tid": FABRIKAM }));
    let creation = world.creation(CONTOSO, CONTOSO).json_token(&outer.build());
    creation.send().await.created("same_tenant");
    world.forwarded(1).await;
    let outer = world
        .sign_in(FABRIKAM)
        .claim("actort", world.sign_in(CONTOSO).build());
    let creation = world.creation(CONTOSO, CONTOSO).json_token(&outer.build());
    let outcome = creation.send().await;
    outcome.blocked("outbound_block", crate::connection::OUT);
    world.forwarded(0).await;
    world.finish().await;
}

/// B31: signatures that are gone, another's, or cut.
#[tokio::test]
async fn signatures() {
    let cases: &[Case] = &[
        ("removed", "token_signature", |_, t| {
            let [header, claims, _] = parts(&t);
            format!("{header}.{claims}.")
        }),
        ("another token's", "token_signature", |_, t| {
            let [header, claims, _] = parts(&t);
            let [.., signature] = parts(&t.claim("more", 1));
            format!("{header}.{claims}.{signature}")
        }),
        ("one character short", "token_signature", |_, t| {
            let token = t.build();
            token[..token.len() - 2].to_owned()
        }),
        ("one bit off", "token_signature", |_, t| {
            t.seal(Seal::BadSignature).build()
        }),
        ("another key's", "token_signature", |w, t| {
            t.signed_by(KeyName::EnterpriseNext)
                .raw_header(head(w).to_string())
                .build()
        }),
        ("other claims", "token_signature", |_, t| {
            let [header, _, signature] = parts(&t);
            let foreign = t.claim("more", true);
            let claims = jwt::b64(text(&foreign));
            format!("{header}.{claims}.{signature}")
        }),
        ("zeroes", "token_signature", |_, t| {
            let [header, claims, _] = parts(&t);
            format!("{header}.{claims}.{}", jwt::b64([0u8; 256]))
        }),
    ];
    refused(cases).await;
}
