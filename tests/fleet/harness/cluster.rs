//! Members of etcd, as processes of this test's.

mod writes;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tidegate::config::Etcd;
use tidegate::fleet::etcd::{EtcdError, Session, StatusRequest, StatusResponse, tls};
use tokio::runtime::Runtime;

use super::{Net, Tls, document, tenant, until};

/// Whether etcd is there; says so if it is not.
pub fn etcd() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let there = Command::new("etcd").arg("--version").output().is_ok();
        let required = std::env::var("TIDEGATE_TEST_REQUIRE").unwrap_or_default();
        assert!(
            there || !required.split(',').any(|word| word == "etcd"),
            "etcd is required and not there"
        );
        if !there {
            println!("skipped: no etcd here (Debian: etcd-server)");
        }
        there
    })
}

/// What a cluster is like.
#[derive(Default)]
pub struct Options {
    pub members: usize,
    pub tls: Option<Tls>,
    /// Members, and gateways with [`Cluster::through`], reach members through this.
    pub net: Option<Net>,
    /// More arguments of every member.
    pub arguments: Vec<&'static str>,
}

struct Member {
    client: u16,
    peer: u16,
    /// Where others reach those.
    client_way: u16,
    peer_way: u16,
    child: Option<Child>,
}

/// A cluster; it ends with the test.
pub struct Cluster {
    pub place: TempDir,
    members: Vec<Member>,
    options: Options,
    runtime: Runtime,
    /// Numbers the data directories.
    life: usize,
    token: String,
}

impl Cluster {
    pub fn start(members: usize) -> Self {
        Self::with(Options {
            members,
            ..Options::default()
        })
    }

    pub fn with(options: Options) -> Self {
        tidegate::tls::install_provider();
        // Held until all are known, so that none is given twice.
        let ports: Vec<TcpListener> = (0..2 * options.members)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let port = |n: usize| ports[n].local_addr().unwrap().port();
        let net = options.net.clone();
        let way = |n: usize, port| net.as_ref().map_or(port, |net| net.way(n, port));
        let members = (0..options.members).map(|n| Member {
            client: port(2 * n),
            peer: port(2 * n + 1),
            client_way: way(n, port(2 * n)),
            peer_way: way(n, port(2 * n + 1)),
            child: None,
        });
        let mut cluster = Self {
            members: members.collect(),
            place: tempfile::tempdir().unwrap(),
            options,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            life: 0,
            token: "tests".to_owned(),
        };
        drop(ports);
        cluster.start_all();
        if let Some(net) = &cluster.options.net {
            for n in 0..cluster.members.len() {
                until("a member tells its id", || cluster.id(n).is_ok());
                net.name(cluster.id(n).unwrap(), n);
            }
        }
        cluster
    }

    /// Starts what does not run, and waits until the cluster answers.
    pub fn start_all(&mut self) {
        for n in 0..self.members.len() {
            self.start_member(n);
        }
        until("etcd answers", || self.try_put("ready", b"1").is_ok());
    }

    fn start_member(&mut self, n: usize) {
        if self.members[n].child.is_some() {
            return;
        }
        let scheme = if self.options.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let url = |port: u16| format!("{scheme}://127.0.0.1:{port}");
        let peer = |port: u16| format!("http://127.0.0.1:{port}");
        let all = self.members.iter().enumerate();
        let all = all.map(|(n, member)| format!("m{n}={}", peer(member.peer_way)));
        let member = &self.members[n];
        let data = self.data(n);
        let log = File::create(self.place.path().join(format!("m{n}.log"))).unwrap();
        let mut command = Command::new("etcd");
        command
            .args(["--name", &format!("m{n}"), "--data-dir"])
            .arg(data)
            .args(["--listen-client-urls", &url(member.client)])
            .args(["--advertise-client-urls", &url(member.client)])
            .args(["--listen-peer-urls", &peer(member.peer)])
            .args(["--initial-advertise-peer-urls", &peer(member.peer_way)])
            .args(["--initial-cluster", &all.collect::<Vec<_>>().join(",")])
            .args(["--initial-cluster-token", &self.token])
            .args(["--initial-cluster-state", "new", "--logger", "zap"])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .args(&self.options.arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null());
        if let Some(tls) = &self.options.tls {
            command
                .arg("--cert-file")
                .arg(tls.path("ca-server.pem"))
                .arg("--key-file")
                .arg(tls.path("ca-server.key"))
                .arg("--client-cert-auth")
                .arg("--trusted-ca-file")
                .arg(tls.path("ca.pem"));
        }
        self.members[n].child = Some(command.spawn().unwrap());
    }

    fn data(&self, n: usize) -> PathBuf {
        self.place.path().join(format!("data-{}-{n}", self.life))
    }

