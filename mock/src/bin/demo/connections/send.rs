//! What a client sends to have a connection created, and what it gets.

use form_urlencoded::Serializer;
use http::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use tidegate_mock::{Mint, Seal, azure_devops_token, jwt};

use super::{CONNECTOR, Case, Creator, PLATFORM, SignIn};
use crate::Failure;
use crate::client::Client;
use crate::gateway::Gateway;

const JSON: &str = "application/json; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// What Firefox accepts.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A request for a connection.
pub(crate) struct Sent {
    /// Also the exchange's `client-request-id`.
    pub(crate) correlation_id: String,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What came back.
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Sent {
    /// The request of a row; everything in it that can be is new every time.
    pub(crate) fn of(case: &Case, mint: &Mint) -> Result<Self, Failure> {
        let token = sign_in_token(case.sign_in, mint);
        let correlation_id = jwt::random_guid();
        let mut headers = HeaderMap::new();
        headers.insert("client-request-id", correlation_id.parse()?);
        let (method, target, body) = match case.creator {
            Creator::Browser(_) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
                headers.insert(ACCEPT, HeaderValue::from_static(BROWSER));
                (Method::POST, "/redirect".to_owned(), form(token.as_deref()))
            }
            Creator::Bearer(tenant) | Creator::OtherAudience(tenant) => {
                let audience = match case.creator {
                    Creator::OtherAudience(_) => "api://something-else",
                    Creator::Bearer(_) | Creator::Browser(_) => PLATFORM,
                };
                let bearer = mint.access_token(tenant).audience(audience).build();
                headers.insert(AUTHORIZATION, format!("Bearer {bearer}").parse()?);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
                let connection = jwt::random_guid();
                let target = format!("{}/{connection}?api-version=2016-06-01", route(case));
                (Method::PUT, target, json(token.as_deref()))
            }
        };
        Ok(Self {
            correlation_id,
            method,
            target,
            headers,
            body,
        })
    }
}

fn route(case: &Case) -> &'static str {
    match case.sign_in {
        SignIn::AzureDevOps => "/azure-devops/connections",
        SignIn::BrokenSignature(_) | SignIn::None | SignIn::User(_) => "/connections",
    }
}

fn sign_in_token(sign_in: SignIn, mint: &Mint) -> Option<String> {
    let token = |tenant| mint.access_token(tenant).audience(CONNECTOR);
    match sign_in {
        SignIn::AzureDevOps => Some(azure_devops_token(tidegate_mock::tenants::CONTOSO)),
        SignIn::BrokenSignature(tenant) => Some(token(tenant).seal(Seal::BadSignature).build()),
        SignIn::None => None,
        SignIn::User(tenant) => Some(token(tenant).build()),
    }
}

/// Spaces, a tab, an escape and a number that would not survive being written anew.
fn json(token: Option<&str>) -> Vec<u8> {
    let token = token.map_or_else(String::new, |token| format!(", \"token\" :\"{token}\""));
    format!(
        "{{ \"location\" : \"westeurope\",\r\n\t\"properties\": {{ \"displayName\": \"Sales \\u2192 \
         reports\",\n  \"rank\": 1.0e0{token} }} }}\n"
    )
    .into_bytes()
}

/// What a browser sends for the form of a sign-in page (`response_mode=form_post`).
fn form(token: Option<&str>) -> Vec<u8> {
    let mut form = Serializer::new(String::new());
    form.append_pair("code", &jwt::random(64));
    if let Some(token) = token {
        form.append_pair("id_token", token);
    }
    form.append_pair("state", "a state & more");
    form.append_pair("session_state", &jwt::random_guid());
    form.finish().into_bytes()
}

impl Client {
    /// Sends a request for a connection through the gateway.
    pub(crate) async fn connect(
        &self,
        gateway: &Gateway,
        sent: &Sent,
    ) -> Result<Received, Failure> {
        let url = format!("{}{}", gateway.url(), sent.target);
        let request = self.http().request(sent.method.clone(), url);
        let request = request
            .headers(sent.headers.clone())
            .body(sent.body.clone());
        let response = request.send().await?;
        Ok(Received {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }
}

impl Received {
    /// A header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether it is a page for people.
    pub(crate) fn is_page(&self) -> bool {
        self.header(CONTENT_TYPE.as_str()).starts_with("text/html")
    }
}
