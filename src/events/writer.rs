//! Writes events from a thread of its own.
//!
//! Invariant: an event waits at most [`GATHER`] and one transaction before the disk has it; what
//! cannot be written stays and is tried again, within bounds; what is lost is a gap in the store.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::Event;
use super::error::Error;
use super::gap::Gap;
use super::gather::{Gathered, Item, milliseconds};
use super::keep::Keeper;
use super::opening::{Opened, Opening};
use super::queue::{Events, Queue, Taken};
use super::store::Store;
use crate::config::{self, AuditMode};
use crate::metrics::EventMetrics;

/// How long events gather before they are written.
const GATHER: Duration = Duration::from_millis(200);

/// Between attempts where the store cannot be written.
const RETRY: Duration = Duration::from_millis(500);

/// How long the end waits for what is left to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends the writer when dropped, after everything is written.
pub struct Writer {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

impl Events {
    /// Opens the store and starts its writer. What a killed predecessor did not write is taken
    /// from the audit lines, where they are in a file.
    ///
    /// # Errors
    /// Another gateway holds the store, the file is something else, or it cannot be written. Where
    /// records are best effort a full or failing disk is no error, and a damaged store is set
    /// aside.
    pub fn start(
        config: &config::Events,
        audit: &config::Audit,
        metrics: EventMetrics,
    ) -> Result<(Self, Writer), Error> {
        let opening = Opening::new(config, audit)?;
        let mut keeping = Keeping::new(opening, config, metrics.clone());
        match keeping.opening.open(milliseconds(SystemTime::now())) {
            Ok(opened) => keeping.take_in(opened),
            Err(error) if audit.mode == AuditMode::BestEffort && error.may_pass() => {
                keeping.fails(&error);
            }
            Err(error) => return Err(error),
        }
        let events = Self::new(audit.mode, metrics);
        let queue = events.queue();
        queue.wrote(keeping.failing);
        let theirs = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || keeping.run(&theirs))
            .map_err(|error| Error::Io {
                file: config.file.clone(),
                error,
            })?;
        let thread = Some(thread);
        Ok((events, Writer { queue, thread }))
    }
}

/// The writer's state.
struct Keeping {
    opening: Opening,
    store: Option<Store>,
    keeper: Keeper,
    metrics: EventMetrics,
    gathered: Gathered,
    gaps: Vec<Gap>,
    /// Events that found no place, and since when, in milliseconds.
    lost: u64,
    since: i64,
    failing: bool,
    next_try: Instant,
}

impl Keeping {
    fn new(opening: Opening, config: &config::Events, metrics: EventMetrics) -> Self {
        Self {
            opening,
            store: None,
            keeper: Keeper::new(config.keep),
            metrics,
            gathered: Gathered::default(),
            gaps: Vec::new(),
            lost: 0,
            since: milliseconds(SystemTime::now()),
            failing: false,
            next_try: Instant::now(),
        }
    }

    fn run(mut self, queue: &Queue) {
        let mut events = Vec::new();
        loop {
            let idle = self.idle();
            let taken = queue.take(&mut events, idle, GATHER);
            self.gather(&mut events, &taken);
            if self.has_work() && (taken.ended || Instant::now() >= self.next_try) {
                queue.writes();
                self.write();
                queue.wrote(self.failing);
            }
            if taken.ended {
                self.close();
                return;
            }
            self.tidy();
        }
    }

    /// How long there is nothing to do unless an event comes.
    fn idle(&self) -> Duration {
        let keeper = match self.store {
            Some(_) if !self.failing => self.keeper.idle(),
            _ => Duration::MAX,
        };
        let retry = match self.failing {
            true => self.next_try.saturating_duration_since(Instant::now()),
            false => Duration::MAX,
        };
        keeper.min(retry).min(Duration::from_secs(60))
    }

    fn gather(&mut self, events: &mut Vec<Event>, taken: &Taken) {
        let mut lost = taken.dropped;
        let required = self.opening.mode == AuditMode::Required;
        for event in events.drain(..) {
            let must = required && event.released;
            if self.gathered.add(Item::from(event), must).is_err() {
                self.metrics.dropped.inc();
                lost += 1;
            }
        }
        if !self.opening.has_lines() {
            self.gathered.ids.clear();
        }
        // After a burst.
        events.shrink_to(8_192);
        if lost > 0 && self.lost == 0 {
            tracing::error!("decision events are lost: the store is too slow or fails");
        }
        self.lost += lost;
    }

