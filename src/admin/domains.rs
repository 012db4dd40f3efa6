//! Domains in a document that is to be written: each is resolved, or the document is refused.
//!
//! Invariant: what comes out names ids only, and is whole: one domain that cannot be resolved, for
//! whatever reason, keeps the document out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::fault::Fault;
use crate::policies::document::{self, Draft, Unresolved};
use crate::resolve::{ResolveError, Resolved, Resolver};

/// Domains that one document may name.
const MOST: usize = 50;

/// All questions of one document together.
const PATIENCE: Duration = Duration::from_secs(20);

const EXPECTED: &str = "a tenant id, `*`, or a domain of a tenant in the provider's cloud";

type Answers = HashMap<String, Result<Resolved, ResolveError>>;

/// The text to store.
pub(super) async fn resolve(
    draft: Draft,
    resolver: Option<&Arc<Resolver>>,
) -> Result<Vec<u8>, Fault> {
    let names = draft.unresolved().iter().map(|it| it.domain.clone());
    let names: BTreeSet<String> = names.collect();
    if names.len() > MOST {
        return Err(Fault::Document(vec![document::Fault {
            key: "properties.allowedTenants".to_owned(),
            found: format!("{} domains", names.len()),
            expected: format!("at most {MOST} in one document; the rest by their tenants' ids"),
        }]));
    }
    let answers = match resolver {
        Some(resolver) => ask(names, resolver).await,
        None => HashMap::new(),
    };
    let mut for_good = Vec::new();
    let mut for_now = Vec::new();
    for entry in draft.unresolved() {
        match answers.get(&entry.domain) {
            Some(Ok(_)) => {}
            Some(Err(error)) if error.is_final() => for_good.push(fault(entry, &error.to_string())),
            Some(Err(error)) => for_now.push(fault(entry, &error.to_string())),
            None if resolver.is_none() => {
                let why = "a domain, and no provider is configured that could tell its tenant";
                for_good.push(fault(entry, why));
            }
            None => for_now.push(fault(
                entry,
                "a domain that could not be asked about in time",
            )),
        }
    }
    if !for_good.is_empty() {
        return Err(Fault::Document(for_good));
    }
    if !for_now.is_empty() {
        return Err(Fault::Resolve(for_now));
    }
    let known = answers.into_iter().filter_map(|(name, answer)| {
        let Resolved { tenant, .. } = answer.ok()?;
        // Metadata has no name of a tenant.
        Some((name, document::Resolved { tenant, name: None }))
    });
    draft.resolved(&known.collect()).map_err(Fault::Document)
}

async fn ask(names: BTreeSet<String>, resolver: &Arc<Resolver>) -> Answers {
    let mut asked: JoinSet<(String, Result<Resolved, ResolveError>)> = names
        .into_iter()
        .map(|name| {
            let resolver = Arc::clone(resolver);
            async move {
                let answer = resolver.resolve(&name).await;
                (name, answer)
            }
        })
        .collect();
    let mut answers = HashMap::new();
    let all = async {
        while let Some(answer) = asked.join_next().await {
            answers.extend(answer.ok());
        }
    };
    // Those that are missing then are told apart by their absence.
    let _ = timeout(PATIENCE, all).await;
    answers
}

fn fault(entry: &Unresolved, why: &str) -> document::Fault {
    let shown: String = entry.domain.chars().take(80).collect();
    document::Fault {
        key: entry.key.clone(),
        found: format!("{shown:?}, {why}"),
        expected: EXPECTED.to_owned(),
    }
}
