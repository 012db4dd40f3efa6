//! Policies shared through etcd, in a summary.

use std::fmt;
use std::path::PathBuf;

use http::Uri;
use serde::Serialize;

use crate::config;

#[derive(Serialize)]
pub(super) struct Etcd {
    endpoints: Vec<String>,
    prefix: String,
    cache: PathBuf,
    /// None: policies are enforced however long ago they were confirmed.
    max_age_seconds: Option<u64>,
    client_certificate: bool,
    user: Option<String>,
    gateway: String,
}

impl Etcd {
    pub(super) fn of(etcd: &config::Etcd) -> Self {
        Self {
            endpoints: etcd.endpoints.iter().map(shown).collect(),
            prefix: etcd.prefix.clone(),
            cache: etcd.cache.clone(),
            max_age_seconds: etcd.max_age.map(|age| age.as_secs()),
            client_certificate: etcd.certificate.is_some(),
            user: etcd.user.as_ref().map(|user| user.name.clone()),
            gateway: etcd.gateway.clone(),
        }
    }
}

/// As it is configured: without the path that there is none of.
fn shown(endpoint: &Uri) -> String {
    endpoint.to_string().trim_end_matches('/').to_owned()
}

impl fmt::Display for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = self.endpoints.join(", ");
        let (prefix, cache) = (&self.prefix, self.cache.display());
        write!(
            f,
            "below {prefix} in etcd ({endpoints}), as {}, ",
            self.gateway
        )?;
        write!(f, "last known in {cache}")
    }
}
