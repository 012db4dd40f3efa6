//! What the service answers: relayed byte for byte, or withheld whole when a token in it may not
//! reach this creator (group C, on connection routes).

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tidegate_mock::{Preset, Reply, jwt};

use super::{OUT, contoso_on, isolated};
use crate::harness::connections::TOLD;
use crate::harness::{CONTOSO, Created, FABRIKAM, World};

/// Contoso creates a connection within Contoso, and the service answers this.
pub(super) async fn given(world: &World, reply: Reply) -> Created<'_> {
    world.remember_tokens(reply.bytes());
    world.service.next_reply(reply);
    world.creation(CONTOSO, CONTOSO).send().await
}

fn withheld(outcome: &Created<'_>, reason: &str) {
    let sides = if reason == "outbound_block" { OUT } else { &[] };
    (**outcome).blocked(reason, sides);
    assert!(!outcome.record["upstream_status"].is_null());
    let request = outcome.arrived();
    assert_eq!(request.header(TOLD[1]), Some(CONTOSO));
}

pub(super) fn tokens(world: &World, tenant: &str) -> String {
    world.idp.mint().access_token(tenant).build()
}

/// Tokens of the creator's own tenant pass; of another one they do not.
#[tokio::test]
async fn tokens_in_documents() {
    let world = isolated().await;
    for member in ["access_token", "id_token", "anything", "value"] {
        for (tenant, passes) in [(CONTOSO, true), (FABRIKAM, false)] {
            let token = tokens(&world, tenant);
            let body = json!({ "name": "one", "properties": { "deep": [{ member: token }] } });
            let flat = json!({ member: token, "name": "one" });
            for body in [body, flat] {
                let reply = Reply::json(200, &body);
                let outcome = given(&world, reply.clone()).await;
                if passes {
                    outcome.allowed("same_tenant");
                    assert_eq!(outcome.answer.body, reply.bytes());
                } else {
                    withheld(&outcome, "outbound_block");
                    outcome.tenants(Some(CONTOSO), Some(FABRIKAM));
                }
                world.forwarded(1).await;
            }
        }
    }
    world.finish().await;
}

/// A whole token reply, of every kind that names nobody.
#[tokio::test]
async fn tokens_that_name_nobody() {
    let world = isolated().await;
    let mint = world.idp.mint();
    let jwe = jwt::jwe_shaped();
    for (body, reason) in [
        (
            mint.body(&Preset::Opaque, CONTOSO).to_json(),
            "undetermined_opaque",
        ),
        (json!({ "access_token": jwe }), "undetermined_encrypted"),
        (
            json!({ "refresh_token": jwt::random(300) }),
            "undetermined_opaque",
        ),
    ] {
        let outcome = given(&world, Reply::json(200, &body)).await;
        withheld(&outcome, reason);
        outcome.tenants(Some(CONTOSO), None);
        world.forwarded(1).await;
    }
    // Two tokens that disagree.
    let body =
        json!({ "access_token": tokens(&world, CONTOSO), "id_token": tokens(&world, FABRIKAM) });
    let outcome = given(&world, Reply::json(200, &body)).await;
    assert_eq!(outcome.answer.status, 403, "{:?}", outcome.answer);
    outcome.nothing_leaked();
    world.forwarded(1).await;
    world.finish().await;
}

/// A redirect goes on to the platform's own pages; not with a foreign token in it.
#[tokio::test]
async fn redirects() {
    let world = isolated().await;
    for location in [
        "https://platform.example/done?code=x",
        "https://consent.example/login#state=a.b.c",
        "/relative",
    ] {
        for status in [302, 303, 307] {
            let outcome = given(&world, Reply::redirect(status, location)).await;
            assert_eq!(outcome.answer.status, status, "{:?}", outcome.answer);
            assert_eq!(outcome.answer.header("location"), Some(location));
            outcome.decided("allow", outcome.record["reason"].as_str().unwrap());
            world.forwarded(1).await;
        }
    }
    for place in ["?access_token=", "#id_token=", "/"] {
        let token = tokens(&world, FABRIKAM);
        world.remember_tokens(token.as_bytes());
        let location = format!("https://platform.example/done{place}{token}&state=x");
        let outcome = given(&world, Reply::redirect(302, &location)).await;
        withheld(&outcome, "outbound_block");
        world.forwarded(1).await;
    }
    let location = format!(
        "https://platform.example/done#access_token={}",
        jwt::random(60)
    );
    let outcome = given(&world, Reply::redirect(302, &location)).await;
    assert_eq!(outcome.answer.status, 403, "{:?}", outcome.answer);
    world.forwarded(1).await;
    world.finish().await;
}

