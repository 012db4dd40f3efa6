//! Ways in which the documents that lead to signing keys are answered wrongly.

use std::time::Duration;

use serde_json::json;

use crate::reply::Reply;

/// A document that leads to signing keys, on every path that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// The OpenID configuration.
    Discovery,
    /// The key set.
    Keys,
}

/// What is wrong with an answer.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// A status of 500.
    Down,
    /// No content: `{"keys":[]}`, or metadata without any member.
    Empty,
    /// 200, but a page.
    Html,
    /// The right document, padded with spaces to so many bytes.
    Huge(usize),
    /// A redirect (302) to this URL.
    Redirect(String),
    /// This answer in its place.
    Reply(Reply),
    /// A TCP reset.
    Reset,
    /// No answer.
    Silent,
    /// The right document, after this time.
    Slow(Duration),
    /// Half of the right document, then the connection breaks off.
    Truncated,
}

impl Trouble {
    /// The answer in the place of the right one.
    pub(crate) fn instead_of(self, right: Reply, document: Document) -> Reply {
        match self {
            Self::Down => Reply::new(500, "Internal Server Error"),
            Self::Empty => match document {
                Document::Discovery => Reply::json(200, &json!({})),
                Document::Keys => Reply::json(200, &json!({ "keys": [] })),
            },
            Self::Html => Reply::page(200, "<p>Something is wrong. Try again later.</p>"),
            Self::Huge(size) => {
                let mut body = right.bytes().to_vec();
                body.resize(size.max(body.len()), b' ');
                Reply::json_bytes(200, body)
            }
            Self::Redirect(location) => Reply::redirect(302, &location),
            Self::Reply(reply) => reply,
            Self::Reset => Reply::reset(),
            Self::Silent => Reply::silent(),
            Self::Slow(time) => right.after(time),
            Self::Truncated => {
                let body = right.bytes();
                let half = body.get(..body.len() / 2).unwrap_or_default().to_vec();
                Reply::cut(200, body.len(), half)
            }
        }
    }
}
