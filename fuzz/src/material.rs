//! What fuzzed inputs are made of: real tokens, written as single bytes.
//!
//! No fuzzer finds base64 by chance. Bytes that no UTF-8 text holds stand for tokens of the tenants
//! below, or begin a group that is written another way; so an input stays short, and a mutation
//! moves, doubles, splits or re-encodes whole tokens.
//!
//! | byte | stands for |
//! |---|---|
//! | `f4` b | the byte b itself |
//! | `f5`, `f6`, `f7` | a token of [`FOREIGN`]: version 2.0, version 1.0, unsigned |
//! | `f8` | a token of [`CREATOR`] |
//! | `f9` 0..5 | other things: claims of [`FOREIGN`] alone, a header alone, an opaque token, a JWE, Azure DevOps' token |
//! | `fa` … `ff` | a group in UTF-16 (little endian) |
//! | `fb` … `ff` | a group in base64url |
//! | `fc` … `ff` | a group in percent encoding |
//! | `fd` … `ff` | a group in the escapes of a JSON string |
//! | `fe` … `ff` | a group in base64 with padding |

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Who creates the connection: isolated, and allows nobody.
pub const CREATOR: &str = "aaaaaaaa-1111-4aaa-8aaa-aaaaaaaaaaaa";
/// Whose tokens must never come out.
pub const FOREIGN: &str = "bbbbbbbb-2222-4bbb-8bbb-bbbbbbbbbbbb";

/// Longest material made of one input.
const MOST: usize = 48 * 1024;

/// Deepest nesting of groups.
const DEEPEST: usize = 3;

/// Tokens of [`FOREIGN`], in every form that Entra issues.
pub static FOREIGN_TOKENS: LazyLock<[String; 3]> = LazyLock::new(|| {
    [
        jwt(RS256, &v2_claims(FOREIGN)),
        jwt(RS256, &v1_claims(FOREIGN)),
        format!(
            "{}.{}.",
            b64(r#"{"typ":"JWT","alg":"none"}"#),
            b64(&v1_claims(FOREIGN))
        ),
    ]
});

/// A token of [`CREATOR`].
pub static OWN_TOKEN: LazyLock<String> = LazyLock::new(|| jwt(RS256, &v2_claims(CREATOR)));

/// A text without structure, as personal accounts' access tokens are.
pub const OPAQUE: &str = "EwBwA8l6BAAUO9chh8cJscQLmU+LSWpbnr0vmwwAAcVGgmTW3kuP2m1lR9y9Zw==";

const RS256: &str = r#"{"typ":"JWT","alg":"RS256","kid":"k1"}"#;

static OTHERS: LazyLock<[String; 5]> = LazyLock::new(|| {
    let part = |fill: u8| URL_SAFE_NO_PAD.encode([fill; 16]);
    let jwe = b64(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    let devops =
        format!(r#"{{"iss":"app.vstoken.visualstudio.com","aud":"app","tid":"{FOREIGN}"}}"#);
    [
        b64(&v2_claims(FOREIGN)),
        b64(RS256),
        OPAQUE.to_owned(),
        [jwe, part(0xd1), part(0xd2), part(0xd3), part(0xd4)].join("."),
        jwt(r#"{"typ":"JWT","alg":"HS256"}"#, &devops),
    ]
});

fn b64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of this header and these claims; nobody here verifies its signature.
pub fn jwt(header: &str, claims: &str) -> String {
    format!(
        "{}.{}.{}",
        b64(header),
        b64(claims),
        URL_SAFE_NO_PAD.encode([0x5a; 32])
    )
}

fn v2_claims(tenant: &str) -> String {
    format!(
        r#"{{"aud":"app","iss":"https://login.microsoftonline.com/{tenant}/v2.0","oid":"object","azp":"client","tid":"{tenant}","ver":"2.0"}}"#
    )
}

fn v1_claims(tenant: &str) -> String {
    format!(
        r#"{{"iss":"https://sts.windows.net/{tenant}/","oid":"object","appid":"client","tid":"{tenant}","ver":"1.0"}}"#
    )
}

/// Writes an input out.
pub fn expand(input: &[u8]) -> Vec<u8> {
    let mut rest = input;
    let mut out = Vec::new();
    while !rest.is_empty() {
        group(&mut rest, &mut out, 0);
    }
    out.truncate(MOST);
    out
}

/// Writes out what stands up to the end of a group, or of the input.
fn group(rest: &mut &[u8], out: &mut Vec<u8>, depth: usize) {
    while let Some((byte, after)) = rest.split_first() {
        *rest = after;
        if out.len() > MOST {
            return;
        }
        match byte {
            0xf4 => out.extend(next(rest)),
            0xf5..=0xf7 => out.extend(FOREIGN_TOKENS[usize::from(byte - 0xf5)].bytes()),
            0xf8 => out.extend(OWN_TOKEN.bytes()),
            0xf9 => {
                let which = next(rest).map_or(0, usize::from) % OTHERS.len();
                out.extend(OTHERS[which].bytes());
            }
            0xfa..=0xfe if depth < DEEPEST => {
                let mut inner = Vec::new();
                group(rest, &mut inner, depth + 1);
                out.extend(written(*byte, &inner));
            }
            0xff if depth > 0 => return,
            plain => out.push(*plain),
        }
    }
}

fn next(rest: &mut &[u8]) -> Option<u8> {
    let (byte, after) = rest.split_first()?;
    *rest = after;
    Some(*byte)
}

fn written(way: u8, inner: &[u8]) -> Vec<u8> {
    match way {
        0xfa => inner.iter().flat_map(|byte| [*byte, 0]).collect(),
        0xfb => URL_SAFE_NO_PAD.encode(inner).into_bytes(),
        0xfc => in_hex(b"%", b"0123456789abcdef", inner),
        0xfd => in_hex(b"\\u00", b"0123456789ABCDEF", inner),
        _ => STANDARD.encode(inner).into_bytes(),
    }
}

fn in_hex(mark: &[u8], digits: &[u8; 16], bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * (mark.len() + 2));
    for byte in bytes {
        out.extend(mark);
        out.push(digits[usize::from(byte >> 4)]);
        out.push(digits[usize::from(byte & 15)]);
    }
    out
}
