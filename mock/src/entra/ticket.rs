//! What an authorization code, a refresh token or a device code stands for. The contents travel
//! inside the string, so that a code survives a restart of the mock.

use serde::{Deserialize, Serialize};

use super::any_user;
use crate::claims::Account;
use crate::jwt::{b64, random, unb64};
use crate::provider::Provider;
use crate::tenants::PERSONAL;

/// A code that starts with this asks for the tenant (an id or a domain) that follows, and can be
/// used again and again.
pub(crate) const FOR: &str = "for:";

/// Marks the part that holds the contents.
const MARK: &str = "AgABAwEAAA";

/// The contents of a code or token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// The tenant the user signed in to.
    pub(crate) tenant: String,
    /// The user name.
    pub(crate) user: String,
    /// The user's home tenant.
    pub(crate) home: String,
    /// The scopes consented to.
    pub(crate) scope: String,
    /// The `nonce` of the authorize request.
    pub(crate) nonce: Option<String>,
    /// The redirect URI of the authorize request.
    pub(crate) redirect: Option<String>,
    /// The S256 code challenge of the authorize request.
    pub(crate) challenge: Option<String>,
    /// The tenant was asked for by the test itself, and stands above the path.
    pub(crate) forced: bool,
}

impl Ticket {
    /// For a user who signed in to a tenant.
    pub(crate) fn new(tenant: String, account: Account, scope: String) -> Self {
        Self {
            tenant,
            user: account.username,
            home: account.home,
            scope,
            ..Self::default()
        }
    }

    /// The user it stands for.
    pub(crate) fn account(&self) -> Account {
        Account {
            username: self.user.clone(),
            home: self.home.clone(),
        }
    }

    /// The opaque string: `1.AXoA...` with two dots, which is no JWT, or `M.C507_...` for personal
    /// accounts.
    pub(crate) fn write(&self) -> String {
        let contents = b64(serde_json::to_vec(self).unwrap_or_default());
        if self.tenant == PERSONAL {
            format!("M.C507_BAY.0.U.-{}.{MARK}{contents}", random(48))
        } else {
            format!("1.AXoA{}.{MARK}{contents}", random(48))
        }
    }

    /// Reads what [`write`](Self::write) wrote, or `for:<tenant>`.
    pub(crate) fn read(provider: &Provider, text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix(FOR) {
            let tenant = provider.tenant(name)?;
            let account = any_user(provider, &tenant);
            let scope = "openid profile offline_access User.Read".to_owned();
            return Some(Self {
                forced: true,
                ..Self::new(tenant, account, scope)
            });
        }
        let contents = text.rsplit('.').next()?.strip_prefix(MARK)?;
        serde_json::from_slice(&unb64(contents)?).ok()
    }
}
