//! Promise 9: TLS that scanners find nothing about, certificates that follow their files, and
//! authorities that are believed no longer than they are there.

mod testssl;

use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use tidegate_mock::tls::Ca;

use crate::frame::{Figure, Scale};
use crate::harness::scan::{Scanned, sslyze};
use crate::harness::tls::{Caller, der, put};
use crate::harness::{Setup, World, until};
use crate::load::milliseconds;

/// How long a change may take to show.
const PROMPT: Duration = Duration::from_secs(1);

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let mut figures = scanned(scale).await;
    figures.extend(rotated(scale).await);
    figures.extend(taken_away(scale).await);
    figures
}

async fn scanned(scale: Scale) -> Vec<Figure> {
    let world = World::start(Setup::new().set("log.level", "info")).await;
    let (address, directory) = (world.gateway.data, world.directory.path());
    let mut figures = vec![figure("sslyze", sslyze(address, directory).await)];
    figures.push(match scale {
        Scale::Short => Figure::skipped("testssl.sh", "it takes a minute: `cargo prove` runs it"),
        Scale::Long => figure("testssl.sh", testssl::testssl(address, directory).await),
    });
    let alive = world.gateway.is_alive() && world.log.count("panicked") == 0;
    figures.push(Figure::new(
        "the same process, no panic",
        alive,
        true,
        alive,
    ));
    figures
}

fn figure(scanner: &str, scanned: Scanned) -> Figure {
    match scanned {
        Scanned::Absent(why) => Figure::skipped(scanner, why),
        Scanned::Done(looked, found) => {
            let told = match found.first() {
                None => format!("0 of {looked}"),
                Some(first) => format!("{} of {looked}: {first}", found.len()),
            };
            let what = format!("{scanner}: findings");
            Figure::new(what, told, 0, looked > 20 && found.is_empty())
        }
    }
}

/// How long a new pair takes to be shown.
async fn rotated(scale: Scale) -> Vec<Figure> {
    let world = World::start(Setup::new().set("log.level", "info")).await;
    let caller = Caller::new(world.ca.pem(), None);
    let mut longest = Duration::ZERO;
    let rotations = scale.pick(3, 20);
    for _ in 0..rotations {
        let new = world.ca.server(["localhost", "127.0.0.1"]).unwrap();
        put(world.directory.path(), "gateway", &new);
        let begin = Instant::now();
        until("shown", async || {
            let shown = caller.shown(world.gateway.data).await;
            (shown == Some(der(&new))).then_some(())
        })
        .await;
        longest = longest.max(begin.elapsed());
    }
    vec![Figure::speed(
        scale,
        format!("longest of {rotations} rotations, from the file to the handshake"),
        milliseconds(longest),
        milliseconds(PROMPT),
        longest <= PROMPT,
    )]
}

/// What becomes of clients whose authority is taken away.
async fn taken_away(scale: Scale) -> Vec<Figure> {
    let other = Ca::new().unwrap();
    let pem = other.pem().to_owned();
    let setup = Setup::new()
        .mutual_tls()
        .set("log.level", "info")
        .before_start(move |directory| {
            let file = directory.join("clients-ca.pem");
            let both = std::fs::read_to_string(&file).unwrap() + &pem;
            std::fs::write(file, both).unwrap();
        });
    let world = World::start(setup).await;
    let to = world.gateway.data;
    let leaf = other.client(["platform.internal"]).unwrap();
    let callers = [&rustls::version::TLS12, &rustls::version::TLS13]
        .map(|version| Caller::with(world.ca.pem(), Some(&leaf), &[version], &[b"http/1.1"]));
    let mut resumed = 0;
    let tries = scale.pick(3, 50);
    for caller in &callers {
        for _ in 0..tries {
            let (kind, _) = caller.ask(to).await.unwrap();
            resumed += usize::from(kind != HandshakeKind::Full);
        }
    }
    let mut open = Vec::new();
    for _ in 0..scale.pick(4, 50) {
        let mut raw = callers[1].raw(to).await;
        raw.send("GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        assert_eq!(raw.answer().await.unwrap().status, 404);
        open.push(raw);
    }
    let file = world.directory.path().join("clients-ca.pem");
    std::fs::write(file, world.client_ca.pem()).unwrap();
    let begin = Instant::now();
    for raw in &mut open {
        raw.rest().await;
    }
    let took = begin.elapsed();
    let mut believed = 0;
    for caller in &callers {
        for _ in 0..tries {
            believed += usize::from(caller.ask(to).await.is_ok());
        }
    }
    let all = 2 * tries;
    vec![
        Figure::new(
            format!("sessions resumed by clients with certificates, of {all}"),
            resumed,
            0,
            resumed == 0,
        ),
        Figure::speed(
            scale,
            format!(
                "{} connections of a removed authority are ended within",
                open.len()
            ),
            milliseconds(took),
            milliseconds(PROMPT),
            took <= PROMPT,
        ),
        Figure::new(
            format!("handshakes with a removed authority's certificates, of {all}"),
            believed,
            0,
            believed == 0,
        ),
    ]
}
