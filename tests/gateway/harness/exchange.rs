//! One exchange through the gateway, and what came of it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::{Answer, COMMON, PERSONAL, World, golden};

/// A request to a token route, under construction.
#[must_use]
pub(crate) struct Exchange<'w> {
    world: &'w World,
    method: Method,
    path: String,
    headers: HeaderMap,
    form: Vec<(String, String)>,
    body: Option<Bytes>,
    http2: bool,
}

/// What came of an exchange: the answer and its audit record.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) record: Value,
    secrets: super::Secrets,
}

impl<'w> Exchange<'w> {
    /// An authorization code of a user of `sign_in`, redeemed at the shared authority with a
    /// secret.
    pub(crate) fn new(world: &'w World, creator: Option<&str>, sign_in: &str) -> Self {
        let exchange = Self {
            world,
            method: Method::POST,
            path: COMMON.to_owned(),
            headers: HeaderMap::new(),
            form: Vec::new(),
            body: None,
            http2: false,
        };
        let exchange = match creator {
            Some(creator) => exchange.header("x-ms-client-tenant-id", creator),
            None => exchange,
        };
        exchange
            .field("grant_type", "authorization_code")
            .field("code", &format!("for:{sign_in}"))
            .field("client_id", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa")
            .field("client_secret", &world.secrets.canary())
            .field("code_verifier", &world.secrets.canary())
            .field("redirect_uri", "https://app.example/callback")
    }

    /// Sends it elsewhere: a path, with a query or without.
    pub(crate) fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets a form field, in place if it is there.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        match self.form.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value.to_owned(),
            None => self.form.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Takes a form field away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.form.retain(|(known, _)| known != name);
        self
    }

    /// Adds a header, beside any of the same name.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.headers
            .append(name.parse::<HeaderName>().unwrap(), value);
        self
    }

    /// Sends these bytes in place of the form.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it over HTTP/2.
    pub(crate) fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// The form as it will be sent.
    pub(crate) fn form_text(&self) -> String {
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let pairs: Vec<String> = self
            .form
            .iter()
            .map(|(name, value)| format!("{}={}", name, encode(value)))
            .collect();
        pairs.join("&")
    }

    /// Sends it and waits for its audit record.
    pub(crate) async fn send(self) -> Outcome {
        let world = self.world;
        let answer = self.send_unrecorded().await;
        Outcome::new(world, answer, world.next_record().await)
    }

    /// Sends something that is no exchange: it leaves no record.
    pub(crate) async fn send_unrecorded(self) -> Answer {
        self.try_send().await.unwrap()
    }

    /// Sends it; there may be no answer.
    pub(crate) async fn try_send(self) -> reqwest::Result<Answer> {
        let body = match self.body.clone() {
            Some(body) => body,
            None => self.form_text().into(),
        };
        let client = self.world.client(self.http2);
        let mut headers = self.headers;
        if self.method == Method::POST && !headers.contains_key("content-type") {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert("content-type", form);
        }
        let url = format!("{}{}", self.world.url(), self.path);
        let answer = Answer::of(
            client
                .request(self.method, url)
                .headers(headers)
                .body(body)
                .send()
                .await?,
        )
        .await?;
        let version = if self.http2 {
            http::Version::HTTP_2
        } else {
            http::Version::HTTP_11
        };
        assert_eq!(answer.version, version);
        Ok(answer)
    }
}

impl Outcome {
    pub(super) fn new(world: &World, answer: Answer, record: Value) -> Self {
        assert_eq!(record["status"], answer.status, "{record}");
        Self {
            answer,
            record,
            secrets: world.secrets.clone(),
        }
    }

    /// The tokens came through, and the record says why.
    pub(crate) fn allowed(&self, reason: &str) -> &Self {
        self.decided("allow", reason);
        assert_eq!(self.record["blocked_by"], json!([]), "{}", self.record);
        assert_eq!(
            self.record["upstream_status"], self.answer.status,
            "{}",
            self.record
        );
        self
    }

