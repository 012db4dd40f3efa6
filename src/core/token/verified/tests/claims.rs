//! Claims: cases B9, B10, B12, B14, B15, B28.

use super::*;

fn with(claims: impl ToString) -> String {
    sign(header(), claims.to_string())
}

#[test]
fn an_issuer_is_exact() {
    let base = "https://login.microsoftonline.com";
    for issuer in [
        format!("https://login.microsoftonline.com.evil.test/{A}/v2.0"),
        format!("https://login.microsoftonline.com@evil.test/{A}/v2.0"),
        format!("https://evil.test/{base}/{A}/v2.0"),
        format!("http://login.microsoftonline.com/{A}/v2.0"),
        format!("https://login%2emicrosoftonline.com/{A}/v2.0"),
        format!("https://login.microsoftonline.com:443/{A}/v2.0"),
        format!("https://LOGIN.microsoftonline.com/{A}/v2.0"),
        format!("{base}/{A}/v2.0/"),
        format!("{base}/{A}/v2.0/../"),
        format!("{base}/{A}/V2.0"),
        format!("{base}/{A}/v2.0#"),
        format!("{base}/{A}/v2.0?"),
        format!("{base}/{A}/v2.0 "),
        format!(" {base}/{A}/v2.0"),
        format!("{base}//{A}/v2.0"),
        format!("{base}/{A}"),
        format!("{base}/{A}/"),
        format!("{base}/{}/v2.0", A.to_uppercase()),
        format!("{base}/{{{A}}}/v2.0"),
        format!("{base}/{}/v2.0", A.replace('-', "")),
        format!("{base}/{{tenantid}}/v2.0"),
        format!("{base}/common/v2.0"),
        format!("{base}/00000000-0000-0000-0000-000000000000/v2.0"),
        format!("{base}//v2.0"),
        format!("https://sts.windows.net/{A}"),
        format!("https://sts.windows.net/{A}//"),
        format!("https://login.microsoftonline.us/{A}/v2.0"),
        format!("https://sts.chinacloudapi.cn/{A}/"),
        "app.vstoken.visualstudio.com".to_owned(),
        String::new(),
    ] {
        let token = with(claims_with("iss", json!(issuer)));
        assert_eq!(outcome(&token), Err(Refused::Issuer), "{issuer}");
    }
    for issuer in [
        None,
        Some(json!(null)),
        Some(json!(1)),
        Some(json!([v2(A)])),
        Some(json!({"a": v2(A)})),
    ] {
        let token = with(claims_with("iss", issuer.clone()));
        assert_eq!(outcome(&token), Err(Refused::Issuer), "{issuer:?}");
    }
}

#[test]
fn the_tenant_is_the_issuers() {
    let upper = A.to_uppercase();
    for tid in [Some(json!(A)), Some(json!(upper)), None] {
        let token = with(claims_with("tid", tid.clone()));
        assert_eq!(outcome(&token), accepted(A), "{tid:?}");
    }
    let table = [
        (json!(B), Refused::TenantMismatch),
        (json!(M), Refused::TenantMismatch),
        (json!("common"), Refused::TenantMismatch),
        (
            json!("00000000-0000-0000-0000-000000000000"),
            Refused::TenantMismatch,
        ),
        (json!(""), Refused::Malformed),
        (json!(" "), Refused::Malformed),
        (json!(format!("{{{A}}}")), Refused::Malformed),
        (json!(format!("{A} ")), Refused::Malformed),
        (json!("contoso.com"), Refused::Malformed),
        (json!([A]), Refused::Malformed),
        (json!({"tid": A}), Refused::Malformed),
        (json!(1), Refused::Malformed),
        (json!(true), Refused::Malformed),
        (json!(null), Refused::Malformed),
    ];
    for (tid, refused) in table {
        let token = with(claims_with("tid", tid.clone()));
        assert_eq!(outcome(&token), Err(refused), "{tid}");
    }
    let crossed = claims_with("iss", json!(v2(B)));
    assert_eq!(outcome(&with(crossed)), Err(Refused::TenantMismatch));
    for twin in ["TID", "Tid", "tID", "T\u{131}d", "t\u{130}d"] {
        let mut only = claims_with("tid", None);
        only[twin] = json!(A);
        assert_eq!(outcome(&with(only)), Err(Refused::Malformed), "{twin}");
    }
}

