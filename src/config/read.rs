//! Reads the configuration: TOML text to a [`Config`], or every problem that is in the way.
//!
//! Invariant: nothing here stops at the first problem; a value that could not be read is replaced
//! by a default so that what depends on it is still looked at, and no [`Config`] comes of it.

mod admin;
mod collector;
mod etcd;
mod events;
mod file;
mod header;
mod limits;
mod listen;
mod logs;
mod network;
mod providers;
mod routes;
mod section;
mod server;
mod services;
mod traces;
mod value;
mod verification;
mod webhooks;

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

pub(super) use self::etcd::is_exposed;
use self::section::{Report, Section};
use self::value::{Wrong, choice};
pub(super) use self::verification::LEAST_COOLDOWN;
use super::{Audit, AuditMode, AuditOutput, Config, Log, LogFormat, Policies, PolicySource};
use crate::core::policy::{Isolation, Mode};
use crate::problem::Problem;

const ROOT: &[&str] = &[
    "mode",
    "listen",
    "admin",
    "policies",
    "audit",
    "events",
    "log",
    "limits",
    "trust",
    "traces",
    "verification",
    "webhooks",
    "providers",
    "services",
    "routes",
];

/// The default policy directory, beside the file.
const POLICIES: &str = "policies";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Reads a configuration file. Paths in it are relative to it.
///
/// # Errors
/// Every problem of the file, and of the files and directories that it names.
pub fn load(file: &Path) -> Result<Config, Vec<Problem>> {
    let unreadable = |found: String| {
        let report = Report::new(file);
        report.add("", Wrong::new(found, "a readable TOML file"));
        report.into_problems()
    };
    let bytes =
        fs::read(file).map_err(|error| unreadable(format!("a file {}", file::why(&error))))?;
    let text =
        String::from_utf8(bytes).map_err(|_| unreadable("a file that is not UTF-8".to_owned()))?;
    parse(&text, file)
}

/// The policy directory that a file names, however wrong the rest of it is; so that one look can
/// tell of every problem in both.
pub fn policy_directory(file: &Path) -> Option<PathBuf> {
    let table: Table = fs::read_to_string(file).ok()?.parse().ok()?;
    let policies = table.get("policies");
    if policies.is_some_and(|policies| policies.get("etcd").is_some()) {
        return None;
    }
    let named = policies.and_then(|policies| policies.get("directory"));
    let directory = named.map_or(Some(POLICIES), Value::as_str)?;
    Some(Report::new(file).resolve(directory))
}

/// Reads a configuration's text as if it stood in `file`.
///
/// # Errors
/// Every problem of the text, and of the files and directories that it names.
pub fn parse(text: &str, file: &Path) -> Result<Config, Vec<Problem>> {
    let report = Report::new(file);
    let config = match text.parse::<Table>() {
        Ok(table) => Some(config(&Section::open(
            &report,
            String::new(),
            Some(&table),
            ROOT,
        ))),
        Err(error) => {
            report.add("", syntax(text, &error));
            None
        }
    };
    let problems = report.into_problems();
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

fn config(root: &Section<'_>) -> Config {
    let modes = choice(&[
        ("enforce", Mode::Enforce),
        ("report-only", Mode::ReportOnly),
    ]);
    let mode = root.read_or("mode", Mode::Enforce, modes);
    let listen = listen::listen(root);
    let admin_section = admin::open(root);
    let mut admin = admin::listener(&admin_section, listen.address);
    let policies = policies(&root.section("policies", &["directory", "etcd", "absent"]));
    let audit_section = root.section("audit", &["output", "mode", "otlp"]);
    let audit = audit(&audit_section);
    let logs = logs::read(&audit_section);
    let events = events::read(root, &audit);
    let log = log(&root.section("log", &["format", "level"]));
    let limits = limits::read(&root.section("limits", limits::KEYS));
    let trust = listen::trust(root, &listen);
    let traces = traces::read(root);
    let webhooks = webhooks::read(root);
    let verification = verification::read(&root.section("verification", verification::KEYS));
    let providers = providers::read(root);
    admin.policies = admin::policies(&admin_section, &admin, &providers);
    let services = services::read(root);
    let routes = routes::read(root, &providers, &services, &trust);
    Config {
        mode,
        listen,
        admin,
        policies,
        audit,
        logs,
        events,
        traces,
        webhooks,
        log,
        limits,
        trust,
        verification,
        services: services
            .into_values()
            .filter_map(|draft| draft.service)
            .collect(),
        routes,
    }
}

fn policies(section: &Section<'_>) -> Policies {
    let absent = choice(&[("off", Isolation::Off), ("on", Isolation::On)]);
    let source = if section.has("etcd") {
        if section.has("directory") {
            let expected = "policies from a directory or from etcd, not both";
            section.wrong("directory", Wrong::new("[policies.etcd] as well", expected));
        }
        match etcd::read(section) {
            Some(etcd) => PolicySource::Etcd(Box::new(etcd)),
            // Its faults were reported: no configuration comes of this.
            None => PolicySource::Directory(section.resolve(POLICIES)),
        }
    } else {
        PolicySource::Directory(file::directory(section, "directory", POLICIES))
    };
    Policies {
        source,
        absent: section.read_or("absent", Isolation::Off, absent),
    }
}

fn audit(section: &Section<'_>) -> Audit {
    let modes = choice(&[
        ("best-effort", AuditMode::BestEffort),
        ("required", AuditMode::Required),
    ]);
    let expected = "\"stdout\" or the path of a file";
    let output = section.read("output", |value| {
        value::parsed(value, expected, |text| (!text.is_empty()).then_some(text))
    });
    let output = match output {
        None | Some("stdout") => AuditOutput::Stdout,
        Some(path) => {
            let expected = "\"stdout\" or a file in a directory that exists";
            AuditOutput::File(file::output(section, "output", path, expected))
        }
    };
    Audit {
        output,
        mode: section.read_or("mode", AuditMode::BestEffort, modes),
    }
}

fn log(section: &Section<'_>) -> Log {
    let format = choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let level = section.read("level", |value| {
        value::parsed(value, &format!("one of: {}", LEVELS.join(", ")), |text| {
            LEVELS.contains(&text).then(|| text.to_owned())
        })
    });
    Log {
        format: section.read_or("format", LogFormat::Text, format),
        level: level.unwrap_or_else(|| "info".to_owned()),
    }
}

/// Where the text stops being TOML.
fn syntax(text: &str, error: &toml::de::Error) -> Wrong {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    Wrong::new(format!("{message} at {line}:{column}"), "valid TOML")
}

#[cfg(test)]
mod tests;
