//! The document that a reply is: one JSON object or one form, whatever its type says, or none.

use tidegate_mock::Reply;

use super::{OUT, given, isolated, signed};
use crate::harness::{CONTOSO, FABRIKAM};

/// C14: a member twice, in any order, escaped or in another case.
#[tokio::test]
async fn a_member_twice_is_refused() {
    let world = isolated().await;
    let mint = world.idp.mint();
    let own = mint.access_token(CONTOSO).build();
    let foreign = mint.access_token(FABRIKAM).build();
    world.remember_tokens(foreign.as_bytes());
    for (first, second) in [(&own, &foreign), (&foreign, &own), (&own, &own)] {
        for (a, b) in [
            ("access_token", "access_token"),
            ("id_token", "id_token"),
            ("access_token", "access_t\\u006fken"),
            ("access_token", "Access_Token"),
            ("access_token", "acce\u{17f}s_token"),
            ("scope", "scope"),
        ] {
            let body =
                format!("{{\"token_type\":\"Bearer\",\"{a}\":\"{first}\",\"{b}\":\"{second}\"}}");
            given(&world, Reply::json_bytes(200, body))
                .await
                .refused(502, "upstream_unreadable");
            world.check(1).await;
        }
    }
    world.finish().await;
}

/// C43: bytes or escapes that some parsers drop, beside a token.
#[tokio::test]
async fn broken_text_is_refused() {
    let world = isolated().await;
    let mint = world.idp.mint();
    for tenant in [CONTOSO, FABRIKAM] {
        let text = String::from_utf8(signed(&mint, tenant).to_vec()).unwrap();
        world.remember_tokens(text.as_bytes());
        let rest = &text.as_bytes()[1..];
        for start in [
            &b"{\"x\":\"\xff\","[..],
            b"{\"x\":\"\xc3\x28\",",
            b"{\"x\":\"\\ud800\",",
            b"{\"x\":\"\\udc00\\ud800\",",
            b"{\"\\ud800\":1,",
        ] {
            given(&world, Reply::json_bytes(200, [start, rest].concat()))
                .await
                .refused(502, "upstream_unreadable");
            world.check(1).await;
        }
    }
    world.finish().await;
}

/// What is not exactly one JSON object, nor a form.
#[tokio::test]
async fn other_documents_are_refused() {
    let world = isolated().await;
    let mint = world.idp.mint();
    let text = String::from_utf8(signed(&mint, CONTOSO).to_vec()).unwrap();
    let token = mint.access_token(CONTOSO).build();
    world.remember_tokens(text.as_bytes());
    world.remember_tokens(token.as_bytes());
    for body in [
        format!("[{text}]"),
        format!("{text}{text}"),
        format!("{text} x"),
        format!("{text},"),
        format!(")]}}',\n{text}"),
        format!("callback({text})"),
        format!("/**/{text}"),
        text.replace('"', "'"),
        text.replacen('{', "{,", 1),
        format!("\"{token}\""),
        token.clone(),
        format!("<html><body>{token}</body></html>"),
        format!("<TokenResponse><access_token>{token}</access_token></TokenResponse>"),
        "null".to_owned(),
        "\u{feff}{}".to_owned(),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)),
    ] {
        let short: String = body.chars().take(40).collect();
        let outcome = given(&world, Reply::json_bytes(200, body)).await;
        assert_eq!(outcome.record["reason"], "upstream_unreadable", "{short}");
        outcome.refused(502, "upstream_unreadable");
        world.check(1).await;
    }
    world.finish().await;
}

/// C9: the content type has no say.
#[tokio::test]
async fn content_types_do_not_matter() {
    let world = isolated().await;
    let mint = world.idp.mint();
    let types: [&[&str]; 7] = [
        &[],
        &["text/html"],
        &["image/png"],
        &["application/x-www-form-urlencoded"],
        &["text/html", "application/json"],
        &["application/json", "application/json"],
        &["no type at all"],
    ];
    for types in types {
        let with = |mut reply: Reply| {
            for kind in types {
                reply = reply.header("content-type", kind);
            }
            reply
        };
        let reply = with(Reply::new(200, signed(&mint, FABRIKAM).to_vec()));
        given(&world, reply).await.blocked("outbound_block", OUT);
        world.check(1).await;
        let body = signed(&mint, CONTOSO).to_vec();
        let outcome = given(&world, with(Reply::new(200, body.clone()))).await;
        outcome.allowed("same_tenant");
        assert_eq!(outcome.answer.body, body);
        assert_eq!(
            outcome
                .answer
                .headers
                .get_all("content-type")
                .iter()
                .count(),
            types.len()
        );
        world.check(1).await;
    }
    // A page of some server in front of the provider: nobody knows what is in it.
    let page = Reply::new(503, "<html>busy</html>").header("content-type", "text/html");
    given(&world, page)
        .await
        .refused(502, "upstream_unreadable");
    world.check(1).await;
    world.finish().await;
}
