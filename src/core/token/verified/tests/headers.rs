//! The form of a token and its header: cases B1, B2, B5, B6, B21, B24, B26.

use tidegate_mock::jwt::hs256;

use super::*;

/// Signs a header as it is written.
fn with(header: impl AsRef<[u8]>) -> String {
    sign(header, claims_of(A).to_string())
}

#[test]
fn only_rs256_is_an_algorithm() {
    for alg in [
        "none", "None", "nOnE", "NONE", "", "rs256", "RS256 ", "RS384", "RS512", "PS256", "ES256",
        "HS256", "EdDSA",
    ] {
        let token = with(header_with("alg", alg));
        assert_eq!(outcome(&token), Err(Refused::Algorithm), "{alg}");
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        let unsigned = format!("{unsigned}.");
        assert_eq!(outcome(&unsigned), Err(Refused::Algorithm), "{alg}");
    }
    for alg in [
        json!(null),
        json!(256),
        json!(["RS256"]),
        json!({"a": "RS256"}),
    ] {
        let token = with(header_with("alg", alg.clone()));
        assert_eq!(outcome(&token), Err(Refused::Algorithm), "{alg}");
    }
    let without = json!({"kid": key(KeyName::Enterprise).kid()}).to_string();
    assert_eq!(outcome(&with(without)), Err(Refused::Algorithm));
}

#[test]
fn a_public_key_is_no_secret() {
    let key = key(KeyName::Enterprise);
    let jwk = key.jwk(Some(&v2("{tenantid}")));
    let pem = key.public_pem();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::prelude::BASE64_STANDARD.decode(der).unwrap();
    for secret in [
        pem.trim().as_bytes(),
        pem.as_bytes(),
        &der,
        jwk.to_string().as_bytes(),
    ] {
        let claims = claims_of(A).to_string();
        let forged = hs256(
            header_with("alg", "HS256").as_bytes(),
            claims.as_bytes(),
            secret,
        );
        assert_eq!(outcome(&forged), Err(Refused::Algorithm));
        let disguised = hs256(header().as_bytes(), claims.as_bytes(), secret);
        assert_eq!(outcome(&disguised), Err(Refused::Signature));
    }
}

