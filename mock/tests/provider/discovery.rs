//! Metadata names the mock itself and has every member a client may look at.

use serde_json::Value;
use tidegate_mock::tenants::{CONTOSO, PERSONAL};
use tidegate_mock::{Options, Version};

use crate::harness::{entra, start};

const PATHS: [&str; 2] = [
    "/v2.0/.well-known/openid-configuration",
    "/.well-known/openid-configuration",
];

#[tokio::test]
async fn every_endpoint_is_the_mocks_own() {
    let mock = entra().await;
    for authority in [
        CONTOSO,
        "common",
        "organizations",
        "consumers",
        "contoso.com",
    ] {
        for path in PATHS {
            let document = mock.get_json(&format!("/{authority}{path}")).await;
            let names = [
                "token_endpoint",
                "jwks_uri",
                "authorization_endpoint",
                "device_authorization_endpoint",
            ];
            for name in names {
                let url = document[name].as_str().unwrap();
                assert!(
                    url.starts_with(mock.idp.url()),
                    "{authority}{path}: {name} is {url}"
                );
            }
            let aliases = &document["mtls_endpoint_aliases"]["token_endpoint"];
            assert!(aliases.as_str().unwrap().starts_with(mock.idp.url()));
        }
    }
}

#[tokio::test]
async fn the_documents_have_entras_members() {
    let mock = entra().await;
    let document = mock.get_json(&format!("/{CONTOSO}{}", PATHS[0])).await;
    for name in [
        "token_endpoint_auth_methods_supported",
        "response_modes_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "response_types_supported",
        "scopes_supported",
        "request_uri_parameter_supported",
        "userinfo_endpoint",
        "http_logout_supported",
        "frontchannel_logout_supported",
        "end_session_endpoint",
        "claims_supported",
        "kerberos_endpoint",
        "tenant_region_scope",
        "cloud_instance_name",
        "cloud_graph_host_name",
        "msgraph_host",
        "rbac_url",
    ] {
        assert!(!document[name].is_null(), "{name} is missing");
    }
    let bare = start(Options {
        mtls_aliases: false,
        ..Options::entra()
    })
    .await;
    let document = bare.get_json(&format!("/{CONTOSO}{}", PATHS[0])).await;
    assert!(document.get("mtls_endpoint_aliases").is_none());
}

#[tokio::test]
async fn issuers_are_microsofts_and_templates_on_shared_authorities() {
    let mock = entra().await;
    let issuer = async |authority: &str, path: &str| {
        mock.get_json(&format!("/{authority}{path}")).await["issuer"].clone()
    };
    assert_eq!(
        issuer("common", PATHS[0]).await,
        "https://login.microsoftonline.com/{tenantid}/v2.0"
    );
    assert_eq!(
        issuer("common", PATHS[1]).await,
        "https://sts.windows.net/{tenantid}/"
    );
    let contoso = format!("https://login.microsoftonline.com/{CONTOSO}/v2.0");
    assert_eq!(issuer("contoso.com", PATHS[0]).await, contoso.as_str());
    let personal = format!("https://login.microsoftonline.com/{PERSONAL}/v2.0");
    assert_eq!(issuer("consumers", PATHS[0]).await, personal.as_str());
}

#[tokio::test]
async fn v2_keys_name_their_issuer_and_v1_keys_do_not() {
    let mock = entra().await;
    let issuers = |set: &Value| -> Vec<Option<String>> {
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["issuer"].as_str().map(str::to_owned))
            .collect()
    };
    let template = Some("https://login.microsoftonline.com/{tenantid}/v2.0".to_owned());
    let personal = Some(format!("https://login.microsoftonline.com/{PERSONAL}/v2.0"));
    let common = mock.get_json("/common/discovery/v2.0/keys").await;
    assert_eq!(issuers(&common), [template.clone(), template, personal]);
    let v1 = mock.get_json("/common/discovery/keys").await;
    assert_eq!(issuers(&v1), [None, None, None]);
    let contoso = mock.get_json("/contoso.com/discovery/v2.0/keys").await;
    let own = Some(tidegate_mock::Issuers::default().of(Version::V2, CONTOSO));
    assert_eq!(issuers(&contoso), [own.clone(), own]);
}

#[tokio::test]
async fn an_unknown_domain_is_refused_in_entras_shape() {
    let mock = entra().await;
    let response = mock
        .get("/unknown.example/v2.0/.well-known/openid-configuration")
        .await;
    assert_eq!(response.status(), 400);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], "invalid_tenant");
    assert_eq!(body["error_codes"][0], 90002);
    assert!(
        body["error_description"]
            .as_str()
            .unwrap()
            .starts_with("AADSTS90002: ")
    );
    for name in ["timestamp", "trace_id", "correlation_id", "error_uri"] {
        assert!(body[name].is_string(), "{name} is missing");
    }
}

#[tokio::test]
async fn instance_discovery_points_back() {
    let mock = entra().await;
    let endpoint = format!("{}/{CONTOSO}/oauth2/v2.0/authorize", mock.idp.url());
    let path =
        format!("/common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}");
    let body = mock.get_json(&path).await;
    let expected = format!(
        "{}/{CONTOSO}/v2.0/.well-known/openid-configuration",
        mock.idp.url()
    );
    assert_eq!(body["tenant_discovery_endpoint"], expected);
    assert!(body["metadata"].as_array().unwrap().len() >= 3);
}
