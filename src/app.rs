//! The composition root: builds everything from the configuration, binds, serves, drains.
//!
//! Invariant: everything that can be wrong is found before a port is bound; readiness goes first
//! when the process is told to end, and audit records are written last.

mod sockets;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::admin::{self, Desk};
use crate::audit::Audit;
use crate::config::{self, Config, Connection, Endpoint, Route, RouteKind};
use crate::core::isolation::Terms;
use crate::domains::Domains;
use crate::events::{self, Events};
use crate::gateway::{Gateway, Lane, Worker};
use crate::keys::KeyStore;
use crate::listener;
use crate::metrics::Metrics;
use crate::policies::{Policies, expiry};
use crate::problem::Problem;
use crate::recorder::Recorder;
use crate::telemetry;
use crate::tls;
use crate::traces::Traces;
use crate::upstream::Upstream;
use crate::webhooks::{WebhookError, Webhooks};

use sockets::{Share, bind, bind_workers, raise_descriptor_limit};

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
    /// The store of decision events cannot be used.
    #[error("events: {0}")]
    Events(events::Error),
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
    /// A webhook cannot be set up.
    #[error("webhook {name}: {error}")]
    Webhook {
        /// Its name.
        name: String,
        /// Why.
        error: String,
    },
    /// Certificates of the admin listener cannot be read.
    #[error("admin.tls: {0}")]
    AdminTls(String),
    /// Certificates cannot be read.
    #[error("listen.tls: {0}")]
    Tls(String),
    /// The collector of traces cannot be set up.
    #[error("traces: {0}")]
    Traces(String),
}

impl From<WebhookError> for StartError {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Setup { name, why } => Self::Webhook { name, error: why },
            WebhookError::System(error) => Self::System(error),
        }
    }
}

fn count(problems: usize) -> String {
    format!("{problems} problem{}", if problems == 1 { "" } else { "s" })
}

/// How long the end waits for policies that are being written.
const LAST_WRITES: Duration = Duration::from_secs(10);

/// Runs the gateway until SIGTERM or SIGINT. SIGHUP reads the policies again, fetches keys
/// and looks whether the audit file was moved.
///
/// # Errors
/// [`StartError`]; nothing is bound then.
pub fn run(config: &Config) -> Result<(), StartError> {
    telemetry::start(&config.log);
    announce(config);
    raise_descriptor_limit(config.limits.connections);
    tls::install_provider();
    let acceptor = match &config.listen.tls {
        Some(files) => Some(tls::acceptor(files).map_err(StartError::Tls)?),
        None => None,
    };
    let admin_acceptor = match &config.admin.tls {
        Some(files) => Some(tls::admin_acceptor(files).map_err(StartError::AdminTls)?),
        None => None,
    };
    let policies = Policies::open(&config.policies.directory).map_err(StartError::Policies)?;
    let metrics = Arc::new(Metrics::new());
    // Before any line is written: what a killed gateway missed is looked up in those there are.
    let events = match &config.events {
        Some(events) => {
            let started = Events::start(events, &config.audit, metrics.events.clone());
            Some(started.map_err(StartError::Events)?)
        }
        None => None,
    };
    let (audit, writer) =
        Audit::start(&config.audit.output, config.audit.mode).map_err(StartError::Audit)?;
    let keys = KeyStore::new(config, &metrics)
        .map_err(|(name, error)| StartError::Provider { name, error })?;
    let mut recorder = Recorder::new(audit, Arc::clone(&metrics));
    let storing = events.map(|(events, storing)| {
        recorder.events = Some(events);
        storing
    });
    let traces = match &config.traces {
        Some(traces) => Some(Traces::start(traces, &metrics).map_err(StartError::Traces)?),
        None => None,
    };
    let exporting = traces.map(|(traces, exporting)| {
        recorder.traces = Some(traces);
        exporting
    });
    let mut deliveries = None;
    if !config.webhooks.is_empty() {
        let (webhooks, sending) = Webhooks::start(&config.webhooks, &metrics)?;
        recorder.webhooks = Some(webhooks);
        deliveries = Some(sending);
    }
    let gateway = Arc::new(Gateway::new(config, policies.clone(), recorder, keys));
    let desk = Desk::new(config, Arc::clone(&gateway), admin_acceptor)
        .map_err(|(name, error)| StartError::Provider { name, error })?;
    let workers = (0..config.listen.workers)
        .map(|_| worker(config, &gateway).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;

    let runtime = Builder::new_current_thread().enable_all().build()?;
    // Before anything is bound: whoever sees us listen may tell us to end.
    let signals = {
        let _inside = runtime.enter();
        Signals::register()?
    };
    let admin = bind("admin", config.admin.address, Share::No)?;
    let sockets = bind_workers(config)?;
    let (stop, stopped) = watch::channel(false);
    let mut threads = Vec::new();
    for (number, (socket, worker)) in sockets.into_iter().zip(workers).enumerate() {
        let (acceptor, stopped) = (acceptor.clone(), stopped.clone());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || work(&runtime, socket, worker, acceptor, stopped))?;
        threads.push(thread);
    }
    let drain = move || {
        // Sent even if nobody waits any more.
        stop.send_replace(true);
        for thread in threads {
            drop(thread.join());
        }
    };
    let ended = runtime.block_on(serve_admin(admin, desk, gateway, policies, signals, drain));
    // What was decided last is told, too.
    drop(exporting);
    drop(deliveries);
    drop(storing);
    drop(writer);
    // A name that is being looked up would be waited for.
    runtime.shutdown_background();
    tracing::info!("stopped");
    ended
}

/// One worker's state: its own connections to every provider and service.
fn worker(config: &Config, gateway: &Arc<Gateway>) -> Result<Worker, StartError> {
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
            let upstream =
                Upstream::new(endpoint, &config.limits).map_err(|error| unusable(route, error))?;
            let upstream = Arc::new(upstream);
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
    acceptor: Option<TlsAcceptor>,
    stopped: watch::Receiver<bool>,
) {
    runtime.block_on(async move {
        match TcpListener::from_std(socket) {
            Ok(listener) => listener::serve(listener, worker, acceptor, stopped).await,
            Err(error) => tracing::error!(%error, "a worker cannot listen"),
        }
    });
}

/// Serves the admin listener and waits for the signal to end; then drains, and still answers
/// probes meanwhile: not ready any more.
async fn serve_admin(
    socket: StdListener,
    desk: Desk,
    gateway: Arc<Gateway>,
    policies: Policies,
    mut signals: Signals,
    drain: impl FnOnce() + Send + 'static,
) -> Result<(), StartError> {
    let desk = Arc::new(desk);
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            drain();
            return Err(error.into());
        }
    };
    desk.readiness.set(true);
    let _keys_are_kept = gateway.keys.keep();
    tokio::spawn(expiry::announce(policies.clone()));
    tokio::spawn(reload_on(signals.hangup, policies, Arc::clone(&gateway)));
    tokio::spawn(admin::serve(listener, Arc::clone(&desk)));
    tokio::select! {
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
    desk.readiness.set(false);
    tracing::info!("draining");
    // It blocks: on a thread of its own.
    drop(tokio::task::spawn_blocking(drain).await);
    if timeout(LAST_WRITES, desk.finish()).await.is_err() {
        tracing::warn!("policies were still being written at the end");
    }
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
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

async fn reload_on(mut hangup: Signal, policies: Policies, gateway: Arc<Gateway>) {
    while hangup.recv().await.is_some() {
        policies.reload();
        gateway.recorder.audit.reopen();
        gateway.keys.fetch();
    }
}
