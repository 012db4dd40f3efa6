//! More exchanges than may be under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Probes;
use crate::frame::{Figure, Scale};
use crate::harness::{BareProvider, COMMON, CONTOSO, Setup, World, until};
use crate::load::milliseconds;

/// Exchanges that may be under way.
const LIMIT: i64 = 8;

/// Clients beyond those.
const CLIENTS: usize = 16;

/// How long a refusal may take.
const PROMPT: Duration = Duration::from_millis(50);

/// What one client saw.
#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    others: Vec<String>,
}

pub(super) async fn prove(scale: Scale) -> Vec<Figure> {
    // A provider that never answers.
    let provider = BareProvider::start().await;
    let setup = Setup::new()
        .set("limits.in_flight", LIMIT)
        .set("limits.upstream_timeout", "10m")
        .set("log.level", "info")
        .set("providers.entra.authority", provider.url())
        .set("providers.entra.insecure_plaintext", true);
    let world = World::start(setup).await;
    let mut held = Vec::new();
    for _ in 0..LIMIT {
        held.push(tokio::spawn(request(&world).send()));
    }
    until("all under way", async || {
        (provider.requests() == usize::try_from(LIMIT).unwrap()).then_some(())
    })
    .await;

    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| tokio::spawn(refused_until(Arc::clone(&stop), request(&world))))
        .collect();
    let probes = Probes::of(&world, scale.pick(50, 500)).await;
    stop.store(true, Ordering::Relaxed);
    let mut all = Seen::default();
    for client in clients {
        let seen = client.await.unwrap();
        all.times.extend(seen.times);
        all.others.extend(seen.others);
    }
    held.iter().for_each(|task| task.abort());
    all.times.sort_unstable();
    let percentile = |percent: usize| all.times[(all.times.len() - 1) * percent / 100];
    let forwarded = provider.requests();
    let total = all.times.len() + all.others.len();
    vec![
        Figure::new(
            "above in_flight: 503 with retry-after",
            format!("{} of {total} {:?}", all.times.len(), all.others.first()),
            "all",
            all.others.is_empty(),
        ),
        Figure::speed(
            scale,
            "99 in 100 of them within",
            milliseconds(percentile(99)),
            milliseconds(PROMPT),
            percentile(99) <= PROMPT,
        ),
        Figure::new(
            "requests that reached the provider",
            forwarded,
            LIMIT,
            i64::try_from(forwarded) == Ok(LIMIT),
        ),
        probes.figure(),
        Figure::speed(
            scale,
            "its slowest answer",
            milliseconds(probes.longest),
            "1000.00 ms",
            probes.longest <= Duration::from_secs(1),
        ),
    ]
}

fn request(world: &World) -> reqwest::RequestBuilder {
    world
        .client(false)
        .post(format!("{}{COMMON}", world.url()))
        .header("x-ms-client-tenant-id", CONTOSO)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(world.exchange(None, CONTOSO).form_text())
}

async fn refused_until(stop: Arc<AtomicBool>, request: reqwest::RequestBuilder) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        match request.try_clone().unwrap().send().await {
            Ok(answer)
                if answer.status() == 503 && answer.headers().contains_key("retry-after") =>
            {
                seen.times.push(begin.elapsed());
            }
            Ok(answer) => seen.others.push(answer.status().to_string()),
            Err(error) => seen.others.push(format!("{:?}", error.without_url())),
        }
    }
    seen
}
