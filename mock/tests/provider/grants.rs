//! Every grant, and whose tenant its tokens are of.

use serde_json::{Value, json};
use tidegate_mock::jwt;
use tidegate_mock::tenants::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL};

use crate::harness::{Fixture, claims, entra};

const REDIRECT: &str = "https://client.example/back";
const SCOPE: &str = "openid profile offline_access api://own/read";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Signs a user in at an authority and gives the code.
async fn authorize(mock: &Fixture, authority: &str, user: &str) -> String {
    let query = form(&[
        ("client_id", "c"),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", SCOPE),
        ("state", "st&te"),
        ("nonce", "n-1"),
        ("login_hint", user),
    ]);
    let response = mock
        .get(&format!("/{authority}/oauth2/v2.0/authorize?{query}"))
        .await;
    assert_eq!(response.status(), 302);
    let location = response.headers()["location"].to_str().unwrap();
    let (target, answer) = location.split_once('?').unwrap();
    assert_eq!(target, REDIRECT);
    let answer: Vec<(String, String)> = form_urlencoded::parse(answer.as_bytes())
        .into_owned()
        .collect();
    let value = |name: &str| {
        answer
            .iter()
            .find(|(key, _)| key == name)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(value("state"), "st&te");
    value("code")
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

async fn redeem(mock: &Fixture, authority: &str, code: &str) -> Value {
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
    ];
    mock.grant(authority, &grant).await
}

fn tenants_of(body: &Value) -> Value {
    let tid = claims(&body["access_token"])["tid"].clone();
    if let Some(id_token) = body.get("id_token") {
        assert_eq!(claims(id_token)["tid"], tid);
    }
    tid
}

#[tokio::test]
async fn a_code_is_of_the_users_tenant_and_its_refresh_tokens_remember() {
    let mock = entra().await;
    let code = authorize(&mock, "common", "alice@fabrikam.com").await;
    let body = redeem(&mock, "common", &code).await;
    assert_eq!(tenants_of(&body), FABRIKAM);
    assert_eq!(claims(&body["id_token"])["nonce"], "n-1");
    assert_eq!(
        claims(&body["id_token"])["preferred_username"],
        "alice@fabrikam.com"
    );

    let mut refresh = body["refresh_token"].as_str().unwrap().to_owned();
    assert!(refresh.starts_with("1.AXoA"));
    for _ in 0..2 {
        let grant = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh.as_str()),
            ("scope", SCOPE),
        ];
        let body = mock.grant("common", &grant).await;
        assert_eq!(tenants_of(&body), FABRIKAM);
        assert_ne!(body["refresh_token"], refresh.as_str());
        refresh = body["refresh_token"].as_str().unwrap().to_owned();
    }
    let grant = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
    ];
    assert_eq!(tenants_of(&mock.grant(NORTHWIND, &grant).await), NORTHWIND);
}

#[tokio::test]
async fn a_code_works_once_and_only_for_its_redirect_uri() {
    let mock = entra().await;
    let code = authorize(&mock, "common", "alice@fabrikam.com").await;
    let wrong = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("client_id", "c"),
    ];
    let (status, body) = mock.post("/common/oauth2/v2.0/token", &wrong).await;
    assert_eq!((status, &body["error_codes"][0]), (400, &json!(500_112)));
    redeem(&mock, "common", &code).await;
    let again = [wrong.as_slice(), &[("redirect_uri", REDIRECT)]].concat();
    let (status, body) = mock.post("/common/oauth2/v2.0/token", &again).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (400, Some("invalid_grant"))
    );
}

#[tokio::test]
async fn a_concrete_path_makes_a_guest() {
    let mock = entra().await;
    let code = authorize(&mock, "contoso.com", "bob@fabrikam.com").await;
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("client_info", "1"),
    ];
    let body = mock.grant("contoso.com", &grant).await;
    assert_eq!(tenants_of(&body), CONTOSO);
    assert_eq!(
        claims(&body["id_token"])["idp"],
        format!("https://sts.windows.net/{FABRIKAM}/")
    );
    let info = jwt::unb64(body["client_info"].as_str().unwrap()).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&info).unwrap()["utid"],
        FABRIKAM
    );
}

