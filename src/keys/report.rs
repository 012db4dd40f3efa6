//! How signing keys stand, for the admin listener.

use jiff::Timestamp;
use serde::Serialize;

use super::in_force::{InForce, Source};

/// One source of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The provider's name in the configuration.
    pub provider: String,
    /// The path of its metadata, below the authority.
    pub source: String,
    /// Changes with the provider's keys and with nothing else.
    pub version: String,
    /// Since when these keys are known to be right, in seconds; none were fetched yet if absent.
    pub age_seconds: Option<u64>,
    /// The same as a time.
    pub fetched_at: Option<Timestamp>,
    /// Why the last fetch failed, if it did.
    pub last_error: Option<String>,
    /// The keys.
    pub keys: Vec<ReportedKey>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReportedKey {
    /// Its name in tokens' headers.
    pub kid: String,
    /// Whose tokens it signs.
    pub issuer: String,
}

pub(super) fn of(provider: &str, in_force: &InForce) -> Vec<Report> {
    let report = |source: &Source| Report {
        provider: provider.to_owned(),
        source: source.path.clone(),
        version: version(in_force),
        age_seconds: source.age().map(|age| age.as_secs()),
        fetched_at: source.fetched.as_ref().map(|fetched| fetched.time),
        last_error: source.error.as_ref().map(ToString::to_string),
        keys: keys(source),
    };
    in_force.sources.iter().map(report).collect()
}

/// Enough of it to tell versions apart.
fn version(in_force: &InForce) -> String {
    let bytes = in_force.version.iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

fn keys(source: &Source) -> Vec<ReportedKey> {
    let fetched = source.fetched.as_ref();
    let keys = fetched.map_or(&[][..], |fetched| fetched.keys.keys());
    keys.iter()
        .map(|key| ReportedKey {
            kid: key.kid.clone(),
            issuer: key.issuer.clone(),
        })
        .collect()
}
