//! A provider that cannot be reached: at the start, for a while, for too long; in part.

use super::*;

const ORGANIZATIONS: &str = "/organizations/v2.0/.well-known/openid-configuration";

/// Fetches again and again.
fn restless() -> Verification {
    Verification {
        key_refresh: Duration::from_millis(20),
        ..verification()
    }
}

#[tokio::test]
async fn down_at_the_start_and_then_up() {
    let idp = plain().await;
    let good = token(&idp, KeyName::Enterprise);
    idp.script(METADATA, Reply::new(503, ""));
    let kept = Kept::start(&provider(idp.url()), &restless());
    until("tried again", async || kept.fetches("status") > 2).await;
    assert!(!kept.store.ready());
    assert_eq!(kept.verify(&good).await, UNAVAILABLE);
    assert_eq!(
        kept.report().last_error.as_deref(),
        Some("metadata: answered 503")
    );
    idp.clear_scripts();
    until("ready", async || kept.store.ready()).await;
    assert_eq!(kept.verify(&good).await, Ok(()));
    assert_eq!(kept.report().last_error, None);
}

#[tokio::test]
async fn nobody_there() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let kept = Kept::start(&provider(&gone), &restless());
    until("tried again", async || kept.fetches("connection") > 2).await;
    let error = kept.report().last_error.unwrap();
    assert!(
        error.contains("refused") && !error.contains("://"),
        "{error}"
    );
}

#[tokio::test]
async fn keys_that_are_too_old_are_not_used() {
    let idp = plain().await;
    let short = Verification {
        key_max_age: Duration::from_millis(300),
        ..restless()
    };
    let kept = Kept::ready(&provider(idp.url()), &short).await;
    let good = token(&idp, KeyName::Enterprise);
    until("verified", async || kept.verify(&good).await == Ok(())).await;

    idp.script(KEYS, Reply::json(200, &json!({ "keys": [] })));
    until("too old", async || kept.verify(&good).await == UNAVAILABLE).await;
    assert_eq!(
        kept.verify(&token_naming(&idp, "nobody")).await,
        UNAVAILABLE
    );
    assert!(kept.store.ready(), "it stays so: the process may recover");
    let keys = "tidegate_keys{provider=\"entra\"}";
    until("none in force", async || kept.metric(keys) == 0).await;
    assert_eq!(kept.kids().len(), 3, "they can still be seen");

    idp.clear_scripts();
    until("verified again", async || {
        kept.verify(&good).await == Ok(())
    })
    .await;
}

#[tokio::test]
async fn too_old_between_two_fetches_is_too_old() {
    let idp = plain().await;
    let short = Verification {
        key_max_age: Duration::from_millis(100),
        ..verification()
    };
    let kept = Kept::ready(&provider(idp.url()), &short).await;
    let good = token(&idp, KeyName::Enterprise);
    until("too old", async || kept.verify(&good).await == UNAVAILABLE).await;
    let keys = "tidegate_keys{provider=\"entra\"}";
    until("none in force", async || kept.metric(keys) == 0).await;
    assert_eq!(
        idp.requests().key_fetches(),
        1,
        "nothing was fetched meanwhile"
    );
}

#[tokio::test]
async fn keys_get_too_old_though_nobody_keeps_them() {
    let idp = plain().await;
    let short = Verification {
        key_max_age: Duration::from_millis(200),
        ..verification()
    };
    let mut kept = Kept::ready(&provider(idp.url()), &short).await;
    kept.tasks.shutdown().await;
    let good = token(&idp, KeyName::Enterprise);
    let old = async || kept.keys.judge(&good, &[], 0).err() == Some(NotVerified::Unavailable);
    until("too old", old).await;
}

#[tokio::test]
async fn one_of_two_sources_is_down() {
    let idp = plain().await;
    publish(&idp, &[KeyName::Enterprise]);
    idp.script(ORGANIZATIONS, Reply::new(500, ""));
    let two = Provider {
        key_tenants: vec!["common".to_owned(), "organizations".to_owned()],
        ..provider(idp.url())
    };
    let kept = Kept::start(&two, &verification());
    let good = token(&idp, KeyName::Enterprise);
    until("verified", async || kept.verify(&good).await == Ok(())).await;
    assert!(!kept.store.ready(), "one source is missing");
    let perhaps = token(&idp, KeyName::EnterpriseNext);
    assert_eq!(kept.verify(&perhaps).await, UNAVAILABLE, "nobody can tell");
    let errors: Vec<_> = kept
        .store
        .report()
        .into_iter()
        .map(|r| r.last_error)
        .collect();
    assert_eq!(errors, [None, Some("metadata: answered 500".to_owned())]);

    idp.clear_scripts();
    publish(&idp, &[KeyName::Enterprise]);
    kept.fetch().await;
    until("ready", async || kept.store.ready()).await;
    assert_eq!(
        kept.verify(&perhaps).await,
        Ok(()),
        "the other source has it"
    );
}
