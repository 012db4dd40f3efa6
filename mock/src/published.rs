//! What a provider publishes about its keys: which are in the key set and for whom, which one signs,
//! and how the documents that lead to them are answered when something is wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::keys::{KeyName, KeyRing};
use crate::options::{Issuers, Version};
use crate::tenants::PERSONAL;
use crate::trouble::{Document, Trouble};

/// Whose tokens a key signs: its member `issuer` in v2 key sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyIssuer {
    /// Enterprise tenants: the template on shared authorities, the tenant's own issuer elsewhere.
    Enterprise,
    /// This text.
    Literal(String),
    /// No such member.
    Missing,
    /// Personal accounts: always their tenant's issuer.
    Personal,
}

/// A provider's published keys. Clones share them, and every change acts on the next answer.
#[derive(Clone)]
pub struct Published {
    ring: Arc<KeyRing>,
    issuers: Issuers,
    state: Arc<Mutex<State>>,
}

struct State {
    keys: Vec<(KeyName, KeyIssuer)>,
    odd: Vec<Value>,
    signing: KeyName,
    jwks_uri: Option<String>,
    issuer: Option<String>,
    troubles: HashMap<Document, Trouble>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            keys: vec![
                (KeyName::Enterprise, KeyIssuer::Enterprise),
                (KeyName::EnterpriseNext, KeyIssuer::Enterprise),
                (KeyName::Personal, KeyIssuer::Personal),
            ],
            odd: Vec::new(),
            signing: KeyName::Enterprise,
            jwks_uri: None,
            issuer: None,
            troubles: HashMap::new(),
        }
    }
}

impl Published {
    pub(crate) fn new(ring: Arc<KeyRing>, issuers: Issuers) -> Self {
        Self {
            ring,
            issuers,
            state: Arc::default(),
        }
    }

    /// Publishes a key for enterprise tenants: a rollover.
    pub fn add(&self, key: KeyName) {
        self.add_for(key, KeyIssuer::Enterprise);
    }

    /// Publishes a key with this `issuer`, in the place of the same key.
    pub fn add_for(&self, key: KeyName, issuer: KeyIssuer) {
        self.remove(key);
        self.lock().keys.push((key, issuer));
    }

    /// Publishes anything as a member of `keys`, after the good ones: a key of another type, of
    /// another use, of no use. [`jwk`](Self::jwk) is a good one to start from.
    pub fn add_odd(&self, member: Value) {
        self.lock().odd.push(member);
    }

    /// Takes a key away at once. Tokens signed with it stay what they are.
    pub fn remove(&self, key: KeyName) {
        self.lock().keys.retain(|(name, _)| *name != key);
    }

    /// From now on enterprise tokens are signed with this key, published or not.
    pub fn sign_with(&self, key: KeyName) {
        self.lock().signing = key;
    }

    /// The key that signs enterprise tokens.
    pub fn signing(&self) -> KeyName {
        self.lock().signing
    }

    /// What is published, odd members aside.
    pub fn list(&self) -> Vec<(KeyName, KeyIssuer)> {
        self.lock().keys.clone()
    }

    /// From now on metadata names this as `jwks_uri`.
    pub fn jwks_uri(&self, url: impl Into<String>) {
        self.lock().jwks_uri = Some(url.into());
    }

    /// From now on metadata names this as `issuer`.
    pub fn issuer(&self, issuer: impl Into<String>) {
        self.lock().issuer = Some(issuer.into());
    }

    /// From now on a document is answered wrongly, on every path that it has.
    pub fn trouble(&self, document: Document, trouble: Trouble) {
        self.lock().troubles.insert(document, trouble);
    }

    /// The document is answered rightly again.
    pub fn mend(&self, document: Document) {
        self.lock().troubles.remove(&document);
    }

    /// Everything is as at the start.
    pub fn reset(&self) {
        *self.lock() = State::default();
    }

    /// A key as it stands in the key set of `common`, published or not.
    pub fn jwk(&self, key: KeyName) -> Value {
        let issuer = if key == KeyName::Personal {
            KeyIssuer::Personal
        } else {
            KeyIssuer::Enterprise
        };
        self.member(key, &issuer, "{tenantid}")
    }

    /// The key set of a v1 endpoint: no key names an issuer.
    pub(crate) fn set_v1(&self) -> Value {
        let state = self.lock();
        let keys = state.keys.iter();
        let keys: Vec<Value> = keys
            .map(|(name, _)| self.ring.key(*name).jwk(None))
            .chain(state.odd.iter().cloned())
            .collect();
        json!({ "keys": keys })
    }

    /// The key set of a v2 endpoint. `tenant` is a tenant id, or `{tenantid}` for the shared set of
    /// `common`.
    pub(crate) fn set_v2(&self, tenant: &str) -> Value {
        let state = self.lock();
        let keys = state.keys.iter().filter(|(_, issuer)| match issuer {
            KeyIssuer::Enterprise => tenant != PERSONAL,
            KeyIssuer::Literal(_) | KeyIssuer::Missing => true,
            KeyIssuer::Personal => tenant == PERSONAL || tenant == "{tenantid}",
        });
        let keys: Vec<Value> = keys
            .map(|(name, issuer)| self.member(*name, issuer, tenant))
            .chain(state.odd.iter().cloned())
            .collect();
        json!({ "keys": keys })
    }

    pub(crate) fn named_jwks_uri(&self) -> Option<String> {
        self.lock().jwks_uri.clone()
    }

    pub(crate) fn named_issuer(&self) -> Option<String> {
        self.lock().issuer.clone()
    }

    pub(crate) fn trouble_with(&self, document: Document) -> Option<Trouble> {
        self.lock().troubles.get(&document).cloned()
    }

    fn member(&self, key: KeyName, issuer: &KeyIssuer, tenant: &str) -> Value {
        let issuer = match issuer {
            KeyIssuer::Enterprise => Some(self.issuers.of(Version::V2, tenant)),
            KeyIssuer::Literal(text) => Some(text.clone()),
            KeyIssuer::Missing => None,
            KeyIssuer::Personal => Some(self.issuers.of(Version::V2, PERSONAL)),
        };
        self.ring.key(key).jwk(issuer.as_deref())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
