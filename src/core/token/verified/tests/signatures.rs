//! Keys and signatures: cases B22, B31, whose key signs for whom, and Graph's tokens.

use aws_lc_rs::digest::{SHA256, digest};

use super::*;

#[test]
fn a_signature_is_the_tokens_own() {
    let token = good();
    let other = sign(header(), claims_with("oid", json!("another")).to_string());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (_, others) = other.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let table = [
        (String::new(), Refused::Signature),
        (others.to_owned(), Refused::Signature),
        (
            signature[..signature.len() - 1].to_owned(),
            Refused::Malformed,
        ),
        (format!("{signature}A"), Refused::Signature),
        (b64(&raw[..255]), Refused::Signature),
        (b64(&raw[1..]), Refused::Signature),
        (b64([&raw[..], &[0]].concat()), Refused::Signature),
        (b64([&[0], &raw[..]].concat()), Refused::Signature),
        (b64([&raw[..], &raw[..]].concat()), Refused::Signature),
        (b64([0; 256]), Refused::Signature),
        (b64([0xff; 256]), Refused::Signature),
        (b64([0]), Refused::Signature),
    ];
    for (signature, refused) in table {
        let token = format!("{message}.{signature}");
        assert_eq!(outcome(&token), Err(refused), "{signature}");
    }
}

/// No key is looked for, nor fetched, for a token without a signature.
#[test]
fn an_unsigned_token_is_not_read() {
    let token = sign(header_with("kid", "unknown"), claims_of(A).to_string());
    let (message, _) = token.rsplit_once('.').unwrap();
    let unsigned = format!("{message}.");
    let issuers = issuers();
    let found = Unverified::read(&unsigned, &issuers).map(drop);
    assert_eq!(found, Err(Refused::Signature));
}

#[test]
fn only_the_key_it_names_can_have_signed_it() {
    let claims = claims_of(A).to_string();
    for signer in [
        KeyName::EnterpriseNext,
        KeyName::Personal,
        KeyName::Unpublished,
    ] {
        let token = sign_by(signer, header(), &claims);
        assert_eq!(outcome(&token), Err(Refused::Signature), "{signer:?}");
    }
    let unknown = sign_by(
        KeyName::Unpublished,
        header_of(KeyName::Unpublished),
        &claims,
    );
    assert_eq!(outcome(&unknown), Err(Refused::UnknownKey));
    // No keys at all, or a token of a key that has left.
    let none = authentic(&good(), &KeySet::default()).map(drop);
    assert_eq!(none, Err(Refused::UnknownKey));
    let next = key_set(&[key(KeyName::EnterpriseNext).jwk(Some(&v2("{tenantid}")))]);
    assert_eq!(
        authentic(&good(), &next).map(drop),
        Err(Refused::UnknownKey)
    );
    // Another key that took over the name.
    let mut taken = key(KeyName::Unpublished).jwk(Some(&v2("{tenantid}")));
    taken["kid"] = json!(key(KeyName::Enterprise).kid());
    let taken = key_set(&[taken]);
    assert_eq!(
        authentic(&good(), &taken).map(drop),
        Err(Refused::Signature)
    );
}

#[test]
fn a_key_signs_only_for_its_issuer() {
    let of = |tenant: &str, issuer: String| {
        let mut claims = claims_of(tenant);
        claims["iss"] = json!(issuer);
        claims.to_string()
    };
    // The key of personal accounts signs for no other tenant, in either version.
    for claims in [of(A, v2(A)), of(A, v1(A)), of(B, v2(B))] {
        let forged = sign_by(KeyName::Personal, header_of(KeyName::Personal), &claims);
        assert_eq!(outcome(&forged), Err(Refused::KeyIssuer), "{claims}");
    }
    // Nor does a key that is published for one tenant.
    let only_b = key_set(&[key(KeyName::Enterprise).jwk(Some(&v2(B)))]);
    let judge = |claims: String| authentic(&sign(header(), claims), &only_b).map(drop);
    assert_eq!(judge(of(A, v2(A))), Err(Refused::KeyIssuer));
    assert_eq!(judge(of(A, v1(A))), Err(Refused::KeyIssuer));
    assert_eq!(judge(of(B, v2(B))), Ok(()));
    assert_eq!(judge(of(B, v1(B))), Ok(()));
    // One key, published for two tenants by their own key sets.
    let only_a = key_set(&[key(KeyName::Enterprise).jwk(Some(&v2(A)))]);
    let both = KeySet::merge([only_b, only_a]);
    for (tenant, expected) in [(A, Ok(())), (B, Ok(())), (M, Err(Refused::KeyIssuer))] {
        let token = sign(header(), of(tenant, v2(tenant)));
        assert_eq!(authentic(&token, &both).map(drop), expected, "{tenant}");
    }
    // A key set of another cloud behind the same version 1.0 issuer.
    let us = "https://login.microsoftonline.us/{tenantid}/v2.0";
    let us = key_set(&[key(KeyName::Enterprise).jwk(Some(us))]);
    let v1 = sign(header(), of(A, v1(A)));
    assert_eq!(authentic(&v1, &us).map(drop), Err(Refused::KeyIssuer));
}