    /// The answer passed although a side would have blocked it.
    pub(crate) fn would_block(&self, reason: &str) -> &Self {
        self.decided("would_block", reason);
        assert_eq!(
            self.record["upstream_status"], self.answer.status,
            "{}",
            self.record
        );
        self
    }

    /// The documented block, by these sides (tenant, direction), and the record of it.
    pub(crate) fn blocked(&self, reason: &str, sides: &[(&str, &str)]) -> &Self {
        self.decided("block", reason);
        let named: Vec<(&str, &str)> = self.record["blocked_by"]
            .as_array()
            .unwrap()
            .iter()
            .map(|side| {
                (
                    side["tenant"].as_str().unwrap(),
                    side["direction"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(named, sides, "{}", self.record);

        let (answer, json) = (&self.answer, self.answer.json());
        assert_eq!(answer.status, 403, "{answer:?}");
        answer.is_our_own();
        assert_eq!(json["error"], "access_denied");
        assert_eq!(json["suberror"], "blocked_by_tenant_isolation");
        assert_eq!(json["trace_id"], self.record["decision_id"]);
        let description = json["error_description"].as_str().unwrap();
        assert!(
            description.contains("blocked by tenant isolation"),
            "{description}"
        );
        assert!(
            description
                .contains("has failed authorization due to a tenant isolation configuration"),
            "{description}"
        );
        if !sides.is_empty() {
            let sign_in = self.record["sign_in_tenant"].as_str().unwrap_or(sides[0].0);
            let documented =
                format!("The connection to the {sign_in} tenant has failed authorization");
            assert!(description.starts_with(&documented), "{description}");
            if let Some(creator) = self.record["creator_tenant"].as_str() {
                assert!(description.contains(creator), "{description}");
            }
        }
        for (tenant, direction) in sides {
            let whose = format!("{direction} by the policy of tenant {tenant}");
            assert!(description.contains(&whose), "{description}");
            assert!(description.contains("allowlist"), "{description}");
        }
        if sides.is_empty() {
            golden(&format!("block-{reason}.txt"), answer);
        }
        self.nothing_leaked();
        self
    }

    /// Refused without a decision: status and the reason's word.
    pub(crate) fn refused(&self, status: u16, reason: &str) -> &Self {
        self.decided("error", reason);
        self.answer.is_refusal(status, reason);
        assert_eq!(self.answer.json()["trace_id"], self.record["decision_id"]);
        self.nothing_leaked();
        self
    }

    /// The record's decision and reason.
    pub(crate) fn decided(&self, decision: &str, reason: &str) -> &Self {
        let recorded = (
            self.record["decision"].as_str(),
            self.record["reason"].as_str(),
        );
        assert_eq!(
            recorded,
            (Some(decision), Some(reason)),
            "{}\n{:?}",
            self.record,
            self.answer
        );
        self
    }

    /// The creator and the sign-in tenant in the record.
    pub(crate) fn tenants(&self, creator: Option<&str>, sign_in: Option<&str>) -> &Self {
        let recorded = (
            self.record["creator_tenant"].as_str(),
            self.record["sign_in_tenant"].as_str(),
        );
        assert_eq!(recorded, (creator, sign_in), "{}", self.record);
        self
    }

    /// The client has the tokens: an access token, of the tenant it was asked for.
    pub(crate) fn has_tokens_of(&self, tenant: &str) -> &Self {
        let json = self.answer.json();
        assert_eq!(self.answer.status, 200, "{:?}", self.answer);
        let token = |name: &str| json[name].as_str().map(str::to_owned);
        let access = token("access_token").unwrap();
        let telling = if tenant == PERSONAL {
            token("id_token").unwrap()
        } else {
            access
        };
        assert_eq!(tidegate_mock::jwt::claims(&telling).unwrap()["tid"], tenant);
        self
    }

    /// The answer holds nothing secret.
    pub(crate) fn nothing_leaked(&self) -> &Self {
        self.secrets
            .assert_none_in("the answer", &self.answer.everything());
        self
    }
}
