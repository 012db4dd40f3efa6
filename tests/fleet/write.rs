//! Policies are put into etcd by comparison, whoever writes, and whatever becomes of the answer.

mod way;

use std::sync::Arc;

use tidegate::config::Etcd;
use tidegate::fleet::bulk::{self, Texts};
use tidegate::fleet::etcd::{Session, tls};
use tidegate::fleet::keys::Keys;
use tidegate::fleet::write::{Original, Originals};
use tidegate::policies::write::{Expect, WriteError, Written};
use tokio::runtime::Runtime;

use super::harness::{
    CONTOSO, Cluster, FABRIKAM, Follower, TAILSPIN, document, etcd, tenant, until,
};
use way::{Trouble, Way};

/// In the text whose way is troubled.
const MARKER: &str = "66666666-6666-4666-8666-666666666666";

/// A policy that holds the marker.
fn marked() -> String {
    document(CONTOSO, 1).replace("00000000-0000-4000-8000-000000000000", MARKER)
}

/// Somebody who writes.
struct Writer {
    originals: Originals,
    runtime: Runtime,
}

impl Writer {
    fn of(etcd: &Etcd) -> Self {
        Self {
            originals: Originals::new(&Arc::new(etcd.clone())).unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    fn put(&self, text: &str, expect: &Expect) -> Result<Written, WriteError> {
        let put = self
            .originals
            .put(tenant(CONTOSO), text.as_bytes(), expect, 0);
        self.runtime.block_on(put)
    }

    fn read(&self) -> Option<Original> {
        self.runtime
            .block_on(self.originals.read(tenant(CONTOSO)))
            .unwrap()
    }
}

fn is_changed(put: Result<Written, WriteError>, etag: Option<u64>) {
    let expected = etag.map(|revision| format!("\"{revision}\""));
    match put {
        Err(WriteError::Changed { etag }) => assert_eq!(etag, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_replaces_the_one_that_was_meant_and_no_other() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let writer = Writer::of(&cluster.settings());
    let (one, two, three) = (
        document(CONTOSO, 1),
        document(CONTOSO, 2),
        document(CONTOSO, 3),
    );

    assert_eq!(writer.read(), None);
    is_changed(writer.put(&one, &Expect::Present), None);
    is_changed(writer.put(&one, &Expect::Match("\"1\"".into())), None);
    let first = writer.put(&one, &Expect::Absent).unwrap();
    assert!(first.created && !first.unchanged && first.before.is_none());
    assert_eq!(first.etag, format!("\"{}\"", first.version));

    is_changed(writer.put(&two, &Expect::Absent), Some(first.version.0));
    // Neither another revision nor a tag of a directory's kind nor a weak one.
    for etag in [
        "\"0\"",
        "\"999999\"",
        "\"0123456789abcdef\"",
        &format!("W/{}", first.etag),
    ] {
        is_changed(
            writer.put(&two, &Expect::Match(etag.into())),
            Some(first.version.0),
        );
    }
    let second = writer
        .put(&two, &Expect::Match(first.etag.clone()))
        .unwrap();
    assert!(second.version > first.version && !second.created);
    let before = second.before.as_ref().unwrap();
    assert_eq!(
        (&before.etag, before.bytes.as_slice()),
        (&first.etag, one.as_bytes())
    );

    let same = writer.put(&two, &Expect::Any).unwrap();
    assert!(same.unchanged);
    assert_eq!(same.version, second.version);
    let third = writer.put(&three, &Expect::Present).unwrap();
    assert_eq!(writer.read().unwrap().version(), third.version);
    assert_eq!(writer.read().unwrap().bytes, three.as_bytes());

    for wrong in ["{", &document(FABRIKAM, 0)] {
        let put = writer.put(wrong, &Expect::Any);
        assert!(matches!(put, Err(WriteError::Faults(_))), "{put:?}");
    }
    assert_eq!(writer.read().unwrap().version(), third.version);
}

#[test]
fn of_writers_that_expect_the_same_text_one_is_heard() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(3);
    let settings = cluster.settings();
    let first = Writer::of(&settings)
        .put(&document(CONTOSO, 0), &Expect::Absent)
        .unwrap();
    let expect = Expect::Match(first.etag);
    let heard: usize = std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=8)
            .map(|n| {
                let (settings, expect) = (&settings, &expect);
                scope.spawn(move || {
                    let put = Writer::of(settings).put(&document(CONTOSO, n), expect);
                    match put {
                        Ok(_) => 1,
                        Err(WriteError::Changed { .. }) => 0,
                        Err(error) => panic!("{error}"),
                    }
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .sum()
    });
    assert_eq!(heard, 1);
}

#[test]
fn what_is_put_is_in_force_when_that_is_told() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let gateway = Follower::start(&cluster.settings());
    let runtime = Runtime::new().unwrap();
    let mut etag = None;
    for n in 0..50 {
        let expect = etag.map_or(Expect::Absent, Expect::Match);
        let text = document(CONTOSO, n).into_bytes();
        let put = gateway.policies.put(tenant(CONTOSO), text, expect);
        let written = runtime.block_on(put).unwrap();
        assert_eq!(gateway.version(CONTOSO), Some(written.version.0));
        assert_eq!(gateway.entries(CONTOSO), n);
        etag = Some(written.etag);
    }
}

#[test]
fn an_answer_that_is_lost_is_found_out() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let mut settings = cluster.settings();
    let way = Way::to(&settings.endpoints[0], MARKER, Trouble::AnswerLost);
    settings.endpoints = vec![way.uri()];
    let writer = Writer::of(&settings);
    let first = writer.put(&document(CONTOSO, 0), &Expect::Absent).unwrap();
    let second = writer.put(&marked(), &Expect::Match(first.etag)).unwrap();
    let stands = writer.read().unwrap();
    assert_eq!(stands.bytes, marked().as_bytes());
    assert_eq!(
        (stands.version(), stands.etag()),
        (second.version, second.etag)
    );
    // It was written once.
    assert_eq!(second.version.0, first.version.0 + 1);
}

#[test]
fn an_answer_that_nobody_can_get_is_told_as_unknown() {
    if !etcd() {
        return;
    }
    for trouble in [Trouble::Severed, Trouble::Muted] {
        nobody_can_tell(trouble);
    }
}

fn nobody_can_tell(trouble: Trouble) {
    let cluster = Cluster::start(1);
    let mut settings = cluster.settings();
    let direct = Writer::of(&settings);
    let first = direct.put(&document(CONTOSO, 0), &Expect::Absent).unwrap();
    let way = Way::to(&settings.endpoints[0], MARKER, trouble);
    settings.endpoints = vec![way.uri()];
    match Writer::of(&settings).put(&marked(), &Expect::Match(first.etag.clone())) {
        Err(WriteError::Unknown {
            before: Some(before),
            ..
        }) => assert_eq!(before.etag, first.etag),
        other => panic!("{other:?}"),
    }
    until("it is written", || {
        direct.read().unwrap().bytes == marked().as_bytes()
    });
}

/// The member is there, and answers everything but this.
#[test]
fn a_put_that_never_arrives_is_told_as_unknown() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let mut settings = cluster.settings();
    let direct = Writer::of(&settings);
    let first = direct.put(&document(CONTOSO, 0), &Expect::Absent).unwrap();
    let way = Way::to(&settings.endpoints[0], MARKER, Trouble::Dropped);
    settings.endpoints = vec![way.uri()];
    let told = Writer::of(&settings).put(&marked(), &Expect::Match(first.etag));
    assert!(matches!(told, Err(WriteError::Unknown { .. })), "{told:?}");
    assert_eq!(direct.read().unwrap().version(), first.version);
}

#[test]
fn a_put_that_arrives_late_overwrites_nothing() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let mut settings = cluster.settings();
    let direct = Writer::of(&settings);
    let first = direct.put(&document(CONTOSO, 0), &Expect::Absent).unwrap();
    let way = Way::to(&settings.endpoints[0], MARKER, Trouble::Held);
    settings.endpoints = vec![way.uri()];
    let late = Writer::of(&settings).put(&marked(), &Expect::Any);
    assert!(matches!(late, Err(WriteError::Unknown { .. })), "{late:?}");
    assert_eq!(direct.read().unwrap().version(), first.version);

