//! Lines of a file of any size, one at a time and none longer than a bound.

use std::io::{self, BufRead};

/// Longest line. An exchange's record has about 1 KiB, but that of a policy's change holds the policy
/// before and after.
const LONGEST: usize = 16 * 1024 * 1024;

pub(super) const TOO_LONG: &str = "longer than 16 MiB";

/// One line, without its end.
pub(super) enum Line<'l> {
    /// The end of the file came before the end of the line.
    Torn(&'l [u8]),
    /// Too long to be held.
    TooLong,
    /// A whole line.
    Whole(&'l [u8]),
}

pub(super) struct Lines<R> {
    source: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(source: R) -> Self {
        let line = Vec::new();
        Self { source, line }
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut length = 0_usize;
        loop {
            let buffer = match self.source.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                return Ok(match length {
                    0 => None,
                    _ if length > LONGEST => Some(Line::TooLong),
                    _ => Some(Line::Torn(&self.line)),
                });
            }
            let end = memchr::memchr(b'\n', buffer);
            let (piece, _) = buffer
                .split_at_checked(end.unwrap_or(buffer.len()))
                .unwrap_or((buffer, &[]));
            length = length.saturating_add(piece.len());
            if length <= LONGEST {
                self.line.extend_from_slice(piece);
            }
            let consumed = piece.len() + usize::from(end.is_some());
            self.source.consume(consumed);
            if end.is_some() {
                return Ok(Some(if length > LONGEST {
                    Line::TooLong
                } else {
                    Line::Whole(&self.line)
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &[u8], capacity: usize) -> Vec<String> {
        let mut lines = Lines::new(BufReader::with_capacity(capacity, text));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push(match line {
                Line::Torn(text) => format!("torn {}", String::from_utf8_lossy(text)),
                Line::TooLong => "too long".to_owned(),
                Line::Whole(text) => String::from_utf8_lossy(text).into_owned(),
            });
        }
        found
    }

    #[test]
    fn lines_are_whole_torn_or_too_long_whatever_the_buffer() {
        let long = "x".repeat(LONGEST + 1);
        let text = format!("a\n\n{long}\nb\n{}\nc", "y".repeat(LONGEST));
        for capacity in [4093, 1 << 16, 1 << 25] {
            let mut found = lines(text.as_bytes(), capacity);
            assert_eq!(found.remove(4).len(), LONGEST);
            assert_eq!(found, ["a", "", "too long", "b", "torn c"]);
        }
        assert_eq!(lines(b"", 8), [""; 0]);
        assert_eq!(lines(b"a\n", 8), ["a"]);
        assert_eq!(lines(long.as_bytes(), 8), ["too long"]);
    }
}
