//! Who may: administrators of the tenant with a role, operators, and nobody else (case F21).

use http::Method;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use serde_json::{Value, json};
use tidegate_mock::tls::Ca;

use super::stage::is_fault;
use super::*;
use crate::harness::tls::Caller;
use crate::harness::*;

fn document(tenant: &str) -> String {
    json!({ "properties": { "tenantId": tenant, "allowedTenants": [] } }).to_string()
}

const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
const DIRECTORY_READER: &str = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b";

#[tokio::test]
async fn an_administrator_has_a_role_in_the_tenant() {
    let office = Office::with(Setup::new().policy(Policy::on(FABRIKAM))).await;
    for role in [WRITER, GLOBAL_ADMINISTRATOR, &WRITER.to_uppercase()] {
        let token = office.token(CONTOSO, &[DIRECTORY_READER, role]).build();
        let put = office
            .put(CONTOSO, document(CONTOSO))
            .bearer(&token)
            .send()
            .await;
        assert_eq!(put.status, 200, "{role}: {put:?}");
        let record = office.world.next_record().await;
        let claims = tidegate_mock::jwt::claims(&token).unwrap();
        assert_eq!(record["caller"]["kind"], "administrator");
        assert_eq!(record["caller"]["tenant"], CONTOSO);
        assert_eq!(record["caller"]["object_id"], claims["oid"]);
        assert!(record["caller"]["app_id"].is_string(), "{record}");
    }
    // One tenant's administrator, another's policy.
    let token = office
        .token(CONTOSO, &[WRITER, GLOBAL_ADMINISTRATOR])
        .build();
    for method in [Method::GET, Method::PUT] {
        let ask = office.ask(method, &path(FABRIKAM)).json(document(FABRIKAM));
        ask.bearer(&token)
            .refused(403, "Forbidden", "other_tenant")
            .await;
    }
    // The tenant in the body does not make it theirs either.
    let answer = office
        .put(CONTOSO, document(FABRIKAM))
        .refused(400, "BadRequest", "document")
        .await;
    assert!(answer.text().contains(CONTOSO), "{answer:?}");
    assert_eq!(
        office.file(FABRIKAM).unwrap(),
        Policy::on(FABRIKAM).text().as_bytes()
    );

    // Roles that may read, and roles that may nothing.
    let reader = office.token(CONTOSO, &[READER]).build();
    let read = office
        .ask(Method::GET, &path(CONTOSO))
        .bearer(&reader)
        .send()
        .await;
    assert_eq!(read.status, 200);
    let write = office.put(CONTOSO, document(CONTOSO)).bearer(&reader);
    write.refused(403, "Forbidden", "role_missing").await;
    for roles in [
        json!([]),
        json!([DIRECTORY_READER]),
        json!([WRITER.replace('-', "").as_str()]),
    ] {
        let token = office
            .token(CONTOSO, &[])
            .claim("wids", roles.clone())
            .build();
        let reason = if roles.to_string().contains(&WRITER.replace('-', "")) {
            "roles_unreadable"
        } else {
            "role_missing"
        };
        for method in [Method::GET, Method::PUT] {
            let ask = office.ask(method, &path(CONTOSO)).json(document(CONTOSO));
            ask.bearer(&token).refused(403, "Forbidden", reason).await;
        }
    }
    // Roles that cannot be read are none; and no other claim is one.
    let many: Vec<_> = (0..257).map(|_| WRITER).collect();
    for (claim, value, reason) in [
        ("wids", json!(WRITER), "roles_unreadable"),
        ("wids", json!({ WRITER: true }), "roles_unreadable"),
        ("wids", json!([[WRITER]]), "roles_unreadable"),
        ("wids", json!([WRITER, 1]), "roles_unreadable"),
        ("wids", json!([WRITER, "x"]), "roles_unreadable"),
        ("wids", Value::Null, "roles_unreadable"),
        ("wids", json!(many), "roles_unreadable"),
        ("roles", json!([WRITER]), "role_missing"),
        ("xwids", json!([WRITER]), "role_missing"),
    ] {
        let token = office
            .token(CONTOSO, &[])
            .without("wids")
            .claim(claim, value.clone());
        let ask = office
            .put(CONTOSO, document(CONTOSO))
            .bearer(&token.build());
        ask.refused(403, "Forbidden", reason).await;
    }
    office.world.finish().await;
}

