//! When files are judged, and what becomes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tidegate_mock::tls::{Ca, Leaf};

use super::*;
use crate::audit::Standing;
use crate::config::ListenTls;
use crate::metrics::Metrics;
use crate::policies::Stats;
use crate::tls::server::{Ask, Listening};

struct Stage {
    _dir: TempDir,
    certificate: PathBuf,
    key: PathBuf,
    client_ca: PathBuf,
    ca: Ca,
    metrics: Metrics,
}

impl Stage {
    fn new() -> Self {
        crate::tls::install_provider();
        let dir = TempDir::new().unwrap();
        let at = |name| dir.path().join(name);
        let stage = Self {
            certificate: at("tls.crt"),
            key: at("tls.key"),
            client_ca: at("ca.crt"),
            ca: Ca::new().unwrap(),
            metrics: Metrics::new(),
            _dir: dir,
        };
        stage.put(&stage.leaf());
        fs::write(&stage.client_ca, stage.ca.pem()).unwrap();
        stage
    }

    fn leaf(&self) -> Leaf {
        self.ca.server(["localhost"]).unwrap()
    }

    fn put(&self, leaf: &Leaf) {
        fs::write(&self.certificate, &leaf.certificate_pem).unwrap();
        fs::write(&self.key, &leaf.key_pem).unwrap();
    }

    fn kept(&self) -> Kept<Listening> {
        let recipe = Listening {
            files: ListenTls {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                client_ca: Some(self.client_ca.clone()),
            },
            ask: Ask::Required,
            protocols: &[],
        };
        let metrics = self.metrics.certificates_of_listener("data");
        Kept::new(recipe, "data listener".to_owned(), metrics).unwrap()
    }

    fn metric(&self, name: &str) -> i64 {
        let text = self.metrics.encode(Stats::default(), Standing::default());
        let name = format!("tidegate_certificate_{name}{{listener=\"data\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse().unwrap()
    }
}

/// Looks until what the files hold is judged.
fn settle(kept: &Kept<Listening>) {
    while kept.look() == Looked::Restless {
        std::thread::sleep(SETTLE / 10);
    }
}

#[test]
fn a_good_pair_is_taken_when_it_has_settled() {
    let stage = Stage::new();
    let kept = stage.kept();
    assert_eq!((kept.look(), kept.number()), (Looked::Settled, 0));
    stage.put(&stage.leaf());
    assert_eq!((kept.look(), kept.number()), (Looked::Restless, 0));
    settle(&kept);
    assert_eq!(kept.number(), 1);
    assert_eq!(kept.current().number, 1);
    // Nothing more happens by itself.
    settle(&kept);
    assert_eq!((kept.number(), stage.metric("reloads_total")), (1, 1));
    assert_eq!(stage.metric("reload_failures_total"), 0);
    assert!(stage.metric("expiry_timestamp_seconds") > now());
}

/// Changes files.
type Change<'a> = Box<dyn Fn() + 'a>;

/// H10, and what else files may hold.
#[test]
fn whatever_is_not_good_leaves_the_old_pair_and_counts_once() {
    let stage = Stage::new();
    let kept = stage.kept();
    let mut failures = 0;
    let other = stage.leaf();
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let expired = {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        stage.ca.issue(params).unwrap()
    };
    let early = {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2999, 1, 1);
        params.not_after = rcgen::date_time_ymd(3000, 1, 1);
        stage.ca.issue(params).unwrap()
    };
    let (certificate, key) = (&*stage.certificate, &*stage.key);
    let write = |file: &Path, text: &str| fs::write(file, text).unwrap();
    let cases: Vec<(&str, Change<'_>)> = vec![
        (
            "certificate alone",
            Box::new(|| write(certificate, &other.certificate_pem)),
        ),
        ("key alone", Box::new(|| write(key, &other.key_pem))),
        (
            "half a certificate",
            Box::new(|| write(certificate, &half(&other.certificate_pem))),
        ),
        ("half a key", Box::new(|| write(key, &half(&other.key_pem)))),
        ("empty", Box::new(|| write(certificate, ""))),
        ("zeros", Box::new(|| write(key, "\0\0\0\0"))),
        ("no key", Box::new(|| fs::remove_file(key).unwrap())),
        (
            "no certificate",
            Box::new(|| fs::remove_file(certificate).unwrap()),
        ),
        (
            "a key for a certificate",
            Box::new(|| write(certificate, &other.key_pem)),
        ),
        ("expired", Box::new(|| stage.put(&expired))),
        ("early", Box::new(|| stage.put(&early))),
        ("no authority", Box::new(|| write(&stage.client_ca, ""))),
        (
            "half an authority",
            Box::new(|| write(&stage.client_ca, &half(stage.ca.pem()))),
        ),
        (
            "endless",
            Box::new(|| write(key, &"x".repeat(5 * 1024 * 1024))),
        ),
    ];
    for (what, change) in &cases {
        let good = [certificate, key, &stage.client_ca].map(|file| fs::read(file).unwrap());
        change();
        settle(&kept);
        failures += 1;
        assert_eq!(
            (kept.number(), stage.metric("reload_failures_total")),
            (0, failures),
            "{what}"
        );
        // As often as it is looked at.
        settle(&kept);
        assert_eq!(stage.metric("reload_failures_total"), failures, "{what}");
        assert_eq!(stage.metric("problems"), 1, "{what}");
        for (file, text) in [certificate, key, &stage.client_ca].into_iter().zip(good) {
            fs::write(file, text).unwrap();
        }
        settle(&kept);
        assert_eq!(
            (kept.number(), stage.metric("reload_failures_total")),
            (0, failures),
            "{what}"
        );
        assert_eq!(stage.metric("problems"), 0, "{what}");
    }
    // One after the other, and then what is good.
    for (text, failures) in [("", failures + 1), ("half", failures + 2)] {
        write(certificate, text);
        settle(&kept);
        assert_eq!(stage.metric("reload_failures_total"), failures);
        assert_eq!(stage.metric("problems"), 1);
    }
    stage.put(&other);
    settle(&kept);
    assert_eq!((kept.number(), stage.metric("problems")), (1, 0));
}

