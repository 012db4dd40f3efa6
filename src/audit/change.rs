//! What somebody asked of a tenant's policy or reports: one record for each attempt to change the
//! policy or to make a report, and for each refused attempt to read either.
//!
//! Invariant: it is written exactly once, when it is dropped. It has no field that could hold a
//! token, and holds documents of a change that was made (or may have been, by `outcome_unknown`),
//! never of one that was refused.

use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::line::identifier;
use super::{Audit, bounded};
use crate::core::policy::Version;
use crate::core::tenant::TenantId;
use crate::core::token::verified::Verified;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// To change a policy.
    Change,
    /// To read a policy.
    Read,
    /// To make a report.
    ReportCreate,
    /// To read reports.
    ReportRead,
}

impl Event {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Change => "policy_change",
            Self::Read => "policy_read",
            Self::ReportCreate => "report_create",
            Self::ReportRead => "report_read",
        }
    }
}

/// A request about a policy, under way. Dropping it writes its record.
pub struct PolicyRequest {
    audit: Audit,
    event: Event,
    started: Instant,
    id: Uuid,
    /// Whose policy it is about, once known.
    pub tenant: Option<TenantId>,
    /// Who asks, once known.
    pub caller: Option<Who>,
    /// The client's `client-request-id`, if it sent a sound one.
    pub correlation_id: Option<String>,
    /// What stood there, of a change that was made or may have been.
    pub before: Option<Text>,
    /// What stands there now, of a change that was made or may have been.
    pub after: Option<Text>,
    ending: Ending,
}

/// How a request ended.
struct Ending {
    outcome: &'static str,
    reason: &'static str,
    status: Option<u16>,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Who {
    /// Somebody of a tenant, by a verified token.
    Administrator {
        /// Their tenant.
        tenant: TenantId,
        /// The account's object id.
        object_id: Option<String>,
        /// The application that asked for the account.
        app_id: Option<String>,
    },
    /// Who runs the gateway.
    Operator {
        /// A certificate's name, or the name of the setting that let them in.
        name: String,
    },
}

impl Who {
    /// The holder of a token.
    pub fn holder(token: &Verified) -> Self {
        let owned = |id: &Option<String>| identifier(id.as_deref()).map(str::to_owned);
        Self::Administrator {
            tenant: token.tenant(),
            object_id: owned(&token.token().user_object_id),
            app_id: owned(&token.token().app_id),
        }
    }
}

/// One text of a policy.
#[derive(Clone, Debug, Serialize)]
pub struct Text {
    /// Its entity tag, without quotes.
    etag: String,
    #[serde(serialize_with = "number")]
    version: Version,
    document: Option<Box<RawValue>>,
}

impl Text {
    /// A text as it is stored.
    pub fn new(etag: &str, version: Version, bytes: &[u8]) -> Self {
        // A record is one line. Within a JSON string no line can end.
        let line: Vec<u8> = bytes
            .iter()
            .map(|byte| {
                if matches!(byte, b'\n' | b'\r') {
                    b' '
                } else {
                    *byte
                }
            })
            .collect();
        let document = String::from_utf8(line)
            .ok()
            .and_then(|line| RawValue::from_string(line).ok());
        Self {
            etag: etag.trim_matches('"').to_owned(),
            version,
            document,
        }
    }
}

fn number<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(version)
}

impl PolicyRequest {
    /// Opens a record.
    pub fn open(audit: Audit, event: Event) -> Self {
        Self {
            audit,
            event,
            started: Instant::now(),
            id: Uuid::now_v7(),
            tenant: None,
            caller: None,
            correlation_id: None,
            before: None,
            after: None,
            ending: Ending {
                outcome: "error",
                reason: "client_gone",
                status: None,
            },
        }
    }

    /// Notes that the policy is as it was asked for, and whether it had been so before.
    pub fn done(&mut self, unchanged: bool, status: u16) {
        let outcome = if unchanged { "unchanged" } else { "changed" };
        self.ending = Ending {
            outcome,
            reason: "put",
            status: Some(status),
        };
    }

    /// Notes that there is a report, and whether it was made now.
    pub fn reported(&mut self, is_new: bool, status: u16) {
        let outcome = if is_new { "created" } else { "unchanged" };
        self.ending = Ending {
            outcome,
            reason: "post",
            status: Some(status),
        };
    }

    /// Notes that nothing was changed: the caller's fault below 500, ours from there on.
    pub fn refused(&mut self, reason: &'static str, status: u16) {
        self.ending = Ending {
            outcome: if status < 500 { "refused" } else { "error" },
            reason,
            status: Some(status),
        };
    }
}

#[derive(Serialize)]
struct Line<'r> {
    time: Timestamp,
    event: &'static str,
    request_id: Uuid,
    tenant: Option<TenantId>,
    caller: Option<&'r Who>,
    outcome: &'static str,
    reason: &'static str,
    before: Option<&'r Text>,
    after: Option<&'r Text>,
    correlation_id: Option<&'r str>,
    status: Option<u16>,
    duration_us: u128,
}

impl Drop for PolicyRequest {
    fn drop(&mut self) {
        let Ending {
            outcome,
            reason,
            status,
        } = self.ending;
        self.audit.write(&Line {
            time: Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH),
            event: self.event.as_str(),
            request_id: self.id,
            tenant: self.tenant,
            caller: self.caller.as_ref(),
            outcome,
            reason,
            before: self.before.as_ref(),
            after: self.after.as_ref(),
            correlation_id: self.correlation_id.as_deref().map(bounded),
            status,
            duration_us: self.started.elapsed().as_micros(),
        });
    }
}
