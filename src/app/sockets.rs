//! What the system gives us to listen with: sockets, and file descriptors enough.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Semaphore;

use super::StartError;
use crate::config::{AuditOutput, Config};

/// Connections that the system holds for us before they are accepted.
const BACKLOG: i32 = 4096;

/// File descriptors that neither clients nor providers get, whatever is configured: the admin
/// listener and its 64 connections, the policies that are written there (16) and read (8), what
/// directories are watched with, the standard streams, the certificates that are looked at, and as
/// many again for what the system's libraries open (names that are looked up).
const RESERVE: usize = 160;

/// A worker's listening socket, what its runtime waits with, and a name that it looks up.
const OF_WORKER: usize = 8;

/// What a runtime of its own waits with.
const OF_RUNTIME: usize = 4;

/// A connection to a server that is asked by the way, the next one, and its name that is looked up.
const OF_SERVER: usize = 4;

/// The store's files, the same read for reports, and a change of it on the way.
const OF_EVENTS: usize = 16;

/// The file, and the one that takes its place.
const OF_AUDIT_FILE: usize = 2;

/// What is kept back from clients and providers under this configuration.
fn reserve(config: &Config) -> usize {
    let store = config.events.as_ref().map_or(0, |_| OF_EVENTS);
    let file = match config.audit.output {
        AuditOutput::File(_) => OF_AUDIT_FILE,
        AuditOutput::Stdout => 0,
    };
    let told = match config.webhooks.len() {
        0 => 0,
        webhooks => OF_RUNTIME + webhooks * OF_SERVER,
    };
    let collectors = usize::from(config.traces.is_some()) + usize::from(config.logs.is_some());
    let collectors = collectors * (OF_RUNTIME + OF_SERVER);
    let keys_and_domains = 2 * config.providers().len() * OF_SERVER;
    let workers = config.listen.workers.saturating_mul(OF_WORKER);
    RESERVE
        .saturating_add(workers)
        .saturating_add(store + file + told + collectors + keys_and_domains)
}

/// How many connections there may be, so that file descriptors never run out.
pub(super) struct Connections {
    /// From clients.
    pub(super) clients: usize,
    /// To providers and services.
    pub(super) upstreams: usize,
}

impl Connections {
    /// Shares out what the system lets us have: half of it for clients at most, the rest for
    /// providers and services, whatever clients do.
    pub(super) fn within(descriptors: usize, config: &Config) -> Self {
        let (configured, reserve) = (config.limits.connections, reserve(config));
        // So few that the reserve takes all: it is worth more.
        let free = descriptors.saturating_sub(reserve).max(2);
        let clients = configured.min(free / 2);
        let upstreams = (free - clients).min(Semaphore::MAX_PERMITS);
        if clients < configured {
            tracing::warn!(
                descriptors,
                reserve,
                configured,
                connections = clients,
                "few file descriptors: fewer connections are taken than limits.connections says"
            );
        }
        Self { clients, upstreams }
    }
}

/// Asks for as many file descriptors as the system lets us have, and tells how many that is.
pub(super) fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused, it stays as it was, and the next line tells.
    let _ = setrlimit(Resource::Nofile, limit);
    let granted = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(granted).unwrap_or(usize::MAX)
}

/// Binds one socket for each worker, all on one port.
///
/// # Errors
/// [`StartError::Bind`].
pub(super) fn bind_workers(config: &Config) -> Result<Vec<StdListener>, StartError> {
    let share = if config.listen.workers > 1 {
        Share::Yes
    } else {
        Share::No
    };
    if share == Share::Yes && config.listen.address.port() != 0 {
        // Sharing is for our own workers: a port that somebody else serves is taken.
        drop(
            bind_quietly(config.listen.address, Share::No).map_err(|error| StartError::Bind {
                listener: "data",
                address: config.listen.address,
                error,
            })?,
        );
    }
    let first = bind("data", config.listen.address, share)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..config.listen.workers {
        sockets.push(
            bind_quietly(address, share).map_err(|error| StartError::Bind {
                listener: "data",
                address,
                error,
            })?,
        );
    }
    Ok(sockets)
}

/// Whether several sockets share one port (`SO_REUSEPORT`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    No,
    Yes,
}

/// Binds one socket and tells the log where.
///
/// # Errors
/// [`StartError::Bind`].
pub(super) fn bind(
    listener: &'static str,
    address: SocketAddr,
    share: Share,
) -> Result<StdListener, StartError> {
    let bound = bind_quietly(address, share).and_then(|socket| {
        let address = socket.local_addr()?;
        tracing::info!(listener, %address, "listening");
        Ok(socket)
    });
    bound.map_err(|error| StartError::Bind {
        listener,
        address,
        error,
    })
}

fn bind_quietly(address: SocketAddr, share: Share) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share == Share::Yes)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const SIDECAR: &str = include_str!("../../config/sidecar.toml");

    fn with(more: &str) -> Config {
        let text = format!("{SIDECAR}\n{more}");
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/sidecar.toml");
        config::parse(&text, file.as_ref()).unwrap()
    }

    #[test]
    fn whatever_is_configured_has_descriptors_of_its_own() {
        let least = reserve(&with(""));
        for more in [
            "[events]\nfile = \"events.sqlite\"",
            "[traces]\nendpoint = \"http://127.0.0.1:4318/v1/traces\"",
            "[audit.otlp]\nendpoint = \"http://127.0.0.1:4318/v1/logs\"",
        ] {
            assert!(reserve(&with(more)) > least, "{more}");
        }
        let mut config = with("");
        let mut last = 0;
        for workers in 1..=64 {
            config.listen.workers = workers;
            let now = reserve(&config);
            assert!(now > last, "{workers} workers");
            last = now;
        }
    }

    #[test]
    fn what_there_is_is_shared_out() {
        let mut config = with("");
        for workers in [1, 8, 128] {
            config.listen.workers = workers;
            for connections in [1, 100, 4096] {
                config.limits.connections = connections;
                for descriptors in [0, 64, 256, 1024, 4096, 65_536, usize::MAX] {
                    let shares = Connections::within(descriptors, &config);
                    assert!((1..=connections).contains(&shares.clients));
                    assert!(shares.upstreams > 0);
                    let used = shares.clients + shares.upstreams;
                    let rest = descriptors.saturating_sub(used);
                    assert!(used == 2 || rest >= reserve(&config), "{descriptors}");
                }
            }
        }
    }
}
