//! Lines out of pieces, as they come.

/// Longest line. That of a policy's change holds the policy before and after.
const LONGEST: usize = 16 * 1024 * 1024;

/// What came of a line so far.
#[derive(Default)]
pub(super) struct Pieces {
    line: Vec<u8>,
    /// The line is longer than is held.
    too_long: bool,
}

impl Pieces {
    /// Takes bytes in and hands over every line that they end.
    pub(super) fn feed<E>(
        &mut self,
        mut bytes: &[u8],
        take: &mut (impl FnMut(&[u8]) -> Result<(), E> + ?Sized),
    ) -> Result<(), E> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (piece, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            self.add(piece);
            bytes = rest.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.line);
            if !std::mem::take(&mut self.too_long) {
                take(&line)?;
            }
        }
        self.add(bytes);
        Ok(())
    }

    /// What stands after the last end of a line.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        self.too_long = false;
        std::mem::take(&mut self.line)
    }

    fn add(&mut self, piece: &[u8]) {
        if self.line.len() + piece.len() > LONGEST {
            self.too_long = true;
            self.line = Vec::new();
        }
        if !self.too_long {
            self.line.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], size: usize) -> (Vec<usize>, Vec<u8>) {
        let mut pieces = Pieces::default();
        let mut found = Vec::new();
        for piece in text.chunks(size) {
            let taken = pieces.feed::<()>(piece, &mut |line| {
                found.push(line.len());
                Ok(())
            });
            taken.unwrap();
        }
        (found, pieces.rest())
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let long = vec![b'x'; LONGEST + 1];
        let text = [b"ab\n\nc\r\n", &long[..], b"\n", &long[1..], b"\nrest"].concat();
        for size in [4093, 1 << 16, text.len()] {
            let (found, rest) = lines(&text, size);
            assert_eq!(found, [2, 0, 2, LONGEST]);
            assert_eq!(rest, b"rest");
        }
        assert_eq!(lines(b"a\nb", 1), (vec![1], b"b".to_vec()));
    }
}
