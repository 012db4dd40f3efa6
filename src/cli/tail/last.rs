//! The last lines of a file that are asked for, read from its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes read at once.
const STEP: u64 = 256 * 1024;

/// Longest line.
const LONGEST: usize = 16 * 1024 * 1024;

/// The last `number` lines before `end` that `takes`, in the file's order. `end` is where a line
/// begins. Looking ends at a line that is too long to be held.
pub(super) fn last(
    file: &File,
    end: u64,
    number: usize,
    takes: impl Fn(&[u8]) -> bool,
) -> io::Result<VecDeque<Vec<u8>>> {
    let mut found = VecDeque::new();
    // The start of what was read last: the end of a line that begins before it.
    let mut held: Vec<u8> = Vec::new();
    let mut start = end;
    while start > 0 && found.len() < number && held.len() <= LONGEST {
        let size = STEP.min(start);
        start -= size;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact_at(&mut bytes, start)?;
        bytes.append(&mut held);
        let first = match start {
            0 => 0,
            _ => memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |end| end + 1),
        };
        let (before, whole) = bytes.split_at_checked(first).unwrap_or((&bytes, &[]));
        let mut lines = whole.split_inclusive(|byte| *byte == b'\n').rev();
        while found.len() < number
            && let Some(line) = lines.next()
        {
            if takes(line) {
                found.push_front(line.to_vec());
            }
        }
        held = before.to_vec();
    }
    Ok(found)
}

/// Where the last line of a file begins that is not ended yet.
pub(super) fn end_of_lines(file: &File) -> io::Result<u64> {
    let mut start = file.metadata()?.len();
    while start > 0 {
        let size = STEP.min(start);
        start -= size;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact_at(&mut bytes, start)?;
        if let Some(end) = memchr::memrchr(b'\n', &bytes) {
            return Ok(start + u64::try_from(end).unwrap_or_default() + 1);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn look(text: &str, number: usize) -> (Vec<String>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let end = end_of_lines(&file).unwrap();
        let found = last(&file, end, number, |line| !line.starts_with(b"#")).unwrap();
        let text = |line: Vec<u8>| String::from_utf8(line).unwrap().trim_end().to_owned();
        (found.into_iter().map(text).collect(), end)
    }

    #[test]
    fn the_last_lines_that_are_asked_for() {
        let table: [(&str, usize, &[&str], u64); 8] = [
            ("", 3, &[], 0),
            ("torn", 3, &[], 0),
            ("a\n", 3, &["a"], 2),
            ("a\nb\nc\ntorn", 2, &["b", "c"], 6),
            ("a\n#b\n#c\nd\n#e\n", 2, &["a", "d"], 13),
            ("a\nb\n", 0, &[], 4),
            ("\n\n", 1, &[""], 2),
            ("a\nb\n", 9, &["a", "b"], 4),
        ];
        for (text, number, expected, end) in table {
            assert_eq!(
                look(text, number),
                (
                    expected.iter().map(|line| (*line).to_owned()).collect(),
                    end
                ),
                "{text:?}"
            );
        }
    }

    #[test]
    fn lines_may_be_longer_than_what_is_read_at_once() {
        let long = "x".repeat(usize::try_from(STEP).unwrap() * 2 + 1);
        let short = "y".repeat(usize::try_from(STEP).unwrap() - 1);
        let text = format!("a\n{long}\n{short}\n#{long}\nb\n");
        let (found, _) = look(&text, 9);
        assert_eq!(found, ["a", &long, &short, "b"]);
        let (found, end) = look(&format!("{text}{long}"), 1);
        assert_eq!((found, end), (vec!["b".to_owned()], text.len() as u64));
    }
}
