//! Traffic through a balancer on the client's side, as a platform with two gateways has it: it
//! looks at `/readyz`, and sends again only what no gateway has taken. That is so of a connection
//! that was refused, and of a request on an HTTP/2 connection that was told to go away without an
//! error before it was taken (RFC 9113 section 6.8); the two are counted apart.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::frame::Figure;
use crate::harness::{COMMON, CONTOSO, FABRIKAM, Gateway, World};

/// How often readiness is looked at.
pub(super) const PROBE: Duration = Duration::from_millis(50);

/// Clients of each kind.
const CLIENTS: usize = 4;

/// How a client connects.
#[derive(Clone, Copy)]
enum Kind {
    /// A connection for each request.
    Fresh,
    Http1,
    Http2,
}

/// The instances that traffic may go to.
#[derive(Clone, Default)]
pub(super) struct Balancer(Arc<Mutex<Vec<SocketAddr>>>);

impl Balancer {
    pub(super) fn of(gateways: &[&Gateway]) -> Self {
        let balancer = Self::default();
        gateways
            .iter()
            .for_each(|gateway| balancer.add(gateway.data));
        balancer
    }

    pub(super) fn add(&self, instance: SocketAddr) {
        self.0.lock().unwrap().push(instance);
    }

    pub(super) fn remove(&self, instance: SocketAddr) {
        self.0.lock().unwrap().retain(|known| *known != instance);
    }

    fn pick(&self, turn: usize) -> SocketAddr {
        let instances = self.0.lock().unwrap();
        instances[turn % instances.len()]
    }
}

/// What became of it.
#[derive(Default)]
struct Counts {
    sent: AtomicUsize,
    allowed: AtomicUsize,
    blocked: AtomicUsize,
    /// Connections that were refused before a byte was sent; tried at the other instance.
    refused: AtomicUsize,
    /// Requests that met a GOAWAY without an error; sent again.
    told_away: AtomicUsize,
    lost: Mutex<Vec<String>>,
}

/// Traffic that goes on until it is stopped.
pub(super) struct Traffic {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

/// What it came to.
pub(super) struct Outcome {
    pub(super) sent: usize,
    pub(super) allowed: usize,
    pub(super) blocked: usize,
    pub(super) refused: usize,
    pub(super) told_away: usize,
    lost: Vec<String>,
}

impl Traffic {
    pub(super) fn start(world: &World, balancer: &Balancer) -> Self {
        let (counts, stop) = (
            Arc::new(Counts::default()),
            Arc::new(AtomicBool::new(false)),
        );
        let mut clients = Vec::new();
        for kind in [Kind::Fresh, Kind::Http1, Kind::Http2] {
            for number in 0..CLIENTS {
                let one = One {
                    kind,
                    ca: reqwest::Certificate::from_pem(world.ca.pem().as_bytes()).unwrap(),
                    balancer: balancer.clone(),
                    known: Vec::new(),
                    counts: Arc::clone(&counts),
                    forms: [CONTOSO, FABRIKAM].map(|t| world.exchange(None, t).form_text()),
                };
                clients.push(tokio::spawn(one.run(number, Arc::clone(&stop))));
            }
        }
        Self {
            counts,
            stop,
            clients,
        }
    }

    /// How many requests were sent so far.
    pub(super) fn sent(&self) -> usize {
        self.counts.sent.load(Ordering::Relaxed)
    }

    pub(super) async fn stop(self, world: &World) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        // What the mock noted of each is not needed, and much.
        world.idp.requests().clear();
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let lost = std::mem::take(&mut *self.counts.lost.lock().unwrap());
        Outcome {
            sent: count(&self.counts.sent),
            allowed: count(&self.counts.allowed),
            blocked: count(&self.counts.blocked),
            refused: count(&self.counts.refused),
            told_away: count(&self.counts.told_away),
            lost,
        }
    }
}

