//! Where keys are fetched from: names, addresses, certificates, and `connect`.

use super::*;

use tempfile::TempDir;
use tidegate_mock::tls::Ca;

/// A provider with HTTPS and these names, and what it takes to trust it.
struct Secure {
    idp: MockIdp,
    dir: TempDir,
}

impl Secure {
    async fn start(public_url: &str, names: &[&str]) -> Self {
        let mut options = Options::entra();
        options.public_url = Some(public_url.to_owned());
        options.names = names.iter().map(|name| (*name).to_owned()).collect();
        let idp = MockIdp::start(options).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), idp.ca_pem()).unwrap();
        Self { idp, dir }
    }

    fn provider(&self, authority: &str, connect: Option<&str>) -> Provider {
        let mut provider = provider(authority);
        provider.endpoint.ca = Some(self.dir.path().join("ca.pem"));
        let port = self.idp.address().port();
        provider.endpoint.connect = connect.map(|host| (host.to_owned(), port));
        provider
    }

    /// The `host` headers that the provider saw.
    fn hosts(&self) -> Vec<String> {
        let requests = self.idp.requests().all();
        let host = |request: &tidegate_mock::Request| request.header("host").unwrap().to_owned();
        requests.iter().map(host).collect()
    }
}

#[tokio::test]
async fn connect_says_where_and_the_authority_says_who() {
    for (authority, connect, host) in [
        ("https://login.test", "127.0.0.1", "login.test"),
        ("https://login.test:8443", "127.0.0.1", "login.test:8443"),
        ("https://login.test:8443", "localhost", "login.test:8443"),
        ("https://192.0.2.7:8443", "127.0.0.1", "192.0.2.7:8443"),
        ("https://192.0.2.7", "localhost", "192.0.2.7"),
        (
            "https://[2001:db8::7]:8443",
            "127.0.0.1",
            "[2001:db8::7]:8443",
        ),
    ] {
        let names = ["login.test", "192.0.2.7", "2001:db8::7"];
        let server = Secure::start(authority, &names).await;
        let provider = server.provider(authority, Some(connect));
        let kept = Kept::ready(&provider, &verification()).await;
        let good = token(&server.idp, KeyName::Enterprise);
        assert_eq!(kept.verify(&good).await, Ok(()), "{authority}");
        assert_eq!(server.hosts(), [host, host], "{authority} {connect}");
    }
}

#[tokio::test]
async fn connect_without_tls() {
    for authority in ["http://login.test:8080", "http://192.0.2.7"] {
        let mut options = Options::entra().plain();
        options.public_url = Some(authority.to_owned());
        let idp = MockIdp::start(options).await.unwrap();
        let mut provider = provider(authority);
        provider.endpoint.connect = Some(("127.0.0.1".to_owned(), idp.address().port()));
        let kept = Kept::ready(&provider, &verification()).await;
        let good = token(&idp, KeyName::Enterprise);
        assert_eq!(kept.verify(&good).await, Ok(()), "{authority}");
    }
}

#[tokio::test]
async fn a_name_or_an_address_with_a_port() {
    for host in ["localhost", "127.0.0.1"] {
        let mut options = Options::entra();
        options.host = host.to_owned();
        let idp = MockIdp::start(options).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), idp.ca_pem()).unwrap();
        let mut provider = provider(idp.url());
        provider.endpoint.ca = Some(dir.path().join("ca.pem"));
        Kept::ready(&provider, &verification()).await;
    }
}

/// The error of a provider that cannot be believed.
async fn refused(provider: &Provider) -> String {
    let kept = Kept::start(provider, &verification());
    until("refused", async || kept.fetches("connection") > 0).await;
    kept.report().last_error.unwrap()
}

#[tokio::test]
async fn a_certificate_must_be_the_authoritys() {
    for authority in [
        "https://other.test",
        "https://192.0.2.8",
        // The name that is dialled counts for nothing.
        "https://192.0.2.8:8443",
    ] {
        let server = Secure::start(authority, &["login.test", "192.0.2.7"]).await;
        for connect in ["127.0.0.1", "localhost"] {
            let error = refused(&server.provider(authority, Some(connect))).await;
            assert!(error.contains("certificate not valid for name"), "{error}");
        }
        assert_eq!(server.hosts(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_certificate_must_be_signed_by_the_right_authority() {
    let server = Secure::start("https://192.0.2.7", &["login.test", "192.0.2.7"]).await;
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("ca.pem"), Ca::new().unwrap().pem()).unwrap();
    for authority in ["https://login.test", "https://192.0.2.7"] {
        for ca in [Some(other.path().join("ca.pem")), None] {
            let mut provider = server.provider(authority, Some("127.0.0.1"));
            provider.endpoint.ca = ca;
            let error = refused(&provider).await;
            assert!(error.contains("invalid peer certificate"), "{error}");
        }
    }
}

#[test]
fn a_wrong_file_of_authorities_is_found_at_the_start() {
    crate::tls::install_provider();
    let mut provider = provider("https://login.test");
    provider.endpoint.ca = Some("/nowhere/ca.pem".into());
    let remembered = Arc::new(Remembered::new(0, LONG));
    let metrics = Arc::new(Metrics::new());
    let certificates = Certificates::new(&metrics);
    let keys = Keys::new(
        &provider,
        &verification(),
        &certificates,
        remembered,
        &metrics,
    );
    assert!(keys.err().unwrap().contains("/nowhere/ca.pem"));
}
