//! The corpora of the fuzz targets, as a plain regression test: every input that fuzzing found worth
//! keeping, and every one that once failed, through the same functions that libFuzzer calls.
//!
//! See `fuzz/README.md`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    unreachable_pub,
    reason = "an input that fails panics, and fuzz/src is a crate of its own as well"
)]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// The inputs of a target below one directory.
fn inputs(directory: &str, target: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let Ok(entries) = fs::read_dir(root.join(directory).join(target)) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    files
}

/// Runs every input of a target.
fn replay(target: &str) {
    let (_, run) = fuzz::TARGETS
        .into_iter()
        .find(|(name, _)| *name == target)
        .unwrap();
    let corpus = inputs("corpus", target);
    assert!(corpus.len() >= 10, "{target}: a corpus of {}", corpus.len());
    let mut failed = Vec::new();
    for file in corpus.into_iter().chain(inputs("found", target)) {
        let input = fs::read(&file).unwrap();
        if catch_unwind(|| run(&input)).is_err() {
            failed.push(file);
        }
    }
    assert!(failed.is_empty(), "{target}: {failed:#?}");
}

#[test]
fn config() {
    replay("config");
}

#[test]
fn exchange() {
    replay("exchange");
    fuzz::exchange::settle();
}

#[test]
fn form() {
    replay("form");
}

#[test]
fn jwt() {
    replay("jwt");
}

#[test]
fn key_set() {
    replay("key_set");
}

#[test]
fn path() {
    replay("path");
}

#[test]
fn policy() {
    replay("policy");
}

#[test]
fn reply() {
    replay("reply");
}

/// Every target has a corpus and a test above, and nothing else lies among the corpora.
#[test]
fn nothing_is_left_out() {
    let source = include_str!("fuzz_corpus.rs");
    for directory in ["corpus", "found"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let Ok(entries) = fs::read_dir(root.join(directory)) else {
            continue;
        };
        for entry in entries {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                fuzz::TARGETS.iter().any(|(target, _)| *target == name),
                "{name}"
            );
            assert!(source.contains(&format!("replay(\"{name}\")")), "{name}");
        }
    }
    for (target, _) in fuzz::TARGETS {
        assert!(!inputs("corpus", target).is_empty(), "{target}");
    }
}

/// The targets can fail: a second opinion that sees nothing would agree with everything.
#[test]
fn the_second_opinion_sees_what_it_must() {
    use fuzz::careless::{holds_a_foreign_token, tenants_in_fields};
    use fuzz::material::{FOREIGN, expand};
    let seen: [&[u8]; 5] = [
        b"\xf5",
        b"{\"a\":\"\xfd\xf6\xff\"}",
        b"x=\xfc\xf7\xff",
        b"{\"t\":\"\xfd\xfc\xf5\xff\xff\"}",
        b"\xfa\xf5\xff",
    ];
    for input in seen {
        assert!(holds_a_foreign_token(&expand(input)), "{input:?}");
    }
    assert!(!holds_a_foreign_token(&expand(b"{\"a\":\"\xf8\"}")));
    let read: [&[u8]; 5] = [
        b"{\"access_token\":\"\xf5\"}",
        b"{\"x\":[{\"ID_Token\" : \"\xf6\"}]}",
        b"{\"id_token\":1,\"id_token\":\"x.\xf9\x00=.y\"}",
        b"a=1;refresh_token=\xfc\xf7\xff",
        b"\xfa{\"access_token\":\"\xf5\"}\xff",
    ];
    for input in read {
        let tenants = tenants_in_fields(&expand(input));
        assert!(tenants.contains(FOREIGN), "{input:?}");
    }
}
