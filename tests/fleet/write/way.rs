//! A way to a member of etcd that loses answers, or delivers late.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use http::Uri;

/// What happens to the request that holds the marker, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is delivered, and nothing comes back.
    AnswerLost,
    /// It is lost, however often it is sent; everything else gets through.
    Dropped,
    /// It is held, and from then on nobody gets through. [`Way::deliver`] delivers it.
    Held,
    /// It is delivered, and from then on whoever connects hears nothing.
    Muted,
    /// It is delivered, nothing comes back, and from then on nobody gets through.
    Severed,
}

/// The way.
pub(super) struct Way {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    held: Receiver<(TcpStream, Vec<u8>)>,
}

struct State {
    target: SocketAddr,
    marker: Vec<u8>,
    trouble: Option<Trouble>,
    is_closed: bool,
    is_mute: bool,
    held: Sender<(TcpStream, Vec<u8>)>,
}

impl Way {
    /// To a member, for requests that hold `marker`.
    pub(super) fn to(member: &Uri, marker: &str, trouble: Trouble) -> Self {
        let (sender, held) = channel();
        let state = Arc::new(Mutex::new(State {
            target: member.authority().unwrap().as_str().parse().unwrap(),
            marker: marker.as_bytes().to_vec(),
            trouble: Some(trouble),
            is_closed: false,
            is_mute: false,
            held: sender,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let theirs = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), state) = (client, Arc::clone(&theirs)) else {
                    return;
                };
                thread::spawn(move || drop(connection(client, &state)));
            }
        });
        Self {
            address,
            state,
            held,
        }
    }

    pub(super) fn uri(&self) -> Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// Lets everybody through again.
    pub(super) fn open(&self) {
        self.state.lock().unwrap().is_closed = false;
    }

    /// Delivers what was held.
    pub(super) fn deliver(&self) {
        let (mut server, bytes) = self.held.recv().unwrap();
        server.write_all(&bytes).unwrap();
        // etcd must not take it for gone before it has read it.
        thread::spawn(move || drop(server.read(&mut [0; 65_536])));
    }
}

fn connection(mut client: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let target = {
        let state = state.lock().unwrap();
        if state.is_closed {
            return Ok(());
        }
        if state.is_mute {
            drop(state);
            // Nobody is told that nobody listens.
            while client.read(&mut [0; 65_536])? > 0 {}
            return Ok(());
        }
        state.target
    };
    let mut server = TcpStream::connect(target)?;
    let is_cut = Arc::new(Mutex::new(false));
    let (mut back, mut answers) = (client.try_clone()?, server.try_clone()?);
    let theirs = Arc::clone(&is_cut);
    thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while let Ok(read @ 1..) = answers.read(&mut bytes) {
            let is_cut = theirs.lock().unwrap();
            if !*is_cut && back.write_all(&bytes[..read]).is_err() {
                return;
            }
        }
        drop(back.shutdown(Shutdown::Both));
    });
    let mut bytes = [0; 65_536];
    loop {
        let read = client.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        let bytes = &bytes[..read];
        let mut state = state.lock().unwrap();
        let holds = bytes
            .windows(state.marker.len())
            .any(|it| it == state.marker);
        if holds && state.trouble == Some(Trouble::Dropped) {
            continue;
        }
        let trouble = if holds { state.trouble.take() } else { None };
        state.is_closed |= matches!(trouble, Some(Trouble::Held | Trouble::Severed));
        state.is_mute |= trouble == Some(Trouble::Muted);
        match trouble {
            Some(Trouble::Held) => {
                state
                    .held
                    .send((server.try_clone()?, bytes.to_vec()))
                    .unwrap();
                *is_cut.lock().unwrap() = true;
                drop(client.shutdown(Shutdown::Both));
                return Ok(());
            }
            Some(Trouble::AnswerLost | Trouble::Muted | Trouble::Severed) => {
                *is_cut.lock().unwrap() = true;
            }
            Some(Trouble::Dropped) | None => {}
        }
        server.write_all(bytes)?;
        if trouble.is_some() {
            drop(client.shutdown(Shutdown::Both));
            // What was sent is read before the end is.
            thread::sleep(std::time::Duration::from_millis(200));
            return Ok(());
        }
    }
}
