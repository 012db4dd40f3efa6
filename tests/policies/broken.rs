//! Every way a file can be wrong: the last good policy stays, and the first load refuses.

use super::*;

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

/// Puts something in a file's place that is no policy.
type Spoil = fn(&Path);

/// Ways to be wrong, with a word of the report.
const SPOILED: [(&str, &str, Spoil); 16] = [
    ("empty", "an empty file", |file| {
        fs::write(file, "").unwrap()
    }),
    ("truncated", "malformed JSON", |file| {
        let text = policy(CONTOSO, Allowed);
        fs::write(file, &text[..text.len() - 1]).unwrap();
    }),
    ("binary", "not UTF-8", |file| {
        fs::write(file, [0xde, 0xad, 0xbe, 0xef]).unwrap()
    }),
    ("UTF-16", "UTF-16", |file| {
        let text: Vec<u8> = policy(CONTOSO, Allowed)
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        fs::write(file, text).unwrap();
    }),
    ("byte order mark", "a byte order mark", |file| {
        fs::write(file, format!("\u{feff}{}", policy(CONTOSO, Allowed))).unwrap();
    }),
    ("YAML", "malformed JSON", |file| {
        fs::write(file, "a: &a [x,x]\nb: &b [*a,*a]\nproperties: [*b,*b]\n").unwrap();
    }),
    ("a list", "a list", |file| {
        fs::write(file, format!("[{}]", policy(CONTOSO, Allowed))).unwrap()
    }),
    ("deeply nested", "recursion limit", |file| {
        let text = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        fs::write(file, text).unwrap();
    }),
    ("another tenant's", "the text", |file| {
        fs::write(file, policy(FABRIKAM, Allowed)).unwrap()
    }),
    ("200 MB", "bytes", |file| {
        fs::File::create(file)
            .unwrap()
            .set_len(200 * 1024 * 1024)
            .unwrap();
    }),
    ("a directory", "a directory", |file| {
        fs::create_dir(file).unwrap()
    }),
    ("a named pipe", "a named pipe", |file| {
        rustix::fs::mkfifoat(rustix::fs::CWD, file, rustix::fs::Mode::RUSR).unwrap();
    }),
    ("a socket", "a socket", |file| {
        drop(UnixListener::bind(file).unwrap())
    }),
    ("a device", "a device", |file| {
        symlink("/dev/zero", file).unwrap()
    }),
    ("a link to nothing", "a link to nothing", |file| {
        symlink("nothing", file).unwrap()
    }),
    ("a circle of links", "symbolic", |file| {
        let _ = symlink("circle", file.with_file_name("circle"));
        symlink("circle", file).unwrap();
    }),
];

fn remove(file: &Path) {
    if fs::remove_file(file).is_err() {
        fs::remove_dir(file).unwrap();
    }
}

#[test]
fn the_last_good_policy_stays() {
    let place = Place::new();
    let policies = place.open();
    for (name, word, spoil) in SPOILED {
        // Exchanged, so that its absence is never seen.
        let spoiled = place.dir.join(".spoiled");
        let exchange = || {
            let (here, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
            rustix::fs::renameat_with(here, &spoiled, here, place.file(), flags).unwrap();
        };
        spoil(&spoiled);
        let failures = policies.stats().reload_failures;
        exchange();
        until(&format!("noticed: {name}"), || {
            assert_eq!(contoso(&policies), Blocked, "{name}");
            policies.stats().problems > 0
        });
        for problem in policies.problems() {
            assert_eq!(problem.file, place.file(), "{name}");
        }
        assert!(
            policies
                .problems()
                .iter()
                .any(|problem| problem.found.contains(word)),
            "{name}"
        );
        assert_eq!(policies.stats().reload_failures, failures + 1, "{name}");
        assert_eq!(policies.stats().unreadable, 0, "{name}");

        let reloads = policies.stats().reloads;
        policies.reload();
        until("looked at again", || policies.stats().reloads > reloads);
        assert_eq!(
            policies.stats().reload_failures,
            failures + 1,
            "{name}: told once"
        );

        exchange();
        until(&format!("mended: {name}"), || {
            policies.stats().problems == 0
        });
        remove(&spoiled);
    }
}

#[test]
fn without_a_last_good_policy_the_exchange_must_wait() {
    let place = Place::new();
    fs::remove_file(place.file()).unwrap();
    let policies = place.open();
    for (name, _, spoil) in SPOILED {
        assert_eq!(contoso(&policies), Allowed, "no record");
        spoil(&place.file());
        until_contoso(name, &policies, Unavailable);
        until("counted", || {
            policies.stats().unreadable == 1 && policies.stats().policies == 1
        });
        remove(&place.file());
        until_contoso("deleted: no record again", &policies, Allowed);
        until("nothing is wrong", || policies.stats().problems == 0);
    }
    fs::write(place.file(), "{").unwrap();
    until_contoso("broken", &policies, Unavailable);
    fs::write(place.file(), policy(CONTOSO, Blocked)).unwrap();
    until_contoso("mended", &policies, Blocked);
}

#[test]
fn the_first_load_refuses() {
    for (name, word, spoil) in SPOILED {
        let place = Place::new();
        remove(&place.file());
        spoil(&place.file());
        let start = Instant::now();
        let problems = Policies::open(&place.dir).map(|_| ()).unwrap_err();
        println!(
            "{:>8.1} ms: refused: {name}",
            start.elapsed().as_secs_f64() * 1000.0
        );
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{name} took {:?}",
            start.elapsed()
        );
        assert!(
            problems.iter().any(|problem| problem.found.contains(word)),
            "{name}: {problems:?}"
        );
    }
}

