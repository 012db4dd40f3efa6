use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::super::ledger::Kind;
use super::*;

const A: &str = "aaaaaaaa-1111-4111-8111-111111111111";

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("policies.sqlite")
    }

    fn open(&self, standing: &Arc<Standing>) -> (Store, Option<Restored>) {
        Store::open(&self.file(), &owns(&["http://a:1", "http://b:1"]), standing).unwrap()
    }

    /// The revision that the next start would find, and how many rows.
    fn holds(&self) -> Option<(i64, usize)> {
        let (_, restored) = self.open(&standing());
        restored.map(|restored| (restored.meta.revision, restored.rows.len()))
    }
}

fn owns(endpoints: &[&str]) -> Owns {
    Owns {
        prefix: "/t/".to_owned(),
        endpoints: endpoints.iter().map(|it| (*it).to_owned()).collect(),
    }
}

fn standing() -> Arc<Standing> {
    Arc::new(Standing::new(None))
}

fn meta(revision: i64) -> Meta {
    Meta {
        cluster: u64::MAX,
        revision,
        beat: Some((revision, Bytes::from_static(b"beat"))),
        confirmed: 7,
        doubted: true,
    }
}

fn kept(name: &str, revision: i64, value: Option<&str>) -> Kept {
    Kept {
        name: Bytes::from(name.to_owned()),
        kind: Kind::InForce,
        revision,
        value: value.map(|value| Bytes::from(value.to_owned())),
    }
}

fn until(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn only_what_was_committed_counts() {
    let place = Place::new();
    let standing = standing();
    let (store, restored) = place.open(&standing);
    assert!(restored.is_none());
    store.clear().await;
    store.add(vec![kept(A, 1, Some("one"))]).await;
    drop(store);
    assert_eq!(place.holds(), None, "nothing was committed");

    let (store, _) = place.open(&standing);
    store.clear().await;
    store
        .add(vec![kept(A, 1, Some("one")), kept("b", 2, Some("two"))])
        .await;
    store.commit(meta(2)).await;
    store.keep(vec![kept("b", 3, None)], meta(3));
    store.add(vec![kept("c", 4, Some("three"))]).await;
    store.abort().await;
    store.keep(Vec::new(), meta(5));
    drop(store);
    let (_, restored) = place.open(&standing);
    let restored = restored.unwrap();
    assert_eq!(restored.meta, meta(5));
    assert_eq!(restored.rows.len(), 1);
}

/// A writing of everything that breaks off leaves what was there, and nothing may be added to that.
#[tokio::test]
async fn what_misses_something_never_counts() {
    let place = Place::new();
    let standing = standing();
    let (store, _) = place.open(&standing);
    store.clear().await;
    store.add(vec![kept(A, 1, Some("one"))]).await;
    store.commit(meta(1)).await;
    store.clear().await;
    store.add(vec![kept(A, 9, Some("nine"))]).await;
    store.abort().await;
    until(|| standing.cache_is_behind());
    store.keep(vec![kept("b", 10, Some("ten"))], meta(10));
    drop(store);
    assert_eq!(place.holds(), Some((1, 1)));

    // Nor if more is told than the thread can take.
    let standing = self::standing();
    let (store, _) = place.open(&standing);
    let many: Vec<_> = (0..20_000)
        .map(|n| kept(&format!("n{n}"), 1, Some("x")))
        .collect();
    let mut told = 0;
    while !standing.cache_is_behind() {
        told += 1;
        store.keep(many.clone(), meta(100 + told));
    }
    store.keep(Vec::new(), meta(1_000_000));
    drop(store);
    assert!(place.holds().unwrap().0 < 100 + told);

    // Until everything was written anew.
    let standing = self::standing();
    let (store, _) = place.open(&standing);
    standing.cache_broke(standing.cache_generation());
    store.clear().await;
    assert!(!standing.cache_is_behind());
    store.add(vec![kept("d", 11, Some("eleven"))]).await;
    store.commit(meta(2_000_000)).await;
    drop(store);
    assert_eq!(place.holds(), Some((2_000_000, 1)));
    assert_eq!(standing.cached.load(Ordering::Relaxed), 2_000_000);
}

#[tokio::test]
async fn what_was_kept_of_other_endpoints_is_told() {
    let place = Place::new();
    let (store, _) = place.open(&standing());
    store.clear().await;
    store.commit(meta(2)).await;
    drop(store);
    for (endpoints, origin) in [
        (&["http://b:1", "http://c:1"][..], Origin::Here),
        (&["http://c:1"], Origin::Elsewhere),
    ] {
        let (_, restored) = Store::open(&place.file(), &owns(endpoints), &standing()).unwrap();
        assert_eq!(restored.unwrap().origin, origin);
    }
}
