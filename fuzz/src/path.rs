//! A path, and the template of a route's paths.
//!
//! Holds: matching agrees with a slow reference; what matches and is filled in again is the path;
//! two templates overlap and cover each other only as a path shows; and a path that is screened as
//! plain is the same path to every server, however it decodes and folds.
//!
//! Input: a template, another one, a path; a line each.

use http::Request;
use tidegate::config::Template;
use tidegate::headers::screen;

use super::careless;

/// Holds two templates and a path against what must hold of them.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (one, other, path) = (line(), line(), line());
    is_plain_if_screened(path);
    let Ok(template) = Template::parse(one) else {
        return;
    };
    assert_eq!(template.to_string(), one, "written as it was read");
    matches_like_the_slow(&template, one, path);
    let Ok(second) = Template::parse(other) else {
        return;
    };
    let (here, there) = (template.matches(path), second.matches(path));
    assert_eq!(template.overlaps(&second), second.overlaps(&template));
    if here.is_some() && there.is_some() {
        assert!(template.overlaps(&second), "{one} and {other}: {path:?}");
    }
    if template.covers(&second) {
        assert!(template.overlaps(&second));
        assert!(
            there.is_none() || here.is_some(),
            "{one} covers {other}: {path:?}"
        );
    }
}

fn matches_like_the_slow(template: &Template, text: &str, path: &str) {
    let wanted: Vec<&str> = text.split('/').collect();
    let found: Vec<&str> = path.split('/').collect();
    let is_named = |segment: &str| segment.starts_with('{');
    let slow = wanted.len() == found.len()
        && wanted
            .iter()
            .zip(&found)
            .enumerate()
            .all(|(index, (wanted, found))| match (index, is_named(wanted)) {
                (0, _) => found.is_empty(),
                (_, true) => !found.is_empty(),
                (_, false) => wanted.eq_ignore_ascii_case(found),
            });
    let fast = template.matches(path);
    assert_eq!(slow, fast.is_some(), "{text} and {path:?}");
    let Some(captures) = fast else { return };
    for (wanted, found) in wanted
        .iter()
        .zip(&found)
        .filter(|(wanted, _)| is_named(wanted))
    {
        let name = wanted.trim_matches(['{', '}']);
        assert_eq!(captures.get(name), Some(*found));
    }
    let filled = template.fill(&[&captures]).expect("every name is there");
    assert!(filled.eq_ignore_ascii_case(path), "{filled} from {path:?}");
}

/// A path that passes the screen means the same to every server.
fn is_plain_if_screened(target: &str) {
    let request = Request::builder()
        .uri(target)
        .header("host", "gateway.example");
    let Ok(request) = request.body(()) else {
        return;
    };
    let (head, ()) = request.into_parts();
    if head.uri.authority().is_some() || screen(&head).is_err() {
        return;
    }
    let path = head.uri.path();
    assert_eq!(folded(path), path, "read in two ways");
    assert!(!path.contains([';', '\\', '%', '#', '?']), "{path:?}");
}

/// A path as a server sees it that decodes twice, takes backslashes for slashes, cuts parameters
/// and folds empty and dot segments.
fn folded(path: &str) -> String {
    let decoded = careless::unpercented(
        &careless::unpercented(&path.replace('+', "%2b")).replace('+', "%2b"),
    );
    let slashes = decoded.replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in slashes.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            plain => segments.push(plain),
        }
    }
    let end = if slashes.ends_with('/') && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", segments.join("/"))
}
