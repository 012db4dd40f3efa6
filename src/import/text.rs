//! The text of a file that PowerShell may have written: UTF-8, or UTF-16 with its mark.

use std::borrow::Cow;

use super::fault;
use crate::policies::document::Fault;

/// Decodes a file. Windows PowerShell's `>` writes UTF-16, its `Out-File -Encoding utf8` a mark.
pub(super) fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let text = match bytes {
        [] => return Err(refused("an empty file")),
        [0xFF, 0xFE, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)?),
        [0xFE, 0xFF, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)?),
        [0xEF, 0xBB, 0xBF, rest @ ..] => Cow::Borrowed(utf8(rest)?),
        _ => Cow::Borrowed(utf8(bytes)?),
    };
    if text.contains('\0') {
        return Err(refused("binary data"));
    }
    Ok(text)
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| refused("bytes that are not UTF-8"))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Fault> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok()
        .filter(|_| rest.is_empty())
        .ok_or_else(|| refused("broken UTF-16"))
}

fn refused(found: &str) -> Fault {
    fault(
        "",
        found,
        "text in UTF-8, or in UTF-16 with a byte order mark",
    )
}
