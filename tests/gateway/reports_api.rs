//! Cross-tenant connection reports over HTTPS, in Microsoft's shape: of whom, for whom, by pages.

use http::Method;
use serde_json::{Value, json};

use crate::harness::*;
use crate::policy_api::{Office, READER, WRITER, is_fault};

const REPORTS: &str = "/governance/crossTenantConnectionReports";

/// A gateway that keeps events.
async fn office() -> Office {
    Office::with(
        Setup::new()
            .set("events.file", "events.sqlite")
            .policy(Policy::on(NORTHWIND)),
    )
    .await
}

fn path(query: &str) -> String {
    format!("{REPORTS}?api-version=2022-03-01-preview{query}")
}

/// An exchange.
async fn exchange(office: &Office, creator: &str, sign_in: &str, connector: &str) {
    let exchange = office.world.exchange(Some(creator), sign_in);
    let outcome = exchange.header("x-connector-name", connector).send().await;
    assert!(matches!(outcome.answer.status, 200 | 403), "{outcome:?}");
}

/// The store holds so many exchanges.
async fn stored(office: &Office, exchanges: i64) {
    let file = office.world.directory.path().join("events.sqlite");
    until("the store has them", async || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = rusqlite::Connection::open_with_flags(&file, flags).ok()?;
        let sql = "SELECT ifnull(sum(count), 0) FROM tallies";
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).ok()?;
        (count >= exchanges).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_report_is_made_once_a_day_and_read_by_pages() {
    let office = office().await;
    for _ in 0..3 {
        exchange(&office, FABRIKAM, CONTOSO, "sql").await;
    }
    exchange(&office, FABRIKAM, CONTOSO, "</script>\u{e9}").await;
    exchange(&office, CONTOSO, NORTHWIND, "teams").await;
    exchange(&office, CONTOSO, CONTOSO, "teams").await;
    exchange(&office, FABRIKAM, NORTHWIND, "teams").await;
    stored(&office, 7).await;

    let writer = office.token(CONTOSO, &[WRITER]).build();
    let reader = office.token(CONTOSO, &[READER]).build();
    let ask = |method, query: &str, token: &str| office.ask(method, &path(query)).bearer(token);
    let list = ask(Method::GET, "", &reader).send().await;
    assert_eq!((list.status, list.json()), (200, json!({ "value": [] })));

    let made = ask(Method::POST, "", &writer).send().await;
    assert_eq!(made.status, 202, "{made:?}");
    assert_eq!(
        made.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let report = made.json();
    let record = office.world.next_record().await;
    assert_eq!(
        (
            &record["event"],
            &record["outcome"],
            &record["status"],
            &record["tenant"]
        ),
        (
            &json!("report_create"),
            &json!("created"),
            &json!(202),
            &json!(CONTOSO)
        )
    );
    assert_eq!(record["caller"]["tenant"], CONTOSO);
    assert_eq!(
        (&report["tenantId"], &report["status"]),
        (&json!(CONTOSO), &json!("Completed"))
    );
    let connections = report["connections"].as_array().unwrap();
    let told: Vec<_> = connections
        .iter()
        .map(|one| {
            let member = |name: &str| one[name].clone();
            (
                member("tenantId"),
                member("connectionType"),
                member("connector"),
                member("allowed"),
                member("blocked"),
            )
        })
        .collect();
    let row = |tenant: &str, kind: &str, connector: Value, allowed, blocked| {
        (
            json!(tenant),
            json!(kind),
            connector,
            json!(allowed),
            json!(blocked),
        )
    };
    assert_eq!(told.len(), 3, "{report:#}");
    assert_eq!(told[0], row(FABRIKAM, "Inbound", json!("sql"), 3, 0));
    assert_eq!((&told[1].0, &told[1].3), (&json!(FABRIKAM), &json!(1)));
    assert_eq!(told[2], row(NORTHWIND, "Outbound", json!("teams"), 0, 1));
    assert_eq!(connections[0]["users"], 1);
    let without =
        json!({ "allowed": 0, "wouldBlock": 0, "blocked": 0, "passedNonEntra": 0, "errors": 0 });
    assert_eq!(
        report["withoutTenant"],
        json!({ "inbound": without, "outbound": without })
    );
    assert!(report["@odata.nextLink"].is_null());

    // The same all day, whatever happens meanwhile.
    exchange(&office, FABRIKAM, CONTOSO, "sql").await;
    stored(&office, 8).await;
    let again = ask(Method::POST, "", &writer).send().await;
    assert_eq!((again.status, again.json()), (200, report.clone()));
    assert_eq!(office.world.next_record().await["outcome"], "unchanged");
    let list = ask(Method::GET, "", &reader).send().await.json();
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    assert_eq!(list["value"][0]["reportId"], report["reportId"]);
    assert!(list["value"][0]["connections"].is_null());

    // Page by page, each asked for as the one before says.
    let id = report["reportId"].as_str().unwrap();
    let mut link = format!("{}{REPORTS}/{id}?$top=1", office.url());
    let mut pages = Vec::new();
    loop {
        let path = link.strip_prefix(&office.url()).expect(&link).to_owned();
        let page = office.ask(Method::GET, &path).bearer(&reader).send().await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        pages.extend(page["connections"].as_array().unwrap().clone());
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(json!(pages), report["connections"]);
    office.world.nothing_leaked().await;
    office.world.finish().await;
}

#[tokio::test]
async fn a_report_is_for_its_own_tenant_only() {
    let office = office().await;
    let writer = |tenant: &str| office.token(tenant, &[WRITER]).build();
    let made = office
        .ask(Method::POST, &path(""))
        .bearer(&writer(CONTOSO))
        .send()
        .await;
    assert_eq!(made.status, 202);
    office.world.next_record().await;
    let id = made.json()["reportId"].as_str().unwrap().to_owned();
    let one = format!("{REPORTS}/{id}");
    let refused = |method: Method,
                   path: &str,
                   token: &str,
                   status: u16,
                   code: &'static str,
                   reason: &'static str| {
        let ask = office.ask(method, path).bearer(token);
        async move { ask.refused(status, code, reason).await }
    };
    // Another tenant's administrator does not find it, and may not name its tenant.
    let fabrikam = writer(FABRIKAM);
    refused(
        Method::GET,
        &one,
        &fabrikam,
        404,
        "ReportNotFound",
        "no_report",
    )
    .await;
    let named = format!("?tenantId={CONTOSO}");
    for (method, path) in [
        (Method::GET, format!("{one}{named}")),
        (Method::GET, format!("{REPORTS}{named}")),
        (Method::POST, format!("{REPORTS}{named}")),
    ] {
        refused(method, &path, &fabrikam, 403, "Forbidden", "other_tenant").await;
    }
    // The records say of whom they wanted to know.
    let of = |record: &Value| record["reason"] == "other_tenant" && record["tenant"] == CONTOSO;
    let records = office.world.records();
    assert_eq!(records.iter().filter(|record| of(record)).count(), 3);
    let list = office
        .ask(Method::GET, REPORTS)
        .bearer(&fabrikam)
        .send()
        .await;
    assert_eq!(list.json(), json!({ "value": [] }));
    // Who may only read has none made; who has no role does nothing; who shows nothing, likewise.
    let reader = office.token(CONTOSO, &[READER]).build();
    refused(
        Method::POST,
        REPORTS,
        &reader,
        403,
        "Forbidden",
        "role_missing",
    )
    .await;
    let nobody = office.token(CONTOSO, &[]).build();
    refused(
        Method::GET,
        REPORTS,
        &nobody,
        403,
        "Forbidden",
        "role_missing",
    )
    .await;
    let ask = office.ask(Method::GET, &one);
    ask.refused(
        401,
        "AuthenticationFailedMissingToken",
        "credentials_missing",
    )
    .await;
    refused(
        Method::GET,
        &one,
        "x.y.z",
        401,
        "InvalidAuthenticationToken",
        "token_malformed",
    )
    .await;

    // An operator names the tenant.
    let operator = &office.operator;
    for path in [one.clone(), REPORTS.to_owned()] {
        refused(
            Method::GET,
            &path,
            operator,
            400,
            "InvalidQuery",
            "query_malformed",
        )
        .await;
    }
    let found = office
        .ask(Method::GET, &format!("{one}{named}"))
        .bearer(operator)
        .send()
        .await;
    assert_eq!(found.json(), made.json());
    let other = format!("{one}?tenantId={FABRIKAM}");
    refused(
        Method::GET,
        &other,
        operator,
        404,
        "ReportNotFound",
        "no_report",
    )
    .await;
    let made = office
        .ask(Method::POST, &format!("{REPORTS}?tenantId={FABRIKAM}"))
        .bearer(operator)
        .send()
        .await;
    assert_eq!(made.status, 202);
    let record = office.world.next_record().await;
    assert_eq!(
        (&record["tenant"], &record["caller"]["kind"]),
        (&json!(FABRIKAM), &json!("operator"))
    );

    // What is malformed.
    for query in [
        "$top=0",
        "$top=x",
        "$skiptoken=x",
        "tenantId=contoso.com",
        "$top=1&$top=2",
    ] {
        refused(
            Method::GET,
            &format!("{REPORTS}?{query}"),
            &reader,
            400,
            "InvalidQuery",
            "query_malformed",
        )
        .await;
    }
    // A token of the list is none of a report, and the other way round.
    let elsewhere = format!("{REPORTS}?$skiptoken=AAAAAA");
    refused(
        Method::GET,
        &elsewhere,
        &reader,
        400,
        "InvalidQuery",
        "query_malformed",
    )
    .await;
    let elsewhere = format!("{one}?$skiptoken={}", "A".repeat(32));
    refused(
        Method::GET,
        &elsewhere,
        &reader,
        400,
        "InvalidQuery",
        "query_malformed",
    )
    .await;
    let beyond = office
        .ask(Method::GET, &format!("{one}?$skiptoken=_____w"))
        .bearer(&reader)
        .send()
        .await;
    assert_eq!(
        (beyond.status, &beyond.json()["connections"]),
        (200, &json!([]))
    );
    for (method, path, allowed) in [
        (Method::PUT, REPORTS, "GET, POST"),
        (Method::DELETE, REPORTS, "GET, POST"),
        (Method::POST, &*one, "GET"),
    ] {
        let answer = office
            .ask(method.clone(), path)
            .bearer(&writer(CONTOSO))
            .send()
            .await;
        is_fault(&answer, 405, "MethodNotAllowed");
        assert_eq!(answer.header("allow"), Some(allowed));
        if method == Method::POST {
            office.world.next_record().await;
        }
    }
    let unknown = format!("{REPORTS}/x");
    let answer = office
        .ask(Method::GET, &unknown)
        .bearer(&reader)
        .send()
        .await;
    is_fault(&answer, 404, "ResourceNotFound");
    office.world.next_record().await;
    office.world.nothing_leaked().await;
    office.world.finish().await;
}

#[tokio::test]
async fn of_reports_asked_for_at_once_one_is_made() {
    let office = office().await;
    let token = office.token(CONTOSO, &[WRITER]).build();
    let post = || office.ask(Method::POST, REPORTS).bearer(&token).send();
    let answers = tokio::join!(post(), post(), post(), post());
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let made = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(made, 1, "{answers:?}");
    let ids: std::collections::BTreeSet<_> = answers
        .iter()
        .map(|answer| answer.json()["reportId"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    for answer in &answers {
        assert!(matches!(answer.status, 200 | 202));
        office
            .world
            .secrets
            .assert_none_in("the answer", &answer.everything());
        office.world.next_record().await;
    }
    // A store that cannot be read is no reason to say that there is nothing.
    let directory = office.world.directory.path();
    for name in ["events.sqlite", "events.sqlite-wal", "events.sqlite-shm"] {
        drop(std::fs::remove_file(directory.join(name)));
    }
    let ask = office.ask(Method::GET, REPORTS).bearer(&token);
    ask.refused(503, "ServiceUnavailable", "storage").await;
    office.world.nothing_leaked().await;
    office.world.finish().await;
}

/// A clock that was ahead for a while left one: it must not stand for every day until then.
#[tokio::test]
async fn a_report_of_a_day_to_come_is_not_todays() {
    let office = office().await;
    exchange(&office, FABRIKAM, CONTOSO, "sql").await;
    stored(&office, 1).await;
    let file = office.world.directory.path().join("events.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    let tenant: Vec<u8> = std::iter::repeat_n(0x11, 6)
        .chain([0x41, 0x11, 0x81])
        .chain(std::iter::repeat_n(0x11, 7))
        .collect();
    let ahead = "INSERT INTO reports SELECT randomblob(16), ?1, (unixepoch() + 86400 * ?2) * 1000,
        0, 1, 'Completed', '{\"connections\":[],\"withoutTenant\":{},\"warnings\":[]}'";
    for days in [1, 400] {
        connection
            .execute(ahead, rusqlite::params![tenant, days])
            .unwrap();
    }
    drop(connection);
    let token = office.token(CONTOSO, &[WRITER]).build();
    for status in [202, 200] {
        let made = office
            .ask(Method::POST, REPORTS)
            .bearer(&token)
            .send()
            .await;
        assert_eq!(made.status, status, "{made:?}");
        assert_eq!(made.json()["connections"][0]["tenantId"], FABRIKAM);
        office.world.next_record().await;
    }
    office.world.finish().await;
}

#[tokio::test]
async fn without_a_store_there_are_no_reports() {
    let office = Office::open().await;
    let token = office.token(CONTOSO, &[WRITER]).build();
    for method in [Method::GET, Method::POST] {
        let ask = office.ask(method, REPORTS).bearer(&token);
        let answer = ask.refused(404, "ReportsNotKept", "no_reports").await;
        assert!(answer.text().contains("[events]"));
    }
    office.world.finish().await;
}

/// The gateway, its store, its records and the command agree.
#[tokio::test]
async fn the_command_says_the_same_of_the_store_and_of_the_records() {
    let setup = Setup::new()
        .set("events.file", "events.sqlite")
        .set("audit.output", "audit.jsonl")
        .policy(Policy::on(NORTHWIND));
    let world = World::start(setup).await;
    let tenants = [CONTOSO, FABRIKAM, NORTHWIND];
    for (number, creator) in tenants.iter().cycle().take(30).enumerate() {
        let creator = Some(*creator).filter(|_| number % 7 != 0);
        let sign_in = tenants[number / 3 % 3];
        let exchange = world.exchange(creator, sign_in);
        exchange
            .header("x-connector-name", ["=1+1", "sql"][number % 2])
            .send()
            .await;
    }
    let directory = world.directory.path().to_owned();
    let (file, config) = (directory.join("events.sqlite"), world.config());
    until("the store has them", async || {
        let connection = rusqlite::Connection::open(&file).ok()?;
        let sql = "SELECT ifnull(sum(count), 0) FROM tallies";
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).ok()?;
        (count == 30).then_some(())
    })
    .await;
    let report = |arguments: &[&str]| -> Value {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["report", CONTOSO, "--format", "json", "--config"])
            .arg(&config)
            .args(arguments)
            .current_dir(&directory)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        for changing in [
            "made",
            "since",
            "until",
            "first_seen",
            "last_seen",
            "warnings",
        ] {
            report[changing].take();
        }
        // The store keeps milliseconds, a record more.
        let rows = report["rows"].as_array_mut().unwrap();
        for row in rows.iter_mut() {
            row["first_seen"].take();
            row["last_seen"].take();
        }
        let recommended = report["recommendation"]["tenants"].as_array_mut().unwrap();
        for tenant in recommended.iter_mut() {
            tenant["last_seen"].take();
        }
        report
    };
    let of_store = report(&[]);
    assert_eq!(of_store, report(&["--audit", "audit.jsonl"]));
    let exchanges = of_store["inbound"]["allowed"].as_u64().unwrap();
    assert!(exchanges > 0, "{of_store:#}");
    assert!(
        of_store["inbound"]["blocked"].as_u64().unwrap()
            + of_store["outbound"]["blocked"].as_u64().unwrap()
            > 0
    );
    world.finish().await;
}
