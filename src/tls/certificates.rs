//! Every certificate, key and authority that is in force, and the thread that keeps them up with
//! their files.
//!
//! | what happens | how it is noticed |
//! |---|---|
//! | a file written, renamed over, deleted; `..data` swapped (Kubernetes) | an event of its directory |
//! | anything that the system does not tell of | a look every [`PERIOD`] |
//! | the operator asks (SIGHUP) | a look |
//!
//! Invariant: a look reads every file; events tell when to look, and never what to believe.

use std::fmt::Display;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::client::{Calling, Client};
use super::eyes::Eyes;
use super::kept::{Kept, Look, Looked, SETTLE};
use super::server::{Ask, Listening, Server};
use crate::config::{Endpoint, ListenTls};
use crate::metrics::Metrics;

/// How often files are looked at though nothing was told.
const PERIOD: Duration = Duration::from_secs(10);

/// Events come in swarms: one look for those of so long.
const SWARM: Duration = Duration::from_millis(20);

/// Everything that is kept.
pub struct Certificates {
    metrics: Arc<Metrics>,
    kept: Mutex<Vec<Arc<dyn Look>>>,
    /// By what logs and metrics call the server: files may be shared, who they are for is told apart.
    clients: Mutex<Vec<(String, Calling, Client)>>,
}

impl Certificates {
    /// Nothing yet.
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            kept: Mutex::default(),
            clients: Mutex::default(),
        }
    }

    /// TLS of the data listener: HTTP/2 and HTTP/1.1 by ALPN, client certificates if authorities
    /// for them are configured.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn data(&self, files: &ListenTls) -> Result<Server, String> {
        self.listener("data", files, Ask::Required, &[b"h2", b"http/1.1"])
    }

    /// TLS of the admin listener: HTTP/1.1 alone. Probes and those who bring a token have no
    /// certificate, so none is required.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn admin(&self, files: &ListenTls) -> Result<Server, String> {
        self.listener("admin", files, Ask::Optional, &[b"http/1.1"])
    }

    fn listener(
        &self,
        name: &'static str,
        files: &ListenTls,
        ask: Ask,
        protocols: &'static [&'static [u8]],
    ) -> Result<Server, String> {
        let recipe = Listening {
            files: files.clone(),
            ask,
            protocols,
        };
        let metrics = self.metrics.certificates_of_listener(name);
        let kept = Kept::new(recipe, format!("{name} listener"), metrics)?;
        let kept = Arc::new(kept);
        lock(&self.kept).push(Arc::clone(&kept) as Arc<dyn Look>);
        Ok(Server(kept))
    }

    /// TLS towards a provider or a service: HTTP/1.1. `of` is what logs and metrics call it;
    /// `named` is the name that the server has, if another one is dialled.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn towards(
        &self,
        of: impl Display,
        endpoint: &Endpoint,
        named: Option<ServerName<'static>>,
    ) -> Result<Client, String> {
        let recipe = Calling {
            ca: endpoint.ca.clone(),
            identity: endpoint.identity.clone(),
            named,
        };
        let of = of.to_string();
        let mut clients = lock(&self.clients);
        let known = |(name, known, _): &&(String, Calling, Client)| *name == of && *known == recipe;
        if let Some((_, _, client)) = clients.iter().find(known) {
            return Ok(client.clone());
        }
        let metrics = self.metrics.certificates_of_upstream(&of);
        let kept = Arc::new(Kept::new(recipe.clone(), of.clone(), metrics)?);
        if !kept.files().is_empty() {
            lock(&self.kept).push(Arc::clone(&kept) as Arc<dyn Look>);
        }
        let client = Client(kept);
        clients.push((of, recipe, client.clone()));
        Ok(client)
    }

    /// Keeps everything up with its files from now on, in a thread of its own.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub fn keep(self) -> std::io::Result<Keeping> {
        let kept = self.kept.into_inner();
        let kept = kept.unwrap_or_else(PoisonError::into_inner);
        // One message is enough: it means that there is something to look at.
        let (wake, woken) = mpsc::sync_channel(1);
        if !kept.is_empty() {
            let eyes = Eyes::new(wake.clone());
            thread::Builder::new()
                .name("certificates".to_owned())
                .spawn(move || watch(&kept, eyes, &woken))?;
        }
        Ok(Keeping { wake })
    }
}

/// Certificates are kept up with their files for as long as the process lives.
pub struct Keeping {
    wake: SyncSender<()>,
}

impl Keeping {
    /// Has every file looked at, soon and without waiting for it (SIGHUP).
    pub fn reload(&self) {
        // Full: a look is coming. Closed: there are no files.
        let _ = self.wake.try_send(());
    }
}

fn watch(kept: &[Arc<dyn Look>], mut eyes: Eyes, woken: &Receiver<()>) {
    loop {
        // Before the look: what changes during it is told of.
        eyes.see(kept.iter().flat_map(|kept| kept.files()));
        let looked: Vec<Looked> = kept.iter().map(|kept| kept.look()).collect();
        let pause = if looked.contains(&Looked::Restless) {
            SETTLE
        } else {
            PERIOD
        };
        match woken.recv_timeout(pause) {
            Ok(()) => {
                thread::sleep(SWARM);
                while woken.try_recv().is_ok() {}
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
