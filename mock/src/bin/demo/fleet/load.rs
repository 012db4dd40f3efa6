//! Clients that exchange tokens at every gateway, all the time.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_mock::tenants::{CONTOSO, FABRIKAM};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::judge::Effect;
use super::stage::Stage;
use crate::Failure;
use crate::client::Client;

/// Clients of one gateway.
pub(crate) const CLIENTS: u32 = 2;

/// How often each of them begins an exchange, if the last one has ended.
pub(crate) const EVERY: Duration = Duration::from_millis(10);

/// Far more than an exchange takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// An exchange as its client saw it.
pub(crate) struct Exchange {
    /// Which gateway was asked.
    pub(crate) gateway: usize,
    /// Its correlation id; empty if there was no answer.
    pub(crate) id: String,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    /// What the client got, or why it is neither tokens nor a refusal.
    pub(crate) answer: Result<Effect, String>,
}

/// Clients at work.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    clients: JoinSet<Vec<Exchange>>,
}

impl Load {
    /// Sends clients to each gateway.
    pub(crate) fn start(stage: &Stage) -> Result<Self, Failure> {
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for (gateway, running) in stage.gateways.iter().enumerate() {
            let url = format!("{}/common/oauth2/v2.0/token", running.url());
            for number in 0..CLIENTS {
                let client = Client::new(&stage.ca)?;
                let (url, stopped) = (url.clone(), stopped.clone());
                // Not all at the same moment.
                let first = EVERY * number / CLIENTS;
                clients.spawn(work(client, gateway, url, first, stopped));
            }
        }
        Ok(Self { stop, clients })
    }

    /// All exchanges; those on their way are waited for.
    pub(crate) async fn finish(mut self) -> Result<Vec<Exchange>, Failure> {
        self.stop.send_replace(true);
        let mut all = Vec::new();
        while let Some(exchanges) = self.clients.join_next().await {
            all.extend(exchanges?);
        }
        Ok(all)
    }
}

async fn work(
    client: Client,
    gateway: usize,
    url: String,
    first: Duration,
    stopped: watch::Receiver<bool>,
) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    let mut every = tokio::time::interval_at(tokio::time::Instant::now() + first, EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        every.tick().await;
        exchanges.push(exchange(&client, gateway, &url).await);
    }
    exchanges
}

async fn exchange(client: &Client, gateway: usize, url: &str) -> Exchange {
    let code = format!("for:{FABRIKAM}");
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "demo-application"),
        ("client_secret", "the application's secret"),
        ("code", &code),
    ];
    let started = Instant::now();
    let asked = tokio::time::timeout(PATIENCE, client.post(url, Some(CONTOSO), &form)).await;
    let ended = Instant::now();
    let (id, answer) = match asked {
        Ok(Ok(answer)) => (answer.correlation_id, effect(answer.status, &answer.body)),
        Ok(Err(error)) => (String::new(), Err(error.to_string())),
        Err(_) => (String::new(), Err(format!("no answer within {PATIENCE:?}"))),
    };
    Exchange {
        gateway,
        id,
        started,
        ended,
        answer,
    }
}

/// What an answer is to its client.
fn effect(status: u16, body: &Value) -> Result<Effect, String> {
    let tokens = body.get("access_token").is_some_and(Value::is_string);
    let refused = body.get("error").is_some_and(Value::is_string);
    match (status, tokens, refused) {
        (200, true, false) => Ok(Effect::Allow),
        (403, false, true) => Ok(Effect::Block),
        _ => Err(format!(
            "answered {status}, tokens: {tokens}, error: {refused}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Effect, effect};

    #[test]
    fn an_answer_is_tokens_or_a_refusal_or_a_failure() {
        let (tokens, refusal) = (json!({ "access_token": "t" }), json!({ "error": "e" }));
        let both = json!({ "access_token": "t", "error": "e" });
        assert_eq!(effect(200, &tokens), Ok(Effect::Allow));
        assert_eq!(effect(403, &refusal), Ok(Effect::Block));
        for (status, body) in [
            (403, &tokens),
            (403, &both),
            (200, &refusal),
            (503, &refusal),
            (502, &json!("text")),
        ] {
            assert!(effect(status, body).is_err(), "{status} {body}");
        }
    }
}
