//! Opens the store, whatever state it was left in.
//!
//! Invariant: a damaged store is never written to, nor deleted; what follows a kill is looked at
//! before it is added to.

use std::path::PathBuf;

use super::error::Error;
use super::file::{Lock, set_aside};
use super::gap::Gap;
use super::gather::Item;
use super::missed::{Missed, missed};
use super::store::{Left, Store};
use crate::config::{self, AuditMode, AuditOutput};

/// What opening needs. It holds the lock.
pub(super) struct Opening {
    file: PathBuf,
    max_size: u64,
    pub(super) mode: AuditMode,
    /// The file of audit lines, if they go to one.
    lines: Option<PathBuf>,
    lock: Lock,
}

/// A store that can be written.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) gaps: Vec<Gap>,
    /// What its last writer had not written.
    pub(super) items: Vec<Item>,
}

impl Opening {
    /// Takes the lock.
    pub(super) fn new(config: &config::Events, audit: &config::Audit) -> Result<Self, Error> {
        let lines = match &audit.output {
            AuditOutput::File(lines) => Some(lines.clone()),
            AuditOutput::Stdout => None,
        };
        Ok(Self {
            file: config.file.clone(),
            max_size: config.max_size,
            mode: audit.mode,
            lines,
            lock: Lock::take(&config.file)?,
        })
    }

    /// Whether audit lines are in a file.
    pub(super) const fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// Opens the store at the start: nothing of this process is in the audit lines yet.
    pub(super) fn open(&mut self, now: i64) -> Result<Opened, Error> {
        match self.try_open(now) {
            Err(error) if error.is_corrupt() && self.mode == AuditMode::BestEffort => {
                let mut opened = self.begin_anew(now, &error)?;
                let missed = self.missed(0, &[]);
                opened.items = missed.items;
                Ok(opened)
            }
            opened => opened,
        }
    }

    /// Opens the store while the gateway runs: the audit lines tell of events that wait.
    pub(super) fn open_again(&mut self, now: i64) -> Result<Opened, Error> {
        let mut store = Store::open(&self.file, &mut self.lock, self.max_size)?;
        let gaps = match store.left()? {
            Left::Clean => Vec::new(),
            Left::Killed(since) => vec![gap((since, now), "killed")],
        };
        store.begin(now)?;
        let items = Vec::new();
        Ok(Opened { store, gaps, items })
    }

    /// Sets a damaged store aside and makes a new one.
    pub(super) fn begin_anew(&mut self, now: i64, why: &Error) -> Result<Opened, Error> {
        let aside = set_aside(&self.file, now).map_err(|error| Error::Io {
            file: self.file.clone(),
            error,
        })?;
        tracing::error!(
            error = %why, aside = %aside.display(),
            "the store of decision events is damaged: set aside, and a new one begun"
        );
        let mut opened = self.open_again(now)?;
        opened.gaps.push(gap((0, now), "corrupt"));
        Ok(opened)
    }

    fn try_open(&mut self, now: i64) -> Result<Opened, Error> {
        let mut store = Store::open(&self.file, &mut self.lock, self.max_size)?;
        let Left::Killed(since) = store.left()? else {
            store.begin(now)?;
            let again = store.made_again;
            let gaps = again.then(|| gap((0, now), "removed"));
            return Ok(Opened {
                store,
                gaps: Vec::from_iter(gaps),
                items: Vec::new(),
            });
        };
        store.examine()?;
        store.begin(now)?;
        let missed = self.missed(since, &store.remembered()?);
        let start = missed.last.filter(|_| missed.whole);
        let start = start.map_or(since, |last| last.max(since));
        tracing::warn!(
            taken_in = missed.items.len(),
            whole = missed.whole,
            since,
            "the gateway was killed: decision events of its last second may be lost"
        );
        Ok(Opened {
            store,
            gaps: vec![gap((start, now.max(start)), "killed")],
            items: missed.items,
        })
    }

    /// What the audit lines tell that the store does not have.
    fn missed(&self, since: i64, known: &[u8]) -> Missed {
        let Some(lines) = &self.lines else {
            return Missed::default();
        };
        missed(lines, since, known).unwrap_or_else(|error| {
            tracing::warn!(%error, "audit lines cannot be read for missing decision events");
            Missed::default()
        })
    }
}

/// A stretch of which nobody knows how many were lost.
const fn gap((start, end): (i64, i64), why: &'static str) -> Gap {
    Gap {
        start,
        end,
        lost: None,
        why,
    }
}
