//! One audit record, as far as it can be decided again.
//!
//! Invariant: a member that the decision needs is read, or the record is unreadable; a creator
//! tenant that is null is a connection without a client tenant id, one that is missing is a fault.

use jiff::Timestamp;
use serde::de::{self, Deserialize, Deserializer};

use crate::compare::Decided;
use crate::core::isolation::Reason;
use crate::core::policy::Mode;
use crate::core::tenant::TenantId;

/// What a line is.
pub(super) enum Reading<'l> {
    /// An empty line.
    Blank,
    /// An exchange that the rule decided about.
    Exchange(Exchange<'l>),
    /// A record of something that policies do not decide.
    NotDecided(NotDecided),
}

/// What policies do not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NotDecided {
    /// It ended in an error.
    Error,
    /// It is the record of an event, like a change of a policy.
    Event,
    /// Not an Entra token, from a provider declared so.
    NonEntra,
    /// No token named a tenant.
    NoSignInTenant,
    /// It was refused because a policy could not be read.
    PolicyUnreadable,
}

/// An exchange that the rule decided about.
pub(super) struct Exchange<'l> {
    pub(super) time: Timestamp,
    pub(super) mode: Mode,
    pub(super) creator: Option<TenantId>,
    pub(super) sign_in: TenantId,
    pub(super) connector: Option<Text<'l>>,
    pub(super) decided: Decided,
}

/// A text, borrowed where it holds no escapes.
pub(super) struct Text<'l>(std::borrow::Cow<'l, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(serde::Deserialize)]
struct Record<'l> {
    #[serde(borrow, default)]
    event: Option<Text<'l>>,
    time: Option<Timestamp>,
    #[serde(borrow)]
    mode: Option<Text<'l>>,
    #[serde(borrow)]
    decision: Option<Text<'l>>,
    #[serde(borrow, default)]
    reason: Option<Text<'l>>,
    #[serde(default, deserialize_with = "present")]
    creator_tenant: Option<Option<Tenant>>,
    #[serde(default, deserialize_with = "present")]
    sign_in_tenant: Option<Option<Tenant>>,
    #[serde(borrow, default)]
    connector: Option<Text<'l>>,
}

struct Tenant(TenantId);

/// Reads one line.
///
/// # Errors
/// Why it is no record, in a few words.
pub(super) fn read(line: &[u8]) -> Result<Reading<'_>, String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(Reading::Blank);
    }
    // A list would be read by position.
    if !line.starts_with(b"{") {
        return Err("not a JSON object".to_owned());
    }
    let record: Record<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if record.event.is_some() {
        return Ok(Reading::NotDecided(NotDecided::Event));
    }
    let decision = record.decision.as_ref().map(Text::as_str);
    let decided = match decision.ok_or("no `decision`")? {
        "allow" => Decided::Allow,
        "block" => Decided::Block,
        "would_block" => Decided::WouldBlock,
        "error" => {
            let reason = record.reason.as_ref().map(Text::as_str);
            let unreadable = Reason::PolicyUnreadable.as_str();
            return Ok(Reading::NotDecided(if reason == Some(unreadable) {
                NotDecided::PolicyUnreadable
            } else {
                NotDecided::Error
            }));
        }
        "pass_non_entra" => return Ok(Reading::NotDecided(NotDecided::NonEntra)),
        _ => return Err("`decision` is none of the decisions".to_owned()),
    };
    let Some(Tenant(sign_in)) = record.sign_in_tenant.ok_or("no `sign_in_tenant`")? else {
        return Ok(Reading::NotDecided(NotDecided::NoSignInTenant));
    };
    let creator = record.creator_tenant.ok_or("no `creator_tenant`")?;
    let mode = match record.mode.as_ref().map(Text::as_str) {
        Some("enforce") => Mode::Enforce,
        Some("report-only") => Mode::ReportOnly,
        _ => return Err("`mode` is none of the modes".to_owned()),
    };
    Ok(Reading::Exchange(Exchange {
        time: record.time.ok_or("no `time`")?,
        mode,
        creator: creator.map(|Tenant(tenant)| tenant),
        sign_in,
        connector: record.connector,
        decided,
    }))
}

/// A member that is there, null or not.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Tenant>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl<'de: 'l, 'l> Deserialize<'de> for Text<'l> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl<'de> Deserialize<'de> for Tenant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let tenant = TenantId::parse(text.as_str());
        tenant.map(Tenant).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
