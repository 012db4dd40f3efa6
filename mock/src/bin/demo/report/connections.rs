//! The table of connection routes.

use super::{by_policies, decision, verdict};
use crate::connections::judge::error;
use crate::connections::play::Played;
use crate::connections::{Creator, SignIn};
use crate::play::{Performance, text};
use crate::rows::name;
use crate::stage::Stage;

pub(super) fn table(rows: &[Played]) -> String {
    let header = [
        "creator's bearer",
        "sign-in token",
        "decision",
        "the client received",
        "service saw",
        "",
    ];
    let cells = |played: &Played| {
        [
            creator(played.case.creator),
            sign_in(played.case.sign_in),
            decided(played),
            received(played),
            seen(played),
            verdict(&played.problems),
        ]
    };
    let rows = rows.iter().map(|played| (played.policies, cells(played)));
    by_policies::table(header, rows)
}

/// What is not as documented about a row.
pub(super) fn problem(played: &Played) -> Option<String> {
    (!played.problems.is_empty()).then(|| {
        format!(
            "{} -> {} ({}): {}",
            creator(played.case.creator),
            sign_in(played.case.sign_in),
            played.policies,
            played.problems.join("; ")
        )
    })
}

/// Requests that the service saw beyond those of the rows, or did not see.
pub(super) fn unaccounted(performance: &Performance, stage: &Stage) -> Option<String> {
    let (saw, expected) = (stage.service.requests().count(), performance.forwarded);
    (saw != expected)
        .then(|| format!("the connection service saw {saw} requests instead of {expected}"))
}

fn creator(creator: Creator) -> String {
    match creator {
        Creator::Bearer(tenant) => name(tenant).to_owned(),
        Creator::Browser(tenant) => format!("{} (browser)", name(tenant)),
        Creator::OtherAudience(tenant) => format!("{}, not for us", name(tenant)),
    }
}

fn sign_in(sign_in: SignIn) -> String {
    match sign_in {
        SignIn::AzureDevOps => "Azure DevOps".to_owned(),
        SignIn::BrokenSignature(tenant) => format!("{}, tampered", name(tenant)),
        SignIn::None => "none".to_owned(),
        SignIn::User(tenant) => name(tenant).to_owned(),
    }
}

/// The decision; for errors the record's reason as well.
fn decided(played: &Played) -> String {
    let decision = decision(&played.record);
    match decision.as_str() {
        "error" => format!("error: {}", text(&played.record, "reason")),
        _ => decision,
    }
}

fn received(played: &Played) -> String {
    let status = played.received.status;
    let error = error(&played.received);
    let what = match (text(&error, "code"), played.received.is_page()) {
        ("", true) if status == 403 => "a page: blocked",
        ("", true) => "the service's page",
        ("", false) => "the connection",
        (code, _) => code,
    };
    format!("{status} {what}")
}

fn seen(played: &Played) -> String {
    match played.seen.as_slice() {
        [] => "nothing".to_owned(),
        [one] => format!("{} bytes", one.body.len()),
        more => format!("{} requests", more.len()),
    }
}
