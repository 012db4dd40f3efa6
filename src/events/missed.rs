//! What a writer that was killed had not written yet, read from the audit lines.
//!
//! A line tells of an event that is missing if it ended about when the last transaction was made,
//! or later, and its decision id is not among those of the last transactions.
//!
//! Invariant: no event is counted twice.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::gather::{Id, Item, Subject};
use crate::core::tenant::TenantId;

/// How far the line of an exchange and its transaction can be out of order, in milliseconds.
pub(super) const SKEW: i64 = 5_000;

/// How much of the file's end is read: more only if that does not reach back far enough.
const TAILS: [u64; 3] = [1 << 20, 16 << 20, 128 << 20];

/// What the lines tell.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// Exchanges that the store does not have.
    pub(super) items: Vec<Item>,
    /// Whether the lines reach back to the last transaction: then there are no others but those
    /// whose line was lost as well.
    pub(super) whole: bool,
    /// When the last of them ended, in milliseconds.
    pub(super) last: Option<i64>,
}

/// Reads what is missing since a transaction at `since` milliseconds; `known` are the decision ids
/// of the last transactions, one after another.
pub(super) fn missed(lines: &Path, since: i64, known: &[u8]) -> io::Result<Missed> {
    let mut file = File::open(lines)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Missed::default());
    }
    let known: HashSet<&[u8]> = known.chunks_exact(size_of::<Id>()).collect();
    let mut missed = Missed::default();
    for tail in TAILS {
        let begin = metadata.len().saturating_sub(tail);
        let text = read(&mut file, begin)?;
        missed = look(&text, since, &known);
        if missed.whole || begin == 0 {
            break;
        }
    }
    Ok(missed)
}

/// Reads from a byte on, and leaves out the line that began before it.
fn read(file: &mut File, begin: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(begin.saturating_sub(1)))?;
    let mut text = Vec::new();
    file.take(TAILS.iter().sum()).read_to_end(&mut text)?;
    if begin > 0 {
        let end = memchr::memchr(b'\n', &text).map_or(text.len(), |at| at + 1);
        text.drain(..end);
    }
    Ok(text)
}

fn look(text: &[u8], since: i64, known: &HashSet<&[u8]>) -> Missed {
    let mut missed = Missed::default();
    let mut seen: HashSet<Uuid> = HashSet::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
            continue;
        };
        let time = line.time.as_millisecond();
        missed.whole |= time <= since;
        missed.last = missed.last.max(Some(time));
        let old = time < since.saturating_sub(SKEW);
        if old || known.contains(line.decision_id.as_bytes().as_slice()) {
            continue;
        }
        if seen.insert(line.decision_id) {
            missed.items.push(line.into());
        }
    }
    missed
}

/// What is counted of a line.
#[derive(Deserialize)]
struct Line<'l> {
    time: Timestamp,
    decision_id: Uuid,
    #[serde(borrow)]
    route: Cow<'l, str>,
    connector: Option<String>,
    #[serde(borrow)]
    decision: Cow<'l, str>,
    #[serde(borrow)]
    reason: Cow<'l, str>,
    creator_tenant: Option<String>,
    sign_in_tenant: Option<String>,
    app_id: Option<Uuid>,
    user_object_id: Option<Uuid>,
}

impl From<Line<'_>> for Item {
    fn from(line: Line<'_>) -> Self {
        let tenant = |text: Option<&String>| {
            let tenant = TenantId::parse(text?).ok()?;
            Some(*tenant.as_bytes())
        };
        Self {
            time: line.time.as_millisecond(),
            id: line.decision_id,
            subject: Subject {
                creator: tenant(line.creator_tenant.as_ref()),
                sign_in: tenant(line.sign_in_tenant.as_ref()),
                connector: line.connector,
                app: line.app_id.map(Uuid::into_bytes),
                route: Cow::Owned(line.route.into_owned()),
            },
            decision: Cow::Owned(line.decision.into_owned()),
            reason: Cow::Owned(line.reason.into_owned()),
            // Of tokens that disagree nobody is the one who signed in.
            user: line
                .user_object_id
                .filter(|_| line.sign_in_tenant.is_some())
                .map(Uuid::into_bytes),
        }
    }
}
