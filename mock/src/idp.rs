//! The handle of a running mock provider.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::mint::Mint;
use crate::options::Options;
use crate::provider::Provider;
use crate::published::Published;
use crate::reply::Reply;
use crate::request::{Request, RequestLog};
use crate::server;
use crate::tls::{self, Ca, LOCAL_NAMES};

/// A running mock provider. It stops when this is dropped.
pub struct MockIdp {
    provider: Arc<Provider>,
    address: SocketAddr,
    url: String,
    ca: Arc<Ca>,
    task: JoinHandle<()>,
}

impl MockIdp {
    /// Starts a provider. It accepts connections when this returns.
    ///
    /// # Errors
    /// The address cannot be bound, or the certificate given is unusable.
    pub async fn start(options: Options) -> io::Result<Self> {
        let ca = match &options.ca {
            Some(ca) => Arc::clone(ca),
            None => Arc::new(Ca::new()?),
        };
        let tls = if options.plain {
            None
        } else {
            Some(tls::server_config(&leaf(&ca, &options)?)?)
        };
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let scheme = if options.plain { "http" } else { "https" };
        let url = format!("{scheme}://{}:{}", options.host, address.port());
        let base = options.public_url.clone().unwrap_or_else(|| url.clone());
        let provider = Arc::new(Provider::new(options, base)?);
        let task = tokio::spawn(server::serve(listener, tls, Arc::clone(&provider)));
        Ok(Self {
            provider,
            address,
            url,
            ca,
            task,
        })
    }

    /// The base URL, `https://localhost:PORT`, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that clients must trust, PEM.
    pub fn ca_pem(&self) -> &str {
        self.ca.pem()
    }

    /// The authority itself, to issue more certificates with.
    pub fn ca(&self) -> &Arc<Ca> {
        &self.ca
    }

    /// The log of every request.
    pub fn requests(&self) -> RequestLog {
        self.provider.log().clone()
    }

    /// Makes tokens with this provider's keys and issuers.
    pub fn mint(&self) -> Mint {
        self.provider.mint().clone()
    }

    /// What this provider publishes about its keys: add, remove, roll over, answer wrongly.
    pub fn keys(&self) -> Published {
        self.provider.mint().keys().clone()
    }

    /// Answers every request to `path` (exactly, without the query) with this.
    pub fn script(&self, path: impl Into<String>, reply: Reply) {
        self.provider.scripts().always(path.into(), reply);
    }

    /// Answers the next request to `path` with this; further calls queue up.
    pub fn script_once(&self, path: impl Into<String>, reply: Reply) {
        self.provider.scripts().once(path.into(), reply);
    }

    /// Answers the next request with this, wherever it goes; further calls queue up. Key sets and
    /// metadata are not meant, because gateways fetch them unasked.
    pub fn next_reply(&self, reply: Reply) {
        self.provider.scripts().next(reply);
    }

    /// Asks this first about every request; `None` leaves the request to the mock.
    pub fn hook(&self, hook: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) {
        self.provider.scripts().hook(Arc::new(hook));
    }

    /// Takes all scripts and the hook away.
    pub fn clear_scripts(&self) {
        self.provider.scripts().clear();
    }

    /// Stops listening, drops every connection and waits until both are done.
    pub async fn shutdown(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for MockIdp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn leaf(ca: &Ca, options: &Options) -> io::Result<tls::Leaf> {
    if let Some(leaf) = &options.certificate {
        return Ok(leaf.clone());
    }
    let mut names: Vec<String> = LOCAL_NAMES.map(str::to_owned).into();
    let own = [options.host.clone(), options.listen.ip().to_string()];
    for name in own.iter().chain(&options.names) {
        if !names.contains(name) && name != "0.0.0.0" && name != "::" {
            names.push(name.clone());
        }
    }
    ca.server(names)
}
