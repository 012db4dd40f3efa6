//! Real etcd members on free ports of this machine, from a directory that goes away with them.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ClientConfig;
use tempfile::TempDir;
use tidegate::config::Etcd;
use tidegate::fleet::etcd::{RangeRequest, Session, tls};

/// A cluster.
pub struct Cluster {
    pub directory: TempDir,
    pub etcd: Arc<Etcd>,
    pub tls: Arc<ClientConfig>,
    members: Vec<Member>,
}

struct Member {
    arguments: Vec<String>,
    running: Option<Child>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Member {
    fn start(&mut self) {
        let mut command = Command::new("etcd");
        command
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.running = Some(
            command
                .spawn()
                .expect("etcd can be started (apt-get install etcd)"),
        );
    }

    fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.kill());
            drop(running.wait());
        }
    }
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

impl Cluster {
    /// Starts members, and waits for a leader. With TLS, only clients are talked to over it.
    pub async fn start(members: usize, is_tls: bool) -> Self {
        tidegate::tls::install_provider();
        let directory = TempDir::new().unwrap();
        let scheme = if is_tls { "https" } else { "http" };
        if is_tls {
            certify(directory.path());
        }
        let ports: Vec<_> = (0..members).map(|_| (free_port(), free_port())).collect();
        let peers: Vec<_> = ports
            .iter()
            .enumerate()
            .map(|(n, (_, peer))| format!("m{n}=http://127.0.0.1:{peer}"))
            .collect();
        let peers = peers.join(",");
        let clients = ports
            .iter()
            .map(|(client, _)| format!("{scheme}://127.0.0.1:{client}"));
        let clients: Vec<_> = clients.collect();
        let mut started = Vec::new();
        for (n, (_, peer)) in ports.iter().enumerate() {
            let data = directory.path().join(format!("m{n}"));
            let (client, peer) = (&clients[n], format!("http://127.0.0.1:{peer}"));
            let mut arguments: Vec<String> = [
                "--name",
                &format!("m{n}"),
                "--data-dir",
                data.to_str().unwrap(),
                "--listen-client-urls",
                client,
                "--advertise-client-urls",
                client,
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
                "--initial-cluster",
                &peers,
                "--quota-backend-bytes",
                "8589934592",
                "--logger",
                "zap",
                "--log-level",
                "error",
            ]
            .map(str::to_owned)
            .to_vec();
            if is_tls {
                let file = |name: &str| directory.path().join(name).display().to_string();
                arguments.extend(["--cert-file".to_owned(), file("member.pem")]);
                arguments.extend(["--key-file".to_owned(), file("member.key")]);
            }
            let mut member = Member {
                arguments,
                running: None,
            };
            member.start();
            started.push(member);
        }
        let etcd = Arc::new(Etcd {
            endpoints: clients
                .iter()
                .map(|client| client.parse().unwrap())
                .collect(),
            prefix: "/tidegate/".to_owned(),
            ca: is_tls.then(|| directory.path().join("ca.pem")),
            certificate: None,
            user: None,
            cache: directory.path().join("cache.sqlite"),
            max_age: None,
            gateway: "bench".to_owned(),
        });
        let cluster = Self {
            tls: tls(&etcd).unwrap(),
            directory,
            etcd,
            members: started,
        };
        cluster.ready().await;
        cluster
    }

    /// Waits until every member answers.
    pub async fn ready(&self) {
        let start = Instant::now();
        for member in &self.etcd.endpoints {
            loop {
                if let Ok(session) = Session::open(&self.etcd, &self.tls, member).await {
                    let request = RangeRequest {
                        key: "leader".into(),
                        ..RangeRequest::default()
                    };
                    if session.range(request).await.is_ok() {
                        break;
                    }
                }
                assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "etcd does not answer"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Processor time that the members have used, in hundredths of a second.
    pub fn processor(&self) -> u64 {
        let used = |id: u32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        };
        self.ids().map(used).sum()
    }

    /// Their resident memory, in MiB.
    pub fn memory(&self) -> u64 {
        let resident = |id: u32| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS:"));
            let number = line.unwrap().split_whitespace().nth(1).unwrap();
            number.parse::<u64>().unwrap() / 1024
        };
        self.ids().map(resident).sum()
    }

    fn ids(&self) -> impl Iterator<Item = u32> {
        let running = |member: &Member| member.running.as_ref().map(Child::id);
        self.members.iter().filter_map(running)
    }

    /// Kills every member.
    pub fn stop(&mut self) {
        self.members.iter_mut().for_each(Member::stop);
    }

    /// Starts every member again, with what it had.
    pub fn start_again(&mut self) {
        self.members.iter_mut().for_each(Member::start);
    }
}

/// An authority, and a certificate of 127.0.0.1.
fn certify(directory: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = authority.self_signed(&key).unwrap();
    fs::write(directory.join("ca.pem"), certificate.pem()).unwrap();
    let issuer = Issuer::from_params(&authority, &key);
    let own = KeyPair::generate().unwrap();
    let member = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let member = member.signed_by(&own, &issuer).unwrap();
    fs::write(directory.join("member.pem"), member.pem()).unwrap();
    fs::write(directory.join("member.key"), own.serialize_pem()).unwrap();
}
