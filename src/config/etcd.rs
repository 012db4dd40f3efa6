//! Policies shared through etcd, as configured.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::Identity;

/// An etcd cluster that holds policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etcd {
    /// Its members: scheme and authority, no path.
    pub endpoints: Vec<Uri>,
    /// What the keys begin with; it begins and ends with `/`.
    pub prefix: String,
    /// PEM authorities that sign the members' certificates; none means the built-in Mozilla roots.
    pub ca: Option<PathBuf>,
    /// What this gateway shows of itself.
    pub certificate: Option<Identity>,
    /// Whom it signs in as.
    pub user: Option<User>,
    /// The file of what was last known.
    pub cache: PathBuf,
    /// Exchanges are answered 503 when policies were last confirmed longer ago than this.
    pub max_age: Option<Duration>,
    /// The gateway's name among the others.
    pub gateway: String,
}

/// A user of etcd's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// The file with its password, read anew at each sign-in.
    pub password_file: PathBuf,
}
