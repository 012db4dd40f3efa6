//! Files of audit records, or standard input, read to their ends one after the other.
//!
//! Invariant: one line is held at a time, of compressed files too; how far they are read is shown on
//! a terminal only.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::fault::Fault;
use super::lines::{Line, Lines};
use crate::problem::visible;

/// How a file begins that gzip made (RFC 1952, 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];

const BUFFER: usize = 256 * 1024;

/// Files on their way.
pub(super) struct Sources<'p> {
    paths: &'p [PathBuf],
    progress: ProgressBar,
}

impl<'p> Sources<'p> {
    /// Files (`-`: standard input). Nothing is read yet.
    ///
    /// # Errors
    /// Some are not there, or are directories: all of them are named, before hours go into the others.
    pub(super) fn of(paths: &'p [PathBuf]) -> Result<Self, Fault> {
        let (mut size, mut faults) = (Some(0_u64), Vec::new());
        for path in paths {
            match length(path) {
                Ok(length) => {
                    size = size
                        .zip(length)
                        .map(|(size, more)| size.saturating_add(more))
                }
                Err(error) => {
                    let path = visible(&path.to_string_lossy());
                    faults.push(format!("{path}: {error}"));
                }
            }
        }
        if !faults.is_empty() {
            return Err(Fault::Failed(faults.join("\n")));
        }
        let progress = progress(size);
        Ok(Self { paths, progress })
    }

    /// Tells `visit` each line of each file with its number, which begins at 1. An error ends its file:
    /// what comes after the line before is not known.
    pub(super) fn each_line(self, mut visit: impl FnMut(&Path, u64, io::Result<Line<'_>>)) {
        let files = self.paths.len();
        for (path, file) in self.paths.iter().zip(1_usize..) {
            if files > 1 {
                self.progress
                    .set_message(format!(", file {file} of {files}"));
            }
            let mut number = 0;
            let read = self.read(path, |line| {
                number += 1;
                visit(path, number, Ok(line));
            });
            if let Err(error) = read {
                visit(path, number + 1, Err(error));
            }
        }
        self.progress.finish_and_clear();
    }

    fn read(&self, path: &Path, mut visit: impl FnMut(Line<'_>)) -> io::Result<()> {
        let mut lines = Lines::new(self.open(path)?);
        while let Some(line) = lines.next()? {
            visit(line);
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn BufRead>> {
        let source: Box<dyn Read> = if is_standard_input(path) {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(path)?)
        };
        let source = self.progress.wrap_read(source);
        let mut source = BufReader::with_capacity(BUFFER, source);
        Ok(if source.fill_buf()?.starts_with(GZIP) {
            // What is rotated may have been compressed in parts.
            let plain = MultiGzDecoder::new(source);
            Box::new(BufReader::with_capacity(BUFFER, plain))
        } else {
            Box::new(source)
        })
    }
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// How long a file is; none: nobody knows, as of a pipe.
fn length(path: &Path) -> io::Result<Option<u64>> {
    if is_standard_input(path) {
        return Ok(None);
    }
    let known = fs::metadata(path)?;
    if known.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "is a directory; expected its files",
        ));
    }
    Ok(known.is_file().then_some(known.len()))
}

fn progress(size: Option<u64>) -> ProgressBar {
    // Hidden unless standard error is a terminal.
    let target = ProgressDrawTarget::stderr();
    let progress = ProgressBar::with_draw_target(size, target);
    let template = match size {
        Some(_) => "{bar:40} {bytes}/{total_bytes}{msg}, {eta} left",
        None => "{spinner} {bytes}{msg}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => progress.with_style(style),
        Err(_) => progress,
    }
}
