//! Reads a document member by member and goes on after a fault, so that all are told at once.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::core::policy::{MAX_ENTRIES, Subject, WithoutClientTenant};
use crate::core::tenant::{TenantId, TenantIdError};

use super::draft::Unresolved;
use super::json::{Key, Members, Sound, described, shortened};
use super::members::{Place, meant};
use super::{AllowedTenant, Directions, Document, Fault, Properties, Unknown};

/// Reads a document that must be `tenant`'s, if one is given, and holds ids only.
pub(super) fn document(bytes: &[u8], tenant: Option<TenantId>) -> Result<Document, Vec<Fault>> {
    read(bytes, tenant, Domains::Refused).map(|(document, _)| document)
}

/// Reads a document that is to be written as `tenant`'s, with the entries that name a domain.
pub(super) fn draft(
    bytes: &[u8],
    tenant: TenantId,
) -> Result<(Document, Vec<Unresolved>), Vec<Fault>> {
    read(bytes, Some(tenant), Domains::Noted(tenant, Vec::new()))
}

fn read(
    bytes: &[u8],
    tenant: Option<TenantId>,
    domains: Domains,
) -> Result<(Document, Vec<Unresolved>), Vec<Fault>> {
    let mut reader = Reader {
        faults: Vec::new(),
        domains,
    };
    let document = match text(bytes).and_then(whole) {
        Ok(root) => reader.root(root, tenant),
        Err(fault) => return Err(vec![fault]),
    };
    match document {
        Some(document) if reader.faults.is_empty() => {
            let noted = match reader.domains {
                Domains::Noted(_, noted) => noted,
                Domains::Refused => Vec::new(),
            };
            Ok((document, noted))
        }
        _ => Err(reader.faults),
    }
}

/// What becomes of a domain in the place of an entry's tenant id.
enum Domains {
    /// It is noted, and this tenant, whose policy it is, stands in its place meanwhile: an entry
    /// for the own tenant allows nothing.
    Noted(TenantId, Vec<Unresolved>),
    /// It is a fault.
    Refused,
}

/// The text of a file: UTF-8 and nothing else.
fn text(bytes: &[u8]) -> Result<&str, Fault> {
    let found = match bytes {
        [] => "an empty file",
        [0xEF, 0xBB, 0xBF, ..] => "a byte order mark",
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, ..] | [_, 0, ..] => "UTF-16 or binary data",
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(_) => "bytes that are not UTF-8",
        },
    };
    Err(fault(
        Key::Root,
        found,
        "a JSON object in UTF-8 without a byte order mark",
    ))
}

/// One JSON value, from the first byte to the last.
fn whole(text: &str) -> Result<&RawValue, Fault> {
    serde_json::from_str(text).map_err(|error| {
        fault(
            Key::Root,
            &format!("malformed JSON ({error})"),
            "a JSON object",
        )
    })
}

fn fault(key: Key<'_>, found: &str, expected: &str) -> Fault {
    Fault {
        key: key.to_string(),
        found: found.to_owned(),
        expected: expected.to_owned(),
    }
}

struct Reader {
    faults: Vec<Fault>,
    domains: Domains,
}

impl Reader {
    fn root(&mut self, raw: &RawValue, tenant: Option<TenantId>) -> Option<Document> {
        let key = Key::Root;
        let mut members = self.object(key, raw)?;
        let properties = self.required(
            key,
            &mut members,
            "properties",
            "an object",
            |reader, key, raw| reader.properties(key, raw, tenant),
        );
        let unknown = self.unknown(key, Place::Root, members);
        Some(Document {
            properties: properties?,
            unknown,
        })
    }

    fn properties(
        &mut self,
        key: Key<'_>,
        raw: &RawValue,
        tenant: Option<TenantId>,
    ) -> Option<Properties> {
        let mut members = self.object(key, raw)?;
        let tenant_id = self.required(key, &mut members, "tenantId", TENANT, |reader, key, raw| {
            reader.owner(key, raw, tenant)
        });
        let is_disabled = self.optional(key, &mut members, "isDisabled", Self::boolean);
        let allowed_tenants = self.optional(key, &mut members, "allowedTenants", Self::entries);
        let choice = self.optional(
            key,
            &mut members,
            "connectionsWithoutClientTenant",
            Self::choice,
        );
        let report_only = self.optional(key, &mut members, "reportOnly", Self::boolean);
        let unknown = self.unknown(key, Place::Properties, members);
        Some(Properties {
            tenant_id: tenant_id?,
            is_disabled: is_disabled.unwrap_or(false),
            allowed_tenants: allowed_tenants.unwrap_or_default(),
            connections_without_client_tenant: choice,
            report_only,
            unknown,
        })
    }

