//! Keeps the core pure: no async, no I/O, no logging, no clock, and no arrow up to the edge.
//!
//! Reads the core's files as text, so a violation fails here even where it would compile.

#![allow(
    clippy::unwrap_used,
    reason = "a file that cannot be read fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Words that must not occur in the core, whole.
const WORDS: &[&str] = &[
    // The runtime.
    "async",
    "await",
    "futures",
    "tokio",
    "Future",
    // The network and its messages.
    "http",
    "http_body_util",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    // Logs and output.
    "dbg",
    "eprint",
    "eprintln",
    "log",
    "print",
    "println",
    "tracing",
    "stdout",
    "stderr",
    // Clocks, chance and hidden state.
    "Instant",
    "SystemTime",
    "jiff",
    "rand",
    "now_v7",
    "new_v4",
    "thread_local",
    "unsafe",
];

/// Modules of the standard library that reach out of the process.
const STD_MODULES: [&str; 8] = ["env", "fs", "io", "net", "os", "process", "thread", "time"];

/// Every violation in one source text, as its line and what is wrong with it.
fn violations(source: &str) -> Vec<(usize, String)> {
    let code = without_prose(source);
    let mut found = Vec::new();
    for (at, word) in words(&code) {
        let names = || names_after(code.get(at + word.len()..).unwrap_or_default()).into_iter();
        let bad = match word {
            "std" => names().find(|name| STD_MODULES.contains(name)),
            "crate" => names().find(|name| *name != "core"),
            word => WORDS.contains(&word).then_some(""),
        };
        let note = bad.map(|name| format!("`{word}` {name}"));
        let line = 1 + code
            .get(..at)
            .map_or(0, |before| before.matches('\n').count());
        found.extend(note.map(|note| (line, note)));
    }
    found
}

/// The code without comments, lifetimes and what stands in string literals; its lines stay.
fn without_prose(source: &str) -> String {
    let mut code = String::new();
    let mut chars = source.chars().peekable();
    let mut in_string = false;
    while let Some(c) = chars.next() {
        match c {
            '\n' => code.push(c),
            '\\' if in_string => code.extend(chars.next().filter(|escaped| *escaped == '\n')),
            '"' => in_string = !in_string,
            _ if in_string => {}
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|c| *c != '\n').is_some() {},
            '\'' => {
                // A character, or a lifetime: `&'static` is no state.
                code.push(' ');
                let quoted = chars.next();
                let escaped = if quoted == Some('\\') {
                    chars.next()
                } else {
                    None
                };
                if chars.next_if_eq(&'\'').is_none() && escaped.is_none() {
                    while chars.next_if(|c| is_word(*c)).is_some() {}
                }
            }
            c => code.push(c),
        }
    }
    code
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a text and where they stand.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = code.as_ptr().addr();
    code.split(|c| !is_word(c))
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr().addr() - start, word))
}

/// The names that a path goes on with: one, or those of a list in braces, each without what
/// follows it.
fn names_after(rest: &str) -> Vec<&str> {
    let first_word = |text| words(text).next().map(|(_, word)| word);
    let Some(path) = rest.strip_prefix("::") else {
        return Vec::new();
    };
    if !path.starts_with('{') {
        return first_word(path).into_iter().collect();
    }
    let (mut names, mut depth, mut from) = (Vec::new(), 0_usize, 1);
    for (at, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            names.extend(path.get(from..at).and_then(first_word));
            from = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// The core's files, except its tests.
fn files(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if stem == Some("tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_core_is_pure() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut core = files(&src.join("core"));
    core.push(src.join("core.rs"));
    assert!(core.len() > 8, "too few files to be the core: {core:?}");
    let mut report = String::new();
    for path in core {
        let source = fs::read_to_string(&path).unwrap();
        for (line, what) in violations(&source) {
            report.push_str(&format!("{}:{line}: {what}\n", path.display()));
        }
    }
    assert!(
        report.is_empty(),
        "the core must be a pure function of its arguments:\n{report}"
    );
}

/// The checker sees what it is there for.
#[test]
fn violations_are_found() {
    for line in [
        "pub async fn decide() {}",
        "let tokens = inspect(body).await;",
        "use tokio::sync::Mutex;",
        "use hyper::Request;",
        "use http::HeaderMap;",
        "    hyper_util::rt::TokioIo::new(stream)",
        "let client = reqwest::Client::new();",
        "tracing::warn!(\"x\");",
        "log::info!(\"x\");",
        "    println!(\"{x}\");",
        "eprintln!(\"{x}\"); // harmless",
        "dbg!(x);",
        "use std::fs;",
        "use std::fs::File;",
        "std::net::TcpStream::connect(x)",
        "use std::io::{self, Read};",
        "use std::{collections::HashMap, time::Duration};",
        "use std::{borrow::Cow, env};",
        "let home = ::std::env::var(\"HOME\");",
        "use std::{\n    borrow::Cow,\n    fs,\n};",
        "use std::{collections::{HashMap, hash_map::Entry}, process};",
        "use crate::{core::{policy, tenant}, listener};",
        "std::thread::spawn(f);",
        "let now = Instant::now();",
        "let now = SystemTime::now();",
        "thread_local! { static X: u8 = 0 }",
        "unsafe { x() }",
        "use crate::config::Config;",
        "use crate::{config, core};",
        "use crate::net::listen;",
        "    crate::gateway::Gateway",
        "fn f(x: &crate::audit::Exchange) {}",
        "let x = \"\\\"\"; use std::fs;",
        "let x = '\"'; use std::fs; let y = '\"';",
        "let x = '\\''; use std::fs;",
        "let x = \"two\\\n lines\"; use std::fs;",
        "// fine\nuse std::fs;",
        "uuid::Uuid::now_v7()",
    ] {
        assert!(!violations(line).is_empty(), "not found: {line}");
    }
}

/// And nothing else: prose and strings may speak of anything.
#[test]
fn prose_is_no_violation() {
    for line in [
        "//! No async, no I/O: see `std::fs`, tokio and hyper.",
        "/// Reads the time from `SystemTime` (it does not).",
        "let x = 1; // use std::fs",
        "const URL: &str = \"http://login.example/async\";",
        "#[error(\"std::fs, \\\"tokio\\\" and http://x\")]",
        "pub const fn as_str(&self) -> &'static str {",
        "use std::collections::HashMap;",
        "use std::{borrow::Cow, fmt};",
        "use crate::core::tenant::TenantId;",
        "use crate::core::{policy, tenant};",
        "use crate::{core::{policy, tenant}};",
        "let x = \"two\\\n lines of tokio\";",
        "fn f<'a>(x: &'a str, async_: &'a str) {}",
        "use super::policy::Policy;",
        "let timestamps = catalog.prints(); // words are compared whole",
        "std::iter::once(1)",
    ] {
        assert_eq!(violations(line), [], "{line}");
    }
}
