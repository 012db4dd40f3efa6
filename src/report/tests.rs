use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::core::policy::{Isolation, Mode, Version};
use crate::policies::document;

fn tenant(number: u8) -> TenantId {
    TenantId::parse(&format!("{number:08x}-0000-4000-8000-000000000000")).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

const OPEN: Window = Window {
    since: None,
    until: Timestamp::MAX,
};

fn seen(creator: Option<u8>, sign_in: Option<u8>, ending: Ending) -> Observed<'static> {
    Observed {
        creator: creator.map(tenant),
        sign_in: sign_in.map(tenant),
        connector: Some("sql"),
        app: None,
        ending,
        reason: "both_allow",
        count: 1,
        first: at(10),
        last: at(10),
    }
}

fn report(all: &[Observed<'_>], today: &Today) -> Report {
    let mut gather = Gather::new(tenant(1), OPEN, 1000);
    all.iter().for_each(|seen| gather.count(seen));
    gather.report(today, at(1_000_000))
}

/// Every kind of exchange, in the order of the module's rule.
#[test]
fn each_exchange_has_its_place() {
    use Direction::{Inbound, Outbound};
    let row = |direction, external: Option<u8>| (Some((direction, external.map(tenant))), "");
    for (creator, sign_in, ending, reason, place) in [
        (
            Some(2),
            Some(1),
            Ending::Allow,
            "both_allow",
            row(Inbound, Some(2)),
        ),
        (
            Some(1),
            Some(2),
            Ending::Block,
            "outbound_block",
            row(Outbound, Some(2)),
        ),
        (
            Some(1),
            Some(2),
            Ending::Error,
            "upstream",
            row(Outbound, Some(2)),
        ),
        (
            None,
            Some(1),
            Ending::Allow,
            "without_client_tenant_allowed",
            row(Inbound, None),
        ),
        (
            None,
            Some(1),
            Ending::Block,
            "without_client_tenant_blocked",
            row(Inbound, None),
        ),
        (
            Some(1),
            None,
            Ending::PassNonEntra,
            "non_entra",
            row(Outbound, None),
        ),
        (Some(1), None, Ending::Block, "opaque", row(Outbound, None)),
        (Some(1), None, Ending::Allow, "opaque", row(Outbound, None)),
        (Some(1), None, Ending::Allow, "no_token", (None, "no_token")),
        (
            Some(1),
            None,
            Ending::Error,
            "client_gone",
            (None, "errors"),
        ),
        (
            None,
            Some(1),
            Ending::Error,
            "client_gone",
            (None, "errors"),
        ),
        (
            Some(1),
            Some(1),
            Ending::Allow,
            "same_tenant",
            (None, "same_tenant"),
        ),
        (
            Some(1),
            Some(1),
            Ending::Error,
            "client_gone",
            (None, "same_tenant"),
        ),
        (
            Some(2),
            Some(3),
            Ending::Allow,
            "both_allow",
            (None, "other_tenants"),
        ),
        (
            Some(2),
            None,
            Ending::Block,
            "opaque",
            (None, "other_tenants"),
        ),
        (
            None,
            None,
            Ending::Error,
            "client_gone",
            (None, "other_tenants"),
        ),
    ] {
        let one = Observed {
            reason,
            count: 3,
            ..seen(creator, sign_in, ending)
        };
        let report = report(&[one], &Today::unknown());
        let label = format!("{creator:?} {sign_in:?} {ending:?} {reason}");
        assert_eq!(report.exchanges(), 3, "{label}");
        let rows: Vec<_> = report
            .rows
            .iter()
            .map(|row| {
                (
                    row.direction,
                    row.external.as_ref().map(|named| named.tenant),
                )
            })
            .collect();
        assert_eq!(rows, Vec::from_iter(place.0), "{label}");
        let others = report.others;
        let counted = [
            ("no_token", others.no_token),
            ("errors", others.errors),
            ("same_tenant", others.same_tenant.total()),
            ("other_tenants", others.other_tenants),
        ];
        for (name, count) in counted {
            assert_eq!(count, if name == place.1 { 3 } else { 0 }, "{label} {name}");
        }
    }
}

#[test]
fn rows_are_put_together_beyond_the_bound_and_nothing_is_lost() {
    let mut gather = Gather::new(tenant(1), OPEN, 3);
    let names: Vec<_> = (0..20).map(|number| format!("c{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let creator = Some(u8::try_from(number % 5 + 2).unwrap());
        let one = Observed {
            connector: Some(name),
            ..seen(creator, Some(1), Ending::Allow)
        };
        gather.count(&one);
        gather.user(&one, Uuid::from_u128(7));
    }
    let report = gather.report(&Today::unknown(), at(20));
    assert_eq!(report.rows.len(), 6);
    assert_eq!(report.exchanges(), 20);
    assert!(report.others.beyond.allowed > 0);
    assert_eq!(report.inbound.users, 1);
    assert!(
        report.warnings[0].contains("more than 3 combinations"),
        "{:?}",
        report.warnings
    );
}

#[test]
fn days_are_put_together_so_that_they_fit() {
    let day = |day: i64| Observed {
        first: at(day * 86_400 + 5),
        last: at(day * 86_400 + 5),
        ..seen(Some(2), Some(1), Ending::Allow)
    };
    let report = report(&[day(-1), day(0), day(0), day(99)], &Today::unknown());
    let (width, spans) = report.spans(45);
    assert_eq!((width, spans.len()), (3, 34));
    assert_eq!(spans[0].inbound.allowed, 3);
    assert_eq!(spans[33].inbound.allowed, 1);
    assert_eq!(spans[0].day, at(-86_400));
    let (width, spans) = report.spans(200);
    assert_eq!((width, spans.len()), (1, 101));
}

fn policy(text: &str) -> Today {
    let text = format!(r#"{{"properties":{{"tenantId":"{}",{text}}}}}"#, tenant(1));
    let (_, _, document) = document::parse(text.as_bytes(), None).unwrap();
    Today::new(Some(document), Mode::Enforce, Isolation::Off)
}

fn entries(recommendation: &Recommendation) -> BTreeMap<String, (bool, bool)> {
    let policy = recommendation.policy.as_ref().unwrap();
    assert!(!policy.properties.is_disabled);
    let json = serde_json::to_value(policy).unwrap();
    let entries = json["properties"]["allowedTenants"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| {
            let direction = &entry["direction"];
            let says = |way: &str| direction[way].as_bool().unwrap();
            let mut name = entry["tenantId"]
                .as_str()
                .unwrap()
                .chars()
                .take(8)
                .collect::<String>();
            name += entry["expiresOn"].as_str().unwrap_or_default();
            (name, (says("inbound"), says("outbound")))
        })
        .collect()
}

#[test]
fn what_got_through_is_recommended_and_nothing_else() {
    let all = [
        seen(Some(2), Some(1), Ending::Allow),
        seen(Some(1), Some(3), Ending::WouldBlock),
        seen(Some(4), Some(1), Ending::Block),
        seen(Some(1), Some(2), Ending::Block),
        seen(Some(5), Some(1), Ending::Error),
        seen(Some(6), Some(7), Ending::Allow),
    ];
    let found = report(&all, &Today::unknown()).recommendation;
    let expected = [("00000002", (true, false)), ("00000003", (false, true))];
    let expected = expected.map(|(name, ways)| (name.to_owned(), ways));
    assert_eq!(entries(&found), BTreeMap::from(expected));
    assert_eq!(found.without_client_tenant, 0);
    let text = serde_json::to_string(&found.policy).unwrap();
    assert!(!text.contains("connectionsWithoutClientTenant") && !text.contains("reportOnly"));
}

#[test]
fn entries_that_are_there_stay_as_they_are() {
    let (two, three, four) = (tenant(2), tenant(3), tenant(4));
    // The report is made on 1970-01-12.
    let today = policy(&format!(
        r#""isDisabled":true,"reportOnly":true,"allowedTenants":[
        {{"tenantId":"{two}","tenantName":"Fabrikam","note":"n","more":1,"direction":{{"inbound":false,"outbound":true}}}},
        {{"tenantId":"{three}","expiresOn":"1970-01-05T00:00:00Z","direction":{{"inbound":true,"outbound":false}}}},
        {{"tenantId":"{four}","expiresOn":"1980-01-05T00:00:00Z","direction":{{"inbound":true,"outbound":false}}}}]"#
    ));
    let all = [
        seen(Some(2), Some(1), Ending::Allow),
        seen(Some(3), Some(1), Ending::Allow),
        seen(Some(4), Some(1), Ending::Allow),
        seen(None, Some(1), Ending::Allow),
    ];
    let found = report(&all, &today).recommendation;
    let expected = [
        ("00000002", (true, true)),
        ("000000031970-01-05T00:00:00Z", (true, false)),
        ("00000003", (true, false)),
        ("000000041980-01-05T00:00:00Z", (true, false)),
    ];
    let expected = expected.map(|(name, ways)| (name.to_owned(), ways));
    assert_eq!(entries(&found), BTreeMap::from(expected));
    let text = serde_json::to_string(&found.policy).unwrap();
    for kept in [
        r#""tenantName":"Fabrikam""#,
        r#""note":"n""#,
        r#""more":1"#,
        r#""reportOnly":false"#,
        r#""connectionsWithoutClientTenant":"allow""#,
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    assert!(
        found.notes.iter().any(|note| note.contains("will expire")),
        "{:?}",
        found.notes
    );
    assert_eq!(
        found
            .tenants
            .iter()
            .filter(|it| it.entry == Standing::Added)
            .count(),
        2
    );
}

#[test]
fn a_star_is_enough() {
    let today = policy(
        r#""isDisabled":true,"allowedTenants":[{"tenantId":"*","direction":{"inbound":false,"outbound":true}}]"#,
    );
    let all = [
        seen(Some(1), Some(2), Ending::Allow),
        seen(Some(3), Some(1), Ending::Allow),
    ];
    let found = report(&all, &today).recommendation;
    let names: Vec<_> = entries(&found).into_keys().collect();
    assert!(found.policy.is_some());
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(found.tenants[0].entry == Standing::Kept && found.tenants[1].entry == Standing::Added);
}

/// What an administrator took away is not given back by a report.
#[test]
fn what_is_blocked_today_is_left_out() {
    let two = tenant(2);
    let today = policy(&format!(
        r#""isDisabled":false,"allowedTenants":[
        {{"tenantId":"{two}","direction":{{"inbound":true,"outbound":false}}}},
        {{"tenantId":"{}","expiresOn":"1970-01-05T00:00:00Z","direction":{{"inbound":true,"outbound":false}}}}]"#,
        tenant(3)
    ));
    let all = [
        seen(Some(2), Some(1), Ending::Allow),
        seen(Some(1), Some(2), Ending::Allow),
        seen(Some(3), Some(1), Ending::Allow),
        seen(None, Some(1), Ending::Allow),
    ];
    let found = report(&all, &today).recommendation;
    assert_eq!(found.tenants.len(), 1);
    let left_out: Vec<_> = found
        .left_out
        .iter()
        .map(|it| (it.tenant.tenant, it.directions()))
        .collect();
    assert_eq!(left_out, [(two, "outbound"), (tenant(3), "inbound")]);
    assert_eq!(entries(&found)["00000002"], (true, false));
    let text = serde_json::to_string(&found.policy).unwrap();
    assert!(!text.contains("allow\""), "{text}");
    // Of no policy, where none counts as On, likewise.
    let today = Today::new(None, Mode::Enforce, Isolation::On);
    assert_eq!(report(&all, &today).recommendation.entries, 0);
    // A gateway that only reports blocks nothing.
    let today = Today::new(None, Mode::ReportOnly, Isolation::On);
    assert_eq!(report(&all, &today).recommendation.entries, 2);
}

#[test]
fn a_policy_with_too_many_entries_is_not_made() {
    let of = |most: u16| {
        let mut gather = Gather::new(tenant(1), OPEN, 10_000);
        for number in 0..most {
            let id = format!("{number:08x}-1111-4000-8000-000000000000");
            let creator = Some(TenantId::parse(&id).unwrap());
            gather.count(&Observed {
                creator,
                ..seen(None, Some(1), Ending::Allow)
            });
        }
        gather.report(&Today::unknown(), at(20)).recommendation
    };
    assert_eq!(
        of(500).policy.unwrap().properties.allowed_tenants.len(),
        500
    );
    let many = of(501);
    assert!(many.policy.is_none());
    assert_eq!((many.entries, many.tenants.len()), (501, 501));
    assert!(many.notes.iter().any(|note| note.contains("501 entries")));
}

proptest! {
    /// Whatever was seen and whatever stands in the policy that is Off: everything that got through is
    /// allowed by what is recommended.
    #[test]
    fn nothing_that_got_through_is_blocked_by_what_is_recommended(
        seen_pairs in prop::collection::vec((0u8..5, 0u8..5, 0u8..3), 0..30),
        old in prop::collection::vec((1u8..6, any::<bool>(), any::<bool>(), 0u8..3), 0..6),
    ) {
        let list: Vec<_> = old.iter().map(|(subject, inbound, outbound, end)| {
            let id = if *subject == 5 { "*".to_owned() } else { tenant(*subject).to_string() };
            let end = ["", r#""expiresOn":"1970-01-05T00:00:00Z","#, r#""expiresOn":"1990-01-05T00:00:00Z","#][usize::from(*end)];
            format!(r#"{{"tenantId":"{id}",{end}"direction":{{"inbound":{inbound},"outbound":{outbound}}}}}"#)
        }).collect();
        let today = policy(&format!(r#""isDisabled":true,"allowedTenants":[{}]"#, list.join(",")));
        let all: Vec<_> = seen_pairs.iter().map(|(creator, sign_in, ending)| {
            let ending = [Ending::Allow, Ending::WouldBlock, Ending::Block][usize::from(*ending)];
            let creator = Some(*creator).filter(|creator| *creator > 0);
            seen(creator, Some(sign_in + 1), ending)
        }).collect();
        let found = report(&all, &today);
        let document = found.recommendation.policy.clone().unwrap();
        let policy = document.policy(Version::default());
        let policies = crate::compare::Policies::new([(tenant(1), policy)], Mode::Enforce, Isolation::Off);
        for one in &all {
            if one.ending != Ending::Block {
                let decided = policies.decision(one.creator, one.sign_in.unwrap(), 1_000_000);
                prop_assert_eq!(decided, crate::compare::Decided::Allow);
            }
        }
        prop_assert_eq!(found.exchanges(), all.len() as u64);
        // And it is a document as it is stored.
        document::parse(&document.to_bytes().unwrap(), Some(tenant(1))).unwrap();
    }
}
