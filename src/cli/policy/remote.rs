//! The admin API of a gateway: Microsoft's own, so that their service could stand in its place.
//!
//! Invariant: a token is shown to the named server only, over TLS unless the operator insists; it is
//! never printed, and redirects are not followed.

use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use reqwest::redirect::Policy;
use reqwest::{Client, retry};
use rustls::ClientConfig;
use serde::Deserialize;
use tokio::runtime::{Builder, Runtime};

use super::place::{Current, NotWritten, PlaceArgs};
use crate::admin::additions;
use crate::cli::fault::Fault;
use crate::config::Identity;
use crate::core::tenant::TenantId;
use crate::policies::document;
use crate::policies::write::Expect;
use crate::problem::visible;
use crate::tls;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest answer, and largest token file.
const LARGEST: usize = 8 * 1024 * 1024;
const LARGEST_TOKEN: usize = 16 * 1024;

const API_VERSION: &str = "2020-06-01";

pub(super) struct Remote {
    base: String,
    client: Client,
    token: Option<HeaderValue>,
    runtime: Runtime,
}

/// Microsoft's error shape.
#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    code: String,
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    message: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Remote {
    pub(super) fn open(server: &str, args: &PlaceArgs) -> Result<Self, Fault> {
        tls::install_provider();
        let wrong = |sentence: String| Fault::Wrong(format!("--server: {sentence}"));
        let uri: Uri = server
            .parse()
            .map_err(|_| wrong(format!("{server:?} is no URL")))?;
        let host = uri.host().unwrap_or_default();
        let local = host == "localhost"
            || bare(host)
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if local || args.insecure_plaintext => {}
            Some("http") => {
                let sentence = "http:// to another machine lets anybody on the way read the \
                                token; use https://, or --insecure-plaintext";
                return Err(wrong(sentence.to_owned()));
            }
            _ => return Err(wrong(format!("{server:?} begins with no https://"))),
        }
        if uri.query().is_some()
            || uri
                .authority()
                .is_none_or(|named| named.as_str().contains('@'))
        {
            return Err(wrong(format!(
                "{server:?} holds more than a server's address"
            )));
        }
        let identity = args.cert.clone().zip(args.key.clone());
        let identity = identity.map(|(certificate, key)| Identity { certificate, key });
        let config = tls::client_once(args.ca.as_deref(), identity).map_err(Fault::Wrong)?;
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .timeout(PATIENCE)
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(ClientConfig::clone(&config))
            .build()
            .map_err(|error| Fault::Failed(error.without_url().to_string()))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            base: server.trim_end_matches('/').to_owned(),
            client,
            token: args.token_file.as_deref().map(token).transpose()?,
            runtime: runtime.map_err(|error| Fault::Failed(error.to_string()))?,
        })
    }

    pub(super) fn read(&self, tenant: TenantId) -> Result<Option<Current>, Fault> {
        let answer = self.ask(Method::GET, tenant, HeaderMap::new(), Vec::new())?;
        match answer.status {
            StatusCode::OK => self.current(answer, tenant).map(Some),
            StatusCode::NOT_FOUND if answer.code().as_deref() == Some("PolicyNotFound") => Ok(None),
            _ => Err(self.refused(&answer)),
        }
    }

    pub(super) fn write(
        &self,
        tenant: TenantId,
        bytes: &[u8],
        expect: &Expect,
    ) -> Result<Current, NotWritten> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // What is not in the document is not wanted.
        headers.insert(
            additions::HEADER,
            HeaderValue::from_static(additions::LITERAL),
        );
        let any = HeaderValue::from_static("*");
        match expect {
            Expect::Absent => drop(headers.insert(IF_NONE_MATCH, any)),
            Expect::Any => {}
            Expect::Match(etag) => {
                let etag = HeaderValue::from_str(etag)
                    .map_err(|_| Fault::Wrong(format!("{etag:?} is no entity tag")))?;
                headers.insert(IF_MATCH, etag);
            }
            Expect::Present => drop(headers.insert(IF_MATCH, any)),
        }
        let answer = self.ask(Method::PUT, tenant, headers, bytes.to_owned())?;
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => Ok(self.current(answer, tenant)?),
            StatusCode::PRECONDITION_FAILED => Err(NotWritten::Changed),
            StatusCode::ACCEPTED => Err(NotWritten::Fault(Fault::Failed(format!(
                "{}: the change is accepted and not made yet; `show` tells when it is",
                self.base
            )))),
            _ => Err(self.refused(&answer).into()),
        }
    }

    fn current(&self, answer: Answer, tenant: TenantId) -> Result<Current, Fault> {
        let parsed = document::parse(&answer.body, Some(tenant));
        let (_, _, document) = parsed.map_err(|faults| {
            let first = faults.into_iter().next();
            let first = first.map(|fault| format!("{}: found {}", fault.key, fault.found));
            let first = visible(&first.unwrap_or_default());
            Fault::Failed(format!("{}: answered no policy: {first}", self.base))
        })?;
        let text = |name: &str| {
            let value = answer
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        Ok(Current {
            etag: text(ETAG.as_str()),
            version: text("x-tidegate-policy-version"),
            bytes: answer.body,
            document,
        })
    }

    fn refused(&self, answer: &Answer) -> Fault {
        let base = &self.base;
        let status = answer.status;
        let said = match serde_json::from_slice::<Refusal>(&answer.body) {
            Ok(Refusal { error }) => {
                let details = error
                    .details
                    .iter()
                    .map(|detail| format!("\n  {}", visible(&detail.message)));
                let details: String = details.collect();
                format!(
                    "{} ({}){details}",
                    visible(&error.message),
                    visible(&error.code)
                )
            }
            Err(_) => "without saying why".to_owned(),
        };
        let sentence = format!("{base}: refused with {}: {said}", status.as_u16());
        match status {
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => Fault::Wrong(sentence),
            _ => Fault::Failed(sentence),
        }
    }

    fn ask(
        &self,
        method: Method,
        tenant: TenantId,
        mut headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, Fault> {
        let url = format!(
            "{}/providers/PowerPlatform.Governance/v1/tenants/{tenant}/tenantIsolationPolicy\
             ?api-version={API_VERSION}",
            self.base
        );
        headers.extend(self.token.clone().map(|token| (AUTHORIZATION, token)));
        let failed =
            |error: reqwest::Error| Fault::Failed(format!("{}: {}", self.base, cause(&error)));
        self.runtime.block_on(async {
            let request = self.client.request(method, url).headers(headers).body(body);
            let mut response = request.send().await.map_err(failed)?;
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(failed)? {
                if body.len() + piece.len() > LARGEST {
                    let sentence = format!("{}: answered more than {LARGEST} bytes", self.base);
                    return Err(Fault::Failed(sentence));
                }
                body.extend_from_slice(&piece);
            }
            Ok(Answer {
                status: response.status(),
                headers: std::mem::take(response.headers_mut()),
                body,
            })
        })
    }
}

impl Answer {
    fn code(&self) -> Option<String> {
        let refusal: Refusal = serde_json::from_slice(&self.body).ok()?;
        Some(refusal.error.code)
    }
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The innermost cause: the outer ones say only that a request failed.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        Some(error) if error.is_timeout() => "no answer in time".to_owned(),
        Some(_) => "no answer".to_owned(),
        None => visible(&cause.to_string()),
    }
}

/// The header that shows a file's token.
fn token(file: &Path) -> Result<HeaderValue, Fault> {
    let wrong = |what: &str| Fault::Wrong(format!("{}: {what}", file.display()));
    let mut text = String::new();
    let opened = fs::File::open(file);
    let read = opened.and_then(|opened| {
        let mut bounded = opened.take(LARGEST_TOKEN as u64 + 3);
        bounded.read_to_string(&mut text)
    });
    read.map_err(|error| wrong(&error.to_string()))?;
    let token = text.trim_end_matches(['\r', '\n']);
    let sound = !token.is_empty()
        && token.len() <= LARGEST_TOKEN
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::try_from(format!("Bearer {token}"));
    let mut value = value
        .ok()
        .filter(|_| sound)
        .ok_or_else(|| wrong("holds something else than one token"))?;
    value.set_sensitive(true);
    Ok(value)
}
