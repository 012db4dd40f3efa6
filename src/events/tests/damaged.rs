//! Stores that are damaged, gone, or on a disk that takes nothing.

use std::io::{Seek, SeekFrom, Write};

use super::*;

/// Writes over a part of the file, as a failing disk does.
fn damage(place: &Place, from: u64, length: usize) {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(place.file())
        .unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&vec![0xa5; length]).unwrap();
}

fn many() -> impl Iterator<Item = Event> {
    (0..3_000_u128).map(|number| Event {
        creator: Some(tenant(number)),
        ..event()
    })
}

fn aside(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.directory.path()).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".corrupt-"))
        .collect()
}

/// A store as a kill leaves it, damaged then.
fn damaged(from: u64, length: usize) -> Place {
    let place = Place::new();
    place.write(many());
    let (_, writer) = place.start();
    let killed = place.killed();
    drop(writer);
    let length = if length == 0 {
        usize::try_from(std::fs::metadata(killed.file()).unwrap().len() - from).unwrap()
    } else {
        length
    };
    damage(&killed, from, length);
    killed
}

#[test]
fn best_effort_sets_a_damaged_store_aside_and_goes_on() {
    for (from, length) in [(0, 100), (0, 16), (4096, 0), (8192, 40_000)] {
        let place = damaged(from, length);
        let before = std::fs::read(place.file()).unwrap();
        place.write([event()]);
        let aside = aside(&place);
        let is_store = |path: &&PathBuf| !path.to_string_lossy().ends_with(['l', 'm']);
        let kept = aside.iter().find(is_store);
        let kept = kept.unwrap_or_else(|| panic!("{from}: {aside:?}"));
        assert!(std::fs::read(kept).unwrap() == before);
        assert_eq!(place.sum(), 1);
        assert_eq!(place.gaps(), [(None, "corrupt".to_owned())]);
        place.write([event()]);
        assert_eq!(place.gaps().len(), 1);
    }
}

#[test]
fn required_refuses_a_damaged_store() {
    for (from, length) in [(0, 100), (4096, 0)] {
        let place = damaged(from, length).required();
        let before = std::fs::read(place.file()).unwrap();
        let refused = place.try_start().map(|_| ()).unwrap_err();
        assert!(refused.is_corrupt(), "{refused}");
        assert!(std::fs::read(place.file()).unwrap() == before);
        assert!(aside(&place).is_empty());
    }
}

/// Damage that shows while the gateway runs.
#[test]
fn damage_under_a_running_writer() {
    for required in [false, true] {
        let mut place = Place::new();
        place.write(many());
        if required {
            place = place.required();
        }
        let (events, writer) = place.start();
        events.offer(event());
        until("written", || place.metrics.written.get() == 3_001);
        let length = std::fs::metadata(place.file()).unwrap().len() - 4096;
        damage(&place, 4096, usize::try_from(length).unwrap());
        let mut sent = 0_u128;
        let noticed = || !aside(&place).is_empty() || !events.keeps();
        until("noticed", || {
            sent += 1;
            events.offer(Event {
                creator: Some(tenant(10_000 + sent * 50)),
                ..event()
            });
            noticed()
        });
        if required {
            assert!(aside(&place).is_empty());
            assert!(!events.keeps());
            continue;
        }
        drop(writer);
        assert_eq!(place.gaps()[0], (None, "corrupt".to_owned()));
        assert!(place.sum() > 0);
    }
}

/// What the audit lines still tell is in the new store.
#[test]
fn a_new_store_begins_with_what_audit_lines_tell() {
    let mut place = damaged(4096, 0).lines();
    let text: String = (0..30).map(|_| line(&event())).collect();
    std::fs::write(place.beside("audit.jsonl"), text).unwrap();
    place.write([event()]);
    assert_eq!(place.sum(), 31);
    place.audit.output = AuditOutput::Stdout;
}

#[test]
fn a_store_that_is_removed_while_it_is_written_is_made_again() {
    let place = Place::new();
    let (events, writer) = place.start();
    events.offer(event());
    until("written", || place.sum() == 1);
    std::fs::remove_file(place.file()).unwrap();
    events.offer(event());
    until("made again", || place.file().exists());
    drop(writer);
    assert_eq!(place.sum(), 1);
    assert_eq!(place.gaps(), [(None, "removed".to_owned())]);
}

#[test]
fn a_store_that_is_gone_at_the_start_leaves_a_gap() {
    let place = Place::new();
    place.write([event()]);
    std::fs::remove_file(place.file()).unwrap();
    place.write([event()]);
    assert_eq!(place.sum(), 1);
    assert_eq!(place.gaps(), [(None, "removed".to_owned())]);
}

/// A journal of garbage is none.
#[test]
fn a_damaged_journal() {
    let place = Place::new();
    place.write([event()]);
    std::fs::write(reader::journal(place.file()), vec![0x5a; 40_000]).unwrap();
    place.write([event()]);
    assert_eq!(place.sum(), 2);
}

/// While nothing can be written events gather; then they are all there.
#[test]
fn what_cannot_be_written_is_kept_and_tried_again() {
    for required in [false, true] {
        let mut place = Place::new();
        if required {
            place = place.required();
        }
        let (events, writer) = place.start();
        events.offer(event());
        until("written", || place.sum() == 1);
        let blocker = Connection::open(place.file()).unwrap();
        blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..500 {
            events.offer(event());
        }
        until("noticed", || !events.keeps());
        assert!(place.metrics.failures.get() > 0);
        events.offer(event());
        blocker.execute_batch("ROLLBACK").unwrap();
        until("written again", || events.keeps());
        drop(writer);
        assert_eq!(place.sum(), 502);
        assert!(place.gaps().is_empty());
        assert_eq!(place.metrics.dropped.get(), 0);
    }
}

#[test]
fn what_was_set_aside_before_stays() {
    let place = Place::new();
    let names = ["one", "two", "three"].map(|content| {
        std::fs::write(place.file(), content).unwrap();
        file::set_aside(place.file(), 1_700_000_000_000).unwrap()
    });
    for (name, content) in names.iter().zip(["one", "two", "three"]) {
        assert_eq!(std::fs::read_to_string(name).unwrap(), content);
    }
    assert_eq!(aside(&place).len(), 3);
}
