//! What one worker holds: the gateway's shared state and a lane for each route.
//!
//! It exists so that the request path gets everything it needs from one place and owns nothing
//! global.

mod body;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http::header::EXPECT;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, Uri, request};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use opentelemetry::KeyValue;
use tokio::time::timeout;

use crate::audit::Exchange;
use crate::config::template::Captures;
use crate::config::{Config, CreatorSource, Limits, Route, RouteKind, Trust};
use crate::core::isolation::Terms;
use crate::core::policy::Mode;
use crate::domains::Domains;
use crate::headers::CLIENT_TENANT_ID;
use crate::keys::KeyStore;
use crate::metrics::RouteMetrics;
use crate::policies::Policies;
use crate::recorder::Recorder;
use crate::refusal::Refusal;
use crate::tls::Shown;
use crate::traces::Trace;
use crate::upstream::{Redirects, Upstream};
use crate::withheld::{Reply, Withheld};

/// Shared by all workers.
pub struct Gateway {
    /// The gateway's mode.
    pub mode: Mode,
    /// Bounds.
    pub limits: Limits,
    /// Whose headers are believed.
    pub trust: Trust,
    /// Every header that may name a creator, and every one that tells a service what was decided:
    /// never forwarded, never doubled, never respelled.
    pub trust_headers: Vec<HeaderName>,
    /// The base that discovery documents name, where it is configured.
    pub public_url: Option<Uri>,
    /// Whether clients speak TLS to us.
    pub tls: bool,
    /// All policies.
    pub policies: Policies,
    /// Where the ends of exchanges go.
    pub recorder: Recorder,
    /// Signing keys, for tokens in requests.
    pub keys: KeyStore,
    in_flight: AtomicUsize,
    /// Bytes that requests hold.
    held: AtomicUsize,
}

impl Gateway {
    /// Assembles the shared state.
    pub fn new(config: &Config, policies: Policies, recorder: Recorder, keys: KeyStore) -> Self {
        recorder.metrics.limits(&config.limits);
        Self {
            mode: config.mode,
            limits: config.limits.clone(),
            trust: config.trust.clone(),
            trust_headers: trust_headers(config),
            public_url: config.listen.public_url.clone(),
            tls: config.listen.tls.is_some(),
            policies,
            recorder,
            keys,
            in_flight: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        }
    }

    /// Opens the record of an exchange.
    pub fn open_record(&self, lane: &Lane) -> Exchange {
        let counts = Arc::clone(&lane.counts);
        let mut record = Exchange::open(
            self.recorder.clone(),
            Arc::clone(&lane.route),
            counts,
            self.mode,
        );
        record.policy_source = self.policies.freshness();
        record
    }

    /// Whether exchanges can be decided at all; before anybody is asked, so that no code is burnt.
    ///
    /// # Errors
    /// [`Refusal::PolicyUnavailable`].
    pub fn can_decide(&self) -> Result<(), Refusal> {
        if self.policies.is_available() {
            Ok(())
        } else {
            Err(Refusal::PolicyUnavailable)
        }
    }

    /// Counts a request in, until the guard is dropped.
    ///
    /// # Errors
    /// [`Refusal::Overload`] above the limit.
    pub fn admit(self: &Arc<Self>) -> Result<Admitted, Refusal> {
        let admitted = Admitted(Arc::clone(self));
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.recorder.metrics.in_flight.inc();
        if before >= self.limits.in_flight {
            return Err(Refusal::Overload);
        }
        Ok(admitted)
    }

    /// Refuses a request while as many are under way as may be, before anybody waits for its body:
    /// the answer leaves at once, and what is still to come of the body is read and thrown away. A
    /// connection that is closed in the middle of it would be reset, and the answer lost.
    ///
    /// # Errors
    /// [`Refusal::Overload`].
    pub fn look(&self, head: &request::Parts, body: Incoming) -> Result<Incoming, Refusal> {
        if self.in_flight.load(Ordering::Relaxed) < self.limits.in_flight {
            return Ok(body);
        }
        // Nobody who waits to be told to send it (`expect`) is.
        if !body.is_end_stream() && !head.headers.contains_key(EXPECT) {
            let Limits {
                request_body,
                body_timeout,
                ..
            } = self.limits;
            tokio::spawn(timeout(body_timeout, body::discard(body, request_body)));
        }
        Err(Refusal::Overload)
    }
}

fn trust_headers(config: &Config) -> Vec<HeaderName> {
    let mut names = vec![CLIENT_TENANT_ID];
    for route in &config.routes {
        for source in &route.creator {
            if let CreatorSource::Header(name) = source {
                names.push(name.clone());
            }
        }
        if let RouteKind::Connection(connection) = &route.kind {
            names.extend(connection.service.tell.names().cloned());
        }
    }
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    names
}

