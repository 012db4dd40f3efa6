//! What is shipped: what is linked into it, how the image is made, and what must be known of both.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::NOBODY;
use crate::frame::{Figure, Scale};

/// Other ways to speak TLS or to compute what it needs.
const OTHERS: [&str; 9] = [
    "boring",
    "boring-sys",
    "native-tls",
    "openssl",
    "openssl-sys",
    "ring",
    "rsa",
    "rustls-openssl",
    "rustls-ring",
];

const DENIED: &str = "cargo deny check bans licenses sources";

const BILL: &str = "the bill of materials: components, all that is linked";

/// Where `.ci/run` puts tools that are not installed.
const TOOLS: &str = "target/ci/bin";

pub(super) fn prove(scale: Scale) -> Vec<Figure> {
    let by_tools = match scale {
        Scale::Short => {
            let why = "`.ci/run` and `cargo prove` do that";
            [DENIED, BILL].map(|what| Figure::skipped(what, why))
        }
        Scale::Long => [denied(), bill_of_materials()],
    };
    let mut figures = vec![linked(), image()];
    figures.extend(by_tools);
    figures
}

/// One crypto provider, by what cargo links.
fn linked() -> Figure {
    let tree = cargo(&[
        "tree",
        "--locked",
        "--package",
        "tidegate",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    assert!(tree.status.success(), "{tree:?}");
    let text = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let has = |name: &str| names.contains(&name);
    let others: Vec<&str> = OTHERS.into_iter().filter(|name| has(name)).collect();
    let ours = has("aws-lc-rs") && has("rustls");
    Figure::new(
        "crypto providers and TLS stacks linked beside aws-lc-rs and rustls",
        format!("{} {}", others.len(), others.join(", ")),
        0,
        ours && others.is_empty(),
    )
}

/// Licences, sources and what is banned, by cargo-deny.
fn denied() -> Figure {
    if !cargo(&["deny", "--version"]).status.success() {
        return Figure::skipped(DENIED, "there is no cargo-deny (.ci/run installs it)");
    }
    let check = cargo(&[
        "deny",
        "--log-level",
        "warn",
        "check",
        "bans",
        "licenses",
        "sources",
    ]);
    let clean = check.status.success();
    let told = String::from_utf8_lossy(&check.stderr).into_owned();
    let measured = if clean {
        "clean"
    } else {
        told.lines().next().unwrap_or("fails")
    };
    Figure::new(DENIED, measured, "clean", clean)
}

/// The bill of materials: it fails if anything linked is not in it.
fn bill_of_materials() -> Figure {
    if !cargo(&["cyclonedx", "--version"]).status.success() {
        return Figure::skipped(BILL, "there is no cargo-cyclonedx (.ci/run installs it)");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.cdx.json");
    let made = Command::new(root().join("deploy/sbom"))
        .arg(&file)
        .env("PATH", path())
        .output()
        .unwrap();
    let components = std::fs::read(&file)
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
        .and_then(|bill| Some(bill["components"].as_array()?.len()))
        .unwrap_or_default();
    Figure::new(
        BILL,
        components,
        "more than 100, complete",
        made.status.success() && components > 100,
    )
}

/// The image holds the program, and nobody runs it. No container is run here.
fn image() -> Figure {
    let text = std::fs::read_to_string(root().join("deploy/container/Containerfile")).unwrap();
    let (_, last) = text.rsplit_once("\nFROM ").unwrap();
    let lines: Vec<&str> = last.lines().collect();
    let user = format!("USER {NOBODY}:{NOBODY}");
    let nothing_else = lines[0] == "scratch" && lines.iter().all(|line| !line.starts_with("RUN"));
    let nobody = lines.contains(&user.as_str());
    Figure::new(
        "the image, as it is written down: from nothing, its user",
        format!("{}, {}", lines[0], if nobody { &user } else { "another" }),
        format!("scratch, {user}"),
        nothing_else && nobody,
    )
}

fn cargo(arguments: &[&str]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::new(cargo)
        .args(arguments)
        .env("PATH", path())
        .current_dir(root())
        .output()
        .unwrap()
}

/// The usual places, and that of the tools that CI installs.
fn path() -> String {
    let tools = root().join(TOOLS).display().to_string();
    tools + ":" + &std::env::var("PATH").unwrap_or_default()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
