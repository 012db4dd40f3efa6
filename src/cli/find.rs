//! Which configuration a command reads.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::ConfigArgs;

const VARIABLE: &str = "TIDEGATE_CONFIG";

/// Where a configuration is looked for if nobody names one, in this order.
const PLACES: [&str; 2] = ["tidegate.toml", "/etc/tidegate/tidegate.toml"];

/// The configuration that was named, or the first that is there.
///
/// # Errors
/// What was searched, as a sentence.
pub(super) fn config(args: &ConfigArgs) -> Result<PathBuf, String> {
    let named = args.config.clone().map(OsString::from);
    let named = named.or_else(|| env::var_os(VARIABLE).filter(|file| !file.is_empty()));
    if let Some(file) = named {
        return Ok(file.into());
    }
    let mut places = PLACES.into_iter().map(Path::new);
    places
        .find(|place| place.is_file())
        .map(Path::to_owned)
        .ok_or_else(|| {
            format!(
                "no configuration: --config and {VARIABLE} name none, and there is no {}",
                PLACES.join(" and no ")
            )
        })
}