    /// Ends a member at once.
    pub fn kill(&mut self, n: usize) {
        let mut child = self.members[n].child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn kill_all(&mut self) {
        (0..self.members.len()).for_each(|n| self.kill(n));
    }

    /// One member with one policy without entries, and a backup of just that.
    pub fn backed_up(whose: &str) -> (Self, TempDir) {
        let mut cluster = Self::start(1);
        cluster.put(tenant(whose), &document(whose, 0));
        cluster.kill(0);
        let backup = cluster.back_up();
        cluster.start_all();
        (cluster, backup)
    }

    /// Copies what a cluster of one member holds that is stopped or frozen.
    pub fn back_up(&self) -> TempDir {
        let backup = tempfile::tempdir().unwrap();
        copy(&self.data(0), backup.path());
        backup
    }

    /// Puts what was copied in the place of what a stopped cluster of one member holds.
    pub fn restore(&self, backup: &Path) {
        fs::remove_dir_all(self.data(0)).unwrap();
        copy(backup, &self.data(0));
    }

    /// The next start is that of a cluster that never was.
    pub fn forget(&mut self) {
        self.life += 1;
    }

    /// Makes the next cluster another one to those who look.
    pub fn token(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// Freezes a member, as a cut network does: connections stay and nothing comes.
    pub fn freeze(&self, n: usize) {
        self.signal(n, Signal::STOP);
    }

    pub fn thaw(&self, n: usize) {
        self.signal(n, Signal::CONT);
    }

    fn signal(&self, n: usize, signal: Signal) {
        let id = self.members[n].child.as_ref().unwrap().id();
        let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// The number of the member that leads.
    pub fn leader(&self) -> usize {
        let mut found = None;
        until("there is a leader", || {
            (0..self.members.len()).any(|n| self.leads(n).unwrap_or(false))
        });
        for n in 0..self.members.len() {
            if self.leads(n).unwrap_or(false) {
                found = Some(n);
            }
        }
        found.unwrap_or(0)
    }

    fn leads(&self, n: usize) -> Result<bool, EtcdError> {
        let status = self.status(n)?;
        Ok(status.leader == status.header.unwrap().member_id)
    }

    fn id(&self, n: usize) -> Result<u64, EtcdError> {
        Ok(self.status(n)?.header.unwrap().member_id)
    }

    /// What a member tells of itself.
    fn status(&self, n: usize) -> Result<StatusResponse, EtcdError> {
        let etcd = Arc::new(Etcd {
            endpoints: vec![self.settings().endpoints[n].clone()],
            ..self.settings()
        });
        self.runtime.block_on(async {
            let session = Session::open_any(&etcd, &tls(&etcd).unwrap()).await?;
            session.status(StatusRequest {}).await
        })
    }

    pub fn net(&self) -> &Net {
        self.options.net.as_ref().unwrap()
    }

    /// The settings of a gateway that reaches these members through the network.
    pub fn through(&self, members: &[usize]) -> Etcd {
        let way = |n: &usize| format!("http://127.0.0.1:{}", self.members[*n].client_way);
        Etcd {
            endpoints: members.iter().map(|n| way(n).parse().unwrap()).collect(),
            ..self.settings()
        }
    }

    /// How a gateway is configured that follows this cluster; its cache is `policies.sqlite`.
    pub fn settings(&self) -> Etcd {
        let tls = self.options.tls.as_ref();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = |member: &Member| format!("{scheme}://127.0.0.1:{}", member.client);
        let endpoints = self
            .members
            .iter()
            .map(|member| url(member).parse().unwrap());
        Etcd {
            endpoints: endpoints.collect(),
            prefix: "/tidegate/".to_owned(),
            ca: tls.map(|tls| tls.path("ca.pem")),
            certificate: tls.map(|tls| tls.client("ca")),
            user: None,
            cache: self.place.path().join("policies.sqlite"),
            max_age: None,
            gateway: "gateway-0".to_owned(),
        }
    }

    /// The certificates of its clients.
    pub fn tls(&self) -> &Tls {
        self.options.tls.as_ref().unwrap()
    }

    /// What `etcdctl` is told of certificates.
    fn credentials(&self) -> Vec<PathBuf> {
        let Some(tls) = &self.options.tls else {
            return Vec::new();
        };
        let own = tls.client("ca");
        let of = |name: &str, file| [name.into(), file];
        let files = [
            of("--cacert", tls.path("ca.pem")),
            of("--cert", own.certificate),
            of("--key", own.key),
        ];
        files.concat()
    }

    /// Forgets everything before a revision.
    pub fn compact(&self, revision: u64) {
        self.ctl(&["compact", &revision.to_string()]);
    }

    /// Runs `etcdctl`, and returns what it said.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let endpoint = self.settings().endpoints[0].to_string();
        let endpoint = endpoint.trim_end_matches('/');
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", endpoint])
            .args(self.credentials())
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "etcdctl {arguments:?}: {said}{wrong}"
        );
        said
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(net) = &self.options.net {
            net.close();
        }
        for member in &mut self.members {
            if let Some(child) = &mut member.child {
                drop(child.kill());
                drop(child.wait());
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(from.join("."))
        .arg(to)
        .status();
    assert!(copied.unwrap().success());
}
