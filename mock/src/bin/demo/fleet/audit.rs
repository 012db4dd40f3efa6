//! What a gateway's audit records say of each exchange.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use tidegate_mock::tenants::CONTOSO;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Failure;

/// How one exchange was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The revision of the creator's policy; none if it had none.
    pub(crate) version: Option<u64>,
    pub(crate) decision: String,
}

/// Records by the exchange's correlation id. More than one of an exchange is a fault.
pub(crate) type Records = HashMap<String, Vec<Record>>;

/// The records of a gateway's standard output, while it runs.
pub(crate) struct Audit {
    records: Arc<Mutex<Records>>,
    newest: watch::Receiver<u64>,
    reader: JoinHandle<()>,
}

#[derive(Deserialize)]
struct Line {
    correlation_id: Option<String>,
    decision: String,
    policy_versions: Vec<PolicyVersion>,
}

#[derive(Deserialize)]
struct PolicyVersion {
    tenant: String,
    version: String,
}

impl Audit {
    /// Collects records until the stream ends.
    pub(crate) fn collect(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let records = Arc::new(Mutex::new(Records::new()));
        let (sender, newest) = watch::channel(0);
        let collected = Arc::clone(&records);
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Some((id, record)) = read(&line) else {
                    continue;
                };
                let version = record.version.unwrap_or(0);
                let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
                collected.entry(id).or_default().push(record);
                drop(collected);
                sender.send_if_modified(|newest| {
                    let newer = version > *newest;
                    *newest = version.max(*newest);
                    newer
                });
            }
        });
        Self {
            records,
            newest,
            reader,
        }
    }

    /// Waits until an exchange was decided by this revision or a later one.
    pub(crate) async fn reaches(&self, revision: u64) -> Result<(), Failure> {
        let mut newest = self.newest.clone();
        let reached = newest.wait_for(|newest| *newest >= revision).await;
        reached.map(drop).map_err(|_| "it wrote no more".into())
    }

    /// All records, once the gateway has ended.
    pub(crate) async fn finish(self) -> Result<Records, Failure> {
        self.reader.await?;
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut records))
    }
}

fn read(line: &str) -> Option<(String, Record)> {
    let line: Line = serde_json::from_str(line).ok()?;
    let versions = line.policy_versions;
    let creator = versions
        .into_iter()
        .find(|version| version.tenant == CONTOSO);
    let record = Record {
        version: creator.and_then(|version| version.version.parse().ok()),
        decision: line.decision,
    };
    Some((line.correlation_id?, record))
}

#[cfg(test)]
mod tests {
    use super::{Record, read};

    #[test]
    fn a_record_tells_the_creators_version() {
        let line = |versions: &str| {
            format!(
                r#"{{"correlation_id":"c-1","decision":"block","policy_versions":[{versions}],"x":1}}"#
            )
        };
        let decided = |version| {
            let decision = "block".to_owned();
            Some(("c-1".to_owned(), Record { version, decision }))
        };
        let others = r#"{"tenant":"22222222-2222-4222-8222-222222222222","version":"9"}"#;
        let both = format!(
            r#"{others},{{"tenant":"11111111-1111-4111-8111-111111111111","version":"7"}}"#
        );
        assert_eq!(read(&line(&both)), decided(Some(7)));
        assert_eq!(read(&line(others)), decided(None));
        assert_eq!(read(&line("")), decided(None));
        assert_eq!(read("no record"), None);
        assert_eq!(read(r#"{"event":"policy_change"}"#), None);
    }
}
