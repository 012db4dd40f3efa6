use super::*;

const ID: &str = "11111111-1111-4111-8111-111111111111";

#[test]
fn only_a_domain_by_the_letter_is_asked_about() {
    use NameError::{Alias, NotADomain, NotAscii, Space, TrailingDot};
    let long = format!("{}.com", "a".repeat(64));
    let longest = format!("{}.com", "a.".repeat(130));
    let table = [
        ("contoso.com", Ok("contoso.com")),
        ("CONTOSO.Com", Ok("contoso.com")),
        ("contoso.onmicrosoft.com", Ok("contoso.onmicrosoft.com")),
        ("xn--80aaxridipd.com", Ok("xn--80aaxridipd.com")),
        ("a-1.example", Ok("a-1.example")),
        ("CONTOSO.com.", Err(TrailingDot)),
        (" contoso.com", Err(Space)),
        ("contoso.com ", Err(Space)),
        ("contoso.com\n", Err(Space)),
        ("contoso.com\0", Err(Space)),
        ("contoso\u{a0}.com", Err(Space)),
        ("\u{441}\u{43e}ntoso.com", Err(NotAscii)),
        ("contoso\u{ff61}com", Err(NotAscii)),
        ("contos\u{200d}o.com", Err(NotAscii)),
        ("a@b@contoso.com", Err(NotADomain)),
        ("contoso.com/", Err(NotADomain)),
        ("contoso.com/v2.0/../x", Err(NotADomain)),
        ("contoso.com?x", Err(NotADomain)),
        ("contoso.com%2f", Err(NotADomain)),
        ("https://contoso.com", Err(NotADomain)),
        ("*.contoso.com", Err(NotADomain)),
        ("contoso", Err(NotADomain)),
        ("", Err(NotADomain)),
        (".", Err(NotADomain)),
        ("..", Err(TrailingDot)),
        (".contoso.com", Err(NotADomain)),
        ("contoso..com", Err(NotADomain)),
        ("-contoso.com", Err(NotADomain)),
        ("contoso-.com", Err(NotADomain)),
        ("con_toso.com", Err(NotADomain)),
        ("127.0.0.1", Err(NotADomain)),
        (long.as_str(), Err(NotADomain)),
        (longest.as_str(), Err(NotADomain)),
        ("common", Err(Alias)),
        ("Organizations", Err(Alias)),
        ("CONSUMERS", Err(Alias)),
    ];
    for (name, expected) in table {
        assert_eq!(
            domain(name).as_deref(),
            expected.as_ref().copied(),
            "{name:?}"
        );
    }
}

fn read(metadata: &str, clouds: &[Cloud]) -> Result<String, ResolveError> {
    tenant(metadata.as_bytes(), &Issuers::of_clouds(clouds)).map(|tenant| tenant.to_string())
}

#[test]
fn the_issuer_tells_the_tenant_and_the_rest_tells_the_cloud() {
    let public = [Cloud::Public];
    let com = format!("https://login.microsoftonline.com/{ID}/v2.0");
    let us = format!("https://login.microsoftonline.us/{ID}/v2.0");
    let v1 = format!("https://sts.windows.net/{ID}/");
    let document = |issuer: &str, rest: &str| format!(r#"{{"issuer":{issuer:?}{rest}}}"#);
    let other = |cloud| Err(ResolveError::OtherCloud(cloud));
    let strange = || {
        Err(ResolveError::Strange(
            "its issuer is none of the provider's",
        ))
    };
    let instance = |name: &str| format!(r#","cloud_instance_name":"{name}""#);
    let region = |name: &str| format!(r#","tenant_region_scope":"{name}""#);
    let table = [
        (document(&com, ""), Ok(ID.to_owned())),
        (
            document(&com, &instance("microsoftonline.com")),
            Ok(ID.to_owned()),
        ),
        (document(&com, &region("WW")), Ok(ID.to_owned())),
        (
            document(&v1, &instance("microsoftonline.com")),
            Ok(ID.to_owned()),
        ),
        (document(&us, ""), other("microsoftonline.us")),
        (
            document(&us, &instance("microsoftonline.com")),
            other("microsoftonline.us"),
        ),
        (
            document(&com, &instance("microsoftonline.us")),
            other("microsoftonline.us"),
        ),
        (
            document(&v1, &instance("partner.microsoftonline.cn")),
            other("partner.microsoftonline.cn"),
        ),
        (
            document(&com, &instance("sovcloud-identity.fr")),
            other("one that is not known here"),
        ),
        (
            document(&com, &region("USGov")),
            other("microsoftonline.us"),
        ),
        (document(&v1, &region("USG")), other("microsoftonline.us")),
        (
            document("https://login.microsoftonline.com/{tenantid}/v2.0", ""),
            strange(),
        ),
        (
            document("https://login.microsoftonline.com/common/v2.0", ""),
            strange(),
        ),
        (document(&format!("{com}/"), ""), strange()),
        (document("https://elsewhere.example/v2.0", ""), strange()),
    ];
    for (metadata, expected) in table {
        assert_eq!(read(&metadata, &public), expected, "{metadata}");
    }
    for metadata in [
        "",
        "[]",
        "null",
        "{}",
        r#"["https://x"]"#,
        r#"{"issuer":1}"#,
    ] {
        let expected = Err(ResolveError::Strange("it is no OpenID metadata"));
        assert_eq!(read(metadata, &public), expected, "{metadata}");
    }
    assert_eq!(
        read(
            &document(&us, &instance("microsoftonline.us")),
            &[Cloud::UsGov]
        ),
        Ok(ID.to_owned())
    );
}

#[test]
fn a_provider_of_its_own_is_known_by_its_issuers_alone() {
    let issuers = Issuers::new(["https://login.example/{tenantid}/v2.0"]).unwrap();
    let of = |issuer: &str| {
        let document = format!(r#"{{"issuer":"{issuer}","cloud_instance_name":"login.example"}}"#);
        tenant(document.as_bytes(), &issuers)
    };
    assert!(of(&format!("https://login.example/{ID}/v2.0")).is_ok());
    assert_eq!(
        of(&format!("https://login.microsoftonline.com/{ID}/v2.0")),
        Err(ResolveError::OtherCloud("microsoftonline.com"))
    );
}

#[test]
fn only_the_provider_says_that_there_is_no_such_tenant() {
    let yes: [&[u8]; 3] = [
        br#"{"error":"invalid_tenant"}"#,
        br#"{"error":"x","error_codes":[1,90002]}"#,
        br#"{"error":"x","error_description":"AADSTS90002: Tenant not found"}"#,
    ];
    let no: [&[u8]; 4] = [
        b"",
        br#"{"error":"invalid_request","error_codes":[90023]}"#,
        br#"{"error_codes":[90002]}"#,
        b"AADSTS90002",
    ];
    assert!(yes.iter().all(|body| is_unknown(body)));
    assert!(!no.iter().any(|body| is_unknown(body)));
}
