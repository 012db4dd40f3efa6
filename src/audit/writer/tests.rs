//! Lines that are begun, that have no place, and that are offered to others.

use super::*;
use crate::metrics::Metrics;

#[test]
fn what_was_begun_of_a_line_is_kept_until_it_is_whole() {
    let mut started = Vec::new();
    let steps: [(&str, &str); 5] = [
        ("a\nbc", "bc"),
        ("", "bc"),
        ("d", "bcd"),
        ("\n", ""),
        ("e\n", ""),
    ];
    for (written, kept) in steps {
        begin(&mut started, written.bytes());
        assert_eq!(started, kept.as_bytes(), "{written:?}");
    }
}

/// The file has no place for the second line; whoever else wants it gets it.
#[test]
fn every_line_is_offered_once_whether_or_not_it_finds_a_place() {
    let metrics = Metrics::new();
    let audit = Audit {
        queue: Arc::new(Queue {
            logs: Some(Logs::unsent(&metrics)),
            ..Queue::default()
        }),
    };
    let waiting = || metrics.logs().queue.get();
    audit.write(&"one");
    assert_eq!((audit.dropped(), waiting()), (0, 1));
    audit.queue.lock().lines = vec![b' '; MOST];
    audit.write(&"two");
    assert_eq!((audit.dropped(), waiting()), (1, 2));
    audit.write_released(&"three");
    assert_eq!((audit.dropped(), waiting()), (2, 3));
}

#[test]
fn there_is_room_while_the_output_takes_lines() {
    let audit = Audit {
        queue: Arc::new(Queue::default()),
    };
    assert!(audit.has_room());
    audit.queue.lock().lines = vec![b' '; ROOM - 1];
    assert!(audit.has_room());
    // What is written is written whole, so the largest record has its place.
    audit.write(&"x".repeat(8 * 1024 * 1024));
    assert!(!audit.has_room());
    assert_eq!(audit.dropped(), 0);
    audit.queue.lock().lines.clear();
    audit.queue.failing.store(true, Ordering::Release);
    assert!(!audit.has_room());
}
