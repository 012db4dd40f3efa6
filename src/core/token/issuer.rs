//! Entra's issuers: exact templates per cloud, with the tenant in the middle.
//!
//! Invariant: an `iss` matches when it is, byte for byte, a template with a canonical tenant id
//! filled in. Nothing matches by prefix, by host or by likeness; likeness only turns "another
//! issuer" into "claims to be Entra and is not believed".
//!
//! Source: Microsoft identity platform, "Access tokens" (claims `iss`, `ver`) and "National
//! clouds" (authority hosts).

use super::super::tenant::TenantId;

/// Where the tenant id stands in a template, as OpenID discovery documents of `common` write it.
pub const PLACEHOLDER: &str = "{tenantid}";

/// An Entra cloud: where its authority is and what its issuers look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// 21Vianet.
    China,
    /// The worldwide cloud.
    Public,
    /// US Government.
    UsGov,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 3] = [Self::China, Self::Public, Self::UsGov];

    /// The authority's base URL.
    pub const fn authority(self) -> &'static str {
        match self {
            Self::China => "https://login.partner.microsoftonline.cn",
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGov => "https://login.microsoftonline.us",
        }
    }

    /// Templates of version 2.0 and version 1.0 issuers.
    pub const fn issuers(self) -> [&'static str; 2] {
        match self {
            Self::China => [
                "https://login.partner.microsoftonline.cn/{tenantid}/v2.0",
                "https://sts.chinacloudapi.cn/{tenantid}/",
            ],
            Self::Public => [
                "https://login.microsoftonline.com/{tenantid}/v2.0",
                "https://sts.windows.net/{tenantid}/",
            ],
            Self::UsGov => [
                "https://login.microsoftonline.us/{tenantid}/v2.0",
                "https://sts.windows.net/{tenantid}/",
            ],
        }
    }
}

/// Hosts that only Microsoft's identity platform issues from. An `iss` that contains one and
/// matches no template is not somebody else's: it is not believed.
const ENTRA_HOSTS: [&str; 7] = [
    "login.microsoftonline.",
    "login.partner.microsoftonline.",
    "sts.windows.net",
    "sts.chinacloudapi.cn",
    "login.windows.net",
    "login.microsoft.com",
    "login.sovcloud-identity.",
];

/// A set of issuer templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuers {
    templates: Vec<(String, String)>,
}

/// What an `iss` is to a set of templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Another issuer, or none.
    Foreign,
    /// It looks like Entra's and is none of the configured issuers.
    Resembles,
    /// It is a configured issuer, of this tenant.
    Tenant(TenantId),
}

impl Issuers {
    /// Builds a set from templates.
    ///
    /// # Errors
    /// The template that does not hold [`PLACEHOLDER`] exactly once.
    pub fn new<'a>(templates: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut set = Self::default();
        for template in templates {
            let Some((before, after)) = template.split_once(PLACEHOLDER) else {
                return Err(template.to_owned());
            };
            if before.is_empty() || after.contains(PLACEHOLDER) {
                return Err(template.to_owned());
            }
            let pair = (before.to_owned(), after.to_owned());
            if !set.templates.contains(&pair) {
                set.templates.push(pair);
            }
        }
        Ok(set)
    }

    /// The issuers of some clouds.
    pub fn of_clouds(clouds: &[Cloud]) -> Self {
        Self::new(clouds.iter().flat_map(|cloud| cloud.issuers())).unwrap_or_default()
    }

    /// Adds another set's templates to this one.
    pub fn extend(&mut self, other: &Self) {
        for pair in &other.templates {
            if !self.templates.contains(pair) {
                self.templates.push(pair.clone());
            }
        }
    }

    /// Compares an `iss` with the templates.
    pub fn find(&self, iss: Option<&str>) -> Match {
        let Some(iss) = iss else {
            return Match::Foreign;
        };
        for (before, after) in &self.templates {
            let between = iss
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()));
            if let Some(id) = between
                && let Ok(tenant) = TenantId::parse(id)
                && tenant.encode(&mut [0; 36]) == id
            {
                return Match::Tenant(tenant);
            }
        }
        if self.resembles(iss) {
            Match::Resembles
        } else {
            Match::Foreign
        }
    }

    fn resembles(&self, iss: &str) -> bool {
        let iss = iss.to_ascii_lowercase();
        let own_hosts = self.templates.iter().filter_map(|(before, _)| {
            let (_, rest) = before.split_once("://")?;
            rest.split('/').next().filter(|host| !host.is_empty())
        });
        ENTRA_HOSTS
            .into_iter()
            .chain(own_hosts)
            .any(|host| iss.contains(host))
    }
}
