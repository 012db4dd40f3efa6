//! `diff`: which decisions would change.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::DiffArgs;
use super::place::Place;
use crate::cli::Exit;
use crate::cli::documents::{self, Documents};
use crate::cli::fault::Fault;
use crate::cli::output::{plural, print, table};
use crate::cli::tenants::{Tenants, told};
use crate::clock;
use crate::compare::{Decided, Difference, Effect, Party, differences};
use crate::core::policy::{Isolation, Mode, UnixSeconds};
use crate::core::tenant::TenantId;
use crate::problem::visible;

/// Rows of the table; JSON has them all.
const MOST_ROWS: usize = 200;

pub(super) fn run(args: &DiffArgs) -> Result<Exit, Fault> {
    let place = Place::open(&args.place)?;
    let new = documents::read(&args.new)?;
    let named = match &args.tenant {
        Some(text) => Some(place.tenant_to_read(text)?),
        None if args.new.is_dir() => None,
        None => new.first().map(|(tenant, _)| (*tenant).into()),
    };
    let asked = named.as_ref().map(|named| named.tenant);
    let new = match asked {
        None => new,
        Some(asked) => of_tenant(asked, new, args)?,
    };
    let (old, mode, absent) = current(&place, asked)?;
    // Policies that are not asked about stay as they are.
    let after: Documents = match asked {
        None => new,
        Some(asked) => {
            let others = old.iter().filter(|(tenant, _)| *tenant != asked).cloned();
            others.chain(new).collect()
        }
    };
    let all: Documents = old.iter().chain(&after).cloned().collect();
    let tenants = Tenants::of(&all);
    let before = documents::policies(&old, mode, absent);
    let found = differences(
        &before,
        &documents::policies(&after, mode, absent),
        clock::now(),
    );
    let remark = "other tenants' policies are not known here and count as absent";
    let report = Report {
        remark: matches!(place, Place::Remote(_)).then_some(remark),
        differences: found.iter().map(|found| Row::of(found, &tenants)).collect(),
    };
    let stored = named.and_then(|named| named.stored);
    let text = told(&report, stored.as_slice(), args.json);
    let exit = if found.is_empty() {
        Exit::Done
    } else {
        Exit::Differences
    };
    Ok(print(&text, exit))
}

/// The one policy that is asked about; a directory without it says that there is none.
fn of_tenant(asked: TenantId, new: Documents, args: &DiffArgs) -> Result<Documents, Fault> {
    if let (false, Some((tenant, _))) = (args.new.is_dir(), new.first())
        && *tenant != asked
    {
        let file = args.new.display();
        return Err(Fault::Wrong(format!(
            "{file}: the policy of {tenant}, not of {asked}"
        )));
    }
    let is_asked = |(tenant, _): &(TenantId, _)| *tenant == asked;
    Ok(new.into_iter().filter(is_asked).collect())
}

/// The policies as they are.
fn current(place: &Place, asked: Option<TenantId>) -> Result<(Documents, Mode, Isolation), Fault> {
    match (place, asked) {
        (Place::Store(store), _) => Ok((store.documents()?, store.mode, store.absent)),
        (Place::Remote(_), None) => Err(Fault::Wrong(
            "a server tells one tenant's policy at a time: name the tenant".to_owned(),
        )),
        (Place::Remote(_), Some(asked)) => {
            let current = place.read(asked)?;
            let documents = current.map(|current| (asked, current.document));
            let documents = documents.into_iter().collect();
            Ok((documents, Mode::Enforce, Isolation::Off))
        }
    }
}

#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'static str>,
    differences: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    effect: Option<Effect>,
    before: Decided,
    after: Decided,
    creator: End,
    sign_in: End,
    from: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
}

/// One end of a connection.
#[derive(Serialize)]
struct End {
    tenant: Party,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl End {
    fn of(party: Party, tenants: &Tenants) -> Self {
        let name = match party {
            Party::Tenant(tenant) => tenants.name(tenant).map(str::to_owned),
            Party::AnyOther | Party::Unknown => None,
        };
        Self {
            tenant: party,
            name,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tenant)?;
        let name = self.name.as_deref().map(visible);
        name.iter().try_for_each(|name| write!(f, "\n{name}"))
    }
}

impl Row {
    fn of(found: &Difference, tenants: &Tenants) -> Self {
        let time = |seconds: Option<UnixSeconds>| {
            seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        };
        Self {
            effect: Effect::of(found.before, found.after),
            before: found.before,
            after: found.after,
            creator: End::of(found.creator, tenants),
            sign_in: End::of(found.sign_in, tenants),
            from: time(found.from),
            until: time(found.until),
        }
    }

    fn word(&self) -> &'static str {
        self.effect.map_or("changed", Effect::as_str)
    }

    fn cells(&self) -> [String; 5] {
        let from = self
            .from
            .map_or_else(|| "now".to_owned(), |from| from.to_string());
        let until = self.until.map(|until| until.to_string());
        [
            self.word().to_owned(),
            self.creator.to_string(),
            self.sign_in.to_string(),
            from,
            until.unwrap_or_default(),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(remark) = self.remark {
            writeln!(f, "remark: {remark}")?;
        }
        if self.differences.is_empty() {
            return writeln!(f, "no decision changes");
        }
        let mut counts: BTreeMap<_, u64> = BTreeMap::new();
        for row in &self.differences {
            *counts.entry((row.effect, row.word())).or_default() += 1;
        }
        for ((_, word), count) in counts {
            writeln!(f, "{word}: {}", plural(count, "pair"))?;
        }
        let mut table = table([
            "change",
            "creator tenant",
            "sign-in tenant",
            "from",
            "until",
        ]);
        table.add_rows(self.differences.iter().take(MOST_ROWS).map(Row::cells));
        writeln!(f, "\n{table}")?;
        match self.differences.len().saturating_sub(MOST_ROWS) {
            0 => Ok(()),
            hidden => writeln!(f, "and {hidden} rows more, which --json tells"),
        }
    }
}
