//! An etcd that is broken, or not what it seems: nothing is taken from it that may be wrong.

mod cache;
mod clusters;
mod history;
mod sessions;

use std::cell::Cell;
use std::time::Duration;

use tidegate::fleet::etcd::{Event, KeyValue, RangeRequest, RangeResponse, WatchResponse};

use super::harness::{CONTOSO, FABRIKAM, Fake, Follower, TAILSPIN, document, until};

const CLUSTER: u64 = 0xab;

/// What is done to an answer that holds policies.
type Twist = fn(&mut RangeResponse);

/// A whole snapshot, or none: half of one says of the other half's tenants that they are Off.
#[test]
fn half_a_snapshot_is_none() {
    let twists: [(&str, Twist); 9] = [
        ("more, and nothing", |answer| {
            answer.kvs.clear();
            answer.more = true;
        }),
        ("fewer than there are", |answer| drop(answer.kvs.pop())),
        ("none of those there are", |answer| answer.kvs.clear()),
        ("twice the same", |answer| {
            let kv = answer.kvs[0].clone();
            answer.kvs[1] = kv;
        }),
        ("out of order", |answer| answer.kvs.reverse()),
        ("of another prefix", |answer| {
            for kv in &mut answer.kvs {
                kv.key = [b"/tidegate-2", &kv.key[9..]].concat().into();
            }
        }),
        ("from later", |answer| answer.kvs[0].mod_revision += 1000),
        ("of no cluster", |answer| {
            answer.header.as_mut().unwrap().cluster_id = 0;
        }),
        ("without a header", |answer| answer.header = None),
    ];
    for (what, twist) in twists {
        let fake = Fake::start(CLUSTER);
        fake.put(CONTOSO, &document(CONTOSO, 1));
        fake.put(FABRIKAM, &document(FABRIKAM, 2));
        fake.twist(move |request, answer| {
            if is_page(request) && answer.kvs.len() > 1 {
                twist(answer);
            }
        });
        let gateway = Follower::start(&fake.settings());
        until("it was tried", || gateway.stats().failures > 0);
        assert!(!gateway.policies.is_available(), "{what}");
        for tenant in [CONTOSO, FABRIKAM, TAILSPIN] {
            assert!(gateway.is_unreadable(tenant), "{what}: {tenant}");
        }
        fake.untwist();
        until("it is well again", || gateway.policies.is_available());
        assert_eq!(
            (gateway.entries(CONTOSO), gateway.entries(FABRIKAM)),
            (1, 2),
            "{what}"
        );
    }
}

fn is_page(request: &RangeRequest) -> bool {
    request.limit > 0 && request.key.starts_with(b"/tidegate/policies/")
}

/// Pages of one snapshot are of one revision and of one cluster.
#[test]
fn pages_come_from_one_cluster() {
    let fake = Fake::start(CLUSTER);
    let id = |n: usize| format!("{n:08x}-1111-4111-8111-111111111111");
    for n in 0..250 {
        fake.put(&id(n), &document(&id(n), 0));
    }
    let mut pages = 0;
    fake.twist(move |request, answer| {
        if is_page(request) {
            pages += 1;
            // As behind a balancer between two clusters.
            answer.header.as_mut().unwrap().cluster_id += u64::from(pages % 2 == 0);
        }
    });
    let gateway = Follower::start(&fake.settings());
    until("it was tried", || gateway.stats().failures > 0);
    assert!(!gateway.policies.is_available());
    fake.untwist();
    until("it is well again", || gateway.policies.is_available());
    assert_eq!(gateway.policies.stats().policies, 250);
}

/// A gateway that follows a member which is well so far.
fn following() -> (Fake, Follower, u64) {
    let fake = Fake::start(CLUSTER);
    fake.put(FABRIKAM, &document(FABRIKAM, 2));
    let revision = fake.put(CONTOSO, &document(CONTOSO, 1));
    let gateway = Follower::start(&fake.settings());
    gateway.reaches(revision);
    until("it is fresh", || gateway.is_fresh());
    (fake, gateway, revision)
}

fn deleted(id: &str, revision: i64) -> Event {
    Event {
        r#type: 1,
        kv: Some(KeyValue {
            key: format!("/tidegate/policies/{id}").into(),
            mod_revision: revision,
            ..KeyValue::default()
        }),
    }
}

