//! Promise 8: what another server forwards and what is decided about are the same. Requests that
//! can be read in two ways are sent straight to the gateway, through nginx and HAProxy in front of
//! it, and through it with these between it and its provider.
//!
//! In front of the gateway they say who creates (Contoso, isolated); the client wants to be
//! Fabrikam, and a token of Fabrikam's.

mod attempts;
mod front;

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tidegate_mock::{MockIdp, Options};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::frame::{Figure, Scale};
use crate::harness::{COMMON, CONTOSO, FABRIKAM, Policy, Raw, Setup, World, until};
use attempts::{Attempt, Parts};
use front::Server;

/// How long an answer is waited for that may not come.
const PATIENCE: Duration = Duration::from_secs(2);

const SERVERS: [Server; 3] = [Server::Nginx, Server::NginxNormalising, Server::HaProxy];

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let rounds = scale.pick(1, 3);
    let mut figures = vec![straight(rounds).await, straight_http2(rounds).await];
    for server in SERVERS {
        figures.push(in_front(server, rounds).await);
    }
    for server in SERVERS {
        figures.push(behind(server, rounds).await);
    }
    figures.push(careless(Server::Nginx).await);
    figures
}

fn isolated() -> Setup {
    Setup::new()
        .plain()
        .policy(Policy::on(CONTOSO))
        .good(Some(CONTOSO), CONTOSO)
}

fn parts(world: &World, wanted: &'static str) -> Parts {
    Parts {
        host: world.host(),
        own: CONTOSO,
        wanted,
        form: world.exchange(None, FABRIKAM).form_text(),
    }
}

/// Straight to the gateway: a header in the client's own words is believed there, so what is hidden
/// has the same creator, and must be judged on its own.
async fn straight(rounds: usize) -> Figure {
    let world = World::start(isolated()).await;
    let parts = parts(&world, CONTOSO);
    let to = world.gateway.data;
    let tried = all(rounds, &parts.http1(), to).await;
    judged("straight", world, tried, |world| world.idp.requests().all()).await
}

/// The same by HTTP/2 frames, over TLS.
async fn straight_http2(rounds: usize) -> Figure {
    let setup = Setup::new().policy(Policy::on(CONTOSO));
    let world = World::start(setup.good(Some(CONTOSO), CONTOSO)).await;
    let attempts = parts(&world, CONTOSO).http2();
    let mut sent = JoinSet::new();
    for (name, bytes) in std::iter::repeat_n(attempts, rounds).flatten() {
        let mut raw = world.raw_with(&[b"h2"]).await;
        sent.spawn(async move {
            raw.send(bytes).await;
            let answers = read(&mut raw).await;
            Tried { name, answers }
        });
    }
    let tried = sent.join_all().await;
    let seen = |world: &World| world.idp.requests().all();
    judged("straight, HTTP/2", world, tried, seen).await
}

async fn in_front(server: Server, rounds: usize) -> Figure {
    let name = format!("{} in front", server.name());
    let world = World::start(isolated()).await;
    let front = match server.start(world.gateway.data, Some(CONTOSO)).await {
        Ok(front) => front,
        Err(why) => return Figure::skipped(name, why),
    };
    let parts = parts(&world, FABRIKAM);
    let mut tried = all(rounds, &parts.http1(), front.plain).await;
    tried.extend(all(rounds, &parts.http2(), front.http2).await);
    for _ in 0..5 {
        tried.extend(good(&world, front.plain).await);
    }
    judged(&name, world, tried, |world| world.idp.requests().all()).await
}

/// The counter-proof: one in front that does not say who creates, and passes on what its client
/// says of that. The same attempts, judged in the same way, must be seen to get through.
async fn careless(server: Server) -> Figure {
    let name = format!("{} in front that tells no creator", server.name());
    let world = World::start(isolated()).await;
    let front = match server.start(world.gateway.data, None).await {
        Ok(front) => front,
        Err(why) => return Figure::skipped(name, why),
    };
    let tried = all(1, &parts(&world, FABRIKAM).http1(), front.plain).await;
    let all = |world: &World| world.idp.requests().all();
    let (wrong, _) = read_differently(world, &tried, all).await;
    let tokens = wrong.iter().filter(|word| word.starts_with("token: "));
    let tokens = tokens.count();
    Figure::new(
        format!("{name}: {} attempts", tried.len()),
        format!("{} read differently, {tokens} tokens", wrong.len()),
        "is noticed",
        tokens > 0,
    )
}

async fn behind(server: Server, rounds: usize) -> Figure {
    let name = format!("{} behind", server.name());
    let idp = MockIdp::start(Options::entra().plain()).await.unwrap();
    let front = match server.start(idp.address(), None).await {
        Ok(front) => front,
        Err(why) => return Figure::skipped(name, why),
    };
    let setup = isolated()
        .set(
            "providers.entra.authority",
            format!("http://{}", front.plain),
        )
        .set("providers.entra.insecure_plaintext", true);
    let world = World::start(setup).await;
    idp.requests().clear();
    let parts = parts(&world, CONTOSO);
    let tried = all(rounds, &parts.http1(), world.gateway.data).await;
    judged(&name, world, tried, |_| idp.requests().all()).await
}

