use super::*;

use super::super::ledger::Recording;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use notify::event::{AccessKind, AccessMode, Flag};
use notify::{Event, EventKind};

use crate::core::policy::{Isolation, Record, Snapshot};
use crate::core::tenant::TenantId;

const TENANT: &str = "11111111-1111-4111-8111-11111111111a";
const DEADLINE: Duration = Duration::from_secs(20);

fn write(dir: &Path, off: bool) -> bool {
    let text = format!(r#"{{"properties":{{"tenantId":"{TENANT}","isDisabled":{off}}}}}"#);
    fs::write(dir.join(format!("{TENANT}.json")), &text).unwrap();
    off
}

fn is_off(snapshot: &Snapshot) -> Option<bool> {
    match snapshot.get(TenantId::parse(TENANT).unwrap()) {
        Record::Absent | Record::Unreadable => None,
        Record::Present(policy) => Some(policy.isolation == Isolation::Off),
    }
}

fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE);
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn where_the_system_refuses_to_watch_changes_are_polled() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    let first = write(dir, false);
    let (ledger, _) = super::super::directory::open(dir, Recording::Yes).unwrap();
    let shared = Arc::new(Shared::default());
    shared.publish(&ledger, &Pass::default(), Asked::Yes);
    let signal = Arc::new(Signal::default());
    let eyes = Eyes::new(Path::new("/nowhere/policies"), Arc::clone(&signal));
    let watch =
        Watch::start_with(eyes, signal, dir.to_owned(), ledger, Arc::clone(&shared)).unwrap();
    until(|| shared.standing().stats.watching == Watching::Polling);
    for off in [true, false] {
        let changed = write(dir, off);
        until(|| is_off(&shared.snapshot.load()) == Some(changed));
    }
    assert_eq!(is_off(&shared.snapshot.load()), Some(first));
    drop(watch);
}

#[test]
fn events_are_sorted_by_what_they_are_about() {
    let dir = Path::new("/nowhere/policies");
    let signal = Arc::new(Signal::default());
    let eyes = Eyes::new(dir, Arc::clone(&signal));
    let file = dir.join(format!("{TENANT}.json"));
    let name = BTreeSet::from([file.file_name().unwrap().to_owned()]);
    let event = |kind, path: &Path| Ok(Event::new(kind).add_path(path.to_owned()));
    let any = EventKind::Any;
    let access = EventKind::Access;
    let table = [
        (event(any, &file), Work::Names(name.clone())),
        (
            event(access(AccessKind::Close(AccessMode::Write)), &file),
            Work::Names(name),
        ),
        (
            event(access(AccessKind::Open(AccessMode::Any)), &file),
            Work::Idle,
        ),
        (event(any, &dir.join(".hidden.json")), Work::Idle),
        (event(any, &dir.join("README.md")), Work::Idle),
        (event(any, &dir.join("..data")), Work::All),
        (event(any, dir), Work::All),
        (event(any, Path::new("/nowhere/neighbour")), Work::Idle),
        (event(any, Path::new("/nowhere")), Work::Idle),
        (event(any, Path::new("/elsewhere/file")), Work::All),
        (Ok(Event::new(any)), Work::All),
        (
            Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)),
            Work::All,
        ),
        (Err(notify::Error::generic("lost")), Work::All),
    ];
    for (event, expected) in table {
        let shown = format!("{event:?}");
        eyes.handle(event);
        assert_eq!(signal.wait(Duration::ZERO), expected, "{shown}");
    }
}
