//! A network between members, and between gateways and members, that can be cut in either direction.
//!
//! What is cut is neither refused nor closed: it does not arrive, as with a cable that is pulled or a
//! router that drops. What was under way arrives when the network heals, unless somebody gave up.
//!
//! Members tell who they are in the first request of a connection (`X-Server-From`, as etcd's
//! `rafthttp` sends it); whoever tells nothing is a gateway.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Everybody who is no member.
pub const GATEWAYS: usize = usize::MAX;

/// The network. Ways through it end with the last clone.
#[derive(Clone, Default)]
pub struct Net(Arc<State>);

#[derive(Default)]
struct State {
    /// From whom nothing arrives at whom.
    cut: Mutex<HashSet<(usize, usize)>>,
    /// Members by the ids that they tell.
    names: Mutex<HashMap<String, usize>>,
    closed: AtomicBool,
}

impl Net {
    /// A way to the port of a member: the port at which it begins.
    pub fn way(&self, member: usize, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let begins = listener.local_addr().unwrap().port();
        let state = Arc::clone(&self.0);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if state.closed.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&state);
                thread::spawn(move || drop(carry(client, member, port, &state)));
            }
        });
        begins
    }

    /// Tells the network which id a member has.
    pub fn name(&self, id: u64, member: usize) {
        let mut names = self.0.names.lock().unwrap();
        names.insert(format!("{id:x}"), member);
    }

    /// From now on nothing arrives.
    pub fn cut(&self, from: usize, to: usize) {
        self.0.cut.lock().unwrap().insert((from, to));
    }

    /// Neither does anything come back.
    pub fn sever(&self, one: usize, other: usize) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Everything arrives again.
    pub fn heal(&self) {
        self.0.cut.lock().unwrap().clear();
    }

    pub fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn who(&self, id: Option<&str>) -> usize {
        let named = id.and_then(|id| self.names.lock().unwrap().get(id).copied());
        named.unwrap_or(GATEWAYS)
    }

    /// Waits until something can arrive. False: the network is no more.
    fn arrives(&self, from: usize, to: usize) -> bool {
        while self.cut.lock().unwrap().contains(&(from, to)) {
            if self.closed.load(Ordering::Relaxed) {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

/// Carries one connection, until an end closes it.
fn carry(
    mut client: TcpStream,
    member: usize,
    port: u16,
    state: &Arc<State>,
) -> std::io::Result<()> {
    let mut first = vec![0; 65_536];
    let read = client.read(&mut first)?;
    first.truncate(read);
    let from = sender(&first);
    if !state.arrives(state.who(from.as_deref()), member) {
        return Ok(());
    }
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    server.write_all(&first)?;
    let (back, answers) = (client.try_clone()?, server.try_clone()?);
    let (theirs, name) = (Arc::clone(state), from.clone());
    thread::spawn(move || {
        pump(answers, back, || {
            theirs.arrives(member, theirs.who(name.as_deref()))
        })
    });
    pump(client, server, || {
        state.arrives(state.who(from.as_deref()), member)
    });
    Ok(())
}

fn pump(mut from: TcpStream, mut to: TcpStream, arrives: impl Fn() -> bool) {
    let mut bytes = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if !arrives() || to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    // That somebody hung up is not heard through a cut either.
    arrives();
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}

/// The id of the member that sent a request, if one did.
fn sender(request: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(request);
    let mut lines = text.lines().take_while(|line| !line.is_empty());
    lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-server-from")
            .then(|| value.trim().to_owned())
    })
}