/// A token as Graph's are: signed with the nonce hashed, sent with the nonce.
fn graph(header: &str, nonce: &str) -> String {
    let hash = b64(digest(&SHA256, nonce.as_bytes()));
    let claims = b64(claims_of(A).to_string());
    let signed = format!("{}.{claims}", b64(header.replace("NONCE", &hash)));
    let signature = b64(key(KeyName::Enterprise).sign(signed.as_bytes()));
    format!(
        "{}.{claims}.{signature}",
        b64(header.replace("NONCE", nonce))
    )
}

#[test]
fn graphs_tokens_are_signed_over_the_hashed_nonce() {
    let kid = key(KeyName::Enterprise).kid();
    let nonce = "4rQLEJ6WcmEX0PrBZ1hLXG1xDnKRXuMtu5Y-mYQ8Zss";
    let headers = [
        format!(r#"{{"typ":"JWT","nonce":"NONCE","alg":"RS256","x5t":"{kid}","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"RS256","kid":"{kid}","nonce":"NONCE"}}"#),
        // Nothing but the nonce changes: not the order, not a space, not another escape.
        format!(
            " {{ \"nonce\" :  \"NONCE\" ,\n\"alg\":\"RS256\",\"x\":\"\\u0041/\",\"kid\":\"{kid}\" }} "
        ),
    ];
    for header in &headers {
        for nonce in [nonce, "a b", "", "kid", "+/="] {
            assert_eq!(
                outcome(&graph(header, nonce)),
                accepted(A),
                "{header} {nonce}"
            );
            // Plain first: a nonce that is signed as it stands is good as well.
            let plain = sign(header.replace("NONCE", nonce), claims_of(A).to_string());
            assert_eq!(outcome(&plain), accepted(A), "{header} {nonce}");
        }
        let token = graph(header, nonce);
        let (message, _) = token.rsplit_once('.').unwrap();
        let (_, others) = graph(header, "another")
            .rsplit_once('.')
            .map(|(m, s)| (m.to_owned(), s.to_owned()))
            .unwrap();
        let swapped = format!("{message}.{others}");
        assert_eq!(outcome(&swapped), Err(Refused::Signature), "{header}");
        let (_, rest) = token.split_once('.').unwrap();
        let changed = format!("{}.{rest}", b64(header.replace("NONCE", "another")));
        assert_eq!(outcome(&changed), Err(Refused::Signature), "{header}");
    }
    // Hashed where there is no nonce, or hashed twice.
    let bare = format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#);
    let token = graph(&headers[1], nonce);
    let (_, rest) = token.split_once('.').unwrap();
    let without = format!("{}.{rest}", b64(bare));
    assert_eq!(outcome(&without), Err(Refused::Signature));
    let hashed = headers[1].replace("NONCE", &b64(digest(&SHA256, nonce.as_bytes())));
    assert_eq!(
        outcome(&format!("{}.{rest}", b64(hashed))),
        accepted(A),
        "the plain form of it"
    );
}

#[test]
fn a_nonce_stands_where_nobody_can_doubt_it() {
    let kid = key(KeyName::Enterprise).kid();
    for member in [
        r#""nonce":"NONCE","nonce":"x""#,
        r#""nonce":"x","nonce":"NONCE""#,
        r#""NONCE_":1,"Nonce":"NONCE""#,
        r#""Nonce":"x","nonce":"NONCE""#,
        r#""nonce":"\u0041NONCE""#,
        r#""nonce":"NONCE\/""#,
        r#""nonce":"NONCE\"""#,
        r#""nonce":1"#,
        r#""nonce":null"#,
        r#""nonce":["NONCE"]"#,
        r#""nonce":{"nonce":"NONCE"}"#,
        "\"nonce\":\"NONCE\u{e9}\"",
        "\"nonce\":\"NONCE\u{7f}\"",
        "\"nonce\":\"NONCE\n\"",
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":"{kid}",{member}}}"#);
        let token = graph(&header, "n");
        assert_eq!(outcome(&token), Err(Refused::Malformed), "{member}");
    }
    // A member of a member is not the nonce.
    let nested = format!(r#"{{"alg":"RS256","kid":"{kid}","x":{{"nonce":"NONCE"}}}}"#);
    assert_eq!(outcome(&graph(&nested, "n")), Err(Refused::Signature));
    // An escaped name still names it.
    let escaped = format!(r#"{{"alg":"RS256","kid":"{kid}","n\u006fnce":"NONCE"}}"#);
    assert_eq!(outcome(&graph(&escaped, "n")), accepted(A));
}
