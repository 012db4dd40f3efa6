//! `allow` and `revoke`, and that the one undoes the other.

use proptest::prelude::*;

use super::*;
use crate::compare::{Policies, differences};
use crate::core::policy::{Isolation, Mode, Version};
use crate::core::tenant::TenantId;

const NOW: i64 = 1_800_000_000;

fn tenant(index: usize) -> TenantId {
    TenantId::parse(&format!("{index:08x}-0000-4000-8000-000000000001")).unwrap()
}

fn document(entries: Vec<AllowedTenant>) -> Document {
    let mut document = Document::new(tenant(0));
    document.properties.allowed_tenants = entries;
    document
}

fn grant(subject: Subject, inbound: bool, outbound: bool) -> Grant<'static> {
    Grant {
        subject,
        domain: None,
        inbound,
        outbound,
        note: None,
        expires_on: None,
    }
}

fn entries(document: &Document) -> Vec<(Subject, bool, bool)> {
    let entries = document.properties.allowed_tenants.iter();
    entries
        .map(|entry| {
            (
                entry.tenant_id,
                entry.direction.inbound,
                entry.direction.outbound,
            )
        })
        .collect()
}

const BOTH: Taken = Taken {
    inbound: true,
    outbound: true,
};

#[test]
fn an_entry_is_widened_only_if_nothing_else_is_said_of_it() {
    let named = Subject::Tenant(tenant(1));
    let mut document = document(vec![AllowedTenant::new(named, true, false)]);
    allow(&mut document, &grant(named, false, true));
    assert_eq!(entries(&document), [(named, true, true)]);

    let until = Grant {
        expires_on: Some(Timestamp::from_second(NOW).unwrap()),
        ..grant(named, true, false)
    };
    allow(&mut document, &until);
    assert_eq!(
        entries(&document),
        [(named, true, true), (named, true, false)]
    );

    let first = Grant {
        note: Some("one"),
        ..grant(named, true, false)
    };
    allow(&mut document, &first);
    let notes = |document: &Document| -> Vec<Option<String>> {
        let entries = document.properties.allowed_tenants.iter();
        entries.map(|entry| entry.note.clone()).collect()
    };
    assert_eq!(notes(&document), [Some("one".to_owned()), None]);
    let second = Grant {
        note: Some("two"),
        ..grant(named, true, false)
    };
    allow(&mut document, &second);
    assert_eq!(
        document.properties.allowed_tenants.len(),
        3,
        "no note is lost"
    );
}

#[test]
fn revoking_takes_directions_and_leaves_others_alone() {
    let (named, other) = (Subject::Tenant(tenant(1)), Subject::Tenant(tenant(2)));
    let made = || {
        document(vec![
            AllowedTenant::new(named, true, true),
            AllowedTenant::new(other, true, true),
            AllowedTenant::new(named, true, false),
            AllowedTenant::new(named, false, false),
            AllowedTenant::new(Subject::Any, false, true),
        ])
    };
    let inbound = Taken {
        inbound: true,
        outbound: false,
    };
    let mut document = made();
    revoke(&mut document, named, inbound);
    let rest = [
        (named, false, true),
        (other, true, true),
        (named, false, false),
        (Subject::Any, false, true),
    ];
    assert_eq!(entries(&document), rest);
    assert_eq!(still_allowed(&document, named, inbound), []);

    let mut document = made();
    revoke(&mut document, named, BOTH);
    assert_eq!(
        entries(&document),
        [(other, true, true), (Subject::Any, false, true)]
    );
    assert_eq!(still_allowed(&document, named, BOTH), [Direction::Outbound]);
    revoke(&mut document, Subject::Any, BOTH);
    assert_eq!(still_allowed(&document, Subject::Any, BOTH), []);
}

fn subject() -> impl Strategy<Value = Subject> {
    (0..4_usize).prop_map(|index| match index {
        0 => Subject::Any,
        index => Subject::Tenant(tenant(index)),
    })
}

fn any_document() -> impl Strategy<Value = Document> {
    let end = prop_oneof![Just(None), (NOW - 5..NOW + 5).prop_map(Some)];
    let entry = (subject(), any::<bool>(), any::<bool>(), end);
    let entry = entry.prop_map(|(subject, inbound, outbound, end)| {
        let mut entry = AllowedTenant::new(subject, inbound, outbound);
        entry.expires_on = end.map(|end| Timestamp::from_second(end).unwrap());
        entry
    });
    proptest::collection::vec(entry, 0..6).prop_map(document)
}

fn policies(document: &Document) -> Policies {
    let policy = document.policy(Version::default());
    Policies::new([(tenant(0), policy)], Mode::Enforce, Isolation::Off)
}

proptest! {
    #[test]
    fn revoking_what_was_allowed_gives_back_the_old_decisions(
        before in any_document(),
        inbound: bool,
        outbound: bool,
        wildcard: bool,
        end in proptest::option::of(NOW + 1..NOW + 9),
    ) {
        prop_assume!(inbound || outbound);
        let subject = if wildcard { Subject::Any } else { Subject::Tenant(tenant(1)) };
        // Of a tenant that was not listed before: what it was allowed itself is revoked as well.
        let mut before = before;
        before.properties.allowed_tenants.retain(|entry| entry.tenant_id != subject);
        let mut after = before.clone();
        let granted = Grant {
            expires_on: end.map(|end| Timestamp::from_second(end).unwrap()),
            ..grant(subject, inbound, outbound)
        };
        allow(&mut after, &granted);
        revoke(&mut after, subject, Taken { inbound, outbound });
        prop_assert_eq!(differences(&policies(&before), &policies(&after), NOW - 9), []);
    }

    #[test]
    fn allowing_never_blocks_and_revoking_never_allows(
        before in any_document(),
        subject in subject(),
        inbound: bool,
        outbound: bool,
    ) {
        let gets_through = |now: &Policies, then: &Policies| -> bool {
            differences(now, then, NOW - 9).iter().all(|found| found.after.passes())
        };
        let mut allowed = before.clone();
        allow(&mut allowed, &grant(subject, inbound, outbound));
        prop_assert!(gets_through(&policies(&before), &policies(&allowed)));
        let mut revoked = before.clone();
        revoke(&mut revoked, subject, Taken { inbound, outbound });
        prop_assert!(gets_through(&policies(&revoked), &policies(&before)));
    }
}
