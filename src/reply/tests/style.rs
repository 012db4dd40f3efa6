//! Who gets which form.

use std::sync::Arc;

use http::header::ACCEPT;

use super::*;
use crate::config::{self, Route};

/// What Chromium sends on its way to a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

fn route(extra: &str) -> Arc<Route> {
    let text = format!(
        r#"
        [policies]
        directory = "."
        [providers.entra]
        kind = "entra"
        [services.connections]
        authority = "https://connections.example.com:8443"
        [[routes]]
        name = "create"
        provider = "entra"
        path = "/connections"
        creator = [{{ tenant = "{A}" }}]
        {extra}
        "#
    );
    let config = config::parse(&text, "tidegate.toml".as_ref());
    Arc::clone(&config.unwrap().routes[0])
}

/// A connection route with these `errors` and `browsers`.
fn connection(errors: &str, browsers: &str) -> Arc<Route> {
    route(&format!(
        r#"kind = "connection"
        service = "connections"
        sign_in = [{{ header = "x-sign-in-token", audience = "api://platform" }}]
        errors = "{errors}"
        browsers = "{browsers}""#
    ))
}

fn accepting(lines: &[&str]) -> HeaderMap {
    lines
        .iter()
        .map(|line| (ACCEPT, HeaderValue::from_str(line).unwrap()))
        .collect()
}

#[test]
fn the_route_chooses_and_a_browser_may_ask_for_a_page() {
    let hub = || Style::ApiHub("connections.example.com".to_owned());
    let table = [
        ("apihub", "json", BROWSER, hub()),
        ("arm", "json", BROWSER, Style::Arm),
        ("oauth", "json", BROWSER, Style::OAuth),
        ("apihub", "page", "application/json", hub()),
        ("arm", "page", "*/*", Style::Arm),
        ("oauth", "page", "*/*", Style::OAuth),
        ("apihub", "page", BROWSER, Style::Page),
        ("arm", "page", BROWSER, Style::Page),
        ("oauth", "page", BROWSER, Style::Page),
    ];
    for (errors, browsers, accept, expected) in table {
        let style = Style::of(&connection(errors, browsers), &accepting(&[accept]));
        assert_eq!(style, expected, "{errors} {browsers} {accept}");
    }
}

#[test]
fn a_token_route_never_answers_with_a_page() {
    let route = route(r#"kind = "token""#);
    assert_eq!(Style::of(&route, &accepting(&[BROWSER])), Style::OAuth);
}

#[test]
fn only_who_plainly_prefers_html_gets_it() {
    let route = connection("arm", "page");
    let table: [(&[&str], bool); 31] = [
        (&[BROWSER], true),
        (&["text/html"], true),
        (&["TEXT/HTML; Charset=utf-8"], true),
        (&["text/*"], true),
        (&["text/html, */*"], true),
        (&["text/html, */*; q=0.01"], true),
        (&["text/html;q=0.001"], true),
        (&["text/html;q=0.9, application/json;q=0.8"], true),
        (&["application/json;q=0.999 , text/html;q=1.000"], true),
        (&["application/json;q=0.5", "text/html"], true),
        (&["text/html, application/json;q=0, */*"], true),
        (&["text/html, ,application/xml"], true),
        (&[], false),
        (&[""], false),
        (&["*/*"], false),
        (&["*/*;q=1, application/xml"], false),
        (&["application/json"], false),
        (&["application/json, text/html"], false),
        (&["text/html, application/*"], false),
        (&["text/html;q=0.5, application/json"], false),
        (&["text/html;q=0.5, */*"], false),
        (&["text/html;q=0"], false),
        (&["text/html;q=0, text/*"], false),
        (&["text/plain"], false),
        (&["application/xhtml+xml"], false),
        // Malformed: no plain wish, whatever else stands there.
        (&["text/html;q=2"], false),
        (&["text/html;q=0.1234"], false),
        (&["text/html;q=.5"], false),
        (&["text/html;q=1;q=1"], false),
        (&["text/html, nonsense"], false),
        (&["text/html", "*/json"], false),
    ];
    for (lines, page) in table {
        let style = Style::of(&route, &accepting(lines));
        assert_eq!(style == Style::Page, page, "{lines:?}");
    }
    let mut bytes = accepting(&["text/html"]);
    bytes.append(ACCEPT, HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(Style::of(&route, &bytes), Style::Arm);
}
