//! The texts of policies in etcd, read and written one at a time.
//!
//! Invariant: a text is only ever put in the place of the one that was looked at, by a comparison
//! of its key's `mod_revision` in the same transaction. So a request that etcd carries out long
//! after its sender gave up overwrites nothing that was written meanwhile, and asking again is safe.
//! What came of a request is told only when it is known: from etcd's answer, or from the text that
//! stands there.
//!
//! 1. Read the key, and compare it with what the writer expects. The same text: done.
//! 2. Put the text, if the key is still at that revision.
//! 3. No answer: ask again. Refused by then, with our text there: it was us. With another text
//!    there, or still no answer: nobody knows, and that is said.
//!
//! A key's `mod_revision` is its policy's version, and its entity tag is that number.

mod line;
mod request;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::etcd::{
    EtcdError, KeyValue, RequestOp, ResponseOp, TxnRequest, TxnResponse, renewed, request_op,
    response_op,
};
use super::keys::Keys;
use crate::config::Etcd;
use crate::core::policy::Version;
use crate::core::tenant::TenantId;
use crate::policies::write::{Expect, Replaced, WriteError, Written, check, compare as fits};
use crate::tls::Renewed;

use line::Line;
use request::one;
pub(super) use request::{is_at, put};

/// How long one write tries, over all members.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a text is put that needs no particular one before it, and that others outrun.
const ATTEMPTS: usize = 5;

/// The texts of policies in etcd.
pub struct Originals {
    keys: Keys,
    line: Line,
}

/// A text as it stands in etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The text.
    pub bytes: Vec<u8>,
    /// Its key's `mod_revision`.
    pub revision: i64,
}

/// What stands there, and the store's revision.
struct Looked {
    found: Option<Original>,
    revision: u64,
}

/// How one comparing put went.
enum Swap {
    /// The text stands there, since this revision.
    Done(i64),
    /// Something else stands there.
    Lost(Option<Original>),
    /// Nobody knows.
    Unknown(EtcdError),
}

impl Original {
    fn of(kv: KeyValue) -> Self {
        Self {
            bytes: kv.value.into(),
            revision: kv.mod_revision,
        }
    }

    /// Its version.
    pub fn version(&self) -> Version {
        version(self.revision)
    }

    /// Its entity tag.
    pub fn etag(&self) -> String {
        etag(self.revision)
    }

    fn replaced(self) -> Replaced {
        Replaced {
            etag: self.etag(),
            version: self.version(),
            bytes: self.bytes,
        }
    }
}

fn version(revision: i64) -> Version {
    Version(u64::try_from(revision).unwrap_or(0))
}

pub(super) fn etag(revision: i64) -> String {
    format!("\"{revision}\"")
}

impl Originals {
    /// Of this cluster; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence that names the file of a certificate.
    pub fn new(etcd: &Arc<Etcd>) -> Result<Self, String> {
        let tls = Arc::new(renewed(etcd)?);
        Ok(Self::in_cluster(etcd, &tls, Arc::default()))
    }

    /// Of the cluster with this id, whatever else there is at the endpoints; 0: of the first that
    /// answers, from then on.
    pub(super) fn in_cluster(
        etcd: &Arc<Etcd>,
        tls: &Arc<Renewed>,
        cluster: Arc<AtomicU64>,
    ) -> Self {
        let keys = Keys::below(&etcd.prefix);
        Self {
            line: Line::new(etcd, tls, cluster, keys.beat()),
            keys,
        }
    }

    /// A tenant's text as most of the cluster has it now. None: there is none.
    ///
    /// # Errors
    /// [`EtcdError`].
    pub async fn read(&self, tenant: TenantId) -> Result<Option<Original>, EtcdError> {
        let deadline = Instant::now() + PATIENCE;
        Ok(self.look(&self.keys.policy(tenant), deadline).await?.found)
    }

    /// Puts a tenant's text, into a store that is not older than `least`, a revision that was seen:
    /// one that was restored from a backup counts on from where it was.
    ///
    /// # Errors
    /// [`WriteError`]; the policy is the old one then, but for [`WriteError::Unknown`].
    pub async fn put(
        &self,
        tenant: TenantId,
        bytes: &[u8],
        expect: &Expect,
        least: u64,
    ) -> Result<Written, WriteError> {
        check(bytes, tenant)?;
        let deadline = Instant::now() + PATIENCE;
        let key = self.keys.policy(tenant);
        for _ in 0..ATTEMPTS {
            let looked = self.look(&key, deadline).await.map_err(unreachable)?;
            if looked.revision < least {
                return Err(older());
            }
            let found = looked.found;
            let revision = found.as_ref().map_or(0, |found| found.revision);
            let before = found.map(Original::replaced);
            fits(expect, before.as_ref())?;
            if let Some(same) = before.as_ref().filter(|before| before.bytes == bytes) {
                return Ok(Written {
                    etag: same.etag.clone(),
                    version: same.version,
                    created: false,
                    unchanged: true,
                    before,
                });
            }
            let request = self.request(tenant, revision, bytes);
            match self.swap(request, bytes, deadline).await? {
                Swap::Done(revision) => {
                    return Ok(Written {
                        etag: etag(revision),
                        version: version(revision),
                        created: before.is_none(),
                        unchanged: false,
                        before,
                    });
                }
                Swap::Lost(found) => match expect {
                    Expect::Any | Expect::Present => {}
                    Expect::Absent | Expect::Match(_) => {
                        let etag = found.as_ref().map(Original::etag);
                        return Err(WriteError::Changed { etag });
                    }
                },
                Swap::Unknown(error) => {
                    return Err(WriteError::Unknown {
                        before,
                        why: error.to_string(),
                    });
                }
            }
        }
        Err(WriteError::Busy)
    }