/// Lets the worker's other exchanges come as far. Under load their requests then leave in a row,
/// and so do their answers, which wakes the other side fewer times and keeps caches warm: about a
/// tenth of the cost of an exchange (`bench/README.md`).
pub async fn abreast() {
    tokio::task::yield_now().await;
}

/// One request under way: from the moment its body is here until its reply was sent.
#[must_use = "the request counts as under way while this lives"]
pub struct Admitted(Arc<Gateway>);

impl Admitted {
    /// Ties the place to a reply: it is free when the reply was sent, and not when it is made.
    pub fn hold(self, reply: &mut Reply) {
        reply.extensions_mut().insert(Arc::new(self));
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.recorder.metrics.in_flight.dec();
    }
}

/// The other end of a client connection.
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether its trust headers are believed.
    pub trusted: bool,
    shown: Option<Arc<Shown>>,
}

impl Peer {
    /// A peer at `address` that showed this certificate.
    pub fn new(address: SocketAddr, shown: Option<Arc<Shown>>, trust: &Trust) -> Self {
        let names = shown.as_ref().map_or_else(Vec::new, |shown| shown.names());
        let by_network = trust
            .peers
            .iter()
            .any(|network| network.contains(address.ip()));
        let by_certificate = names
            .iter()
            .any(|name| trust.client_certificates.contains(name));
        Self {
            address,
            trusted: by_network || by_certificate,
            shown,
        }
    }

    /// Whether the certificate that it showed, if it did, is good still.
    pub fn is_good(&self) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.is_good())
    }
}

/// One route, as one worker serves it.
pub struct Lane {
    /// The route.
    pub route: Arc<Route>,
    /// Its provider, or of a connection route its service, through this worker's connections.
    pub upstream: Arc<Upstream>,
    /// Domains resolved at its provider.
    pub domains: Arc<Domains>,
    /// What its decisions are made under.
    pub terms: Terms,
    /// What is counted about its exchanges.
    pub counts: Arc<RouteMetrics>,
}

impl Lane {
    /// The upstream's path and query for a request.
    ///
    /// # Errors
    /// [`Refusal::Path`]; the configuration makes sure that every name is there.
    pub fn target(
        &self,
        captures: &Captures<'_, '_>,
        query: Option<&str>,
    ) -> Result<String, Refusal> {
        let mut target = self
            .route
            .upstream_path
            .fill(&[captures])
            .ok_or(Refusal::Path)?;
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        Ok(target)
    }

    /// Sends a request upstream, and notes in the record how long that took and what came.
    ///
    /// # Errors
    /// The refusal that says what the upstream did wrong.
    pub async fn ask(
        &self,
        mut request: http::Request<Full<Bytes>>,
        redirects: Redirects,
        record: &mut Exchange,
    ) -> Result<Withheld, Refusal> {
        let asked = Instant::now();
        record.forwarded = true;
        if let Some(trace) = &mut record.trace {
            self.begin(trace, &mut request);
        }
        let received = self.upstream.exchange(request, redirects).await;
        record.upstream_us = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Some(trace) = &mut record.trace {
            let status = received.as_ref().map(|withheld| withheld.status().as_u16());
            trace.answered(status.map_err(|refusal| refusal.reason()));
        }
        let withheld = received?;
        record.upstream_status = Some(withheld.status().as_u16());
        Ok(withheld)
    }

    /// Begins a request upstream in an exchange's trace.
    fn begin(&self, trace: &mut Trace, request: &mut http::Request<Full<Bytes>>) {
        let method = request.method().clone();
        trace.ask(request.headers_mut(), || {
            let named = Authority::try_from(self.upstream.host().as_bytes()).ok();
            let address = named.as_ref().map_or("", Authority::host).to_owned();
            let port = named.as_ref().and_then(Authority::port_u16);
            let mut attributes = vec![
                KeyValue::new("http.request.method", method.to_string()),
                KeyValue::new("peer.service", self.route.behind().to_owned()),
                KeyValue::new("server.address", address),
            ];
            attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
            attributes
        });
    }

    /// Whether a request for this host and path is this lane's.
    pub fn takes(&self, host: &Authority, path: &str) -> bool {
        let host_matches = |wanted: &String| wanted.eq_ignore_ascii_case(host.host());
        self.route.host.as_ref().is_none_or(host_matches) && self.route.path.matches(path).is_some()
    }
}

/// What one worker serves with.
pub struct Worker {
    /// Shared state.
    pub gateway: Arc<Gateway>,
    /// Routes, in the operator's order.
    pub lanes: Vec<Lane>,
}

impl Worker {
    /// The first route that takes a request.
    pub fn lane(&self, host: &Authority, target: &PathAndQuery) -> Option<&Lane> {
        self.lanes
            .iter()
            .find(|lane| lane.takes(host, target.path()))
    }
}
