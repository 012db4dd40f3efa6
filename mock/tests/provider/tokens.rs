//! Tokens verify with the served key sets, carry Microsoft's issuers, and can be made wrong in
//! every way.

use serde_json::json;
use tidegate_mock::tenants::{CONTOSO, FABRIKAM, PERSONAL};
use tidegate_mock::{KeyName, Options, Preset, Seal, Version, jwt};

use crate::harness::{claims, entra, start};

#[tokio::test]
async fn v2_token_verifies_and_has_the_real_issuer() {
    let mock = entra().await;
    let token = mock.idp.mint().access_token(FABRIKAM).build();
    let claims = mock
        .verify("/common/discovery/v2.0/keys", &token)
        .await
        .unwrap();
    assert_eq!(
        claims["iss"],
        format!("https://login.microsoftonline.com/{FABRIKAM}/v2.0")
    );
    assert_eq!(claims["tid"], FABRIKAM);
    assert_eq!(claims["ver"], "2.0");
    for name in [
        "aud",
        "iat",
        "nbf",
        "exp",
        "oid",
        "sub",
        "azp",
        "uti",
        "preferred_username",
        "scp",
    ] {
        assert!(!claims[name].is_null(), "{name} is missing");
    }
}

#[tokio::test]
async fn v1_token_verifies_and_has_the_real_issuer() {
    let mock = entra().await;
    let token = mock
        .idp
        .mint()
        .access_token(FABRIKAM)
        .version(Version::V1)
        .build();
    let claims = mock.verify("/common/discovery/keys", &token).await.unwrap();
    assert_eq!(
        claims["iss"],
        format!("https://sts.windows.net/{FABRIKAM}/")
    );
    assert_eq!(claims["ver"], "1.0");
    assert!(!claims["appid"].is_null());
}

#[tokio::test]
async fn personal_token_is_signed_by_the_personal_key_only() {
    let mock = entra().await;
    let token = mock.idp.mint().id_token(PERSONAL).build();
    let claims = mock
        .verify("/consumers/discovery/v2.0/keys", &token)
        .await
        .unwrap();
    assert_eq!(claims["tid"], PERSONAL);
    let elsewhere = format!("/{CONTOSO}/discovery/v2.0/keys");
    assert_eq!(
        mock.verify(&elsewhere, &token).await.unwrap_err(),
        "unknown kid"
    );
}

