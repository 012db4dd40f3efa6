//! `explain`: how the rule decides about one pair of tenants now, and what each policy says.
//!
//! Invariant: the decision is [`evaluate`]'s own, on a snapshot of the same files that `serve`
//! reads; only the words around it come from here.

mod report;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use self::report::Report;
use super::fault::Fault;
use super::output::print;
use super::tenants::{Tenants, told};
use super::{Exit, ExplainArgs, find};
use crate::config;
use crate::core::isolation::{OnUndetermined, Provider, Terms, Verdict, evaluate};
use crate::core::policy::{Isolation, Mode, UnixSeconds};
use crate::policies::directory;

pub(super) fn run(args: &ExplainArgs) -> Exit {
    match explain(args) {
        Ok((text, exit)) => print(&text, exit),
        Err(fault) => fault.tell(),
    }
}

fn explain(args: &ExplainArgs) -> Result<(String, Exit), Fault> {
    let (directory, mode, absent) = policies(args)?;
    let loaded = directory::load(&directory).map_err(Fault::Problems)?;
    let documents = directory::documents(&directory).map_err(Fault::Problems)?;
    let tenants = Tenants::of(&documents);
    let mut stored = Vec::new();
    let mut find = |option: &str, text: &str| {
        let sentence = |error| Fault::Wrong(format!("{option}: {error}"));
        let named = tenants.find(text).map_err(sentence)?;
        stored.extend(named.stored);
        Ok::<_, Fault>(named.tenant)
    };
    let creator = args
        .creator
        .as_deref()
        .map(|text| find("--creator", text))
        .transpose()?;
    let sign_in = find("--sign-in", &args.sign_in)?;

    let terms = Terms {
        mode,
        absent,
        // Neither matters here: both tenants are known.
        undetermined: OnUndetermined::Block,
        provider: Provider::Entra,
    };
    let now = now();
    let decision = evaluate(creator, sign_in, &loaded.snapshot, terms, now);
    let exit = match decision.verdict {
        Verdict::Allow(_) | Verdict::PassNonEntra(_) | Verdict::WouldBlock(_) => Exit::Done,
        Verdict::Block => Exit::Blocked,
        Verdict::Unavailable => Exit::Wrong,
    };
    let report = Report::of(&decision, creator, sign_in, &tenants, &documents, now);
    Ok((told(&report, &stored, args.json), exit))
}

/// The policies to read, and what the configuration says of all of them.
fn policies(args: &ExplainArgs) -> Result<(PathBuf, Mode, Isolation), Fault> {
    if let Some(directory) = &args.policies {
        return Ok((directory.clone(), Mode::Enforce, Isolation::Off));
    }
    let file = find::config(&args.config).map_err(|searched| {
        Fault::Wrong(format!(
            "{searched}; --policies names a policy directory alone"
        ))
    })?;
    let config = config::load(&file).map_err(Fault::Problems)?;
    Ok((
        config
            .policies
            .directory()
            .map_err(Fault::Wrong)?
            .to_owned(),
        config.mode,
        config.policies.absent,
    ))
}

fn now() -> UnixSeconds {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixSeconds::try_from(since.as_secs()).unwrap_or(UnixSeconds::MAX)
}
