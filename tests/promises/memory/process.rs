//! What the system tells of a process.

use std::fs;
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
    let of = |task: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ')
            .next()?
            .parse()
            .ok()
            .map(Duration::from_nanos)
    };
    tasks.filter_map(of).sum()
}
