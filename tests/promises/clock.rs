//! Promise 10: the system's clock jumps two hours, either way, while the gateway runs.
//!
//! The real binary runs under libfaketime, whose offset is a file: the system's clock jumps, the
//! monotonic clock does not, as when somebody sets it. What is allowed after a jump must have been
//! allowed at the true time as well.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::frame::{Figure, Scale};
use crate::harness::{CONTOSO, FABRIKAM, Outcome, PERSONAL, Policy, Setup, World, until};

/// Seconds of a jump.
const JUMP: i64 = 2 * 60 * 60;

/// A word for `TIDEGATE_TEST_REQUIRE`.
const WORD: &str = "faketime";

/// Tries it.
pub(crate) async fn prove(scale: Scale) -> Vec<Figure> {
    let Some(library) = library() else {
        let required = std::env::var("TIDEGATE_TEST_REQUIRE").unwrap_or_default();
        let why = "libfaketime is not installed (Debian: faketime)";
        if required.split(',').any(|word| word == WORD) {
            return vec![Figure::new(WORD, why, "installed", false)];
        }
        return vec![Figure::skipped("clock jumps", why)];
    };
    let mut tried = Tried::default();
    let rounds = scale.pick(1, 5);
    for _ in 0..rounds {
        for jumps in [
            &[JUMP, 0, -JUMP, 0][..],
            &[-JUMP, 0, JUMP, 0],
            &[JUMP, -JUMP, JUMP],
        ] {
            one_run(library.clone(), jumps.to_vec(), &mut tried).await;
        }
    }
    tried.figures()
}

/// What came of all questions.
#[derive(Default)]
struct Tried {
    jumps: usize,
    decisions: usize,
    wrong: Vec<String>,
    lost: Vec<String>,
    fetches: usize,
    runs: usize,
}

impl Tried {
    fn figures(self) -> Vec<Figure> {
        let Self {
            jumps,
            decisions,
            wrong,
            lost,
            fetches,
            runs,
        } = self;
        let said = |list: &[String]| match list.first() {
            None => "0".to_owned(),
            Some(first) => format!("{}: {first}", list.len()),
        };
        vec![
            Figure::new(
                "jumps of two hours, decisions after them",
                format!("{jumps}, {decisions}"),
                "some",
                jumps > 0 && decisions > jumps,
            ),
            Figure::new("wrong allows", said(&wrong), "0", wrong.is_empty()),
            Figure::new("good exchanges lost", said(&lost), "0", lost.is_empty()),
            Figure::new(
                "fetches of keys beside the first, in all runs",
                fetches,
                format!("at most {runs}"),
                fetches <= runs,
            ),
        ]
    }

    fn judge(&mut self, what: &str, offset: i64, outcome: &Outcome, wanted: Wanted) {
        self.decisions += 1;
        let allowed = outcome.record["decision"] == "allow" && outcome.answer.status < 400;
        let told = || format!("{what} at {offset:+} s: {}", outcome.record);
        match (wanted, allowed) {
            (Wanted::Never, true) => self.wrong.push(told()),
            (Wanted::Always, false) => self.lost.push(told()),
            (Wanted::Always | Wanted::Maybe, true) | (Wanted::Never | Wanted::Maybe, false) => {}
        }
    }
}

/// What must become of an exchange, by the true time.
#[derive(Clone, Copy)]
enum Wanted {
    /// It is allowed, however the clock jumps.
    Always,
    /// It is allowed at the true time; a clock that is wrong may keep it out.
    Maybe,
    /// It is not allowed.
    Never,
}

