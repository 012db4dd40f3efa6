//! The lines a child process writes, to a stream or to a file, collected while it runs.

use std::fs::File;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

/// Between two looks at a file.
const AGAIN: Duration = Duration::from_millis(2);

/// All lines of one stream or file so far. Clones look at the same lines.
#[derive(Clone)]
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Lines {
    /// Collects a stream until it ends.
    pub(crate) fn collect(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, count) = watch::channel(0);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut reader = BufReader::new(stream).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                collected
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
                sender.send_modify(|count| *count += 1);
            }
        });
        Self { lines, count }
    }

    /// Collects a file that grows, until it has ended and everything in it is read.
    pub(crate) fn follow(file: File, ended: Arc<AtomicBool>) -> Self {
        let (sender, count) = watch::channel(0);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut reader = std::io::BufReader::new(file);
            let mut line = String::new();
            loop {
                // Before the look: what was written until then is seen.
                let is_last = ended.load(Ordering::Acquire);
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    // Half a line waits for its other half.
                    let Some(whole) = line.strip_suffix('\n') else {
                        break;
                    };
                    let whole = whole.to_owned();
                    line.clear();
                    collected
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(whole);
                    sender.send_modify(|count| *count += 1);
                }
                if is_last {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
        Self { lines, count }
    }

    /// What `find` makes of the first line it accepts, waiting for that line. `None` if the time is
    /// up or the stream ended without it.
    pub(crate) async fn wait<T>(
        &self,
        limit: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let mut count = self.count.clone();
        let search = async {
            let mut seen = 0;
            loop {
                count.borrow_and_update();
                let (found, length) = {
                    let lines = self.lock();
                    (
                        lines.iter().skip(seen).find_map(|line| find(line)),
                        lines.len(),
                    )
                };
                if found.is_some() {
                    return found;
                }
                seen = length;
                if count.changed().await.is_err() {
                    // The stream ended; lines may have come between the look and the end.
                    return self.lock().iter().skip(seen).find_map(|line| find(line));
                }
            }
        };
        tokio::time::timeout(limit, search).await.ok().flatten()
    }

    /// Waits until the stream or file ends.
    pub(crate) async fn ended(&self) {
        let mut count = self.count.clone();
        while count.changed().await.is_ok() {}
    }

    /// How many lines satisfy a condition.
    pub(crate) fn count(&self, condition: impl Fn(&str) -> bool) -> usize {
        self.lock().iter().filter(|line| condition(line)).count()
    }

    /// The last lines, for an error message.
    pub(crate) fn tail(&self, most: usize) -> String {
        let lines = self.lock();
        lines
            .iter()
            .skip(lines.len().saturating_sub(most))
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
