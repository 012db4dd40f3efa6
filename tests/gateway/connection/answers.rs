//! The forms of answers: `arm`, `apihub`, `oauth`, and a page for browsers; each against its golden
//! file.

use http::{HeaderValue, Method};
use serde_json::json;
use tidegate_mock::Seal;

use super::OUT;
use crate::harness::{Answer, CONTOSO, Created, Creation, FABRIKAM, Policy, Setup, World, golden};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn world(errors: &str, browsers: &str) -> World {
    let setup = Setup::connections()
        .on_route("create", "errors", &format!("{errors:?}"))
        .on_route("create", "browsers", &format!("{browsers:?}"))
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(FABRIKAM));
    World::start(setup).await
}

/// What every form of answer must not be.
fn is_ours(answer: &Answer, content_type: &str) {
    assert_eq!(answer.header("content-type"), Some(content_type));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    for name in ["set-cookie", "location", "alt-svc", "content-encoding"] {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
}

/// The documented sentence: whom it concerns, whose policy, whom to ask.
fn is_the_sentence(text: &str) {
    for part in [
        &format!("The connection to the {FABRIKAM} tenant has failed authorization"),
        "due to a tenant isolation configuration",
        "blocked by tenant isolation",
        CONTOSO,
        &format!("outbound by the policy of tenant {CONTOSO}"),
        &format!("inbound by the policy of tenant {FABRIKAM}"),
        "he administrator of",
        "to be added to the allowlist",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

fn compare(name: &str, outcome: &Created<'_>) {
    let id = outcome.record["decision_id"].as_str().unwrap();
    let mut answer = outcome.answer.clone();
    for value in answer.headers.values_mut() {
        if value.as_bytes() == id.as_bytes() {
            *value = HeaderValue::from_static("<decision id>");
        }
    }
    let text = answer.text().replace(id, "<decision id>");
    answer.body = match text.split_once("Time</dt><dd class=\"id\">") {
        Some((before, rest)) => {
            let (_, after) = rest.split_once("</dd>").unwrap();
            format!("{before}Time</dt><dd class=\"id\"><timestamp></dd>{after}").into()
        }
        None => text.into(),
    };
    golden(&format!("connection-{name}.txt"), &answer);
}

/// A block, a refused token, a missing token, a malformed document and a wrong type, in the form of
/// a route.
fn kinds(world: &World) -> [(&'static str, u16, Creation<'_>); 6] {
    let creation = || {
        world
            .creation(CONTOSO, CONTOSO)
            .header("client-request-id", "answer-1")
    };
    let bad = world.sign_in(CONTOSO).seal(Seal::BadSignature).build();
    let foreign = world.sign_in(FABRIKAM).build();
    [
        ("block", 403, creation().json_token(&foreign)),
        ("refused", 401, creation().json_token(&bad)),
        ("missing", 401, creation().without("authorization")),
        ("no-sign-in", 400, creation().json("{}")),
        ("malformed", 400, creation().json("[]")),
        ("media-type", 415, creation().typed("text/plain", "x")),
    ]
}

#[tokio::test]
async fn arm() {
    let world = world("arm", "json").await;
    for (name, status, creation) in kinds(&world) {
        let outcome = creation.send().await;
        let answer = &outcome.answer;
        assert_eq!(answer.status, status, "{answer:?}");
        is_ours(answer, "application/json; charset=utf-8");
        let json = answer.json();
        let (code, message) = (&json["error"]["code"], &json["error"]["message"]);
        assert!(message.as_str().is_some_and(|text| !text.is_empty()));
        if status == 403 {
            assert_eq!(code, "BlockedByTenantIsolation");
            is_the_sentence(message.as_str().unwrap());
            outcome.decided("block", "both_block");
        } else {
            assert!(code.as_str().is_some_and(|code| !code.is_empty()), "{json}");
        }
        compare(&format!("arm-{name}"), &outcome);
        outcome.nothing_leaked();
        world.forwarded(0).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn api_hub() {
    let world = world("apihub", "json").await;
    for (name, status, creation) in kinds(&world) {
        let outcome = creation.send().await;
        let answer = &outcome.answer;
        assert_eq!(answer.status, status, "{answer:?}");
        is_ours(answer, "application/json; charset=utf-8");
        let json = answer.json();
        assert_eq!(json["status"], status, "{json}");
        assert_eq!(json["source"], "localhost", "{json}");
        let message = json["message"].as_str().unwrap();
        if status == 403 {
            assert!(message.starts_with("Error from token exchange: "));
            is_the_sentence(message);
            outcome.decided("block", "both_block");
        }
        compare(&format!("apihub-{name}"), &outcome);
        outcome.nothing_leaked();
        world.forwarded(0).await;
    }
    world.finish().await;
}

#[tokio::test]
async fn oauth() {
    let world = world("oauth", "json").await;
    for (name, status, creation) in kinds(&world) {
        // Where no page is configured, a browser gets JSON like everybody.
        let outcome = creation.header("accept", BROWSER).send().await;
        let answer = &outcome.answer;
        assert_eq!(answer.status, status, "{answer:?}");
        is_ours(answer, "application/json; charset=utf-8");
        answer.is_our_own();
        assert_eq!(answer.json()["correlation_id"], "answer-1");
        if status == 403 {
            is_the_sentence(answer.json()["error_description"].as_str().unwrap());
            outcome.blocked("both_block", &[OUT[0], (FABRIKAM, "inbound")]);
        }
        compare(&format!("oauth-{name}"), &outcome);
        outcome.nothing_leaked();
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// A browser that comes back from signing in, with the token in a form.
#[tokio::test]
async fn page() {
    let world = world("oauth", "page").await;
    for (name, status, creation) in kinds(&world) {
        let creation = if name == "block" {
            let token = world.sign_in(FABRIKAM).build();
            creation.form_token(&token)
        } else {
            creation
        };
        let outcome = creation.header("accept", BROWSER).send().await;
        let answer = &outcome.answer;
        assert_eq!(answer.status, status, "{answer:?}");
        is_ours(answer, "text/html; charset=utf-8");
        let text = answer.text();
        assert!(text.contains("answer-1"), "the correlation id: {text}");
        assert!(text.contains("<html lang="), "{text}");
        assert!(text.contains("<title>"), "{text}");
        assert!(!text.contains("<script"), "{text}");
        for never in ["src=\"http", "href=\"http://", "javascript:", "id_token"] {
            assert!(!text.contains(never), "{never}: {text}");
        }
        if status == 403 {
            let words: Vec<&str> = text.split_whitespace().collect();
            is_the_sentence(&words.join(" "));
        }
        compare(&format!("page-{name}"), &outcome);
        outcome.nothing_leaked();
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// A page is for those who ask for one, in whatever way they are blocked.
#[tokio::test]
async fn pages_are_for_browsers() {
    let world = world("arm", "page").await;
    let blocked = |accept: &str| {
        let creation = world.creation(CONTOSO, FABRIKAM).header("accept", accept);
        creation.send()
    };
    for accept in [
        "",
        "*/*",
        "application/json",
        "application/json, text/plain, */*",
        "text/html;q=0",
    ] {
        let outcome = blocked(accept).await;
        assert_eq!(outcome.answer.status, 403);
        is_ours(&outcome.answer, "application/json; charset=utf-8");
        let json = outcome.answer.json();
        assert_eq!(
            json["error"]["code"], "BlockedByTenantIsolation",
            "{accept}"
        );
        world.forwarded(0).await;
    }
    for accept in [BROWSER, "text/html", "TEXT/HTML, */*;q=0.1"] {
        let outcome = blocked(accept).await;
        assert_eq!(outcome.answer.status, 403);
        is_ours(&outcome.answer, "text/html; charset=utf-8");
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// What a client names itself stands in a page as text, or not at all.
#[tokio::test]
async fn a_page_holds_no_markup_of_a_clients() {
    let world = world("oauth", "page").await;
    for id in ["<script>alert(1)</script>", "\"><img src=x>", "a&b"] {
        let creation = world
            .creation(CONTOSO, FABRIKAM)
            .header("accept", "text/html")
            .header("client-request-id", id)
            .header("x-connector-name", id);
        let outcome = creation.send().await;
        let text = outcome.answer.text();
        assert_eq!(outcome.answer.status, 403);
        assert!(!text.contains(id) && !text.contains("<img"), "{text}");
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// Refused before an exchange begins, an answer has the form of the route all the same.
#[tokio::test]
async fn early_refusals_have_the_routes_form() {
    let world = world("arm", "json").await;
    let creation = world.creation(CONTOSO, CONTOSO).method(Method::DELETE);
    let outcome = creation.send().await;
    outcome.decided("error", "method");
    assert_eq!(outcome.answer.status, 405);
    is_ours(&outcome.answer, "application/json; charset=utf-8");
    let json = outcome.answer.json();
    assert_ne!(json["error"]["code"], json!(null), "{json}");
    world.forwarded(0).await;
    world.finish().await;
}
