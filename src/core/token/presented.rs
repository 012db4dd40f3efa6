//! The token that a request presents: in a header, or where a JSON Pointer points in its body. (In a
//! form: [`form::field`](super::super::form::field).)
//!
//! Source: RFC 6901 (JSON Pointer), RFC 8259, RFC 6750.

mod credentials;
mod foreign;
mod json;
#[cfg(test)]
pub(in crate::core) mod minted;

use std::fmt;

pub use credentials::Credentials;
pub use foreign::not_entra;
pub use json::{Misread, text_at};

/// A JSON Pointer to something within a document, never to the whole of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    segments: Vec<String>,
}

impl Pointer {
    /// Parses a pointer, like `/properties/token` or `/parameters/0/token`.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix('/')
            .ok_or("a JSON Pointer starts with \"/\"")?;
        Ok(Self {
            segments: rest.split('/').map(unescape).collect::<Result<_, _>>()?,
        })
    }

    /// The names and array indices to follow, unescaped, outermost first; at least one.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }
}

/// Undoes `~1` and `~0`. The order matters: `~01` is the text `~1`.
fn unescape(segment: &str) -> Result<String, String> {
    let mut escapes = segment.split('~').skip(1);
    if escapes.any(|rest| !rest.starts_with(['0', '1'])) {
        return Err("every \"~\" of a JSON Pointer is followed by 0 or 1".to_owned());
    }
    Ok(segment.replace("~1", "/").replace("~0", "~"))
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments
            .iter()
            .try_for_each(|segment| write!(f, "/{}", segment.replace('~', "~0").replace('/', "~1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6901 section 5, and what is near it.
    #[test]
    fn a_pointer_is_read_and_written_as_the_standard_says() {
        let table: [(&str, &[&str]); 9] = [
            ("/foo/0", &["foo", "0"]),
            ("/", &[""]),
            ("/a~1b", &["a/b"]),
            ("/c%d", &["c%d"]),
            ("/k\"l", &["k\"l"]),
            ("/ ", &[" "]),
            ("/m~0n", &["m~n"]),
            ("/~01", &["~1"]),
            ("/~10//-", &["/0", "", "-"]),
        ];
        for (text, segments) in table {
            let pointer = Pointer::parse(text).unwrap();
            assert_eq!(pointer.segments(), segments, "{text}");
            assert_eq!(pointer.to_string(), text);
        }
        for text in ["", "token", "#/token", "/a~", "/a~2", "/~/b", "/~~0"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
    }
}
