//! Independent scanners of TLS: sslyze (PyPI) here, testssl.sh (Debian) in `tests/promises`.
//!
//! Either may be absent: what is found then is why, unless `TIDEGATE_TEST_REQUIRE` names it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

/// What a scanner found.
pub(crate) enum Scanned {
    /// It is not installed.
    Absent(String),
    /// How many things it looked at, and what it says is wrong.
    Done(usize, Vec<String>),
}

/// Runs sslyze, in the Python that `TIDEGATE_TEST_SSLYZE` names or `python3`.
pub(crate) async fn sslyze(address: SocketAddr, directory: &Path) -> Scanned {
    let python = std::env::var_os("TIDEGATE_TEST_SSLYZE").map_or("python3".into(), PathBuf::from);
    if !quietly(Command::new(&python).args(["-c", "import sslyze"])).await {
        let found = format!(
            "{} cannot import sslyze (tests/sslyze/requirements.txt)",
            python.display()
        );
        return absent("sslyze", found);
    }
    let output = directory.join("sslyze.json");
    let scanned = quietly(
        Command::new(&python)
            .args(["-m", "sslyze", "--quiet", "--mozilla_config=disable"])
            .args(["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2"])
            .args(["--tlsv1_3", "--reneg", "--early_data", "--compression"])
            .args([
                "--heartbleed",
                "--robot",
                "--openssl_ccs",
                "--fallback",
                "--ems",
            ])
            .arg(format!("--json_out={}", output.display()))
            .arg(format!("localhost:{}", address.port())),
    )
    .await;
    assert!(scanned, "sslyze failed");
    let report: Value = serde_json::from_slice(&std::fs::read(output).unwrap()).unwrap();
    let result = &report["server_scan_results"][0]["scan_result"];
    judge(|name| {
        let scanned = &result[name];
        assert_eq!(scanned["status"], "COMPLETED", "{name}");
        &scanned["result"]
    })
}

/// Holds what sslyze saw against what is wanted.
fn judge<'r>(of: impl Fn(&str) -> &'r Value) -> Scanned {
    let mut looked = 0;
    let mut found = Vec::new();
    let mut want = |what: &str, holds: bool| {
        looked += 1;
        if !holds {
            found.push(what.to_owned());
        }
    };
    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        let supported = &of(&format!("{version}_cipher_suites"))["is_tls_version_supported"];
        want(version, *supported == false);
    }
    for version in ["tls_1_2", "tls_1_3"] {
        let suites = of(&format!("{version}_cipher_suites"));
        let suites = suites["accepted_cipher_suites"].as_array().unwrap();
        want(version, suites.len() == 3);
        for suite in suites {
            let name = suite["cipher_suite"]["name"].as_str().unwrap();
            let secret = version == "tls_1_3" || name.starts_with("TLS_ECDHE_");
            want(
                name,
                secret && (name.contains("_GCM_") || name.contains("_POLY1305_")),
            );
        }
    }
    for (name, member, good) in [
        (
            "tls_compression",
            "supports_compression",
            Value::from(false),
        ),
        ("tls_1_3_early_data", "supports_early_data", false.into()),
        (
            "openssl_ccs_injection",
            "is_vulnerable_to_ccs_injection",
            false.into(),
        ),
        ("tls_fallback_scsv", "supports_fallback_scsv", true.into()),
        ("heartbleed", "is_vulnerable_to_heartbleed", false.into()),
        (
            "robot",
            "robot_result",
            "NOT_VULNERABLE_RSA_NOT_SUPPORTED".into(),
        ),
        (
            "session_renegotiation",
            "supports_secure_renegotiation",
            true.into(),
        ),
        (
            "session_renegotiation",
            "client_renegotiations_success_count",
            0.into(),
        ),
        (
            "tls_extended_master_secret",
            "supports_ems_extension",
            true.into(),
        ),
    ] {
        want(member, of(name)[member] == good);
    }
    Scanned::Done(looked, found)
}

/// Runs a program to its end, without its output: whether it did well.
pub(crate) async fn quietly(command: &mut Command) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command.status().await.is_ok_and(|status| status.success())
}

pub(crate) fn absent(word: &str, why: String) -> Scanned {
    let words = std::env::var("TIDEGATE_TEST_REQUIRE").unwrap_or_default();
    let required = words.split(',').any(|named| named == word);
    assert!(!required, "{word} is required, but {why}");
    Scanned::Absent(why)
}
