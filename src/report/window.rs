//! From when until when, as people say it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A time from one moment (included) to another (not included).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// None: from the first record on.
    pub since: Option<Timestamp>,
    /// The end.
    pub until: Timestamp,
}

impl Window {
    /// Whether anything from `first` to `last` is in it.
    pub fn touches(&self, first: Timestamp, last: Timestamp) -> bool {
        self.since.is_none_or(|since| last >= since) && first < self.until
    }

    /// Whether all from `first` to `last` is in it.
    pub fn holds(&self, first: Timestamp, last: Timestamp) -> bool {
        self.since.is_none_or(|since| first >= since) && last < self.until
    }
}

/// The moment that a text names: `30d` (hours, days or weeks before `now`), `2026-10-01` (its first
/// moment, UTC) or `2026-10-01T12:00:00Z`.
///
/// # Errors
/// What was expected, as a sentence.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let named = ago(text, now)
        .or_else(|| day(text))
        .or_else(|| text.parse().ok());
    named.ok_or_else(|| {
        "expected a time ago like 30d (h, d, w), a day like 2026-10-01 or a time like \
         2026-10-01T12:00:00Z"
            .to_owned()
    })
}

fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        "w" => 24 * 7,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = number.parse::<i64>().ok()?.checked_mul(hours * 3600)?;
    now.checked_sub(SignedDuration::from_secs(seconds)).ok()
}

fn day(text: &str) -> Option<Timestamp> {
    let is_day = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date: Date = text.parse().ok().filter(|_| is_day)?;
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_three_ways() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let said = |text: &str| moment(text, now).map(|moment| moment.to_string());
        for (text, expected) in [
            ("36h", "2026-11-21T00:00:00Z"),
            ("30d", "2026-10-23T12:00:00Z"),
            ("2w", "2026-11-08T12:00:00Z"),
            ("0d", "2026-11-22T12:00:00Z"),
            ("2026-10-01", "2026-10-01T00:00:00Z"),
            ("2026-10-01T12:00:00+02:00", "2026-10-01T10:00:00Z"),
        ] {
            assert_eq!(said(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "d",
            "30",
            "30 d",
            "-3d",
            "+3d",
            "1.5d",
            "30m",
            "99999999999999d",
            "99999999d",
            "2026-13-01",
            "2026-10-1",
            "20261001",
            "yesterday",
            "2026-10-01T12:00:00",
            "３d",
            "dé",
        ] {
            assert!(said(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_window_has_its_begin_and_not_its_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = Window {
            since: Some(at(10)),
            until: at(20),
        };
        for (first, last, touches, holds) in [
            (9, 9, false, false),
            (9, 10, true, false),
            (10, 10, true, true),
            (19, 19, true, true),
            (19, 20, true, false),
            (20, 20, false, false),
            (5, 25, true, false),
        ] {
            assert_eq!(
                window.touches(at(first), at(last)),
                touches,
                "{first} {last}"
            );
            assert_eq!(window.holds(at(first), at(last)), holds, "{first} {last}");
        }
    }
}
