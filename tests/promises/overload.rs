//! Promise 7: above its limits the gateway says so at once, its admin listener goes on, and file
//! descriptors that run out neither spin nor kill it.

mod descriptors;
mod in_flight;

use std::time::{Duration, Instant};

use crate::frame::{Figure, Scale};
use crate::harness::World;

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let mut figures = in_flight::prove(scale).await;
    figures.extend(descriptors::prove(scale).await);
    figures
}

/// What the admin listener answers to anybody, asked again and again, each time on a connection of
/// its own.
struct Probes {
    good: usize,
    all: usize,
    longest: Duration,
}

impl Probes {
    async fn of(world: &World, rounds: usize) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let mut probes = Self {
            good: 0,
            all: 0,
            longest: Duration::ZERO,
        };
        for _ in 0..rounds {
            for path in ["/livez", "/readyz", "/metrics", "/keys"] {
                let begin = Instant::now();
                let asked = client
                    .get(format!("http://{}{path}", world.gateway.admin))
                    .timeout(Duration::from_secs(5))
                    .send();
                let good = asked.await.is_ok_and(|answer| answer.status() == 200);
                probes.good += usize::from(good);
                probes.all += 1;
                probes.longest = probes.longest.max(begin.elapsed());
            }
        }
        probes
    }

    fn figure(&self) -> Figure {
        Figure::new(
            "admin listener meanwhile",
            format!("{} of {} answered 200", self.good, self.all),
            "all",
            self.good == self.all,
        )
    }
}
