//! `[verification]`: how tokens in requests are verified, and how signing keys are kept.

use std::time::Duration;

use super::section::Section;
use super::value::{self, Wrong, count, span, written};
use crate::config::Verification;

/// The keys of `[verification]`.
pub(super) const KEYS: &[&str] = &[
    "leeway",
    "remembered_tokens",
    "key_refresh",
    "key_cooldown",
    "insecure_key_cooldown",
    "key_max_age",
    "key_timeout",
];

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The least time between fetches that strangers can cause: whoever sends tokens with made-up keys
/// must not make the gateway hammer the provider.
pub(in crate::config) const LEAST_COOLDOWN: Duration = Duration::from_secs(30);

pub(super) fn read(section: &Section<'_>) -> Verification {
    let time = |key, default, least, most| section.read_or(key, default, span(least, most));
    let any_cooldown = section.read_or("insecure_key_cooldown", false, value::bool);
    let least_cooldown = match any_cooldown {
        true => Duration::ZERO,
        false => LEAST_COOLDOWN,
    };
    let remembered = section.read_or("remembered_tokens", 10_000, count(0, 1_000_000));
    let verification = Verification {
        leeway: time("leeway", MINUTE, Duration::ZERO, 5 * MINUTE),
        remembered_tokens: u64::try_from(remembered).unwrap_or(u64::MAX),
        key_refresh: time("key_refresh", HOUR, MINUTE, DAY),
        key_cooldown: time("key_cooldown", 5 * MINUTE, least_cooldown, HOUR),
        key_max_age: time("key_max_age", DAY, MINUTE, 7 * DAY),
        key_timeout: time(
            "key_timeout",
            Duration::from_secs(10),
            Duration::from_millis(10),
            MINUTE,
        ),
    };
    if verification.key_max_age < verification.key_refresh {
        section.wrong(
            "key_max_age",
            Wrong::new(
                written(verification.key_max_age),
                format!(
                    "at least key_refresh ({})",
                    written(verification.key_refresh)
                ),
            ),
        );
    }
    verification
}