#[tokio::test]
async fn a_token_is_verified() {
    let office = Office::with(Setup::new().policy(Policy::off(CONTOSO))).await;
    let good = || office.token(CONTOSO, &[WRITER]);
    let unsigned = good().build();
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    for (token, reason) in [
        (good().expires_in(-3600).build(), "token_expired"),
        (good().valid_in(3600).build(), "token_not_yet_valid"),
        (good().audience("api://other").build(), "token_audience"),
        (unsigned, "token_signature"),
        (
            good().claim("tid", FABRIKAM).build(),
            "token_tenant_mismatch",
        ),
        (office.operator.chars().rev().collect(), "token_malformed"),
        (office.operator[1..].to_owned(), "token_malformed"),
        (format!("{}x", office.operator), "token_malformed"),
    ] {
        for method in [Method::GET, Method::PUT] {
            let ask = office
                .ask(method, &path(CONTOSO))
                .json(document(CONTOSO))
                .bearer(&token);
            let answer = ask.send().await;
            is_fault(&answer, 401, "InvalidAuthenticationToken");
            assert_eq!(
                answer.header("www-authenticate"),
                Some(r#"Bearer realm="tidegate", error="invalid_token""#)
            );
            let record = office.world.next_record().await;
            assert_eq!(record["reason"], reason, "{record}");
            assert_eq!(record["caller"], Value::Null);
            assert_eq!(record["tenant"], CONTOSO);
        }
    }
    office
        .put(CONTOSO, document(CONTOSO))
        .without("authorization")
        .refused(
            401,
            "AuthenticationFailedMissingToken",
            "credentials_missing",
        )
        .await;
    let token = good().build();
    for value in [
        format!("Bearer  {token}"),
        format!("Bearer {token}, Bearer {token}"),
        "Bearer".to_owned(),
    ] {
        office.world.secrets.remember_end(token.as_bytes());
        office
            .put(CONTOSO, document(CONTOSO))
            .without("authorization")
            .header("authorization", value)
            .refused(401, "InvalidAuthenticationToken", "credentials_malformed")
            .await;
    }
    office
        .put(CONTOSO, document(CONTOSO))
        .header("authorization", format!("Bearer {token}"))
        .refused(401, "InvalidAuthenticationToken", "credentials_malformed")
        .await;
    assert_eq!(
        office.file(CONTOSO).unwrap(),
        Policy::off(CONTOSO).text().as_bytes()
    );
    office.world.finish().await;
}

#[tokio::test]
async fn an_operator_has_a_certificate_or_the_token() {
    let office = Office::open().await;
    let ca = &office.world.client_ca;
    let operator = ca.client(["ops.internal"]).unwrap();
    for tenant in [CONTOSO, FABRIKAM] {
        let put = office
            .ask(Method::PUT, &path(tenant))
            .certificate(&operator)
            .json(document(tenant));
        assert_eq!(put.send().await.status, 200);
        let record = office.world.next_record().await;
        assert_eq!(
            record["caller"],
            json!({ "kind": "operator", "name": "ops.internal" })
        );
        let get = office
            .ask(Method::GET, &path(tenant))
            .bearer(&office.operator);
        assert_eq!(get.send().await.status, 200);
    }
    let put = office
        .put(CONTOSO, document(CONTOSO))
        .bearer(&office.operator);
    assert_eq!(put.send().await.status, 200);
    let record = office.world.next_record().await;
    assert_eq!(
        record["caller"],
        json!({ "kind": "operator", "name": "operator_token_file" })
    );

    // Another name, another authority, an expired one, one for servers.
    let other = ca.client(["platform.internal"]).unwrap();
    let ask = || {
        office
            .ask(Method::PUT, &path(CONTOSO))
            .json(document(CONTOSO))
    };
    ask()
        .certificate(&other)
        .refused(
            401,
            "AuthenticationFailedMissingToken",
            "credentials_missing",
        )
        .await;
    let foreign = Ca::new().unwrap().client(["ops.internal"]).unwrap();
    let of = |usage, expired| {
        let mut params = CertificateParams::new(vec!["ops.internal".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        if expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        ca.issue(params).unwrap()
    };
    let expired = of(ExtendedKeyUsagePurpose::ClientAuth, true);
    let server = of(ExtendedKeyUsagePurpose::ServerAuth, false);
    for leaf in [foreign, expired, server] {
        assert!(ask().certificate(&leaf).try_send().await.is_err());
    }
    // Who shows a token is judged by that, whatever certificate they have.
    let weak = office.token(CONTOSO, &[]).build();
    ask()
        .certificate(&operator)
        .bearer(&weak)
        .refused(403, "Forbidden", "role_missing")
        .await;
    ask()
        .certificate(&operator)
        .bearer("nonsense")
        .refused(401, "InvalidAuthenticationToken", "token_malformed")
        .await;
    office.world.finish().await;
}

/// An operator whose authority is taken away is nobody any more: on a connection that is open, on one
/// that is resumed, and on a new one.
#[tokio::test]
async fn an_authority_of_operators_is_taken_away() {
    let office = Office::open().await;
    let (world, admin) = (&office.world, office.world.gateway.admin);
    let operator = world.client_ca.client(["ops.internal"]).unwrap();
    let caller = Caller::new(world.ca.pem(), Some(&operator));
    let ask = async |raw: &mut Raw| {
        let path = path(CONTOSO);
        raw.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
            .await;
        raw.answer().await.expect("the connection ended").status
    };
    let mut open = caller.raw(admin).await;
    assert_eq!(ask(&mut open).await, 404, "there is no policy");
    assert_eq!(caller.ask(admin).await.unwrap().1, 200);
    let file = world.directory.path().join("clients-ca.pem");
    let own = std::fs::read(&file).unwrap();
    std::fs::write(&file, Ca::new().unwrap().pem()).unwrap();
    until("refused", async || {
        (ask(&mut open).await == 401).then_some(())
    })
    .await;
    assert_eq!(ask(&mut open).await, 401);
    assert!(caller.ask(admin).await.is_err());
    for _ in 0..2 {
        assert_eq!(world.next_record().await["reason"], "credentials_missing");
    }
    // Who shows none is answered as before.
    let probe = Caller::new(world.ca.pem(), None);
    assert_eq!(probe.ask(admin).await.unwrap().1, 200);
    // Its authority is back: a new connection counts.
    std::fs::write(&file, own).unwrap();
    until("trusted again", async || {
        caller.ask(admin).await.is_ok().then_some(())
    })
    .await;
    assert_eq!(ask(&mut caller.raw(admin).await).await, 404);
    office.world.finish().await;
}

/// A token that is replaced counts from then on, and the old one no more.
#[tokio::test]
async fn the_operators_token_can_be_replaced() {
    let office = Office::open().await;
    let get = |token: &str| office.ask(Method::GET, &path(CONTOSO)).bearer(token).send();
    assert_eq!(get(&office.operator).await.status, 404);
    let next = tidegate_mock::jwt::random(48);
    std::fs::write(&office.operator_file, &next).unwrap();
    assert_eq!(get(&next).await.status, 404);
    for (content, shown) in [
        (Some(next.as_str()), office.operator.as_str()),
        (Some("short"), "short"),
        (Some(""), ""),
        (None, next.as_str()),
    ] {
        match content {
            Some(content) => std::fs::write(&office.operator_file, content).unwrap(),
            None => std::fs::remove_file(&office.operator_file).unwrap(),
        }
        assert_eq!(get(shown).await.status, 401);
        office.world.next_record().await;
    }
    office.world.finish().await;
}

#[tokio::test]
async fn nobody_is_let_in_unless_somebody_is_configured() {
    let world = World::start(Setup::new()).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = world.idp.mint().access_token(CONTOSO).audience(ADMIN);
    let token = token.claim("wids", json!([WRITER])).build();
    world.secrets.remember_end(token.as_bytes());
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        for target in [path(CONTOSO), path("x")] {
            let url = format!("http://{}{target}", world.gateway.admin);
            let request = client.request(method.clone(), url).bearer_auth(&token);
            let request = request.header("content-type", "application/json");
            let answer = Answer::of(request.body(document(CONTOSO)).send().await.unwrap());
            is_fault(&answer.await.unwrap(), 403, "PolicyAdministrationClosed");
            if method != Method::DELETE {
                assert_eq!(world.next_record().await["reason"], "closed");
            }
        }
    }
    assert_eq!(
        world
            .metrics()
            .await
            .lines()
            .find(|it| it.starts_with("tidegate_policies ")),
        Some("tidegate_policies 0")
    );
    world.finish().await;
}

/// Without keys nobody can tell who somebody is: 503, and never yes.
#[tokio::test]
async fn without_keys_nobody_is_let_in() {
    let setup = Setup::new().unready().before(|idp| {
        idp.hook(|_| Some(tidegate_mock::Reply::json(500, &json!({}))));
    });
    let office = Office::with(setup).await;
    office
        .put(CONTOSO, document(CONTOSO))
        .refused(503, "ServiceUnavailable", "keys_unavailable")
        .await;
    // The operator needs none.
    let put = office
        .put(CONTOSO, document(CONTOSO))
        .bearer(&office.operator);
    assert_eq!(put.send().await.status, 200);
    office.world.next_record().await;
    office.world.finish().await;
}
