//! Promise 12: it runs as nobody, with no capabilities, where nothing can be written, and asks of
//! the kernel only what a service may.

mod supply;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::frame::{Figure, Scale};
use crate::harness::{CONTOSO, FABRIKAM, Policy, Setup, World};

/// The user of the container image: nobody's, and without a name.
const NOBODY: u32 = 65532;

const UNIT: &str = "deploy/systemd/tidegate.service";

/// Where the shipped unit says that the program is.
const INSTALLED: &str = "/usr/local/bin/tidegate";

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let mut figures = vec![unit()];
    figures.extend(supply::prove(scale));
    let confined =
        rustix::process::geteuid().is_root() && there_is("setpriv") && there_is("unshare");
    if confined {
        figures.extend(nobody().await);
        figures.push(system_calls().await);
    } else {
        let why = "needs a superuser, setpriv and unshare";
        figures.push(Figure::skipped("as nobody, nothing writable", why));
    }
    figures
}

/// What systemd thinks of the shipped unit: 0 is confined, 10 is not.
fn unit() -> Figure {
    const WHAT: &str = "the systemd unit: valid, and its exposure";
    if !there_is("systemd-analyze") {
        return Figure::skipped(WHAT, "needs systemd-analyze");
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("tidegate.service");
    let text = fs::read_to_string(unit_file()).unwrap();
    assert!(text.contains(INSTALLED));
    // Its program need not be installed here.
    fs::write(&unit, text.replace(INSTALLED, "/bin/true")).unwrap();
    let verified = run("systemd-analyze", &["verify", unit.to_str().unwrap()]);
    let complaints = String::from_utf8_lossy(&verified.stderr).into_owned();
    let looked = [
        "security",
        "--offline=yes",
        "--no-pager",
        unit.to_str().unwrap(),
    ];
    let looked = run("systemd-analyze", &looked);
    let looked = String::from_utf8_lossy(&looked.stdout).into_owned();
    let exposure = looked
        .lines()
        .rev()
        .find_map(|line| line.split("tidegate.service:").nth(1))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<f32>().ok());
    let Some(exposure) = exposure else {
        return Figure::skipped(WHAT, "this systemd does not look at units that do not run");
    };
    let sound = verified.status.success() && complaints.is_empty();
    let measured = format!("{exposure}, {}", if sound { "valid" } else { &complaints });
    Figure::new(
        WHAT,
        measured,
        "2.0 at most, valid",
        sound && exposure <= 2.0,
    )
}

/// The gateway as nobody: without capabilities, on a root that is read-only.
async fn nobody() -> Vec<Figure> {
    let world = World::start(setup(&[])).await;
    let pid = world.gateway.pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split(':').nth(1));
        value
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let nobody = [NOBODY; 4].map(|id| id.to_string()).join(" ");
    let none = "0".repeat(16);
    let root = read_only_root(pid);
    let allowed = world.exchange(CONTOSO, CONTOSO).send().await;
    allowed.allowed("same_tenant");
    let blocked = world.exchange(CONTOSO, FABRIKAM).send().await;
    blocked.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    let ids = (field("Uid"), field("Gid"));
    let capabilities = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(field);
    let figures = vec![
        Figure::new(
            "user and group",
            format!("{}, {}", ids.0, ids.1),
            NOBODY,
            ids == (nobody.clone(), nobody),
        ),
        Figure::new(
            "capabilities, of all five sets",
            capabilities.iter().filter(|set| **set != none).count(),
            "0",
            capabilities.iter().all(|set| *set == none),
        ),
        Figure::new(
            "no new privileges",
            field("NoNewPrivs"),
            "1",
            field("NoNewPrivs") == "1",
        ),
        Figure::new("root file system", &root, "read-only", root == "read-only"),
        Figure::new("decides there: allowed, blocked", "1, 1", "1, 1", true),
    ];
    world.finish().await;
    figures
}

