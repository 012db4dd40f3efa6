//! The clock on a gateway's wall jumps two hours, either way, while it follows etcd.
//!
//! Needs libfaketime (Debian: faketime; word `faketime`), whose offset is a file: the clock on the
//! wall jumps and the one that nobody sets does not, as when somebody sets it.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;

use super::harness::{CONTOSO, Cluster, FABRIKAM, Gateway, Start, document, etcd, tenant, until};

/// Seconds.
const JUMP: i64 = 2 * 60 * 60;

/// Where Debian and its kin put the library.
fn library() -> Option<PathBuf> {
    let roots = fs::read_dir("/usr/lib").ok()?;
    let multiarch = roots.filter_map(|entry| Some(entry.ok()?.path()));
    let found = multiarch
        .chain(["/usr/lib".into(), "/usr/lib64".into()])
        .map(|root| root.join("faketime/libfaketimeMT.so.1"))
        .find(|file| file.exists());
    let required = std::env::var("TIDEGATE_TEST_REQUIRE").unwrap_or_default();
    assert!(
        found.is_some() || !required.split(',').any(|word| word == "faketime"),
        "libfaketime is required and not there"
    );
    if found.is_none() {
        println!("skipped: no libfaketime here (Debian: faketime)");
    }
    found
}

struct Stage {
    cluster: Cluster,
    library: PathBuf,
}

impl Stage {
    fn new() -> Option<Self> {
        if !etcd() {
            return None;
        }
        Some(Self {
            library: library()?,
            cluster: Cluster::start(1),
        })
    }

    /// A gateway whose clock is so many seconds off.
    fn gateway(&self, more: &str, offset: i64) -> Gateway {
        self.set(offset);
        let variables = [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        Gateway::start(
            &self.cluster,
            &Start {
                more,
                variables: variables.into(),
                ..Start::default()
            },
        )
    }

    fn file(&self) -> PathBuf {
        self.cluster.place.path().join("clock")
    }

    fn set(&self, offset: i64) {
        let draft = self.file().with_extension("draft");
        fs::write(&draft, format!("{offset:+}\n")).unwrap();
        fs::rename(draft, self.file()).unwrap();
    }
}

/// By how many seconds a time is not now.
fn off_by(time: &Value) -> i64 {
    let time: Timestamp = time.as_str().unwrap().parse().unwrap();
    time.duration_since(Timestamp::now()).as_secs()
}

#[test]
fn a_clock_that_jumps_makes_nothing_stale_and_nothing_fresh() {
    let Some(stage) = Stage::new() else { return };
    let on = document(CONTOSO, 0);
    let off = on.replace("false", "true");
    stage.cluster.put(tenant(CONTOSO), &on);
    let gateway = stage.gateway("max_age = \"1m\"", 0);
    until("it is On", || gateway.exchange() == 403);
    let figure = |name: &str| gateway.metric(&format!("tidegate_policy_source_{name}"));
    let (sessions, failures) = (figure("sessions_total"), figure("failures_total"));

    for offset in [JUMP, 0, -JUMP, JUMP, -JUMP, 0] {
        stage.set(offset);
        until("the clock jumps", || {
            gateway.exchange();
            (off_by(&gateway.last_record()["time"]) - offset).abs() < 60
        });
        // Staleness: what is confirmed every 2 s is of that age, whatever the clock says.
        assert_eq!(gateway.exchange(), 403);
        let age = gateway.last_record()["policy_source"]["age_ms"].as_u64();
        assert!(age < Some(60_000), "{age:?} at {offset:+}");
        assert_eq!(gateway.get("/readyz").0, 200);
        // The heartbeat goes on, and is believed.
        let beats = figure("beats_total");
        until("it beats", || {
            figure("beats_total") > beats.map(|it| it + 2.0)
        });
        assert!(figure("age_seconds") < Some(10.0));
        // What changes is in force.
        stage.cluster.put(tenant(CONTOSO), &off);
        until("it is Off", || gateway.exchange() == 502);
        stage.cluster.put(tenant(CONTOSO), &on);
        until("it is On", || gateway.exchange() == 403);
        // It is listed, and not behind.
        let mut told = Value::Null;
        let is_listed = |told: &mut Value| {
            let (exit, said) = gateway.run(&["fleet", "status", "--json"]);
            *told = serde_json::from_str(&said).unwrap_or_default();
            exit == 0 && (off_by(&told["gateways"][0]["told"]) - offset).abs() < 60
        };
        let told_cell = std::cell::RefCell::new(&mut told);
        until("it is listed", || is_listed(&mut told_cell.borrow_mut()));
        assert_eq!(told["gateways"].as_array().unwrap().len(), 1);
    }
    assert_eq!(
        (figure("sessions_total"), figure("failures_total")),
        (sessions, failures),
        "it is one conversation"
    );
    // And when etcd goes, time goes on: no clock brings it back.
    assert!(figure("connected") == Some(1.0));
}

/// What the cache says of its age is by the clock on the wall: one that jumped makes it older, or of no
/// age that anybody could tell; never younger than it is.
#[test]
fn a_clock_that_jumps_over_a_restart_makes_nothing_fresh() {
    let Some(mut stage) = Stage::new() else {
        return;
    };
    let revision = stage.cluster.put(tenant(CONTOSO), &document(CONTOSO, 0));
    stage.cluster.put(tenant(FABRIKAM), &document(FABRIKAM, 0));
    let gateway = stage.gateway("max_age = \"1h\"", 0);
    until("it is On", || gateway.exchange() == 403);
    until("it is kept", || {
        gateway.metric("tidegate_policy_cache_revision") > Some(revision as f64)
    });
    gateway.end();
    stage.cluster.kill_all();
    for (offset, status) in [(0, 403), (JUMP, 503), (-JUMP, 503), (0, 403)] {
        let gateway = stage.gateway("max_age = \"1h\"", offset);
        assert_eq!(gateway.exchange(), status, "at {offset:+} s");
        gateway.end();
        // Where no age is set, what is known is enforced, however old it seems.
        let gateway = stage.gateway("", offset);
        assert_eq!(gateway.exchange(), 403, "at {offset:+} s");
        gateway.end();
    }
}
