//! Where things stand in etcd.
//!
//! | key | what |
//! |---|---|
//! | `<prefix>policies/<tenant-id>` | a tenant's policy, as a file of the policy directory has it |
//! | `<prefix>policies/beat` | the heartbeat |
//! | `<prefix>policies/accepted/<id>` | an operator's word that this history is to be followed |
//! | `<prefix>gateways/<id>` | how one gateway stands, tied to a lease of it |
//! | `<prefix>changed` | the tenant whose policy a gateway or command wrote last, in the same transaction |
//!
//! The heartbeat stands among the policies so that one watch delivers both in the order in which
//! they were written: a beat proves that no change before it is missing. Acceptances stand there so that
//! whoever follows a history has seen those in it.

use crate::core::tenant::TenantId;

use super::etcd::range_end;
use crate::problem::visible;

/// The keys below one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    policies: String,
    accepted: String,
    gateways: String,
    changed: String,
}

/// Whose a key among the policies is, by its name below them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An operator's acceptance.
    Accepted,
    /// The heartbeat.
    Beat,
    /// A name of a tenant's, spelt in another way: there must be one key a tenant.
    Misspelt(TenantId),
    /// No tenant's.
    Nobody,
    /// This tenant's policy.
    Tenant(TenantId),
}

const BEAT: &str = "beat";

/// Bytes of a key's name that are shown: it may have a million, and they may be anything.
const MOST_SHOWN: usize = 100;
const ACCEPTED: &str = "accepted/";

impl Keys {
    /// The keys below a prefix that ends with `/`.
    pub fn below(prefix: &str) -> Self {
        Self {
            policies: format!("{prefix}policies/"),
            accepted: format!("{prefix}policies/{ACCEPTED}"),
            gateways: format!("{prefix}gateways/"),
            changed: format!("{prefix}changed"),
        }
    }

    /// Begin and end of the range of all policies, the heartbeat among them.
    pub fn policies(&self) -> (Vec<u8>, Vec<u8>) {
        range(&self.policies)
    }

    /// A tenant's policy.
    pub fn policy(&self, tenant: TenantId) -> Vec<u8> {
        format!("{}{tenant}", self.policies).into_bytes()
    }

    /// The heartbeat.
    pub fn beat(&self) -> Vec<u8> {
        format!("{}{BEAT}", self.policies).into_bytes()
    }

    /// Begin and end of the range of all acceptances, which stand among the policies.
    pub fn accepted(&self) -> (Vec<u8>, Vec<u8>) {
        range(&self.accepted)
    }

    /// One acceptance.
    pub fn acceptance(&self, id: &str) -> Vec<u8> {
        format!("{}{id}", self.accepted).into_bytes()
    }

    /// Whose policy was written last.
    pub fn changed(&self) -> Vec<u8> {
        self.changed.clone().into_bytes()
    }

    /// Begin and end of the range of all gateways.
    pub fn gateways(&self) -> (Vec<u8>, Vec<u8>) {
        range(&self.gateways)
    }

    /// One gateway.
    pub fn gateway(&self, id: &str) -> Vec<u8> {
        format!("{}{id}", self.gateways).into_bytes()
    }

    /// The name of a key among the policies, below them.
    pub fn name<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        key.strip_prefix(self.policies.as_bytes())
    }

    /// The key of this name among the policies.
    pub fn named(&self, name: &[u8]) -> Vec<u8> {
        [self.policies.as_bytes(), name].concat()
    }

    /// What a problem with a key is told under.
    pub fn shown(&self, name: &[u8]) -> String {
        let begin = name.get(..MOST_SHOWN).unwrap_or(name);
        let begin = visible(&String::from_utf8_lossy(begin));
        format!("etcd:{}{begin}", self.policies)
    }
}

/// Whose the key of this name is.
pub fn owner(name: &[u8]) -> Owner {
    if name == BEAT.as_bytes() {
        return Owner::Beat;
    }
    if name.starts_with(ACCEPTED.as_bytes()) {
        return Owner::Accepted;
    }
    let text = std::str::from_utf8(name).ok();
    match text.map(TenantId::parse) {
        Some(Ok(tenant)) if tenant.to_string().as_bytes() == name => Owner::Tenant(tenant),
        Some(Ok(tenant)) => Owner::Misspelt(tenant),
        Some(Err(_)) | None => Owner::Nobody,
    }
}

fn range(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    (prefix.as_bytes().to_vec(), range_end(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_owner() {
        let keys = Keys::below("/tidegate/");
        let id = "1a2b3c4d-1111-4111-8111-111111111111";
        let tenant = TenantId::parse(id).unwrap();
        assert_eq!(
            keys.policy(tenant),
            format!("/tidegate/policies/{id}").into_bytes()
        );
        for (name, expected) in [
            (id.to_owned(), Owner::Tenant(tenant)),
            (id.to_uppercase(), Owner::Misspelt(tenant)),
            ("beat".to_owned(), Owner::Beat),
            ("BEAT".to_owned(), Owner::Nobody),
            ("accepted/1".to_owned(), Owner::Accepted),
            ("accepted".to_owned(), Owner::Nobody),
            (format!("{id}.json"), Owner::Nobody),
            (String::new(), Owner::Nobody),
        ] {
            let key = format!("/tidegate/policies/{name}").into_bytes();
            assert_eq!(owner(keys.name(&key).unwrap()), expected, "{name}");
        }
        assert_eq!(keys.name(b"/tidegate/gateways/a"), None);
        let odd = keys.shown("\u{1b}[2J".repeat(1000).as_bytes());
        assert!(odd.len() < 400 && !odd.contains('\u{1b}'), "{odd}");
        assert_eq!(owner(b"\xff"), Owner::Nobody);
    }
}
