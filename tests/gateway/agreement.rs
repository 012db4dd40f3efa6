//! The terminal's table, JSON, CSV, the page, the API and the metrics against an independent count of
//! the audit lines, after mixed exchanges of several tenants and connectors on every kind of route.
//!
//! Some hundred exchanges each time; `TIDEGATE_TEST_EXCHANGES=10000` makes them ten thousand.

mod count;
mod drive;
mod queries;
mod read;

use std::path::Path;
use std::process::Command;

use http::Method;
use serde_json::Value;

use self::count::{Count, Lines};
use crate::harness::*;
use crate::policy_api::{Office, WRITER};

const REPORTS: &str = "/governance/crossTenantConnectionReports";

/// Exchanges, unless the environment says how many.
const USUAL: usize = 400;

/// How many exchanges to make.
fn exchanges() -> usize {
    match std::env::var("TIDEGATE_TEST_EXCHANGES") {
        Ok(number) => number.parse().expect(&number),
        Err(_) => USUAL,
    }
}

#[tokio::test]
async fn reports_pages_answers_and_metrics_agree_with_the_audit_lines() {
    let exchanges = exchanges();
    let mut setup = Setup::connections()
        .set("events.file", "events.sqlite")
        .set("audit.output", "audit.jsonl")
        .policy(Policy::on(CONTOSO).outbound(FABRIKAM).inbound(NORTHWIND))
        .policy(Policy::on(NORTHWIND).report_only())
        .policy(Policy::off(FABRIKAM));
    // Ten thousand exchanges, told in full, would be what takes the time.
    setup.under = ["env", "RUST_LOG=info"].map(str::to_owned).to_vec();
    let mut office = Office::with(setup).await;
    drive::all(&office.world, exchanges).await;

    let directory = office.world.directory.path().to_owned();
    let lines = written(&directory.join("audit.jsonl"), exchanges).await;
    lines.have_every_kind();
    stored(&directory.join("events.sqlite"), exchanges).await;

    let metrics = office.world.metrics().await;
    assert_eq!(read::metrics(&metrics), lines.by_labels());
    for line in [
        format!("tidegate_events_written_total {exchanges}"),
        "tidegate_events_dropped_total 0".to_owned(),
        "tidegate_audit_records_dropped_total 0".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}:\n{metrics}");
    }
    for tenant in [CONTOSO, FABRIKAM, NORTHWIND] {
        let count = lines.of_tenant(tenant);
        assert_eq!(count.exchanges(), exchanges as u64, "of {tenant}");
        for source in [
            &[][..],
            &["--audit", "audit.jsonl"],
            &["--store", "events.sqlite"],
        ] {
            told(&office.world, tenant, source, &count);
        }
        answered(&office, tenant, &count).await;
    }

    office.world.signal(rustix::process::Signal::TERM);
    let ended = office.world.gateway.ended().await;
    assert_eq!(ended.code(), Some(0), "{}", office.world.log.text());
    assert_eq!(office.world.log.count("panicked"), 0);
}

/// The audit lines, once all are written.
async fn written(file: &Path, exchanges: usize) -> Lines {
    until("the lines are written", async || {
        let text = std::fs::read_to_string(file).ok()?;
        let lines = Lines::of(&text);
        (lines.len() >= exchanges).then_some(lines)
    })
    .await
}

/// The store holds so many exchanges.
async fn stored(file: &Path, exchanges: usize) {
    until("the store has them", async || {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = rusqlite::Connection::open_with_flags(file, flags).ok()?;
        let sql = "SELECT ifnull(sum(count), 0) FROM tallies";
        let count: i64 = connection.query_row(sql, [], |row| row.get(0)).ok()?;
        let count = usize::try_from(count).unwrap();
        assert!(count <= exchanges, "{count} exchanges in the store");
        (count == exchanges).then_some(())
    })
    .await;
}

/// What the command tells, in each of its formats.
fn told(world: &World, tenant: &str, source: &[&str], count: &Count) {
    let report = |format: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["report", tenant, "--format", format, "-o", "-", "--config"])
            .arg(world.config())
            .args(source)
            .current_dir(world.directory.path())
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{source:?}: {log}");
        String::from_utf8(output.stdout).unwrap()
    };
    let what = format!("{tenant} {source:?}");
    let json: Value = serde_json::from_str(&report("json")).unwrap();
    assert_eq!(read::json(&json), count.rows(), "json {what}");
    assert_eq!(read::totals(&json), count.totals(), "json {what}");
    assert_eq!(read::others(&json), count.others(), "json {what}");
    assert_eq!(read::csv(&report("csv")), count.rows(), "csv {what}");

    let table = report("table");
    let (shown, hidden) = (read::table(&table), read::hidden(&table));
    let mut cells = count.cells();
    assert_eq!(shown.len() + hidden, cells.len(), "table {what}");
    // Of many rows it shows the first ones.
    cells.retain(|key, _| hidden == 0 || shown.contains_key(key));
    assert_eq!(shown, cells, "table {what}");
    let others = read::told_others(&table);
    assert_eq!(others, count.told_others(), "table {what}");

    let page = report("html");
    assert_eq!(read::page(&page), count.cells(), "page {what}");
    let others = read::page_others(&page);
    assert_eq!(others, count.told_others(), "page {what}");
    assert_eq!(read::page_tiles(&page), count.tiles(), "page {what}");
}

/// What the API answers: the report that POST makes, and the same read by pages.
async fn answered(office: &Office, tenant: &str, count: &Count) {
    let token = office.token(tenant, &[WRITER]).build();
    let made = office
        .ask(Method::POST, REPORTS)
        .bearer(&token)
        .send()
        .await;
    assert_eq!(made.status, 202, "{made:?}");
    let made = made.json();
    let id = made["reportId"].as_str().unwrap();
    let mut link = format!("{}{REPORTS}/{id}?$top=7", office.url());
    let mut connections = Vec::new();
    loop {
        let path = link.strip_prefix(&office.url()).expect(&link).to_owned();
        let page = office.ask(Method::GET, &path).bearer(&token).send().await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        assert_eq!(page["withoutTenant"], count.without_tenant(), "{tenant}");
        connections.extend(page["connections"].as_array().unwrap().clone());
        match page["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(read::answer(&connections), count.known(), "{tenant}");
    assert_eq!(made["warnings"], serde_json::json!([made["warnings"][0]]));
}
