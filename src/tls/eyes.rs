//! Notices changes of certificate files through the system's notifications.
//!
//! Invariant: more is noticed than happened. Watched are the directories that files are named in
//! (a link that is swapped says so there) and those that they really are in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// The system's notifications.
pub(super) struct Eyes {
    watcher: notify::Result<RecommendedWatcher>,
    wake: SyncSender<()>,
    watched: BTreeSet<PathBuf>,
    /// The last reason why something is not watched.
    refused: Option<String>,
}

impl Eyes {
    /// Eyes that see nothing yet; `wake` is told that there is something to look at.
    pub(super) fn new(wake: SyncSender<()>) -> Self {
        Self {
            watcher: watcher(&wake),
            wake,
            watched: BTreeSet::new(),
            refused: None,
        }
    }

    /// Watches what the files' paths lead through now.
    pub(super) fn see<'p>(&mut self, files: impl Iterator<Item = &'p Path>) {
        let directories: BTreeSet<PathBuf> = files.flat_map(directories).collect();
        if self.watcher.is_err() {
            self.watcher = watcher(&self.wake);
        }
        let refused = match &mut self.watcher {
            Err(error) => Some(error.to_string()),
            Ok(watcher) => {
                for left in self.watched.difference(&directories) {
                    // It is often gone already.
                    let _ = watcher.unwatch(left);
                }
                // A watch belongs to a directory, not to its path: another one may be there now.
                let watch = |directory: &PathBuf| {
                    let _ = watcher.unwatch(directory);
                    let watched = watcher.watch(directory, RecursiveMode::NonRecursive);
                    watched.err().map(|error| error.to_string())
                };
                directories.iter().filter_map(watch).last()
            }
        };
        self.watched = directories;
        if self.refused != refused {
            if let Some(error) = &refused {
                tracing::warn!(
                    %error,
                    "certificate files are not watched: changes show at the next look"
                );
            }
            self.refused = refused;
        }
    }
}

/// The directory that a file is named in, and the one that it is in.
fn directories(file: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let parent = |file: &Path| match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        parent => parent.map(Path::to_owned),
    };
    let real = file.canonicalize().ok().and_then(|file| parent(&file));
    [parent(file), real].into_iter().flatten()
}

fn watcher(wake: &SyncSender<()>) -> notify::Result<RecommendedWatcher> {
    let wake = wake.clone();
    notify::recommended_watcher(move |event| {
        if matters(&event) {
            // Full: a look is coming anyway.
            let _ = wake.try_send(());
        }
    })
}

fn matters(event: &notify::Result<Event>) -> bool {
    let Ok(event) = event else {
        return true;
    };
    match event.kind {
        // Our own reading, among others.
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Other
        | EventKind::Remove(_) => true,
    }
}
