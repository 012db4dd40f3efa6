//! Forms, content types, sizes and methods.

use http::Method;
use serde_json::Value;

use super::{form, head, sent};
use crate::harness::{CONTOSO, FABRIKAM, Policy, Setup, World};

/// Forms that two parsers could read differently, or not at all.
#[tokio::test]
async fn malformed_forms_are_refused() {
    let world = World::start(Setup::new()).await;
    let good = form(&world);
    let many: String = (0..65).map(|n| format!("&p{n}=x")).collect();
    for body in [
        b"grant_type=%zz".to_vec(),
        b"grant_type=refresh_token&x=%".to_vec(),
        b"grant_type=refresh_token&x=%4".to_vec(),
        b"grant_type=refresh_token&x=%ff".to_vec(),
        b"grant_type=refresh_token&x=\xff".to_vec(),
        b"grant_type=refresh_token&%ff=x".to_vec(),
        b"grant_type=refresh_token&=x".to_vec(),
        b"grant_type=refresh_token&a b=x".to_vec(),
        b"grant_type=refresh_token&a%00=x".to_vec(),
        b"grant_type=refresh_token&grant_type=refresh_token".to_vec(),
        b"GRANT_TYPE=refresh_token".to_vec(),
        b"grant_type=refresh_token&client_secret[]=x".to_vec(),
        br#"{"grant_type":"refresh_token"}"#.to_vec(),
        format!("{good}{many}").into_bytes(),
    ] {
        for http2 in [false, true] {
            let exchange = world.exchange(CONTOSO, CONTOSO).body(body.clone());
            let outcome = if http2 { exchange.http2() } else { exchange }.send().await;
            outcome.refused(400, "form_malformed");
            assert_eq!(outcome.record["upstream_status"], Value::Null);
        }
        world.check(0).await;
    }
    world.finish().await;
}

/// No grant.
#[tokio::test]
async fn a_missing_grant_is_refused() {
    let world = World::start(Setup::new()).await;
    for body in ["", "grant_type=", "grant_type", "client_id=a&code=b", "&&&"] {
        let outcome = world.exchange(CONTOSO, CONTOSO).body(body).send().await;
        outcome.refused(400, "grant_missing");
        world.check(0).await;
    }
    world.finish().await;
}

/// Only forms, and only plain ones.
#[tokio::test]
async fn other_content_types_are_refused() {
    let world = World::start(Setup::new()).await;
    for types in [
        &["application/json"][..],
        &["text/plain"],
        &["multipart/form-data; boundary=x"],
        &["application/x-www-form-urlencodedx"],
        &["application/x-www-form-urlencoded, text/plain"],
        &[
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded",
        ],
        &[""],
    ] {
        let mut exchange = world.exchange(CONTOSO, CONTOSO);
        for kind in types {
            exchange = exchange.header("content-type", kind);
        }
        exchange.send().await.refused(415, "content_type");
        world.check(0).await;
    }
    let (answer, _) = sent(&world, {
        let form = form(&world);
        head(&world, &format!("content-length: {}\r\n", form.len()))
            .replace("content-type: application/x-www-form-urlencoded\r\n", "")
            + "\r\n"
            + &form
    })
    .await;
    answer.unwrap().is_refusal(415, "content_type");
    assert_eq!(world.next_record().await["reason"], "content_type");
    world.check(0).await;
    for coding in ["gzip", "br", "identity", ""] {
        let exchange = world
            .exchange(CONTOSO, CONTOSO)
            .header("content-encoding", coding);
        exchange.send().await.refused(415, "content_type");
        world.check(0).await;
    }
    for kind in [
        "application/x-www-form-urlencoded; charset=utf-8",
        "Application/X-WWW-Form-Urlencoded",
    ] {
        let exchange = world
            .exchange(CONTOSO, CONTOSO)
            .header("content-type", kind);
        exchange.send().await.allowed("same_tenant");
        world.check(1).await;
    }
    world.finish().await;
}

/// E22: one byte more than the cap, told beforehand or not; the connection is closed.
#[tokio::test]
async fn oversized_bodies_are_refused() {
    const CAP: usize = 4096;
    let world = World::start(Setup::new().set("limits.request_body", "4KiB")).await;
    let sized = |length: usize| {
        let good = form(&world);
        format!("{good}&pad={}", "x".repeat(length - good.len() - 5))
    };
    for (length, fits) in [(CAP, true), (CAP + 1, false), (40 * CAP, false)] {
        let body = sized(length);
        let told = format!(
            "{}\r\n{body}",
            head(&world, &format!("content-length: {length}\r\n"))
        );
        let chunked = format!(
            "{}\r\n{length:x}\r\n{body}\r\n0\r\n\r\n",
            head(&world, "transfer-encoding: chunked\r\n")
        );
        for bytes in [told, chunked] {
            let (answer, mut raw) = sent(&world, bytes).await;
            let (answer, record) = (answer.unwrap(), world.next_record().await);
            if fits {
                assert_eq!(
                    (answer.status, &record["reason"]),
                    (200, &"same_tenant".into())
                );
                assert_eq!(world.idp.requests().last().unwrap().text(), body);
                world.check(1).await;
            } else {
                answer.is_refusal(413, "body_too_large");
                assert_eq!(answer.header("connection"), Some("close"));
                assert_eq!(record["reason"], "body_too_large");
                assert!(raw.rest().await.is_empty());
                world.check(0).await;
            }
        }
        let outcome = world
            .exchange(CONTOSO, CONTOSO)
            .http2()
            .body(body)
            .send()
            .await;
        if fits {
            outcome.allowed("same_tenant");
            world.check(1).await;
        } else {
            outcome.refused(413, "body_too_large");
            world.check(0).await;
        }
    }
    // Far too large, and never sent: the length alone is enough.
    let (answer, _) = sent(
        &world,
        head(&world, "content-length: 1000000000000\r\n\r\n"),
    )
    .await;
    answer.unwrap().is_refusal(413, "body_too_large");
    world.next_record().await;
    world.check(0).await;
    world.finish().await;
}

