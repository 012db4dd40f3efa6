//! `fleet export`: etcd's policies into a directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::ExportArgs;
use crate::cli::Exit;
use crate::cli::cluster::Cluster;
use crate::cli::fault::Fault;
use crate::cli::output::{plural, print, tell_problems};
use crate::core::tenant::TenantId;
use crate::fleet::bulk::Found;
use crate::policies::document;

pub(super) fn run(args: &ExportArgs) -> Result<Exit, Fault> {
    let directory = &args.directory;
    let cluster = Cluster::of(&args.config)?;
    empty(directory)?;
    let (mut written, mut problems, mut failed) = (0_u64, Vec::new(), None);
    cluster.each(|found| match found {
        Found::Policy(tenant, kv) => {
            if failed.is_some() {
                return;
            }
            match write(directory, tenant, &kv.value) {
                Ok(()) => written += 1,
                Err(error) => failed = Some(error),
            }
            if let Err(faults) = document::parse(&kv.value, Some(tenant)) {
                problems.extend(cluster.problems(tenant, faults));
            }
        }
        Found::Stray(name) => problems.push(cluster.stray(&name)),
    })?;
    let failed = match failed {
        None => File::open(directory).and_then(|it| it.sync_all()).err(),
        failed => failed,
    };
    if let Some(error) = failed {
        let directory = directory.display();
        return Err(Fault::Failed(format!(
            "{directory}: {error}; it is not whole"
        )));
    }
    let text = format!("{} written\n", plural(written, "policy"));
    if problems.is_empty() {
        return Ok(print(&text, Exit::Done));
    }
    tell_problems(&problems);
    Ok(print(&text, Exit::Failed))
}

/// A directory that holds nothing.
fn empty(directory: &Path) -> Result<(), Fault> {
    let wrong = |why: &str| Fault::Wrong(format!("{}: {why}", directory.display()));
    match fs::create_dir(directory) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(wrong(&error.to_string())),
    }
    let mut there = fs::read_dir(directory).map_err(|error| wrong(&error.to_string()))?;
    match there.next() {
        None => Ok(()),
        Some(_) => Err(wrong("it is not empty")),
    }
}

fn write(directory: &Path, tenant: TenantId, text: &[u8]) -> io::Result<()> {
    let name = directory.join(format!("{tenant}.json"));
    let mut file = OpenOptions::new().write(true).create_new(true).open(name)?;
    file.write_all(text)?;
    file.sync_data()
}
