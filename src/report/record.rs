//! One audit record, as far as a report needs it.
//!
//! Invariant: a member that the report needs is read, or the record is unreadable; what a record of
//! something else than an exchange says is not looked at.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use uuid::Uuid;

use super::Ending;
use crate::core::tenant::TenantId;

/// What a line is.
#[derive(Debug)]
pub enum Reading<'l> {
    /// An empty line.
    Blank,
    /// The record of something else than an exchange, like a change of a policy.
    Event,
    /// An exchange.
    Exchange(Record<'l>),
}

/// An exchange's record.
#[derive(Debug)]
pub struct Record<'l> {
    /// When it ended.
    pub time: Timestamp,
    /// What tells it from every other.
    pub id: Uuid,
    /// How it ended.
    pub ending: Ending,
    /// Why.
    pub reason: Cow<'l, str>,
    /// The creator tenant.
    pub creator: Option<TenantId>,
    /// The sign-in tenant.
    pub sign_in: Option<TenantId>,
    /// The connector's label.
    pub connector: Option<Cow<'l, str>>,
    /// The application that the token was issued to.
    pub app: Option<Uuid>,
    /// The account that signed in.
    pub user: Option<Uuid>,
}

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow, default)]
    event: Option<Cow<'l, str>>,
    time: Option<Timestamp>,
    decision_id: Option<Uuid>,
    #[serde(borrow)]
    decision: Option<Cow<'l, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'l, str>>,
    #[serde(default, deserialize_with = "tenant")]
    creator_tenant: Option<Option<TenantId>>,
    #[serde(default, deserialize_with = "tenant")]
    sign_in_tenant: Option<Option<TenantId>>,
    #[serde(borrow, default)]
    connector: Option<Cow<'l, str>>,
    #[serde(default)]
    app_id: Option<Uuid>,
    #[serde(default)]
    user_object_id: Option<Uuid>,
}

/// Reads one line.
///
/// # Errors
/// Why it is no record, in a few words.
pub fn read(line: &[u8]) -> Result<Reading<'_>, String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(Reading::Blank);
    }
    // A list would be read by position.
    if !line.starts_with(b"{") {
        return Err("not a JSON object".to_owned());
    }
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if line.event.is_some() {
        return Ok(Reading::Event);
    }
    let word = line.decision.ok_or("no `decision`")?;
    Ok(Reading::Exchange(Record {
        time: line.time.ok_or("no `time`")?,
        id: line.decision_id.ok_or("no `decision_id`")?,
        ending: Ending::of(&word).ok_or("`decision` is none of the decisions")?,
        reason: line.reason.ok_or("no `reason`")?,
        creator: line.creator_tenant.ok_or("no `creator_tenant`")?,
        sign_in: line.sign_in_tenant.ok_or("no `sign_in_tenant`")?,
        connector: line.connector,
        app: line.app_id,
        user: line.user_object_id,
    }))
}

/// A member that is there, null or not.
fn tenant<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<TenantId>>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    let tenant = text.map(|text| TenantId::parse(&text).map_err(de::Error::custom));
    tenant.transpose().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"2026-11-01T08:00:00Z","decision_id":"019a0000-0000-7000-8000-000000000001","route":"token","connector":"a\u001bb","mode":"enforce","decision":"allow","reason":"both_allow","creator_tenant":"11111111-1111-4111-8111-111111111111","sign_in_tenant":null,"app_id":null,"user_object_id":"33333333-3333-4333-8333-333333333333"}"#;

    #[test]
    fn a_record_is_read_or_said_to_be_none() {
        let Ok(Reading::Exchange(record)) = read(LINE.as_bytes()) else {
            panic!("an exchange");
        };
        assert_eq!(record.ending, Ending::Allow);
        assert_eq!(record.connector.as_deref(), Some("a\u{1b}b"));
        assert_eq!((record.sign_in, record.app), (None, None));
        assert!(record.creator.is_some() && record.user.is_some());

        assert!(matches!(read(b" \r"), Ok(Reading::Blank)));
        assert!(matches!(
            read(br#"{"event":"policy_change"}"#),
            Ok(Reading::Event)
        ));
        for (from, to) in [
            (r#""time":"2026-11-01T08:00:00Z","#, ""),
            ("2026-11-01T08", "2026-11-31T08"),
            ("-000000000001", "-00000000000"),
            (r#""allow""#, r#""allowed""#),
            (r#""decision":"allow","#, ""),
            (r#""reason":"both_allow","#, ""),
            (r#""sign_in_tenant":null,"#, ""),
            ("11111111-1111-4111-8111-111111111111", "contoso.com"),
            (
                "11111111-1111-4111-8111-111111111111",
                "00000000-0000-0000-0000-000000000000",
            ),
            ("}", "},"),
            ("}", ""),
            (r#""decision":"#, r#""decision":"block","decision":"#),
        ] {
            let line = LINE.replace(from, to);
            assert_ne!(line, LINE, "{from}");
            assert!(read(line.as_bytes()).is_err(), "{line}");
        }
        assert!(read(b"[]").is_err() && read(b"\xff").is_err() && read(b"{}").is_err());
    }
}
