//! What the system tells of a process.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Its resident memory and the most it ever was, in bytes.
pub(super) fn memory(pid: u32) -> (usize, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kibibytes.expect(name).parse::<usize>().unwrap() * 1024
    };
    (value("VmRSS:"), value("VmHWM:"))
}

/// The processor time it has used.
pub(super) fn processor_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.filter_map(|task| of(&task.ok()?.path())).sum()
}

/// The processor time that the thread which asks has used.
pub(super) fn processor_time_here() -> Duration {
    of(Path::new("/proc/thread-self")).unwrap()
}

/// The processor time of one thread; none if it has ended.
fn of(thread: &Path) -> Option<Duration> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
