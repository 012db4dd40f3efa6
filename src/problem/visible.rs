//! Texts from files and servers on their way to a terminal.
//!
//! Invariant: what comes out holds no control character and none that changes the direction of
//! writing or ends a line, so it can neither move a cursor nor show something else than it says.

/// Whether a character does something else than show itself.
fn is_hidden(c: char) -> bool {
    c.is_control() || is_layout(c)
}

/// Whether it changes the direction of writing or, for some readers, ends a line.
const fn is_layout(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with what is hidden in it as escapes, like `\n` and `\u{1b}`.
pub(crate) fn visible(text: &str) -> String {
    escaped(text, is_hidden)
}

/// The same of a text of several lines, which stay lines.
pub(crate) fn visible_lines(text: &str) -> String {
    escaped(text, |c| c != '\n' && is_hidden(c))
}

fn escaped(text: &str, is_hidden: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// JSON that says the same without what is hidden; JSON itself escapes only the characters below
/// U+0020.
pub(crate) fn visible_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, '\u{7f}'..='\u{9f}') || is_layout(c) {
            shown += &format!("\\u{:04x}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and last of every range, and their neighbours.
    const HIDDEN: &str = "\0\t\n\r\u{1b}\u{1f}\u{7f}\u{80}\u{9b}\u{9f}\u{61c}\u{200e}\u{200f}\
                          \u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}";
    const SHOWN: &str =
        " ~\u{a0}\u{e9}\u{61b}\u{200d}\u{2010}\u{2027}\u{202f}\u{2065}\u{206a}\u{1f600}\\\"";

    #[test]
    fn what_is_hidden_is_escaped_and_nothing_else() {
        for c in HIDDEN.chars() {
            let shown = visible(&format!("a{c}b"));
            assert_eq!(shown, format!("a{}b", c.escape_default()));
            assert!(shown.is_ascii(), "{shown}");
        }
        assert_eq!(visible(SHOWN), SHOWN);
        assert_eq!(visible_lines("a\u{1b}\nb\r"), "a\\u{1b}\nb\\r");
    }

    #[test]
    fn json_says_the_same_without_it() {
        let value = serde_json::Value::from(format!("{HIDDEN}{SHOWN}"));
        let shown = visible_json(&value.to_string());
        assert_eq!(visible(&shown), shown);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
    }
}
