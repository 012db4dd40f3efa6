//! The faults, and what each must come to.

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::provider::{Act, End, When};

/// `limits.upstream_timeout` and `limits.connect_timeout`.
pub(super) const TIMEOUT: Duration = Duration::from_millis(500);

/// What a fault comes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// It is none.
    Passes,
    /// The reply is good, the connection is not.
    PassesOnce,
    Refused(u16, &'static str),
    /// With one of these reasons.
    RefusedAs(u16, &'static [&'static str]),
}

/// One fault.
#[derive(Clone)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) act: Act,
    pub(super) expected: Expected,
}

impl Fault {
    /// What goes wrong at once needs a connection that is new.
    pub(super) fn on_a_warm_connection(&self) -> bool {
        self.act.when != When::Accepted
    }
}

const CUT: Expected = Expected::Refused(502, "upstream_incomplete");
/// A reset may come before the connection counts as made.
const GONE: Expected = Expected::RefusedAs(502, &["upstream_incomplete", "upstream_connect"]);
const LATE: Expected = Expected::Refused(504, "upstream_deadline");
const LARGE: Expected = Expected::Refused(502, "upstream_too_large");

/// A reply of this head (more lines than the first) and body.
fn reply(head: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), b"\r\n", body].concat()
}

fn length(length: usize) -> String {
    format!("content-type: application/json\r\ncontent-length: {length}\r\n")
}

/// The good reply.
pub(super) fn good(body: &[u8]) -> Act {
    act(When::Whole, reply(&length(body.len()), body), End::Keep)
}

fn act(when: When, bytes: impl Into<Bytes>, end: End) -> Act {
    Act {
        when,
        bytes: bytes.into(),
        endless: None,
        end,
    }
}

/// Used up: the connection ends with the request read.
pub(super) fn gone() -> Act {
    act(When::Whole, "", End::Close)
}

fn fault(name: &'static str, act: Act, expected: Expected) -> Fault {
    Fault {
        name,
        act,
        expected,
    }
}

/// All of them, around this good body.
pub(super) fn faults(body: &[u8]) -> Vec<Fault> {
    let whole = reply(&length(body.len()), body);
    [
        ends(&whole),
        lengths(body),
        endless(),
        codings(body),
        interim(&whole),
        early(&whole),
    ]
    .concat()
}

/// It hangs, closes or resets, at each stage.
fn ends(whole: &[u8]) -> Vec<Fault> {
    let (line, head, part) = (&whole[..12], &whole[..40], &whole[..whole.len() - 100]);
    let last = &whole[..whole.len() - 1];
    let mut faults = vec![
        fault("hangs at once", act(When::Accepted, "", End::Hang), LATE),
        fault("closes at once", act(When::Accepted, "", End::Close), CUT),
        fault("resets at once", act(When::Accepted, "", End::Reset), GONE),
        fault(
            "hangs with the request unread",
            act(When::Begun, "", End::Hang),
            LATE,
        ),
        fault(
            "hangs with the request read",
            act(When::Whole, "", End::Hang),
            LATE,
        ),
        fault(
            "closes with the request unread",
            act(When::Begun, "", End::Close),
            CUT,
        ),
        fault(
            "closes with the request read",
            act(When::Whole, "", End::Close),
            CUT,
        ),
        fault(
            "resets with the request unread",
            act(When::Begun, "", End::Reset),
            CUT,
        ),
        fault(
            "resets with the request read",
            act(When::Whole, "", End::Reset),
            CUT,
        ),
    ];
    for (name, part) in [
        ("in the status line", line),
        ("in the head", head),
        ("in the body", part),
        ("before the last byte", last),
    ] {
        let sent = |end| act(When::Whole, part.to_vec(), end);
        faults.push(fault(name, sent(End::Hang), LATE));
        faults.push(fault(name, sent(End::Close), CUT));
        faults.push(fault(name, sent(End::Reset), CUT));
    }
    faults
}

