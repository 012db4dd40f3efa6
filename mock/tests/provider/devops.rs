//! The Azure-DevOps-like token service.

use tidegate_mock::tenants::{CONTOSO, FABRIKAM};
use tidegate_mock::{AZURE_DEVOPS_ISSUER, Options};

use crate::harness::{claims, start};

const GRANT: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");

#[tokio::test]
async fn its_tokens_are_its_own_but_look_like_entras() {
    let mock = start(Options::azure_devops()).await;
    let form = [
        GRANT,
        ("assertion", "the code"),
        ("client_assertion", "the secret"),
    ];
    let (status, body) = mock.post("/oauth2/token", &form).await;
    assert_eq!(status, 200);
    let access = claims(&body["access_token"]);
    assert_eq!(
        (access["iss"].as_str(), access["tid"].as_str()),
        (Some(AZURE_DEVOPS_ISSUER), Some(CONTOSO))
    );
    assert_eq!(claims(&body["refresh_token"])["iss"], AZURE_DEVOPS_ISSUER);
    let token = body["access_token"].as_str().unwrap();
    let algorithm = jsonwebtoken::decode_header(token).unwrap().alg;
    assert_eq!(algorithm, jsonwebtoken::Algorithm::HS256);
    assert!(body["expires_in"].is_string());
}

#[tokio::test]
async fn it_can_give_a_genuine_entra_token() {
    let mock = start(Options::azure_devops()).await;
    let assertion = format!("entra:{FABRIKAM}");
    let form = [
        GRANT,
        ("assertion", assertion.as_str()),
        ("client_assertion", "s"),
    ];
    let (_, body) = mock.post("/oauth2/token", &form).await;
    assert_eq!(claims(&body["access_token"])["ver"], "2.0");
    assert_eq!(claims(&body["access_token"])["tid"], FABRIKAM);
}

#[tokio::test]
async fn it_refuses_what_it_does_not_know() {
    let mock = start(Options::azure_devops()).await;
    assert_eq!(
        mock.post("/oauth2/token", &[("grant_type", "password")])
            .await
            .0,
        400
    );
    assert_eq!(mock.post("/oauth2/token", &[GRANT]).await.0, 400);
    assert_eq!(
        mock.post("/common/oauth2/v2.0/token", &[GRANT]).await.0,
        404
    );
}
