//! Requests to members of etcd, as JSON over HTTP: the same calls that gateways make over gRPC,
//! written apart from theirs.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Failure;

/// How long one member may take for one answer, before another one is asked.
const ANSWER: Duration = Duration::from_secs(2);

/// How long all of them together may take, elections included.
const PATIENCE: Duration = Duration::from_secs(60);

/// The pause before all are asked again.
const AGAIN: Duration = Duration::from_millis(20);

/// Speaks to whichever member answers.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoints: Vec<String>,
}

impl Client {
    pub(super) fn new(endpoints: Vec<String>) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER)
            .build()?;
        Ok(Self { http, endpoints })
    }

    pub(super) fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Writes a key that was written last at a revision (0: never), and returns the new revision.
    ///
    /// It is written once, however often it takes to hear of it: a member that was killed may have
    /// written it and not have said so.
    pub(crate) async fn put(&self, key: &str, value: &[u8], after: u64) -> Result<u64, Failure> {
        let (key, value) = (STANDARD.encode(key), STANDARD.encode(value));
        let request = json!({
            "compare": [{
                "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": after.to_string(),
            }],
            "success": [{ "request_put": { "key": key, "value": value } }],
            "failure": [{ "request_range": { "key": key } }],
        });
        let answer = self
            .any("a policy is written", async |endpoint| {
                self.ask(endpoint, "/v3/kv/txn", &request).await
            })
            .await?;
        revision(&answer, &value).ok_or_else(|| format!("etcd answered {answer}").into())
    }

    /// The number of the member that leads.
    pub(super) async fn leader(&self) -> Result<usize, Failure> {
        let found = self.any("a member leads", async |endpoint| {
            let status = self
                .ask(endpoint, "/v3/maintenance/status", &json!({}))
                .await?;
            let leads = status.get("leader")? == status.get("header")?.get("member_id")?;
            leads.then_some(endpoint)
        });
        let found = found.await?;
        let number = self.endpoints.iter().position(|endpoint| endpoint == found);
        number.ok_or_else(|| "no member leads".into())
    }

    /// Waits until every member says that it takes part.
    pub(super) async fn healthy(&self) -> Result<(), Failure> {
        for own in &self.endpoints {
            let what = format!("{own} takes part");
            self.any(&what, async |_| {
                let asked = self.http.get(format!("{own}/health")).send();
                let health: Value = asked.await.ok()?.json().await.ok()?;
                (health.get("health")? == "true").then_some(())
            })
            .await?;
        }
        Ok(())
    }

    /// The first answer of any member.
    async fn any<'a, T>(
        &'a self,
        what: &str,
        ask: impl AsyncFn(&'a String) -> Option<T>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            for endpoint in &self.endpoints {
                if let Some(answer) = ask(endpoint).await {
                    return Ok(answer);
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
        Err(format!("not within {PATIENCE:?}: {what}").into())
    }

    async fn ask(&self, endpoint: &str, path: &str, request: &Value) -> Option<Value> {
        let asked = self.http.post(format!("{endpoint}{path}")).json(request);
        let answer = asked.send().await.ok()?.error_for_status().ok()?;
        answer.json().await.ok()
    }
}

/// At which revision the value was written: now, or by a request whose answer got lost.
fn revision(answer: &Value, value: &str) -> Option<u64> {
    if answer
        .get("succeeded")
        .is_some_and(|written| written == true)
    {
        return number(answer.get("header")?.get("revision")?);
    }
    let found = answer.pointer("/responses/0/response_range/kvs/0")?;
    (found.get("value")? == value).then(|| number(found.get("mod_revision")?))?
}

/// A number as etcd's JSON has it: a text.
fn number(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::revision;

    #[test]
    fn a_write_whose_answer_got_lost_is_found() {
        let written = json!({ "header": { "revision": "7" }, "succeeded": true });
        assert_eq!(revision(&written, "djE="), Some(7));
        let before = json!({
            "header": { "revision": "9" },
            "responses": [{ "response_range": {
                "kvs": [{ "mod_revision": "7", "value": "djE=" }],
            } }],
        });
        assert_eq!(revision(&before, "djE="), Some(7));
        assert_eq!(revision(&before, "djI="), None, "somebody else's");
        assert_eq!(
            revision(&json!({ "header": { "revision": "9" } }), "djE="),
            None
        );
    }
}
