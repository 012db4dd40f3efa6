//! A whole exchange against whatever a provider answers.
//!
//! The gateway's own code serves a client over a pipe and asks a provider over a loopback socket
//! that answers with the input: screening, routing, the exchange, the rule, the answer, the record.
//! The creator is isolated and allows nobody, so of the foreign tenant nothing may come out.
//!
//! Holds: no token of the foreign tenant is in anything that the client gets, as it stands or as a
//! careless client reads it; a reply that is released is the provider's, byte for byte; an answer
//! of the gateway's own holds no token at all; a well-formed reply passes exactly if it names the
//! creator's tenant alone; logs and records hold no token, and there is one record an exchange.
//!
//! Input: a byte that chooses the route and how the reply is framed; the status and headers, a line
//! each, up to an empty line; the body. Tokens are written as `material.rs` says.

mod stage;

use std::io::Read;

use arbitrary::{Arbitrary, Unstructured};
use serde_json::{Map, Value};

use super::careless;
use super::material::{FOREIGN, FOREIGN_TOKENS, OPAQUE, OWN_TOKEN, expand};
use stage::Answer;

/// Where a reply comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// An Entra provider, with every default.
    Entra,
    /// A provider declared to be none, whose own tokens pass.
    Other,
    /// An Entra provider with `undetermined = "allow"`: what names a tenant is judged still.
    Lax,
}

/// How a reply is framed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Chunked,
    Closed,
    Gzip,
    GzipTwice,
    Length,
    /// The input is what is on the wire.
    Raw,
    /// The input only chooses among well-formed replies.
    WellFormed,
}

/// Holds one exchange against what must hold of it.
pub fn run(input: &[u8]) {
    let Some((control, rest)) = input.split_first() else {
        return;
    };
    let lane = match control >> 4 & 3 {
        0 | 1 => Lane::Entra,
        2 => Lane::Other,
        _ => Lane::Lax,
    };
    let framing = match control & 7 {
        0 | 7 => Framing::Length,
        1 => Framing::Chunked,
        2 => Framing::Closed,
        3 => Framing::Gzip,
        4 => Framing::GzipTwice,
        5 => Framing::Raw,
        _ => Framing::WellFormed,
    };
    match framing {
        Framing::WellFormed => well_formed(lane, rest),
        Framing::Raw => {
            let answer = stage::exchange(path(lane), expand(rest));
            holds_nothing_foreign(lane, &answer);
        }
        framing => scripted(lane, framing, rest),
    }
}

/// What is to be called when the last input was run: records are complete and hold no token.
pub fn settle() {
    stage::settle();
}

const fn path(lane: Lane) -> &'static str {
    match lane {
        Lane::Entra => "/entra/token",
        Lane::Other => "/other/token",
        Lane::Lax => "/lax/token",
    }
}

