//! Where a policy is: in a directory, in etcd, or behind the admin API of a gateway.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::remote::Remote;
use crate::cli::cluster::Cluster;
use crate::cli::documents::{self, Documents};
use crate::cli::fault::Fault;
use crate::cli::resolve::{provider_of, resolve};
use crate::cli::tenants::{Named, Tenants};
use crate::cli::{ConfigArgs, find};
use crate::config::{self, Provider};
use crate::core::policy::{Isolation, Mode};
use crate::core::tenant::{TenantId, TenantIdError};
use crate::policies::document::{self, Document};
use crate::policies::write::{Expect, WriteError, put_in};
use crate::policies::{directory, read_stored};
use crate::resolve::Resolved;

#[derive(Args, Debug)]
#[command(next_help_heading = "Where the policy is")]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The policy directory; of a configuration only its provider is used then, for domains.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// The admin API of a gateway, like https://gateway.internal:9443.
    #[arg(long, value_name = "URL", conflicts_with_all = ["config", "policies"])]
    pub(super) server: Option<String>,
    /// A file with the bearer token to show: an operator's, or an Entra token.
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(super) token_file: Option<PathBuf>,
    /// A client certificate to show (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["server", "key"])]
    pub(super) cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(super) key: Option<PathBuf>,
    /// The authorities that sign the server's certificate (PEM) [default: Mozilla's roots]
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(super) ca: Option<PathBuf>,
    /// Let token and policy travel over http:// to another machine.
    #[arg(long, requires = "server")]
    pub(super) insecure_plaintext: bool,
}

/// Where a policy is.
pub(super) enum Place {
    Remote(Box<Remote>),
    Store(Box<Store>),
}

/// Where policies are kept, and what a configuration says beside it.
pub(super) struct Store {
    kept: Kept,
    pub(super) mode: Mode,
    pub(super) absent: Isolation,
    /// Where domains are resolved.
    provider: Option<Provider>,
}

/// Where policies are kept.
enum Kept {
    Directory(PathBuf),
    Etcd(Box<Cluster>),
}

/// A policy as it is there.
pub(super) struct Current {
    pub(super) bytes: Vec<u8>,
    pub(super) document: Document,
    /// Not every server tells it.
    pub(super) etag: Option<String>,
    pub(super) version: Option<String>,
}

/// Why a policy was not written.
pub(super) enum NotWritten {
    /// It is another one than was expected.
    Changed,
    Fault(Fault),
}

impl From<Fault> for NotWritten {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Place {
    pub(super) fn open(args: &PlaceArgs) -> Result<Self, Fault> {
        if let Some(server) = &args.server {
            return Ok(Self::Remote(Box::new(Remote::open(server, args)?)));
        }
        let named = args.config.config.is_some();
        match &args.policies {
            Some(path) if !named => Ok(Self::Store(Box::new(Store {
                kept: Kept::Directory(path.clone()),
                mode: Mode::Enforce,
                absent: Isolation::Off,
                provider: None,
            }))),
            path => {
                let file = find::config(&args.config).map_err(|searched| {
                    let others = "--policies names a policy directory, --server a gateway";
                    Fault::Wrong(format!("{searched}; {others}"))
                })?;
                let config = config::load(&file)?;
                let kept = match (path, Cluster::open(&config)?) {
                    (Some(path), _) => Kept::Directory(path.clone()),
                    (None, Some(cluster)) => Kept::Etcd(Box::new(cluster)),
                    (None, None) => {
                        let directory = config.policies.directory().map_err(Fault::Wrong)?;
                        Kept::Directory(directory.to_owned())
                    }
                };
                Ok(Self::Store(Box::new(Store {
                    kept,
                    provider: provider_of(&config),
                    mode: config.mode,
                    absent: config.policies.absent,
                })))
            }
        }
    }

    /// The tenant whose policy is read, perhaps by a domain that some policy names.
    pub(super) fn tenant_to_read(&self, text: &str) -> Result<Named, Fault> {
        match (TenantId::parse(text), self) {
            (Ok(tenant), _) => Ok(tenant.into()),
            (Err(error), Self::Remote(_)) => Err(no_tenant(text, &error)),
            (Err(_), Self::Store(store)) => Tenants::of(&store.documents()?)
                .find(text)
                .map_err(|error| Fault::Wrong(format!("TENANT: {error}"))),
        }
    }

