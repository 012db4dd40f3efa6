//! A configuration's text.
//!
//! Holds: the same text is read the same way; a refusal names at least one problem, each in one
//! line; a configuration that is accepted has no route whose upstream path cannot be filled in or
//! that an earlier one of its kind of host shadows, bounds that are not zero, and a warning by name
//! for every choice that weakens it.

use std::path::PathBuf;
use std::sync::LazyLock;

use tempfile::TempDir;
use tidegate::config::{Config, RouteKind, parse, warnings};
use tidegate::core::isolation::{OnNotEntra, OnUndetermined, Provider};
use tidegate::core::policy::Mode;

/// What a configuration may name: a directory of policies.
static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = TempDir::new().expect("a temporary directory");
    std::fs::create_dir(directory.path().join("policies")).expect("a directory");
    directory
});

/// Holds one text against what must hold of it.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if leads_outside(text) {
        return;
    }
    let file: PathBuf = DIRECTORY.path().join("tidegate.toml");
    match parse(text, &file) {
        Ok(config) => {
            assert!(parse(text, &file).is_ok(), "read once and not again");
            is_sound(&config);
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal says why");
            let again = parse(text, &file).expect_err("refused once and not again");
            assert_eq!(problems, again);
            for problem in problems {
                let line = problem.to_string();
                assert!(
                    !line.contains(char::is_control),
                    "more than one line: {line:?}"
                );
                assert!(
                    !problem.expected.is_empty() && !problem.found.is_empty(),
                    "{line}"
                );
            }
        }
    }
}

/// Files that are named are opened: a fuzzer shall not name any that matter.
fn leads_outside(text: &str) -> bool {
    ["..", "dev/", "proc/", "sys/", "\\u", "\\U", "\\x"]
        .iter()
        .any(|part| text.contains(part))
}

fn is_sound(config: &Config) {
    assert!(!config.routes.is_empty(), "a gateway without routes");
    assert!(config.listen.workers > 0);
    let limits = &config.limits;
    assert!(limits.in_flight > 0 && limits.connections > 0);
    assert!(limits.request_body > 0 && limits.reply_body > 0);
    for (index, route) in config.routes.iter().enumerate() {
        let sample = route.path.to_string().replace(['{', '}'], "");
        let captures = route.path.matches(&sample).expect("its own path");
        assert!(
            route.upstream_path.fill(&[&captures]).is_some(),
            "{}",
            route.name
        );
        let shadowed = config.routes[..index]
            .iter()
            .any(|earlier| earlier.host == route.host && earlier.path.covers(&route.path));
        assert!(!shadowed, "{} never matches", route.name);
        if let RouteKind::Token | RouteKind::Connection(_) = route.kind {
            let uninspected = config.routes[..index].iter().find(|earlier| {
                let inspects = matches!(earlier.kind, RouteKind::Token | RouteKind::Connection(_));
                let same_host = earlier.host.is_none() || earlier.host == route.host;
                !inspects && same_host && earlier.path.overlaps(&route.path)
            });
            assert!(
                uninspected.is_none(),
                "{} before {}",
                uninspected.map_or("", |it| &it.name),
                route.name
            );
        }
    }
    weakness_is_warned_of(config);
}

fn weakness_is_warned_of(config: &Config) {
    let warned = warnings(config);
    let warns = |key: &str| warned.iter().any(|warning| warning.key == key);
    assert!(config.mode == Mode::Enforce || warns("mode"));
    let everybody = config.trust.peers.iter().any(|network| network.prefix == 0);
    assert!(!everybody || warns("trust.peers"));
    let open = !config.listen.address.ip().is_loopback() && config.listen.tls.is_none();
    assert!(!open || warns("listen.insecure_plaintext"));
    for provider in config.providers() {
        let key = |word: &str| format!("providers.{}.{word}", provider.name);
        let plaintext = provider.endpoint.authority.scheme_str() != Some("https");
        assert!(
            !plaintext || warns(&key("insecure_plaintext")),
            "{warned:?}"
        );
        let undetermined = provider.undetermined == OnUndetermined::Allow;
        assert!(!undetermined || warns(&key("undetermined")), "{warned:?}");
        let passes = provider.kind == Provider::Other(OnNotEntra::Pass);
        assert!(!passes || warns(&key("non_entra")), "{warned:?}");
    }
}
