//! The file of headers that a collector asks for, like an API key: `name: value`, one a line.
//!
//! Invariant: nothing of its content is told, neither in an error nor by `Debug`.

use std::io;
use std::path::Path;

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

use crate::secret::{self, Unusable};

/// Largest file, in bytes.
const MOST: usize = 16 * 1024;

/// Most headers.
const HEADERS: usize = 32;

/// Headers that say how a request is sent: they are not the file's to set.
const OURS: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Why a file gives no headers.
#[derive(Debug, Error)]
pub(crate) enum HeadersError {
    /// It is no file, or a large one.
    #[error("which is no file of at most 16 KiB")]
    File,
    /// A line is something else.
    #[error("whose line {0} is not \"name: value\"")]
    Line(usize),
    /// There are none, or too many.
    #[error("which does not hold 1 to 32 headers")]
    Number,
    /// A header is set twice, or is ours to set.
    #[error("whose line {0} sets a header that is set already")]
    Taken(usize),
    /// It cannot be read.
    #[error("which cannot be read ({0})")]
    Unreadable(#[source] io::Error),
}

/// Reads a file of headers. Empty lines and those that begin with `#` say nothing.
pub(crate) fn read(path: &Path) -> Result<HeaderMap, HeadersError> {
    let content = secret::content(path, MOST + 1).map_err(|unusable| match unusable {
        Unusable::Content => HeadersError::File,
        Unusable::Unreadable(error) => HeadersError::Unreadable(error),
    })?;
    if content.len() > MOST {
        return Err(HeadersError::File);
    }
    parse(&content)
}

fn parse(content: &[u8]) -> Result<HeaderMap, HeadersError> {
    let mut headers = HeaderMap::new();
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let number = index + 1;
        let (name, value) = header(line).ok_or(HeadersError::Line(number))?;
        if OURS.contains(&name) || headers.contains_key(&name) {
            return Err(HeadersError::Taken(number));
        }
        headers.insert(name, value);
    }
    match headers.len() {
        1..=HEADERS => Ok(headers),
        _ => Err(HeadersError::Number),
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?.trim_ascii());
    let mut value = HeaderValue::from_bytes(value).ok()?;
    value.set_sensitive(true);
    let visible = !value.is_empty() && value.as_bytes().is_ascii();
    Some((HeaderName::from_bytes(name).ok()?, value)).filter(|_| visible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_line_by_line() {
        let file = "# of the collector\r\n\r\nX-Api-Key: s3cret: and more \r\n  authorization:Bearer abc\n";
        let headers = parse(file.as_bytes()).unwrap();
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["x-api-key"], "s3cret: and more");
        assert_eq!(headers["authorization"], "Bearer abc");
        let shown = format!("{headers:?}");
        assert!(
            !shown.contains("s3cret") && !shown.contains("abc"),
            "{shown}"
        );
    }

    #[test]
    fn anything_else_is_told_by_its_line_and_not_quoted() {
        let many = |count: usize| -> String { (0..count).map(|n| format!("h{n}: v\n")).collect() };
        for (file, why) in [
            (String::new(), "which does not hold 1 to 32 headers"),
            (
                "# nothing\n\n".to_owned(),
                "which does not hold 1 to 32 headers",
            ),
            (many(33), "which does not hold 1 to 32 headers"),
            ("canary".to_owned(), "whose line 1 is not \"name: value\""),
            (
                "a: b\ncanary = c".to_owned(),
                "whose line 2 is not \"name: value\"",
            ),
            (
                "\n\ncanary:".to_owned(),
                "whose line 3 is not \"name: value\"",
            ),
            (": canary".to_owned(), "whose line 1 is not \"name: value\""),
            (
                "can ary: b".to_owned(),
                "whose line 1 is not \"name: value\"",
            ),
            (
                "a: can\u{0}ary".to_owned(),
                "whose line 1 is not \"name: value\"",
            ),
            (
                "a: can\rary".to_owned(),
                "whose line 1 is not \"name: value\"",
            ),
            (
                "a: canary\u{e9}".to_owned(),
                "whose line 1 is not \"name: value\"",
            ),
            (
                "a: canary\nA: b".to_owned(),
                "whose line 2 sets a header that is set already",
            ),
            (
                "Content-Type: canary".to_owned(),
                "whose line 1 sets a header that is set already",
            ),
            (
                "host: canary".to_owned(),
                "whose line 1 sets a header that is set already",
            ),
        ] {
            let error = parse(file.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), why, "{file:?}");
            assert!(!format!("{error:?}").contains("canary"), "{file:?}");
        }
        assert_eq!(parse(many(32).as_bytes()).unwrap().len(), 32);
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read(directory.path()), Err(HeadersError::File)));
        let absent = directory.path().join("absent");
        assert!(matches!(read(&absent), Err(HeadersError::Unreadable(_))));
        let large = directory.path().join("large");
        std::fs::write(&large, format!("a: {}", "x".repeat(MOST))).unwrap();
        assert!(matches!(read(&large), Err(HeadersError::File)));
    }
}
