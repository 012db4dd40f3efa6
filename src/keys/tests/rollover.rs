//! Keys that come and go.

use super::*;
use crate::keys::demand::CROWD;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::task::JoinSet;

/// What a future comes to without waiting.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn a_token_of_a_new_key_brings_it() {
    let idp = plain().await;
    publish(&idp, &[KeyName::Enterprise]);
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let version = kept.report().version;

    publish(&idp, &[KeyName::Enterprise, KeyName::EnterpriseNext]);
    let next = token(&idp, KeyName::EnterpriseNext);
    assert_eq!(kept.verify(&next).await, Ok(()));
    assert_eq!(idp.requests().key_fetches(), 2);
    assert_eq!(kept.kids().len(), 2);
    assert_ne!(kept.report().version, version);
    let old = token(&idp, KeyName::Enterprise);
    assert_eq!(
        kept.verify(&old).await,
        Ok(()),
        "the old one is still there"
    );
}

#[tokio::test]
async fn a_key_that_is_gone_is_gone_at_once() {
    let idp = plain().await;
    publish(&idp, &[KeyName::Enterprise, KeyName::EnterpriseNext]);
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let stolen = token(&idp, KeyName::Enterprise);
    let good = token(&idp, KeyName::EnterpriseNext);
    for token in [&stolen, &stolen, &good, &good] {
        assert_eq!(kept.verify(token).await, Ok(()));
    }
    assert_eq!(
        (kept.verified("verified"), kept.verified("remembered")),
        (2, 2)
    );

    publish(&idp, &[KeyName::EnterpriseNext]);
    kept.fetch().await;
    assert_eq!(kept.keys.remembered.count(), 0);
    assert_eq!(kept.verify(&stolen).await, UNKNOWN);
    assert_eq!(kept.verify(&good).await, Ok(()));
    assert_eq!(kept.verified("remembered"), 2, "nothing was remembered");

    publish(&idp, &[KeyName::Enterprise, KeyName::EnterpriseNext]);
    kept.fetch().await;
    assert_eq!(kept.verify(&stolen).await, Ok(()), "it has come back");
}

#[tokio::test]
async fn the_same_keys_in_another_document_change_nothing() {
    let idp = plain().await;
    publish(&idp, &[KeyName::Enterprise, KeyName::EnterpriseNext]);
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let good = token(&idp, KeyName::Enterprise);
    assert_eq!(kept.verify(&good).await, Ok(()));
    let version = kept.report().version;

    publish(&idp, &[KeyName::EnterpriseNext, KeyName::Enterprise]);
    kept.fetch().await;
    assert_eq!(kept.report().version, version);
    assert_eq!(kept.verify(&good).await, Ok(()));
    assert_eq!(kept.verified("remembered"), 1);
}

#[tokio::test]
async fn a_storm_of_unknown_keys_is_one_fetch() {
    let idp = plain().await;
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let good = token(&idp, KeyName::Enterprise);
    let mut storm = JoinSet::new();
    for number in 0..500 {
        let (keys, token) = (
            Arc::clone(&kept.keys),
            token_naming(&idp, &number.to_string()),
        );
        storm.spawn(async move { keys.verify(&token, &[AUDIENCE.to_owned()]).await.map(drop) });
        if number % 50 == 0 {
            assert_eq!(
                kept.verify(&good).await,
                Ok(()),
                "good tokens wait for nothing"
            );
        }
    }
    let results = storm.join_all().await;
    // A crowd waits for the fetch; who comes later than that is not told a thing.
    let told = results.iter().filter(|result| **result == UNKNOWN).count();
    assert!(
        results
            .iter()
            .all(|result| *result == UNKNOWN || *result == UNAVAILABLE)
    );
    assert!(told >= CROWD, "{told}");
    assert_eq!(idp.requests().key_fetches(), 2, "at the start, and once");
    assert_eq!(kept.verified("refused"), u64::try_from(told).unwrap());
    assert!(kept.keys.unknown.iter().count() as u64 <= MOST_UNKNOWN);
}

