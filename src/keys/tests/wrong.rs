//! Answers that bring no keys: the last ones stay, and it shows.

use super::*;

use std::cell::RefCell;
use std::io;

const MEGABYTES: usize = 10 * 1024 * 1024;

fn metadata(issuer: &str, keys: &str) -> Reply {
    Reply::json(200, &json!({ "issuer": issuer, "jwks_uri": keys }))
}

/// Gives one wrong answer after another, and looks at what became of it.
async fn keeps_what_it_had(path: &str, answers: Vec<(Reply, &str, &str)>) {
    let (idp, canary) = (plain().await, plain().await);
    let hasty = Verification {
        key_timeout: Duration::from_millis(500),
        ..verification()
    };
    let kept = Kept::ready(&provider(idp.url()), &hasty).await;
    let (version, kids) = (kept.report().version, kept.kids());
    let good = token(&idp, KeyName::Enterprise);
    for (answer, word, error) in answers {
        let before = kept.fetches(word);
        idp.script(path, at(answer, &idp, &canary));
        kept.fetch().await;
        let report = kept.report();
        assert_eq!(report.last_error.as_deref(), Some(error));
        assert_eq!(
            (&report.version, &kept.kids()),
            (&version, &kids),
            "{error}"
        );
        assert!(kept.fetches(word) > before, "{error}: counted");
        assert_eq!(kept.verify(&good).await, Ok(()), "{error}");
        assert_eq!(
            kept.verify(&token(&idp, KeyName::Unpublished)).await,
            UNKNOWN
        );
        assert!(kept.store.ready(), "{error}: once ready, always");
    }
    assert_eq!(canary.requests().connections(), 0, "nobody else is asked");

    idp.clear_scripts();
    kept.fetch().await;
    assert_eq!(kept.report().last_error, None);
}

/// Puts the servers' addresses where the answer says IDP and CANARY.
fn at(mut reply: Reply, idp: &MockIdp, canary: &MockIdp) -> Reply {
    let filled = |text: &str| {
        text.replace("IDP", idp.url())
            .replace("CANARY", canary.url())
    };
    if let Some(location) = reply.headers.get("location") {
        let location = filled(location.to_str().unwrap());
        reply = reply
            .without_header("location")
            .header("location", &location);
    }
    if let tidegate_mock::ReplyBody::Bytes(bytes) = &reply.body {
        let text = filled(std::str::from_utf8(bytes).unwrap());
        reply.body = tidegate_mock::ReplyBody::Bytes(text.into());
    }
    reply
}

#[tokio::test]
async fn wrong_keys() {
    let padded = format!("{{\"keys\":[]{}}}", " ".repeat(MEGABYTES));
    // With pauses no length is told.
    let pieces = Reply::drip(200, padded.as_bytes(), 64 * 1024, Duration::from_millis(1));
    keeps_what_it_had(
        KEYS,
        vec![
            (
                Reply::json(200, &json!({ "keys": [] })),
                "keys",
                "keys: a key set without any usable key",
            ),
            (
                Reply::new(200, "<!doctype html><title>Maintenance</title>"),
                "keys",
                "keys: not a JSON Web Key Set",
            ),
            (
                Reply::json(200, &json!([])),
                "keys",
                "keys: not a JSON Web Key Set",
            ),
            (
                Reply::json_bytes(200, padded.clone()),
                "too_large",
                "keys: larger than 262144 bytes",
            ),
            (pieces, "too_large", "keys: larger than 262144 bytes"),
            (
                Reply::redirect(302, "CANARY/keys"),
                "status",
                "keys: answered 302",
            ),
            (
                Reply::redirect(308, "IDP/common/discovery/keys"),
                "status",
                "keys: answered 308",
            ),
            (Reply::new(500, "CANARY"), "status", "keys: answered 500"),
            (Reply::new(204, ""), "status", "keys: answered 204"),
            (Reply::silent(), "slow", "took too long"),
        ],
    )
    .await;
}

#[tokio::test]
async fn wrong_metadata() {
    const ISSUER: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let elsewhere = "metadata: jwks_uri has not the authority's scheme, host and port";
    let nothing = "metadata: not an object with issuer and jwks_uri";
    let doubled = format!(
        "{{\"issuer\":\"{ISSUER}\",\"jwks_uri\":\"IDP{KEYS}\",\"jwks_uri\":\"CANARY{KEYS}\"}}"
    );
    let list = Reply::json(200, &json!([ISSUER, format!("IDP{KEYS}")]));
    keeps_what_it_had(
        METADATA,
        vec![
            (metadata(ISSUER, "CANARY/keys"), "elsewhere", elsewhere),
            (
                metadata(ISSUER, "https://login.microsoftonline.com/k"),
                "elsewhere",
                elsewhere,
            ),
            (
                metadata(ISSUER, "/common/discovery/v2.0/keys"),
                "elsewhere",
                elsewhere,
            ),
            (
                metadata(
                    "https://sts.evil.test/{tenantid}/",
                    "IDP/common/discovery/v2.0/keys",
                ),
                "issuer",
                "metadata: issuer is none of the provider's",
            ),
            (list, "metadata", nothing),
            (Reply::json_bytes(200, doubled), "metadata", nothing),
            (Reply::new(200, "<html>"), "metadata", nothing),
            (
                Reply::new(200, vec![b' '; MEGABYTES]),
                "too_large",
                "metadata: larger than 65536 bytes",
            ),
            (
                Reply::redirect(301, "CANARY/"),
                "status",
                "metadata: answered 301",
            ),
            (Reply::new(400, "{}"), "status", "metadata: answered 400"),
        ],
    )
    .await;
}

#[tokio::test]
async fn broken_connections() {
    let idp = plain().await;
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let good = token(&idp, KeyName::Enterprise);
    for answer in [
        Reply::reset(),
        Reply::cut(200, 5000, "{\"keys\":["),
        Reply::wire("not HTTP\r\n\r\n"),
    ] {
        idp.script(KEYS, answer);
        kept.fetch().await;
        let error = kept.report().last_error.unwrap();
        assert!(
            error.starts_with("keys: ") && !error.contains("://"),
            "{error}"
        );
        assert_eq!(kept.verify(&good).await, Ok(()));
    }
    assert!(kept.fetches("connection") >= 3);
}

thread_local! {
    /// What was logged on this thread, where all tasks of a test run.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(word: &str) -> usize {
    let log = LOG.with_borrow(|log| String::from_utf8(log.clone()).unwrap());
    log.matches(word).count()
}

#[tokio::test]
async fn an_error_is_logged_once_while_it_lasts() {
    // Of the whole process: what a thread without a subscriber logs first is lost to all.
    let subscriber = tracing_subscriber::fmt().with_writer(|| Log);
    tracing::subscriber::set_global_default(subscriber.with_ansi(false).finish()).unwrap();
    let idp = plain().await;
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    assert_eq!(logged("signing keys have changed"), 1);

    for (status, warnings) in [(500, 1), (500, 1), (500, 1), (503, 2), (503, 2), (500, 3)] {
        idp.script(KEYS, Reply::new(status, "SECRET-BODY"));
        kept.fetch().await;
        assert_eq!(logged("WARN"), warnings);
    }
    assert_eq!(logged("fetched again"), 0);
    idp.clear_scripts();
    kept.fetch().await;
    kept.fetch().await;
    assert_eq!(logged("fetched again"), 1);
    assert_eq!(logged("signing keys have changed"), 1);
    assert_eq!(logged("SECRET-BODY"), 0);
}