    /// Puts a text in the place of that of `revision`; 0: where there is none.
    fn request(&self, tenant: TenantId, revision: i64, bytes: &[u8]) -> TxnRequest {
        let key = self.keys.policy(tenant);
        let changed = put(&self.keys.changed(), tenant.to_string().as_bytes());
        TxnRequest {
            compare: vec![is_at(&key, revision)],
            success: vec![put(&key, bytes), changed],
            failure: vec![RequestOp {
                request: Some(request_op::Request::RequestRange(one(&key))),
            }],
        }
    }

    async fn look(&self, key: &[u8], deadline: Instant) -> Result<Looked, EtcdError> {
        loop {
            let error = match self.range(key).await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            self.line.hang_up().await;
            if is_final(&error) || Instant::now() + PAUSE >= deadline {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
    }

    async fn range(&self, key: &[u8]) -> Result<Looked, EtcdError> {
        let session = self.line.session().await?;
        let answer = session.range(one(key)).await?;
        let revision = answer.header.map_or(0, |header| header.revision);
        Ok(Looked {
            found: answer.kvs.into_iter().next().map(Original::of),
            revision: u64::try_from(revision).unwrap_or(0),
        })
    }

    /// Asks until it is known what came of it, or until the deadline.
    async fn swap(
        &self,
        request: TxnRequest,
        bytes: &[u8],
        deadline: Instant,
    ) -> Result<Swap, WriteError> {
        let mut unanswered = None;
        loop {
            let session = match self.line.session().await {
                Ok(session) => session,
                Err(error) if is_final(&error) || Instant::now() + PAUSE >= deadline => {
                    return match unanswered {
                        // Nothing was ever sent.
                        None => Err(unreachable(error)),
                        Some(first) => Ok(Swap::Unknown(first)),
                    };
                }
                Err(_) => {
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let answer = session.txn(request.clone()).await;
            match answer {
                Ok(answer) if answer.succeeded => {
                    let header = answer.header.unwrap_or_default();
                    return Ok(Swap::Done(header.revision));
                }
                Ok(answer) => return Ok(lost(answer, bytes, unanswered)),
                // etcd says that it did not do this one; an earlier one may have been done.
                Err(error) if is_final(&error) => {
                    return match unanswered {
                        None => Err(unreachable(error)),
                        Some(first) => Ok(Swap::Unknown(first)),
                    };
                }
                Err(error) => {
                    self.line.hang_up().await;
                    let first = unanswered.get_or_insert(error);
                    if Instant::now() + PAUSE >= deadline {
                        return Ok(Swap::Unknown(first.clone()));
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// What a refused put means: after one without an answer, our own text may be what is in its way.
fn lost(answer: TxnResponse, bytes: &[u8], unanswered: Option<EtcdError>) -> Swap {
    let found = answer.responses.into_iter().find_map(first);
    match (unanswered, found) {
        (None, found) => Swap::Lost(found),
        (Some(_), Some(found)) if found.bytes == bytes => Swap::Done(found.revision),
        // It was done, and replaced; or it was not.
        (Some(error), _) => Swap::Unknown(error),
    }
}

fn first(op: ResponseOp) -> Option<Original> {
    match op.response? {
        response_op::Response::ResponseRange(range) => {
            range.kvs.into_iter().next().map(Original::of)
        }
        response_op::Response::ResponseDeleteRange(_) | response_op::Response::ResponsePut(_) => {
            None
        }
    }
}

/// Whether etcd said that it did nothing, and would say so again.
fn is_final(error: &EtcdError) -> bool {
    match error {
        EtcdError::Compacted
        | EtcdError::Denied
        | EtcdError::Future
        | EtcdError::Password
        | EtcdError::SignIn => true,
        EtcdError::Refused(text) => {
            text.contains("space exceeded") || text.contains("request is too large")
        }
        EtcdError::Connection(_)
        | EtcdError::NoLeader
        | EtcdError::Nonsense(_)
        | EtcdError::SignedOut
        | EtcdError::Silent
        | EtcdError::TooLarge => false,
    }
}

/// What a store is told whose history is not that of the policies in force.
pub(crate) fn older() -> WriteError {
    let why = "etcd's history is not that of the policies in force";
    WriteError::Storage(io::Error::other(why))
}

fn unreachable(error: EtcdError) -> WriteError {
    let why = error.to_string();
    if error == EtcdError::Denied {
        WriteError::Elsewhere(why)
    } else {
        WriteError::Storage(io::Error::other(why))
    }
}
