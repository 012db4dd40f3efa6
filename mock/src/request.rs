//! A request as the mock saw it, and the log of all of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Version};

/// A complete request, body included.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent, without the query.
    pub path: String,
    /// The query as sent, without the question mark.
    pub query: Option<String>,
    /// HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// All header fields, in order and with duplicates. HTTP/2's `:authority` appears as `host`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// Path and query as they were sent.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first form field of this name in the body.
    pub fn field(&self, name: &str) -> Option<String> {
        find(&self.body, name)
    }

    /// The first query parameter of this name.
    pub fn query_field(&self, name: &str) -> Option<String> {
        find(self.query.as_ref()?.as_bytes(), name)
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether this asks for a key set.
    pub fn is_keys(&self) -> bool {
        self.method == Method::GET && self.path.ends_with("/keys")
    }

    /// Whether this asks for an OpenID configuration.
    pub fn is_discovery(&self) -> bool {
        self.method == Method::GET && self.path.ends_with("/.well-known/openid-configuration")
    }

    /// Whether this is a POST to a path that gives out tokens.
    pub fn is_token_post(&self) -> bool {
        let path = self.path.trim_end_matches('/');
        self.method == Method::POST
            && (path.ends_with("/oauth2/token") || path.ends_with("/oauth2/v2.0/token"))
    }
}

fn find(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Every request a mock saw, in order. Clones look at the same log.
#[derive(Clone, Debug)]
pub struct RequestLog {
    seen: Arc<Mutex<VecDeque<Request>>>,
    total: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    limit: usize,
}

impl RequestLog {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            seen: Arc::default(),
            total: Arc::default(),
            connections: Arc::default(),
            limit,
        }
    }

    pub(crate) fn push(&self, request: Request) {
        self.total.fetch_add(1, Ordering::SeqCst);
        let mut seen = self.lock();
        if seen.len() >= self.limit {
            seen.pop_front();
        }
        if self.limit > 0 {
            seen.push_back(request);
        }
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    /// All requests still kept, oldest first.
    pub fn all(&self) -> Vec<Request> {
        self.lock().iter().cloned().collect()
    }

    /// The requests that satisfy a condition, oldest first.
    pub fn matching(&self, condition: impl Fn(&Request) -> bool) -> Vec<Request> {
        self.lock()
            .iter()
            .filter(|request| condition(request))
            .cloned()
            .collect()
    }

    /// The requests to one path, oldest first.
    pub fn to(&self, path: &str) -> Vec<Request> {
        self.matching(|request| request.path == path)
    }

    /// The latest request.
    pub fn last(&self) -> Option<Request> {
        self.lock().back().cloned()
    }

    /// How many requests arrived since the start or the last [`clear`](Self::clear).
    pub fn count(&self) -> u64 {
        self.total.load(Ordering::SeqCst)
    }

    /// How many of the requests kept satisfy a condition.
    pub fn count_where(&self, condition: impl Fn(&Request) -> bool) -> usize {
        self.lock()
            .iter()
            .filter(|request| condition(request))
            .count()
    }

    /// How many of the requests kept went to one path.
    pub fn count_to(&self, path: &str) -> usize {
        self.count_where(|request| request.path == path)
    }

    /// How many of the requests kept are POSTs to a token endpoint.
    pub fn token_posts(&self) -> usize {
        self.count_where(Request::is_token_post)
    }

    /// How many of the requests kept asked for a key set.
    pub fn key_fetches(&self) -> usize {
        self.count_where(Request::is_keys)
    }

    /// How many of the requests kept asked for an OpenID configuration.
    pub fn discovery_fetches(&self) -> usize {
        self.count_where(Request::is_discovery)
    }

    /// How many TCP connections were accepted since the start or the last [`clear`](Self::clear).
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut seen = self.lock();
        seen.clear();
        self.total.store(0, Ordering::SeqCst);
        self.connections.store(0, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
