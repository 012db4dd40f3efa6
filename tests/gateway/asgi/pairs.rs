//! The service creates connections for allowed pairs of tenants and no other, from the bytes that
//! the client sent.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::stage::{Stage, setup, values};
use crate::harness::connections::{SIGN_IN_HEADER, TOLD};
use crate::harness::*;

const TENANTS: [&str; 4] = [CONTOSO, FABRIKAM, NORTHWIND, PERSONAL];

/// What these policies allow, worked out by hand: Contoso lists Fabrikam outbound; Fabrikam lists
/// Contoso inbound and Northwind in both directions; the others' isolation is Off.
const ALLOWED: [(&str, &str); 9] = [
    (CONTOSO, CONTOSO),
    (CONTOSO, FABRIKAM),
    (FABRIKAM, FABRIKAM),
    (FABRIKAM, NORTHWIND),
    (NORTHWIND, FABRIKAM),
    (NORTHWIND, NORTHWIND),
    (NORTHWIND, PERSONAL),
    (PERSONAL, NORTHWIND),
    (PERSONAL, PERSONAL),
];

/// Where the client puts the sign-in token.
#[derive(Clone, Copy, Debug)]
enum Place {
    Form,
    Header,
    Json,
}

/// A request for a connection, and what became of it.
struct Sent {
    method: &'static str,
    path: String,
    headers: Value,
    body: String,
    record: Value,
}

fn request(place: Place, creator: (&str, &str), sign_in: (&str, &str)) -> Sent {
    let mut headers = json!({ "authorization": format!("Bearer {}", creator.1) });
    // A client that would like to be somebody else.
    for name in TOLD {
        headers[name] = NORTHWIND.into();
    }
    let token = sign_in.1;
    let (method, media_type, body) = match place {
        // Bytes that no program would write again as they are.
        Place::Json => (
            "PUT",
            "application/json; charset=utf-8",
            format!(
                "{{ \"n\" :1.50e+2,\t\"properties\":{{\"token\":\"{token}\",\"name\":\"Zo\\u00EB ü\"}} }}\r\n"
            ),
        ),
        Place::Form => (
            "POST",
            "application/x-www-form-urlencoded",
            format!("name=Zo%c3%AB+%20&id_token={token}&empty="),
        ),
        Place::Header => {
            headers[SIGN_IN_HEADER] = token.into();
            ("PUT", "application/json", "{\"properties\" :{}}\n".into())
        }
    };
    headers["content-type"] = media_type.into();
    Sent {
        method,
        path: format!("/connections/{}-{}-{place:?}", creator.0, sign_in.0),
        headers,
        body,
        record: Value::Null,
    }
}

/// What the service got is what was sent, and what it was told is what the record says.
fn is_sent(created: &Value, sent: &Sent) {
    assert_eq!(created["method"], sent.method);
    assert_eq!(created["path"], sent.path);
    let body = BASE64_STANDARD.decode(created["body"].as_str().unwrap());
    assert_eq!(String::from_utf8(body.unwrap()).unwrap(), sent.body);
    for name in ["authorization", "content-type"] {
        assert_eq!(
            values(created, name),
            [sent.headers[name].as_str().unwrap()]
        );
    }
    for (name, member) in TOLD
        .iter()
        .zip(["creator_tenant", "sign_in_tenant", "decision_id"])
    {
        assert_eq!(
            values(created, name),
            [sent.record[member].as_str().unwrap()]
        );
    }
}

#[tokio::test]
async fn a_service_creates_connections_for_allowed_pairs_only() {
    let contoso = Policy::on(CONTOSO).outbound(FABRIKAM);
    let fabrikam = Policy::on(FABRIKAM).inbound(CONTOSO).both(NORTHWIND);
    let Some(mut stage) = Stage::start(setup().policy(contoso).policy(fabrikam)).await else {
        return;
    };
    let mut allowed = Vec::new();
    for creator in TENANTS {
        for sign_in in TENANTS {
            for place in [Place::Form, Place::Header, Place::Json] {
                let platform = stage
                    .sign_in(creator, "oauth2/v2.0", "api://v2")
                    .await
                    .access;
                let token = stage.id_token(sign_in).await;
                let mut sent = request(place, (creator, &platform), (sign_in, &token));
                let url = format!("{}{}", stage.world.url(), sent.path);
                let answer = stage
                    .send(sent.method, &url, &sent.headers, sent.body.as_bytes())
                    .await;
                sent.record = stage.world.next_record().await;
                assert_eq!(sent.record["creator_tenant"], creator);
                assert_eq!(sent.record["sign_in_tenant"], sign_in);
                assert_eq!(sent.record["verified"], "signature");
                assert_eq!(sent.record["status"], answer["status"]);
                if ALLOWED.contains(&(creator, sign_in)) {
                    assert_eq!(answer["status"], 201, "{answer}");
                    allowed.push(sent);
                } else {
                    assert_eq!(answer["status"], 403, "{answer}");
                    let text = answer["text"].as_str().unwrap();
                    assert!(text.contains("blocked_by_tenant_isolation"), "{text}");
                    assert_eq!(sent.record["upstream_status"], Value::Null);
                }
            }
        }
    }
    let created = stage.created().await;
    assert_eq!(allowed.len(), 3 * ALLOWED.len());
    assert_eq!(created.len(), allowed.len(), "{created:#?}");
    for (created, sent) in created.iter().zip(&allowed) {
        is_sent(created, sent);
    }
    stage.finish().await;
}
