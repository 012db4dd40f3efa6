//! Good traffic: exchanges one after the other on a few connections, timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::harness::{COMMON, CONTOSO, World};

/// Between two exchanges of one client.
const PAUSE: Duration = Duration::from_millis(4);

/// Good traffic that goes on until it is asked for.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Taken>>,
}

/// What good traffic came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// How long each answered exchange took.
    times: Vec<Duration>,
    /// What was answered otherwise, or not at all.
    pub(crate) lost: Vec<String>,
}

impl Load {
    /// So many clients, half of them over HTTP/2.
    pub(crate) fn start(world: &World, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let url = format!("{}{COMMON}", world.url());
        let client = |index: usize| {
            let form = world.exchange(None, CONTOSO).form_text();
            let request = world
                .client(index % 2 == 1)
                .post(&url)
                .header("x-ms-client-tenant-id", CONTOSO)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form)
                .timeout(Duration::from_secs(20));
            tokio::spawn(exchange_until(Arc::clone(&stop), request))
        };
        Self {
            clients: (0..clients).map(client).collect(),
            stop,
        }
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> Taken {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Taken::default();
        for client in self.clients {
            let taken = client.await.unwrap();
            all.times.extend(taken.times);
            all.lost.extend(taken.lost);
        }
        all.times.sort_unstable();
        all
    }
}

async fn exchange_until(stop: Arc<AtomicBool>, request: reqwest::RequestBuilder) -> Taken {
    let mut taken = Taken::default();
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let sent = request.try_clone().unwrap().send().await;
        let whole = match sent {
            Ok(answer) if answer.status() == 200 => answer.bytes().await.map(drop),
            Ok(answer) => {
                taken.lost.push(answer.status().to_string());
                continue;
            }
            Err(error) => Err(error),
        };
        match whole {
            Ok(()) => taken.times.push(begin.elapsed()),
            Err(error) => taken.lost.push(format!("{:?}", error.without_url())),
        }
        tokio::time::sleep(PAUSE).await;
    }
    taken
}

impl Taken {
    /// How many were answered as they should be.
    pub(crate) fn good(&self) -> usize {
        self.times.len()
    }

    /// The time that so many in a hundred did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.times.len() * percent).div_ceil(100);
        self.times[rank.saturating_sub(1)]
    }

    /// `4321 of 4321`.
    pub(crate) fn answered(&self) -> String {
        format!("{} of {}", self.good(), self.good() + self.lost.len())
    }
}

/// A time in milliseconds.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
