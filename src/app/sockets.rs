//! What the system gives us to listen with: sockets, and file descriptors enough.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Semaphore;

use super::StartError;
use crate::config::Config;

/// Connections that the system holds for us before they are accepted.
const BACKLOG: i32 = 4096;

/// File descriptors that neither clients nor providers get: the admin listener's connections, files
/// that are read and written, names that are looked up.
const RESERVE: usize = 160;

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
    pub(super) fn within(descriptors: usize, configured: usize) -> Self {
        // So few that the reserve takes all: it is worth more.
        let free = descriptors.saturating_sub(RESERVE).max(2);
        let clients = configured.min(free / 2);
        let upstreams = (free - clients).min(Semaphore::MAX_PERMITS);
        if clients < configured {
            tracing::warn!(
                descriptors,
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