    let second = direct
        .put(&document(CONTOSO, 2), &Expect::Match(first.etag))
        .unwrap();
    way.deliver();
    // Something that was certainly written after it was refused.
    way.open();
    until("etcd goes on", || {
        cluster.put_key("later", b"1") > second.version.0 + 20
    });
    assert_eq!(direct.read().unwrap().version(), second.version);
}

/// It was written, nobody could hear so, and somebody else wrote over it: it is not written again, nor
/// told to have been refused.
#[test]
fn what_was_written_over_meanwhile_is_not_written_again() {
    if !etcd() {
        return;
    }
    for any in [true, false] {
        let cluster = Cluster::start(1);
        let mut settings = cluster.settings();
        let direct = Writer::of(&settings);
        let first = direct.put(&document(CONTOSO, 0), &Expect::Absent).unwrap();
        let expect = if any {
            Expect::Any
        } else {
            Expect::Match(first.etag)
        };
        let way = Way::to(&settings.endpoints[0], MARKER, Trouble::Severed);
        settings.endpoints = vec![way.uri()];
        let told = std::thread::scope(|scope| {
            let writing = scope.spawn(|| Writer::of(&settings).put(&marked(), &expect));
            until("it is written", || {
                direct.read().unwrap().bytes == marked().as_bytes()
            });
            direct.put(&document(CONTOSO, 3), &Expect::Any).unwrap();
            way.open();
            writing.join().unwrap()
        });
        assert!(matches!(told, Err(WriteError::Unknown { .. })), "{told:?}");
        let stands = direct.read().unwrap();
        assert_eq!(stands.bytes, document(CONTOSO, 3).as_bytes());
    }
}

