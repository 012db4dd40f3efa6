//! Keys against a provider that is real but for its tokens: sockets, HTTP, TLS.

use super::*;

use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_mock::{KeyName, MockIdp, Options, Reply, Seal, tenants};

use super::demand::Asked;
use super::provider::MOST_UNKNOWN;
use crate::config::{Endpoint, Verification};
use crate::core::isolation::{self, OnUndetermined};
use crate::core::token::issuer::{Cloud, Issuers};
use crate::tls::Certificates;

mod age;
mod connect;
mod memory;
mod rollover;
mod runtimes;
mod wrong;

const AUDIENCE: &str = "api://platform";
const METADATA: &str = "/common/v2.0/.well-known/openid-configuration";
const KEYS: &str = "/common/discovery/v2.0/keys";

/// Nothing happens in the time of a test.
const LONG: Duration = Duration::from_secs(3600);

/// Long enough for whatever is waited for.
const SOON: Duration = Duration::from_secs(20);

fn verification() -> Verification {
    Verification {
        leeway: Duration::from_secs(60),
        remembered_tokens: 100,
        key_refresh: LONG,
        key_cooldown: LONG,
        key_max_age: LONG,
        key_timeout: SOON,
    }
}

fn provider(authority: &str) -> Provider {
    Provider {
        name: "entra".to_owned(),
        kind: isolation::Provider::Entra,
        endpoint: Endpoint {
            authority: authority.parse().unwrap(),
            connect: None,
            ca: None,
            identity: None,
        },
        key_tenants: vec!["common".to_owned()],
        issuers: Issuers::of_clouds(&[Cloud::Public]),
        undetermined: OnUndetermined::Block,
    }
}

/// A provider's keys as the gateway keeps them.
struct Kept {
    keys: Arc<Keys>,
    store: KeyStore,
    metrics: Metrics,
    tasks: JoinSet<()>,
}

impl Kept {
    fn start(provider: &Provider, verification: &Verification) -> Self {
        crate::tls::install_provider();
        let metrics = Metrics::new();
        let room = verification.remembered_tokens;
        let remembered = Arc::new(Remembered::new(room, verification.key_max_age));
        let certificates = Certificates::new(&Metrics::new().into());
        let keys = Keys::new(provider, verification, &certificates, remembered, &metrics);
        let keys = Arc::new(keys.unwrap());
        let store = KeyStore {
            providers: vec![Arc::clone(&keys)],
        };
        Self {
            tasks: store.keep(),
            keys,
            store,
            metrics,
        }
    }

    /// Started, and its keys fetched.
    async fn ready(provider: &Provider, verification: &Verification) -> Self {
        let kept = Self::start(provider, verification);
        until("ready", async || kept.store.ready()).await;
        kept
    }

    async fn verify(&self, token: &str) -> Result<(), NotVerified> {
        let audience = [AUDIENCE.to_owned()];
        self.keys.verify(token, &audience).await.map(drop)
    }

    /// Has keys fetched and waits for it.
    async fn fetch(&self) {
        self.keys.demand.ask();
        let asked = self.keys.demand.ask_for_unknown(Duration::ZERO);
        if let Asked::Begun(fetch) | Asked::UnderWay(fetch) = asked {
            fetch.ended().await;
        }
    }

    fn report(&self) -> Report {
        self.store.report().remove(0)
    }

    fn kids(&self) -> Vec<String> {
        let mut kids: Vec<_> = self.report().keys.into_iter().map(|key| key.kid).collect();
        kids.sort_unstable();
        kids
    }

