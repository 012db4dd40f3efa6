//! One record, of a request's decision and of its reply's.

use serde_json::Value;

use super::*;
use crate::config::{self, AuditMode, AuditOutput};
use crate::core::isolation::{
    OnNotEntra, OnUndetermined, Presented, Provider, SignIn, Terms, Undetermined, decide,
};
use crate::core::policy::{Isolation, Snapshot};
use crate::core::token::NotEntra;
use crate::core::token::reply::Tokens;

const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";

fn route() -> Arc<Route> {
    route_of("token")
}

fn route_of(kind: &str) -> Arc<Route> {
    let service = match kind {
        "connection" => "service = \"here\"\nsign_in = \"none\"",
        _ => "",
    };
    let text = format!(
        r#"
        [policies]
        directory = "."
        [providers.entra]
        kind = "entra"
        [services.here]
        authority = "https://localhost"
        [[routes]]
        name = "token"
        kind = "{kind}"
        provider = "entra"
        path = "/token"
        creator = [{{ tenant = "{A}" }}]
        {service}
        "#
    );
    let config = config::parse(&text, "tidegate.toml".as_ref());
    Arc::clone(&config.unwrap().routes[0])
}

/// The record of an exchange, as it is written.
fn record(change: impl FnOnce(&mut Exchange)) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let (audit, writer) =
        Audit::start(&AuditOutput::File(path.clone()), AuditMode::BestEffort).unwrap();
    let recorder = Recorder::new(audit, Arc::default());
    let route = route();
    let counts = Arc::new(recorder.metrics.of_route(&route));
    let mut exchange = Exchange::open(recorder, route, counts, Mode::Enforce);
    change(&mut exchange);
    drop((exchange, writer));
    let written = std::fs::read_to_string(path).unwrap();
    assert_eq!(written.lines().count(), 1);
    serde_json::from_str(&written).unwrap()
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// What is decided about a creator `A`, isolated where `absent` is On.
fn decided(sign_in: &SignIn, absent: Isolation, mode: Mode) -> Decision {
    let terms = Terms {
        mode,
        absent,
        undetermined: OnUndetermined::Allow,
        provider: Provider::Other(OnNotEntra::Pass),
    };
    decide(Some(tenant(A)), sign_in, &Snapshot::default(), terms, 0)
}

#[test]
fn the_weightier_of_two_decisions_stands() {
    // From light to heavy.
    let ladder: [fn() -> Decision; 7] = [
        || decided(&SignIn::NoToken, Isolation::Off, Mode::Enforce),
        || decided(&SignIn::Entra(tenant(A)), Isolation::Off, Mode::Enforce),
        || decided(&SignIn::Entra(tenant(B)), Isolation::Off, Mode::Enforce),
        || decided(&SignIn::NotEntra, Isolation::Off, Mode::Enforce),
        || {
            let opaque = SignIn::Undetermined(Undetermined::Opaque, vec![]);
            decided(&opaque, Isolation::Off, Mode::Enforce)
        },
        || decided(&SignIn::Entra(tenant(B)), Isolation::On, Mode::ReportOnly),
        || decided(&SignIn::Entra(tenant(B)), Isolation::On, Mode::Enforce),
    ];
    let words: Vec<_> = ladder.iter().map(|made| made().verdict.as_str()).collect();
    assert_eq!(
        words,
        [
            "allow",
            "allow",
            "allow",
            "pass_non_entra",
            "allow",
            "would_block",
            "block"
        ]
    );
    for (i, first) in ladder.iter().enumerate() {
        for (j, second) in ladder.iter().enumerate() {
            let written = record(|exchange| {
                assert!(exchange.decided(&first(), Some(tenant(A)), None));
                let stands = exchange.decided(&second(), Some(tenant(B)), None);
                assert_eq!(stands, j > i, "{i} {j}");
            });
            let expected = if j > i { (second(), B) } else { (first(), A) };
            assert_eq!(written["decision"], expected.0.verdict.as_str(), "{i} {j}");
            assert_eq!(written["reason"], expected.0.reason.as_str(), "{i} {j}");
            assert_eq!(written["sign_in_tenant"], expected.1, "{i} {j}");
        }
    }
}

#[test]
fn a_refusal_outweighs_what_was_decided_before() {
    let written = record(|exchange| {
        let allowed = decided(&SignIn::Entra(tenant(B)), Isolation::Off, Mode::Enforce);
        exchange.decided(&allowed, Some(tenant(B)), None);
        exchange.refused("upstream_connect");
    });
    assert_eq!(written["decision"], "error");
    assert_eq!(written["reason"], "upstream_connect");
    assert_eq!(written["sign_in_tenant"], B);
    let gone = record(|_| {});
    assert_eq!(gone["reason"], "client_gone");
}

#[test]
fn what_was_seen_is_named() {
    let seen = |seen| {
        record(|exchange| {
            let nothing = decided(&SignIn::NoToken, Isolation::Off, Mode::Enforce);
            exchange.decided(&nothing, None, Some(seen));
        })
    };
    for (kind, expected) in [
        (Seen::Presented(Presented::Nobody), "none"),
        (
            Seen::Presented(Presented::NotEntra(NotEntra::Opaque)),
            "opaque",
        ),
        (Seen::Replied(Tokens::default()), "none"),
    ] {
        let written = seen(kind);
        assert_eq!(written["token_kind"], expected);
        assert_eq!(written["verified"], Value::Null);
        assert_eq!(written["issuer"], Value::Null);
    }
}

/// A service that was asked has created something, whatever became of its answer.
#[test]
#[allow(clippy::print_stdout, reason = "who skips a test says so")]
fn where_records_are_required_what_a_service_was_asked_finds_a_place() {
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        println!("skipped: this system has no /dev/full");
        return;
    }
    let output = AuditOutput::File(full.to_owned());
    let (audit, _writer) = Audit::start(&output, AuditMode::Required).unwrap();
    audit.write(&"first");
    while !audit.standing().failing {
        std::thread::yield_now();
    }
    audit.write(&"x".repeat(16 * 1024 * 1024));
    let recorder = Recorder::new(audit, Arc::default());
    for (kind, forwarded, dropped) in [
        ("token", true, 1),
        ("connection", false, 2),
        ("connection", true, 2),
    ] {
        let route = route_of(kind);
        let counts = Arc::new(recorder.metrics.of_route(&route));
        let mut exchange = Exchange::open(recorder.clone(), route, counts, Mode::Enforce);
        exchange.forwarded = forwarded;
        exchange.refused("upstream_timeout");
        drop(exchange);
        assert_eq!(recorder.audit.dropped(), dropped, "{kind} {forwarded}");
    }
}
