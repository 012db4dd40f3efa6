//! The time, as the rule and the verification of tokens count it: the core has no clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::policy::UnixSeconds;

/// Seconds since 1970. Before that nothing is known: every entry and every token counts as expired.
pub fn now() -> UnixSeconds {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(UnixSeconds::MAX, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
}
