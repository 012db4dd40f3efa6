//! One connection created through the gateway, and what came of it.

use std::ops::Deref;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::json;
use tidegate_mock::Request;

use super::connections::{PATH, SIGN_IN_HEADER, TOLD};
use super::{Answer, Outcome, World, golden};

/// A request to a connection route, under construction.
#[derive(Clone)]
#[must_use]
pub(crate) struct Creation<'w> {
    world: &'w World,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    http2: bool,
}

/// What came of it: the outcome, and what was sent.
pub(crate) struct Created<'w> {
    outcome: Outcome,
    sent: Creation<'w>,
}

/// Headers that a forwarded request does not have as they were sent.
const NOT_AS_SENT: [&str; 4] = ["accept-encoding", "host", "content-length", "connection"];

impl<'w> Creation<'w> {
    pub(super) fn new(world: &'w World, creator: &str, sign_in: &str) -> Self {
        let creation = Self {
            world,
            method: Method::PUT,
            path: PATH.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            http2: false,
        };
        creation
            .bearer(&world.creator(creator).build())
            .json_token(&world.sign_in(sign_in).build())
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

    /// Adds a header, beside any of the same name.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.headers
            .append(name.parse::<HeaderName>().unwrap(), value);
        self
    }

    /// Takes a header away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Sets the creator's token.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.without("authorization")
            .header("authorization", format!("Bearer {token}"))
    }

    /// The sign-in token in a header, and nothing of one in the body.
    pub(crate) fn header_token(self, token: &str) -> Self {
        self.json(json!({ "properties": { "api": "sharepoint" } }).to_string())
            .without(SIGN_IN_HEADER)
            .header(SIGN_IN_HEADER, token)
    }

    /// The sign-in token in a form, as a browser brings it.
    pub(crate) fn form_token(self, token: &str) -> Self {
        let state = self.world.secrets.canary();
        let session = self.world.secrets.canary();
        self.method(Method::POST).form(format!(
            "code={state}&id_token={token}&state=a+b%20c&session_state={session}"
        ))
    }

    /// The sign-in token where the JSON Pointer points.
    pub(crate) fn json_token(self, token: &str) -> Self {
        let body = json!({ "properties": { "api": "sharepoint", "token": token } });
        self.json(body.to_string())
    }

    /// A JSON body, as it is.
    pub(crate) fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.typed("application/json", body)
    }

    /// A form, as it is.
    pub(crate) fn form(self, body: impl AsRef<[u8]>) -> Self {
        self.typed("application/x-www-form-urlencoded", body)
    }

    /// A body of a type.
    pub(crate) fn typed(mut self, media_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.body = Bytes::copy_from_slice(body.as_ref());
        self.without("content-type")
            .header("content-type", media_type)
    }

    /// Sends it over HTTP/2.
    pub(crate) fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Sends it and waits for its audit record.
    pub(crate) async fn send(self) -> Created<'w> {
        let answer = self.clone().send_unrecorded().await;
        let record = self.world.next_record().await;
        Created {
            outcome: Outcome::new(self.world, answer, record),
            sent: self,
        }
    }

    /// The same, byte by byte: a client library loses an answer that comes before the body has left.
    pub(crate) async fn send_raw(self) -> Created<'w> {
        self.remember();
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n",
            self.method,
            self.path,
            self.world.host(),
            self.body.len()
        )
        .into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend([b"\r\n", &self.body[..]].concat());
        let mut raw = self.world.raw().await;
        raw.send(bytes).await;
        let answer = raw.answer().await.unwrap();
        let record = self.world.next_record().await;
        Created {
            outcome: Outcome::new(self.world, answer, record),
            sent: self,
        }
    }

    /// Sends it and leaves its record to be asked for, if there is one.
    pub(crate) async fn send_unrecorded(self) -> Answer {
        self.remember();
        let url = format!("{}{}", self.world.url(), self.path);
        let request = self
            .world
            .client(self.http2)
            .request(self.method, url)
            .headers(self.headers)
            .body(self.body);
        Answer::of(request.send().await.unwrap()).await.unwrap()
    }

    /// Notes the tokens in it.
    fn remember(&self) {
        let tokens = [SIGN_IN_HEADER, "authorization"];
        for token in tokens
            .iter()
            .flat_map(|name| self.headers.get_all(*name).iter())
        {
            self.world.secrets.remember_end(token.as_bytes());
        }
        let part = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte));
        for run in self.body.split(part).filter(|run| run.len() > 200) {
            self.world.secrets.remember_end(run);
        }
    }
}

