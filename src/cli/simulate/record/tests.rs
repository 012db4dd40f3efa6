//! Records as the gateway itself writes them, and the ones that tests keep.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::audit::{self, Audit, Event, PolicyRequest};
use crate::config::{self, AuditMode, AuditOutput};
use crate::core::creator::{Creator, Source};
use crate::core::isolation::{OnUndetermined, Provider, Terms, evaluate};
use crate::core::policy::{Isolation, Snapshot};
use crate::recorder::Recorder;

const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// What the gateway writes while `act` runs.
fn written(act: impl FnOnce(Audit)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let (audit, writer) =
        Audit::start(&AuditOutput::File(path.clone()), AuditMode::BestEffort).unwrap();
    act(audit);
    drop(writer);
    std::fs::read_to_string(path).unwrap()
}

/// An exchange of a creator, decided where no policy counts as On.
fn exchange(creator: Creator, mode: Mode) -> String {
    let text = format!(
        r#"
        [policies]
        directory = "."
        [providers.entra]
        kind = "entra"
        [[routes]]
        name = "token"
        kind = "token"
        provider = "entra"
        path = "/token"
        creator = [{{ tenant = "{A}" }}]
        "#
    );
    let config = config::parse(&text, "tidegate.toml".as_ref()).unwrap();
    let terms = Terms {
        mode,
        absent: Isolation::On,
        undetermined: OnUndetermined::Block,
        provider: Provider::Entra,
    };
    let decision = evaluate(creator.tenant(), tenant(B), &Snapshot::default(), terms, 0);
    written(|audit| {
        let route = Arc::clone(&config.routes[0]);
        let recorder = Recorder::new(audit, Arc::default());
        let counts = Arc::new(recorder.metrics.of_route(&route));
        let mut exchange = audit::Exchange::open(recorder, route, counts, mode);
        exchange.creator = Some(creator);
        exchange.connector = Some("a \"connector\"".to_owned());
        exchange.decided(&decision, Some(tenant(B)), None);
    })
}

#[test]
fn what_the_gateway_writes_is_read() {
    let known = Creator::Known(tenant(A), Source::Header);
    let table = [
        (known, Mode::Enforce, Decided::Block),
        (known, Mode::ReportOnly, Decided::WouldBlock),
        (Creator::Unknown, Mode::Enforce, Decided::Block),
        (
            Creator::Known(tenant(B), Source::Header),
            Mode::Enforce,
            Decided::Allow,
        ),
    ];
    for (creator, mode, decided) in table {
        let line = exchange(creator, mode);
        let Ok(Reading::Exchange(found)) = read(line.as_bytes()) else {
            panic!("{line}")
        };
        assert_eq!(
            (found.creator, found.sign_in),
            (creator.tenant(), tenant(B))
        );
        assert_eq!((found.mode, found.decided), (mode, decided));
        let connector = found.connector.unwrap();
        assert_eq!(connector.as_str(), "a \"connector\"");
    }
    let event = written(|audit| drop(PolicyRequest::open(audit, Event::Change)));
    let found = read(event.as_bytes());
    assert!(
        matches!(found, Ok(Reading::NotDecided(NotDecided::Event))),
        "{event}"
    );
}

#[test]
fn an_unreadable_policy_is_told_from_other_errors() {
    for (reason, expected) in [
        ("policy_unreadable", NotDecided::PolicyUnreadable),
        ("upstream_deadline", NotDecided::Error),
    ] {
        let line = format!(r#"{{"decision":"error","reason":"{reason}","sign_in_tenant":"{B}"}}"#);
        let found = read(line.as_bytes());
        assert!(
            matches!(found, Ok(Reading::NotDecided(kind)) if kind == expected),
            "{line}"
        );
    }
}

#[test]
fn the_records_that_tests_keep_have_the_members_of_the_gateways() {
    let members = |line: &str| -> BTreeSet<String> {
        let record: Value = serde_json::from_str(line).unwrap();
        record.as_object().unwrap().keys().cloned().collect()
    };
    let real = members(&exchange(Creator::Unknown, Mode::Enforce));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audit.jsonl");
    let kept = std::fs::read_to_string(file).unwrap();
    for line in kept.lines().take(12) {
        assert_eq!(members(line), real, "{line}");
    }
}
