//! One record, as far as it is shown. A line that is none has no reading.

use jiff::Timestamp;
use serde::Deserialize;

/// A record. Texts are as they stand in the line: hostile, until they are shown.
#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) time: Timestamp,
    pub(super) decision: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) route: Option<String>,
    pub(super) connector: Option<String>,
    pub(super) creator_tenant: Option<String>,
    pub(super) sign_in_tenant: Option<String>,
    /// Of what is no exchange, like `policy_change`.
    pub(super) event: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) caller: Option<Caller>,
    pub(super) before: Option<Text>,
    pub(super) after: Option<Text>,
}

/// Who asked.
#[derive(Deserialize)]
pub(super) struct Caller {
    pub(super) tenant: Option<String>,
    pub(super) object_id: Option<String>,
    pub(super) app_id: Option<String>,
    pub(super) name: Option<String>,
}

/// One text of a policy.
#[derive(Deserialize)]
pub(super) struct Text {
    pub(super) version: Option<String>,
}

impl Record {
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let line = line.trim_ascii();
        // A list would be read by position.
        let record: Self = line
            .starts_with(b"{")
            .then(|| serde_json::from_slice(line).ok())??;
        (record.decision.is_some() || record.event.is_some()).then_some(record)
    }
}
