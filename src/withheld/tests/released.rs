//! What a client gets against a permit.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http_body_util::BodyExt;

use super::*;
use crate::core::isolation::{OnUndetermined, Terms, Verdict, decide};
use crate::core::policy::{Isolation, Mode, Snapshot};

fn permit() -> Permit {
    let terms = Terms {
        mode: Mode::Enforce,
        absent: Isolation::Off,
        undetermined: OnUndetermined::Block,
        provider: Provider::Entra,
    };
    let decision = decide(None, &SignIn::NoToken, &Snapshot::default(), terms, 0);
    let Verdict::Allow(permit) = decision.verdict else {
        panic!("{decision:?}");
    };
    permit
}

/// What a client gets: status, one header, body.
fn sent(reply: Reply, header: &str) -> (u16, Option<String>, Vec<u8>) {
    let status = reply.status().as_u16();
    let header = reply.headers().get(header);
    let header = header.map(|value| value.to_str().unwrap().to_owned());
    let body = at_once(reply.into_body().collect()).unwrap().to_bytes();
    (status, header, body.to_vec())
}

/// What is ready at once.
fn at_once<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is whole"),
    }
}

#[test]
fn what_is_released_is_the_providers_byte_for_byte() {
    let packed = gzipped(b"{}");
    let headers = [
        ("content-encoding", "gzip"),
        ("content-length", "999"),
        ("set-cookie", "a=b"),
    ];
    let held = || received(418, &headers, packed.clone(), 1 << 20);
    assert_eq!(held().status(), 418);
    assert_eq!(held().headers().get("set-cookie").unwrap(), "a=b");
    let released = |header| sent(held().release(permit(), Cookies::Relay), header);
    let gzip = Some("gzip".to_owned());
    assert_eq!(released("content-encoding"), (418, gzip, packed.clone()));
    assert_eq!(
        released("content-length").1,
        None,
        "hyper writes the true one"
    );
    assert_eq!(released("set-cookie").1.as_deref(), Some("a=b"));
    let stripped = held().release(permit(), Cookies::Strip);
    assert_eq!(sent(stripped, "set-cookie").1, None);
}

#[test]
fn a_rewritten_document_takes_the_place_of_the_providers() {
    let headers = [("content-encoding", "gzip"), ("x-kept", "yes")];
    let published = || Published(received(203, &headers, gzipped(b"{}"), 1 << 20));
    assert_eq!(published().status(), 203);
    let rewritten = |header| {
        let body = b"{\"a\":1}".to_vec();
        let reply = published().release_rewritten(permit(), Cookies::Strip, body);
        sent(reply, header)
    };
    let body = b"{\"a\":1}".to_vec();
    assert_eq!(rewritten("x-kept"), (203, Some("yes".to_owned()), body));
    assert_eq!(
        rewritten("content-encoding").1,
        None,
        "it is not coded any more"
    );
}

#[test]
fn a_status_tells_success_or_failure() {
    for (status, outcome) in [
        (200, Outcome::Success),
        (204, Outcome::Success),
        (302, Outcome::Failure),
        (400, Outcome::Failure),
        (500, Outcome::Failure),
    ] {
        assert_eq!(received(status, &[], vec![], 1).outcome(), outcome);
    }
}

#[test]
fn what_may_hold_a_token_is_stored_by_nobody() {
    for (values, expected) in [
        (vec![], "no-store"),
        (vec!["public, max-age=60"], "no-store"),
        (vec!["private", "No-Store, private"], "private"),
        (vec!["private, no-store"], "private, no-store"),
        (vec!["private", "public"], "no-store"),
    ] {
        let mut headers = HeaderMap::new();
        for value in &values {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        no_store(&mut headers);
        assert_eq!(headers.get(CACHE_CONTROL).unwrap(), expected, "{values:?}");
    }
}
