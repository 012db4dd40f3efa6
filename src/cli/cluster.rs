//! The etcd cluster of a configuration, for commands that talk to it themselves.
//!
//! Invariant: a command waits for etcd no longer than a gateway would.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::documents::Documents;
use super::fault::Fault;
use super::{ConfigArgs, find};
use crate::config::{self, Config, Etcd, PolicySource};
use crate::core::tenant::TenantId;
use crate::fleet::bulk::{All, Found};
use crate::fleet::etcd::{self, EtcdError, Session};
use crate::fleet::keys::Keys;
use crate::fleet::write::{Original, Originals};
use crate::policies::document::{self, Document};
use crate::policies::write::{Expect, WriteError, Written};
use crate::problem::Problem;
use crate::tls;

/// A cluster, and a runtime to talk to it in.
pub(super) struct Cluster {
    etcd: Arc<Etcd>,
    pub(super) keys: Keys,
    pub(super) originals: Originals,
    runtime: Runtime,
}

impl Cluster {
    /// That of the configuration which is named or found.
    pub(super) fn of(args: &ConfigArgs) -> Result<Self, Fault> {
        let file = find::config(args).map_err(Fault::Wrong)?;
        let config = config::load(&file)?;
        Self::open(&config)?.ok_or_else(|| {
            Fault::Wrong(format!(
                "{}: policies come from a directory; a fleet shares them through [policies.etcd]",
                file.display()
            ))
        })
    }

    /// None: policies come from elsewhere. Nothing is connected yet.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, Fault> {
        let etcd = match &config.policies.source {
            PolicySource::Directory(_) => return Ok(None),
            PolicySource::Etcd(etcd) => Arc::new(Etcd::clone(etcd)),
        };
        tls::install_provider();
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Some(Self {
            keys: Keys::below(&etcd.prefix),
            originals: Originals::new(&etcd).map_err(Fault::Wrong)?,
            runtime: runtime.map_err(|error| Fault::Failed(error.to_string()))?,
            etcd,
        }))
    }

    /// Talks to the cluster.
    pub(super) fn run<T>(
        &self,
        talk: impl AsyncFnOnce(&Session) -> Result<T, EtcdError>,
    ) -> Result<T, Fault> {
        self.runtime.block_on(async {
            let tls = etcd::tls(&self.etcd).map_err(Fault::Wrong)?;
            let session = Session::open_any(&self.etcd, &tls).await.map_err(failed)?;
            talk(&session).await.map_err(failed)
        })
    }

    /// A tenant's policy. None: there is none.
    pub(super) fn read(&self, tenant: TenantId) -> Result<Option<(Original, Document)>, Fault> {
        let found = self.runtime.block_on(self.originals.read(tenant));
        let Some(original) = found.map_err(failed)? else {
            return Ok(None);
        };
        let (_, _, document) = document::parse(&original.bytes, Some(tenant))
            .map_err(|faults| self.problems(tenant, faults))?;
        Ok(Some((original, document)))
    }

    /// Puts a tenant's policy. Gateways take it up by themselves.
    pub(super) fn write(
        &self,
        tenant: TenantId,
        bytes: &[u8],
        expect: &Expect,
    ) -> Result<Written, WriteError> {
        // A command has seen nothing that the store could be older than.
        let put = self.originals.put(tenant, bytes, expect, 0);
        self.runtime.block_on(put)
    }

    /// Every policy. What is no policy is told, all of it, and nothing else then.
    pub(super) fn documents(&self) -> Result<Documents, Fault> {
        let (mut documents, mut problems) = (Documents::new(), Vec::new());
        self.each(|found| match found {
            Found::Policy(tenant, kv) => match document::parse(&kv.value, Some(tenant)) {
                Ok((_, _, document)) => documents.push((tenant, document)),
                Err(faults) => problems.extend(self.problems(tenant, faults)),
            },
            Found::Stray(name) => problems.push(self.stray(&name)),
        })?;
        if problems.is_empty() {
            Ok(documents)
        } else {
            Err(problems.into())
        }
    }

    /// Every policy's text, as it stands when the first is read.
    pub(super) fn each(&self, mut visit: impl FnMut(Found)) -> Result<(), Fault> {
        self.run(async |session| {
            let mut all = All::new(&self.keys);
            while let Some(page) = all.next(session).await? {
                page.into_iter().for_each(&mut visit);
            }
            Ok(())
        })
    }

    /// What a policy's text is told under.
    pub(super) fn shown(&self, tenant: TenantId) -> String {
        self.keys.shown(tenant.to_string().as_bytes())
    }

    /// Faults of a text, as problems of its key.
    pub(super) fn problems(&self, tenant: TenantId, faults: Vec<document::Fault>) -> Vec<Problem> {
        let problem = |fault: document::Fault| Problem {
            file: self.shown(tenant).into(),
            key: fault.key,
            found: fault.found,
            expected: fault.expected,
        };
        faults.into_iter().map(problem).collect()
    }

    /// A key among the policies that is no tenant's.
    pub(super) fn stray(&self, name: &str) -> Problem {
        Problem {
            file: self.keys.shown(name.as_bytes()).into(),
            key: String::new(),
            found: "a key that is no tenant id in lower case".to_owned(),
            expected: "the tenant's id, in lower case".to_owned(),
        }
    }
}

fn failed(error: EtcdError) -> Fault {
    Fault::Failed(format!("etcd: {error}"))
}
