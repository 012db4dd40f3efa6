//! Members of etcd, as processes of this test's.

use std::cell::Cell;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tidegate::config::{Etcd, Identity};
use tidegate::core::tenant::TenantId;
use tidegate::fleet::etcd::{
    DeleteRangeRequest, EtcdError, PutRequest, RequestOp, Session, StatusRequest, TxnRequest,
    request_op, tls,
};
use tidegate::fleet::keys::Keys;
use tokio::runtime::Runtime;

use super::until;

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
    /// More arguments of every member.
    pub arguments: Vec<&'static str>,
}

/// Certificates: the cluster's own, a client's, and a client's that nobody trusts.
pub struct Tls {
    directory: TempDir,
}

impl Tls {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for ca in ["ca", "other"] {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
            fs::write(directory.path().join(format!("{ca}.pem")), issuer.pem()).unwrap();
            for name in ["server", "client"] {
                let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
                let params = CertificateParams::new(names).unwrap();
                let key = KeyPair::generate().unwrap();
                let certificate = params.signed_by(&key, &issuer).unwrap();
                let path = |end: &str| directory.path().join(format!("{ca}-{name}.{end}"));
                fs::write(path("pem"), certificate.pem()).unwrap();
                fs::write(path("key"), key.serialize_pem()).unwrap();
            }
        }
        Self { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a client shows, of the cluster's authority (`ca`) or another (`other`).
    pub fn client(&self, ca: &str) -> Identity {
        Identity {
            certificate: self.path(&format!("{ca}-client.pem")),
            key: self.path(&format!("{ca}-client.key")),
        }
    }
}

struct Member {
    client: u16,
    peer: u16,
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
        let members = (0..options.members).map(|n| Member {
            client: port(2 * n),
            peer: port(2 * n + 1),
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
        let all = all.map(|(n, member)| format!("m{n}={}", peer(member.peer)));
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
            .args(["--initial-advertise-peer-urls", &peer(member.peer)])
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

    /// Copies what a stopped cluster of one member holds.
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
        let etcd = Arc::new(Etcd {
            endpoints: vec![self.settings().endpoints[n].clone()],
            ..self.settings()
        });
        self.runtime.block_on(async {
            let session = Session::open_any(&etcd, &tls(&etcd).unwrap()).await?;
            let status = session.status(StatusRequest {}).await?;
            Ok(status.leader == status.header.unwrap().member_id)
        })
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

    /// Runs `etcdctl`, and returns what it said.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let endpoint = self.settings().endpoints[0].to_string();
        let endpoint = endpoint.trim_end_matches('/');
        let output = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", endpoint])
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

    /// Writes a policy, and returns its revision.
    pub fn put(&self, tenant: TenantId, text: &str) -> u64 {
        self.put_key(&format!("policies/{tenant}"), text.as_bytes())
    }

    /// Writes a key below the prefix, and returns its revision.
    pub fn put_key(&self, key: &str, value: &[u8]) -> u64 {
        let revision = Cell::new(0);
        until(&format!("{key} is written"), || {
            revision.set(self.try_put(key, value).unwrap_or(0));
            revision.get() > 0
        });
        revision.get()
    }

    fn try_put(&self, key: &str, value: &[u8]) -> Result<u64, EtcdError> {
        let put = PutRequest {
            key: format!("/tidegate/{key}").into(),
            value: value.to_vec().into(),
            lease: 0,
        };
        self.write(&request_op::Request::RequestPut(put))
    }

    /// Deletes a policy, and returns the revision of that.
    pub fn delete(&self, tenant: TenantId) -> u64 {
        let delete = DeleteRangeRequest {
            key: Keys::below("/tidegate/").policy(tenant).into(),
            ..DeleteRangeRequest::default()
        };
        self.write(&request_op::Request::RequestDeleteRange(delete))
            .unwrap()
    }

    /// Through the first member that takes it.
    fn write(&self, request: &request_op::Request) -> Result<u64, EtcdError> {
        let mut last = EtcdError::Silent;
        for member in self.settings().endpoints {
            let etcd = Arc::new(Etcd {
                endpoints: vec![member],
                ..self.settings()
            });
            let written = self.runtime.block_on(async {
                let session = Session::open_any(&etcd, &tls(&etcd).unwrap()).await?;
                let request = TxnRequest {
                    success: vec![RequestOp {
                        request: Some(request.clone()),
                    }],
                    ..TxnRequest::default()
                };
                let answer = session.txn(request).await?;
                Ok(answer.header.unwrap().revision.cast_unsigned())
            });
            match written {
                Ok(revision) => return Ok(revision),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
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
