//! What the system gives us to listen with: sockets, and file descriptors enough.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;
use crate::config::Config;

/// Connections that the system holds for us before they are accepted.
const BACKLOG: i32 = 4096;

/// Asks for as many file descriptors as the system lets us have: each connection takes one, and
/// each exchange may take another.
pub(super) fn raise_descriptor_limit(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused, it stays as it was, and the next line tells.
    let _ = setrlimit(Resource::Nofile, limit);
    let granted = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_mul(2);
    if granted < wanted {
        tracing::warn!(
            granted,
            wanted,
            "few file descriptors for the connections configured"
        );
    }
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
