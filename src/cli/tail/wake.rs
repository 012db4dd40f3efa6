//! What `tail` waits for: files that change, input, and the signal to end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Pieces of input that may wait to be shown.
const WAITING: usize = 16;

/// After a signal: how long an output that takes nothing is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something to do.
pub(super) enum Wake {
    /// Input: of which stream, and what.
    Bytes(usize, Vec<u8>),
    /// Some file changed.
    Changed,
    /// Time to end.
    End,
    /// A stream's end.
    Ended(usize, io::Result<()>),
}

pub(super) struct Wakes {
    sender: SyncSender<Wake>,
    receiver: Receiver<Wake>,
    /// None: the system refuses, and files are looked at now and then.
    watcher: Option<Mutex<RecommendedWatcher>>,
}

impl Wakes {
    /// Listens for the signals that end a program.
    pub(super) fn new() -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let told = sender.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let reads = |event: &notify::Event| matches!(event.kind, EventKind::Access(_));
            if !event.as_ref().is_ok_and(reads) {
                // If there is no room, somebody is awake.
                drop(told.try_send(Wake::Changed));
            }
        });
        end_on_signals(sender.clone())?;
        Ok(Self {
            sender,
            receiver,
            watcher: watcher.ok().map(Mutex::new),
        })
    }

    /// Wakes when something changes beside a file, which need not be there.
    pub(super) fn watch(&self, file: &Path) {
        let parent = file
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        if let Some(Ok(mut watcher)) = self.watcher.as_ref().map(Mutex::lock) {
            // Refused, it is looked at now and then.
            drop(watcher.watch(parent, RecursiveMode::NonRecursive));
        }
    }

    /// Reads a stream to its end; none is standard input.
    pub(super) fn read(&self, index: usize, stream: Option<File>) {
        let sender = self.sender.clone();
        // Not waited for: it may hang in a read when everything else has ended.
        thread::spawn(move || {
            let ended = match stream {
                Some(mut file) => pass_on(&mut file, index, &sender),
                None => pass_on(&mut io::stdin().lock(), index, &sender),
            };
            drop(sender.send(Wake::Ended(index, ended)));
        });
    }

    pub(super) fn wait(&self, patience: Duration) -> Result<Wake, RecvTimeoutError> {
        self.receiver.recv_timeout(patience)
    }
}

fn pass_on(source: &mut impl Read, index: usize, sender: &SyncSender<Wake>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(bytes) => {
                let bytes = buffer.get(..bytes).unwrap_or_default().to_vec();
                if sender.send(Wake::Bytes(index, bytes)).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn end_on_signals(sender: SyncSender<Wake>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        drop(sender.try_send(Wake::End));
        // Whoever should be woken may hang in a write.
        thread::sleep(PATIENCE);
        std::process::exit(0);
    });
    Ok(())
}

/// Whether whoever read standard output is gone.
pub(super) fn is_stdout_closed() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec::default();
    let found = poll(&mut asked, Some(&at_once));
    found.is_ok() && asked.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}