    /// A metric as it stands; 0 where there is none.
    fn metric(&self, name: &str) -> u64 {
        self.store.measure();
        let text = self.metrics.encode(Default::default(), Default::default());
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    fn verified(&self, result: &str) -> u64 {
        let name = "tidegate_tokens_verified_total";
        self.metric(&format!("{name}{{provider=\"entra\",result=\"{result}\"}}"))
    }

    fn fetches(&self, result: &str) -> u64 {
        let name = "tidegate_key_fetches_total";
        self.metric(&format!("{name}{{provider=\"entra\",result=\"{result}\"}}"))
    }
}

const UNKNOWN: Result<(), NotVerified> = Err(NotVerified::Refused(Refused::UnknownKey));
const UNAVAILABLE: Result<(), NotVerified> = Err(NotVerified::Unavailable);

async fn plain() -> MockIdp {
    MockIdp::start(Options::entra().plain()).await.unwrap()
}

/// From now on the provider publishes these keys.
fn publish(idp: &MockIdp, keys: &[KeyName]) {
    idp.script(KEYS, Reply::json(200, &key_set(idp, keys)));
}

fn key_set(idp: &MockIdp, keys: &[KeyName]) -> Value {
    let issuer = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let mint = idp.mint();
    let keys = keys.iter().map(|name| mint.key(*name).jwk(Some(issuer)));
    json!({ "keys": keys.collect::<Vec<_>>() })
}

fn token(idp: &MockIdp, key: KeyName) -> String {
    let token = idp.mint().access_token(tenants::CONTOSO);
    token.audience(AUDIENCE).seal(Seal::SignedBy(key)).build()
}

/// A good token, but that no key has this name.
fn token_naming(idp: &MockIdp, kid: &str) -> String {
    let token = idp.mint().access_token(tenants::CONTOSO);
    token.audience(AUDIENCE).header("kid", kid).build()
}

/// Asks again and again until it is so.
async fn until<F: Future<Output = bool>>(what: &str, is: impl Fn() -> F) {
    let end = Instant::now() + SOON;
    while !is().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn keys_are_fetched_at_the_start() {
    let idp = plain().await;
    let kept = Kept::start(&provider(idp.url()), &verification());
    let good = token(&idp, KeyName::Enterprise);
    assert!(!kept.store.ready());
    assert_eq!(
        kept.verify(&good).await,
        UNAVAILABLE,
        "nothing is fetched yet"
    );
    let none = kept.report();
    assert_eq!((none.age_seconds, none.keys.len()), (None, 0));

    until("ready", async || kept.store.ready()).await;
    assert_eq!(kept.verify(&good).await, Ok(()));
    let report = serde_json::to_value(kept.report()).unwrap();
    assert_eq!(report["provider"], "entra");
    assert_eq!(report["source"], METADATA);
    assert_eq!(report["last_error"], Value::Null);
    assert_eq!(report["age_seconds"], 0);
    assert!(report["fetched_at"].as_str().unwrap().starts_with("20"));
    assert_eq!(report["version"].as_str().unwrap().len(), 16);
    let keys = report["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3, "two for enterprises, one for persons");
    assert!(keys.iter().all(|key| key["issuer"].is_string()));
    assert_eq!(kept.metric("tidegate_keys{provider=\"entra\"}"), 3);
    assert_eq!((kept.fetches("ok"), kept.verified("unavailable")), (1, 1));
    assert_eq!(idp.requests().count(), 2, "metadata and keys, once");
}

#[tokio::test]
async fn no_provider_is_ready_at_once() {
    assert!(KeyStore::default().ready());
    assert_eq!(KeyStore::default().report(), []);
}

#[tokio::test]
async fn keys_are_fetched_again_in_time() {
    let idp = plain().await;
    let often = Verification {
        key_refresh: Duration::from_millis(20),
        ..verification()
    };
    let kept = Kept::ready(&provider(idp.url()), &often).await;
    until("fetched again", async || kept.fetches("ok") > 5).await;
}

#[tokio::test]
async fn it_is_told_whose_a_token_says_it_is() {
    let idp = plain().await;
    let kept = Kept::start(&provider(idp.url()), &verification());
    let token = || idp.mint().access_token(tenants::CONTOSO);
    for (token, own) in [
        (token().build(), true),
        (
            token().seal(Seal::SignedBy(KeyName::Unpublished)).build(),
            true,
        ),
        (token().seal(Seal::Hmac(b"secret".into())).build(), true),
        (token().claim("tid", tenants::FABRIKAM).build(), true),
        (token().claim("iss", "https://login.example").build(), false),
        (token().seal(Seal::Opaque).build(), false),
        (token().seal(Seal::Encrypted).build(), false),
        (String::new(), false),
    ] {
        assert_eq!(kept.keys.claims_to_issue(&token), own, "{token}");
    }
}

#[test]
fn providers_are_those_whose_tokens_are_verified() {
    crate::tls::install_provider();
    let dir = tempfile::tempdir().unwrap();
    let text = r#"
        listen.address = "127.0.0.1:0"
        admin.address = "127.0.0.1:0"
        policies.directory = "."
        audit.output = "stdout"
        [providers.entra]
        kind = "entra"
        [providers.creators]
        kind = "entra"
        [providers.gov]
        kind = "entra"
        cloud = "us-gov"
        [providers.devops]
        kind = "other"
        authority = "https://app.vssps.visualstudio.com"
        [services.connections]
        authority = "https://connections.internal"
        [[routes]]
        name = "token"
        kind = "token"
        provider = "entra"
        path = "/oauth/{tenant}/token"
        creator = [{ bearer = "authorization", audience = "a", provider = "creators" }]
        [[routes]]
        name = "plain"
        kind = "token"
        provider = "gov"
        path = "/gov/{tenant}/token"
        creator = [{ header = "x-ms-client-tenant-id" }]
    "#;
    let connection = r#"
        [[routes]]
        name = "create"
        kind = "connection"
        provider = "PROVIDER"
        service = "connections"
        path = "/connections/{id}"
        creator = [{ bearer = "authorization", audience = "a", provider = "creators" }]
        sign_in = [{ header = "x-sign-in-token", audience = "a" }]
    "#;
    for (more, providers) in [
        (String::new(), &["creators"][..]),
        (connection.replace("PROVIDER", "gov"), &["creators", "gov"]),
        (
            connection.replace("PROVIDER", "devops"),
            &["creators", "entra", "gov"],
        ),
    ] {
        let file = dir.path().join("gateway.toml");
        let config = crate::config::parse(&format!("{text}{more}"), &file);
        let config = config.unwrap_or_else(|problems| panic!("{problems:#?}"));
        let certificates = Certificates::new(&Metrics::new().into());
        let store =
            KeyStore::new(&config, &certificates, &Metrics::new()).unwrap_or_else(|_| panic!());
        let mut names: Vec<_> = store.report().into_iter().map(|r| r.provider).collect();
        names.sort_unstable();
        assert_eq!(names, providers);
        assert!(!store.ready());
    }
}