#[tokio::test]
async fn rotation_changes_the_key_and_keeps_tokens_verifiable() {
    let mock = entra().await;
    let before = mock.idp.mint().access_token(CONTOSO).build();
    mock.idp.mint().rotate();
    let after = mock.idp.mint().access_token(CONTOSO).build();
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid;
    assert_ne!(kid(&before), kid(&after));
    for token in [before, after] {
        mock.verify("/common/discovery/v2.0/keys", &token)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn graph_nonce_needs_the_hashed_nonce() {
    let mock = entra().await;
    let token = mock
        .idp
        .mint()
        .access_token(CONTOSO)
        .seal(Seal::GraphNonce)
        .build();
    let keys = "/common/discovery/v2.0/keys";
    assert!(mock.verify(keys, &token).await.is_err());

    let mut parts = token.split('.');
    let header = String::from_utf8(jwt::unb64(parts.next().unwrap()).unwrap()).unwrap();
    let nonce = serde_json::from_str::<serde_json::Value>(&header).unwrap()["nonce"].clone();
    let nonce = nonce.as_str().unwrap();
    let hashed = header.replace(nonce, &jwt::b64(jwt::sha256(nonce.as_bytes())));
    let rest: Vec<&str> = parts.collect();
    let restored = format!("{}.{}", jwt::b64(hashed), rest.join("."));
    assert_eq!(mock.verify(keys, &restored).await.unwrap()["tid"], CONTOSO);
}

#[tokio::test]
async fn every_wrong_seal_is_wrong() {
    let mock = entra().await;
    let seals = [
        Seal::BadSignature,
        Seal::Encrypted,
        Seal::Hmac(b"secret".to_vec()),
        Seal::Opaque,
        Seal::SignedBy(KeyName::Unpublished),
        Seal::Unsigned,
    ];
    for seal in seals {
        let token = mock
            .idp
            .mint()
            .access_token(CONTOSO)
            .seal(seal.clone())
            .build();
        let outcome = mock.verify("/common/discovery/v2.0/keys", &token).await;
        assert!(outcome.is_err(), "{seal:?} verified");
    }
}

#[tokio::test]
async fn claims_and_header_can_be_changed() {
    let mock = entra().await;
    let token = mock
        .idp
        .mint()
        .access_token(CONTOSO)
        .claim("tid", json!(["a", "b"]))
        .without("oid")
        .header("crit", json!(["exp"]))
        .without_header("typ")
        .build();
    let claims = claims(&json!(token));
    assert_eq!(claims["tid"], json!(["a", "b"]));
    assert!(claims.get("oid").is_none());
    let header = jwt::unb64(token.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["crit"], json!(["exp"]));
    assert!(header.get("typ").is_none());
}

#[tokio::test]
async fn raw_bytes_are_signed_as_they_are() {
    let mock = entra().await;
    let mint = mock.idp.mint();
    let header = format!(
        r#"{{"alg":"RS256","kid":"{}"}}"#,
        mint.key(KeyName::Enterprise).kid()
    );
    let twice = br#"{"tid":"a","tid":"b","exp":9999999999}"#;
    let token = mint.sign(KeyName::Enterprise, header.as_bytes(), twice);
    mock.verify("/common/discovery/v2.0/keys", &token)
        .await
        .unwrap();
    assert_eq!(jwt::unb64(token.split('.').nth(1).unwrap()).unwrap(), twice);
}

#[tokio::test]
async fn presets_have_the_shape_they_name() {
    let mock = entra().await;
    let body = |preset: Preset| mock.idp.mint().body(&preset, CONTOSO).to_json();

    let guest = body(Preset::Guest {
        home: FABRIKAM.into(),
    });
    assert_eq!(claims(&guest["access_token"])["tid"], CONTOSO);
    assert_eq!(
        claims(&guest["id_token"])["idp"],
        format!("https://sts.windows.net/{FABRIKAM}/")
    );
    let info = jwt::unb64(guest["client_info"].as_str().unwrap()).unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info["utid"], FABRIKAM);

    let legacy = body(Preset::Legacy);
    assert_eq!(legacy["expires_in"], "3599");
    assert!(legacy["id_token"].as_str().unwrap().ends_with('.'));
    assert_eq!(
        claims(&legacy["id_token"])["iss"],
        format!("https://sts.windows.net/{CONTOSO}/")
    );

    let personal = body(Preset::Personal);
    assert!(
        personal["access_token"]
            .as_str()
            .unwrap()
            .starts_with("EwB")
    );
    assert_eq!(claims(&personal["id_token"])["tid"], PERSONAL);

    let encrypted = body(Preset::JweShaped);
    assert_eq!(
        encrypted["access_token"]
            .as_str()
            .unwrap()
            .split('.')
            .count(),
        5
    );
    assert_eq!(claims(&body(Preset::Hs256)["access_token"])["tid"], CONTOSO);
    assert!(claims(&body(Preset::AlgNone)["access_token"])["tid"] == CONTOSO);
    assert!(body(Preset::Opaque).get("id_token").is_none());
    assert_eq!(
        claims(&body(Preset::SignedV1)["access_token"])["ver"],
        "1.0"
    );
}

#[tokio::test]
async fn the_resource_picks_the_access_token_version_and_the_endpoint_the_id_tokens() {
    let mock = entra().await;
    let graph = [
        ("grant_type", "authorization_code"),
        ("code", "for:contoso.com"),
        ("client_id", "c"),
    ];
    let (_, body) = mock.post("/common/oauth2/v2.0/token", &graph).await;
    assert_eq!(claims(&body["access_token"])["ver"], "1.0");
    assert_eq!(claims(&body["id_token"])["ver"], "2.0");

    let own = [graph.as_slice(), &[("resource", "api://own")]].concat();
    let (_, body) = mock.post("/common/oauth2/token", &own).await;
    assert_eq!(claims(&body["access_token"])["ver"], "2.0");
    assert_eq!(claims(&body["id_token"])["ver"], "1.0");
    assert_eq!(body["expires_in"], "3599");

    let options = Options::entra().resource_version("api://old", Version::V1);
    let mock = start(options).await;
    let old = [graph.as_slice(), &[("scope", "openid api://old/read")]].concat();
    let (_, body) = mock.post("/common/oauth2/v2.0/token", &old).await;
    let access = claims(&body["access_token"]);
    assert_eq!(
        (access["ver"].as_str(), access["scp"].as_str()),
        (Some("1.0"), Some("read"))
    );
    assert_eq!(access["aud"], "api://old");
}

#[tokio::test]
async fn issuers_can_be_replaced() {
    let options = Options::entra().issuers(
        "https://sts.example/{tenantid}/",
        "https://login.example/{tenantid}/v2.0",
    );
    let mock = start(options).await;
    let token = mock.idp.mint().access_token(CONTOSO).build();
    assert_eq!(
        claims(&json!(token))["iss"],
        format!("https://login.example/{CONTOSO}/v2.0")
    );
    let document = mock
        .get_json("/common/v2.0/.well-known/openid-configuration")
        .await;
    assert_eq!(document["issuer"], "https://login.example/{tenantid}/v2.0");
}

#[tokio::test]
async fn connection_routes_get_any_kind_of_token() {
    let mock = entra().await;
    let mint = mock.idp.mint();
    for (version, keys) in [
        (Version::V1, "/common/discovery/keys"),
        (Version::V2, "/common/discovery/v2.0/keys"),
    ] {
        for token in [
            mint.access_token(FABRIKAM),
            mint.id_token(FABRIKAM),
            mint.access_token(PERSONAL),
            mint.id_token(PERSONAL),
        ] {
            let token = token.version(version).audience("api://platform");
            let read = mock.verify(keys, &token.build()).await.unwrap();
            assert_eq!(read["aud"], "api://platform");
            assert_eq!(read["ver"], version.as_str());
        }
    }
}

#[tokio::test]
async fn times_are_relative_to_now() {
    let mock = entra().await;
    let mint = mock.idp.mint();
    let keys = "/common/discovery/v2.0/keys";
    let valid = mint.access_token(CONTOSO);
    for (token, holds) in [
        (valid.clone().expires_in(30), true),
        (valid.clone().expires_in(-120), false),
        (valid.clone().valid_in(-30), true),
        (valid.clone().valid_in(120), false),
    ] {
        let now = tidegate_mock::now();
        let built = token.build();
        assert_eq!(mock.verify(keys, &built).await.is_ok(), holds);
        let read = claims(&json!(built));
        assert!(read["exp"].as_u64().unwrap().abs_diff(now) <= 3600);
        assert_eq!(read["nbf"], read["iat"]);
    }
}

#[tokio::test]
async fn raw_members_are_sealed_as_they_are() {
    let mock = entra().await;
    let mint = mock.idp.mint();
    let twice = r#"{"tid":"a", "tid":"b"}"#;
    let header = r#"{ "alg" : "none" }"#;
    let token = mint.access_token(CONTOSO).raw_claims(twice);
    let token = token.raw_header(header).seal(Seal::Unsigned).build();
    assert_eq!(token, format!("{}.{}.", jwt::b64(header), jwt::b64(twice)));
    let key = mint.key(KeyName::Unpublished);
    let token = mint
        .access_token(CONTOSO)
        .signed_by(KeyName::Unpublished)
        .kid("not this");
    let header = jsonwebtoken::decode_header(token.build()).unwrap();
    assert_eq!(header.kid.as_deref(), Some("not this"));
    mock.idp.keys().add(KeyName::Unpublished);
    let token = token.kid(key.kid()).build();
    mock.verify("/common/discovery/v2.0/keys", &token)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_nonce_is_replaced_in_place_whatever_stands_around_it() {
    let mock = entra().await;
    let mint = mock.idp.mint();
    let kid = mint.key(KeyName::Enterprise).kid();
    let header = format!(r#"{{ "nonce" :"a-nonce","alg":"RS256", "kid":"{kid}" }}"#);
    let token = mint.access_token(CONTOSO).seal(Seal::GraphNonce);
    let token = token.raw_header(header.clone()).build();
    let keys = "/common/discovery/v2.0/keys";
    assert!(mock.verify(keys, &token).await.is_err());
    let hashed = header.replace("a-nonce", &jwt::b64(jwt::sha256(b"a-nonce")));
    let (sent, rest) = token.split_once('.').unwrap();
    assert_eq!(jwt::unb64(sent).unwrap(), header.as_bytes());
    let restored = format!("{}.{rest}", jwt::b64(hashed));
    mock.verify(keys, &restored).await.unwrap();
}