    fn entries(&mut self, key: Key<'_>, raw: &RawValue) -> Option<Vec<AllowedTenant>> {
        let Ok(elements) = Vec::<&RawValue>::deserialize(raw) else {
            return self.refuse(key, &described(raw), "a list");
        };
        if elements.len() > MAX_ENTRIES {
            let found = format!("{} entries", elements.len());
            return self.refuse(key, &found, &format!("at most {MAX_ENTRIES}"));
        }
        // Faulty entries drop out of the list; their faults refuse the document.
        let read = |(index, raw)| self.entry(Key::Index(&key, index), index, raw);
        Some(elements.into_iter().enumerate().filter_map(read).collect())
    }

    fn entry(&mut self, key: Key<'_>, index: usize, raw: &RawValue) -> Option<AllowedTenant> {
        let mut members = self.object(key, raw)?;
        let tenant_id = self.required(
            key,
            &mut members,
            "tenantId",
            SUBJECT,
            |reader, key, raw| reader.subject(key, index, raw),
        );
        let direction = self.required(key, &mut members, "direction", DIRECTION, Self::direction);
        // A null from Microsoft's tools describes nothing and is kept as it stands.
        let tenant_name = if members.is_null("tenantName") {
            None
        } else {
            self.optional(key, &mut members, "tenantName", Self::text)
        };
        let tenant_domain = self.optional(key, &mut members, "tenantDomain", Self::domain);
        let note = self.optional(key, &mut members, "note", Self::text);
        let expires_on = self.optional(key, &mut members, "expiresOn", Self::time);
        let unknown = self.unknown(key, Place::Entry, members);
        Some(AllowedTenant {
            tenant_id: tenant_id?,
            direction: direction?,
            tenant_name,
            tenant_domain,
            note,
            expires_on,
            unknown,
        })
    }

    fn direction(&mut self, key: Key<'_>, raw: &RawValue) -> Option<Directions> {
        let mut members = self.object(key, raw)?;
        let inbound = self.optional(key, &mut members, "inbound", Self::boolean);
        let outbound = self.optional(key, &mut members, "outbound", Self::boolean);
        let unknown = self.unknown(key, Place::Direction, members);
        Some(Directions {
            inbound: inbound.unwrap_or(false),
            outbound: outbound.unwrap_or(false),
            unknown,
        })
    }

    fn owner(
        &mut self,
        key: Key<'_>,
        raw: &RawValue,
        expected: Option<TenantId>,
    ) -> Option<TenantId> {
        let text = self.text(key, raw)?;
        match (TenantId::parse(&text), expected) {
            (Ok(tenant), Some(expected)) if tenant != expected => self.refuse(
                key,
                &described(raw),
                &format!("{expected}, whose policy this is"),
            ),
            (Ok(tenant), _) => Some(tenant),
            (Err(error), _) => {
                self.refuse(key, &format!("{}, which {error}", described(raw)), TENANT)
            }
        }
    }

    fn subject(&mut self, key: Key<'_>, index: usize, raw: &RawValue) -> Option<Subject> {
        let text = self.text(key, raw)?;
        if text == "*" {
            return Some(Subject::Any);
        }
        if let Ok(tenant) = TenantId::parse(&text) {
            return Some(Subject::Tenant(tenant));
        }
        match &mut self.domains {
            Domains::Noted(own, noted) if is_meant_as_a_domain(&text) => {
                noted.push(Unresolved {
                    key: key.to_string(),
                    domain: text,
                    index,
                });
                Some(Subject::Tenant(*own))
            }
            Domains::Noted(..) => self.refuse(key, &described(raw), SUBJECT_OR_DOMAIN),
            Domains::Refused if text.contains('.') => {
                self.refuse(key, &described(raw), NOT_A_DOMAIN)
            }
            Domains::Refused => self.refuse(key, &described(raw), SUBJECT),
        }
    }

    fn boolean(&mut self, key: Key<'_>, raw: &RawValue) -> Option<bool> {
        match raw.get() {
            "false" => Some(false),
            "true" => Some(true),
            _ => self.refuse(key, &described(raw), "true or false, without quotes"),
        }
    }

    fn choice(&mut self, key: Key<'_>, raw: &RawValue) -> Option<WithoutClientTenant> {
        match self.text(key, raw)?.as_str() {
            "allow" => Some(WithoutClientTenant::Allow),
            "block" => Some(WithoutClientTenant::Block),
            _ => self.refuse(key, &described(raw), "\"block\" or \"allow\""),
        }
    }

    fn time(&mut self, key: Key<'_>, raw: &RawValue) -> Option<jiff::Timestamp> {
        let text = self.text(key, raw)?;
        let time = is_rfc3339(&text).then(|| text.parse().ok()).flatten();
        time.or_else(|| self.refuse(key, &described(raw), TIME))
    }

