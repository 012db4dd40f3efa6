//! Work on many small files, spread over a few threads: most of it is waiting for the kernel.

use std::thread;

/// Below this many jobs a thread costs more than it saves.
const FEW: usize = 256;

/// More threads than this only wait for the same disk.
const MOST: usize = 8;

/// How much of the machine the work may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Several threads: somebody waits for it.
    Fast,
    /// One thread: nobody does, and exchanges are being served.
    Gentle,
}

/// Cuts the jobs into parts, works on each in a thread of its own, and returns what each brought,
/// in order.
pub(crate) fn by_parts<J: Sync, R: Send>(
    jobs: &[J],
    pace: Pace,
    work: impl Fn(&[J]) -> R + Sync,
) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = match pace {
        Pace::Fast if jobs.len() > FEW => cores.min(MOST),
        Pace::Fast | Pace::Gentle => 1,
    };
    if threads == 1 {
        return vec![work(jobs)];
    }
    thread::scope(|scope| {
        let parts = jobs.chunks(jobs.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|part| scope.spawn(|| work(part))).collect();
        let finished = running.into_iter().map(thread::ScopedJoinHandle::join);
        finished
            .map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_once_and_in_order() {
        for count in [0, 1, FEW, FEW + 1, 10_000] {
            let jobs: Vec<_> = (0..count).collect();
            let done: Vec<_> = by_parts(&jobs, Pace::Fast, <[usize]>::to_vec).concat();
            assert_eq!(done, jobs);
            assert_eq!(by_parts(&jobs, Pace::Gentle, <[usize]>::to_vec), [jobs]);
        }
    }
}