#[tokio::test]
async fn who_comes_while_a_fetch_is_under_way_waits_for_it() {
    let idp = plain().await;
    publish(&idp, &[KeyName::Enterprise]);
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let (next, slow) = (
        token(&idp, KeyName::EnterpriseNext),
        Duration::from_millis(200),
    );
    let both = key_set(&idp, &[KeyName::Enterprise, KeyName::EnterpriseNext]);
    idp.script(KEYS, Reply::json(200, &both).after(slow));

    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        let (keys, next) = (Arc::clone(&kept.keys), next.clone());
        waiting.spawn(async move { keys.verify(&next, &[AUDIENCE.to_owned()]).await.map(drop) });
    }
    assert!(waiting.join_all().await.iter().all(Result::is_ok));
    assert_eq!(idp.requests().key_fetches(), 2);
}

#[tokio::test]
async fn a_key_that_a_fetch_did_not_bring_is_no_reason_for_another() {
    let idp = plain().await;
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let unknown = token_naming(&idp, "nobody");
    assert_eq!(kept.verify(&unknown).await, UNKNOWN);
    // Not even one that is under way is waited for.
    idp.script(KEYS, Reply::silent());
    kept.store.fetch();
    until("under way", async || idp.requests().key_fetches() == 3).await;
    assert_eq!(at_once(kept.verify(&unknown)), Some(UNKNOWN));
    let another = token_naming(&idp, "nobody else");
    assert_eq!(at_once(kept.verify(&another)), None);
}

#[tokio::test]
async fn nobody_waits_longer_than_a_fetch_may_take() {
    let idp = plain().await;
    let hasty = Verification {
        key_timeout: Duration::from_millis(100),
        ..verification()
    };
    let kept = Kept::ready(&provider(idp.url()), &hasty).await;
    idp.script(KEYS, Reply::silent());
    assert_eq!(kept.verify(&token_naming(&idp, "nobody")).await, UNKNOWN);
    until("told", async || kept.fetches("slow") > 0).await;
    assert_eq!(kept.report().last_error.as_deref(), Some("took too long"));
}

#[tokio::test]
async fn nobody_waits_for_a_fetch_that_never_begins() {
    let idp = plain().await;
    let hasty = Verification {
        key_timeout: Duration::from_millis(200),
        ..verification()
    };
    let mut kept = Kept::ready(&provider(idp.url()), &hasty).await;
    kept.tasks.shutdown().await;
    let unknown = token_naming(&idp, "nobody");
    let verified = tokio::time::timeout(SOON, kept.verify(&unknown));
    assert_eq!(verified.await, Ok(UNKNOWN));
}

#[tokio::test]
async fn after_the_cooldown_there_may_be_another() {
    let idp = plain().await;
    publish(&idp, &[KeyName::Enterprise]);
    let none = Verification {
        key_cooldown: Duration::ZERO,
        ..verification()
    };
    let kept = Kept::ready(&provider(idp.url()), &none).await;
    let next = token(&idp, KeyName::EnterpriseNext);
    assert_eq!(kept.verify(&next).await, UNKNOWN);
    publish(&idp, &[KeyName::EnterpriseNext]);
    assert_eq!(kept.verify(&next).await, Ok(()));
    assert_eq!(idp.requests().key_fetches(), 3);
}

/// A fetch that began before the key was published says nothing of the key.
#[tokio::test]
async fn a_key_that_came_while_a_fetch_was_under_way_is_fetched() {
    let idp = plain().await;
    publish(&idp, &[KeyName::Enterprise]);
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let older = key_set(&idp, &[KeyName::Enterprise]);
    let slowly = Reply::json(200, &older).after(Duration::from_millis(500));
    idp.script_once(KEYS, slowly);
    let before = idp.requests().key_fetches();
    kept.keys.demand.ask();
    until("asked", async || idp.requests().key_fetches() > before).await;
    publish(&idp, &[KeyName::Enterprise, KeyName::EnterpriseNext]);
    let next = token(&idp, KeyName::EnterpriseNext);
    assert_eq!(kept.verify(&next).await, Ok(()));
}
