//! Workers have runtimes of their own; keys are fetched on another.

use super::*;

use std::thread;

use tokio::runtime::Builder;

const WORKERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_on_other_runtimes_share_keys_and_fetches() {
    let idp = plain().await;
    publish(&idp, &[KeyName::Enterprise]);
    let kept = Kept::ready(&provider(idp.url()), &verification()).await;
    let both = key_set(&idp, &[KeyName::Enterprise, KeyName::EnterpriseNext]);
    idp.script(
        KEYS,
        Reply::json(200, &both).after(Duration::from_millis(100)),
    );

    let tokens = [
        token(&idp, KeyName::Enterprise),
        token(&idp, KeyName::EnterpriseNext),
        token_naming(&idp, "nobody"),
    ];
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (keys, tokens) = (Arc::clone(&kept.keys), tokens.clone());
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let audience = [AUDIENCE.to_owned()];
                    let [old, next, unknown] = &tokens;
                    let verify = async |token| keys.verify(token, &audience).await.map(drop);
                    let together =
                        tokio::join!(verify(old), verify(next), verify(unknown), verify(next));
                    (together, verify(next).await)
                })
            })
        })
        .collect();
    for worker in workers {
        let joined = tokio::task::spawn_blocking(|| worker.join().unwrap());
        let expected = ((Ok(()), Ok(()), UNKNOWN, Ok(())), Ok(()));
        assert_eq!(joined.await.unwrap(), expected);
    }
    assert_eq!(idp.requests().key_fetches(), 2, "one for all of them");
    assert_eq!(kept.verified("refused"), WORKERS as u64);
}

#[tokio::test]
async fn tasks_end_with_the_gateway() {
    let idp = plain().await;
    let often = Verification {
        key_refresh: Duration::from_millis(1),
        ..verification()
    };
    let mut kept = Kept::ready(&provider(idp.url()), &often).await;
    kept.tasks.shutdown().await;
    let fetches = kept.fetches("ok");
    let again = tokio::time::timeout(Duration::from_millis(50), async {
        until("fetched again", async || kept.fetches("ok") > fetches).await;
    });
    assert!(again.await.is_err());
    // What was fetched is still used.
    assert_eq!(kept.verify(&token(&idp, KeyName::Enterprise)).await, Ok(()));
}
