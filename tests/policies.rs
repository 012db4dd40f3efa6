//! The policy directory while the gateway runs: every way a change can come, and every way a file
//! can be wrong.
//!
//! Nothing here sleeps for a fixed time: a condition is asked for again until it holds, and what
//! it took is printed (`cargo test --test policies -- --nocapture`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test tells what is wrong by failing there, and prints what it measured"
)]

#[path = "policies/broken.rs"]
mod broken;
#[path = "policies/changes.rs"]
mod changes;
#[path = "policies/documents.rs"]
mod documents;
#[path = "policies/logs.rs"]
mod logs;
#[path = "policies/outage.rs"]
mod outage;
#[path = "policies/processes.rs"]
mod processes;
#[path = "policies/size.rs"]
mod size;
#[path = "policies/versions.rs"]
mod versions;
#[path = "policies/write.rs"]
mod write;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tidegate::core::isolation::{OnUndetermined, Provider, Terms, Verdict, evaluate};
use tidegate::core::policy::{Isolation, Mode, Record, Snapshot};
use tidegate::core::tenant::TenantId;
use tidegate::policies::Policies;

/// The tenant whose file changes.
const CONTOSO: &str = "11111111-1111-4111-8111-11111111111a";
/// A tenant with a policy that stays as it is.
const FABRIKAM: &str = "22222222-2222-4222-8222-22222222222b";
/// A tenant without a policy.
const TAILSPIN: &str = "33333333-3333-4333-8333-33333333333c";

/// Far more than any change takes, on any machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    Allowed,
    Blocked,
    Unavailable,
}

use Gets::{Allowed, Blocked, Unavailable};

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// What Contoso's connections to Tailspin get: Contoso's policy alone decides.
fn contoso(policies: &Policies) -> Gets {
    outbound(&policies.snapshot(), CONTOSO)
}

fn outbound(snapshot: &Snapshot, creator: &str) -> Gets {
    let terms = Terms {
        mode: Mode::Enforce,
        absent: Isolation::Off,
        undetermined: OnUndetermined::Block,
        provider: Provider::Entra,
    };
    let decision = evaluate(Some(tenant(creator)), tenant(TAILSPIN), snapshot, terms, 0);
    match decision.verdict {
        Verdict::Allow(_) => Allowed,
        Verdict::Block => Blocked,
        Verdict::Unavailable => Unavailable,
        Verdict::PassNonEntra(_) | Verdict::WouldBlock(_) => panic!("{decision:?}"),
    }
}

/// The version of Contoso's policy.
fn in_force(policies: &Policies) -> Option<u64> {
    match policies.snapshot().get(tenant(CONTOSO)) {
        Record::Absent | Record::Unreadable => None,
        Record::Present(policy) => Some(policy.version.0),
    }
}

/// A policy of `id` that lets its connections out, or not.
fn policy(id: &str, out: Gets) -> String {
    let entries = match out {
        Allowed => r#"{"tenantId":"*","direction":{"inbound":false,"outbound":true}}"#,
        Blocked => "",
        Unavailable => panic!("no policy says so"),
    };
    format!(
        r#"{{"properties":{{"tenantId":"{id}","isDisabled":false,"allowedTenants":[{entries}]}}}}"#
    )
}

/// A policy directory in a place of its own, in which Contoso is blocked and Fabrikam allowed.
struct Place {
    temporary: tempfile::TempDir,
    dir: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().join("policies");
        fill(&dir, Blocked);
        Self { temporary, dir }
    }

    /// A path beside the policy directory, on the same file system.
    fn beside(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.dir.join(format!("{CONTOSO}.json"))
    }

    fn open(&self) -> Policies {
        logs::capture();
        Policies::open(&self.dir).unwrap()
    }
}

/// Makes a policy directory.
fn fill(dir: &Path, out: Gets) {
    fs::create_dir(dir).unwrap();
    fs::write(dir.join(format!("{CONTOSO}.json")), policy(CONTOSO, out)).unwrap();
    fs::write(
        dir.join(format!("{FABRIKAM}.json")),
        policy(FABRIKAM, Allowed),
    )
    .unwrap();
}

/// Asks until it is so, and says what it took.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        thread::park_timeout(Duration::from_millis(1));
    }
    println!("{:>8.1} ms: {what}", start.elapsed().as_secs_f64() * 1000.0);
}

/// Waits until Contoso gets this, while Fabrikam's policy, which nobody touched, acts throughout.
fn until_contoso(what: &str, policies: &Policies, gets: Gets) {
    until(what, || {
        let snapshot = policies.snapshot();
        assert_eq!(outbound(&snapshot, FABRIKAM), Allowed, "{what}");
        outbound(&snapshot, CONTOSO) == gets
    });
}
