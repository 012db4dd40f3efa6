use super::*;

use crate::core::token::issuer::Cloud;

#[test]
fn an_issuer_is_a_template_or_one_filled_in() {
    let issuers = Issuers::of_clouds(&[Cloud::Public]);
    for own in [
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://sts.windows.net/{tenantid}/",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        "https://login.microsoftonline.com/5d1d3a6e-1f1c-4c6e-9a55-0f6a5f3b8a11/v2.0",
    ] {
        assert!(is_own(own, &issuers), "{own}");
    }
    for other in [
        "",
        "{tenantid}",
        "https://login.microsoftonline.com/{tenantid}/v2.0/",
        "https://login.microsoftonline.com/{tenantid}{tenantid}/v2.0",
        "https://login.microsoftonline.com/{tenantid}/{tenantid}/v2.0",
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com.evil.test/{tenantid}/v2.0",
        "https://login.microsoftonline.us/{tenantid}/v2.0",
        "http://login.microsoftonline.com/{tenantid}/v2.0",
    ] {
        assert!(!is_own(other, &issuers), "{other}");
    }
}

#[test]
fn a_server_is_scheme_host_and_port() {
    let cases = [
        ("https://login.test", "https://login.test/keys", true),
        ("https://login.test", "https://LOGIN.test:443/keys", true),
        (
            "https://login.test:443",
            "https://login.test/keys?a=b",
            true,
        ),
        ("http://login.test", "http://login.test:80/keys", true),
        ("https://[::1]:8443", "https://[::1]:8443/keys", true),
        ("https://login.test", "https://login.test:444/keys", false),
        ("https://login.test", "http://login.test/keys", false),
        ("https://login.test", "http://login.test:443/keys", false),
        (
            "https://login.test",
            "https://login.test.evil.test/keys",
            false,
        ),
        ("https://login.test", "https://evil.test/login.test", false),
        ("https://login.test", "https://user@login.test/keys", false),
        (
            "https://login.test",
            "https://login.test@evil.test/keys",
            false,
        ),
        ("https://login.test", "//login.test/keys", false),
        ("https://login.test", "/keys", false),
    ];
    for (authority, uri, same) in cases {
        let is = uri
            .parse()
            .is_ok_and(|uri| same_server(&uri, &authority.parse().unwrap()));
        assert_eq!(is, same, "{authority} {uri}");
    }
}