#[tokio::test]
async fn a_personal_account_gets_an_opaque_token_and_a_signed_id_token() {
    let mock = entra().await;
    for authority in ["common", "consumers"] {
        let code = authorize(&mock, authority, "eve@outlook.com").await;
        let body = redeem(&mock, authority, &code).await;
        assert!(body["access_token"].as_str().unwrap().starts_with("EwB"));
        let id_token = body["id_token"].as_str().unwrap();
        let claims = mock
            .verify("/consumers/discovery/v2.0/keys", id_token)
            .await
            .unwrap();
        assert_eq!(claims["tid"], PERSONAL);
        assert!(body["refresh_token"].as_str().unwrap().starts_with("M.C5"));
    }
    let hint = form(&[
        ("client_id", "c"),
        ("redirect_uri", REDIRECT),
        ("login_hint", "eve@outlook.com"),
    ]);
    let refused = mock
        .get(&format!("/organizations/oauth2/v2.0/authorize?{hint}"))
        .await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn a_code_can_name_its_tenant() {
    let mock = entra().await;
    for (code, tenant) in [
        (format!("for:{FABRIKAM}"), FABRIKAM),
        ("for:northwind.com".to_owned(), NORTHWIND),
        (
            "for:0a0a0a0a-0000-4000-8000-00000000000a".to_owned(),
            "0a0a0a0a-0000-4000-8000-00000000000a",
        ),
    ] {
        for authority in ["common", CONTOSO, "common"] {
            let grant = [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
            ];
            let body = mock.grant(authority, &grant).await;
            assert_eq!(tenants_of(&body), tenant, "{code} at {authority}");
        }
    }
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", "for:contoso.com"),
        ("mock_tenant", "fabrikam.com"),
        ("scope", "openid profile"),
    ];
    let forced = mock.grant("common", &grant[..2]).await;
    assert_eq!(tenants_of(&forced), CONTOSO);
    let client = [
        ("grant_type", "client_credentials"),
        ("mock_tenant", "fabrikam.com"),
    ];
    assert_eq!(tenants_of(&mock.grant(CONTOSO, &client).await), FABRIKAM);
}

#[tokio::test]
async fn client_credentials_are_the_applications_own() {
    let mock = entra().await;
    let grant = [
        ("grant_type", "client_credentials"),
        ("client_secret", "s"),
        ("scope", "api://own/.default"),
    ];
    let body = mock.grant(FABRIKAM, &grant).await;
    assert!(body.get("id_token").is_none() && body.get("refresh_token").is_none());
    let claims = claims(&body["access_token"]);
    assert_eq!(
        (claims["tid"].as_str(), claims["idtyp"].as_str()),
        (Some(FABRIKAM), Some("app"))
    );
    assert_eq!(claims["oid"], claims["sub"]);
    assert!(claims["roles"].is_array() && claims.get("scp").is_none());
}

#[tokio::test]
async fn on_behalf_of_and_token_exchange_keep_the_tokens_tenant() {
    let mock = entra().await;
    let token = mock
        .idp
        .mint()
        .access_token(FABRIKAM)
        .user("al@fabrikam.com", FABRIKAM)
        .build();
    let on_behalf = [
        ("grant_type", JWT_BEARER),
        ("assertion", token.as_str()),
        ("requested_token_use", "on_behalf_of"),
        ("scope", "api://next/read openid profile"),
    ];
    let body = mock.grant("common", &on_behalf).await;
    assert_eq!(tenants_of(&body), FABRIKAM);
    assert_eq!(
        claims(&body["id_token"])["preferred_username"],
        "al@fabrikam.com"
    );
    let exchange = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", token.as_str()),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
    ];
    let body = mock.grant("common", &exchange).await;
    assert_eq!(tenants_of(&body), FABRIKAM);
    assert_eq!(
        body["issued_token_type"],
        "urn:ietf:params:oauth:token-type:access_token"
    );

    let saml = [
        on_behalf.as_slice(),
        &[(
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:saml2",
        )],
    ]
    .concat();
    let body = mock.grant("common", &saml).await;
    let assertion =
        String::from_utf8(jwt::unb64(body["access_token"].as_str().unwrap()).unwrap()).unwrap();
    assert!(assertion.starts_with("<Assertion") && assertion.contains(FABRIKAM));
}

