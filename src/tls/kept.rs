//! Something made of a few files, in force until they hold something else that is good.
//!
//! 1. Files are judged when they have not changed for [`SETTLE`]: a certificate and its key are
//!    seldom written in one instant.
//! 2. What they hold then is made whole, or not at all: a key that belongs to another certificate,
//!    half a file, an authority that cannot be read leave everything as it was, and raise an alarm.
//! 3. A certificate that is not good now does not take the place of one that is.
//!
//! Invariant: readers never wait, and see either all of the old or all of the new.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::files::{Print, Texts};
use super::validity::Validity;
use crate::clock::now;
use crate::metrics::CertificateMetrics;

/// How long files stay as they are before they are judged.
pub(super) const SETTLE: Duration = Duration::from_millis(200);

/// How something is made of files.
pub(super) trait Recipe: Send + Sync + 'static {
    /// What is made.
    type Made: Send + Sync + 'static;

    /// The files.
    fn files(&self) -> Vec<&Path>;

    /// Makes it; and when the certificate shown with it is good, if there is one.
    ///
    /// # Errors
    /// A sentence that names the file.
    fn make(&self, texts: &Texts) -> Result<(Self::Made, Option<Validity>), String>;
}

/// Something that is looked at again and again.
pub(super) trait Look: Send + Sync {
    /// Looks at the files; what is new, good and settled is in force afterwards.
    fn look(&self) -> Looked;

    /// The files.
    fn files(&self) -> Vec<&Path>;
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// The files have changed a moment ago.
    Restless,
    /// They are judged.
    Settled,
}

/// What is in force.
pub(super) struct InForce<T> {
    /// Another one for each change.
    pub(super) number: u64,
    pub(super) value: T,
    validity: Option<Validity>,
}

/// What is in force, and what it is made of.
pub(super) struct Kept<R: Recipe> {
    recipe: R,
    /// For logs.
    name: String,
    metrics: CertificateMetrics,
    in_force: ArcSwap<InForce<R::Made>>,
    /// The number of what is in force: cheaper to read.
    number: AtomicU64,
    changes: watch::Sender<u64>,
    seen: Mutex<Seen>,
}

/// What the files held when they were looked at.
struct Seen {
    /// What is in force.
    in_force: Print,
    /// Something else, and since when.
    other: Option<(Print, Instant)>,
    /// What was wrong with it.
    problem: Option<(Print, String)>,
}

impl<R: Recipe> Kept<R> {
    /// Makes it for the first time.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(super) fn new(
        recipe: R,
        name: String,
        metrics: CertificateMetrics,
    ) -> Result<Self, String> {
        let texts = Texts::read(recipe.files());
        let (value, validity) = recipe.make(&texts)?;
        if let Some(validity) = validity {
            metrics.expires(validity.until);
            if !validity.holds(now()) {
                let of = &*name;
                tracing::error!(of, good = %validity, "the certificate is not good now");
            }
        }
        Ok(Self {
            recipe,
            name,
            metrics,
            in_force: ArcSwap::from_pointee(InForce {
                number: 0,
                value,
                validity,
            }),
            number: AtomicU64::new(0),
            changes: watch::Sender::new(0),
            seen: Mutex::new(Seen {
                in_force: texts.print(),
                other: None,
                problem: None,
            }),
        })
    }

    /// What is in force now.
    pub(super) fn current(&self) -> Arc<InForce<R::Made>> {
        self.in_force.load_full()
    }

    /// The number of what is in force.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Tells of changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Makes it anew; good, it is in force when this returns.
    fn renew(&self, texts: &Texts) -> Result<(), String> {
        let (value, validity) = self.recipe.make(texts)?;
        let last = self.current();
        let good = |validity: Option<Validity>| validity.is_none_or(|it| it.holds(now()));
        if good(last.validity)
            && let Some(validity) = validity.filter(|_| !good(validity))
        {
            return Err(format!("the certificate is good from {validity}: not now"));
        }
        let number = last.number + 1;
        self.in_force.store(Arc::new(InForce {
            number,
            value,
            validity,
        }));
        self.number.store(number, Ordering::Release);
        self.changes.send_replace(number);
        self.metrics.reloads.inc();
        if let Some(validity) = validity {
            self.metrics.expires(validity.until);
        }
        let good = validity.map(|validity| validity.to_string());
        tracing::info!(of = &*self.name, good, "new certificates are in force");
        Ok(())
    }
}

impl<R: Recipe> Look for Kept<R> {
    fn look(&self) -> Looked {
        let texts = Texts::read(self.recipe.files());
        let print = texts.print();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if print == seen.in_force {
            seen.other = None;
            if seen.problem.take().is_some() {
                self.metrics.problems.dec();
                let of = &*self.name;
                tracing::info!(of, "the files hold the certificates in force again");
            }
            return Looked::Settled;
        }
        match seen.other {
            Some((other, since)) if other == print && since.elapsed() >= SETTLE => {}
            Some((other, _)) if other == print => return Looked::Restless,
            Some(_) | None => {
                seen.other = Some((print, Instant::now()));
                return Looked::Restless;
            }
        }
        match self.renew(&texts) {
            Ok(()) => {
                seen.in_force = print;
                seen.other = None;
                if seen.problem.take().is_some() {
                    self.metrics.problems.dec();
                }
            }
            Err(problem) => {
                let found = Some((print, problem));
                if seen.problem != found {
                    self.metrics.failures.inc();
                    if seen.problem.is_none() {
                        self.metrics.problems.inc();
                    }
                    let problem = found.as_ref().map(|(_, problem)| &**problem);
                    tracing::error!(
                        of = &*self.name,
                        problem,
                        "new certificates cannot be used: the last ones stay in force"
                    );
                    seen.problem = found;
                }
            }
        }
        Looked::Settled
    }

    fn files(&self) -> Vec<&Path> {
        self.recipe.files()
    }
}

#[cfg(test)]
mod tests;
