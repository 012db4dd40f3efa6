//! Which members a document may have where, and which unknown ones are typing errors.
//!
//! The rule for a member whose name is not known in its place:
//! 1. it is close to a name known there: equal but for case and punctuation, a few letters off
//!    (one for names up to 5 letters, two up to 12, three beyond), or a word people write for it
//!    (`enabled`, `expiry`): an error that names the right one;
//! 2. it is the name of a member that acts, in a place where it does not (`reportOnly` beside
//!    `properties`): an error that says where it belongs;
//! 3. anything else is Microsoft's, now or one day: accepted, kept, written back.
//!
//! Microsoft's tools write their own names exactly, so rule 1 never strikes what they produce.

/// An object of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An entry's `direction`.
    Direction,
    /// An element of `allowedTenants`.
    Entry,
    /// `properties`.
    Properties,
    /// The document itself.
    Root,
}

/// A member that is known.
struct Known {
    name: &'static str,
    /// Acts in decisions: standing elsewhere it would be lost, so there it is an error.
    acts: bool,
    /// Other words for it, folded; one that ends in `*` stands for all that begin so.
    also: &'static [&'static str],
}

const fn acts(name: &'static str, also: &'static [&'static str]) -> Known {
    Known {
        name,
        acts: true,
        also,
    }
}

const fn describes(name: &'static str) -> Known {
    Known {
        name,
        acts: false,
        also: &[],
    }
}

const ROOT: &[Known] = &[acts("properties", &[])];

const PROPERTIES: &[Known] = &[
    describes("tenantId"),
    acts("isDisabled", &["disabled", "enabled", "isenabled"]),
    acts("allowedTenants", &["allowlist"]),
    acts(
        "connectionsWithoutClientTenant",
        &["connectionswithout*", "withoutclienttenant*"],
    ),
    acts("reportOnly", &["reportonly*"]),
];

const ENTRY: &[Known] = &[
    describes("tenantId"),
    acts("direction", &[]),
    describes("tenantName"),
    describes("tenantDisplayName"),
    describes("tenantDomain"),
    describes("note"),
    acts("expiresOn", &["expir*", "notafter", "until", "validuntil"]),
];

const DIRECTION: &[Known] = &[acts("inbound", &[]), acts("outbound", &[])];

impl Place {
    const ALL: [Self; 4] = [Self::Root, Self::Properties, Self::Entry, Self::Direction];

    const fn known(self) -> &'static [Known] {
        match self {
            Self::Direction => DIRECTION,
            Self::Entry => ENTRY,
            Self::Properties => PROPERTIES,
            Self::Root => ROOT,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Direction => "properties.allowedTenants[].direction",
            Self::Entry => "properties.allowedTenants[]",
            Self::Properties => "properties",
            Self::Root => "the document itself",
        }
    }
}

/// What the writer of an unknown member will have meant; none if it is not ours to judge.
pub(super) fn meant(place: Place, unknown: &str) -> Option<String> {
    if place.known().iter().any(|known| known.name == unknown) {
        return None;
    }
    let folded = fold(unknown);
    place
        .known()
        .iter()
        .find(|known| is_close(known, &folded))
        .map(|known| format!("`{}`", known.name))
        .or_else(|| {
            let elsewhere = |other: &Place| {
                *other != place
                    && other
                        .known()
                        .iter()
                        .any(|known| known.acts && fold(known.name) == folded)
            };
            let home = Place::ALL.into_iter().find(elsewhere)?;
            Some(format!("it in {}", home.as_str()))
        })
}

fn is_close(known: &Known, folded: &str) -> bool {
    let name = fold(known.name);
    let tolerance = match name.len() {
        ..=5 => 1,
        6..=12 => 2,
        _ => 3,
    };
    let written_for_it = |word: &&str| match word.strip_suffix('*') {
        Some(stem) => folded.starts_with(stem),
        None => folded == *word,
    };
    name == folded
        || known.also.iter().any(written_for_it)
        || (folded.chars().count().abs_diff(name.len()) <= tolerance
            && strsim::osa_distance(&name, folded) <= tolerance)
}

/// Lower case, letters and digits only.
fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_told_from_a_member_of_microsofts() {
        use Place::{Direction, Entry, Properties, Root};
        let table = [
            (Root, "Properties", Some("`properties`")),
            (Root, "propertys", Some("`properties`")),
            (Root, "isDisabled", Some("it in properties")),
            (Root, "reportOnly", Some("it in properties")),
            (Root, "id", None),
            (Root, "name", None),
            (Root, "type", None),
            (Root, "tenantId", None),
            (Properties, "ISDISABLED", Some("`isDisabled`")),
            (Properties, "isDisbaled", Some("`isDisabled`")),
            (Properties, "is_disabled", Some("`isDisabled`")),
            (Properties, "i\u{17f}Disabled", Some("`isDisabled`")),
            (Properties, "enabled", Some("`isDisabled`")),
            (Properties, "isEnabled", Some("`isDisabled`")),
            (Properties, "allowedTenant", Some("`allowedTenants`")),
            (Properties, "allowTenants", Some("`allowedTenants`")),
            (
                Properties,
                "connectionWithoutClientTenants",
                Some("`connectionsWithoutClientTenant`"),
            ),
            (
                Properties,
                "connectionsWithoutTenant",
                Some("`connectionsWithoutClientTenant`"),
            ),
            (Properties, "reportonly", Some("`reportOnly`")),
            (Properties, "report_only", Some("`reportOnly`")),
            (Properties, "reportOnlyMode", Some("`reportOnly`")),
            (
                Properties,
                "expiresOn",
                Some("it in properties.allowedTenants[]"),
            ),
            (
                Properties,
                "inbound",
                Some("it in properties.allowedTenants[].direction"),
            ),
            (Properties, "blockedTenants", None),
            (Properties, "tenantName", None),
            (Properties, "lastModifiedTime", None),
            (Properties, "policyVersion", None),
            (Entry, "expiresAt", Some("`expiresOn`")),
            (Entry, "expiry", Some("`expiresOn`")),
            (Entry, "expirationDate", Some("`expiresOn`")),
            (Entry, "validUntil", Some("`expiresOn`")),
            (Entry, "Note", Some("`note`")),
            (Entry, "notes", Some("`note`")),
            (Entry, "tenantID", Some("`tenantId`")),
            (Entry, "directions", Some("`direction`")),
            (
                Entry,
                "inbound",
                Some("it in properties.allowedTenants[].direction"),
            ),
            (Entry, "tenantDisplayName", None),
            (Entry, "tenantType", None),
            (Entry, "createdOn", None),
            (Entry, "cloud", None),
            (Direction, "inbond", Some("`inbound`")),
            (Direction, "Outbound", Some("`outbound`")),
            (Direction, "both", None),
        ];
        for (place, name, expected) in table {
            assert_eq!(
                meant(place, name).as_deref(),
                expected,
                "{name} in {place:?}"
            );
        }
    }
}
