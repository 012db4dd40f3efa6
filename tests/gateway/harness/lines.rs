//! The lines that a running program prints, as they come.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::until;

/// Lines of one output. Clones look at the same lines.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Reads an output to its end, in the background.
    pub(crate) fn of(output: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let lines = Self::default();
        let theirs = lines.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(output).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                theirs.0.lock().unwrap().lines.push(line);
            }
            theirs.0.lock().unwrap().ended = true;
        });
        lines
    }

    /// All lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().lines.clone()
    }

    /// All lines so far in one text.
    pub(crate) fn text(&self) -> String {
        self.all().join("\n")
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().lines.len()
    }

    /// How many lines contain this.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.all().iter().filter(|line| line.contains(part)).count()
    }

    /// The line at an index, once it is there.
    pub(crate) async fn at(&self, index: usize) -> String {
        until(&format!("line {index}"), async || {
            self.all().get(index).cloned()
        })
        .await
    }

    /// The first line that satisfies a condition, once it is there. None: the output ended.
    pub(crate) async fn first(
        &self,
        what: &str,
        condition: impl Fn(&str) -> bool,
    ) -> Option<String> {
        until(what, async || {
            let ended = self.0.lock().unwrap().ended;
            match self.all().into_iter().find(|line| condition(line)) {
                None if !ended => None,
                found => Some(found),
            }
        })
        .await
    }

    /// Waits until the output has ended.
    pub(crate) async fn ended(&self) {
        until("the output's end", async || {
            self.0.lock().unwrap().ended.then_some(())
        })
        .await;
    }
}
