//! Notices changes in the policy directory through the system's notifications.
//!
//! Invariant: more is noticed than happened, never less; where that cannot be kept, [`Eyes::see`]
//! says so and the caller polls. Watched are the directory itself, its parent (a directory that is
//! swapped, renamed or made again says so there), and the directories that links among the files
//! point into (Kubernetes: `..data`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::super::file::{Named, named};
use super::signal::Signal;

/// Most directories of links that are watched; files in others are found by the slow rescan.
const MOST_LINKED: usize = 64;

/// The system's notifications for one policy directory.
pub(super) struct Eyes {
    watcher: notify::Result<RecommendedWatcher>,
    linked: BTreeSet<PathBuf>,
    interest: Arc<Interest>,
}

/// What the handler of events needs to know.
struct Interest {
    dir: PathBuf,
    parent: PathBuf,
    /// Links point into the directory itself: names that are nobody's matter too.
    inside: AtomicBool,
    /// Links point into its parent: its neighbours matter too.
    beside: AtomicBool,
    signal: Arc<Signal>,
}

impl Eyes {
    /// Eyes that see nothing yet.
    pub(super) fn new(dir: &Path, signal: Arc<Signal>) -> Self {
        let interest = Arc::new(Interest {
            dir: dir.to_owned(),
            parent: dir.parent().unwrap_or(dir).to_owned(),
            inside: AtomicBool::new(false),
            beside: AtomicBool::new(false),
            signal,
        });
        Self {
            watcher: watcher(&interest),
            linked: BTreeSet::new(),
            interest,
        }
    }

    /// Watches the directory that the path leads to now, whatever was watched before.
    ///
    /// # Errors
    /// The system refuses, most often because its limit of watches is reached.
    pub(super) fn see(&mut self) -> Result<(), String> {
        // A limit may have been reached when it was first tried.
        if self.watcher.is_err() {
            self.watcher = watcher(&self.interest);
        }
        let watcher = self.watcher.as_mut().map_err(|error| error.to_string())?;
        // A watch belongs to a directory, not to its path. It is often gone already.
        let mut watch = |path: &Path| {
            let _ = watcher.unwatch(path);
            watcher.watch(path, RecursiveMode::NonRecursive)
        };
        self.linked.retain(|path| watch(path).is_ok());
        // Without the parent a swapped directory is noticed at the next look at its identity.
        if let Err(error) = watch(&self.interest.parent) {
            tracing::debug!(error = %error, "parent of the policy directory is not watched");
        }
        watch(&self.interest.dir).map_err(|error| error.to_string())
    }

    /// Watches the directories that links point into, given relative to the policy directory.
    /// True: some are new, and may have changed before they were watched.
    pub(super) fn follow(&mut self, links: &BTreeSet<PathBuf>) -> bool {
        let resolved = |path: &Path| path.canonicalize().ok();
        let (own, parent) = (
            resolved(&self.interest.dir),
            resolved(&self.interest.parent),
        );
        let mut targets: BTreeSet<_> = links
            .iter()
            .filter_map(|link| resolved(&self.interest.dir.join(link)))
            .take(MOST_LINKED)
            .collect();
        let inside = own.is_some_and(|own| targets.remove(&own));
        let beside = parent.is_some_and(|parent| targets.remove(&parent));
        self.interest.inside.store(inside, Ordering::Relaxed);
        self.interest.beside.store(beside, Ordering::Relaxed);

        let Ok(watcher) = &mut self.watcher else {
            return false;
        };
        let mut new = false;
        for path in targets {
            if !self.linked.contains(&path)
                && watcher.watch(&path, RecursiveMode::NonRecursive).is_ok()
            {
                self.linked.insert(path);
                new = true;
            }
        }
        new
    }
}

#[cfg(test)]
impl Eyes {
    /// As if the system had told of an event.
    pub(super) fn handle(&self, event: notify::Result<Event>) {
        self.interest.handle(event);
    }
}

fn watcher(interest: &Arc<Interest>) -> notify::Result<RecommendedWatcher> {
    let interest = Arc::clone(interest);
    notify::recommended_watcher(move |event| interest.handle(event))
}

impl Interest {
    fn handle(&self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            return self.signal.all();
        };
        if event.need_rescan() || event.paths.is_empty() {
            return self.signal.all();
        }
        match event.kind {
            // Our own reading, among others.
            EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => return,
            EventKind::Access(_)
            | EventKind::Any
            | EventKind::Create(_)
            | EventKind::Modify(_)
            | EventKind::Other
            | EventKind::Remove(_) => {}
        }
        event.paths.iter().for_each(|path| self.sort(path));
    }

    fn sort(&self, path: &Path) {
        if path == self.dir {
            return self.signal.all();
        }
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if parent == self.dir => match named(name) {
                Named::Tenant(_) | Named::Unclear => self.signal.name(name.to_owned()),
                // Kubernetes swaps `..data`, which the files lead through.
                Named::Nobody if name.as_encoded_bytes().starts_with(b"..") => self.signal.all(),
                Named::Nobody if self.inside.load(Ordering::Relaxed) => self.signal.all(),
                Named::Nobody => {}
            },
            (Some(parent), _) if parent == self.parent => {
                if self.beside.load(Ordering::Relaxed) {
                    self.signal.all();
                }
            }
            // The parent itself, or a directory that links point into.
            _ if path == self.parent => {}
            _ => self.signal.all(),
        }
    }
}
