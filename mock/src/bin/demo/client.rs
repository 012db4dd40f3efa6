//! The client of a connector platform: signs a user in, then exchanges the code through the
//! gateway.

use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use serde_json::Value;
use tidegate_mock::jwt;
use tidegate_mock::tenants::{CONTOSO, FABRIKAM, NORTHWIND, PERSONAL};

use crate::Failure;
use crate::gateway::Gateway;
use crate::rows::SignIn;

const REDIRECT: &str = "https://platform.example/redirect";
const SCOPE: &str = "openid profile offline_access api://connector/access";

/// What came back for one token request.
pub(crate) struct Answer {
    /// Also the exchange's `client-request-id`.
    pub(crate) correlation_id: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// An HTTPS client that trusts the demo's authority and nothing else.
pub(crate) struct Client(reqwest::Client);

impl Client {
    pub(crate) fn new(ca_pem: &str) -> Result<Self, Failure> {
        let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes())?;
        let client = reqwest::Client::builder()
            .tls_certs_only([ca])
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }

    /// The client itself, for requests of other shapes.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.0
    }

    /// One whole exchange, sign-in included.
    pub(crate) async fn exchange(
        &self,
        gateway: &Gateway,
        creator: Option<&str>,
        sign_in: SignIn,
    ) -> Result<Answer, Failure> {
        match sign_in {
            SignIn::AzureDevOps => {
                let form = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", "the code of the sign-in"),
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ),
                    ("client_assertion", "the application's secret"),
                    ("redirect_uri", REDIRECT),
                ];
                self.post(&format!("{}/oauth2/token", gateway.url()), creator, &form)
                    .await
            }
            SignIn::Guest | SignIn::User(_) => {
                let code = self.sign_in(gateway, sign_in).await?;
                let form = [
                    ("grant_type", "authorization_code"),
                    ("client_id", "demo-application"),
                    ("client_secret", "the application's secret"),
                    ("code", code.as_str()),
                    ("redirect_uri", REDIRECT),
                    ("scope", SCOPE),
                ];
                let url = format!("{}/{}/oauth2/v2.0/token", gateway.url(), authority(sign_in));
                self.post(&url, creator, &form).await
            }
        }
    }

    /// Goes to the authorize endpoint as a browser would, and takes the code out of the redirect.
    async fn sign_in(&self, gateway: &Gateway, sign_in: SignIn) -> Result<String, Failure> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", "demo-application")
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", REDIRECT)
            .append_pair("scope", SCOPE)
            .append_pair("login_hint", &username(sign_in))
            .finish();
        let url = format!(
            "{}/{}/oauth2/v2.0/authorize?{query}",
            gateway.url(),
            authority(sign_in)
        );
        let response = self.0.get(url).send().await?;
        let status = response.status();
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let answer = location
            .and_then(|url| url.split_once('?'))
            .map(|(_, query)| query.to_owned());
        let answer = answer
            .ok_or_else(|| format!("the authorize endpoint answered {status} without a code"))?;
        let code = form_urlencoded::parse(answer.as_bytes()).find(|(name, _)| name == "code");
        code.map(|(_, code)| code.into_owned())
            .ok_or_else(|| "the redirect holds no code".into())
    }

    /// One token request.
    pub(crate) async fn post(
        &self,
        url: &str,
        creator: Option<&str>,
        form: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let correlation_id = jwt::random_guid();
        let mut request = self
            .0
            .post(url)
            .header("client-request-id", &correlation_id)
            .form(form);
        if let Some(creator) = creator {
            request = request.header("x-ms-client-tenant-id", creator);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer {
            correlation_id,
            status,
            body,
        })
    }
}

/// The shared authority, but for a guest, who has to name the tenant to sign in to.
fn authority(sign_in: SignIn) -> &'static str {
    if sign_in == SignIn::Guest {
        CONTOSO
    } else {
        "common"
    }
}

fn username(sign_in: SignIn) -> String {
    let domain = match sign_in {
        SignIn::User(CONTOSO) => "contoso.com",
        SignIn::User(FABRIKAM) | SignIn::Guest => "fabrikam.com",
        SignIn::User(NORTHWIND) => "northwind.com",
        SignIn::User(PERSONAL) => "outlook.com",
        SignIn::User(_) | SignIn::AzureDevOps => "mock.example",
    };
    format!("alex@{domain}")
}