impl Outcome {
    pub(super) fn figures(&self, part: &str) -> Vec<Figure> {
        let first: Vec<_> = self.lost.iter().take(3).collect();
        let lost = match self.lost.len() {
            0 => "0".to_owned(),
            some => format!("{some}: {first:?}"),
        };
        let answered = self.allowed + self.blocked + self.lost.len();
        vec![
            Figure::new(
                format!("{part}: requests lost of {}", self.sent),
                lost,
                0,
                self.lost.is_empty(),
            ),
            Figure::new(
                format!("{part}: allowed and blocked as they should be"),
                format!("{} and {}", self.allowed, self.blocked),
                "every one answered once",
                answered == self.sent && self.allowed > 0 && self.blocked > 0,
            ),
        ]
    }
}

/// One client.
struct One {
    kind: Kind,
    ca: reqwest::Certificate,
    balancer: Balancer,
    known: Vec<(SocketAddr, Client)>,
    counts: Arc<Counts>,
    /// Of a user of the creator's tenant, and of another's.
    forms: [String; 2],
}

impl One {
    async fn run(mut self, number: usize, stop: Arc<AtomicBool>) {
        let mut turn = number;
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            self.exchange(turn).await;
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// One exchange: allowed or blocked, by turns.
    async fn exchange(&mut self, turn: usize) {
        let counts = Arc::clone(&self.counts);
        counts.sent.fetch_add(1, Ordering::Relaxed);
        let foreign = (turn / 2).is_multiple_of(4);
        // A refused connection is tried at the other instance, once it is seen to be gone.
        for attempt in 0..20 {
            let to = self.balancer.pick(turn + attempt);
            match self.send(to, foreign).await {
                Ok((200, true)) if !foreign => counts.allowed.fetch_add(1, Ordering::Relaxed),
                Ok((403, true)) if foreign => counts.blocked.fetch_add(1, Ordering::Relaxed),
                Err(error) if let Some(why) = untaken(&error) => {
                    let count = match why {
                        Untaken::Refused => &counts.refused,
                        Untaken::ToldAway => &counts.told_away,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    sleep(PROBE / 5).await;
                    continue;
                }
                Ok(answer) => return counts.lost.lock().unwrap().push(format!("{answer:?}")),
                Err(error) => {
                    let error = format!("{:?}", error.without_url());
                    return counts.lost.lock().unwrap().push(error);
                }
            };
            return;
        }
        counts
            .lost
            .lock()
            .unwrap()
            .push("refused again and again".to_owned());
    }

    /// The status, and whether the body came whole and is what the status says.
    async fn send(&mut self, to: SocketAddr, foreign: bool) -> reqwest::Result<(u16, bool)> {
        let answer = self
            .client(to)
            .post(format!("https://localhost:{}{COMMON}", to.port()))
            .header("x-ms-client-tenant-id", CONTOSO)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(self.forms[usize::from(foreign)].clone())
            .timeout(Duration::from_secs(20))
            .send()
            .await?;
        let status = answer.status().as_u16();
        let body = answer.text().await?;
        let token = body.contains("\"access_token\"");
        Ok((status, token == (status == 200)))
    }

    fn client(&mut self, to: SocketAddr) -> Client {
        if let Some((_, client)) = self.known.iter().find(|(known, _)| *known == to) {
            return client.clone();
        }
        let builder = Client::builder()
            .tls_certs_only([self.ca.clone()])
            .no_proxy()
            .retry(reqwest::retry::never())
            .resolve("localhost", to);
        let builder = match self.kind {
            Kind::Fresh => builder.http1_only().pool_max_idle_per_host(0),
            Kind::Http1 => builder.http1_only(),
            Kind::Http2 => builder.http2_prior_knowledge(),
        };
        let client = builder.build().unwrap();
        self.known.push((to, client.clone()));
        client
    }
}

/// Why a request was not taken by anybody.
enum Untaken {
    Refused,
    ToldAway,
}

/// Whether a request was taken by nobody, so that it may be sent again.
fn untaken(error: &reqwest::Error) -> Option<Untaken> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
            return refused.then_some(Untaken::Refused);
        }
        cause = error.source();
    }
    let told = format!("{error:?}");
    (told.contains("GoAway") && told.contains("NO_ERROR")).then_some(Untaken::ToldAway)
}
