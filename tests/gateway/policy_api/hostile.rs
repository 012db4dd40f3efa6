//! Requests that no tool sends: paths (case F22), bodies without an end, clients that go away.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::harness::*;

/// Every such path is refused, and no policy but the caller's own is read by any.
#[tokio::test]
async fn no_path_leads_round_the_id() {
    let setup = Setup::new()
        .policy(Policy::on(CONTOSO))
        .policy(Policy::on(FABRIKAM).with("marker", "fabrikams-own"));
    let office = Office::with(setup).await;
    let token = office.token(CONTOSO, &[WRITER]).build();
    office.world.secrets.remember_end(token.as_bytes());
    let base = "/providers/PowerPlatform.Governance/v1/tenants";
    let end = "tenantIsolationPolicy";
    let long = "1".repeat(10 * 1024);
    let braces = format!("{{{CONTOSO}}}");
    for (target, status) in [
        (format!("{base}/{CONTOSO}/{end}"), 200),
        (format!("{base}/{CONTOSO}/../{FABRIKAM}/{end}"), 400),
        (format!("{base}/..%2f{FABRIKAM}/{end}"), 400),
        (format!("{base}/{CONTOSO}%2f..%2f{FABRIKAM}/{end}"), 400),
        (format!("{base}/{CONTOSO}%00/{end}"), 400),
        (format!("{base}/{CONTOSO}%20/{end}"), 400),
        (format!("{base}/%31{}/{end}", &CONTOSO[1..]), 400),
        (format!("{base}/{braces}/{end}"), 400),
        (format!("{base}/{long}/{end}"), 400),
        (format!("{base}//{end}"), 400),
        (format!("{base}/*/{end}"), 400),
        (format!("{base}/common/{end}"), 400),
        (format!("{base}/contoso.com/{end}"), 400),
        (
            format!("{base}/00000000-0000-0000-0000-000000000000/{end}"),
            400,
        ),
        (format!("{base}/{CONTOSO}/{end}/"), 404),
        (format!("{base}/{CONTOSO}/{end}/{end}"), 400),
        (format!("{base}/{CONTOSO}/"), 404),
        (format!("{base}/{CONTOSO}"), 404),
        (format!("{base}/"), 404),
        (base.to_owned(), 404),
        (format!("{base}/{CONTOSO}/TenantIsolationPolicy"), 404),
        (format!("/{base}/{CONTOSO}/{end}"), 404),
        (format!("{base}/{FABRIKAM}/{end}"), 403),
    ] {
        let mut raw = office.raw().await;
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        raw.send(request).await;
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.status, status, "{target}: {answer:?}");
        assert!(!answer.text().contains("fabrikams-own"), "{target}");
        let by_api = target.starts_with(&format!("{base}/"));
        if by_api && status != 200 {
            office.world.next_record().await;
        }
    }
    office.world.finish().await;
}

#[tokio::test]
async fn a_body_is_bounded_in_size_and_time() {
    let office = Office::with(Setup::new().set("limits.body_timeout", "1s")).await;
    let note = |length: usize| json!({ "properties": { "tenantId": CONTOSO, "isDisabled": true, "x": "y".repeat(length) } });
    let (put, _) = office.must_put(CONTOSO, note(255 * 1024)).await;
    let token = office.token(CONTOSO, &[WRITER]).build();
    office.world.secrets.remember_end(token.as_bytes());
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\n",
        path(CONTOSO)
    );
    // Too large by its own word; too large without one; never whole.
    for (framing, body, status, reason) in [
        (
            "content-length: 262145\r\n\r\n",
            String::new(),
            413,
            "body_too_large",
        ),
        (
            "transfer-encoding: chunked\r\n\r\n",
            format!("40001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x40001)),
            413,
            "body_too_large",
        ),
        (
            "content-length: 100\r\n\r\n",
            "{".to_owned(),
            408,
            "body_timeout",
        ),
    ] {
        let mut raw = office.raw().await;
        raw.send(format!("{head}{framing}{body}")).await;
        let answer = raw.answer().await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(office.world.next_record().await["reason"], reason);
    }
    // A client that goes away in the middle of its body.
    let mut raw = office.raw().await;
    raw.send(format!("{head}content-length: 100\r\n\r\n{{"))
        .await;
    drop(raw);
    let record = office.world.next_record().await;
    let reason = record["reason"].as_str().unwrap();
    assert!(
        ["body_incomplete", "client_gone", "body_timeout"].contains(&reason),
        "{record}"
    );
    assert_eq!(office.get(CONTOSO).send().await.body, put.body);
    office.world.finish().await;
}

/// Who does not read is let go: many of them do not keep others out for good.
#[tokio::test]
async fn clients_that_do_nothing_do_not_keep_others_out() {
    let office = Office::open().await;
    let mut idle = Vec::new();
    for _ in 0..63 {
        idle.push(
            tokio::net::TcpStream::connect(office.world.gateway.admin)
                .await
                .unwrap(),
        );
    }
    let (status, _) = office.world.admin("/livez").await;
    assert_eq!(status, 200);
    drop(idle);
    office.world.finish().await;
}

/// A directory that cannot be written is somebody else's.
#[tokio::test]
async fn a_policy_that_is_a_link_is_managed_elsewhere() {
    let office = Office::open().await;
    let target = office.world.directory.path().join("elsewhere.json");
    std::fs::write(&target, Policy::on(CONTOSO).text()).unwrap();
    let link = office.world.policies().join(format!("{CONTOSO}.json"));
    std::os::unix::fs::symlink(&target, link).unwrap();
    let document = json!({ "properties": { "tenantId": CONTOSO, "isDisabled": true } });
    let answer = office
        .put(CONTOSO, document)
        .refused(403, "PolicyManagedElsewhere", "managed_elsewhere")
        .await;
    assert!(answer.text().contains("symbolic link"), "{answer:?}");
    assert_eq!(
        std::fs::read_to_string(target).unwrap(),
        Policy::on(CONTOSO).text()
    );
    office.world.finish().await;
}

/// Whoever asks without end and never reads an answer is hung up on.
#[tokio::test]
async fn a_client_that_does_not_read_is_hung_up_on() {
    let office = Office::open().await;
    let mut stream = office.stream().await;
    let asking = async {
        let many = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
        while stream.write_all(many.as_bytes()).await.is_ok() {}
    };
    let hung_up = tokio::time::timeout(DEADLINE, asking).await;
    assert!(hung_up.is_ok(), "still open");
    assert!(office.world.gateway.is_alive());
    office.world.finish().await;
}

/// No change is made of which no record can be written.
#[tokio::test]
async fn nothing_is_changed_that_cannot_be_recorded() {
    if !std::path::Path::new("/dev/full").exists() {
        println!("skipped: this system has no /dev/full");
        return;
    }
    let setup = Setup::new().set("audit.output", "/dev/full");
    let mut office = Office::with(setup).await;
    let document = json!({ "properties": { "tenantId": CONTOSO, "isDisabled": true } });
    // The first record that is lost tells that they are.
    let refused = office.put(CONTOSO, "{").send().await;
    assert_eq!(refused.status, 400);
    until("an alarm", async || {
        (office.world.log.count("audit records cannot be written") > 0).then_some(())
    })
    .await;
    for _ in 0..2 {
        let answer = office.put(CONTOSO, &document).send().await;
        super::stage::is_fault(&answer, 503, "AuditUnavailable");
        assert_eq!(office.file(CONTOSO), None);
    }
    office.world.signal(rustix::process::Signal::TERM);
    assert_eq!(office.world.gateway.ended().await.code(), Some(0));
}
