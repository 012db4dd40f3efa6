//! When the gateway closes a connection, as the system sees it.
//!
//! Invariant: nobody waits here but one thread that does nothing else, so that a test which is busy
//! with thousands of clients is not taken for a gateway that is late.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How soon the thread notices that nobody watches any more.
const GLANCE: Duration = Duration::from_millis(200);

/// Watches connections until it is dropped.
pub(super) struct Watch(Arc<Watched>);

struct Watched {
    epoll: OwnedFd,
    open: Mutex<Open>,
}

/// The connections that are open still, by a number of each.
#[derive(Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, (OwnedFd, oneshot::Sender<Instant>)>,
}

impl Watch {
    pub(super) fn start() -> Self {
        let watched = Arc::new(Watched {
            epoll: epoll::create(CreateFlags::CLOEXEC).unwrap(),
            open: Mutex::default(),
        });
        let theirs = Arc::downgrade(&watched);
        thread::spawn(move || watch(&theirs));
        Self(watched)
    }

    /// Tells when the other end closes this connection.
    pub(super) fn end_of(&self, connection: &TcpStream) -> oneshot::Receiver<Instant> {
        // A second descriptor: the connection's own may be closed before the thread has looked.
        let file = connection.as_fd().try_clone_to_owned().unwrap();
        let (tell, told) = oneshot::channel();
        let mut open = self.0.open.lock().unwrap();
        let number = open.next;
        open.next += 1;
        let flags = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ONESHOT;
        epoll::add(&self.0.epoll, &file, EventData::new_u64(number), flags).unwrap();
        open.by_number.insert(number, (file, tell));
        told
    }
}

/// Waits for ends as long as somebody wants to know.
fn watch(watched: &Weak<Watched>) {
    let mut events: Vec<Event> = Vec::with_capacity(256);
    while let Some(watched) = watched.upgrade() {
        events.clear();
        let glance = GLANCE.try_into().unwrap();
        let buffer = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&watched.epoll, buffer, Some(&glance)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        let now = Instant::now();
        let mut open = watched.open.lock().unwrap();
        for event in &events {
            let (_, tell) = open.by_number.remove(&event.data.u64()).unwrap();
            // Whoever asked may have given up.
            let _ = tell.send(now);
        }
    }
}