impl Deref for Created<'_> {
    type Target = Outcome;

    fn deref(&self) -> &Outcome {
        &self.outcome
    }
}

impl Created<'_> {
    /// The service created a connection, from the request as it was sent.
    pub(crate) fn created(&self, reason: &str) -> &Self {
        self.outcome.allowed(reason);
        assert_eq!(self.answer.status, 201, "{:?}", self.answer);
        self.arrived();
        self
    }

    /// The documented block, by these sides (tenant, direction); nothing was forwarded.
    pub(crate) fn blocked(&self, reason: &str, sides: &[(&str, &str)]) -> &Self {
        self.outcome.blocked(reason, sides);
        self.stayed_here();
        assert_eq!(self.record["upstream_status"], json!(null));
        self
    }

    /// Refused without a decision; nothing was forwarded.
    pub(crate) fn refused(&self, status: u16, reason: &str) -> &Self {
        self.outcome.refused(status, reason);
        self.stayed_here();
        self
    }

    /// A token was refused: the record says exactly why, the answer only which one; nothing was
    /// forwarded.
    pub(crate) fn token_refused(&self, outside: &str, inside: &str) -> &Self {
        self.decided("error", inside);
        let answer = &self.answer;
        assert_eq!(answer.status, 401, "{answer:?}");
        answer.is_our_own();
        assert_eq!(answer.json()["suberror"], outside, "{answer:?}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"Bearer realm="tidegate", error="invalid_token""#)
        );
        assert_eq!(answer.json()["trace_id"], self.record["decision_id"]);
        let text = format!("{:?}{}", answer.headers, answer.text());
        assert!(inside == outside || !text.contains(inside), "{text}");
        golden(&format!("refusal-{outside}.txt"), answer);
        self.nothing_leaked();
        self.stayed_here();
        self
    }

    /// The request is at the service once, byte for byte what was sent, and what the gateway tells
    /// is what its record says.
    pub(crate) fn arrived(&self) -> Request {
        let mut all = self.sent.world.service.requests().all();
        assert_eq!(all.len(), 1, "{all:?}");
        let request = all.remove(0);
        assert_eq!(request.body, self.sent.body, "the body");
        assert_eq!(request.method, self.sent.method);
        assert_eq!(request.target(), self.sent.path);
        for name in self.sent.headers.keys() {
            if NOT_AS_SENT.contains(&name.as_str()) || is_trust(name.as_str()) {
                continue;
            }
            let values = |headers: &HeaderMap| -> Vec<HeaderValue> {
                headers.get_all(name).iter().cloned().collect()
            };
            assert_eq!(
                values(&request.headers),
                values(&self.sent.headers),
                "{name}"
            );
        }
        let told = ["creator_tenant", "sign_in_tenant", "decision_id"];
        for (name, member) in TOLD.iter().zip(told) {
            let mut values = request.headers.get_all(*name).iter();
            let value = values.next().map(|value| value.to_str().unwrap());
            // A block of the reply is about the tenant of the tokens in that.
            if member != "sign_in_tenant" || self.record["decision"] != "block" {
                assert_eq!(value, self.record[member].as_str(), "{name}");
            }
            assert_eq!(values.next(), None, "{name} twice");
        }
        for name in request.headers.keys() {
            let known = TOLD.contains(&name.as_str());
            assert!(known || !is_trust(name.as_str()), "{name}");
        }
        request
    }

    /// Nothing reached the service.
    pub(crate) fn stayed_here(&self) {
        let seen = self.sent.world.service.requests().all();
        assert!(seen.is_empty(), "{seen:?}");
    }
}

/// Whether a header, or another spelling of it, is one that only the gateway may set.
fn is_trust(name: &str) -> bool {
    let folded = name.replace('_', "-");
    folded == "x-ms-client-tenant-id" || TOLD.contains(&folded.as_str())
}
