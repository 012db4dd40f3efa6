//! A file of audit records, or standard input, read to its end.
//!
//! Invariant: one line is held at a time; how far a file is read is shown on a terminal only.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::{Line, Lines};

/// Tells `visit` each line of a file (`-`: standard input) with its number, which begins at 1.
pub(super) fn each_line(
    path: &Path,
    mut visit: impl FnMut(u64, Line<'_>),
) -> Result<(), io::Error> {
    let (source, size): (Box<dyn Read>, _) = if path.as_os_str() == "-" {
        (Box::new(io::stdin().lock()), None)
    } else {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        (Box::new(file), Some(size))
    };
    let progress = progress(size);
    let source = BufReader::with_capacity(256 * 1024, progress.wrap_read(source));
    let mut lines = Lines::new(source);
    let mut number = 0_u64;
    let result = loop {
        match lines.next() {
            Ok(Some(line)) => {
                number += 1;
                visit(number, line);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    progress.finish_and_clear();
    result
}

fn progress(size: Option<u64>) -> ProgressBar {
    let target = ProgressDrawTarget::stderr();
    let progress = ProgressBar::with_draw_target(size, target);
    let template = match size {
        Some(_) => "{bar:40} {bytes}/{total_bytes}, {eta} left",
        None => "{spinner} {bytes}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => progress.with_style(style),
        Err(_) => progress,
    }
}
