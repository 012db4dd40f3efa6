//! `resolve`, and domains on the way into a policy, at a provider of the test's own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{golden, run};
use crate::policy::{CONTOSO, FABRIKAM, steady};

/// Answers metadata requests: of fabrikam.com with a tenant, of others with what Entra says.
pub(crate) fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || answer(&stream, address));
        }
    });
    address
}

fn answer(stream: &TcpStream, address: SocketAddr) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        let (status, body) = if request.contains("/fabrikam.com/") {
            let issuer = format!("http://{address}/{FABRIKAM}/v2.0");
            ("200 OK", format!(r#"{{"issuer":"{issuer}"}}"#))
        } else if request.contains("/busy.example/") {
            ("503 Service Unavailable", "{}".to_owned())
        } else {
            let body = r#"{"error":"invalid_tenant","error_codes":[90002]}"#;
            ("400 Bad Request", body.to_owned())
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
        let mut stream = stream;
        if stream
            .write_all(format!("{head}{body}").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

fn place() -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("policies")).unwrap();
    let authority = provider();
    let config = format!(
        r#"
        [providers.entra]
        kind = "entra"
        authority = "http://{authority}"
        insecure_plaintext = true
        [[routes]]
        name = "token"
        kind = "token"
        provider = "entra"
        path = "/{{tenant}}/oauth2/v2.0/token"
        creator = [{{ header = "x-ms-client-tenant-id" }}]
        "#
    );
    fs::write(directory.path().join("tidegate.toml"), config).unwrap();
    directory
}

#[test]
fn a_domain_is_resolved_or_the_reason_is_told() {
    let directory = place();
    let mut transcript = String::new();
    for arguments in [
        &["fabrikam.com"][..],
        &[
            "FABRIKAM.com",
            "--config",
            "tidegate.toml",
            "--provider",
            "entra",
        ],
        &["nobody.example"],
        &["busy.example"],
        &["common"],
        &["\u{441}ontoso.com"],
        &["contoso.com."],
        &["fabrikam.com", "--provider", "other"],
    ] {
        let found = run(directory.path(), &[&["resolve"], arguments].concat());
        transcript += &format!(
            "$ tidegate resolve {}\n{}\n",
            arguments.join(" "),
            found.transcript()
        );
    }
    golden("resolve.txt", &transcript);
    let found = run(directory.path(), &["resolve", "fabrikam.com", "--json"]);
    let answer: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(answer["tenant"], FABRIKAM);
    assert_eq!(answer["domain"], "fabrikam.com");
}

/// The administrator of one tenant says freely which other tenant's a domain is.
#[test]
fn what_a_policy_says_of_a_domain_chooses_no_policy_to_change() {
    const VICTIM: &str = "44444444-4444-4444-8444-444444444444";
    let directory = place();
    let policies = directory.path().join("policies");
    let entries = |domain: &str| {
        format!(
            r#"[{{"tenantId":"{VICTIM}","tenantName":"Fabrikam","tenantDomain":"{domain}",
                "direction":{{"inbound":true,"outbound":true}}}}]"#
        )
    };
    let document = |tenant: &str, entries: &str| {
        format!(
            r#"{{"properties":{{"tenantId":"{tenant}","isDisabled":false,"allowedTenants":{entries}}}}}"#
        )
    };
    let write = |tenant: &str, text: &str| {
        fs::write(policies.join(format!("{tenant}.json")), text).unwrap();
    };
    let victims = document(VICTIM, "[]");
    write(VICTIM, &victims);
    write(FABRIKAM, &document(FABRIKAM, "[]"));
    write(CONTOSO, &document(CONTOSO, &entries("fabrikam.com")));
    fs::write(
        directory.path().join("new.json"),
        document(VICTIM, &entries("a.example")),
    )
    .unwrap();
    let by_config: &[&str] = &["--config", "tidegate.toml"];
    let alone: &[&str] = &["--policies", "policies"];
    let mut transcript = String::new();
    for (how, commands) in [
        (
            alone,
            &[
                &["disable", "fabrikam.com"][..],
                &["allow", "fabrikam.com", "*", "--inbound"],
                &["revoke", "fabrikam.com", "*"],
                &["set", "fabrikam.com", "new.json"],
                &["import", "fabrikam.com", "new.json"],
                &["enable", "fabrikam"],
                &["show", "Fabrikam.com"],
                &["show", "fabrikam.com", "--json"],
                &["export", "fabrikam.com"],
                &["diff", "fabrikam.com", "new.json"],
                &["diff", "fabrikam.com", "new.json", "--json"],
            ][..],
        ),
        (
            by_config,
            &[
                &["disable", "fabrikam.com", "--dry-run"][..],
                &["disable", "Fabrikam.com"],
                &["set", "fabrikam.com", "new.json"],
                &["enable", "nobody.example"],
                &["enable", "busy.example"],
            ],
        ),
    ] {
        for arguments in commands {
            let arguments = [arguments, how].concat();
            let found = run(directory.path(), &[&["policy"], &arguments[..]].concat());
            let printed = steady(&found.transcript());
            transcript += &format!("$ tidegate policy {}\n{printed}\n", arguments.join(" "));
        }
    }
    golden("policy/whose.txt", &transcript);
    let is = fs::read_to_string(policies.join(format!("{VICTIM}.json"))).unwrap();
    assert_eq!(is, victims);
    let resolved = fs::read_to_string(policies.join(format!("{FABRIKAM}.json"))).unwrap();
    assert!(resolved.contains(r#""isDisabled": true"#), "{resolved}");
}

#[test]
fn a_domain_is_stored_as_the_id_with_the_domain_beside_it() {
    let directory = place();
    let document = format!(
        r#"{{"properties":{{"tenantId":"{CONTOSO}","isDisabled":false,"allowedTenants":[
            {{"tenantId":"fabrikam.com","direction":{{"inbound":true,"outbound":false}}}}]}}}}"#
    );
    fs::write(directory.path().join("new.json"), document).unwrap();
    let mut transcript = String::new();
    for arguments in [
        &["set", CONTOSO, "new.json"][..],
        &["allow", CONTOSO, "Fabrikam.com", "--outbound"],
        &["show", "fabrikam.com"],
        &["allow", CONTOSO, "nobody.example", "--outbound"],
        &["revoke", CONTOSO, "fabrikam.com", "--inbound"],
        &["revoke", CONTOSO, "nobody.example"],
        &["export", CONTOSO],
    ] {
        let found = run(directory.path(), &[&["policy"], arguments].concat());
        let printed = steady(&found.transcript());
        transcript += &format!("$ tidegate policy {}\n{printed}\n", arguments.join(" "));
    }
    golden("policy/domains.txt", &transcript);
}