fn scripted(lane: Lane, framing: Framing, input: &[u8]) {
    let (head, body) = match input.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (&b""[..], input),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|line| std::str::from_utf8(line).ok());
    let status = status
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(200_u16);
    let status = 200 + status % 400;
    let mut wire = format!("HTTP/1.1 {status} Whatever\r\n").into_bytes();
    for line in lines {
        let line = expand(line);
        // Another framing than ours makes an input of the other kind.
        let name = line
            .split(|byte| *byte == b':')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let frames = [&b"content-length"[..], b"transfer-encoding", b"connection"];
        if !frames.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            wire.extend(line.iter().filter(|byte| !b"\r\n".contains(byte)));
            wire.extend(b"\r\n");
        }
    }
    let mut body = expand(body);
    match framing {
        Framing::Gzip => body = gzip(&body),
        Framing::GzipTwice => {
            let (one, two) = body.split_at(body.len() / 2);
            body = [gzip(one), gzip(two)].concat();
        }
        _ => {}
    }
    match framing {
        Framing::Gzip | Framing::GzipTwice => wire.extend(b"content-encoding: gzip\r\n"),
        _ => {}
    }
    match framing {
        Framing::Closed => {
            wire.extend(b"connection: close\r\n\r\n");
            wire.extend(&body);
        }
        Framing::Chunked => {
            wire.extend(b"transfer-encoding: chunked\r\n\r\n");
            for chunk in body.chunks(1 + body.len() / 3) {
                wire.extend(format!("{:x}\r\n", chunk.len()).bytes());
                wire.extend(chunk);
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\n\r\n");
        }
        _ => {
            wire.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
            wire.extend(&body);
        }
    }
    let answer = stage::exchange(path(lane), wire);
    holds_nothing_foreign(lane, &answer);
    if !answer.is_our_own() {
        assert_eq!(answer.status, status, "another status");
        let bodiless = status == 204 || status == 304;
        if !bodiless {
            assert!(answer.body == body, "released, and not byte for byte");
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
    encoder
        .read_to_end(&mut coded)
        .expect("memory does not fail");
    coded
}

/// Whatever the client gets, it gets nothing of the foreign tenant.
fn holds_nothing_foreign(lane: Lane, answer: &Answer) {
    let mut readings = vec![answer.raw.clone(), answer.body.clone()];
    // As a client that honours the coding, or sniffs it.
    let mut decoded = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(answer.body.as_slice());
    drop(decoder.by_ref().take(1 << 20).read_to_end(&mut decoded));
    readings.push(decoded);
    for reading in &readings {
        assert!(
            !careless::holds_a_foreign_token(reading),
            "a foreign token came out: {answer:?}"
        );
        // Where the operator lets pass what nobody can determine, that is what passes.
        if lane != Lane::Lax {
            let tenants = careless::tenants_in_fields(reading);
            assert!(
                !tenants.contains(FOREIGN),
                "a client reads a foreign token: {answer:?}"
            );
        }
    }
    if answer.is_our_own() {
        assert!([403, 502, 503, 504].contains(&answer.status), "{answer:?}");
        let text = String::from_utf8_lossy(&answer.raw);
        assert!(
            text.to_ascii_lowercase()
                .contains("cache-control: no-store"),
            "{answer:?}"
        );
        for token in FOREIGN_TOKENS.iter().chain([&*OWN_TOKEN]) {
            // A part of a token is enough to be too much.
            for part in token.split('.').filter(|part| part.len() > 16) {
                assert!(!text.contains(&part[..16]), "part of a token: {answer:?}");
            }
        }
        assert!(!text.contains(&OPAQUE[..16]), "part of a token: {answer:?}");
    }
}

/// A reply as providers make them, with tokens in it whose tenants are known.
fn well_formed(lane: Lane, input: &[u8]) {
    let mut chance = Unstructured::new(input);
    let mut reply = Map::new();
    reply.insert("token_type".to_owned(), Value::from("Bearer"));
    reply.insert(
        "expires_in".to_owned(),
        Value::from(u16::arbitrary(&mut chance).unwrap_or(0)),
    );
    let (mut own, mut foreign) = (false, false);
    for name in ["access_token", "id_token", "refresh_token", "claims", "x"] {
        let choice = u8::arbitrary(&mut chance).unwrap_or(0) % 6;
        let token = match choice {
            0 | 1 => {
                own = true;
                OWN_TOKEN.as_str()
            }
            2 => {
                foreign = true;
                let which = usize::from(u8::arbitrary(&mut chance).unwrap_or(0));
                FOREIGN_TOKENS[which % 3].as_str()
            }
            3 => OPAQUE,
            _ => continue,
        };
        let mut value = Value::from(token);
        if !["access_token", "id_token", "refresh_token"].contains(&name) {
            for _ in 0..u8::arbitrary(&mut chance).unwrap_or(0) % 4 {
                value = if bool::arbitrary(&mut chance).unwrap_or(false) {
                    Value::from(vec![Value::Null, value])
                } else {
                    Value::from(Map::from_iter([("inner".to_owned(), value)]))
                };
            }
        }
        reply.insert(name.to_owned(), value);
    }
    let spaces = usize::from(u8::arbitrary(&mut chance).unwrap_or(0) % 8);
    let mut body = serde_json::to_vec(&reply).expect("JSON");
    body.extend(std::iter::repeat_n(b' ', spaces));
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = stage::exchange(path(lane), [head.into_bytes(), body.clone()].concat());
    holds_nothing_foreign(lane, &answer);
    let passes = match (foreign, own, lane) {
        (true, _, _) => false,
        (false, true, _) => true,
        (false, false, Lane::Entra) => false,
        (false, false, Lane::Lax | Lane::Other) => true,
    };
    if passes {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body == body, "released, and not byte for byte");
    } else {
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.is_our_own(), "{answer:?}");
    }
}
