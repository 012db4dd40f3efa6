//! HTTP/2 by hand: frames and header blocks that no library would make.

use super::Raw;

/// Types of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags of frames.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The start of every connection: the preface and empty settings.
pub(crate) fn preface() -> Vec<u8> {
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, b""),
    ]
    .concat()
}

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request: these header fields literally, then this body.
pub(crate) fn request(stream: u32, fields: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let block = block(fields);
    let end = if body.is_none() { END_STREAM } else { 0 };
    let head = frame(HEADERS, END_HEADERS | end, stream, &block);
    [
        head,
        body.map_or_else(Vec::new, |body| frame(DATA, END_STREAM, stream, body)),
    ]
    .concat()
}

/// A header block: these fields literally.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal without indexing, name and value without Huffman coding.
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits.
fn integer(block: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        block.push(u8::try_from(value).unwrap());
        return;
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push(u8::try_from(value % 128 + 128).unwrap());
        value /= 128;
    }
    block.push(u8::try_from(value).unwrap());
}

impl Raw {
    /// The next frame; none if the connection ends before.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let head = self.take(9).await?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload: self.take(length).await?,
        })
    }

    /// How a stream is answered: the first frame that is about it, or that ends the connection.
    pub(crate) async fn outcome_of(&mut self, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if frame.stream == stream || frame.kind == GOAWAY {
                return Some(frame);
            }
        }
    }
}
