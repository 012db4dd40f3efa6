//! The token in a header's value.
//!
//! Source: RFC 9110 section 11.4 (credentials), RFC 6750 section 2.1 (`Bearer`).

/// What a header's value is, read as credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials<'v> {
    /// One bearer token.
    Bearer(&'v str),
    /// Some parser takes a bearer token from it, and not by the letter: none after the word, two,
    /// more than one space.
    Doubtful,
    /// Of another scheme, or none.
    Other,
}

impl<'v> Credentials<'v> {
    /// Reads the value of `authorization`. The scheme is compared without case.
    pub fn read(value: &'v str) -> Self {
        let end = value.find(|c: char| !c.is_ascii_alphanumeric());
        let (scheme, rest) = value
            .split_at_checked(end.unwrap_or(value.len()))
            .unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Self::Other;
        }
        match rest.strip_prefix(' ').and_then(alone) {
            Some(token) => Self::Bearer(token),
            None => Self::Doubtful,
        }
    }

    /// Reads the value of a header that is there for the token: the scheme may be left out.
    pub fn read_bare(value: &'v str) -> Self {
        match Self::read(value) {
            Self::Other => alone(value).map_or(Self::Doubtful, Self::Bearer),
            read @ (Self::Bearer(_) | Self::Doubtful) => read,
        }
    }
}

/// A text in which no parser finds a second token.
fn alone(text: &str) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_graphic() & (b != b',') & (b != b';') & (b != b'"');
    // Without a way out in the middle, so that many bytes are looked at in one step.
    let all = text.bytes().fold(true, |all, byte| all & plain(byte));
    (!text.is_empty() && all).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::Credentials::{Bearer, Doubtful, Other};
    use super::*;

    #[test]
    fn one_bearer_token_or_doubt() {
        let table = [
            ("Bearer a.b.c", Bearer("a.b.c")),
            ("bearer a.b.c", Bearer("a.b.c")),
            ("BEARER a==", Bearer("a==")),
            ("Bearer", Doubtful),
            ("Bearer ", Doubtful),
            ("Bearer  a", Doubtful),
            ("Bearer a ", Doubtful),
            ("Bearer\ta", Doubtful),
            ("Bearer:a", Doubtful),
            ("Bearer=a", Doubtful),
            ("Bearer, Bearer a", Doubtful),
            ("Bearer a, Bearer b", Doubtful),
            ("Bearer a,b", Doubtful),
            ("Bearer a;b", Doubtful),
            ("Bearer \"a\"", Doubtful),
            ("Bearer a b", Doubtful),
            ("Bearer a\u{a0}b", Doubtful),
            ("Bearera", Other),
            ("Basic Bearer a", Other),
            ("Negotiate YII", Other),
            ("a.b.c", Other),
            (" Bearer a", Other),
            ("", Other),
        ];
        for (value, expected) in table {
            assert_eq!(Credentials::read(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_header_for_the_token_may_hold_it_bare() {
        let table = [
            ("a.b.c", Bearer("a.b.c")),
            ("Bearer a.b.c", Bearer("a.b.c")),
            ("Bearer", Doubtful),
            ("", Doubtful),
            (" ", Doubtful),
            ("a b", Doubtful),
            ("a,b", Doubtful),
            ("Basic a", Doubtful),
            ("Bearer a b", Doubtful),
        ];
        for (value, expected) in table {
            assert_eq!(Credentials::read_bare(value), expected, "{value:?}");
        }
    }
}