/// Between the first write and the second, and however long a writer takes.
#[test]
fn a_pair_that_is_being_written_is_not_judged() {
    let stage = Stage::new();
    let kept = stage.kept();
    for _ in 0..3 {
        let leaf = stage.leaf();
        fs::write(&stage.certificate, &leaf.certificate_pem[..300]).unwrap();
        assert_eq!(kept.look(), Looked::Restless);
        fs::write(&stage.certificate, &leaf.certificate_pem).unwrap();
        assert_eq!(kept.look(), Looked::Restless);
        fs::write(&stage.key, &leaf.key_pem).unwrap();
        settle(&kept);
    }
    assert_eq!(
        (kept.number(), stage.metric("reload_failures_total")),
        (3, 0)
    );
}

/// A pipe would never come to its end.
#[test]
fn a_pipe_is_not_waited_for() {
    let stage = Stage::new();
    let kept = stage.kept();
    fs::remove_file(&stage.key).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &stage.key,
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    settle(&kept);
    assert_eq!(
        (kept.number(), stage.metric("reload_failures_total")),
        (0, 1)
    );
}

/// A certificate that is good only later is taken then, without any change of the file.
#[test]
fn what_was_too_early_is_judged_again() {
    let stage = Stage::new();
    let kept = stage.kept();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    let from = std::time::SystemTime::now() + Duration::from_secs(2);
    params.not_before = from.into();
    stage.put(&stage.ca.issue(params).unwrap());
    settle(&kept);
    assert_eq!(kept.number(), 0);
    let start = Instant::now();
    while kept.number() == 0 && start.elapsed() < Duration::from_secs(30) {
        kept.look();
        std::thread::sleep(SETTLE);
    }
    assert_eq!(
        (kept.number(), stage.metric("reload_failures_total")),
        (1, 1)
    );
    assert_eq!(Arc::strong_count(&kept.current()), 2);
}
