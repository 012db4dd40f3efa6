//! `policy --server`: the admin API of a gateway that runs, by token and by certificate.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use tempfile::TempDir;
use tidegate_mock::tls::Ca;

use crate::harness::{Run, golden, run, tidegate};
use crate::policy::{CONTOSO, FABRIKAM, steady};
use crate::resolve::provider;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

const CONFIG: &str = r#"
[listen]
address = "127.0.0.1:0"
workers = 1
[admin]
address = "127.0.0.1:0"
[admin.tls]
certificate = "gateway.pem"
key = "gateway.key"
client_ca = "clients-ca.pem"
[admin.policies]
operators = ["operator.example"]
operator_token_file = "token"
[audit]
output = "audit.jsonl"
[providers.entra]
kind = "entra"
authority = "http://<provider>"
insecure_plaintext = true
[[routes]]
name = "token"
kind = "token"
provider = "entra"
path = "/{tenant}/oauth2/v2.0/token"
creator = [{ header = "x-ms-client-tenant-id" }]
"#;

/// A gateway that runs until it is dropped.
struct Gateway {
    directory: TempDir,
    child: Child,
    url: String,
}

impl Gateway {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let file = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let (ca, clients) = (Ca::new().unwrap(), Ca::new().unwrap());
        let server = ca.server(["127.0.0.1"]).unwrap();
        let client = clients.client(["operator.example"]).unwrap();
        let stranger = clients.client(["stranger.example"]).unwrap();
        file("ca.pem", ca.pem());
        file("clients-ca.pem", clients.pem());
        file("gateway.pem", &server.certificate_pem);
        file("gateway.key", &server.key_pem);
        file("operator.pem", &client.certificate_pem);
        file("operator.key", &client.key_pem);
        file("stranger.pem", &stranger.certificate_pem);
        file("stranger.key", &stranger.key_pem);
        file("token", &format!("{TOKEN}\n"));
        file("wrong-token", "ffffffffffffffffffffffffffffffff");
        file("two-tokens", "one two");
        let config = CONFIG.replace("<provider>", &provider().to_string());
        file("tidegate.toml", &config);
        fs::create_dir(directory.path().join("policies")).unwrap();
        let mut command = tidegate(directory.path());
        let mut child = command.arg("serve").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = log
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains("listener=\"admin\""))
            .unwrap();
        let (_, address) = listening.split_once("address=").unwrap();
        let url = format!("https://{}", address.split_whitespace().next().unwrap());
        // Somebody must go on reading, or the gateway would wait for a reader.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            directory,
            child,
            url,
        }
    }

    fn policy(&self, arguments: &[&str], how: &[&str]) -> Run {
        let server = ["--server", &self.url, "--ca", "ca.pem"];
        let arguments = [&["policy"], arguments, &server, how].concat();
        run(self.directory.path(), &arguments)
    }

    fn transcript(&self, commands: &[&[&str]], how: &[&str]) -> String {
        let command = |arguments: &&[&str]| {
            let printed = steady(&self.policy(arguments, how).transcript());
            let printed = printed.replace(&self.url, "https://gateway");
            let typed = [arguments, how].concat().join(" ");
            format!("$ tidegate policy {typed}\n{printed}\n")
        };
        commands.iter().map(command).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const BY_TOKEN: &[&str] = &["--token-file", "token"];
const BY_CERTIFICATE: &[&str] = &["--cert", "operator.pem", "--key", "operator.key"];

#[test]
fn a_gateways_policy_is_shown_and_changed() {
    let gateway = Gateway::start();
    let document = format!(
        r#"{{"properties":{{"tenantId":"{CONTOSO}","isDisabled":true,"allowedTenants":[]}}}}"#
    );
    fs::write(gateway.directory.path().join("off.json"), &document).unwrap();
    let document = document.replace(
        "[]",
        r#"[{"tenantId":"fabrikam.com","direction":{"inbound":true,"outbound":true}}]"#,
    );
    fs::write(gateway.directory.path().join("domain.json"), &document).unwrap();
    let by_token = gateway.transcript(
        &[
            &["show", CONTOSO],
            &["enable", CONTOSO, "--dry-run"],
            &["enable", CONTOSO],
            &[
                "allow",
                CONTOSO,
                FABRIKAM,
                "--inbound",
                "--note",
                "CHG-4711",
            ],
            &["show", CONTOSO],
            &["allow", CONTOSO, "fabrikam.com", "--outbound", "--dry-run"],
            &["allow", CONTOSO, "fabrikam.com", "--outbound"],
            &["allow", CONTOSO, "nobody.example", "--outbound"],
            &["set", CONTOSO, "domain.json", "--dry-run"],
            &["set", CONTOSO, "domain.json"],
            &["revoke", CONTOSO, "fabrikam.com", "--outbound"],
            &["diff", CONTOSO, "off.json"],
            &[
                "set",
                CONTOSO,
                "off.json",
                "--if-match",
                "\"0123456789abcdef\"",
            ],
            &["set", CONTOSO, "off.json"],
            &["export", CONTOSO],
        ],
        BY_TOKEN,
    );
    let by_certificate = gateway.transcript(
        &[&["enable", CONTOSO], &["revoke", CONTOSO, FABRIKAM]],
        BY_CERTIFICATE,
    );
    golden("policy/remote.txt", &(by_token + &by_certificate));
    let there = fs::read_to_string(
        gateway
            .directory
            .path()
            .join(format!("policies/{CONTOSO}.json")),
    );
    assert!(there.unwrap().contains("\"isDisabled\": false"));
}

#[test]
fn who_may_not_is_told_so() {
    let gateway = Gateway::start();
    let table: [(&[&str], i32); 5] = [
        (&[], 1),
        (&["--token-file", "wrong-token"], 1),
        (&["--cert", "stranger.pem", "--key", "stranger.key"], 1),
        (&["--token-file", "two-tokens"], 64),
        (&["--token-file", "no-such-file"], 64),
    ];
    for (how, exit) in table {
        let found = gateway.policy(&["enable", CONTOSO], how);
        assert_eq!(
            (found.exit, found.stdout.as_str()),
            (exit, ""),
            "{how:?}: {}",
            found.stderr
        );
        for secret in [TOKEN, "ffffffffffffffff"] {
            assert!(!found.stderr.contains(secret), "{}", found.stderr);
        }
    }
    let policies = gateway.directory.path().join("policies");
    let written = fs::read_dir(policies).unwrap().map_while(Result::ok);
    let names: Vec<_> = written.map(|entry| entry.file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| name.as_encoded_bytes().starts_with(b".")),
        "{names:?}"
    );
}

#[test]
fn a_server_must_be_the_named_one_and_the_way_to_it_private() {
    let gateway = Gateway::start();
    // Not in Mozilla's roots.
    let server = ["policy", "show", CONTOSO, "--server", &gateway.url];
    let found = run(gateway.directory.path(), &[&server, BY_TOKEN].concat());
    assert_eq!(
        (found.exit, found.stdout.as_str()),
        (1, ""),
        "{}",
        found.stderr
    );
    for (server, exit) in [
        ("http://gateway.example:9443", 64),
        ("gateway.example", 64),
        ("ftp://gateway.example", 64),
        ("https://user@gateway.example", 64),
        ("https://gateway.example/?x=1", 64),
        ("https://127.0.0.1:1", 1),
    ] {
        let arguments = ["policy", "show", CONTOSO, "--server", server];
        let found = run(gateway.directory.path(), &arguments);
        assert_eq!(found.exit, exit, "{server}: {}", found.stderr);
    }
    let both = [
        "policy",
        "show",
        CONTOSO,
        "--server",
        "https://x",
        "--policies",
        "policies",
    ];
    assert_eq!(run(gateway.directory.path(), &both).exit, 64);
}