/// What came of an attempt.
struct Tried {
    name: String,
    answers: Vec<u8>,
}

/// Sends all attempts, each on a connection of its own, at the same time.
async fn all(rounds: usize, attempts: &[Attempt], to: SocketAddr) -> Vec<Tried> {
    let mut sent = JoinSet::new();
    for _ in 0..rounds {
        for (name, bytes) in attempts.iter().cloned() {
            sent.spawn(async move {
                let mut raw = Raw::new(TcpStream::connect(to).await.unwrap());
                raw.send(bytes).await;
                let answers = read(&mut raw).await;
                Tried { name, answers }
            });
        }
    }
    sent.join_all().await
}

/// Everything that comes until nothing does for a while.
async fn read(raw: &mut Raw) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Some(byte)) = timeout(PATIENCE, raw.take(1)).await {
        all.extend(byte);
    }
    all
}

/// A good request on the connections that the attempts were made over: its answer is its own.
async fn good(world: &World, to: SocketAddr) -> Option<Tried> {
    let form = world.exchange(None, CONTOSO).form_text();
    let request = format!(
        "POST {COMMON} HTTP/1.1\r\nhost: {}\r\ncontent-type: \
         application/x-www-form-urlencoded\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{form}",
        world.host(),
        form.len()
    );
    let mut raw = Raw::new(TcpStream::connect(to).await.unwrap());
    raw.send(request).await;
    let answers = read(&mut raw).await;
    let passed = answers.starts_with(b"HTTP/1.1 200") && holds(&answers, "access_token");
    (!passed).then(|| Tried {
        name: "a good request afterwards".to_owned(),
        answers: b"access_token".to_vec(),
    })
}

fn holds(bytes: &[u8], part: &str) -> bool {
    memchr::memmem::find(bytes, part.as_bytes()).is_some()
}

async fn judged(
    name: &str,
    world: World,
    tried: Vec<Tried>,
    seen: impl Fn(&World) -> Vec<tidegate_mock::Request>,
) -> Figure {
    let (wrong, forwarded) = read_differently(world, &tried, seen).await;
    Figure::new(
        format!(
            "{name}: {} attempts, {forwarded} of them forwarded and decided",
            tried.len(),
        ),
        format!("{} {}", wrong.len(), wrong[..wrong.len().min(3)].join("; ")),
        "0 read differently",
        wrong.is_empty(),
    )
}

/// No token came out but for a good request; every request at the provider has one record, is the
/// one decided about, and was created by Contoso; the gateway ends well. What is not so, and how
/// many requests the provider saw.
async fn read_differently(
    mut world: World,
    tried: &[Tried],
    seen: impl Fn(&World) -> Vec<tidegate_mock::Request>,
) -> (Vec<String>, usize) {
    until("nothing under way", async || {
        let metrics = world.metrics().await;
        metrics
            .contains("tidegate_exchanges_in_flight 0")
            .then_some(())
    })
    .await;
    let mut wrong: Vec<String> = tried
        .iter()
        .filter(|tried| holds(&tried.answers, "access_token"))
        .map(|tried| format!("token: {}", tried.name))
        .collect();
    let seen = seen(&world);
    world.signal(Signal::TERM);
    let exit = world.gateway.ended().await.code();
    if exit != Some(0) || world.log.count("panicked") > 0 {
        wrong.push(format!("exit {exit:?}"));
    }
    let records = world.records();
    let forwarded = |record: &&Value| record["forwarded"] == true;
    let decided = records.iter().filter(forwarded).count();
    // A request whose client is gone may have been cut off on its way to the provider.
    let gone = |record: &&Value| forwarded(record) && record["reason"] == "client_gone";
    let arrived = decided - records.iter().filter(gone).count();
    if !(arrived..=decided).contains(&seen.len()) {
        let why = format!(
            "{arrived} to {decided} decided, {} at the provider",
            seen.len()
        );
        wrong.push(why);
    }
    let others = |record: &&Value| {
        let creator = &record["creator_tenant"];
        *creator != CONTOSO && record["decision"] != "error"
    };
    wrong.extend(
        records
            .iter()
            .filter(others)
            .map(|record| format!("creator: {record}")),
    );
    let odd = |request: &&tidegate_mock::Request| {
        !request.path.ends_with("/oauth2/v2.0/token")
            || request.method != http::Method::POST
            || request.header("x-ms-client-tenant-id").is_some()
            || !request
                .text()
                .starts_with("grant_type=authorization%5Fcode&code=for")
    };
    wrong.extend(
        seen.iter()
            .filter(odd)
            .map(|request| format!("forwarded: {}", request.target())),
    );
    (wrong, seen.len())
}
