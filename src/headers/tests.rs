use http::Request;

use super::*;

/// A request target, its headers, and the host or refusal that follows.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Result<&'a str, Refusal>);

const TRUST: [HeaderName; 1] = [CLIENT_TENANT_ID];

fn screened(target: &str, headers: &[(&str, &str)], version: Version) -> Result<String, Refusal> {
    let mut request = Request::builder().uri(target).version(version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let host = screen(&head)?;
    screen_trust(&head.headers, &TRUST)?;
    Ok(host.to_string())
}

#[test]
fn ambiguous_framing_is_refused() {
    let ok: [&[(&str, &str)]; 4] = [
        &[],
        &[("content-length", "3")],
        &[("transfer-encoding", "chunked")],
        &[("transfer-encoding", "Chunked")],
    ];
    let refused: [&[(&str, &str)]; 12] = [
        &[("content-length", "3"), ("transfer-encoding", "chunked")],
        &[("content-length", "3"), ("content-length", "3")],
        &[("content-length", "3, 3")],
        &[("content-length", "+3")],
        &[("content-length", "0x3")],
        &[("content-length", "-1")],
        &[("transfer-encoding", "xchunked")],
        &[("transfer-encoding", "chunked, identity")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "\u{b}chunked")],
        &[
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked"),
        ],
        &[("transfer-encoding", "identity")],
    ];
    let with_host = |headers: &[(&'static str, &'static str)]| {
        let mut all = vec![("host", "gw")];
        all.extend_from_slice(headers);
        all
    };
    for headers in ok {
        let found = screened("/p", &with_host(headers), Version::HTTP_11);
        assert_eq!(found, Ok("gw".to_owned()), "{headers:?}");
    }
    for headers in refused {
        if headers
            .iter()
            .any(|(_, value)| HeaderValue::from_str(value).is_err())
        {
            continue;
        }
        let found = screened("/p", &with_host(headers), Version::HTTP_11);
        assert_eq!(found, Err(Refusal::Framing), "{headers:?}");
    }
    let old = with_host(&[("transfer-encoding", "chunked")]);
    assert_eq!(
        screened("/p", &old, Version::HTTP_10),
        Err(Refusal::Framing)
    );
}

#[test]
fn a_path_is_plain_or_refused() {
    for path in [
        "/",
        "/a/b",
        "/a/",
        "/a-b_c~d.e",
        "/contoso.com/x?y=%2e%2e",
        "/a@b:c",
    ] {
        assert!(
            screened(path, &[("host", "gw")], Version::HTTP_11).is_ok(),
            "{path}"
        );
    }
    for path in [
        "/a/../b",
        "/./a",
        "/..",
        "/a/.",
        "//a",
        "/a//b",
        "/%2e%2e/a",
        "/a%2fb",
        "/a%5cb",
        "/a;x=1",
        "/a%00",
        "/a%0d%0a",
        "/a|b",
        "/a%20b",
    ] {
        let found = screened(path, &[("host", "gw")], Version::HTTP_11);
        assert_eq!(found, Err(Refusal::Path), "{path}");
    }
    let long = format!("/{}", "a".repeat(MAX_TARGET));
    let found = screened(&long, &[("host", "gw")], Version::HTTP_11);
    assert_eq!(found, Err(Refusal::TargetTooLong));
}

#[test]
fn one_host_or_none() {
    let table: [Row<'_>; 14] = [
        ("/p", &[("host", "gw:8443")], Ok("gw:8443")),
        ("/p", &[("host", "[::1]:80")], Ok("[::1]:80")),
        ("http://gw/p", &[("host", "gw")], Ok("gw")),
        ("http://gw/p", &[], Ok("gw")),
        ("http://evil/p", &[("host", "gw")], Err(Refusal::Host)),
        ("/p", &[], Err(Refusal::Host)),
        ("/p", &[("host", "gw"), ("host", "gw")], Err(Refusal::Host)),
        ("/p", &[("host", "a@b")], Err(Refusal::Host)),
        ("/p", &[("host", "a:99999")], Err(Refusal::Host)),
        ("/p", &[("host", "a:+80")], Err(Refusal::Host)),
        ("/p", &[("host", "a.")], Err(Refusal::Host)),
        ("/p", &[("host", "")], Err(Refusal::Host)),
        ("/p", &[("host", "[]")], Err(Refusal::Host)),
        ("/p", &[("host", "[fe80::1%25eth0]")], Err(Refusal::Host)),
    ];
    for (target, headers, expected) in table {
        let found = screened(target, headers, Version::HTTP_11);
        assert_eq!(found, expected.map(str::to_owned), "{target} {headers:?}");
    }
}

