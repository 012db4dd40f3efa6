//! On what a write depends: `If-Match` and `If-None-Match`, and not a time: several texts may have
//! one.
//!
//! Invariant: a condition that cannot be read is a fault; it is never taken for none.
//!
//! Source: RFC 9110 sections 8.8.3, 13.1.1, 13.1.2 and 13.1.4.

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use super::fault::Fault;

/// On what a write depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// There is no policy.
    Absent,
    /// Nothing.
    None,
    /// The policy has one of these entity tags, quotes included.
    OneOf(Vec<String>),
    /// There is a policy.
    Present,
}

/// The entity tags in a header.
enum Tags {
    Any,
    These(Vec<String>),
}

/// What a write depends on.
pub(super) fn of_write(headers: &HeaderMap) -> Result<Condition, Fault> {
    if headers.contains_key(IF_UNMODIFIED_SINCE) {
        return Err(Fault::Condition);
    }
    match (tags(headers, &IF_MATCH)?, tags(headers, &IF_NONE_MATCH)?) {
        (None, None) => Ok(Condition::None),
        (Some(Tags::Any), None) => Ok(Condition::Present),
        (Some(Tags::These(tags)), None) => Ok(Condition::OneOf(tags)),
        (None, Some(Tags::Any)) => Ok(Condition::Absent),
        (None, Some(Tags::These(_))) | (Some(_), Some(_)) => Err(Fault::Condition),
    }
}

/// Whether the reader has this text already.
pub(super) fn has_already(headers: &HeaderMap, etag: &str) -> Result<bool, Fault> {
    let opaque = |tag: &String| tag.strip_prefix("W/").unwrap_or(tag) == etag;
    Ok(match tags(headers, &IF_NONE_MATCH)? {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::These(tags)) => tags.iter().any(opaque),
    })
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Fault> {
    let mut all = Vec::new();
    let mut values = headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    let mut any = false;
    for value in values {
        let mut rest = value.to_str().map_err(|_| Fault::Condition)?.trim();
        if rest == "*" {
            any = true;
            continue;
        }
        loop {
            let (tag, after) = tag(rest).ok_or(Fault::Condition)?;
            all.push(tag.to_owned());
            rest = after.trim_start();
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(',').ok_or(Fault::Condition)?.trim_start();
        }
    }
    match (any, all.is_empty()) {
        (true, true) => Ok(Some(Tags::Any)),
        (false, false) => Ok(Some(Tags::These(all))),
        (true, false) | (false, true) => Err(Fault::Condition),
    }
}

/// The entity tag that a text begins with, and what comes after it.
fn tag(text: &str) -> Option<(&str, &str)> {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let end = opaque.strip_prefix('"')?.find('"')?;
    let length = text.len() - opaque.len() + end + 2;
    let (tag, rest) = text.split_at_checked(length)?;
    tag.bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then_some((tag, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(HeaderName, &str)]) -> Result<Condition, Fault> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        of_write(&headers)
    }

    #[test]
    fn conditions() {
        let these = |tags: &[&str]| {
            Ok(Condition::OneOf(
                tags.iter().map(|&tag| tag.to_owned()).collect(),
            ))
        };
        assert_eq!(read(&[]), Ok(Condition::None));
        assert_eq!(read(&[(IF_MATCH, "*")]), Ok(Condition::Present));
        assert_eq!(read(&[(IF_NONE_MATCH, "*")]), Ok(Condition::Absent));
        assert_eq!(read(&[(IF_MATCH, "\"a\"")]), these(&["\"a\""]));
        assert_eq!(
            read(&[(IF_MATCH, " \"a\" , W/\"b,c\" ")]),
            these(&["\"a\"", "W/\"b,c\""])
        );
        assert_eq!(
            read(&[(IF_MATCH, "\"a\""), (IF_MATCH, "\"b\"")]),
            these(&["\"a\"", "\"b\""])
        );
        for value in [
            "",
            "a",
            "\"",
            "\"a",
            "a\"",
            "\"a\" \"b\"",
            "\"a\",",
            ",\"a\"",
            "w/\"a\"",
            "*, \"a\"",
            "\"a b\"",
        ] {
            assert_eq!(read(&[(IF_MATCH, value)]), Err(Fault::Condition), "{value}");
        }
        for lines in [
            [(IF_MATCH, "*"), (IF_NONE_MATCH, "*")],
            [(IF_MATCH, "*"), (IF_MATCH, "\"a\"")],
            [(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, "\"b\"")],
        ] {
            assert_eq!(read(&lines), Err(Fault::Condition), "{lines:?}");
        }
    }

    #[test]
    fn a_reader_may_have_it_already() {
        let has = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, value.parse().unwrap());
            has_already(&headers, "\"a\"")
        };
        for (value, expected) in [
            ("\"a\"", Ok(true)),
            ("W/\"a\"", Ok(true)),
            ("*", Ok(true)),
            ("\"b\", \"a\"", Ok(true)),
            ("\"b\"", Ok(false)),
            ("\"A\"", Ok(false)),
            ("a", Err(Fault::Condition)),
        ] {
            assert_eq!(has(value), expected, "{value}");
        }
    }
}
