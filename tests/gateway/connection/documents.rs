//! The body: one document in one reading, and byte for byte the same at the service (E25).

use http::Method;
use serde_json::json;

use super::{contoso_on, isolated};
use crate::harness::{CONTOSO, FABRIKAM, World};

/// E25: whatever two readers could read differently.
#[tokio::test]
async fn bodies_with_two_readings_are_refused() {
    let world = isolated().await;
    let good = world.sign_in(CONTOSO).build();
    let foreign = world.sign_in(FABRIKAM).build();
    let many = members(8_000);
    let deep = format!("{}1{}", "[".repeat(40_000), "]".repeat(40_000));
    let bodies = [
        // The token twice, in every spelling of its name.
        r#"{"properties":{"token":"GOOD","token":"FOREIGN"}}"#.to_owned(),
        r#"{"properties":{"token":"FOREIGN","token":"GOOD"}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD","tok\u0065n":"FOREIGN"}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD","Token":"FOREIGN"}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD","TOKEN":"FOREIGN"}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD","TO\u212aEN":"FOREIGN"}}"#.to_owned(),
        // What it stands in twice.
        r#"{"properties":{"token":"GOOD"},"properties":{"token":"FOREIGN"}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD"},"Properties":{"token":"FOREIGN"}}"#.to_owned(),
        // A double anywhere else: which one acts is for nobody to guess.
        r#"{"properties":{"token":"GOOD","api":{"a":1,"a":2}}}"#.to_owned(),
        r#"{"x":[{"a":1,"A":2}],"properties":{"token":"GOOD"}}"#.to_owned(),
        // The name in another spelling only.
        r#"{"properties":{"Token":"GOOD"}}"#.to_owned(),
        r#"{"Properties":{"token":"GOOD"}}"#.to_owned(),
        // No one object.
        r#"[{"properties":{"token":"GOOD"}}]"#.to_owned(),
        r#""GOOD""#.to_owned(),
        "null".to_owned(),
        String::new(),
        " ".to_owned(),
        "\u{feff}{\"properties\":{\"token\":\"GOOD\"}}".to_owned(),
        r#"{"properties":{"token":"GOOD"}}{"properties":{"token":"FOREIGN"}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD"}} x"#.to_owned(),
        "{\"properties\":{\"token\":\"GOOD\"}}\0".to_owned(),
        // No JSON.
        r#"{"properties":{"token":"GOOD",}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD"}"#.to_owned(),
        r#"{'properties':{'token':'GOOD'}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD"}} // more"#.to_owned(),
        r#"{"properties":{"token":"GOOD","n":01}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD","n":NaN}}"#.to_owned(),
        r#"{"properties":{"token":"GOOD","s":"\ud800"}}"#.to_owned(),
        "{\"properties\":{\"token\":\"GOOD\",\"s\":\"a\nb\"}}".to_owned(),
        format!(r#"{{"properties":{{"token":"GOOD"}},"deep":{deep}}}"#),
        format!(r#"{{"properties":{{"token":"GOOD"}},{many},"K1":0}}"#),
    ];
    for body in bodies {
        println!("{}", body.get(..body.len().min(90)).unwrap_or_default());
        let body = body.replace("GOOD", &good).replace("FOREIGN", &foreign);
        refused(&world, body.as_bytes(), 400).await;
    }
    let mut invalid = format!(r#"{{"properties":{{"token":"{good}","s":"x"}}}}"#).into_bytes();
    let at = invalid.len() - 4;
    invalid[at] = 0xff;
    refused(&world, &invalid, 400).await;
    let document = format!(r#"{{"properties":{{"token":"{good}"}}}}"#);
    let utf16: Vec<u8> = document.encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused(&world, &utf16, 400).await;
    world.finish().await;
}

/// So many members of different names.
fn members(count: usize) -> String {
    let all: Vec<String> = (0..count).map(|n| format!("\"k{n}\":{n}")).collect();
    all.join(",")
}

async fn refused(world: &World, body: &[u8], status: u16) {
    let outcome = world.creation(CONTOSO, CONTOSO).json(body).send().await;
    assert_eq!(outcome.answer.status, status, "{:?}", outcome.answer);
    assert_eq!(outcome.record["decision"], "error", "{}", outcome.record);
    outcome.answer.is_our_own();
    outcome.nothing_leaked();
    outcome.stayed_here();
    world.forwarded(0).await;
}

/// What is forwarded is what was checked: spaces, order, escapes, unknown members and all.
#[tokio::test]
async fn bodies_arrive_byte_for_byte() {
    let world = isolated().await;
    let token = world.sign_in(CONTOSO).build();
    let escaped: String = token
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    let many = members(8_000);
    let bodies = [
        format!(r#"{{{many},"properties":{{"token":"{token}"}}}}"#),
        format!("\r\n\t {{ \"z\" : 1.0e+2,\n\"properties\":{{\"token\"\t:\"{token}\"}} }}\r\n "),
        format!(r#"{{"properties":{{"token":"{escaped}"}}}}"#),
        format!(
            "{{\"properties\":{{\"token\":\"{token}\",\"name\":\"\u{1f30a} \u{e4} \u{2028}\"}}}}"
        ),
        format!(
            r#"{{"properties":{{"token":"{token}","big":123456789012345678901234567890.10}}}}"#
        ),
        format!(r#"{{"a":{{"token":1}},"b":{{"token":2}},"properties":{{"token":"{token}"}}}}"#),
        format!(
            r#"{{"properties":{{"token":"{token}","pad":"{}"}}}}"#,
            "p".repeat(60_000)
        ),
    ];
    for body in bodies {
        for http2 in [false, true] {
            let creation = world.creation(CONTOSO, CONTOSO).json(&body);
            let creation = if http2 { creation.http2() } else { creation };
            creation.send().await.created("same_tenant");
            world.forwarded(1).await;
        }
    }
    let forms = [
        format!("state=a+b%20c&&id_token={token}&&code=%C3%A4"),
        format!("id%5Ftoken={}", token.replace('.', "%2E")),
        format!("state&id_token={token}&"),
    ];
    for form in forms {
        let creation = world.creation(CONTOSO, CONTOSO).form(&form);
        creation.send().await.created("same_tenant");
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// The path, its query and every header of the client's arrive as well.
#[tokio::test]
async fn targets_and_headers_arrive_as_they_are() {
    let world = isolated().await;
    for http2 in [false, true] {
        let creation = world
            .creation(CONTOSO, CONTOSO)
            .path("/connections/a-b_c.d~e?api-version=2016-06-01&x=%2F+%41")
            .header("accept", "application/json;odata=verbose, */*;q=0.1")
            .header("x-many", "1")
            .header("x-many", "2")
            .header("x-ms-correlation-request-id", "c-1")
            .header("client-request-id", "c-2")
            .header("if-match", "*");
        let creation = if http2 { creation.http2() } else { creation };
        let outcome = creation.send().await;
        outcome.created("same_tenant");
        assert_eq!(outcome.record["correlation_id"], "c-2");
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// 415: a media type that nobody looks into, or a coding.
#[tokio::test]
async fn other_media_types_are_refused() {
    let world = isolated().await;
    let body = json!({ "properties": { "token": world.sign_in(CONTOSO).build() } }).to_string();
    let types = [
        "text/plain",
        "text/json",
        "application/xml",
        "application/jsonp",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "",
        "json",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
    ];
    for media_type in types {
        let creation = world.creation(CONTOSO, CONTOSO).typed(media_type, &body);
        let outcome = creation.send().await;
        outcome.refused(415, "media_type");
        world.forwarded(0).await;
    }
    let creation = world.creation(CONTOSO, CONTOSO).without("content-type");
    creation.send().await.refused(415, "media_type");
    world.forwarded(0).await;
    let twice = world
        .creation(CONTOSO, CONTOSO)
        .header("content-type", "application/x-www-form-urlencoded");
    let outcome = twice.send().await;
    assert!([400, 415].contains(&outcome.answer.status));
    world.forwarded(0).await;
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        let creation = world.creation(CONTOSO, CONTOSO);
        let outcome = creation.header("content-encoding", coding).send().await;
        outcome.refused(415, "media_type");
        world.forwarded(0).await;
    }
    // Of the type that the document is, in its usual spellings.
    for media_type in [
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;odata.metadata=minimal",
        "application/merge-patch+json",
    ] {
        let creation = world.creation(CONTOSO, CONTOSO).typed(media_type, &body);
        creation.send().await.created("same_tenant");
        world.forwarded(1).await;
    }
    world.finish().await;
}

/// A body is read as what it says it is, and as nothing else.
#[tokio::test]
async fn a_body_is_what_it_says() {
    let world = isolated().await;
    let (good, foreign) = (
        world.sign_in(CONTOSO).build(),
        world.sign_in(FABRIKAM).build(),
    );
    let creation = || world.creation(CONTOSO, CONTOSO);
    let form_as_json = creation().json(format!("id_token={good}"));
    form_as_json.send().await.refused(400, "json_malformed");
    world.forwarded(0).await;
    let json_as_form = creation().form(json!({ "properties": { "token": foreign } }).to_string());
    let outcome = json_as_form.send().await;
    assert_eq!(outcome.answer.status, 400);
    outcome.stayed_here();
    world.forwarded(0).await;
    // Where only forms are looked into, JSON is not taken at all.
    let setup = contoso_on().route(
        r#"
        name = "redirect"
        kind = "connection"
        service = "connections"
        provider = "entra"
        path = "/redirect"
        methods = ["POST"]
        creator = [{ bearer = "authorization", audience = ["api://platform"] }]
        sign_in = [{ form = "id_token", audience = ["api://sign-in"] }]
    "#,
    );
    let other = World::start(setup).await;
    let creation = || {
        other
            .creation(CONTOSO, CONTOSO)
            .method(Method::POST)
            .path("/redirect")
    };
    creation().send().await.refused(415, "media_type");
    other.forwarded(0).await;
    let token = other.sign_in(CONTOSO).build();
    let outcome = creation().form_token(&token).send().await;
    outcome.created("same_tenant");
    other.forwarded(1).await;
    world.finish().await;
    other.finish().await;
}

/// 413, with a length and without.
#[tokio::test]
async fn bodies_too_large_are_refused() {
    let world = World::start(contoso_on().set("limits.request_body", "64KiB")).await;
    let pad = "p".repeat(64 * 1024);
    let token = world.sign_in(CONTOSO).build();
    let body = json!({ "properties": { "token": token, "pad": pad } }).to_string();
    let creation = world.creation(CONTOSO, CONTOSO).json(&body);
    let outcome = creation.send_raw().await;
    outcome.refused(413, "body_too_large");
    world.forwarded(0).await;
    let outcome = world.creation(CONTOSO, CONTOSO).json(&body).http2();
    outcome.send().await.refused(413, "body_too_large");
    world.forwarded(0).await;
    world.finish().await;
}

/// Methods that create nothing are not taken.
#[tokio::test]
async fn other_methods_are_refused() {
    let world = isolated().await;
    for method in [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::DELETE,
        Method::PATCH,
    ] {
        let creation = world.creation(CONTOSO, CONTOSO).method(method.clone());
        let outcome = creation.send().await;
        outcome.decided("error", "method");
        assert_eq!(outcome.answer.status, 405, "{method}");
        let allow = outcome.answer.header("allow").unwrap_or_default();
        assert!(allow.contains("POST") && allow.contains("PUT"), "{allow}");
        outcome.stayed_here();
        world.forwarded(0).await;
    }
    world.finish().await;
}