    fn has_work(&self) -> bool {
        !self.gathered.is_empty() || !self.gaps.is_empty() || self.lost > 0 || self.failing
    }

    fn write(&mut self) {
        let now = milliseconds(SystemTime::now());
        match self.try_write(now) {
            Ok(()) => {
                self.since = now;
                if std::mem::take(&mut self.failing) {
                    tracing::warn!("decision events are written again");
                }
            }
            Err(error) => self.fails(&error),
        }
    }

    fn try_write(&mut self, now: i64) -> Result<(), Error> {
        self.in_place(now)?;
        match self.transaction(now) {
            Err(error) if error.is_corrupt() && self.opening.mode == AuditMode::BestEffort => {
                self.replace(now, &error)?;
                self.transaction(now)
            }
            ended => ended,
        }
    }

    /// Sees to it that there is a store, under its own name.
    fn in_place(&mut self, now: i64) -> Result<(), Error> {
        if self.store.as_ref().is_some_and(Store::is_in_place) {
            return Ok(());
        }
        let removed = self.store.take().is_some();
        if removed {
            tracing::error!(
                "the store of decision events was removed or replaced while it was written"
            );
            self.gaps.push(Gap {
                start: 0,
                end: now,
                lost: None,
                why: "removed",
            });
        }
        let opened = self.opening.open_again(now)?;
        self.take_in(opened);
        Ok(())
    }

    /// Sets a damaged store aside and begins a new one.
    fn replace(&mut self, now: i64, error: &Error) -> Result<(), Error> {
        // Closed before it is renamed: closing touches files by their names.
        self.store = None;
        let opened = self.opening.begin_anew(now, error)?;
        self.take_in(opened);
        Ok(())
    }

    fn take_in(&mut self, opened: Opened) {
        let Opened { store, gaps, items } = opened;
        self.store = Some(store);
        self.gaps.extend(gaps);
        for item in items {
            if self.gathered.add(item, false).is_err() {
                self.metrics.dropped.inc();
                self.lost += 1;
            }
        }
    }

    fn transaction(&mut self, now: i64) -> Result<(), Error> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        let mut gaps = self.gaps.clone();
        if self.lost > 0 {
            gaps.push(Gap {
                start: self.since,
                end: now,
                lost: Some(self.lost),
                why: if self.failing { "disk" } else { "queue_full" },
            });
        }
        let written = store.write(&self.gathered, &gaps, now)?;
        self.metrics.folded.inc_by(written.folded);
        self.metrics.written.inc_by(self.gathered.events);
        self.gathered = Gathered::default();
        self.gaps.clear();
        self.lost = 0;
        let size = store.size()?;
        let bytes = size.file + size.journal;
        self.metrics
            .bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        if size.used_pages > store.most_pages {
            self.keeper.make_room(store, now / 1000)?;
        } else {
            self.keeper.weigh(size.used_pages, store.most_pages);
        }
        store.trim(&size)?;
        Ok(())
    }

    fn fails(&mut self, error: &Error) {
        self.metrics.failures.inc();
        self.next_try = Instant::now() + RETRY;
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "decision events cannot be written");
        }
    }

    /// Makes a step towards the bounds of age and size.
    fn tidy(&mut self) {
        if self.failing {
            return;
        }
        let now = milliseconds(SystemTime::now()) / 1000;
        if let Some(store) = &mut self.store
            && let Err(error) = self.keeper.step(store, now)
        {
            self.fails(&error);
        }
    }

    fn close(self) {
        let unwritten = self.gathered.events + self.lost;
        if unwritten > 0 {
            tracing::error!(
                unwritten,
                "the store of decision events does not take the last ones"
            );
            // Left as if killed: the next start looks for them in the audit lines.
            return;
        }
        let now = milliseconds(SystemTime::now());
        if let Some(Err(error)) = self.store.map(|store| store.close(now)) {
            tracing::error!(%error, "the store of decision events does not end well");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.end();
        let end = Instant::now() + PATIENCE;
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && Instant::now() < end {
                thread::sleep(Duration::from_millis(2));
            }
            if thread.is_finished() {
                drop(thread.join());
            } else {
                tracing::error!("the store of decision events does not take the last ones");
            }
        }
    }
}