#[test]
fn claims_are_one_object_without_doubt() {
    for front in [
        format!(r#""tid":"{A}""#),
        format!(r#""tid":"{B}""#),
        format!(r#""TID":"{B}""#),
        format!(r#""t\u0069d":"{B}""#),
        format!(r#""t\u0131d":"{B}""#),
        format!(r#""iss":"{}""#, v2(B)),
        format!(r#""ISS":"{}""#, v2(B)),
        format!(r#""i\u017fs":"{}""#, v2(B)),
        r#""aud":"other""#.to_owned(),
        r#""AUD":"other""#.to_owned(),
        r#""exp":1"#.to_owned(),
        r#""Exp":1"#.to_owned(),
        r#""nbf":1"#.to_owned(),
        r#""iat":1"#.to_owned(),
        r#""oid":"other""#.to_owned(),
        r#""azp":"other""#.to_owned(),
        r#""AppId":"other""#.to_owned(),
        r#""a":1,"a":1"#.to_owned(),
        r#""a":1,"A":1"#.to_owned(),
        r#""\ud800":1"#.to_owned(),
        r#""a":NaN"#.to_owned(),
        r#""a":"#.to_owned(),
    ] {
        let first = claims_after(&front);
        let last = {
            let claims = claims_of(A).to_string();
            format!("{},{front}}}", claims.strip_suffix('}').unwrap())
        };
        for claims in [first, last] {
            assert_eq!(outcome(&with(&claims)), Err(Refused::Malformed), "{claims}");
        }
    }
    let good = claims_of(A).to_string();
    for claims in [
        String::new(),
        "null".to_owned(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        good.replacen('}', ",}", 1),
        good.replace('"', "'"),
    ] {
        assert_eq!(outcome(&with(&claims)), Err(Refused::Malformed), "{claims}");
    }
    let broken = [good.as_bytes(), b"\xff"].concat();
    assert_eq!(outcome(&sign(header(), broken)), Err(Refused::Malformed));
    assert_eq!(outcome(&with(format!("\n{good} "))), accepted(A));
    let many: String = (0..500).map(|n| format!(r#""c{n}":{n},"#)).collect();
    assert_eq!(
        outcome(&with(claims_after(many.trim_end_matches(',')))),
        accepted(A)
    );
    let deep = format!(r#""d":{}{}"#, "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(outcome(&with(claims_after(&deep))), accepted(A));
}

#[test]
fn an_audience_is_one_text() {
    let many: Vec<&str> = std::iter::repeat_n(AUDIENCE, 1_000).collect();
    for aud in [
        None,
        Some(json!("")),
        Some(json!("api://platform/")),
        Some(json!("API://platform")),
        Some(json!("api://platform ")),
        Some(json!("api://plat")),
        Some(json!("other")),
        Some(json!([AUDIENCE])),
        Some(json!([AUDIENCE, "other"])),
        Some(json!([])),
        Some(json!(many)),
        Some(json!({"aud": AUDIENCE})),
        Some(json!(1)),
        Some(json!(null)),
    ] {
        let token = with(claims_with("aud", aud.clone()));
        assert_eq!(outcome(&token), Err(Refused::Audience), "{aud:?}");
    }
}

/// An audience that is empty by mistake accepts nothing.
#[test]
fn an_empty_audience_is_none() {
    let token = with(claims_with("aud", json!("")));
    let found = authentic(&token, &COMMON).map(drop);
    assert_eq!(found, Err(Refused::Audience));
}

#[test]
fn any_of_the_expected_audiences_will_do_and_none_is_none() {
    let authentic = authentic(&good(), &COMMON).unwrap();
    let accept = |audience: &[&str]| {
        let audience: Vec<String> = audience.iter().copied().map(str::to_owned).collect();
        authentic.accept(&audience, NOW, LEEWAY).map(drop)
    };
    assert_eq!(accept(&[AUDIENCE]), Ok(()));
    assert_eq!(accept(&["other", AUDIENCE]), Ok(()));
    assert_eq!(accept(&["other"]), Err(Refused::Audience));
    assert_eq!(accept(&["*", "", "api://*"]), Err(Refused::Audience));
    assert_eq!(accept(&[]), Err(Refused::Audience));
}

#[test]
fn a_token_within_is_never_looked_at() {
    let inner = sign(header(), claims_of(B).to_string());
    let mut outer = claims_of(A);
    outer["actort"] = json!(inner);
    outer["act"] = claims_of(B);
    outer["inner"] = json!([{"tid": B, "tid2": B, "iss": v2(B)}]);
    assert_eq!(outcome(&with(&outer)), accepted(A));
    let unsigned = format!(
        "{}.{}.",
        b64(header_with("alg", "none")),
        b64(claims_with("actort", json!(inner)).to_string())
    );
    assert_eq!(outcome(&unsigned), Err(Refused::Algorithm));
    let wrapped = sign(header(), json!({"jwt": inner, "actort": inner}).to_string());
    assert_eq!(outcome(&wrapped), Err(Refused::Issuer));
}

/// Odd values of what only records need are left out of them.
#[test]
fn identifiers_for_records_are_texts_or_absent() {
    let token = |claims: Value| verify(&with(claims)).unwrap().token().clone();
    let plain = token(claims_of(A));
    for claim in ["oid", "azp"] {
        for value in [
            None,
            Some(json!(1)),
            Some(json!(["object"])),
            Some(json!(null)),
        ] {
            let found = token(claims_with(claim, value));
            let expected = match claim {
                "oid" => EntraToken {
                    user_object_id: None,
                    ..plain.clone()
                },
                _ => EntraToken {
                    app_id: None,
                    ..plain.clone()
                },
            };
            assert_eq!(found, expected);
        }
    }
}

/// Roles are read for who asks for them; whatever stands there, the token is as good without.
#[test]
fn roles_are_a_bounded_list_of_ids_or_nobody_can_tell() {
    const ROLE: &str = "11648597-926c-4cf3-9c36-bcebb0ba8dcc";
    let of = |wids: Option<Value>| {
        let mut claims = claims_of(A);
        if let Some(wids) = wids {
            claims["wids"] = wids;
        }
        let token = with(claims);
        let issuers = issuers();
        let verified = Unverified::read(&token, &issuers)
            .and_then(|token| token.verify(&COMMON))
            .and_then(|token| token.accept(&[AUDIENCE.to_owned()], NOW, LEEWAY))
            .unwrap();
        verified
            .roles()
            .map(|roles| roles.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let none: Option<Vec<String>> = Some(Vec::new());
    assert_eq!(of(None), none);
    assert_eq!(of(Some(json!([]))), none);
    let one = Some(vec![ROLE.to_owned()]);
    assert_eq!(of(Some(json!([ROLE]))), one);
    assert_eq!(of(Some(json!([ROLE.to_uppercase()]))), one);
    let many = |count| json!(vec![ROLE; count]);
    assert_eq!(of(Some(many(256))).unwrap().len(), 256);
    for other in [
        many(257),
        json!(null),
        json!(ROLE),
        json!({ "0": ROLE }),
        json!([ROLE, null]),
        json!([ROLE, 1]),
        json!([[ROLE]]),
        json!([ROLE.replace('-', "")]),
        json!([format!("{{{ROLE}}}")]),
        json!([format!(" {ROLE}")]),
        json!([""]),
    ] {
        assert_eq!(of(Some(other.clone())), None, "{other}");
    }
}
