//! Which records are asked for.

use clap::ValueEnum;

use super::record::Record;

/// A decision, as in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Kind {
    Allow,
    Block,
    Error,
    PassNonEntra,
    WouldBlock,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Error => "error",
            Self::PassNonEntra => "pass_non_entra",
            Self::WouldBlock => "would_block",
        }
    }
}

/// Everything that is asked for must hold.
pub(super) struct Filter {
    /// A tenant's id.
    pub(super) tenant: Option<String>,
    /// Any of these; none: all.
    pub(super) kinds: Vec<Kind>,
    pub(super) connector: Option<String>,
    pub(super) route: Option<String>,
}

impl Filter {
    pub(super) fn takes(&self, record: &Record) -> bool {
        let tenants = [
            &record.creator_tenant,
            &record.sign_in_tenant,
            &record.tenant,
        ];
        let is = |asked: &Option<String>, found: &Option<String>| asked.is_none() || asked == found;
        let decision = record.decision.as_deref();
        let kind = |kind: &Kind| decision == Some(kind.as_str());
        (self.tenant.is_none() || tenants.contains(&&self.tenant))
            && (self.kinds.is_empty() || self.kinds.iter().any(kind))
            && is(&self.connector, &record.connector)
            && is(&self.route, &record.route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Asked<'r> = Option<&'r str>;

    #[test]
    fn everything_that_is_asked_for_holds() {
        let exchange = br#"{"time":"2026-11-01T08:00:00Z","decision":"block","route":"token",
            "connector":"files","creator_tenant":"c","sign_in_tenant":null}"#;
        let event = br#"{"time":"2026-11-01T08:00:00Z","event":"policy_change","tenant":"c"}"#;
        let (exchange, event) = (
            Record::read(exchange).unwrap(),
            Record::read(event).unwrap(),
        );
        let some = |text: &str| Some(text.to_owned());
        type Row<'r> = (Asked<'r>, &'r [Kind], Asked<'r>, Asked<'r>, [bool; 2]);
        let table: [Row<'_>; 10] = [
            (None, &[], None, None, [true, true]),
            (Some("c"), &[], None, None, [true, true]),
            (Some("d"), &[], None, None, [false, false]),
            (None, &[Kind::Block], None, None, [true, false]),
            (None, &[Kind::Allow, Kind::Block], None, None, [true, false]),
            (None, &[Kind::Allow], None, None, [false, false]),
            (None, &[], Some("files"), None, [true, false]),
            (None, &[], Some("file"), None, [false, false]),
            (None, &[], None, Some("token"), [true, false]),
            (
                Some("c"),
                &[Kind::Block],
                Some("files"),
                Some("other"),
                [false, false],
            ),
        ];
        for (tenant, kinds, connector, route, expected) in table {
            let filter = Filter {
                tenant: tenant.and_then(some),
                kinds: kinds.to_vec(),
                connector: connector.and_then(some),
                route: route.and_then(some),
            };
            let found = [&exchange, &event].map(|record| filter.takes(record));
            assert_eq!(
                found, expected,
                "{tenant:?} {kinds:?} {connector:?} {route:?}"
            );
        }
    }
}
