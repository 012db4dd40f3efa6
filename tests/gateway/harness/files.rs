//! What a world is written down as: configuration, certificates and policies.

use std::path::{Path, PathBuf};

use tidegate_mock::MockIdp;
use tidegate_mock::tls::Ca;

use super::{MICROSOFT, Setup};

/// A mock's section in the configuration, its name there, and the mock.
pub(super) type Mock<'m> = (&'static str, &'static str, &'m MockIdp);

/// Writes configuration, certificates and policies.
pub(super) fn write(
    setup: &Setup,
    directory: &Path,
    ca: &Ca,
    client_ca: &Ca,
    mocks: &[Mock<'_>],
) -> PathBuf {
    let file = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    let leaf = ca.server(["localhost", "127.0.0.1", MICROSOFT]).unwrap();
    file("ca.pem", &format!("{}{}", ca.pem(), setup.extra_ca));
    file("clients-ca.pem", client_ca.pem());
    file("gateway.pem", &leaf.certificate_pem);
    file("gateway.key", &leaf.key_pem);
    let policies = directory.join("policies");
    std::fs::create_dir(&policies).unwrap();
    for policy in &setup.policies {
        policy.write(&policies);
    }
    let mut config = setup.config.clone();
    for (section, name, mock) in mocks {
        let known = config.get_mut(*section);
        let Some(endpoint) = known.and_then(|section| section.get_mut(*name)) else {
            continue;
        };
        let endpoint = endpoint.as_table_mut().unwrap();
        endpoint
            .entry("authority")
            .or_insert_with(|| mock.url().into());
        if endpoint.contains_key("connect") {
            endpoint.insert("connect".to_owned(), mock.address().to_string().into());
        }
    }
    let path = directory.join("tidegate.toml");
    file("tidegate.toml", &config.to_string());
    path
}
