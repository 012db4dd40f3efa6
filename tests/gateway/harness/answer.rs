//! What a client received.

use bytes::Bytes;
use http::{HeaderMap, Version};
use serde_json::Value;

use super::golden;

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> reqwest::Result<Self> {
        Ok(Self {
            status: response.status().as_u16(),
            version: response.version(),
            headers: response.headers().clone(),
            body: response.bytes().await?,
        })
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header that stands once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(
            values.next().is_none(),
            "{name} stands twice: {:?}",
            self.headers
        );
        value
    }

    /// Headers and body in one, for searches.
    pub(crate) fn everything(&self) -> Vec<u8> {
        let mut all = format!("{:?}\n", self.headers).into_bytes();
        all.extend_from_slice(&self.body);
        all
    }

    /// The form that every answer of the gateway's own has: JSON, never stored, OAuth's members.
    pub(crate) fn is_our_own(&self) {
        let json = self.json();
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8"),
            "{self:?}"
        );
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        for member in [
            "error",
            "error_description",
            "suberror",
            "timestamp",
            "trace_id",
            "correlation_id",
            "error_uri",
        ] {
            assert!(
                json[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {json}"
            );
        }
        assert!(json["error_codes"].is_array(), "{json}");
        for name in ["set-cookie", "location", "alt-svc", "content-encoding"] {
            assert_eq!(self.header(name), None, "{self:?}");
        }
    }

    /// A refusal without a decision: status and the reason's word.
    pub(crate) fn is_refusal(&self, status: u16, reason: &str) {
        assert_eq!(
            (self.status, self.json()["suberror"].as_str()),
            (status, Some(reason)),
            "{self:?}"
        );
        self.is_our_own();
        let error = match status {
            502 => "server_error",
            503 | 504 => "temporarily_unavailable",
            _ => "invalid_request",
        };
        assert_eq!(self.json()["error"], error);
        assert_eq!(
            self.header("retry-after").is_some(),
            status == 503,
            "{self:?}"
        );
        golden(&format!("refusal-{reason}.txt"), self);
    }
}
