//! nginx and HAProxy, real ones, between a client and the gateway or between it and its provider.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::harness::until;

/// Which server, and how it relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    HaProxy,
    /// Paths as they came.
    Nginx,
    /// Paths that it has put in order, its own way.
    NginxNormalising,
}

/// Names what may not be skipped, with commas between.
const REQUIRE: &str = "TIDEGATE_TEST_REQUIRE";

impl Server {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HaProxy => "HAProxy",
            Self::Nginx => "nginx",
            Self::NginxNormalising => "nginx that normalises",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::HaProxy => "haproxy",
            Self::Nginx | Self::NginxNormalising => "nginx",
        }
    }

    /// Starts it in front of `to`; it tells every request's creator itself. An error: why it is
    /// skipped.
    pub(super) async fn start(
        self,
        to: SocketAddr,
        creator: Option<&str>,
    ) -> Result<Front, String> {
        let directory = TempDir::new().unwrap();
        let (plain, http2) = (free(), free());
        let config = directory.path().join("config");
        let text = match self {
            Self::HaProxy => haproxy(plain, http2, to, creator),
            Self::Nginx => nginx(plain, http2, to, creator, ""),
            Self::NginxNormalising => nginx(plain, http2, to, creator, "/"),
        };
        std::fs::write(&config, text).unwrap();
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
        let mut command = Command::new(self.program());
        command
            .env("PATH", &path)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        match self {
            Self::HaProxy => command.arg("-db").arg("-f").arg(&config),
            Self::Nginx | Self::NginxNormalising => command
                .arg("-p")
                .arg(directory.path())
                .arg("-c")
                .arg(&config)
                .args(["-e", "log"]),
        };
        let started = command.stderr(Stdio::null()).kill_on_drop(true).spawn();
        let mut child = started.map_err(|error| self.missing(&error.to_string()))?;
        let up = until("the other proxy", async || {
            let ended = matches!(child.try_wait(), Ok(Some(_)));
            let both =
                TcpStream::connect(plain).await.is_ok() && TcpStream::connect(http2).await.is_ok();
            (ended || both).then_some(both)
        });
        if !up.await {
            return Err(self.missing("it does not start"));
        }
        Ok(Front {
            plain,
            http2,
            _child: child,
            _directory: directory,
        })
    }

    fn missing(self, why: &str) -> String {
        let (program, named) = (self.program(), std::env::var(REQUIRE).unwrap_or_default());
        let required = named.split(',').any(|word| word == program);
        assert!(!required, "{REQUIRE} asks for {program}: {why}");
        format!("{program}: {why}")
    }
}

/// One that runs. Killed when dropped.
pub(super) struct Front {
    /// Takes HTTP/1.1.
    pub(super) plain: SocketAddr,
    /// Takes HTTP/2 without being asked.
    pub(super) http2: SocketAddr,
    _child: Child,
    _directory: TempDir,
}

/// An address that nobody listens at.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn nginx(
    plain: SocketAddr,
    http2: SocketAddr,
    to: SocketAddr,
    creator: Option<&str>,
    uri: &str,
) -> String {
    let creator = creator.map_or_else(String::new, |creator| {
        format!("proxy_set_header x-ms-client-tenant-id {creator};")
    });
    format!(
        "daemon off; master_process off; worker_processes 1; pid pid; error_log log;
events {{ worker_connections 512; }}
http {{
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi; client_max_body_size 1m;
    upstream next {{ server {to}; keepalive 16; }}
    server {{
        listen {plain}; listen {http2} http2;
        location / {{
            proxy_pass http://next{uri}; proxy_http_version 1.1; proxy_set_header connection \"\";
            proxy_set_header host $http_host; {creator}
        }}
    }}
}}
"
    )
}

fn haproxy(plain: SocketAddr, http2: SocketAddr, to: SocketAddr, creator: Option<&str>) -> String {
    let creator = creator.map_or_else(String::new, |creator| {
        format!("http-request set-header x-ms-client-tenant-id {creator}")
    });
    format!(
        "global
    maxconn 1000
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 5s
frontend front
    bind {plain}
    bind {http2} proto h2
    {creator}
    default_backend next
backend next
    http-reuse always
    server next {to}
"
    )
}
