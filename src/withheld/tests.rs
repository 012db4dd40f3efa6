//! What is found in replies of any kind.

mod coded;
mod released;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tidegate_mock::Mint;

use super::*;
use crate::core::isolation::{Provider, SignIn, Undetermined};
use crate::core::tenant::TenantId;
use crate::core::token::issuer::Cloud;

const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
const B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";

/// A JWT of a service's own, as it stands in a state or a cookie.
const OWN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzdmMifQ.AAAA";

fn issuers() -> Issuers {
    Issuers::of_clouds(&[Cloud::Public])
}

/// A reply as it comes from a provider.
fn received(status: u16, headers: &[(&'static str, &str)], body: Vec<u8>, cap: usize) -> Withheld {
    let (mut head, ()) = http::Response::builder()
        .status(status)
        .body(())
        .unwrap()
        .into_parts();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        head.headers.append(*name, value);
    }
    Withheld::new(head, body.into(), cap)
}

fn reply(headers: &[(&'static str, &str)], body: &str) -> Withheld {
    received(200, headers, body.as_bytes().to_vec(), 1 << 20)
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Whom a reply of any kind signs in.
fn any(headers: &[(&'static str, &str)], body: &str) -> Result<SignIn, Refusal> {
    let tokens = reply(headers, body).inspect_any(&issuers())?;
    Ok(SignIn::of(&tokens, Outcome::Failure, Provider::Entra))
}

#[test]
fn a_page_or_redirect_counts_if_it_is_about_sign_in() {
    let mint = Mint::new(tidegate_mock::Issuers::default()).unwrap();
    let token = mint.access_token(A).build();
    let location = |text: String| any(&[("location", &text)], "");
    let entra = || Ok(SignIn::Entra(TenantId::parse(A).unwrap()));
    let none = || Ok(SignIn::NoToken);
    let undetermined = |why| Ok(SignIn::Undetermined(why, vec![]));

    assert_eq!(any(&[], "<p>You are connected.</p>"), none());
    assert_eq!(any(&[], "[1, 2]"), none());
    assert_eq!(any(&[], ""), none());
    assert_eq!(any(&[], &format!("<p>{OWN}</p>")), none());
    assert_eq!(any(&[("set-cookie", OWN)], "<p></p>"), none());
    assert_eq!(location(format!("https://app/?code=x&state={OWN}")), none());

    assert_eq!(any(&[], &format!("<p>{token}</p>")), entra());
    assert_eq!(any(&[], &format!("[\"{token}\"]")), entra());
    assert_eq!(any(&[("set-cookie", &token)], "<p></p>"), entra());
    assert_eq!(any(&[("set-cookie", &token)], "{}"), entra());
    assert_eq!(location(format!("https://app/#id_token={token}")), entra());
    let opaque = location("https://app/#access_token=opaque".to_owned());
    assert_eq!(opaque, undetermined(Undetermined::Opaque));
    let own = location(format!("https://app/#access_token={OWN}"));
    assert_eq!(own, undetermined(Undetermined::ForeignIssuer));
}

#[test]
fn json_and_forms_count_as_on_token_routes() {
    let undetermined = |why| Ok(SignIn::Undetermined(why, vec![]));
    assert_eq!(any(&[], r#"{"id":"/connections/1"}"#), Ok(SignIn::NoToken));
    let opaque = any(&[], r#"{"access_token":"opaque"}"#);
    assert_eq!(opaque, undetermined(Undetermined::Opaque));
    let own = any(&[], &format!(r#"{{"state":"{OWN}"}}"#));
    assert_eq!(own, undetermined(Undetermined::ForeignIssuer));
    let form = any(&[], "access_token=opaque");
    assert_eq!(form, undetermined(Undetermined::Opaque));
    let twice = any(&[], r#"{"a":1,"A":2}"#);
    assert_eq!(twice, Err(Refusal::UpstreamUnreadable(Unreadable::Json)));
    let coded = any(&[("content-encoding", "br")], "{}");
    assert_eq!(coded, Err(Refusal::UpstreamEncoding));
}

#[test]
fn what_is_published_is_read_only_where_no_token_is_in_it() {
    let mint = Mint::new(tidegate_mock::Issuers::default()).unwrap();
    let token = mint.access_token(A).build();
    let published = |headers: &[(&'static str, &str)], body: &str| {
        let text = Published(reply(headers, body));
        text.text(&issuers()).map(<[u8]>::to_vec)
    };
    let document = r#"{"issuer":"https://login.example/v2.0"}"#;
    assert_eq!(published(&[], document), Ok(document.as_bytes().to_vec()));
    for (headers, body) in [
        (vec![], format!(r#"{{"issuer":"{token}"}}"#)),
        (vec![], r#"{"access_token":"opaque"}"#.to_owned()),
        (vec![("set-cookie", &*token)], document.to_owned()),
    ] {
        assert_eq!(published(&headers, &body), Err(Refusal::UpstreamToken));
    }
    let coded = published(&[("content-encoding", "br")], document);
    assert_eq!(coded, Err(Refusal::UpstreamEncoding));
}

#[test]
fn a_reply_that_was_declared_to_carry_no_token_is_held_to_that() {
    let mint = Mint::new(tidegate_mock::Issuers::default()).unwrap();
    let token = mint.access_token(A).build();
    let shows =
        |headers: &[(&'static str, &str)], body: &str| reply(headers, body).shows_token(&issuers());
    let (page, json) = (format!("<p>{OWN}</p>"), format!(r#"{{"state":"{OWN}"}}"#));
    for (headers, body, is) in [
        (vec![], r#"{"keys":[]}"#, false),
        (vec![], "<p>sign in</p>", false),
        (vec![], &page, false),
        (vec![("set-cookie", OWN)], "{}", false),
        (vec![], &json, true),
        (vec![], &token, true),
        (vec![("set-cookie", &*token)], "{}", true),
        (
            vec![("location", "https://app/#access_token=opaque")],
            "",
            true,
        ),
    ] {
        assert_eq!(shows(&headers, body), Ok(is), "{headers:?} {body}");
    }
    let coded = shows(&[("content-encoding", "br")], "{}");
    assert_eq!(coded, Err(Refusal::UpstreamEncoding));
}

/// Every token in the body and every one in the headers counts.
#[test]
fn a_token_reply_is_read_whole() {
    let mint = Mint::new(tidegate_mock::Issuers::default()).unwrap();
    let (a, b) = (mint.access_token(A).build(), mint.access_token(B).build());
    let signed_in = |headers: &[(&'static str, &str)], body: &str| {
        let tokens = reply(headers, body).inspect(&issuers());
        tokens.map(|tokens| SignIn::of(&tokens, Outcome::Success, Provider::Entra))
    };
    let tenant = |id| TenantId::parse(id).unwrap();
    let body = format!(r#"{{"access_token":"{a}"}}"#);
    assert_eq!(signed_in(&[], &body), Ok(SignIn::Entra(tenant(A))));
    let location = format!("https://app/#{a}");
    let only_there = signed_in(&[("location", &location)], "{}");
    assert_eq!(only_there, Ok(SignIn::Entra(tenant(A))));
    let elsewhere = signed_in(&[("x-first", "1"), ("x-token", &b)], &body);
    let both = Undetermined::Disagreement;
    assert_eq!(
        elsewhere,
        Ok(SignIn::Undetermined(both, vec![tenant(A), tenant(B)]))
    );
}
