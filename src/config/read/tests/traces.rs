//! `[traces]`: what is not said, what is, and what is warned of.

use super::*;
use crate::config::warnings;

fn with(place: &Place, text: &str) -> Config {
    place.good(&format!("[traces]\n{text}\n{LEAST}"))
}

fn warned(config: &Config) -> bool {
    let key = "traces.insecure_plaintext";
    warnings(config).iter().any(|warning| warning.key == key)
}

#[test]
fn without_the_section_there_are_no_traces() {
    assert_eq!(Place::new().good(LEAST).traces, None);
}

#[test]
fn what_is_not_said_of_traces_has_its_default() {
    let place = Place::new();
    let config = with(
        &place,
        "endpoint = \"https://collector.internal:4318/v1/traces\"",
    );
    assert!(!warned(&config));
    let traces = config.traces.unwrap();
    let to = traces.collector;
    assert_eq!(to.endpoint.authority, "https://collector.internal:4318");
    assert_eq!((to.endpoint.connect, to.endpoint.ca), (None, None));
    assert_eq!(to.path, "/v1/traces");
    assert_eq!((to.headers_file, traces.sample), (None, 1.0));
    assert_eq!(to.service_name, "tidegate");
    assert_eq!(to.timeout, Duration::from_secs(10));
}

#[test]
fn what_is_said_of_traces_is_read() {
    let place = Place::new();
    fs::write(place.0.path().join("headers"), "x-api-key: abc\n").unwrap();
    let text = r#"
        endpoint = "https://127.0.0.1/api/default/v1/traces"
        ca = "cert.pem"
        headers_file = "headers"
        sample = 0
        service_name = "gateway of Contoso"
        timeout = "1500ms"
    "#;
    let traces = with(&place, text).traces.unwrap();
    let to = traces.collector;
    assert_eq!(to.path, "/api/default/v1/traces");
    assert_eq!(to.endpoint.ca, Some(place.0.path().join("cert.pem")));
    assert_eq!(to.headers_file, Some(place.0.path().join("headers")));
    assert_eq!(
        (traces.sample, &*to.service_name),
        (0.0, "gateway of Contoso")
    );
    assert_eq!(to.timeout, Duration::from_millis(1500));
    for (written, share) in [("0.0", 0.0), ("1", 1.0), ("1.0", 1.0), ("0.25", 0.25)] {
        let text = format!("endpoint = \"https://c/v1\"\nsample = {written}");
        assert_eq!(with(&place, &text).traces.unwrap().sample, share);
    }
}

#[test]
fn plain_http_is_for_this_machine_or_warned_of() {
    let place = Place::new();
    for host in ["127.0.0.1:4318", "[::1]:4318", "localhost:4318"] {
        let text = format!("endpoint = \"http://{host}/v1/traces\"");
        assert!(!warned(&with(&place, &text)), "{host}");
    }
    let elsewhere = "endpoint = \"http://collector.internal/v1/traces\"\ninsecure_plaintext = true";
    assert!(warned(&with(&place, elsewhere)));
}
