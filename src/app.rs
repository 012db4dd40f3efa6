//! The composition root: builds everything from the configuration, binds, serves, drains.
//!
//! Invariant: everything that can be wrong is found before a port is bound; readiness goes first
//! when the process is told to end, and audit records are written last.

mod sockets;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::admin::{self, Desk};
use crate::audit::Audit;
use crate::config::{self, Config, Connection, Endpoint, Route, RouteKind};
use crate::core::isolation::Terms;
use crate::domains::Domains;
use crate::gateway::{Gateway, Lane, Worker};
use crate::keys::KeyStore;
use crate::listener::{self, Phase};
use crate::metrics::Metrics;
use crate::policies::{Policies, expiry};
use crate::problem::Problem;
use crate::recorder::Recorder;
use crate::telemetry;
use crate::tls::{self, Certificates, Keeping, Server};
use crate::upstream::{Sockets, Upstream};

use sockets::{Connections, Share, bind, bind_workers, raise_descriptor_limit};

/// Why the gateway does not start, or does not end well.
#[derive(Debug, Error)]
pub enum StartError {
    /// The audit output cannot be opened.
    #[error("audit output: {0}")]
    Audit(io::Error),
    /// An address cannot be bound.
    #[error("{listener} listener: cannot bind {address}: {error}")]
    Bind {
        /// `data` or `admin`.
        listener: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Policies have faults.
    #[error("{} in the policies", count(.0.len()))]
    Policies(Vec<Problem>),
    /// A provider cannot be set up.
    #[error("provider {name}: {error}")]
    Provider {
        /// Its name.
        name: String,
        /// Why.
        error: String,
    },
    /// A service cannot be set up.
    #[error("service {name}: {error}")]
    Service {
        /// Its name.
        name: String,
        /// Why.
        error: String,
    },
    /// The system refuses threads, signals or a runtime.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// Certificates of the admin listener cannot be read.
    #[error("admin.tls: {0}")]
    AdminTls(String),
    /// Certificates cannot be read.
    #[error("listen.tls: {0}")]
    Tls(String),
}

fn count(problems: usize) -> String {
    format!("{problems} problem{}", if problems == 1 { "" } else { "s" })
}

/// How long the end waits for policies that are being written.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// Runs the gateway until SIGTERM or SIGINT. SIGHUP reads policies and certificates again and
/// fetches keys.
///
/// # Errors
/// [`StartError`]; nothing is bound then.
pub fn run(config: &Config) -> Result<(), StartError> {
    telemetry::start(&config.log);
    announce(config);
    let connections = Connections::within(raise_descriptor_limit(), config.limits.connections);
    let mut config = config.clone();
    config.limits.connections = connections.clients;
    let config = &config;
    tls::install_provider();
    let metrics = Arc::new(Metrics::new());
    let certificates = Certificates::new(&metrics);
    let tls = config.listen.tls.as_ref();
    let tls = tls.map(|files| certificates.data(files));
    let tls = tls.transpose().map_err(StartError::Tls)?;
    let admin_tls = config.admin.tls.as_ref();
    let admin_tls = admin_tls.map(|files| certificates.admin(files));
    let admin_tls = admin_tls.transpose().map_err(StartError::AdminTls)?;
    let policies = Policies::open(&config.policies.directory).map_err(StartError::Policies)?;
    let (audit, writer) = Audit::start(&config.audit).map_err(StartError::Audit)?;
    let keys = KeyStore::new(config, &certificates, &metrics)
        .map_err(|(name, error)| StartError::Provider { name, error })?;
    let gateway = Arc::new(Gateway::new(
        config,
        policies.clone(),
        Recorder::new(audit, metrics),
        keys,
    ));
    let desk = Desk::new(config, Arc::clone(&gateway), admin_tls, &certificates)
        .map_err(|(name, error)| StartError::Provider { name, error })?;
    let sockets = upstream_sockets(config, connections.upstreams);
    let workers = (0..config.listen.workers)
        .map(|_| worker(config, &gateway, &certificates, &sockets).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let certificates = certificates.keep()?;

    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Before anything is bound: whoever sees us listen may tell us to end.
    let signals = {
        let _inside = runtime.enter();
        Signals::register()?
    };
    let admin = bind("admin", config.admin.address, Share::No)?;
    let sockets = bind_workers(config)?;
    let (tell, phase) = watch::channel(Phase::Serving);
    let mut threads = Vec::new();
    for (number, (socket, worker)) in sockets.into_iter().zip(workers).enumerate() {
        let (tls, phase) = (tls.clone(), phase.clone());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || work(&runtime, socket, worker, tls, phase))?;
        threads.push(thread);
    }
    let workers = Workers { tell, threads };
    let ended = runtime.block_on(serve_admin(
        admin,
        desk,
        (gateway, policies, certificates),
        signals,
        workers,
    ));
    drop(writer);
    // A name that is being looked up would be waited for.
    runtime.shutdown_background();
    tracing::info!("stopped");
    ended
}

/// The worker threads, and how they are told of the end.
struct Workers {
    tell: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Has every worker drain. It blocks until they have.
    fn drain(self) {
        // Sent even if nobody waits any more.
        self.tell.send_replace(Phase::Ending);
        for thread in self.threads {
            drop(thread.join());
        }
    }
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

/// Serves the admin listener and waits for the signal to end; then drains, and still answers
/// probes meanwhile: not ready any more.
async fn serve_admin(
    socket: StdListener,
    desk: Desk,
    (gateway, policies, certificates): (Arc<Gateway>, Policies, Keeping),
    signals: Signals,
    workers: Workers,
) -> Result<(), StartError> {
    let desk = Arc::new(desk);
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            workers.drain();
            return Err(error.into());
        }
    };
    desk.readiness.set(true);
    let _keys_are_kept = gateway.keys.keep();
    tokio::spawn(expiry::announce(policies.clone()));
    let Signals { hangup, mut ends } = signals;
    let sources = (policies, Arc::clone(&gateway), certificates);
    tokio::spawn(reload_on(hangup, sources));
    tokio::spawn(admin::serve(listener, Arc::clone(&desk)));
    ends.next().await;
    desk.readiness.set(false);
    let delay = gateway.limits.drain_delay;
    if !delay.is_zero() {
        tracing::info!(?delay, "not ready any more: clients shall leave");
        workers.tell.send_replace(Phase::Leaving);
        // Told again, it ends without waiting.
        drop(timeout(delay, ends.next()).await);
    }
    tracing::info!("draining");
    // It blocks: on a thread of its own.
    drop(tokio::task::spawn_blocking(|| workers.drain()).await);
    if timeout(LAST_WRITES, desk.finish()).await.is_err() {
        tracing::warn!("policies were still being written at the end");
    }
    Ok(())
}

struct Signals {
    ends: Ends,
    hangup: Signal,
}

/// The signals that tell the process to end.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            ends: Ends {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

impl Ends {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells the log what the operator declared: choices that weaken the gateway, and the paths that
/// are relayed because they carry no tokens.
fn announce(config: &Config) {
    for warning in config::warnings(config) {
        tracing::info!(
            key = warning.key,
            effect = warning.text,
            "a choice that weakens the gateway"
        );
    }
    for route in &config.routes {
        if let RouteKind::Relay { .. } = route.kind {
            tracing::info!(
                route = &*route.name, path = %route.path, provider = &*route.provider.name,
                "relayed: declared to carry no tokens"
            );
        }
    }
}

async fn reload_on(
    mut hangup: Signal,
    (policies, gateway, certificates): (Policies, Arc<Gateway>, Keeping),
) {
    while hangup.recv().await.is_some() {
        certificates.reload();
        policies.reload();
        gateway.keys.fetch();
    }
}
