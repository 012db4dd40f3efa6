//! What is fuzzed, and what must hold: one function per target, over any bytes.
//!
//! The same functions are called by libFuzzer (`fuzz_targets/`) and, with every file of the corpora
//! and with every input that once failed, by `tests/fuzz_corpus.rs` on a stable compiler. Each
//! asserts more than "no panic": what a second, careless reader sees was seen by the gateway too,
//! what is written and read again is the same, and what is withheld stays withheld.

pub mod careless;
pub mod config;
pub mod exchange;
pub mod form;
pub mod jwt;
pub mod key_set;
pub mod material;
pub mod path;
pub mod policy;
pub mod reply;

/// A target: its name, which is its corpus's directory, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 8] = [
    ("config", config::run),
    ("exchange", exchange::run),
    ("form", form::run),
    ("jwt", jwt::run),
    ("key_set", key_set::run),
    ("path", path::run),
    ("policy", policy::run),
    ("reply", reply::run),
];