    fn domain(&mut self, key: Key<'_>, raw: &RawValue) -> Option<String> {
        let text = self.text(key, raw)?;
        if is_domain(&text) {
            Some(text)
        } else {
            self.refuse(key, &described(raw), "a domain in ASCII, like contoso.com")
        }
    }

    fn text(&mut self, key: Key<'_>, raw: &RawValue) -> Option<String> {
        match String::deserialize(raw) {
            Ok(text) => Some(text),
            Err(_) if raw.get().starts_with('"') => {
                self.refuse(key, "a text with a broken escape", "text in Unicode")
            }
            Err(_) => self.refuse(key, &described(raw), "text in quotes"),
        }
    }

    /// An object, each of its members named once.
    fn object<'a>(&mut self, key: Key<'_>, raw: &'a RawValue) -> Option<Members<'a>> {
        let Ok(members) = Members::deserialize(raw) else {
            return self.refuse(key, &described(raw), "an object");
        };
        if let Some(name) = members.repeated() {
            let found = format!("the member `{}` twice", shortened(name));
            return self.refuse(key, &found, "each member once, whatever its case");
        }
        Some(members)
    }

    fn required<T>(
        &mut self,
        key: Key<'_>,
        members: &mut Members<'_>,
        name: &str,
        expected: &str,
        read: impl FnOnce(&mut Self, Key<'_>, &RawValue) -> Option<T>,
    ) -> Option<T> {
        let key = Key::Member(&key, name);
        match members.take(name) {
            Some(raw) => read(self, key, raw),
            None => self.refuse(key, "nothing", expected),
        }
    }

    fn optional<T>(
        &mut self,
        key: Key<'_>,
        members: &mut Members<'_>,
        name: &str,
        read: impl FnOnce(&mut Self, Key<'_>, &RawValue) -> Option<T>,
    ) -> Option<T> {
        let raw = members.take(name)?;
        read(self, Key::Member(&key, name), raw)
    }

    /// What is left of an object after its known members were taken out.
    fn unknown(&mut self, key: Key<'_>, place: Place, members: Members<'_>) -> Unknown {
        let mut kept = Vec::new();
        for (name, value) in members.0 {
            let key = Key::Member(&key, &name);
            if let Some(expected) = meant(place, &name) {
                self.note(fault(key, "an unknown member", &expected));
            } else if let Err(error) = Sound::deserialize(value) {
                self.note(fault(
                    key,
                    &error.to_string(),
                    "JSON that all readers read alike",
                ));
            } else {
                kept.push((name.into_owned(), value.to_owned()));
            }
        }
        Unknown(kept)
    }

    fn refuse<T>(&mut self, key: Key<'_>, found: &str, expected: &str) -> Option<T> {
        self.note(fault(key, found, expected));
        None
    }

    fn note(&mut self, fault: Fault) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }
}

/// Faults that are told of one document. A file of 4 MiB can hold half a million.
const MOST_FAULTS: usize = 1000;

const TENANT: &str = "a tenant id (36-character GUID)";
const SUBJECT: &str = "a tenant id (36-character GUID) or `*`";
const SUBJECT_OR_DOMAIN: &str = "a tenant id (36-character GUID), a domain or `*`";
const NOT_A_DOMAIN: &str = "a tenant id or `*`; a domain is resolved when it is written, \
                            and a file must hold the id";
const DIRECTION: &str = "an object with `inbound` and `outbound`";
const TIME: &str = "a time with its offset, like 2027-01-31T18:00:00Z";

/// The shape of RFC 3339, without the freedoms that other readers of dates take.
fn is_rfc3339(text: &str) -> bool {
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(found, expected)| match expected {
                    b'0' => found.is_ascii_digit(),
                    b'+' => matches!(found, b'+' | b'-'),
                    _ => found == expected,
                })
    };
    let Some((time, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if offset.len() == fraction.len() {
                return false;
            }
            offset
        }
        None => rest,
    };
    shape(time, "0000-00-00T00:00:00") && (offset == "Z" || shape(offset, "+00:00"))
}

/// Whether somebody who wrote this will have meant a domain; whether it is a good one is said where
/// it is resolved. A name in other letters, with other dots, and a name that stands for many
/// tenants are told why they are none.
fn is_meant_as_a_domain(text: &str) -> bool {
    text.contains('.') || !text.is_ascii() || TenantId::parse(text) == Err(TenantIdError::Alias)
}

/// A DNS name of two labels or more, in ASCII: a look-alike letter makes another name.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top_level = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(label)
        && !top_level.bytes().all(|b| b.is_ascii_digit())
}
