//! The Entra-like provider: which endpoint a path means, and whose tenant its first segment names.

mod authorize;
mod device;
mod discovery;
mod fault;
mod grant;
mod ticket;
mod token;

use crate::claims::Account;
use crate::options::Version;
use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::Request;
use crate::tenants::{PERSONAL, PERSONAL_DOMAINS};
use fault::Fault;

/// The first path segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    /// Any account.
    Common,
    /// Personal accounts.
    Consumers,
    /// Accounts of any tenant.
    Organizations,
    /// This tenant (canonical id).
    Tenant(String),
}

/// A request with what its path says.
pub(crate) struct Call<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) request: &'a Request,
    pub(crate) authority: Authority,
    /// The segment as the client wrote it.
    pub(crate) segment: String,
    pub(crate) version: Version,
}

impl Call<'_> {
    /// A parameter that picks the tenant whatever else the request says: `mock_tenant` in the query
    /// or the form.
    pub(crate) fn forced_tenant(&self) -> Option<String> {
        let name = "mock_tenant";
        let text = self
            .request
            .query_field(name)
            .or_else(|| self.request.field(name))?;
        self.provider.tenant(&text)
    }

    /// The tenant a sign-in ends up in, given the one it would have on a shared authority.
    pub(crate) fn sign_in_tenant(&self, own: &str) -> Result<String, Fault> {
        if let Some(tenant) = self.forced_tenant() {
            return Ok(tenant);
        }
        match &self.authority {
            Authority::Tenant(tenant) => Ok(tenant.clone()),
            Authority::Consumers => Ok(PERSONAL.to_owned()),
            Authority::Organizations if own == PERSONAL => Err(Fault::personal_account()),
            Authority::Common | Authority::Organizations => Ok(own.to_owned()),
        }
    }
}

/// Answers one request. Paths are matched as Entra does: case does not matter, nor does a slash at
/// the end.
pub(crate) fn answer(provider: &Provider, request: &Request) -> Reply {
    let lower = request.path.to_ascii_lowercase();
    let segments: Vec<&str> = lower
        .trim_start_matches('/')
        .trim_end_matches('/')
        .split('/')
        .collect();
    let Some((segment, endpoint)) = segments.split_first() else {
        return not_found();
    };
    if lower == "/common/discovery/instance" {
        return discovery::instance(provider, request);
    }
    let version = if endpoint.contains(&"v2.0") {
        Version::V2
    } else {
        Version::V1
    };
    let handler: fn(&Call<'_>) -> Result<Reply, Fault> = match endpoint {
        ["oauth2", "token"] | ["oauth2", "v2.0", "token"] => token::answer,
        ["oauth2", "authorize"] | ["oauth2", "v2.0", "authorize"] => authorize::answer,
        ["oauth2", "devicecode"] | ["oauth2", "v2.0", "devicecode"] => device::answer,
        [".well-known", "openid-configuration"]
        | ["v2.0", ".well-known", "openid-configuration"] => discovery::configuration,
        ["discovery", "keys"] | ["discovery", "v2.0", "keys"] => discovery::keys,
        _ => return not_found(),
    };
    let outcome = authority(provider, segment).and_then(|authority| {
        handler(&Call {
            provider,
            request,
            authority,
            segment: (*segment).to_owned(),
            version,
        })
    });
    outcome.unwrap_or_else(|fault| fault.reply(request))
}

/// The account a user name means; `None` if its domain is not registered.
pub(crate) fn account(provider: &Provider, username: &str) -> Option<Account> {
    let (_, domain) = username.rsplit_once('@')?;
    let domain = domain.to_ascii_lowercase();
    let home = if PERSONAL_DOMAINS.contains(&domain.as_str()) {
        PERSONAL.to_owned()
    } else {
        provider.tenant(&domain)?
    };
    Some(Account {
        username: username.to_owned(),
        home,
    })
}

/// A user of a tenant that nobody named.
fn any_user(provider: &Provider, tenant: &str) -> Account {
    let known = provider
        .options()
        .domains
        .iter()
        .find(|(_, id)| id.as_str() == tenant);
    let domain = match known {
        _ if tenant == PERSONAL => "outlook.com",
        Some((domain, _)) => domain,
        None => "mock.example",
    };
    Account {
        username: format!("user@{domain}"),
        home: tenant.to_owned(),
    }
}

fn authority(provider: &Provider, segment: &str) -> Result<Authority, Fault> {
    match segment {
        "common" => Ok(Authority::Common),
        "consumers" => Ok(Authority::Consumers),
        "organizations" => Ok(Authority::Organizations),
        _ => provider
            .tenant(segment)
            .map(Authority::Tenant)
            .ok_or_else(|| Fault::unknown_tenant(segment)),
    }
}

fn not_found() -> Reply {
    Reply::new(
        404,
        "<html><body>404 - File or directory not found.</body></html>",
    )
    .header("content-type", "text/html")
}