/// The length is not what it says.
fn lengths(body: &[u8]) -> Vec<Fault> {
    let unreadable = Expected::Refused(502, "upstream_unreadable");
    let sent = |head: String| act(When::Whole, reply(&head, body), End::Keep);
    let longer = [reply(&length(body.len()), body), b"and more".to_vec()].concat();
    let two = format!("{}content-length: 7\r\n", length(body.len()));
    let both = format!("{}transfer-encoding: chunked\r\n", length(body.len()));
    vec![
        fault("shorter than it says", sent(length(body.len() + 1)), LATE),
        fault(
            "longer than it says, cut",
            sent(length(body.len() - 1)),
            unreadable,
        ),
        fault(
            "longer than it says",
            act(When::Whole, longer, End::Keep),
            Expected::PassesOnce,
        ),
        fault("two lengths", sent(two), CUT),
        fault("length and chunks", sent(both), CUT),
        fault(
            "a length that is none",
            sent("content-length: x\r\n".to_owned()),
            CUT,
        ),
    ]
}

/// It does not end.
fn endless() -> Vec<Fault> {
    let more = |head: &str, piece: Vec<u8>, pause| Act {
        when: When::Whole,
        bytes: reply(head, b"").into(),
        endless: Some((piece.into(), pause)),
        end: End::Close,
    };
    let spaces = vec![b' '; 64 * 1024];
    let chunk = [b"10000\r\n", &spaces[..], b"\r\n"].concat();
    let slow = Duration::from_millis(20);
    let chunked = "transfer-encoding: chunked\r\n";
    vec![
        fault(
            "endless chunks",
            more(chunked, chunk, Duration::ZERO),
            LARGE,
        ),
        fault(
            "endless without length",
            more("", spaces, Duration::ZERO),
            LARGE,
        ),
        fault("a byte at a time", more("", b" ".to_vec(), slow), LATE),
        fault(
            "an endless chunk line",
            more(chunked, b"1;xxxxxxxx".repeat(1000), Duration::ZERO),
            CUT,
        ),
        fault(
            "endless headers",
            Act {
                bytes: "HTTP/1.1 200 OK\r\n".into(),
                ..more("", b"x: yyyyyyyy\r\n".repeat(1000), Duration::ZERO)
            },
            CUT,
        ),
        fault(
            "endless trailers",
            Act {
                bytes: reply(chunked, b"0\r\n").into(),
                ..more("", b"x: yyyyyyyy\r\n".repeat(1000), Duration::ZERO)
            },
            CUT,
        ),
    ]
}

/// Coded so that little is much, and led elsewhere.
fn codings(body: &[u8]) -> Vec<Fault> {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 200 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    let gzip = |body: &[u8]| {
        let head = format!("{}content-encoding: gzip\r\n", length(body.len()));
        act(When::Whole, reply(&head, body), End::Close)
    };
    let moved = |status: &str, to: &str| {
        let head = format!("HTTP/1.1 {status}\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        act(When::Whole, head, End::Keep)
    };
    let redirect = Expected::Refused(502, "upstream_redirect");
    let coding = Expected::Refused(502, "upstream_encoding");
    vec![
        fault("a gzip bomb", gzip(&bomb), LARGE),
        fault("gzip that is none", gzip(body), coding),
        fault(
            "a redirect",
            moved("302 Found", "https://evil.test/"),
            redirect,
        ),
        fault(
            "a redirect that keeps the method",
            moved("307 Moved", "/elsewhere"),
            redirect,
        ),
    ]
}

/// Interim replies: some, many, and nothing else.
fn interim(whole: &[u8]) -> Vec<Fault> {
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    let then_good =
        |before: String| act(When::Whole, [before.as_bytes(), whole].concat(), End::Keep);
    let storm = |piece: String, pause| Act {
        when: When::Whole,
        bytes: Bytes::new(),
        endless: Some((piece.into(), pause)),
        end: End::Close,
    };
    let switch = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    let slow = Duration::from_millis(20);
    vec![
        fault(
            "a hint before the reply",
            then_good(hint.to_owned()),
            Expected::Passes,
        ),
        fault(
            "a hundred interim replies",
            then_good(go_on.repeat(100)),
            Expected::Passes,
        ),
        fault(
            "a storm of interim replies",
            storm(go_on.repeat(2000), Duration::ZERO),
            CUT,
        ),
        fault(
            "interim replies now and then",
            storm(go_on.to_owned(), slow),
            LATE,
        ),
        fault(
            "a switch of protocols",
            act(When::Whole, switch, End::Hang),
            Expected::Refused(502, "upstream_redirect"),
        ),
    ]
}

/// The answer is there before the request is whole.
fn early(whole: &[u8]) -> Vec<Fault> {
    vec![fault(
        "an answer before the request was read",
        act(When::Begun, whole.to_vec(), End::Close),
        Expected::PassesOnce,
    )]
}
