//! Characters written another way: a token in a JSON string within a JSON string, in a page or in
//! a URL may have its dots and letters escaped, and its reader undoes that.
//!
//! Invariant: undoing an escape never hides what stands there plainly; the text is searched as it
//! is as well.

/// Undoes `\u002e`, `\x2e`, `%2e`, `&#46;` and `&#x2e;` where they stand for ASCII. None where
/// there is nothing to undo.
pub(super) fn undone(text: &str) -> Option<String> {
    memchr::memchr3(b'\\', b'%', b'&', text.as_bytes())?;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut changed = false;
    while let Some(at) = memchr::memchr3(b'\\', b'%', b'&', rest.as_bytes()) {
        let (before, escape) = rest.split_at_checked(at)?;
        plain.push_str(before);
        if let Some((c, length)) = escaped(escape) {
            plain.push(c);
            rest = escape.get(length..)?;
            changed = true;
        } else {
            // A mark of escaping that escapes nothing: `\` before `"`, a lone `%` or `&`.
            rest = escape.get(1..)?;
            if escape.starts_with('\\') {
                changed = true;
            } else {
                plain.push_str(escape.get(..1)?);
            }
        }
    }
    plain.push_str(rest);
    changed.then_some(plain)
}

/// The character that an escape at the start of `text` stands for, and the escape's length.
fn escaped(text: &str) -> Option<(char, usize)> {
    let hex = |from: usize, digits: usize| {
        let code = text.get(from..from + digits)?;
        let value = u8::from_str_radix(code, 16).ok().filter(u8::is_ascii)?;
        (!code.starts_with('+')).then_some((char::from(value), from + digits))
    };
    if text.starts_with('%') {
        return hex(1, 2);
    }
    if text.starts_with("\\u") {
        return hex(2, 4);
    }
    if text.starts_with("\\x") {
        return hex(2, 2);
    }
    let (code, radix) = match text.strip_prefix("&#")? {
        rest if rest.starts_with(['x', 'X']) => (rest.get(1..)?, 16),
        rest => (rest, 10),
    };
    // The digits end where another character begins, even one that would be a digit in hex.
    let end = code
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(code.len());
    let value = u8::from_str_radix(code.get(..end)?, radix).ok()?;
    let semicolon = usize::from(code.get(end..)?.starts_with(';'));
    let length = text.len() - code.len() + end + semicolon;
    value.is_ascii().then_some((char::from(value), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_ascii_are_undone() {
        let table = [
            ("plain. text", None),
            (r"a\u002eb\u002Ec", Some("a.b.c")),
            (r"a\x2eb", Some("a.b")),
            ("a%2eb%2E", Some("a.b.")),
            ("a&#46;b&#x2e;c&#X2E;", Some("a.b.c.")),
            ("a&#46eyJ&#0046f&#46", Some("a.eyJ.f.")),
            ("&#;&#x;&#xg", None),
            (r#"{\"t\":\"a\\u002eb\"}"#, Some(r#"{"t":"a.b"}"#)),
            ("100% of &amp; \u{e9}", None),
            (r"\u00e9", Some("u00e9")),
            ("%e9", None),
            ("%+1", None),
            ("%", None),
            ("&#", None),
            ("\\", Some("")),
        ];
        for (text, expected) in table {
            assert_eq!(undone(text).as_deref(), expected, "{text}");
        }
    }
}
