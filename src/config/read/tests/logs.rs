//! `[audit.otlp]`: what is not said, what is, and what is warned of.

use super::*;
use crate::config::warnings;

fn with(place: &Place, text: &str) -> Config {
    place.good(&format!("[audit.otlp]\n{text}\n{LEAST}"))
}

fn warned(config: &Config) -> bool {
    let key = "audit.otlp.insecure_plaintext";
    warnings(config).iter().any(|warning| warning.key == key)
}

#[test]
fn without_the_section_records_go_to_no_collector() {
    assert_eq!(Place::new().good(LEAST).logs, None);
}

#[test]
fn what_is_not_said_of_logs_has_its_default() {
    let place = Place::new();
    let config = with(
        &place,
        "endpoint = \"https://collector.internal:4318/v1/logs\"",
    );
    assert!(!warned(&config));
    assert_eq!(config.audit.output, AuditOutput::Stdout);
    let logs = config.logs.unwrap();
    assert_eq!(logs.retry_for, Duration::from_secs(15 * 60));
    let to = logs.collector;
    assert_eq!(to.endpoint.authority, "https://collector.internal:4318");
    assert_eq!((to.endpoint.connect, to.endpoint.ca), (None, None));
    assert_eq!((&*to.path.to_string(), to.headers_file), ("/v1/logs", None));
    assert_eq!(to.service_name, "tidegate");
    assert_eq!(to.timeout, Duration::from_secs(10));
}

#[test]
fn what_is_said_of_logs_is_read() {
    let place = Place::new();
    fs::write(place.0.path().join("headers"), "x-api-key: abc\n").unwrap();
    let text = r#"
        endpoint = "https://127.0.0.1/otlp/v1/logs"
        ca = "cert.pem"
        headers_file = "headers"
        retry_for = "1h"
        service_name = "gateway of Contoso"
        timeout = "1500ms"
    "#;
    let logs = with(&place, text).logs.unwrap();
    assert_eq!(logs.retry_for, Duration::from_secs(3600));
    let to = logs.collector;
    assert_eq!(to.url(), "https://127.0.0.1/otlp/v1/logs");
    assert_eq!(to.endpoint.ca, Some(place.0.path().join("cert.pem")));
    assert_eq!(to.headers_file, Some(place.0.path().join("headers")));
    assert_eq!(to.service_name, "gateway of Contoso");
    assert_eq!(to.timeout, Duration::from_millis(1500));
}

#[test]
fn plain_http_is_for_this_machine_or_warned_of_by_the_section() {
    let place = Place::new();
    for host in ["127.0.0.1:4318", "[::1]:4318", "localhost:4318"] {
        let text = format!("endpoint = \"http://{host}/v1/logs\"");
        assert!(!warned(&with(&place, &text)), "{host}");
    }
    let elsewhere = "endpoint = \"http://collector.internal/v1/logs\"\ninsecure_plaintext = true";
    assert!(warned(&with(&place, elsewhere)));
}
