//! Where a sign-in token stands: a header, a form field, a JSON member. Several agree or are
//! refused; one that is there and cannot be read is never "missing".

use serde_json::{Value, json};
use tidegate_mock::{Request, Seal};

use super::{OUT, contoso_on, isolated};
use crate::harness::connections::SIGN_IN_HEADER;
use crate::harness::{CONTOSO, Creation, FABRIKAM, World};

/// Each place by itself, allowed and blocked.
#[tokio::test]
async fn each_place_tells_who_signed_in() {
    let world = isolated().await;
    let places: [fn(Creation<'_>, String) -> Creation<'_>; 3] = [
        |creation, token| creation.header_token(&token),
        |creation, token| creation.form_token(&token),
        |creation, token| creation.json_token(&token),
    ];
    for place in places {
        for http2 in [false, true] {
            for (sign_in, count) in [(CONTOSO, 1), (FABRIKAM, 0)] {
                let creation = world.creation(CONTOSO, CONTOSO);
                let creation = place(creation, world.sign_in(sign_in).build());
                let creation = if http2 { creation.http2() } else { creation };
                let outcome = creation.send().await;
                if count == 1 {
                    outcome.created("same_tenant");
                } else {
                    outcome.blocked("outbound_block", OUT);
                }
                outcome.tenants(Some(CONTOSO), Some(sign_in));
                world.forwarded(count).await;
            }
        }
    }
    world.finish().await;
}

/// Two places: they agree, or contradict each other, or one is not believed.
#[tokio::test]
async fn several_places_must_agree() {
    let world = isolated().await;
    let both = |header: &str, body: &str| {
        world
            .creation(CONTOSO, CONTOSO)
            .json_token(body)
            .header(SIGN_IN_HEADER, header)
    };
    let (one, other) = (
        world.sign_in(CONTOSO).build(),
        world.sign_in(CONTOSO).build(),
    );
    both(&one, &other).send().await.created("same_tenant");
    world.forwarded(1).await;

    let foreign = world.sign_in(FABRIKAM).build();
    for (header, body) in [(&one, &foreign), (&foreign, &one)] {
        let outcome = both(header, body).send().await;
        outcome
            .refused(400, "sign_in_contradiction")
            .tenants(Some(CONTOSO), None);
        world.forwarded(0).await;
    }

    let bad = world.sign_in(CONTOSO).seal(Seal::BadSignature).build();
    for (header, body) in [(&one, &bad), (&bad, &one), (&bad, &bad), (&foreign, &bad)] {
        let outcome = both(header, body).send().await;
        outcome.token_refused("sign_in_token_refused", "token_signature");
        world.forwarded(0).await;
    }

    // In a spelling that only the service might read, it is no less there.
    for creation in [
        both(&one, &one).json(format!(r#"{{"properties":{{"Token":"{foreign}"}}}}"#)),
        both(&one, &one).json(format!(r#"{{"Properties":{{"token":"{foreign}"}}}}"#)),
        both(&one, &one).form(format!("ID_TOKEN={foreign}")),
        both(&one, &one).form(format!("id.token={foreign}")),
    ] {
        let outcome = creation.send().await;
        outcome.refused(400, "sign_in_malformed");
        world.forwarded(0).await;
    }

    let form = world
        .creation(CONTOSO, CONTOSO)
        .form_token(&foreign)
        .header(SIGN_IN_HEADER, &one);
    let outcome = form.send().await;
    outcome.refused(400, "sign_in_contradiction");
    world.forwarded(0).await;
    world.finish().await;
}

/// B36: missing everywhere.
#[tokio::test]
async fn none_is_missing() {
    let world = isolated().await;
    let creation = || world.creation(CONTOSO, CONTOSO);
    let nowhere = [
        creation().json("{}"),
        creation().json(r#"{"properties":{}}"#),
        creation().json(r#"{"token":"x"}"#),
        creation().json(r#"{"properties":{"nested":{"token":"x"}}}"#),
        creation().json(r#"{"properties":[]}"#),
        creation().json(r#"{"properties":"token"}"#),
        creation().form("code=x&state=y"),
        creation().form(""),
    ];
    for creation in nowhere {
        let outcome = creation.send().await;
        outcome
            .refused(400, "sign_in_missing")
            .tenants(Some(CONTOSO), None);
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// B36: there, and not one text.
#[tokio::test]
async fn there_and_not_one_text_is_malformed() {
    let world = isolated().await;
    let good = world.sign_in(CONTOSO).build();
    let json = |value: Value| {
        world
            .creation(CONTOSO, CONTOSO)
            .json(json!({ "properties": { "token": value } }).to_string())
    };
    let values = [
        json!(""),
        json!(null),
        json!(1),
        json!(true),
        json!([good]),
        json!({ "value": good }),
    ];
    for value in values {
        let outcome = json(value).send().await;
        outcome.refused(400, "sign_in_malformed");
        world.forwarded(0).await;
    }
    // Neither does a good one elsewhere make up for it.
    let outcome = json(json!("")).header(SIGN_IN_HEADER, &good).send().await;
    outcome.refused(400, "sign_in_malformed");
    world.forwarded(0).await;
    world.finish().await;
}

/// A header that is empty, or stands twice, the same or not.
#[tokio::test]
async fn a_header_stands_once() {
    let world = isolated().await;
    let good = world.sign_in(CONTOSO).build();
    let foreign = world.sign_in(FABRIKAM).build();
    let creation = |header: &str| world.creation(CONTOSO, CONTOSO).header_token(header);
    let comma = format!("{good},{foreign}");
    for (first, second) in [("", None), (&good, Some(&good)), (&good, Some(&foreign))] {
        let mut creation = creation(first);
        if let Some(second) = second {
            creation = creation.header(SIGN_IN_HEADER, second);
        }
        let outcome = creation.send().await;
        outcome.refused(400, "sign_in_malformed");
        world.forwarded(0).await;
    }
    let outcome = creation(&comma).send().await;
    assert!([400, 401].contains(&outcome.answer.status), "{comma}");
    outcome.stayed_here();
    world.forwarded(0).await;
    // Underscores are the same header to a server that folds them: it never sees this one.
    let twin = creation(&good).header("x_sign_in_token", &foreign);
    let answer = twin.send_unrecorded().await;
    world.next_record().await;
    let seen = world.service.requests().all();
    let twins = |request: &Request| request.headers.contains_key("x_sign_in_token");
    assert!(!seen.iter().any(twins), "{answer:?}");
    world.service.requests().clear();
    let alone = world
        .creation(CONTOSO, CONTOSO)
        .json("{}")
        .header("x_sign_in_token", &good);
    let outcome = alone.send().await;
    assert_eq!(outcome.answer.status, 400, "{:?}", outcome.answer);
    outcome.stayed_here();
    world.forwarded(0).await;
    world.finish().await;
}

/// A form field that is empty, stands twice, or in a spelling that another server folds.
#[tokio::test]
async fn a_field_stands_once() {
    let world = isolated().await;
    let good = world.sign_in(CONTOSO).build();
    let foreign = world.sign_in(FABRIKAM).build();
    let forms = [
        "id_token=".to_owned(),
        "id_token".to_owned(),
        format!("id_token={good}&id_token={good}"),
        format!("id_token={good}&id_token={foreign}"),
        format!("id_token={good}&id%5ftoken={foreign}"),
        format!("id_token={good}&ID_TOKEN={foreign}"),
        format!("Id_Token={good}"),
        format!("id_token[]={good}"),
        format!("id_token={good}&id_token%5B0%5D={foreign}"),
        format!("id_token={good}&id_token="),
        format!("id_token={good};id_token={foreign}"),
        format!("state=a;id_token={foreign}&id_token={good}"),
    ];
    for form in forms {
        println!(
            "{}",
            form.replace(&good, "GOOD").replace(&foreign, "FOREIGN")
        );
        let outcome = world.creation(CONTOSO, CONTOSO).form(&form).send().await;
        assert_eq!(outcome.answer.status, 400, "{:?}", outcome.answer);
        outcome.decided("error", outcome.record["reason"].as_str().unwrap());
        outcome.stayed_here();
        outcome.nothing_leaked();
        world.forwarded(0).await;
    }
    world.finish().await;
}

/// A query parameter of the field's name is no form field; beside one, some servers would take it
/// first.
#[tokio::test]
async fn a_query_parameter_is_no_place() {
    let world = isolated().await;
    let own = world.sign_in(CONTOSO).build();
    let foreign = world.sign_in(FABRIKAM).build();
    for form in ["state=x".to_owned(), format!("id_token={own}")] {
        for name in ["id_token", "ID_Token", "id%5Ftoken", "id_token[]"] {
            let creation = world.creation(CONTOSO, CONTOSO).form(&form);
            let path = format!("/connections/one?{name}={foreign}");
            let outcome = creation.path(&path).send().await;
            assert_eq!(outcome.answer.status, 400, "{:?}", outcome.answer);
            outcome.stayed_here();
            world.forwarded(0).await;
        }
    }
    world.finish().await;
}

/// Pointers go through objects, arrays and escaped names.
#[tokio::test]
async fn pointers_lead_where_they_say() {
    let pointers = [
        (
            "/parameterValues/token",
            r#"{"parameterValues":{"token":"TOKEN"}}"#,
        ),
        (
            "/accounts/1/token",
            r#"{"accounts":[{"token":1},{"token":"TOKEN"}]}"#,
        ),
        ("/tokens/0", r#"{"tokens":["TOKEN","other"]}"#),
        ("/a~1b/c~0d", r#"{"a/b":{"c~d":"TOKEN"}}"#),
        ("/0", r#"{"0":"TOKEN"}"#),
        ("/", r#"{"":"TOKEN"}"#),
        ("/\u{e4}", "{\"\u{e4}\":\"TOKEN\"}"),
    ];
    for (pointer, body) in pointers {
        println!("{pointer}");
        let sources = format!(
            r#"[{{ json = "{pointer}", audience = ["api://sign-in"] }}, {{ header = "{SIGN_IN_HEADER}", audience = ["api://sign-in"] }}, {{ json = "/properties/token", audience = ["api://sign-in"] }}]"#
        );
        let world = World::start(contoso_on().on_route("create", "sign_in", &sources)).await;
        for (sign_in, count) in [(CONTOSO, 1), (FABRIKAM, 0)] {
            let body = body.replace("TOKEN", &world.sign_in(sign_in).build());
            let outcome = world.creation(CONTOSO, CONTOSO).json(body).send().await;
            if count == 1 {
                outcome.created("same_tenant");
            } else {
                outcome.blocked("outbound_block", OUT);
            }
            world.forwarded(count).await;
        }
        world.finish().await;
    }
}