#[test]
fn a_key_is_named_in_printable_characters() {
    let long = "k".repeat(257);
    for kid in [
        json!("a\r\nb"),
        json!("a\u{0}"),
        json!("a\u{7f}"),
        json!("schl\u{fc}ssel"),
        json!(""),
        json!(long),
        json!(1),
        json!(null),
        json!(["k"]),
        json!({"k": 1}),
    ] {
        let token = with(header_with("kid", kid.clone()));
        assert_eq!(outcome(&token), Err(Refused::KeyName), "{kid}");
    }
    assert_eq!(outcome(&with(r#"{"alg":"RS256"}"#)), Err(Refused::KeyName));
    for kid in [
        "../../../dev/null",
        "' OR 1=1--",
        "*",
        "{tenantid}",
        &long[1..],
    ] {
        let token = with(header_with("kid", kid));
        assert_eq!(outcome(&token), Err(Refused::UnknownKey), "{kid}");
        let issuers = issuers();
        assert_eq!(Unverified::read(&token, &issuers).unwrap().kid(), kid);
    }
    // Names are compared by the letter.
    let kid = key(KeyName::Enterprise).kid();
    for kid in [
        kid.to_ascii_lowercase(),
        format!("{kid} "),
        kid[1..].to_owned(),
    ] {
        assert_eq!(
            outcome(&with(header_with("kid", kid))),
            Err(Refused::UnknownKey)
        );
    }
    let huge = with(header_with("kid", "k".repeat(64 * 1024)));
    assert_eq!(outcome(&huge), Err(Refused::TooLong));
}

#[test]
fn nothing_in_a_header_brings_a_key_or_changes_the_reading() {
    let jwk = key(KeyName::Unpublished).jwk(Some(&v2(A)));
    for (member, value) in [
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("cty", json!("JWT")),
        ("enc", json!("A256GCM")),
        ("jku", json!("https://canary.test/keys")),
        ("jwk", jwk),
        ("x5c", json!(["MIIC"])),
        ("x5u", json!("https://canary.test/certificate")),
        ("zip", json!("DEF")),
        ("zip", json!(null)),
    ] {
        let token = with(header_with(member, value));
        assert_eq!(outcome(&token), Err(Refused::Header), "{member}");
    }
    for twin in [
        "B64",
        "Crit",
        "JKU",
        "Jwk",
        "X5C",
        "ENC",
        "\u{212a}id",
        "Nonce",
        "TYP",
    ] {
        let token = with(header_with(twin, "x"));
        assert_eq!(outcome(&token), Err(Refused::Malformed), "{twin}");
    }
    // The key's other names, and members that nobody knows.
    for member in ["x5t", "x5t#S256", "unknown"] {
        assert_eq!(
            outcome(&with(header_with(member, "x"))),
            accepted(A),
            "{member}"
        );
    }
}

#[test]
fn a_token_says_it_is_one_or_nothing() {
    for typ in ["JWT", "jwt", "Jwt", "at+jwt", "AT+JWT"] {
        assert_eq!(
            outcome(&with(header_with("typ", typ))),
            accepted(A),
            "{typ}"
        );
    }
    let without = json!({"alg": "RS256", "kid": key(KeyName::Enterprise).kid()});
    assert_eq!(outcome(&with(without.to_string())), accepted(A));
    for typ in [
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("pop"),
        json!("JOSE"),
        json!("JWT "),
        json!(""),
        json!(null),
        json!(1),
    ] {
        let token = with(header_with("typ", typ.clone()));
        assert_eq!(outcome(&token), Err(Refused::Type), "{typ}");
    }
}

#[test]
fn a_header_is_one_object_without_doubt() {
    let good = header();
    let inner = good.trim_matches(['{', '}']);
    for header in [
        String::new(),
        "null".to_owned(),
        format!("[{good}]"),
        r#"["RS256","kid"]"#.to_owned(),
        format!("{good}{good}"),
        format!("{good} x"),
        format!("\u{feff}{good}"),
        format!(r#"{{{inner},"alg":"RS256"}}"#),
        format!(r#"{{"alg":"none",{inner}}}"#),
        format!(r#"{{"ALG":"none",{inner}}}"#),
        format!(r#"{{"\u0061lg":"none",{inner}}}"#),
        format!(r#"{{"kid":"k",{inner}}}"#),
        format!(r#"{{"KID":"k",{inner}}}"#),
        format!(r#"{{"a":1,"A":2,{inner}}}"#),
        format!("{{{inner},}}"),
        good.replace("kid", "Kid"),
        good.replace("alg", "Alg"),
    ] {
        assert_eq!(outcome(&with(&header)), Err(Refused::Malformed), "{header}");
    }
    let broken = [good.as_bytes(), b"\xff"].concat();
    assert_eq!(outcome(&with(broken)), Err(Refused::Malformed));
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(outcome(&with(wide)), Err(Refused::Malformed));
    let spaced = format!(" {}\n", good.replace(':', " : "));
    assert_eq!(outcome(&with(spaced)), accepted(A));
    let escaped = good.replace("\"alg\"", r#""\u0061lg""#);
    assert_eq!(outcome(&with(escaped)), accepted(A));
}

#[test]
fn only_three_segments_are_a_token() {
    let token = good();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let json = json!({"protected": header, "payload": payload, "signature": signature});
    let general =
        json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]});
    for token in [
        "",
        ".",
        "..",
        "...",
        ".....",
        header,
        message,
        &format!("{token}."),
        &format!(".{token}"),
        &format!("{token}.{signature}"),
        &format!("{token}.a.b.c"),
        &json.to_string(),
        &general.to_string(),
        "EwBwA8l6BAAUO9chh8cJscQLmU",
    ] {
        assert_eq!(outcome(token), Err(Refused::Malformed), "{token}");
    }
    assert_eq!(
        outcome(&tidegate_mock::jwt::jwe_shaped()),
        Err(Refused::Encrypted)
    );
    assert_eq!(outcome(&format!("{token}.a.b")), Err(Refused::Encrypted));
}

#[test]
fn a_token_is_spelled_in_one_way() {
    let token = good();
    let segments: Vec<&str> = token.split('.').collect();
    let join = |at: usize, segment: &str| {
        let mut spelled = segments.clone();
        spelled[at] = segment;
        spelled.join(".")
    };
    for (at, segment) in segments.iter().enumerate() {
        for odd in [
            format!("{segment}="),
            format!("{segment}=="),
            format!(" {segment}"),
            format!("{segment}\n"),
            format!("{segment}%3D"),
            format!("{}\r\n{}", &segment[..8], &segment[8..]),
            format!("{}+{}", &segment[..8], &segment[9..]),
            format!("{}/{}", &segment[..8], &segment[9..]),
            format!("{}\u{e9}{}", &segment[..8], &segment[9..]),
            format!("{}\0{}", &segment[..8], &segment[9..]),
        ] {
            assert_eq!(outcome(&join(at, &odd)), Err(Refused::Malformed), "{odd}");
        }
    }
    // A signature of 256 bytes ends in a character of which four bits mean nothing.
    let (rest, last) = segments[2].split_at(segments[2].len() - 1);
    let loose = match last {
        "A" => "B",
        "Q" => "R",
        "g" => "h",
        "w" => "x",
        other => panic!("{other} has loose bits"),
    };
    assert_eq!(
        outcome(&join(2, &format!("{rest}{loose}"))),
        Err(Refused::Malformed)
    );
    // The same bits in the header and in the claims.
    let padded = |text: String| match text.len() % 3 {
        1 => text,
        more => text + [" ", "", "  "][more],
    };
    let (header, claims) = (b64(padded(header())), b64(padded(claims_of(A).to_string())));
    for (header, claims) in [
        (loosened(&header), claims.clone()),
        (header, loosened(&claims)),
    ] {
        let message = format!("{header}.{claims}");
        let signature = b64(key(KeyName::Enterprise).sign(message.as_bytes()));
        let token = format!("{message}.{signature}");
        assert_eq!(outcome(&token), Err(Refused::Malformed));
    }
}

/// The segment with one of the bits set that its last character has to spare.
fn loosened(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = segment.split_at(segment.len() - 1);
    let at = ALPHABET.find(last).unwrap();
    assert_eq!(at % 4, 0, "two bits to spare, or four");
    format!("{rest}{}", &ALPHABET[at + 1..at + 2])
}

#[test]
fn length_is_bounded() {
    let of = |length: usize| {
        let fill = |more: usize| claims_with("groups", json!("g".repeat(more))).to_string();
        let spare = |more: usize| length.checked_sub(sign(header(), fill(more)).len());
        // Three bytes of claims make four characters.
        let more = spare(0).unwrap() / 4 * 3;
        let more = (more..)
            .take(4)
            .take_while(|more| spare(*more).is_some())
            .last();
        sign(header(), fill(more.unwrap()))
    };
    for length in [2 * 1024, 16 * 1024, 32 * 1024] {
        let token = of(length);
        assert!(
            (length - 3..=length).contains(&token.len()),
            "{}",
            token.len()
        );
        assert_eq!(outcome(&token), accepted(A), "{length}");
    }
    for length in [32 * 1024 + 4, 64 * 1024, 1024 * 1024] {
        assert_eq!(outcome(&of(length)), Err(Refused::TooLong), "{length}");
    }
    let exact = |length: usize| format!("{}..", "A".repeat(length - 2));
    assert_eq!(outcome(&exact(32 * 1024)), Err(Refused::Malformed));
    assert_eq!(outcome(&exact(32 * 1024 + 1)), Err(Refused::TooLong));
}
