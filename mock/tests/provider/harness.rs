//! A mock with a client that trusts it, and a check of signatures that shares no code with the
//! mock.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use tidegate_mock::{MockIdp, Options, tls};

pub(crate) struct Fixture {
    pub(crate) idp: MockIdp,
    pub(crate) client: reqwest::Client,
}

pub(crate) async fn start(options: Options) -> Fixture {
    tls::install_crypto_provider();
    let idp = MockIdp::start(options).await.unwrap();
    let client = client(idp.ca_pem()).build().unwrap();
    Fixture { idp, client }
}

pub(crate) async fn entra() -> Fixture {
    start(Options::entra()).await
}

pub(crate) fn client(ca_pem: &str) -> reqwest::ClientBuilder {
    let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

impl Fixture {
    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        let url = format!("{}{path}", self.idp.url());
        self.client.get(url).send().await.unwrap()
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        self.get(path).await.json().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}{path}", self.idp.url());
        let response = self.client.post(url).form(form).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Posts a grant to the v2 endpoint of an authority and expects tokens.
    pub(crate) async fn grant(&self, authority: &str, form: &[(&str, &str)]) -> Value {
        let mut form = form.to_vec();
        form.push(("client_id", "11111111-aaaa-4aaa-8aaa-111111111111"));
        let (status, body) = self
            .post(&format!("/{authority}/oauth2/v2.0/token"), &form)
            .await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Verifies a token with a served key set and gives its claims.
    pub(crate) async fn verify(&self, key_set: &str, token: &str) -> Result<Value, String> {
        let set = self.get_json(key_set).await;
        let header = jsonwebtoken::decode_header(token).map_err(|error| error.to_string())?;
        let kid = header.kid.ok_or("no kid")?;
        let keys = set["keys"].as_array().ok_or("no keys")?;
        let key = keys
            .iter()
            .find(|key| key["kid"] == *kid)
            .ok_or("unknown kid")?;
        let text = |name: &str| key[name].as_str().unwrap_or_default();
        let key = DecodingKey::from_rsa_components(text("n"), text("e"))
            .map_err(|error| error.to_string())?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_aud = false;
        validation.validate_nbf = true;
        jsonwebtoken::decode::<Value>(token, &key, &validation)
            .map(|data| data.claims)
            .map_err(|error| error.to_string())
    }
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &Value) -> Value {
    tidegate_mock::jwt::claims(token.as_str().unwrap()).unwrap()
}
