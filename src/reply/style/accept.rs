//! Whether a client asks for a page: `Accept` of RFC 9110 section 12.5.1, read strictly.
//!
//! Invariant: whoever does not plainly ask for HTML gets JSON. No header, `*/*` alone and anything
//! malformed are no such wish.

use http::HeaderMap;
use http::header::ACCEPT;

/// Weight in thousandths.
type Weight = u16;

/// Whether HTML is named, and rather than JSON.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    let mut ranges = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let Some(read) = value.to_str().ok().and_then(ranges_of) else {
            return false;
        };
        ranges.extend(read);
    }
    let html = weight(&ranges, "text", "html");
    let json = weight(&ranges, "application", "json");
    match (html, json) {
        (Some(html), Some(json)) if json.named => html.named && html.weight > json.weight,
        (Some(html), Some(json)) => html.named && html.weight > 0 && html.weight >= json.weight,
        (Some(html), None) => html.named && html.weight > 0,
        (None, _) => false,
    }
}

/// One media range of the header.
struct Range<'h> {
    kind: &'h str,
    subtype: &'h str,
    weight: Weight,
}

/// What the header says of one media type.
struct Wish {
    weight: Weight,
    /// By its own name or its kind's, and not only as `*/*`.
    named: bool,
}

/// The most specific range that covers a type decides its weight.
fn weight(ranges: &[Range<'_>], kind: &str, subtype: &str) -> Option<Wish> {
    let same = |found: &str, wanted: &str| found.eq_ignore_ascii_case(wanted);
    let specificity = |range: &Range<'_>| {
        if same(range.kind, kind) && same(range.subtype, subtype) {
            Some(2)
        } else if same(range.kind, kind) && range.subtype == "*" {
            Some(1)
        } else {
            (range.kind == "*").then_some(0)
        }
    };
    ranges
        .iter()
        .filter_map(|range| Some((specificity(range)?, range.weight)))
        .max()
        .map(|(specificity, weight)| Wish {
            weight,
            named: specificity > 0,
        })
}

/// The media ranges of one header line; None if any is malformed.
fn ranges_of(line: &str) -> Option<Vec<Range<'_>>> {
    line.split(',')
        .map(str::trim_ascii)
        .filter(|part| !part.is_empty())
        .map(range)
        .collect()
}

fn range(part: &str) -> Option<Range<'_>> {
    let mut pieces = part.split(';').map(str::trim_ascii);
    let (kind, subtype) = pieces.next()?.split_once('/')?;
    if !is_token(kind) || !is_token(subtype) || (kind == "*" && subtype != "*") {
        return None;
    }
    let mut weight = None;
    for piece in pieces {
        let (name, value) = piece.split_once('=')?;
        if !is_token(name) || !is_token(value) {
            return None;
        }
        if name.eq_ignore_ascii_case("q") && weight.replace(thousandths(value)?).is_some() {
            return None;
        }
    }
    Some(Range {
        kind,
        subtype,
        weight: weight.unwrap_or(1000),
    })
}

fn is_token(text: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(token)
}

/// `0`, `0.8`, `1.000`: at most three digits, at most one.
fn thousandths(text: &str) -> Option<Weight> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let weight: Weight = format!("{whole}{part:0<3}").parse().ok()?;
    (weight <= 1000).then_some(weight)
}
