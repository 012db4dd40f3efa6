//! A cluster that speaks TLS, gateways beside it, and commands with their configurations.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::super::harness::{CONTOSO, Cluster, Options, Tls, until};

const TOKEN: &str = "an-operators-token-of-more-than-32-characters";

/// A cluster, and gateways with a configuration each.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) gateways: Vec<Gateway>,
}

pub(super) struct Gateway {
    pub(super) running: Child,
    pub(super) admin: u16,
    pub(super) directory: PathBuf,
}

impl Gateway {
    /// Tells it to end, and waits until it has.
    pub(super) fn end(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.running.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.running.wait().unwrap().success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.running.kill());
        drop(self.running.wait());
    }
}

/// What a command said.
pub(super) struct Said {
    pub(super) exit: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl Said {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.err))
    }

    pub(super) fn did(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{}{}", self.out, self.err);
        self
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        let cluster = Cluster::with(Options {
            members: 1,
            tls: Some(Tls::new()),
            ..Options::default()
        });
        Self {
            cluster,
            gateways: Vec::new(),
        }
    }

    /// A directory with a configuration of a gateway; the port of its admin listener.
    pub(super) fn configured(&self, name: &str) -> (PathBuf, u16) {
        let directory = self.cluster.place.path().join(name);
        fs::create_dir(&directory).unwrap();
        let port = || {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            socket.local_addr().unwrap().port()
        };
        let (data, admin) = (port(), port());
        let settings = self.cluster.settings();
        let tls = self.cluster.tls();
        let own = settings.certificate.as_ref().unwrap();
        fs::write(directory.join("token"), TOKEN).unwrap();
        let config = format!(
            r#"
            [listen]
            address = "127.0.0.1:{data}"
            [admin]
            address = "127.0.0.1:{admin}"
            [admin.tls]
            certificate = {:?}
            key = {:?}
            [admin.policies]
            operator_token_file = "token"
            [audit]
            output = "audit.jsonl"
            [policies.etcd]
            endpoints = ["{}"]
            ca = {:?}
            client_certificate = {:?}
            client_key = {:?}
            cache = "policies.sqlite"
            gateway = "{name}"
            [providers.entra]
            kind = "entra"
            cloud = "public"
            [[routes]]
            name = "token"
            kind = "token"
            provider = "entra"
            path = "/{{tenant}}/oauth2/v2.0/token"
            creator = [{{ tenant = "{CONTOSO}" }}]
            "#,
            tls.path("ca-server.pem"),
            tls.path("ca-server.key"),
            settings.endpoints[0].to_string().trim_end_matches('/'),
            tls.path("ca.pem"),
            own.certificate,
            own.key,
        );
        fs::write(directory.join("tidegate.toml"), config).unwrap();
        (directory, admin)
    }

    pub(super) fn start(&mut self, name: &str) {
        let (directory, admin) = self.configured(name);
        let log = File::create(directory.join("log")).unwrap();
        let running = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["serve", "--config", "tidegate.toml"])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        until("the gateway listens", || {
            TcpStream::connect(("127.0.0.1", admin)).is_ok()
        });
        self.gateways.push(Gateway {
            running,
            admin,
            directory,
        });
    }

    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.cluster.place.path().join(name)
    }

    /// Runs a command in a gateway's directory.
    pub(super) fn run(&self, name: &str, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(arguments)
            .env_remove("TIDEGATE_CONFIG")
            .current_dir(self.place(name))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Said {
            exit: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that goes through the first gateway's admin API.
    pub(super) fn ask(&self, arguments: &[&str]) -> Said {
        let server = format!("https://localhost:{}", self.gateways[0].admin);
        let ca = self.cluster.tls().path("ca.pem");
        let where_ = [
            "--server",
            &server,
            "--token-file",
            "token",
            "--ca",
            ca.to_str().unwrap(),
        ];
        self.run("east", &[arguments, &where_].concat())
    }

    pub(super) fn records(&self) -> Vec<Value> {
        let records = fs::read_to_string(self.gateways[0].directory.join("audit.jsonl"));
        let records = records.unwrap_or_default();
        records
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
