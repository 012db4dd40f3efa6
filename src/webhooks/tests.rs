//! Who is told of what.

use std::time::SystemTime;

use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::config::{Endpoint, WebhookUrl};
use crate::core::tenant::TenantId;
use crate::events::Blocks;

fn tenant(digit: char) -> TenantId {
    let text = "11111111-1111-4111-8111-111111111111".replace('1', &digit.to_string());
    TenantId::parse(&text).unwrap()
}

fn hook(audience: Audience, decisions: &[&'static str]) -> Hook {
    let directory = TempDir::new().unwrap();
    let secret_file = directory.path().join("secret");
    std::fs::write(&secret_file, "a-secret-of-this-test-alone").unwrap();
    let webhook = Webhook {
        name: "soc".to_owned(),
        url: WebhookUrl {
            endpoint: Endpoint {
                identity: None,
                authority: "http://127.0.0.1:1/".parse().unwrap(),
                connect: None,
                ca: None,
            },
            path: "/a-secret-path".parse().unwrap(),
        },
        secret_file,
        audience,
        decisions: decisions.to_vec(),
        window: Duration::from_secs(60),
        retry_for: Duration::from_secs(60),
    };
    assert!(!format!("{webhook:?}").contains("a-secret-path"));
    crate::tls::install_provider();
    let metrics = Arc::new(Metrics::new());
    let certificates = Certificates::new(&metrics);
    Hook::new(&webhook, &certificates, &metrics).unwrap()
}

fn event(decision: &'static str, creator: Option<char>, sign_in: Option<char>) -> Event {
    Event {
        time: SystemTime::now(),
        id: Uuid::now_v7(),
        route: "token".into(),
        connector: None,
        decision,
        reason: "outbound_block",
        creator: creator.map(tenant),
        sign_in: sign_in.map(tenant),
        app_id: None,
        user_object_id: Some(Uuid::from_u128(1)),
        blocks: Blocks::default(),
        released: false,
    }
}

#[test]
fn a_tenant_is_told_of_its_own_and_of_its_own_users_only() {
    let (told, hidden) = (Some(Users::Told), Some(Users::Hidden));
    let one = || Audience::Tenants(vec![tenant('2')]);
    let two = || Audience::Tenants(vec![tenant('2'), tenant('3')]);
    let all = || Audience::Everyone;
    let table = [
        (one(), Some('2'), Some('3'), hidden),
        (one(), Some('3'), Some('2'), told),
        (one(), None, Some('2'), told),
        (one(), Some('2'), None, hidden),
        (one(), Some('3'), Some('4'), None),
        (one(), None, None, None),
        (two(), Some('2'), Some('3'), told),
        (two(), Some('3'), Some('4'), hidden),
        (all(), Some('3'), Some('4'), told),
        (all(), None, None, told),
    ];
    for (audience, creator, sign_in, expected) in table {
        let hook = hook(audience, &["block", "pass_non_entra"]);
        for decision in ["block", "pass_non_entra"] {
            let found = hook.concerns(&event(decision, creator, sign_in));
            assert_eq!(found, expected, "{creator:?} {sign_in:?}");
        }
        for decision in ["allow", "error", "would_block"] {
            assert_eq!(hook.concerns(&event(decision, creator, sign_in)), None);
        }
    }
}

#[test]
fn a_receiver_that_is_gone_is_sent_nothing_and_what_it_misses_is_counted() {
    let hook = hook(Audience::Everyone, &["block"]);
    for creator in ['2', '3', '4'] {
        hook.add(&event("block", Some(creator), None), Users::Told);
        hook.add(&event("block", Some(creator), None), Users::Told);
    }
    assert_eq!(hook.metrics.waiting(), 3);
    let message = hook.take(false).unwrap();
    hook.failed(&Failure::Gone);
    hook.ended(&message, Err(Failure::Gone));
    assert_eq!(hook.metrics.waiting(), 0);
    assert_eq!(hook.metrics.stopped.get(), 1);
    assert_eq!(hook.metrics.dropped.get(), 6);
    hook.add(&event("block", Some('2'), None), Users::Told);
    assert_eq!(hook.metrics.dropped.get(), 7);
    assert!(hook.take(true).is_none());
}
