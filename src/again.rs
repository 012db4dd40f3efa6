//! When what a server did not take is sent again: after pauses that grow, and not before it asks to.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use http::HeaderMap;
use http::header::RETRY_AFTER;

/// The first pause, at least.
const SHORTEST: Duration = Duration::from_secs(1);

/// Pauses without end: about a second, then twice as long each time, up to `longest`; and as much
/// again at random, so that those who failed together do not come back together.
pub(crate) fn pauses(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(SHORTEST)
        .with_max_delay(longest)
        .without_max_times()
        .with_jitter()
        .build()
}

/// How long a server asks to be left alone: seconds, or until a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            date.duration_since(now).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_never_end() {
        let longest = Duration::from_secs(30);
        let drawn = || pauses(longest).take(200).collect::<Vec<Duration>>();
        assert_eq!(drawn().len(), 200);
        for (index, pause) in drawn().iter().enumerate() {
            let base = longest.min(SHORTEST * 2_u32.saturating_pow(u32::try_from(index).unwrap()));
            assert!((base..=base * 2).contains(pause), "{index}: {pause:?}");
        }
        assert_ne!(drawn(), drawn(), "jitter");
    }
}