    /// The tenant whose policy is changed. What policies say of a domain does not count here: one
    /// tenant's administrator would choose which other tenant's policy an operator changes.
    pub(super) fn tenant_to_change(&self, text: &str) -> Result<TenantId, Fault> {
        match (TenantId::parse(text), self) {
            (Ok(tenant), _) => Ok(tenant),
            (Err(_), Self::Store(store)) if text.contains('.') => Ok(store.resolve(text)?.tenant),
            (Err(error), _) => Err(no_tenant(text, &error)),
        }
    }

    /// A tenant's policy. None: there is none.
    pub(super) fn read(&self, tenant: TenantId) -> Result<Option<Current>, Fault> {
        match self {
            Self::Remote(remote) => remote.read(tenant),
            Self::Store(store) => store.read(tenant),
        }
    }

    /// Puts a document, which holds ids only unless a server resolves them.
    pub(super) fn write(
        &self,
        tenant: TenantId,
        bytes: &[u8],
        expect: &Expect,
    ) -> Result<Current, NotWritten> {
        match self {
            Self::Remote(remote) => remote.write(tenant, bytes, expect),
            Self::Store(store) => store.write(tenant, bytes, expect),
        }
    }
}

impl Store {
    /// Every policy in it.
    pub(super) fn documents(&self) -> Result<Documents, Fault> {
        match &self.kept {
            Kept::Directory(path) => Ok(directory::documents(path)?),
            Kept::Etcd(cluster) => cluster.documents(),
        }
    }

    /// Whether what has faults there is known to be this tenant's text, and not the place's state.
    pub(super) fn is_there(&self) -> bool {
        match &self.kept {
            Kept::Directory(path) => fs::metadata(path).is_ok_and(|found| found.is_dir()),
            Kept::Etcd(_) => true,
        }
    }

    fn read(&self, tenant: TenantId) -> Result<Option<Current>, Fault> {
        Ok(match &self.kept {
            Kept::Directory(path) => read_stored(path, tenant)?.map(|stored| Current {
                bytes: stored.bytes,
                document: stored.document,
                etag: Some(stored.etag),
                version: Some(stored.version.to_string()),
            }),
            Kept::Etcd(cluster) => cluster.read(tenant)?.map(|(original, document)| Current {
                etag: Some(original.etag()),
                version: Some(original.version().to_string()),
                bytes: original.bytes,
                document,
            }),
        })
    }

    fn write(
        &self,
        tenant: TenantId,
        bytes: &[u8],
        expect: &Expect,
    ) -> Result<Current, NotWritten> {
        let written = match &self.kept {
            Kept::Directory(path) => put_in(path, tenant, bytes, expect),
            Kept::Etcd(cluster) => cluster.write(tenant, bytes, expect),
        };
        let written = written.map_err(|error| self.not_written(tenant, error))?;
        let (_, _, document) = document::parse(bytes, Some(tenant))
            .map_err(|faults| documents::problems(&self.place_of(tenant), faults))?;
        Ok(Current {
            bytes: bytes.to_owned(),
            document,
            etag: Some(written.etag),
            version: Some(written.version.to_string()),
        })
    }

    /// What faults of a tenant's policy are told under.
    fn place_of(&self, tenant: TenantId) -> PathBuf {
        match &self.kept {
            Kept::Directory(path) => path.clone(),
            Kept::Etcd(cluster) => cluster.shown(tenant).into(),
        }
    }

    /// Asks the provider about a domain.
    pub(super) fn resolve(&self, domain: &str) -> Result<Resolved, Fault> {
        match &self.provider {
            Some(provider) => resolve(provider, domain),
            None => Err(Fault::Wrong(format!(
                "{domain:?} is a domain, and nothing says where to resolve it: --config names a \
                 provider, `tidegate resolve` tells the id"
            ))),
        }
    }

    fn not_written(&self, tenant: TenantId, error: WriteError) -> NotWritten {
        let place = self.place_of(tenant);
        let sentence = format!("{}: policy of {tenant}: {error}", place.display());
        match error {
            WriteError::Changed { .. } => NotWritten::Changed,
            WriteError::Elsewhere(_) => Fault::Wrong(sentence).into(),
            WriteError::Faults(faults) => documents::problems(&place, faults).into(),
            WriteError::Busy
            | WriteError::NotInForce(_)
            | WriteError::Storage(_)
            | WriteError::Unknown { .. } => Fault::Failed(sentence).into(),
        }
    }
}

fn no_tenant(text: &str, error: &TenantIdError) -> Fault {
    Fault::Wrong(format!("TENANT: {text:?} {error}"))
}
