//! Members of etcd as processes: started, killed and started again over what they hold.

mod client;

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::Failure;

pub(crate) use client::Client;

/// How many members there are: one may be missing.
const MEMBERS: usize = 3;

/// A cluster; its members are killed when this is dropped.
pub(crate) struct Cluster {
    members: Vec<Member>,
    place: PathBuf,
    client: Client,
    /// Turns, so that each member is killed now and then.
    turn: usize,
}

struct Member {
    client: u16,
    peer: u16,
    child: Option<Child>,
}

/// Which member is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Leader,
    Other,
}

/// Says what is missing where there is no etcd.
pub(crate) async fn installed() -> Result<(), Failure> {
    let asked = Command::new("etcd").arg("--version").output().await;
    match asked {
        Ok(answer) if answer.status.success() => Ok(()),
        Ok(answer) => Err(format!("etcd --version ended with {}", answer.status).into()),
        Err(error) => Err(format!("etcd cannot be run ({error}). Debian: etcd-server").into()),
    }
}

impl Cluster {
    /// What all keys begin with.
    pub(crate) const PREFIX: &'static str = "/tidegate/";

    /// Starts all members below a directory and waits until each takes part.
    pub(crate) async fn start(place: &Path) -> Result<Self, Failure> {
        // Held until all are known, so that none is given twice.
        let held = (0..2 * MEMBERS)
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<Result<Vec<_>, _>>()?;
        let ports = held
            .iter()
            .map(|held| held.local_addr().map(|address| address.port()))
            .collect::<Result<Vec<_>, _>>()?;
        let members = ports.chunks_exact(2).filter_map(|ports| match ports {
            [client, peer] => Some(Member {
                client: *client,
                peer: *peer,
                child: None,
            }),
            _ => None,
        });
        let members: Vec<_> = members.collect();
        let mut cluster = Self {
            client: Client::new(members.iter().map(|member| url(member.client)).collect())?,
            members,
            place: place.to_owned(),
            turn: 0,
        };
        drop(held);
        cluster.start_missing()?;
        cluster.whole().await?;
        Ok(cluster)
    }

    /// Who speaks to the members.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Where clients reach each member.
    pub(crate) fn endpoints(&self) -> &[String] {
        self.client.endpoints()
    }

    /// Starts the members that do not run.
    pub(crate) fn start_missing(&mut self) -> Result<(), Failure> {
        let all = self.members.iter().enumerate();
        let all = all.map(|(number, member)| format!("etcd-{number}={}", url(member.peer)));
        let all = all.collect::<Vec<_>>().join(",");
        for (number, member) in self.members.iter_mut().enumerate() {
            if member.child.is_none() {
                member.child = Some(started(&self.place, number, member, &all)?);
            }
        }
        Ok(())
    }

    /// Waits until every member takes part, so that one may be killed.
    pub(crate) async fn whole(&self) -> Result<(), Failure> {
        let healthy = self.client.healthy().await;
        healthy.map_err(|error| format!("{error}{}", self.told()).into())
    }

    /// The number of the member whose turn it is.
    pub(crate) async fn victim(&mut self, victim: Victim) -> Result<usize, Failure> {
        let leader = self.client.leader().await?;
        if victim == Victim::Leader {
            return Ok(leader);
        }
        self.turn += 1;
        let other = 1 + self.turn % (MEMBERS - 1);
        Ok((leader + other) % MEMBERS)
    }

    /// Ends a member at once, without a chance to say anything.
    pub(crate) async fn kill(&mut self, number: usize) -> Result<(), Failure> {
        let member = self.members.get_mut(number);
        let child = member.and_then(|member| member.child.take());
        child
            .ok_or("the member of etcd does not run")?
            .kill()
            .await?;
        Ok(())
    }

    /// The end of what the members logged.
    fn told(&self) -> String {
        let mut told = String::new();
        for number in 0..MEMBERS {
            let log = std::fs::read_to_string(log(&self.place, number)).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines.iter().skip(lines.len().saturating_sub(5));
            for line in last {
                told.push_str(&format!("\netcd-{number}: {line}"));
            }
        }
        told
    }
}

fn started(place: &Path, number: usize, member: &Member, all: &str) -> Result<Child, Failure> {
    let name = format!("etcd-{number}");
    let log = File::options()
        .create(true)
        .append(true)
        .open(log(place, number))?;
    let (client, peer) = (url(member.client), url(member.peer));
    let started = Command::new("etcd")
        .args(["--name", &name, "--data-dir"])
        .arg(place.join(&name))
        .args(["--listen-client-urls", &client])
        .args(["--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer])
        .args(["--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", all])
        .args(["--initial-cluster-state", "new", "--logger", "zap"])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn();
    started.map_err(|error| format!("etcd cannot be run ({error})").into())
}

fn log(place: &Path, number: usize) -> PathBuf {
    place.join(format!("etcd-{number}.log"))
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