/// What a watch cannot mean ends the conversation, and changes nothing.
#[test]
fn a_watch_that_cannot_be_right_is_left() {
    type Say = fn(&Fake) -> WatchResponse;
    let says: [(&str, Say); 6] = [
        ("another cluster", |fake| {
            let mut answer = fake.answer(vec![deleted(CONTOSO, fake.revision())]);
            answer.header.as_mut().unwrap().cluster_id += 1;
            answer
        }),
        ("no header", |fake| WatchResponse {
            header: None,
            ..fake.answer(vec![deleted(CONTOSO, fake.revision())])
        }),
        ("from later than it is", |fake| {
            fake.answer(vec![deleted(CONTOSO, i64::MAX)])
        }),
        ("out of order", |fake| {
            let (a, b) = (fake.revision() + 1, fake.revision() + 2);
            let mut answer = fake.answer(vec![deleted(CONTOSO, b), deleted(FABRIKAM, a)]);
            answer.header.as_mut().unwrap().revision += 2;
            answer
        }),
        ("of nothing", |fake| fake.answer(vec![Event::default()])),
        ("compacted, and not canceled", |fake| WatchResponse {
            compact_revision: fake.revision(),
            ..fake.answer(vec![deleted(CONTOSO, fake.revision())])
        }),
    ];
    for (what, say) in says {
        let (fake, gateway, _) = following();
        let watches = fake.watches();
        fake.say(&say(&fake));
        until("it is watched anew", || fake.watches() > watches);
        until("it is fresh", || gateway.is_fresh());
        assert_eq!(
            (gateway.entries(CONTOSO), gateway.entries(FABRIKAM)),
            (1, 2),
            "{what}"
        );
        assert!(!gateway.stats().regressed, "{what}");
    }
}

/// The same again is no news; a change that comes after a later one was missed, and is not lost.
#[test]
fn what_is_told_twice_is_harmless_and_what_is_told_late_is_not_lost() {
    let (fake, gateway, _) = following();
    let known = fake.put_silently(CONTOSO, &document(CONTOSO, 3));
    let answer = fake.answer(vec![known]);
    for _ in 0..3 {
        fake.say(&answer);
    }
    gateway.reaches(fake.put(TAILSPIN, &document(TAILSPIN, 0)));
    fake.say(&answer);
    gateway.reaches(fake.put(TAILSPIN, &document(TAILSPIN, 1)));
    assert_eq!(gateway.entries(CONTOSO), 3);
    assert_eq!(
        (gateway.stats().failures, gateway.stats().snapshots),
        (0, 1)
    );

    let late = fake.put_silently(FABRIKAM, &document(FABRIKAM, 5));
    gateway.reaches(fake.put(TAILSPIN, &document(TAILSPIN, 2)));
    assert_eq!(gateway.entries(FABRIKAM), 2);
    fake.say(&fake.answer(vec![late]));
    until("it is not lost", || gateway.entries(FABRIKAM) == 5);
    assert!(!gateway.stats().regressed);
}

/// What is told of a watch beside changes changes nothing, and is no sign of life.
#[test]
fn progress_and_a_second_creation_are_no_heartbeat() {
    let (fake, gateway, revision) = following();
    fake.takes_writes(false);
    let watches = fake.watches();
    let said = Cell::new(0);
    until("silence is noticed", || {
        said.set(said.get() + 1);
        fake.say(&WatchResponse {
            created: said.get() % 2 == 0,
            ..fake.answer(Vec::new())
        });
        std::thread::sleep(Duration::from_millis(100));
        fake.watches() > watches
    });
    assert_eq!(gateway.version(CONTOSO), Some(revision));
    assert!(gateway.policies.is_available());
}

/// A day that is caught up with comes in fragments, each of which is whole for some revisions: what
/// is whole is in force before the last fragment is there.
#[test]
fn fragments_are_applied_revision_by_revision() {
    let (fake, gateway, _) = following();
    let first = fake.put_silently(CONTOSO, &document(CONTOSO, 4));
    let revision = fake.revision();
    let second = fake.put_silently(FABRIKAM, &document(FABRIKAM, 6));
    fake.say(&WatchResponse {
        fragment: true,
        ..fake.answer(vec![first, second])
    });
    gateway.reaches(revision.cast_unsigned());
    // It may be half of its revision.
    assert_eq!(
        (gateway.entries(CONTOSO), gateway.entries(FABRIKAM)),
        (4, 2)
    );
    fake.say(&fake.answer(Vec::new()));
    until("the rest is there", || gateway.entries(FABRIKAM) == 6);
    assert_eq!(gateway.stats().failures, 0);
}

/// More than a hundred thousand changes in one answer: a fleet that is imported anew.
#[test]
fn however_much_was_missed_is_caught_up_with() {
    let (fake, gateway, _) = following();
    drop(gateway);
    let id = |n: usize| format!("{n:08x}-1111-4111-8111-111111111111");
    for n in 0..110_000 {
        fake.put_silently(&id(n), &document(&id(n), 0));
    }
    let last = fake.revision().cast_unsigned();
    let gateway = Follower::start(&fake.settings());
    gateway.reaches(last);
    assert_eq!(gateway.policies.stats().policies, 110_002);
    assert_eq!(gateway.stats().snapshots, 0);
}