/// Pages, empty answers and errors hold no token: they are the service's business.
#[tokio::test]
async fn what_holds_no_token_is_relayed() {
    let world = isolated().await;
    let page = Reply::page(200, "<p>You can close this window now.</p>");
    let error = json!({ "error": { "code": "ConnectionExists", "message": "There is one." } });
    for reply in [
        page.clone(),
        Reply::new(204, ""),
        Reply::new(202, "").header("retry-after", "5"),
        Reply::new(200, "plain text").header("content-type", "text/plain"),
        Reply::json(409, &error),
        Reply::json(404, &error),
        Reply::json(500, &error),
        Reply::json_bytes(200, " { \"a\" : 1.0 ,\n\"b\":\"\u{e4}\" }\r\n"),
        Reply::json_bytes(200, "[1, 2, {\"status\": \"Connected\"}]"),
        Reply::new(200, b"\x89PNG\r\n\x1a\n".to_vec()).header("content-type", "image/png"),
    ] {
        let (status, body) = (reply.status.as_u16(), reply.bytes().to_vec());
        let outcome = given(&world, reply.header("x-service", "1")).await;
        assert_eq!(outcome.answer.status, status, "{:?}", outcome.answer);
        assert_eq!(outcome.answer.body, body);
        assert_eq!(outcome.answer.header("x-service"), Some("1"));
        assert_eq!(outcome.record["decision"], "allow", "{}", outcome.record);
        outcome.arrived();
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// A foreign token is found in any kind of answer.
#[tokio::test]
async fn tokens_in_anything_else() {
    let world = isolated().await;
    let token = || tokens(&world, FABRIKAM);
    let gzip = |text: String| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let document = json!({ "access_token": token() }).to_string();
    for reply in [
        Reply::page(
            200,
            &format!("<input type=\"hidden\" value=\"{}\">", token()),
        ),
        Reply::page(200, &format!("<a href='/x?t={}'>x</a>", token())),
        Reply::new(200, format!("access_token={}&token_type=bearer", token())),
        Reply::json(
            500,
            &json!({ "error": { "message": format!("token {} bad", token()) } }),
        ),
        Reply::json_bytes(200, document.clone()).header("content-type", "image/png"),
        Reply::new(200, gzip(document)).header("content-encoding", "gzip"),
        Reply::new(204, "").header("x-token", &token()),
        Reply::json(200, &json!({})).header("set-cookie", &format!("session={}", token())),
    ] {
        for value in reply.headers.values() {
            world.remember_tokens(value.as_bytes());
        }
        let outcome = given(&world, reply).await;
        assert_eq!(outcome.answer.status, 403, "{:?}", outcome.answer);
        (*outcome).blocked("outbound_block", OUT);
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// A policy that allows the other tenant allows its tokens.
#[tokio::test]
async fn the_policy_decides_about_them() {
    let policy = crate::harness::Policy::on(CONTOSO).outbound(FABRIKAM);
    let world = World::start(crate::harness::Setup::connections().policy(policy)).await;
    let body = json!({ "access_token": tokens(&world, FABRIKAM) });
    let outcome = given(&world, Reply::json(200, &body)).await;
    assert_eq!(outcome.answer.json(), body);
    assert_eq!(outcome.record["decision"], "allow", "{}", outcome.record);
    world.forwarded(1).await;
    world.finish().await;
}

/// Cookies of the service pass only where the route says so; other ways round the gateway never.
#[tokio::test]
async fn cookies_pass_as_configured() {
    for (choice, passes) in [("strip", false), ("relay", true)] {
        let setup = contoso_on().on_route("create", "cookies", &format!("{choice:?}"));
        let world = World::start(setup).await;
        let reply = Reply::json(200, &json!({}))
            .header("set-cookie", "session=1; secure")
            .header("alt-svc", "h3=\":443\"");
        world.service.next_reply(reply);
        let creation = world.creation(CONTOSO, CONTOSO).header("cookie", "a=1");
        let answer = creation.send_unrecorded().await;
        world.next_record().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("set-cookie").is_some(), passes);
        assert_eq!(answer.header("alt-svc"), None);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let request = world.service.requests().last().unwrap();
        assert_eq!(request.header("cookie").is_some(), passes);
        world.forwarded(1).await;
        world.finish().await;
    }
}

/// Report-only records what it would withhold, and relays it.
#[tokio::test]
async fn report_only_withholds_nothing() {
    let world = World::start(contoso_on().set("mode", "report-only")).await;
    let foreign = json!({ "access_token": tokens(&world, FABRIKAM) });
    let opaque = json!({ "access_token": jwt::opaque_personal() });
    for (body, reason) in [(foreign, "outbound_block"), (opaque, "undetermined_opaque")] {
        let outcome = given(&world, Reply::json(200, &body)).await;
        outcome.would_block(reason);
        assert_eq!(outcome.answer.json(), body);
        world.forwarded(1).await;
    }
    world.finish().await;
}
