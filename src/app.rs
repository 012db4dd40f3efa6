//! The composition root: builds everything from the configuration, binds, serves, drains.
//!
//! Invariant: everything that can be wrong is found before a port is bound; readiness goes first
//! when the process is told to end, and audit records are written last.

mod recording;
mod sockets;
mod workers;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::admin::{self, Desk};
use crate::audit::record_histories;
use crate::config::{self, Config, PolicySource, RouteKind};
use crate::events;
use crate::gateway::Gateway;
use crate::keys::KeyStore;
use crate::metrics::Metrics;
use crate::policies::{Policies, expiry};
use crate::problem::Problem;
use crate::telemetry;
use crate::tls::{self, Certificates, Keeping};
use crate::webhooks::WebhookError;

use sockets::{Connections, Share, bind, bind_workers, raise_descriptor_limit};
use workers::Workers;

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
    /// The collector of audit records cannot be set up.
    #[error("audit.otlp: {0}")]
    Logs(String),
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

/// Runs the gateway until SIGTERM or SIGINT. SIGHUP reads policies and certificates again, fetches
/// keys and looks whether the audit file was moved.
///
/// # Errors
/// [`StartError`]; nothing is bound then.
pub fn run(config: &Config) -> Result<(), StartError> {
    telemetry::start(&config.log);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // First of all: who does not expect it is ended by it, and starting may take a while.
    let hangup = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup())?
    };
    announce(config);
    let connections = Connections::within(raise_descriptor_limit(), config);
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
    let policies = match &config.policies.source {
        PolicySource::Directory(directory) => Policies::open(directory),
        PolicySource::Etcd(etcd) => Policies::fleet(etcd),
    };
    let policies = policies.map_err(StartError::Policies)?;
    let (recorder, recording) = recording::start(config, &certificates, &metrics)?;
    let keys = KeyStore::new(config, &certificates, &metrics)
        .map_err(|(name, error)| StartError::Provider { name, error })?;
    let gateway = Arc::new(Gateway::new(config, policies.clone(), recorder, keys));
    let desk = Desk::new(config, Arc::clone(&gateway), admin_tls, &certificates)
        .map_err(|(name, error)| StartError::Provider { name, error })?;
    let workers = workers::build(config, &gateway, &certificates, connections.upstreams)?;
    let certificates = certificates.keep()?;

    // Before anything is bound: whoever sees us listen may tell us to end.
    let signals = {
        let _inside = runtime.enter();
        Signals::register(hangup)?
    };
    let admin = bind("admin", config.admin.address, Share::No)?;
    let workers = Workers::start(workers, bind_workers(config)?, tls.as_ref())?;
    let ended = runtime.block_on(serve_admin(
        admin,
        desk,
        (gateway, policies, certificates),
        signals,
        workers,
    ));
    // What was decided last is told, too.
    drop(recording);
    // A name that is being looked up would be waited for.
    runtime.shutdown_background();
    tracing::info!("stopped");
    ended
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
    tokio::spawn(record_histories(
        policies.clone(),
        gateway.recorder.audit.clone(),
    ));
    let Signals { hangup, mut ends } = signals;
    let sources = (policies, Arc::clone(&gateway), certificates);
    tokio::spawn(reload_on(hangup, sources));
    tokio::spawn(admin::serve(listener, Arc::clone(&desk)));
    ends.next().await;
    desk.readiness.set(false);
    let delay = gateway.limits.drain_delay;
    if !delay.is_zero() {
        tracing::info!(?delay, "not ready any more");
        // Half of it is for those who look at readiness: whom they still send here is not sent
        // away, and back again. Told again, it ends without waiting.
        if timeout(delay / 2, ends.next()).await.is_err() {
            tracing::info!("clients shall leave");
            workers.leave();
            drop(timeout(delay / 2, ends.next()).await);
        }
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
    fn register(hangup: Signal) -> io::Result<Self> {
        Ok(Self {
            ends: Ends {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
            hangup,
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
        gateway.recorder.audit.reopen();
        gateway.keys.fetch();
    }
}
