//! What a killed gateway leaves, and what the next one makes of it.

use super::*;

/// Without audit lines in a file nobody knows how many were lost: the gap says from when on.
#[test]
fn a_kill_leaves_a_gap() {
    let place = Place::new();
    let (events, _writer) = place.start();
    events.offer(event());
    until("written", || place.sum() == 1);
    let killed = place.killed();
    killed.write([event()]);
    assert_eq!(killed.sum(), 2);
    assert_eq!(killed.gaps(), [(None, "killed".to_owned())]);
    let length = killed.number("SELECT end - start FROM gaps");
    assert!((0..30_000).contains(&length), "{length}");
    // Once.
    killed.write([event()]);
    assert_eq!(killed.gaps().len(), 1);
}

#[test]
fn an_end_that_is_no_kill_leaves_none() {
    let place = Place::new();
    place.write([event()]);
    place.write([]);
    assert!(!reader::journal(place.file()).exists());
    assert!(place.gaps().is_empty());
}

/// What the store missed is read from the audit lines, each once, whatever else is in the file.
#[test]
fn missed_events_are_taken_from_audit_lines() {
    let place = Place::new().lines();
    let lines = place.beside("audit.jsonl");
    let (events, _writer) = place.start();
    let written: Vec<Event> = (0..50).map(|_| event()).collect();
    let missed: Vec<Event> = (0..7)
        .map(|_| Event {
            decision: "block",
            reason: "inbound_block",
            ..event()
        })
        .collect();
    for event in &written {
        events.offer(event.clone());
    }
    until("written", || place.sum() == 50);
    let old = ago(60);
    let mut text =
        String::from("{\"event\":\"policy_change\",\"time\":\"2026-01-01T00:00:00Z\"}\n");
    text += &line(&old);
    // Lines need not be in the order of events.
    for (number, event) in written.iter().enumerate() {
        text += &line(event);
        if let Some(event) = missed.get(number) {
            text += &line(event);
            text += &line(event);
            text += "not a line of ours\n{\"time\":\n";
        }
    }
    text += "{\"time\":\"2026-01-01T0";
    std::fs::write(&lines, text).unwrap();
    let killed = place.killed();
    killed.write([]);
    assert_eq!(killed.sum(), 57);
    let blocked = "SELECT sum(count) FROM tallies WHERE decision = 'block'";
    assert_eq!(killed.number(blocked), 7);
    assert_eq!(killed.gaps(), [(None, "killed".to_owned())]);
    // The gap is what neither has: it begins where the lines end.
    let last = missed
        .iter()
        .chain(&written)
        .map(|event| gather::milliseconds(event.time))
        .max();
    assert!(killed.number("SELECT start FROM gaps") >= last.unwrap());
    killed.write([]);
    assert_eq!(killed.sum(), 57);
}

/// A second kill before anything was written changes nothing.
#[test]
fn two_kills_in_a_row() {
    let place = Place::new().lines();
    let (events, _writer) = place.start();
    let (written, missed) = (event(), event());
    events.offer(written.clone());
    until("written", || place.sum() == 1);
    std::fs::write(place.beside("audit.jsonl"), line(&written) + &line(&missed)).unwrap();
    let killed = place.killed();
    // As if killed right after it looked.
    let mut opening = opening::Opening::new(&killed.config, &killed.audit).unwrap();
    let opened = opening
        .open(gather::milliseconds(SystemTime::now()))
        .unwrap();
    assert_eq!(opened.items.len(), 1);
    let again = killed.killed();
    again.write([]);
    assert_eq!(again.sum(), 2);
}

/// The last run's lines are not taken in again after a clean end and a kill soon after.
#[test]
fn a_kill_right_after_a_start() {
    let place = Place::new().lines();
    let events: Vec<Event> = (0..20).map(|_| event()).collect();
    place.write(events.clone());
    let text: String = events.iter().map(line).collect();
    std::fs::write(place.beside("audit.jsonl"), text).unwrap();
    let (_events, _writer) = place.start();
    let killed = place.killed();
    killed.write([]);
    assert_eq!(killed.sum(), 20);
    assert_eq!(killed.gaps().len(), 1);
}

/// Lines are looked for from the file's end: a large one is not read whole.
#[test]
fn a_long_file_of_lines() {
    let place = Place::new().lines();
    let (events, _writer) = place.start();
    let old = ago(3_600);
    let filler = line(&old).repeat(12_000);
    let written = event();
    events.offer(written.clone());
    until("written", || place.sum() == 1);
    let missed: String = (0..9_000).map(|_| line(&event())).collect();
    std::fs::write(
        place.beside("audit.jsonl"),
        filler + &line(&written) + &missed,
    )
    .unwrap();
    let killed = place.killed();
    killed.write([]);
    assert_eq!(killed.sum(), 9_001);
}