#[tokio::test]
async fn password_and_saml_grants() {
    let mock = entra().await;
    let grant = [
        ("grant_type", "password"),
        ("username", "al@northwind.com"),
        ("password", "p"),
        ("scope", SCOPE),
    ];
    assert_eq!(
        tenants_of(&mock.grant("organizations", &grant).await),
        NORTHWIND
    );
    let grant = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:saml2-bearer",
        ),
        ("assertion", "PEFzc2VydGlvbi8+"),
    ];
    assert_eq!(tenants_of(&mock.grant(FABRIKAM, &grant).await), FABRIKAM);
}

#[tokio::test]
async fn a_device_code_is_pending_first() {
    let mock = entra().await;
    let start = [
        ("client_id", "c"),
        ("scope", SCOPE),
        ("login_hint", "al@fabrikam.com"),
    ];
    let (status, body) = mock.post("/common/oauth2/v2.0/devicecode", &start).await;
    assert_eq!(status, 200);
    assert!(body["user_code"].as_str().unwrap().len() == 9 && body["interval"] == 1);
    let code = body["device_code"].as_str().unwrap();
    let poll = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", code),
        ("client_id", "c"),
    ];
    let (status, body) = mock.post("/common/oauth2/v2.0/token", &poll).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (400, Some("authorization_pending"))
    );
    let (status, body) = mock.post("/common/oauth2/v2.0/token", &poll).await;
    assert_eq!((status, tenants_of(&body)), (200, json!(FABRIKAM)));
}

#[tokio::test]
async fn proof_of_the_code_is_checked() {
    let mock = entra().await;
    let challenge = jwt::b64(jwt::sha256(b"the verifier"));
    let query = form(&[
        ("client_id", "c"),
        ("redirect_uri", REDIRECT),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let response = mock
        .get(&format!("/common/oauth2/v2.0/authorize?{query}"))
        .await;
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let (_, answer) = location.split_once('?').unwrap();
    let (_, code) = form_urlencoded::parse(answer.as_bytes())
        .find(|(key, _)| key == "code")
        .unwrap();
    let grant = [
        ("grant_type", "authorization_code"),
        ("code", code.as_ref()),
        ("redirect_uri", REDIRECT),
        ("client_id", "c"),
    ];
    let (status, body) = mock.post("/common/oauth2/v2.0/token", &grant).await;
    assert_eq!((status, &body["error_codes"][0]), (400, &json!(501_481)));
    let proven = [grant.as_slice(), &[("code_verifier", "the verifier")]].concat();
    assert_eq!(mock.post("/common/oauth2/v2.0/token", &proven).await.0, 200);
}

#[tokio::test]
async fn clients_prove_themselves_in_any_way_but_wrongly() {
    let mock = entra().await;
    let path = format!("/{CONTOSO}/oauth2/v2.0/token");
    let grant = ("grant_type", "client_credentials");
    assert_eq!(
        mock.post(
            &path,
            &[grant, ("client_id", "c"), ("client_secret", "any")]
        )
        .await
        .0,
        200
    );
    let assertion = jwt::unsigned(br#"{"alg":"none"}"#, br#"{"sub":"c"}"#);
    assert_eq!(
        mock.post(&path, &[grant, ("client_assertion", &assertion)])
            .await
            .0,
        200
    );
    let basic = mock
        .client
        .post(format!("{}{path}", mock.idp.url()))
        .basic_auth("c", Some("any"));
    assert_eq!(basic.form(&[grant]).send().await.unwrap().status(), 200);
    let (status, body) = mock
        .post(
            &path,
            &[grant, ("client_id", "c"), ("client_secret", "wrong")],
        )
        .await;
    assert_eq!(
        (status, body["error"].as_str()),
        (401, Some("invalid_client"))
    );
    let (status, body) = mock.post(&path, &[grant]).await;
    assert_eq!((status, &body["error_codes"][0]), (400, &json!(900_144)));
    let (status, body) = mock
        .post(&path, &[("grant_type", "odd"), ("client_id", "c")])
        .await;
    assert_eq!(
        (status, body["error"].as_str()),
        (400, Some("unsupported_grant_type"))
    );
}