/// The system calls of a gateway that starts, decides, reads a policy again and drains.
async fn system_calls() -> Figure {
    const WHAT: &str = "system calls that the unit does not permit";
    if !there_is("strace") || !there_is("systemd-analyze") {
        return Figure::skipped(WHAT, "needs strace and systemd-analyze");
    }
    // The tracer steps aside (-D), so that the gateway keeps its process id.
    let strace = ["strace", "-D", "-f", "-qq", "-o", "{}/system-calls", "--"];
    let mut world = World::start(setup(&strace)).await;
    world
        .exchange(CONTOSO, CONTOSO)
        .send()
        .await
        .allowed("same_tenant");
    let blocked = world.exchange(CONTOSO, FABRIKAM).send().await;
    blocked.blocked("outbound_block", &[(CONTOSO, "outbound")]);
    world.signal(rustix::process::Signal::HUP);
    world.signal(rustix::process::Signal::TERM);
    let status = world.gateway.ended().await;
    assert!(status.success(), "{status}");
    let trace = fs::read_to_string(world.directory.path().join("system-calls")).unwrap();
    let used = used(&trace);
    assert!(
        used.contains("epoll_wait") && used.contains("accept4"),
        "{used:?}"
    );
    let outside: Vec<_> = used.difference(&permitted()).cloned().collect();
    let measured = format!(
        "{} of {}: {}",
        outside.len(),
        used.len(),
        outside.join(", ")
    );
    let measured = measured.trim_end_matches(": ");
    Figure::new(WHAT, measured, "0", outside.is_empty())
}

/// A gateway from which everything is taken away before it becomes `rest` and then itself. Only the
/// world's directory can be written.
fn setup(rest: &[&str]) -> Setup {
    let script = format!(
        "chown -R {NOBODY}:{NOBODY} \"$0\" && mount --make-rprivate / && mount --bind \"$0\" \"$0\" && \
         mount -o remount,bind,ro / && exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups \
         --inh-caps=-all --bounding-set=-all --no-new-privs -- \"$@\""
    );
    let mut words = vec!["unshare", "--mount", "--", "sh", "-c", &script, "{}"];
    words.extend(rest);
    let mut setup = Setup::new().policy(Policy::on(CONTOSO));
    setup.under = words.into_iter().map(str::to_owned).collect();
    setup
}

fn read_only_root(pid: u32) -> String {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let options = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        (fields[4] == "/").then(|| fields[5].to_owned())
    });
    match options {
        Some(options) if options.split(',').any(|option| option == "ro") => "read-only".to_owned(),
        Some(options) => options,
        None => "none".to_owned(),
    }
}

/// The names of the calls in what strace wrote: `4711 openat(AT_FDCWD, ...`.
fn used(trace: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let call = line.split_once(' ')?.1.trim_start();
        let call = call.strip_prefix("<... ").unwrap_or(call);
        let end = call.find(['(', ' '])?;
        let name = &call[..end];
        let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        (!name.is_empty() && name.bytes().all(sound)).then(|| name.to_owned())
    };
    trace.lines().filter_map(name).collect()
}

/// What the shipped unit permits, after this system's own lists.
fn permitted() -> BTreeSet<String> {
    let listed = run("systemd-analyze", &["syscall-filter", "--no-pager"]);
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut set = String::new();
    for line in String::from_utf8(listed.stdout).unwrap().lines() {
        let word = line.trim();
        if line.starts_with('@') {
            word.clone_into(&mut set);
        } else if !word.is_empty() && !word.starts_with('#') {
            sets.entry(set.clone()).or_default().push(word.to_owned());
        }
    }
    let unit = fs::read_to_string(unit_file()).unwrap();
    let mut all = BTreeSet::new();
    for filter in unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
    {
        let (names, withdrawn) = match filter.strip_prefix('~') {
            Some(names) => (names, true),
            None => (filter, false),
        };
        for call in names.split(' ').flat_map(|name| calls(&sets, name)) {
            if withdrawn {
                all.remove(&call);
            } else {
                all.insert(call);
            }
        }
    }
    assert!(all.contains("epoll_wait"), "{all:?}");
    all
}

/// The calls of a set, or the one call of this name.
fn calls(sets: &BTreeMap<String, Vec<String>>, name: &str) -> BTreeSet<String> {
    match sets.get(name) {
        Some(members) => members.iter().flat_map(|name| calls(sets, name)).collect(),
        None => BTreeSet::from([name.to_owned()]),
    }
}

/// The unit as it is shipped.
fn unit_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(UNIT)
}

fn there_is(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    found.is_ok_and(|found| found.status.success())
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}
