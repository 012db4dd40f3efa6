//! How careless clients read: the second opinion that fuzz targets hold the gateway against.
//!
//! Nothing here shares a line with what it judges. It takes whatever some client takes: either of
//! two equal members, names in any case, claims in any alphabet of base64, forms split anywhere.

use std::collections::BTreeSet;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::material::FOREIGN_TOKENS;

const TOKEN_FIELDS: [&str; 3] = ["access_token", "id_token", "refresh_token"];

/// The texts that a client may see in these bytes: UTF-8, and UTF-16 without its zeros.
pub fn texts(bytes: &[u8]) -> Vec<String> {
    let mut texts = vec![String::from_utf8_lossy(bytes).into_owned()];
    if bytes.contains(&0) {
        let dense: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        texts.push(String::from_utf8_lossy(&dense).into_owned());
    }
    texts
}

/// Whether a whole token of the foreign tenant stands in these bytes, plainly or behind one or two
/// layers of escapes of JSON strings and of percent encoding.
pub fn holds_a_foreign_token(bytes: &[u8]) -> bool {
    let mut forms: BTreeSet<String> = texts(bytes).into_iter().collect();
    for _ in 0..2 {
        let mut undone = Vec::new();
        for text in &forms {
            if text.contains('\\') {
                undone.push(unescaped(text));
            }
            if text.contains('%') {
                undone.push(unpercented(text));
            }
        }
        forms.extend(undone);
    }
    forms.iter().any(|text| {
        FOREIGN_TOKENS
            .iter()
            .any(|token| text.contains(token.as_str()))
    })
}

/// The tenants of Entra that a careless client reads from tokens in the usual fields, at any depth,
/// in JSON or in a form.
pub fn tenants_in_fields(bytes: &[u8]) -> BTreeSet<String> {
    let mut tenants = BTreeSet::new();
    for text in texts(bytes) {
        for (name, value) in json_pairs(&text).into_iter().chain(form_pairs(&text)) {
            let name = name.to_lowercase().replace('\u{17f}', "s");
            if TOKEN_FIELDS.contains(&name.as_str()) {
                tenants.extend(tid(&value));
            }
        }
    }
    tenants
}

/// What a client reads as the tenant of a token: the second segment, decoded with junk dropped and
/// loose bits ignored, the last of equal members taken; nothing where the issuer is not Entra's.
pub fn tid(token: &str) -> Option<String> {
    let segment: String = token
        .split('.')
        .nth(1)?
        .replace('+', "-")
        .replace('/', "_")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    let lenient = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let claims: Value = serde_json::from_slice(&lenient.decode(segment).ok()?).ok()?;
    let iss = claims.get("iss")?.as_str()?;
    let entra = iss.contains("login.microsoftonline.com") || iss.contains("sts.windows.net");
    let tid = claims.get("tid")?.as_str().filter(|_| entra)?;
    Some(tid.to_ascii_lowercase())
}

/// Every member of every object whose value is a string, doubles included, however broken the rest.
pub fn json_pairs(text: &str) -> Vec<(String, String)> {
    let bytes = text.as_bytes();
    let mut pairs = Vec::new();
    let mut at = 0;
    let mut last: Option<String> = None;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let (string, end) = string_at(text, at + 1);
                at = end;
                let named = bytes[at..]
                    .iter()
                    .find(|b| !b.is_ascii_whitespace())
                    .is_some_and(|b| *b == b':');
                match (named, last.take()) {
                    (true, _) => last = Some(string),
                    (false, Some(name)) => pairs.push((name, string)),
                    (false, None) => {}
                }
                continue;
            }
            b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => last = None,
        }
        at += 1;
    }
    pairs
}

/// The string that starts here, and where it ended.
fn string_at(text: &str, from: usize) -> (String, usize) {
    let bytes = text.as_bytes();
    let mut end = from;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    let end = end.min(bytes.len());
    let inner = String::from_utf8_lossy(&bytes[from..end]).into_owned();
    (unescaped(&inner), (end + 1).min(bytes.len()))
}

/// Undoes the escapes of a JSON string; a broken one stays as it is.
pub fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut chars = rest.chars();
        match chars.next() {
            Some('u') => {
                let code = rest
                    .get(1..5)
                    .and_then(|hex| u32::from_str_radix(hex, 16).ok());
                match code.and_then(char::from_u32) {
                    Some(c) => {
                        out.push(c);
                        rest = &rest[5..];
                    }
                    None => {
                        out.push('u');
                        rest = &rest[1..];
                    }
                }
            }
            Some(c) => {
                out.push(match c {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
                rest = chars.as_str();
            }
            None => {}
        }
    }
    out.push_str(rest);
    out
}

/// The pairs of a form, as the laxest of readers split and decode them.
pub fn form_pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((unpercented(name), unpercented(value)))
    };
    text.split(['&', ';', '?', '#']).filter_map(pair).collect()
}

/// Undoes percent encoding; a broken escape stays as it is.
pub fn unpercented(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}