#[test]
fn trust_headers_stand_once_under_their_own_name() {
    let name = "x-ms-client-tenant-id";
    let ok: [&[(&str, &str)]; 3] = [&[], &[(name, "a")], &[("x_other", "a"), (name, "a")]];
    let refused: [&[(&str, &str)]; 4] = [
        &[(name, "a"), (name, "a")],
        &[("x_ms_client_tenant_id", "a")],
        &[("x-ms_client-tenant_id", "a")],
        &[(name, "a"), ("X_MS_CLIENT_TENANT_ID", "b")],
    ];
    for (headers, expected) in ok
        .iter()
        .map(|headers| (headers, Ok("gw".to_owned())))
        .chain(
            refused
                .iter()
                .map(|headers| (headers, Err(Refusal::TrustHeader))),
        )
    {
        let mut all = vec![("host", "gw")];
        all.extend_from_slice(headers);
        assert_eq!(
            screened("/p", &all, Version::HTTP_11),
            expected,
            "{headers:?}"
        );
    }
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

#[test]
fn what_travels_to_the_provider() {
    let mut headers = map(&[
        ("host", "gw"),
        ("authorization", "Basic x"),
        ("dpop", "proof"),
        ("client-request-id", "1"),
        ("cookie", "a=b"),
        ("connection", "keep-alive, x-hop, content-length"),
        ("content-length", "3"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        ("upgrade", "h2c"),
        ("accept-encoding", "gzip"),
        ("x-ms-client-tenant-id", "a"),
        ("x-forwarded-for", "::1"),
        ("x-original-url", "/other"),
        ("content_length", "9"),
    ]);
    headers.append("connection", HeaderValue::from_static("x-second"));
    headers.insert("x-second", HeaderValue::from_static("1"));
    let host = HeaderValue::from_static("login.example");
    towards_upstream(&mut headers, &host, &TRUST, Cookies::Strip);
    let expected = map(&[
        ("host", "login.example"),
        ("authorization", "Basic x"),
        ("dpop", "proof"),
        ("client-request-id", "1"),
        ("accept-encoding", "identity"),
    ]);
    assert_eq!(headers, expected);
}

#[test]
fn what_travels_to_the_client() {
    let mut headers = map(&[
        ("content-type", "application/json"),
        ("set-cookie", "a=b"),
        ("alt-svc", "h3=\":443\""),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("dpop-nonce", "n"),
    ]);
    let mut with_cookies = headers.clone();
    towards_client(&mut headers, Cookies::Strip);
    assert_eq!(
        headers,
        map(&[("content-type", "application/json"), ("dpop-nonce", "n")])
    );
    towards_client(&mut with_cookies, Cookies::Relay);
    assert!(with_cookies.contains_key("set-cookie"));
}

#[test]
fn what_a_client_lists_for_one_hop_is_gone_but_for_trust_headers() {
    let listed = "Authorization, x-sign-in-token ,content-type,x-ms-client-tenant-id, host, ,";
    let mut headers = HeaderMap::new();
    for name in [
        "authorization",
        "x-sign-in-token",
        "content-type",
        "x-ms-client-tenant-id",
    ] {
        headers.insert(name, HeaderValue::from_static("v"));
    }
    headers.insert(HOST, HeaderValue::from_static("gw"));
    headers.insert("x-kept", HeaderValue::from_static("v"));
    headers.insert(CONNECTION, HeaderValue::from_static(listed));
    end_to_end(&mut headers, &TRUST);
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "x-kept", "x-ms-client-tenant-id"]);
}
