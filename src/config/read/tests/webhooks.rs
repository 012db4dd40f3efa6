//! What `[[webhooks]]` becomes.

use std::time::Duration;

use super::*;
use crate::config::{Audience, warnings};

const SECRET: &str = "a-secret-of-this-test-alone";

fn parse(text: &str) -> Config {
    let place = Place::new();
    fs::write(place.0.path().join("secret"), SECRET).unwrap();
    place.good(&format!("{LEAST}\n{text}"))
}

#[test]
fn a_webhook_has_documented_defaults() {
    let config = parse(
        "[[webhooks]]\nname = \"soc\"\nurl = \"https://hooks.example\"\n\
         secret_file = \"secret\"\ntenants = \"*\"",
    );
    let [webhook] = &config.webhooks[..] else {
        panic!("{config:?}");
    };
    assert_eq!(webhook.name, "soc");
    assert_eq!(webhook.url.endpoint.authority, "https://hooks.example/");
    assert_eq!(
        (webhook.url.path.as_str(), &webhook.url.endpoint.ca),
        ("/", &None)
    );
    assert_eq!(webhook.audience, Audience::Everyone);
    assert_eq!(webhook.decisions, ["block", "pass_non_entra"]);
    let spans = [webhook.window, webhook.retry_for].map(|span| span.as_secs());
    assert_eq!(spans, [60, 900]);
    assert!(warnings(&config).is_empty());
    assert!(parse("").webhooks.is_empty());
}

#[test]
fn everything_of_a_webhook_can_be_said_and_its_path_is_not_shown() {
    let config = parse(&format!(
        "[[webhooks]]\nname = \"soc\"\nurl = \"http://hooks.example:8080/secret-path?code=secret\"\n\
         secret_file = \"secret\"\ntenants = [\"{TENANT}\"]\ndecisions = [\"would_block\"]\n\
         ca = \"cert.pem\"\ninsecure_plaintext = true\nwindow = \"1s\"\nretry_for = \"1h\"\n\
         [[webhooks]]\nname = \"here\"\nurl = \"http://127.0.0.1:8080/x\"\n\
         secret_file = \"secret\"\ntenants = [\"*\"]"
    ));
    let webhook = &config.webhooks[0];
    assert_eq!(webhook.url.path, "/secret-path?code=secret");
    assert_eq!(webhook.url.endpoint.authority, "http://hooks.example:8080/");
    assert!(webhook.url.endpoint.ca.is_some());
    let tenant = TenantId::parse(TENANT).unwrap();
    assert_eq!(webhook.audience, Audience::Tenants(vec![tenant]));
    assert_eq!(webhook.decisions, ["would_block"]);
    assert_eq!(webhook.window, Duration::from_secs(1));
    assert_eq!(webhook.retry_for, Duration::from_secs(3600));
    // Plain HTTP within this machine is no risk.
    let keys: Vec<String> = warnings(&config)
        .into_iter()
        .map(|warning| warning.key)
        .collect();
    assert_eq!(keys, ["webhooks[soc].insecure_plaintext"]);
    assert!(!format!("{config:?}").contains("secret-path"));
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn two_webhooks_have_two_names() {
    let place = Place::new();
    fs::write(place.0.path().join("secret"), SECRET).unwrap();
    let one = "[[webhooks]]\nname = \"soc\"\nurl = \"https://hooks.example\"\n\
               secret_file = \"secret\"\ntenants = \"*\"\n";
    assert_eq!(
        place.problems(&format!("{LEAST}\n{one}{one}")),
        [
            "=> webhooks[1].name: found \"soc\", which another webhook has, expected a name of its own"
        ]
    );
}