/// Of a key that is gone etcd tells the revision 0, which is no older one.
#[test]
fn a_put_that_arrives_late_brings_nothing_back() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    let mut settings = cluster.settings();
    let direct = Writer::of(&settings);
    let first = direct.put(&document(CONTOSO, 0), &Expect::Absent).unwrap();
    let way = Way::to(&settings.endpoints[0], MARKER, Trouble::Held);
    settings.endpoints = vec![way.uri()];
    let late = Writer::of(&settings).put(&marked(), &Expect::Match(first.etag));
    assert!(matches!(late, Err(WriteError::Unknown { .. })), "{late:?}");
    let gone = cluster.delete(tenant(CONTOSO));
    way.deliver();
    way.open();
    until("etcd goes on", || {
        cluster.put_key("later", b"1") > gone + 20
    });
    assert_eq!(direct.read(), None);
}

/// What is imported replaces what was looked at, and nothing that came meanwhile.
#[test]
fn an_import_leaves_what_somebody_wrote_meanwhile() {
    if !etcd() {
        return;
    }
    let cluster = Cluster::start(1);
    cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    let etcd = Arc::new(cluster.settings());
    let keys = Keys::below(&etcd.prefix);
    let originals = Originals::new(&etcd).unwrap();
    let ids = [CONTOSO, FABRIKAM, TAILSPIN];
    let texts: Texts = ids
        .map(|id| (tenant(id), document(id, 5).into_bytes()))
        .into();
    let runtime = Runtime::new().unwrap();
    let done = runtime.block_on(async {
        let tls = tls(&etcd).unwrap();
        let session = Session::open_any(&etcd, &tls).await.unwrap();
        let plan = bulk::plan(&session, &keys, &texts).await.unwrap();
        assert_eq!((plan.new.len(), plan.differ.len()), (2, 1));
        tokio::task::block_in_place(|| {
            cluster.put(tenant(CONTOSO), &document(CONTOSO, 1));
            cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 2));
        });
        let apply = bulk::apply(&session, &originals, &keys, &plan, &texts, |_| {});
        apply.await.unwrap()
    });
    let left: Vec<_> = done.left.iter().map(|(tenant, _)| *tenant).collect();
    assert_eq!(done.put, 1, "{:?}", done.left);
    assert!(left.contains(&tenant(CONTOSO)) && left.contains(&tenant(FABRIKAM)));
    let entries = [(CONTOSO, 1), (FABRIKAM, 2), (TAILSPIN, 5)];
    for (id, entries) in entries {
        let read = runtime.block_on(originals.read(tenant(id)));
        let stands = read.unwrap().unwrap();
        assert_eq!(stands.bytes, document(id, entries).as_bytes());
    }
}

#[test]
fn nothing_is_put_into_an_older_history() {
    if !etcd() {
        return;
    }
    let mut cluster = Cluster::start(1);
    let gateway = Follower::start(&cluster.settings());
    let runtime = Runtime::new().unwrap();
    let put = |entries| {
        let text = document(CONTOSO, entries).into_bytes();
        runtime.block_on(gateway.policies.put(tenant(CONTOSO), text, Expect::Any))
    };
    for n in 0..20 {
        put(n).unwrap();
    }
    cluster.kill_all();
    let away = put(30);
    assert!(matches!(away, Err(WriteError::Storage(_))), "{away:?}");
    cluster.forget();
    cluster.start_all();
    let older = put(40);
    assert!(matches!(older, Err(WriteError::Storage(_))), "{older:?}");
    assert_eq!(gateway.entries(CONTOSO), 19);
    assert_eq!(Writer::of(&cluster.settings()).read(), None);
}
