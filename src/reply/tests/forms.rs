//! Every form of every kind of answer, byte for byte.

use std::fs;
use std::path::Path;

use http::header::CONTENT_SECURITY_POLICY;

use super::super::page;
use super::*;
use crate::core::token::verified::Refused;

const UPDATE: &str = "TIDEGATE_UPDATE_GOLDEN";

/// Holds a reply against `tests/golden/forms/<name>.txt`, in which the page's style, a file of its
/// own, and its hash are left out.
fn golden(name: &str, reply: Reply) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/forms")
        .join(format!("{name}.txt"));
    let policy = reply.headers().get(CONTENT_SECURITY_POLICY);
    let hash = policy.and_then(|policy| policy.to_str().unwrap().split('\'').nth(3));
    let hash = hash.map_or_else(|| "no hash".to_owned(), str::to_owned);
    let actual = text_of(reply)
        .replace(page::STYLE, "<the style>")
        .replace(&hash, "<hash of the style>");
    if std::env::var_os(UPDATE).is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &actual).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        actual, expected,
        "{name} differs; {UPDATE}=1 writes it anew"
    );
}

fn styles() -> [(&'static str, Style); 4] {
    [
        (
            "apihub",
            Style::ApiHub("connections.example.com".to_owned()),
        ),
        ("arm", Style::Arm),
        ("oauth", Style::OAuth),
        ("page", Style::Page),
    ]
}

#[test]
fn every_block_in_every_form() {
    use Direction::{Inbound, Outbound};
    let outbound = || Some(side(A, Outbound, Finding::NotListed));
    let inbound = |finding| Some(side(B, Inbound, finding));
    let (a, b) = (Some(tenant(A)), Some(tenant(B)));
    let undetermined = Reason::Undetermined(Undetermined::Opaque);
    let table = [
        (
            "block-outbound",
            blocked(Reason::OutboundBlock, outbound(), inbound(Finding::Off)),
            a,
            b,
        ),
        (
            "block-inbound",
            blocked(Reason::InboundBlock, None, inbound(Finding::NotListed)),
            a,
            b,
        ),
        (
            "block-both",
            blocked(Reason::BothBlock, outbound(), inbound(Finding::NotListed)),
            a,
            b,
        ),
        (
            "block-unknown-creator",
            blocked(
                Reason::WithoutClientTenantBlocked,
                None,
                inbound(Finding::BlocksWithoutClientTenant),
            ),
            None,
            b,
        ),
        (
            "block-undetermined",
            blocked(undetermined, None, None),
            a,
            None,
        ),
    ];
    for (name, decision, creator, sign_in) in &table {
        let message = Message::of_block(decision, *creator, *sign_in);
        for (form, style) in styles() {
            golden(&format!("{form}-{name}"), write(&message, &marks(), &style));
        }
    }
}

#[test]
fn refusals_in_every_form() {
    for (name, refusal) in [
        (
            "creator-token-refused",
            Refusal::CreatorToken(Refused::Malformed),
        ),
        ("creator-token-missing", Refusal::CreatorTokenMissing),
        (
            "sign-in-token-refused",
            Refusal::SignInToken(Refused::Malformed),
        ),
        ("sign-in-missing", Refusal::SignInMissing),
        ("keys-unavailable", Refusal::KeysUnavailable),
        ("overload", Refusal::Overload),
        ("upstream-connect", Refusal::UpstreamConnect),
    ] {
        let message = Message::of_refusal(refusal);
        for (form, style) in styles() {
            golden(&format!("{form}-{name}"), write(&message, &marks(), &style));
        }
    }
}

#[test]
fn a_side_that_only_reports_is_not_named() {
    let mut reporting = side(A, Direction::Outbound, Finding::NotListed);
    reporting.mode = Mode::ReportOnly;
    let inbound = side(B, Direction::Inbound, Finding::NotListed);
    let decision = blocked(Reason::BothBlock, Some(reporting), Some(inbound));
    let message = Message::of_block(&decision, Some(tenant(A)), Some(tenant(B)));
    for (form, style) in styles() {
        let body = body_of(write(&message, &marks(), &style));
        assert!(
            !body.contains(&format!("policy of tenant {A}")),
            "{form}: {body}"
        );
    }
}

#[test]
fn a_refused_token_tells_the_outside_only_which() {
    for refusal in [
        Refusal::CreatorToken(Refused::UnknownKey),
        Refusal::SignInToken(Refused::UnknownKey),
    ] {
        assert_eq!(refusal.reason(), Refused::UnknownKey.as_str());
        for (form, style) in styles() {
            let text = text_of(write(&Message::of_refusal(refusal), &marks(), &style));
            assert!(!text.contains(refusal.reason()), "{form}: {text}");
            assert!(!text.contains("key"), "{form}: {text}");
        }
    }
}

#[test]
fn only_a_401_challenges() {
    let table = [
        (
            Refusal::CreatorTokenMissing,
            Some(r#"Bearer realm="tidegate""#),
        ),
        (
            Refusal::CreatorToken(Refused::Malformed),
            Some(r#"Bearer realm="tidegate", error="invalid_token""#),
        ),
        (
            Refusal::SignInToken(Refused::Malformed),
            Some(r#"Bearer realm="tidegate", error="invalid_token""#),
        ),
        (Refusal::SignInMissing, None),
        (Refusal::KeysUnavailable, None),
    ];
    for (refusal, expected) in table {
        for (form, style) in styles() {
            let reply = refuse_on(refusal, &style);
            let challenge = reply.headers().get(WWW_AUTHENTICATE);
            let challenge = challenge.map(|value| value.to_str().unwrap());
            assert_eq!(challenge, expected, "{form} {refusal:?}");
            assert_eq!(challenge.is_some(), reply.status() == 401);
        }
    }
}
