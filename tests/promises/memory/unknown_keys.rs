//! Tokens that name keys nobody knows (case B4): each is refused, all of them cost one fetch, and good
//! tokens pass beside them as fast as they did.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use serde_json::json;
use tidegate_mock::jwt::b64;
use tokio::task::JoinHandle;

use crate::frame::{Figure, Scale};
use crate::harness::{CONTOSO, Setup, World};
use crate::load::milliseconds;

/// Bad tokens at once.
const ABREAST: usize = 8;

/// Clients with good tokens.
const CLIENTS: usize = 2;

/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(7);

pub(super) async fn prove(scale: Scale) -> Vec<Figure> {
    let (many, lasting) = scale.pick((500, 1), (10_000, 10));
    let lasting = Duration::from_secs(lasting);
    let setup = Setup::connections()
        .set("log.level", "info")
        .set("audit.output", "audit.jsonl");
    let world = World::start(setup).await;
    let good = Good::start(&world);
    tokio::time::sleep(lasting / 2).await;
    let (usual, lost) = good.stop().await;

    let good = Good::start(&world);
    let begin = Instant::now();
    let others = storm(&world, many, lasting).await;
    let took = begin.elapsed();
    let (beside, lost_beside) = good.stop().await;
    let fetches = world.idp.requests().key_fetches();
    vec![
        Figure::new(
            format!(
                "{many} tokens of unknown keys in {:.1} s: not refused, fetches of keys",
                took.as_secs_f64()
            ),
            format!("{} {:?}, {fetches}", others.len(), others.first()),
            "0, at most 1",
            others.is_empty() && fetches <= 1,
        ),
        Figure::new(
            "good tokens refused or lost beside them",
            lost + lost_beside,
            0,
            lost + lost_beside == 0,
        ),
        Figure::speed(
            scale,
            "their p99, without and beside",
            format!("{}, {}", milliseconds(usual), milliseconds(beside)),
            "at most twice",
            beside <= 2 * usual,
        ),
    ]
}

/// Sends them evenly over this time; what was not refused with 401.
async fn storm(world: &World, many: usize, lasting: Duration) -> Vec<String> {
    let token = world.sign_in(CONTOSO).build();
    let (_, rest) = token.split_once('.').unwrap();
    let creator = world.creator(CONTOSO).build();
    let begin = Instant::now();
    let senders = (0..ABREAST).map(|sender| {
        let requests: Vec<RequestBuilder> = (sender..many)
            .step_by(ABREAST)
            .map(|number| {
                let kid = format!("unknown-{number}");
                let header = json!({ "typ": "JWT", "alg": "RS256", "kid": kid });
                creation(
                    world,
                    &creator,
                    &format!("{}.{rest}", b64(header.to_string())),
                    true,
                )
            })
            .collect();
        tokio::spawn(async move {
            let mut others = Vec::new();
            let each = lasting / u32::try_from(requests.len()).unwrap();
            for (number, request) in (0..).zip(requests) {
                let due = each * number;
                tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
                match answered(request).await {
                    Ok(401) => {}
                    other => others.push(format!("{other:?}")),
                }
            }
            others
        })
    });
    let senders: Vec<_> = senders.collect();
    let mut others = Vec::new();
    for sender in senders {
        others.extend(sender.await.unwrap());
    }
    others
}

/// A creation within Contoso with this sign-in token. The bad come over HTTP/2, on a connection of
/// their own.
fn creation(world: &World, creator: &str, token: &str, bad: bool) -> RequestBuilder {
    let body = json!({ "properties": { "token": token } });
    world
        .client(bad)
        .put(format!("{}/connections/one", world.url()))
        .bearer_auth(creator)
        .json(&body)
        .timeout(Duration::from_secs(20))
}

/// Creations with a good token, timed, until they are stopped.
struct Good {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<(Vec<Duration>, usize)>>,
}

impl Good {
    fn start(world: &World) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let creator = world.creator(CONTOSO).build();
        let client = |_| {
            let request = creation(world, &creator, &world.sign_in(CONTOSO).build(), false);
            tokio::spawn(create_until(Arc::clone(&stop), request))
        };
        Self {
            clients: (0..CLIENTS).map(client).collect(),
            stop,
        }
    }

    /// The time that 99 in 100 did not exceed, and how many were not created.
    async fn stop(self) -> (Duration, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut times, mut lost) = (Vec::new(), 0);
        for client in self.clients {
            let (theirs, not) = client.await.unwrap();
            times.extend(theirs);
            lost += not;
        }
        times.sort_unstable();
        let rank = (times.len() * 99).div_ceil(100).saturating_sub(1);
        (times[rank], lost)
    }
}

async fn create_until(stop: Arc<AtomicBool>, request: RequestBuilder) -> (Vec<Duration>, usize) {
    let (mut times, mut lost) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let created = answered(request.try_clone().unwrap()).await;
        if created == Ok(201) {
            times.push(begin.elapsed());
        } else {
            lost += 1;
        }
        tokio::time::sleep(PAUSE).await;
    }
    (times, lost)
}

/// The status of an answer that came whole; or why none did.
async fn answered(request: RequestBuilder) -> Result<u16, String> {
    let why = |error: reqwest::Error| format!("{:?}", error.without_url());
    let answer = request.send().await.map_err(why)?;
    let status = answer.status().as_u16();
    answer.bytes().await.map_err(why)?;
    Ok(status)
}
