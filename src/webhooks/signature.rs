//! The signature of a message, by which its receiver knows that it is ours.
//!
//! Invariant: a secret is held as a key only, and nothing here prints it.
//!
//! Source: Standard Webhooks 1.0, "Symmetric signature scheme".

use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::secret::{self, Unusable};

/// What a secret begins with that is base64.
const PREFIX: &str = "whsec_";

/// Fewer bytes could be guessed.
const LEAST: usize = 24;
const MOST: usize = 64;

/// Characters of a secret that is used as it stands.
const MOST_TEXT: usize = 1024;

/// Secrets at once: while one replaces another, both sign.
const AT_ONCE: usize = 4;

/// The secrets of a webhook.
pub(crate) struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Reads a file with one secret a line: `whsec_` and base64, or a text that is the key itself.
    ///
    /// # Errors
    /// Why it gives none; nothing of its content is told.
    pub(crate) fn read(path: &Path) -> Result<Self, Unusable> {
        let most = (MOST_TEXT + 2) * AT_ONCE + 1;
        let bytes = secret::content(path, most)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Unusable::Content)?;
        let keys: Option<Vec<_>> = text.lines().map(key).collect();
        keys.filter(|keys| (1..=AT_ONCE).contains(&keys.len()) && bytes.len() < most)
            .map(Self)
            .ok_or(Unusable::Content)
    }

    /// The header that goes with a message: a signature by each secret.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let signature = |key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
        };
        let all: Vec<String> = self.0.iter().map(signature).collect();
        all.join(" ")
    }
}

fn key(line: &str) -> Option<hmac::Key> {
    let bytes = match line.strip_prefix(PREFIX) {
        Some(encoded) => {
            let bytes = BASE64_STANDARD.decode(encoded).ok()?;
            (LEAST..=MOST).contains(&bytes.len()).then_some(bytes)
        }
        None => {
            let sound = line.bytes().all(|byte| byte.is_ascii_graphic());
            (sound && (LEAST..=MOST_TEXT).contains(&line.len())).then(|| line.into())
        }
    };
    Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes?))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Result<Signer, Unusable> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, content).unwrap();
        Signer::read(&path)
    }

    /// The example of the specification's own library.
    #[test]
    fn it_is_the_standards_signature() {
        let signer = of(b"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\n").unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let signed = signer.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body);
        assert_eq!(signed, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
        assert_eq!(format!("{signer:?}"), "Signer");
    }

    #[test]
    fn each_secret_signs() {
        let plain = "a-secret-that-is-no-base64!";
        let both = of(format!("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\r\n{plain}\n").as_bytes());
        let signed = both.unwrap().sign("id", 1, b"{}");
        let alone = of(plain.as_bytes()).unwrap().sign("id", 1, b"{}");
        let (_, last) = signed.split_once(' ').unwrap();
        assert_eq!(last, alone);
        let known = standardwebhooks::Webhook::from_bytes(plain.into()).unwrap();
        assert_eq!(known.sign("id", 1, b"{}").unwrap(), alone);
    }

    #[test]
    fn anything_else_is_no_secret() {
        let plain = "x".repeat(LEAST);
        let table: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"\n".to_vec(),
            "x".repeat(LEAST - 1).into(),
            "x".repeat(MOST_TEXT + 1).into(),
            b"whsec_".to_vec(),
            format!("whsec_{}", BASE64_STANDARD.encode([7; LEAST - 1])).into(),
            format!("whsec_{}", BASE64_STANDARD.encode([7; MOST + 1])).into(),
            b"whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD".to_vec(),
            format!("{plain}\n\n").into(),
            format!("{plain} {plain}").into(),
            format!("{plain}\u{e9}").into(),
            [plain.as_bytes(), b"\xff"].concat(),
            format!("{plain}\n").repeat(AT_ONCE + 1).into(),
        ];
        for content in table {
            assert!(
                matches!(of(&content), Err(Unusable::Content)),
                "{content:?}"
            );
        }
        let longest = format!("{}\r\n", "x".repeat(MOST_TEXT)).repeat(AT_ONCE);
        assert!(of(longest.as_bytes()).is_ok());
    }
}
