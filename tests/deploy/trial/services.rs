//! Services of the Compose file as processes of this machine.

mod here;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::compose::{GATEWAYS, NODES, compose};
use crate::pods::{list, text};
use crate::tools::{deployed, output, root};

const DEADLINE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);

/// Ports that services listen on.
const PORTS: [(&str, &[u16]); 7] = [
    (NODES[0], &[2379, 2380]),
    (NODES[1], &[2379, 2380]),
    (NODES[2], &[2379, 2380]),
    (GATEWAYS[0], &[8443, 9443]),
    (GATEWAYS[1], &[8443, 9443]),
    (GATEWAYS[2], &[8443, 9443]),
    ("mock", &[8444]),
];

/// Asks until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        tokio::time::sleep(AGAIN).await;
    }
}

/// All services; those that run are killed when dropped.
pub(crate) struct Trial {
    compose: Value,
    place: TempDir,
    ports: BTreeMap<(&'static str, u16), u16>,
    running: BTreeMap<String, Child>,
}

impl Trial {
    /// Volumes, and ports that were free a moment ago.
    pub(crate) fn prepare() -> Self {
        let compose = compose();
        let place = TempDir::new().unwrap();
        for volume in compose["volumes"].as_object().unwrap().keys() {
            fs::create_dir_all(place.path().join("setup").join(volume)).unwrap();
        }
        for directory in ["client", "logs", "policies"] {
            fs::create_dir_all(place.path().join(directory)).unwrap();
        }
        for policy in fs::read_dir(deployed("compose/policies")).unwrap() {
            let policy = policy.unwrap();
            fs::copy(
                policy.path(),
                place.path().join("policies").join(policy.file_name()),
            )
            .unwrap();
        }
        let wanted = PORTS
            .iter()
            .flat_map(|(service, ports)| ports.iter().map(move |port| (*service, *port)));
        // Held until each has one of its own.
        let held: Vec<_> = wanted
            .map(|wanted| (wanted, TcpListener::bind("127.0.0.1:0").unwrap()))
            .collect();
        let ports = held
            .iter()
            .map(|(wanted, listener)| (*wanted, listener.local_addr().unwrap().port()));
        Self {
            compose,
            ports: ports.collect(),
            place,
            running: BTreeMap::new(),
        }
    }

    /// Starts everything in the order that the file asks for.
    pub(crate) async fn up(&mut self) {
        let compose = self.compose.clone();
        let mut waiting: Vec<&String> = compose["services"].as_object().unwrap().keys().collect();
        let mut started: Vec<&String> = Vec::new();
        while !waiting.is_empty() {
            let needs = |name: &String| compose["services"][name]["depends_on"].as_object();
            let ready = |name: &&&String| {
                needs(name).is_none_or(|needs| needs.keys().all(|need| started.contains(&need)))
            };
            let next: Vec<&String> = waiting.iter().filter(ready).copied().collect();
            assert!(!next.is_empty(), "{waiting:?} wait for each other");
            waiting.retain(|name| !next.contains(name));
            let ends = |name: &&&String| compose["services"][**name]["restart"] == "no";
            for name in next.iter().filter(|name| !ends(name)) {
                self.start(name);
            }
            for name in next.iter().filter(ends) {
                self.run(name);
            }
            for name in next
                .iter()
                .filter(|name| !compose["services"][**name]["healthcheck"].is_null())
            {
                self.healthy(name).await;
            }
            started.extend(next);
        }
    }

    /// Runs a service that ends.
    pub(crate) fn run(&self, name: &str) {
        output(&mut self.command(name));
    }

    /// Starts a service that stays.
    pub(crate) fn start(&mut self, name: &str) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(name))
            .unwrap();
        let mut command = self.command(name);
        let child = command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null());
        let earlier = self.running.insert(name.to_owned(), child.spawn().unwrap());
        assert!(earlier.is_none(), "{name} runs");
    }

    /// Waits until a service's own check succeeds.
    pub(crate) async fn healthy(&self, name: &str) {
        let check = &self.compose["services"][name]["healthcheck"]["test"];
        let check: Vec<String> = list(check)
            .skip(1)
            .map(|word| self.here(name, text(word)))
            .collect();
        until(
            &format!("{name} is healthy: {}", self.told(name)),
            async || {
                let healthy = match check.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["nc", "-z", "127.0.0.1", port] => TcpStream::connect((
                        Ipv4Addr::LOCALHOST,
                        self.ports[&("mock", port.parse().unwrap())],
                    ))
                    .is_ok(),
                    [program, ref arguments @ ..] => {
                        let check = Command::new(program).args(arguments).output().unwrap();
                        check.status.success()
                    }
                    [] => panic!("{name} has no check"),
                };
                healthy.then_some(())
            },
        )
        .await;
    }

    /// Kills a service.
    pub(crate) fn kill(&mut self, name: &str) {
        let mut child = self.running.remove(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Has a service end, as Compose would.
    pub(crate) async fn end(&mut self, name: &str) {
        let mut child = self.running.remove(name).unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let exit = until("its end", async || child.try_wait().unwrap()).await;
        assert!(exit.success(), "{name}: {exit}: {}", self.told(name));
    }

    /// The port here of each port of a service.
    pub(crate) fn ports(&self) -> &BTreeMap<(&'static str, u16), u16> {
        &self.ports
    }

    /// Where a volume is.
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.place.path().join("setup").join(name)
    }

    /// The documents that are put into etcd.
    pub(crate) fn policies(&self) -> PathBuf {
        self.place.path().join("policies")
    }

    /// What the host has for clients.
    pub(crate) fn client(&self) -> PathBuf {
        self.place.path().join("client")
    }

    /// What a service printed.
    pub(crate) fn told(&self, name: &str) -> String {
        fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.place.path().join("logs").join(name)
    }

    /// A service's process, not started.
    fn command(&self, name: &str) -> Command {
        let service = &self.compose["services"][name];
        for volume in list(&service["volumes"]) {
            let shipped = deployed("compose").join(text(&volume["source"]));
            if volume["type"] == "bind" && shipped.is_file() {
                let here = self.here(name, &fs::read_to_string(shipped).unwrap());
                fs::write(self.source(name, volume), here).unwrap();
            }
        }
        let words = list(&service["entrypoint"]).chain(list(&service["command"]));
        let mut words = words.map(|word| self.here(name, text(word)));
        let program = match (text(&service["image"]), service["entrypoint"].is_null()) {
            ("localhost/tidegate:trial", true) => PathBuf::from(env!("CARGO_BIN_EXE_tidegate")),
            ("localhost/tidegate-mock:trial", true) => mock(),
            _ => words.next().unwrap().into(),
        };
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.place.path())
            .env_remove("TIDEGATE_CONFIG");
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            command.env(key, self.here(name, text(value)));
        }
        command
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        for (_, mut child) in std::mem::take(&mut self.running) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// The mock's program, built if it is not there.
fn mock() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_tidegate")).with_file_name("mock-idp");
    if !beside.exists() {
        let arguments = [
            "build",
            "--quiet",
            "--package",
            "tidegate-mock",
            "--bin",
            "mock-idp",
        ];
        output(
            Command::new(env!("CARGO"))
                .args(arguments)
                .current_dir(root()),
        );
    }
    beside
}
