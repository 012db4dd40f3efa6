//! Headers beside each other: none means two things.
//!
//! Invariant: a connector's header, which is written to records, never carries a token. A header that
//! names creators, or tells a service something, is removed from every request: no route reads a
//! token from it, and none reads at all what only the gateway writes.

use http::HeaderName;

use super::super::services::Services;
use super::super::value::Wrong;
use super::{Draft, Kind};
use crate::config::{Connector, CreatorSource};
use crate::headers::CLIENT_TENANT_ID;

/// Holds every header that routes and services name against the others.
pub(super) fn check(services: &Services<'_>, drafts: &[Draft<'_>]) {
    for draft in drafts {
        label(draft);
        removed(draft, drafts);
    }
    for service in services.values() {
        for (key, header) in &service.told {
            if let Some(draft) = drafts.iter().find(|draft| reads(draft, header)) {
                let reader = draft.section.key("");
                let found = format!("{:?}, which {reader} reads", header.as_str());
                let expected = "a header that only this gateway writes";
                service.tell.wrong(key, Wrong::new(found, expected));
            }
        }
    }
}

fn label(draft: &Draft<'_>) {
    if let Connector::Header(label) = &draft.connector
        && carries_token(draft, label)
    {
        let found = format!("{:?}, which carries a token", label.as_str());
        let wrong = Wrong::new(found, "a header that may stand in records");
        draft.section.wrong("connector_header", wrong);
    }
}

/// Reports a sign-in token in a header that names creators on another route: it would be removed.
fn removed(draft: &Draft<'_>, drafts: &[Draft<'_>]) {
    let Kind::Connection(connection) = &draft.kind else {
        return;
    };
    for header in connection.headers() {
        let named = CreatorSource::Header(header.clone());
        let names_creators = |other: &&Draft<'_>| other.creator.contains(&named);
        // On the same route it is told beside the place itself.
        if draft.creator.contains(&named) {
            continue;
        }
        let reader = match drafts.iter().find(names_creators) {
            Some(other) => other.section.key(""),
            None if *header == CLIENT_TENANT_ID => "Microsoft's services".to_owned(),
            None => continue,
        };
        let found = format!("{:?}, which names creators for {reader}", header.as_str());
        let wrong = Wrong::new(found, "a header that carries nothing but this token");
        draft.section.wrong("sign_in", wrong);
    }
}

fn carries_token(draft: &Draft<'_>, header: &HeaderName) -> bool {
    let creator = draft.creator.iter().any(|source| match source {
        CreatorSource::Bearer { header: own, .. } => own == header,
        CreatorSource::Fixed(_) | CreatorSource::Header(_) | CreatorSource::Path(_) => false,
    });
    let sign_in = match &draft.kind {
        Kind::Connection(connection) => connection.headers().any(|own| own == header),
        Kind::Discovery | Kind::Relay { .. } | Kind::Token => false,
    };
    creator || sign_in
}

fn reads(draft: &Draft<'_>, header: &HeaderName) -> bool {
    let named = CreatorSource::Header(header.clone());
    let label = matches!(&draft.connector, Connector::Header(own) if own == header);
    label || draft.creator.contains(&named) || carries_token(draft, header)
}
