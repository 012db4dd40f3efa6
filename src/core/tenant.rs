//! A tenant id: the one spelling in which tenants are compared, recorded and looked up.
//!
//! Invariant: two [`TenantId`]s are equal exactly when they name the same tenant. Only the
//! 36-character hyphenated form is read (in either case); braces, `urn:uuid:`, undashed forms,
//! the nil id and the aliases of the identity platform are refused, never canonicalised.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

/// The tenant that personal Microsoft accounts sign in from (Microsoft identity platform,
/// "ID token claims reference": `tid`).
pub const PERSONAL_ACCOUNTS: TenantId =
    TenantId(Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad));

/// A Microsoft Entra tenant id (a GUID), never nil.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantId(Uuid);

/// The order of the text, compared as one number: allowlists are searched by it.
impl Ord for TenantId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_u128().cmp(&other.0.as_u128())
    }
}

impl PartialOrd for TenantId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a text is not a tenant id. The fault is with whoever wrote the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TenantIdError {
    /// One of the names that stand for many tenants at once.
    #[error("is an alias for many tenants; a tenant id (36-character GUID) is expected")]
    Alias,
    /// Nothing but spaces, or nothing at all.
    #[error("is empty; a tenant id (36-character GUID) is expected")]
    Empty,
    /// The GUID of zeros, which names no tenant.
    #[error("is the nil GUID, which names no tenant")]
    Nil,
    /// Anything else: braces, no dashes, `urn:uuid:`, a domain, garbage.
    #[error("is not a tenant id; expected a GUID like 72f988bf-86f1-41af-91ab-2d7cd011db47")]
    NotAGuid,
}

/// Names that the identity platform accepts in a path in place of a tenant and that stand for no
/// single tenant. `consumers` is not among them: it means [`PERSONAL_ACCOUNTS`].
pub const MANY_TENANTS: [&str; 2] = ["common", "organizations"];

impl TenantId {
    /// Reads a tenant id. Upper case is accepted and folded, nothing else is.
    ///
    /// # Errors
    /// [`TenantIdError`] says what the text was instead.
    pub fn parse(text: &str) -> Result<Self, TenantIdError> {
        if text.len() == uuid::fmt::Hyphenated::LENGTH {
            let id = Uuid::try_parse(text).map_err(|_| TenantIdError::NotAGuid)?;
            return if id.is_nil() {
                Err(TenantIdError::Nil)
            } else {
                Ok(Self(id))
            };
        }
        let trimmed = text.trim();
        if trimmed.is_empty() {
            Err(TenantIdError::Empty)
        } else if trimmed.eq_ignore_ascii_case("consumers")
            || MANY_TENANTS
                .iter()
                .any(|alias| trimmed.eq_ignore_ascii_case(alias))
        {
            Err(TenantIdError::Alias)
        } else {
            Err(TenantIdError::NotAGuid)
        }
    }

    /// Its 16 bytes, in the order of its text.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The tenant of these 16 bytes; the nil id is none.
    pub const fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let id = Uuid::from_bytes(bytes);
        if id.is_nil() { None } else { Some(Self(id)) }
    }

    /// Writes the canonical form (lower case, hyphenated) without allocating.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 36]))
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for TenantId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; 36]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_read() {
        use TenantIdError::{Alias, Empty, Nil, NotAGuid};
        let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
        let table = [
            (id, None),
            ("72F988BF-86F1-41AF-91AB-2D7CD011DB47", None),
            ("72F988bf-86f1-41aF-91ab-2d7cd011Db47", None),
            ("{72f988bf-86f1-41af-91ab-2d7cd011db47}", Some(NotAGuid)),
            ("(72f988bf-86f1-41af-91ab-2d7cd011db47)", Some(NotAGuid)),
            ("72f988bf86f141af91ab2d7cd011db47", Some(NotAGuid)),
            (
                "urn:uuid:72f988bf-86f1-41af-91ab-2d7cd011db47",
                Some(NotAGuid),
            ),
            (" 72f988bf-86f1-41af-91ab-2d7cd011db47", Some(NotAGuid)),
            ("72f988bf-86f1-41af-91ab-2d7cd011db4g", Some(NotAGuid)),
            ("72f988bf_86f1_41af_91ab_2d7cd011db47", Some(NotAGuid)),
            ("00000000-0000-0000-0000-000000000000", Some(Nil)),
            ("common", Some(Alias)),
            ("Organizations", Some(Alias)),
            ("consumers", Some(Alias)),
            ("", Some(Empty)),
            ("   ", Some(Empty)),
            ("*", Some(NotAGuid)),
            ("contoso.com", Some(NotAGuid)),
        ];
        for (text, error) in table {
            match (TenantId::parse(text), error) {
                (Ok(parsed), None) => {
                    assert_eq!(parsed.to_string(), id, "{text}");
                    assert_eq!(format!("{parsed:?}"), id, "{text}");
                }
                (Err(found), Some(expected)) => assert_eq!(found, expected, "{text}"),
                (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn sixteen_bytes_are_the_same_tenant() {
        let id = TenantId::parse("72f988bf-86f1-41af-91ab-2d7cd011db47").unwrap();
        let bytes = 0x72f9_88bf_86f1_41af_91ab_2d7c_d011_db47_u128.to_be_bytes();
        assert_eq!(id.as_bytes(), &bytes);
        assert_eq!(TenantId::from_bytes(bytes), Some(id));
        assert_eq!(TenantId::from_bytes([0; 16]), None);
    }

    #[test]
    fn personal_accounts_is_microsofts_constant() {
        assert_eq!(
            PERSONAL_ACCOUNTS.to_string(),
            "9188040d-6c67-4c5b-b112-36a304b66dad"
        );
    }
}
