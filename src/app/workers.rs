//! The threads that serve, each with connections of its own to every provider and service.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

use super::StartError;
use crate::config::{Config, Connection, Endpoint, Route, RouteKind};
use crate::core::isolation::Terms;
use crate::domains::Domains;
use crate::gateway::{Gateway, Lane, Worker};
use crate::listener::{self, Phase};
use crate::tls::{Certificates, Server};
use crate::upstream::{Sockets, Upstream};

/// The worker threads, and how they are told of the end.
pub(super) struct Workers {
    tell: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each worker, with a listening socket.
    pub(super) fn start(
        workers: Vec<Arc<Worker>>,
        sockets: Vec<StdListener>,
        tls: Option<&Server>,
    ) -> io::Result<Self> {
        let (tell, phase) = watch::channel(Phase::Serving);
        let mut threads = Vec::new();
        for (number, (socket, worker)) in sockets.into_iter().zip(workers).enumerate() {
            let (tls, phase) = (tls.cloned(), phase.clone());
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let thread = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || work(&runtime, socket, worker, tls, phase))?;
            threads.push(thread);
        }
        Ok(Self { tell, threads })
    }

    /// Has every worker send its clients away, and still serve them.
    pub(super) fn leave(&self) {
        self.tell.send_replace(Phase::Leaving);
    }

    /// Has every worker drain. It blocks until they have.
    pub(super) fn drain(self) {
        // Sent even if nobody waits any more.
        self.tell.send_replace(Phase::Ending);
        for thread in self.threads {
            drop(thread.join());
        }
    }
}

/// Everything that workers need, one for each.
pub(super) fn build(
    config: &Config,
    gateway: &Arc<Gateway>,
    certificates: &Certificates,
    upstreams: usize,
) -> Result<Vec<Arc<Worker>>, StartError> {
    let sockets = upstream_sockets(config, upstreams);
    (0..config.listen.workers)
        .map(|_| worker(config, gateway, certificates, &sockets).map(Arc::new))
        .collect()
}

/// Shares out what there is for connections to providers and services. Half of it is never idle.
fn upstream_sockets(config: &Config, places: usize) -> Sockets {
    let mut endpoints: Vec<&Endpoint> = Vec::new();
    for route in &config.routes {
        if !endpoints.contains(&endpoint(route)) {
            endpoints.push(endpoint(route));
        }
    }
    let pools = endpoints.len().saturating_mul(config.listen.workers).max(1);
    Sockets {
        places: Arc::new(Semaphore::new(places)),
        idle: places / 2 / pools,
    }
}

/// One worker's state: its own connections to every provider and service.
fn worker(
    config: &Config,
    gateway: &Arc<Gateway>,
    certificates: &Certificates,
    sockets: &Sockets,
) -> Result<Worker, StartError> {
    let mut reached: Vec<(&Endpoint, Arc<Upstream>)> = Vec::new();
    let mut resolved: Vec<(&str, Arc<Domains>)> = Vec::new();
    let mut lanes = Vec::with_capacity(config.routes.len());
    for route in &config.routes {
        let provider = &route.provider;
        let endpoint = endpoint(route);
        let known = reached.iter().find(|(known, _)| *known == endpoint);
        let upstream = if let Some((_, upstream)) = known {
            Arc::clone(upstream)
        } else {
            let of = name(route);
            let upstream = Upstream::new(of, endpoint, &config.limits, certificates, sockets);
            let upstream = Arc::new(upstream.map_err(|error| unusable(route, error))?);
            reached.push((endpoint, Arc::clone(&upstream)));
            upstream
        };
        let known = resolved.iter().find(|(known, _)| *known == provider.name);
        let domains = if let Some((_, domains)) = known {
            Arc::clone(domains)
        } else {
            let domains = Arc::new(Domains::new(provider.issuers.clone()));
            resolved.push((&provider.name, Arc::clone(&domains)));
            domains
        };
        lanes.push(Lane {
            route: Arc::clone(route),
            upstream,
            domains,
            terms: Terms {
                mode: config.mode,
                absent: config.policies.absent,
                undetermined: provider.undetermined,
                provider: provider.kind,
            },
            counts: Arc::new(gateway.recorder.metrics.of_route(route)),
        });
    }
    Ok(Worker {
        gateway: Arc::clone(gateway),
        lanes,
    })
}

/// Where a route's requests go.
fn endpoint(route: &Route) -> &Endpoint {
    match &route.kind {
        RouteKind::Connection(Connection { service, .. }) => &service.endpoint,
        RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => {
            &route.provider.endpoint
        }
    }
}

/// What logs and metrics call the server that a route's requests go to.
fn name(route: &Route) -> String {
    match &route.kind {
        RouteKind::Connection(Connection { service, .. }) => format!("services.{}", service.name),
        RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => {
            format!("providers.{}", route.provider.name)
        }
    }
}

fn unusable(route: &Route, error: String) -> StartError {
    match &route.kind {
        RouteKind::Connection(Connection { service, .. }) => StartError::Service {
            name: service.name.clone(),
            error,
        },
        RouteKind::Discovery | RouteKind::Relay { .. } | RouteKind::Token => StartError::Provider {
            name: route.provider.name.clone(),
            error,
        },
    }
}

/// A worker thread: one single-threaded runtime, one listening socket.
fn work(
    runtime: &Runtime,
    socket: StdListener,
    worker: Arc<Worker>,
    tls: Option<Server>,
    phase: watch::Receiver<Phase>,
) {
    runtime.block_on(async move {
        match TcpListener::from_std(socket) {
            Ok(listener) => listener::serve(listener, worker, tls, phase).await,
            Err(error) => tracing::error!(%error, "a worker cannot listen"),
        }
    });
}