async fn one_run(library: PathBuf, jumps: Vec<i64>, tried: &mut Tried) {
    let world = World::start(setup(&library)).await;
    // Signed while the clock is right, and remembered by the gateway where they are good.
    let now = |seconds: i64| move |token: tidegate_mock::Token| token.expires_in(seconds).build();
    let tokens = [
        (
            "a token from three hours ago",
            now(10 * 3600)(world.sign_in(CONTOSO).valid_in(-3 * 3600)),
            Wanted::Always,
        ),
        (
            "a token from just now",
            now(10 * 3600)(world.sign_in(CONTOSO)),
            Wanted::Maybe,
        ),
        (
            "a token of one hour",
            now(3600)(world.sign_in(CONTOSO)),
            Wanted::Maybe,
        ),
        (
            "a token expired an hour ago",
            now(-3600)(world.sign_in(CONTOSO)),
            Wanted::Never,
        ),
        (
            "a token expired five minutes ago",
            now(-300)(world.sign_in(CONTOSO)),
            Wanted::Never,
        ),
        (
            "a token not valid for an hour",
            world
                .sign_in(CONTOSO)
                .expires_in(10 * 3600)
                .valid_in(3600)
                .build(),
            Wanted::Never,
        ),
        (
            "a token not valid for five minutes",
            world
                .sign_in(CONTOSO)
                .expires_in(10 * 3600)
                .valid_in(300)
                .build(),
            Wanted::Never,
        ),
    ];
    let creator = world.creator(CONTOSO).valid_in(-3 * 3600);
    let creator = creator.expires_in(10 * 3600).build();
    for offset in std::iter::once(0).chain(jumps) {
        set(&world, offset).await;
        if offset != 0 {
            tried.jumps += 1;
        }
        for (what, token, wanted) in &tokens {
            // At the true time, what may pass does.
            let wanted = match (wanted, offset) {
                (Wanted::Maybe, 0) => Wanted::Always,
                (wanted, _) => *wanted,
            };
            let creation = world.creation(CONTOSO, CONTOSO).bearer(&creator);
            let created = creation.json_token(token).send().await;
            tried.judge(what, offset, &created, wanted);
        }
        for (what, tenant, wanted) in [
            (
                "an entry that does not expire",
                crate::harness::NORTHWIND,
                Wanted::Always,
            ),
            ("an entry that ended an hour ago", FABRIKAM, Wanted::Never),
            (
                "an entry that ends in an hour",
                PERSONAL,
                if offset == 0 {
                    Wanted::Always
                } else {
                    Wanted::Maybe
                },
            ),
        ] {
            let outcome = world.exchange(CONTOSO, tenant).send().await;
            tried.judge(what, offset, &outcome, wanted);
        }
    }
    // A jump is no reason to ask for keys, nor to ask again before the cooldown ends.
    let unknown = world.sign_in(CONTOSO).kid("nobody-knows-it").build();
    for _ in 0..4 {
        set(
            &world,
            if tried.decisions.is_multiple_of(2) {
                JUMP
            } else {
                -JUMP
            },
        )
        .await;
        let creation = world.creation(CONTOSO, CONTOSO).bearer(&creator);
        let created = creation.json_token(&unknown).send().await;
        tried.judge("a token of an unknown key", JUMP, &created, Wanted::Never);
    }
    set(&world, 0).await;
    tried.fetches += world.idp.requests().key_fetches();
    tried.runs += 1;
    world.finish().await;
}

/// Contoso is isolated, with entries that end at the times in question.
fn setup(library: &std::path::Path) -> Setup {
    let ends = |seconds: i64| (Timestamp::now() + SignedDuration::from_secs(seconds)).to_string();
    let mut policy = Policy::on(CONTOSO)
        .outbound(FABRIKAM)
        .outbound(PERSONAL)
        .outbound(crate::harness::NORTHWIND);
    policy.entry_member(0, "expiresOn", ends(-3600));
    policy.entry_member(1, "expiresOn", ends(3600));
    let mut setup = Setup::connections().policy(policy);
    setup.under = [
        "env".to_owned(),
        format!("LD_PRELOAD={}", library.display()),
        "FAKETIME_TIMESTAMP_FILE={}/clock".to_owned(),
        "FAKETIME_NO_CACHE=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
    ]
    .into();
    setup
}

/// Sets the gateway's clock so many seconds off, and waits until its records show it.
async fn set(world: &World, offset: i64) {
    let file = world.directory.path().join("clock");
    let draft = file.with_extension("draft");
    std::fs::write(&draft, format!("{offset:+}\n")).unwrap();
    std::fs::rename(draft, file).unwrap();
    until("the clock jumps", async || {
        let outcome = world.exchange(CONTOSO, CONTOSO).send().await;
        let time: Timestamp = text(&outcome.record["time"]).parse().unwrap();
        let is = time.duration_since(Timestamp::now()).as_secs();
        if (is - offset).abs() < 60 {
            return Some(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        None
    })
    .await;
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Where Debian and its kin put it.
fn library() -> Option<PathBuf> {
    let roots = std::fs::read_dir("/usr/lib").ok()?;
    let multiarch = roots.filter_map(|entry| Some(entry.ok()?.path()));
    multiarch
        .chain(["/usr/lib".into(), "/usr/lib64".into()])
        .map(|root| root.join("faketime/libfaketimeMT.so.1"))
        .find(|file| file.exists())
}
