//! `check`: the configuration and all policies, and every problem of both at once.

mod summary;

use std::path::Path;

use serde::Serialize;

use self::summary::Summary;
use super::output::{count, json, print, tell, tell_problems};
use super::{CheckArgs, Exit, find};
use crate::config::{self, Config, Endpoint, ListenTls, PolicySource, Warning};
use crate::fleet;
use crate::metrics::Metrics;
use crate::policies::directory::{self, Loaded};
use crate::problem::Problem;
use crate::tls::{self, Certificates, Server};

pub(super) fn run(args: &CheckArgs) -> Exit {
    let file = match find::config(&args.config) {
        Ok(file) => file,
        Err(searched) => return tell(&searched, Exit::Wrong),
    };
    match (look(&file), args.json) {
        (Ok(summary), false) => print(&summary.to_string(), Exit::Done),
        (Ok(summary), true) => print_json(&summary, Exit::Done),
        (Err(problems), false) => tell_problems(&problems),
        (Err(problems), true) => {
            let summary = count(&problems);
            print_json(
                &Faults {
                    valid: false,
                    summary,
                    problems: &problems,
                },
                Exit::Wrong,
            )
        }
    }
}

/// What `--json` prints if anything is wrong.
#[derive(Serialize)]
struct Faults<'p> {
    valid: bool,
    summary: String,
    problems: &'p [Problem],
}

fn print_json(value: &impl Serialize, exit: Exit) -> Exit {
    print(&json(value), exit)
}

/// Looks at everything that `serve` would read.
fn look(file: &Path) -> Result<Summary, Vec<Problem>> {
    let config = config::load(file);
    // The directory is looked at even if the configuration is wrong. One that is not there is a
    // problem of the configuration, and told with it.
    let directory = config::policy_directory(file).filter(|directory| directory.is_dir());
    let policies = directory.as_deref().map(directory::load).transpose();
    let config = config.and_then(|config| match tls_problems(file, &config) {
        problems if problems.is_empty() => Ok(config),
        problems => Err(problems),
    });
    match (config, policies) {
        (Ok(config), Ok(Some(loaded))) => {
            let warnings = warnings(&config, &loaded);
            let count = loaded.snapshot.len();
            Ok(Summary::of(file, &config, Some(count), warnings))
        }
        // They come from etcd, which may be unreachable from here.
        (Ok(config), Ok(None)) => {
            let warnings = config::warnings(&config);
            Ok(Summary::of(file, &config, None, warnings))
        }
        (config, policies) => {
            let config = config.err().unwrap_or_default();
            Err(config
                .into_iter()
                .chain(policies.err().unwrap_or_default())
                .collect())
        }
    }
}

/// How a listener's TLS is built.
type Build = fn(&Certificates, &ListenTls) -> Result<Server, String>;

/// What only building the TLS stack tells: a key that belongs to another certificate, an
/// authority that rustls does not take.
fn tls_problems(file: &Path, config: &Config) -> Vec<Problem> {
    tls::install_provider();
    let problem = |key: String, found: String, expected: &str| Problem {
        file: file.to_owned(),
        key,
        found,
        expected: expected.to_owned(),
    };
    let certificates = Certificates::new(&Metrics::new().into());
    let listeners = [
        (
            "listen.tls",
            &config.listen.tls,
            Certificates::data as Build,
        ),
        ("admin.tls", &config.admin.tls, Certificates::admin),
    ];
    let listeners = listeners.into_iter().filter_map(|(key, files, build)| {
        let found = build(&certificates, files.as_ref()?).err()?;
        let expected = "a certificate, the key that belongs to it, and authorities";
        Some(problem(key.to_owned(), found, expected))
    });
    let endpoint = |key: String, endpoint: &Endpoint| {
        let found = certificates.towards(&key, endpoint, None).err()?;
        Some(match endpoint.identity {
            None => problem(format!("{key}.ca"), found, "authorities"),
            Some(_) => {
                let expected = "authorities, a certificate, and the key that belongs to it";
                problem(key, found, expected)
            }
        })
    };
    let providers = config.providers().into_iter().filter_map(|provider| {
        let key = format!("providers.{}", provider.name);
        endpoint(key, &provider.endpoint)
    });
    let services = config.services.iter().filter_map(|service| {
        let key = format!("services.{}", service.name);
        endpoint(key, &service.endpoint)
    });
    let logs = config.logs.iter();
    let logs = logs.map(|logs| ("audit.otlp", &logs.collector));
    let traces = config.traces.iter();
    let traces = traces.map(|traces| ("traces", &traces.collector));
    let collectors = logs
        .chain(traces)
        .filter_map(|(key, collector)| endpoint(key.to_owned(), &collector.endpoint));
    let webhooks = config.webhooks.iter().filter_map(|webhook| {
        endpoint(format!("webhooks[{}]", webhook.name), &webhook.url.endpoint)
    });
    let etcd = match &config.policies.source {
        PolicySource::Directory(_) => None,
        PolicySource::Etcd(etcd) => fleet::tls(etcd).err(),
    };
    let etcd = etcd.map(|found| {
        let expected = "authorities, and a certificate with the key that belongs to it";
        problem("policies.etcd".to_owned(), found, expected)
    });
    listeners
        .chain(etcd)
        .chain(providers)
        .chain(services)
        .chain(collectors)
        .chain(webhooks)
        .collect()
}

/// What is allowed and should not go unnoticed, in the configuration and in the directory.
fn warnings(config: &Config, loaded: &Loaded) -> Vec<Warning> {
    let ignored = loaded
        .ignored
        .iter()
        .filter(|path| !is_hidden(path))
        .map(|path| Warning {
            key: path.display().to_string(),
            text: "ignored: not a file named <tenant-id>.json".to_owned(),
        });
    // Everything in the directory could be read a moment ago.
    let documents = config.policies.directory();
    let documents = documents
        .ok()
        .and_then(|dir| directory::documents(dir).ok());
    let documents = documents.unwrap_or_default();
    let report_only = documents.iter().filter_map(|(tenant, document)| {
        let report_only = document.properties.report_only == Some(true);
        report_only.then(|| Warning {
            key: format!("policy of {tenant}"),
            text: "reportOnly: what it blocks is recorded and not withheld".to_owned(),
        })
    });
    config::warnings(config)
        .into_iter()
        .chain(ignored)
        .chain(report_only)
        .collect()
}

/// Kubernetes keeps a mounted volume's versions in hidden directories.
fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
