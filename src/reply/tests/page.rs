//! What the page may not hold: anything that is not escaped, fetched, run or framed.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

const HOSTILE: &str = r#"<script>alert(1)</script>"><img src=x onerror='alert(2)'>&amp;"#;

/// A page about a refusal with this text and this correlation id.
fn page(text: &str, correlation_id: &str) -> Reply {
    let mut message = Message::of_refusal(Refusal::SignInMissing);
    message.finding = text.to_owned();
    let marks = Marks {
        correlation_id: correlation_id.to_owned(),
        timestamp: HOSTILE.to_owned(),
        ..marks()
    };
    write(&message, &marks, &Style::Page)
}

#[test]
fn every_text_is_escaped() {
    let tame = body_of(page("text", "id"));
    let body = body_of(page(HOSTILE, HOSTILE));
    for mark in ["<script", "<img", "\"><", "onerror='"] {
        assert!(!body.contains(mark), "{mark}: {body}");
    }
    // Text, correlation id and time: the same elements, three times as text.
    assert_eq!(body.matches('<').count(), tame.matches('<').count());
    assert_eq!(body.matches("script&#62;alert(1)").count(), 3, "{body}");
    assert_eq!(body.matches("&#38;amp;").count(), 3, "{body}");
}

#[test]
fn the_policy_names_the_style_as_it_stands_in_the_page() {
    let reply = page("text", "id");
    let headers = reply.headers().clone();
    let body = body_of(reply);
    let (_, rest) = body.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    assert!(style.contains("main {"), "{style}");
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    assert_eq!(headers["content-security-policy"], policy);
    assert_eq!(body.matches("<style").count(), 1);
}

#[test]
fn nothing_is_run_fetched_or_styled_aside() {
    let decision = blocked(
        Reason::BothBlock,
        Some(side(A, Direction::Outbound, Finding::NotListed)),
        Some(side(B, Direction::Inbound, Finding::NotListed)),
    );
    let message = Message::of_block(&decision, Some(tenant(A)), Some(tenant(B)));
    let body = body_of(write(&message, &marks(), &Style::Page));
    for absent in [
        "<script",
        "<link",
        "<img",
        "<form",
        "<iframe",
        "<object",
        "<base",
        " style=",
        " src=",
        " onload",
        " onclick",
        "url(",
        "@import",
        "javascript:",
    ] {
        assert!(!body.contains(absent), "{absent}: {body}");
    }
    // One link, which is text until somebody follows it.
    assert_eq!(body.matches("href=").count(), 1);
    assert_eq!(body.matches("<h1>").count(), 1);
    assert_eq!(body.matches("<main>").count(), 1);
}