/// A body that does not come in time.
#[tokio::test]
async fn slow_bodies_are_refused() {
    let world = World::start(Setup::new().set("limits.body_timeout", "300ms")).await;
    for start in ["", "grant_type=refresh_token&refresh_token="] {
        let (answer, mut raw) = sent(
            &world,
            format!("{}\r\n{start}", head(&world, "content-length: 1000\r\n")),
        )
        .await;
        let answer = answer.unwrap();
        answer.is_refusal(408, "body_timeout");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(world.next_record().await["reason"], "body_timeout");
        assert!(raw.rest().await.is_empty());
        world.check(0).await;
    }
    world.finish().await;
}

/// E10, E11: a token route takes POST.
#[tokio::test]
async fn other_methods_are_refused_and_recorded() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::from_bytes(b"post").unwrap(),
        Method::from_bytes(b"PROPFIND").unwrap(),
    ];
    for method in methods {
        for http2 in [false, true] {
            let exchange = world
                .exchange(CONTOSO, FABRIKAM)
                .method(method.clone())
                .header("origin", "https://app.example")
                .header("access-control-request-method", "POST");
            let outcome = if http2 { exchange.http2() } else { exchange }.send().await;
            assert_eq!(
                (outcome.answer.status, outcome.answer.header("allow")),
                (405, Some("POST")),
                "{method}"
            );
            assert_eq!(outcome.answer.header("access-control-allow-origin"), None);
            outcome.decided("error", "method");
            assert_eq!(outcome.answer.body.is_empty(), method == Method::HEAD);
            if method != Method::HEAD {
                outcome.refused(405, "method");
            }
        }
        world.check(0).await;
    }
    world.finish().await;
}

/// G4: texts from outside are bounded in records, and make one line of valid JSON each.
#[tokio::test]
async fn odd_texts_make_one_good_record_line() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    let long = "9".repeat(10_000);
    for odd in [
        "\"},{\"decision\":\"allow\"",
        "a\u{2028}b",
        "..\\..",
        "%0d%0a",
        &long,
    ] {
        world.next_body(
            &world
                .idp
                .mint()
                .body(&tidegate_mock::Preset::Signed, FABRIKAM),
        );
        let outcome = world
            .exchange(CONTOSO, FABRIKAM)
            .header("x-connector-name", odd)
            .header("client-request-id", odd)
            .header("traceparent", odd)
            .header("user-agent", odd)
            .field("grant_type", odd)
            .field("scope", odd)
            .send()
            .await;
        outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
        let record = &outcome.record;
        assert_eq!(
            (&record["correlation_id"], &record["trace_id"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(record["grant_type"], "other");
        assert!(record.to_string().len() < 2000, "{record}");
        world.check(1).await;
    }
    // From the token: identifiers are GUIDs, the issuer is one of the configured.
    let odd = "\u{1b}[31m\r\n\u{2028}\"".repeat(1000);
    let token = world
        .idp
        .mint()
        .access_token(FABRIKAM)
        .claim("azp", odd.as_str())
        .claim("oid", odd.as_str());
    world.next_body(&tidegate_mock::TokenBody::v2().access_token(token.build()));
    let outcome = world.exchange(CONTOSO, FABRIKAM).send().await;
    outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    assert_eq!(
        (&outcome.record["app_id"], &outcome.record["user_object_id"]),
        (&Value::Null, &Value::Null)
    );
    world.check(1).await;
    world.finish().await;
}

/// A sound correlation id is echoed and recorded; another is replaced by the decision's id.
#[tokio::test]
async fn correlation_ids_are_echoed_if_sound() {
    let world = World::start(Setup::new().policy(Policy::on(CONTOSO))).await;
    let guid = "0a1b2c3d-0000-4000-8000-123456789abc";
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (sent, sound) in [
        (guid, true),
        ("AbC_123", true),
        ("a b", false),
        ("<script>", false),
        (&*"x".repeat(65), false),
        ("", false),
    ] {
        let outcome = world
            .exchange(CONTOSO, FABRIKAM)
            .header("client-request-id", sent)
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
            .send()
            .await;
        outcome.blocked("outbound_block", &[(CONTOSO, "outbound")]);
        let echoed = outcome.answer.json()["correlation_id"].clone();
        if sound {
            assert_eq!(
                (&echoed, &outcome.record["correlation_id"]),
                (&sent.into(), &sent.into())
            );
        } else {
            assert_eq!(
                (&echoed, &outcome.record["correlation_id"]),
                (&outcome.record["decision_id"], &Value::Null)
            );
        }
        assert_eq!(outcome.record["trace_id"], trace);
    }
    world.finish().await;
}
