//! What must never be found in an output, and the search for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// How every token and ticket of the mocks begins or what it holds: JWTs (and what is in refresh
/// tokens) `eyJ`, opaque access tokens the others. No record, log or answer of the gateway's own
/// has a reason to hold any of these.
const MARKS: [&str; 3] = ["eyJ", "EwB", "PAQABAAAA"];

/// So many characters of a secret are looked for.
const PART: usize = 16;

/// Secrets in use. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    /// What all canaries begin with, so that one search finds any of them.
    prefix: String,
    needles: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    /// Ends of tokens, looked for once, when everything is over: there are many of them.
    ends: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

impl Default for Secrets {
    fn default() -> Self {
        let letters = tidegate_mock::jwt::random(40).replace(['-', '_'], "x");
        let secrets = Self {
            prefix: format!("Cn{}", &letters[..PART - 2]),
            needles: Arc::default(),
            ends: Arc::default(),
        };
        secrets.note(secrets.prefix.as_bytes());
        secrets
    }
}

impl Secrets {
    /// A new secret.
    pub(crate) fn canary(&self) -> String {
        format!(
            "{}{}",
            self.prefix,
            tidegate_mock::jwt::random(30).replace(['-', '_'], "x")
        )
    }

    /// Notes a secret that came from elsewhere: its first and its last characters. Short ones are
    /// left out: they would be found by accident.
    pub(crate) fn remember(&self, secret: &str) {
        if secret.len() >= PART + 4 {
            self.note(&secret.as_bytes()[..PART]);
            self.note(&secret.as_bytes()[secret.len() - PART..]);
        }
    }

    /// Notes a token of a request. What it begins with is a mark, and a canary can be in its claims;
    /// its end is looked for by [`assert_no_end_in`](Self::assert_no_end_in).
    pub(crate) fn remember_end(&self, token: &[u8]) {
        if token.len() >= PART + 4 {
            let end = token[token.len() - PART..].to_vec();
            self.ends.lock().unwrap().insert(end);
        }
    }

    /// Fails if the end of any token of a request is in an output.
    pub(crate) fn assert_no_end_in(&self, what: &str, output: &[u8]) {
        for end in &*self.ends.lock().unwrap() {
            let end_text = String::from_utf8_lossy(end);
            assert!(!contains(output, end), "{what} holds {end_text}");
        }
    }

    /// How many spellings of secrets are looked for.
    #[allow(dead_code, reason = "told by tests/promises")]
    pub(crate) fn spellings(&self) -> usize {
        MARKS.len() + self.needles.lock().unwrap().len()
    }

    fn note(&self, part: &[u8]) {
        self.needles.lock().unwrap().extend(spellings(part));
    }

    /// Fails if any secret is in an output, in any of the usual encodings, even in part.
    pub(crate) fn assert_none_in(&self, what: &str, output: &[u8]) {
        let marks = MARKS.map(|mark| mark.as_bytes().to_vec());
        let needles = self.needles.lock().unwrap().clone();
        for needle in marks.iter().chain(&needles) {
            assert!(
                !contains(output, needle),
                "{what} holds {}: {}",
                String::from_utf8_lossy(needle),
                show(output)
            );
        }
    }
}

/// As it is, percent-encoded, in hex, and in base64 at each of the three places it can start.
fn spellings(part: &[u8]) -> Vec<Vec<u8>> {
    let percent = |upper: bool| -> Vec<u8> {
        let escape = |byte: &u8| {
            if upper {
                format!("%{byte:02X}")
            } else {
                format!("%{byte:02x}")
            }
        };
        part.iter().map(escape).collect::<String>().into_bytes()
    };
    let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
    let upper = hex.to_uppercase().into_bytes();
    let mut all = vec![
        part.to_vec(),
        percent(true),
        percent(false),
        hex.into_bytes(),
        upper,
    ];
    for shift in 0..3 {
        let padded = [&b"\0\0"[..shift], part].concat();
        for engine in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded);
            // The characters at the edges depend on what stands beside them.
            let from = if shift == 0 { 0 } else { shift + 1 };
            all.push(encoded.as_bytes()[from..encoded.len() - 1].to_vec());
        }
    }
    all
}

pub(crate) fn contains(output: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(output, part).is_some()
}

fn show(output: &[u8]) -> String {
    String::from_utf8_lossy(output).chars().take(4000).collect()
}

#[test]
fn a_secret_is_found_in_every_spelling() {
    let secrets = Secrets::default();
    let secret = secrets.canary();
    let token = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";
    secrets.remember(token);
    let base64 = |before: &str| BASE64_STANDARD_NO_PAD.encode(format!("{before}{secret}&more"));
    let outputs = [
        format!("a {secret} b"),
        secret[..16].to_owned(),
        token[..16].to_owned(),
        token[20..].to_owned(),
        base64(""),
        base64("x"),
        base64("xy"),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        secret.bytes().map(|byte| format!("%{byte:02x}")).collect(),
    ];
    secrets.assert_none_in("nothing", b"");
    for output in outputs {
        let search =
            std::panic::AssertUnwindSafe(|| secrets.assert_none_in("it", output.as_bytes()));
        assert!(
            std::panic::catch_unwind(search).is_err(),
            "not found in {output}"
        );
    }
}