#[test]
fn the_first_load_tells_all_problems() {
    let place = Place::new();
    fs::write(
        place.file(),
        r#"{"properties":{"tenantId":"x","isDisabled":1}}"#,
    )
    .unwrap();
    fs::write(place.dir.join("contoso.com.json"), policy(CONTOSO, Allowed)).unwrap();
    let upper = place.dir.join(format!("{}.json", FABRIKAM.to_uppercase()));
    fs::write(&upper, policy(FABRIKAM, Allowed)).unwrap();
    fs::write(place.dir.join("README.md"), "not a policy").unwrap();
    fs::write(place.dir.join(".hidden.json"), "not a policy").unwrap();
    let told: Vec<_> = tidegate::policies::directory::load(&place.dir)
        .map(|_| ())
        .unwrap_err()
        .iter()
        .map(|problem| {
            format!(
                "{} {}",
                problem.file.file_name().unwrap().display(),
                problem.key
            )
        })
        .collect();
    let expected = [
        format!("{CONTOSO}.json properties.tenantId"),
        format!("{CONTOSO}.json properties.isDisabled"),
        format!("{}.json ", FABRIKAM.to_uppercase()),
        format!("{FABRIKAM}.json "),
        "contoso.com.json ".to_owned(),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_no_policy_is_ignored_and_listed() {
    let place = Place::new();
    for name in ["README.md", ".hidden.json", "old.json.bak"] {
        fs::write(place.dir.join(name), "{").unwrap();
    }
    fs::create_dir(place.dir.join("lost+found")).unwrap();
    let loaded = tidegate::policies::directory::load(&place.dir).unwrap();
    let mut ignored: Vec<_> = loaded
        .ignored
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    ignored.sort();
    assert_eq!(
        ignored,
        [".hidden.json", "README.md", "lost+found", "old.json.bak"]
    );
    let documents = tidegate::policies::directory::documents(&place.dir).unwrap();
    let tenants: Vec<_> = documents
        .iter()
        .map(|(tenant, _)| tenant.to_string())
        .collect();
    assert_eq!(tenants, [CONTOSO, FABRIKAM]);
}

#[test]
fn two_files_for_one_tenant_change_nothing() {
    let place = Place::new();
    let policies = place.open();
    let upper = place.dir.join(format!("{}.json", CONTOSO.to_uppercase()));
    fs::write(&upper, policy(CONTOSO, Allowed)).unwrap();
    until("both told", || policies.stats().problems == 2);
    assert_eq!(contoso(&policies), Blocked);
    fs::remove_file(place.file()).unwrap();
    until_contoso("one is left, and acts", &policies, Allowed);
    assert_eq!(policies.stats().problems, 0);
}

#[test]
fn a_name_that_is_no_tenant_is_told() {
    let place = Place::new();
    let policies = place.open();
    let stray = place.dir.join("contoso.com.json");
    fs::write(&stray, policy(CONTOSO, Allowed)).unwrap();
    until("told", || policies.stats().problems == 1);
    assert_eq!(contoso(&policies), Blocked);
    fs::remove_file(stray).unwrap();
    until("mended", || policies.stats().problems == 0);
}

#[test]
fn a_file_half_written_flips_no_decision() {
    use std::io::Write;
    let place = Place::new();
    let policies = place.open();
    let text = policy(CONTOSO, Blocked);
    for round in 0..5 {
        let mut file = fs::File::create(place.file()).unwrap();
        for part in text.as_bytes().chunks(text.len() / 3 + 1) {
            file.write_all(part).unwrap();
            if round == 0 {
                until("half written is told", || policies.stats().problems == 1);
            }
            assert_eq!(contoso(&policies), Blocked);
        }
        drop(file);
        until("whole", || {
            assert_eq!(contoso(&policies), Blocked);
            policies.stats().problems == 0
        });
    }
}
