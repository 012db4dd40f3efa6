//! Bodies of token replies, put together by hand or taken from a preset.

use serde_json::{Map, Value, json};

use crate::claims::{Account, client_info};
use crate::jwt;
use crate::mint::Mint;
use crate::options::Version;
use crate::reply::Reply;
use crate::tenants::PERSONAL;
use crate::token::Seal;

/// Kinds of token reply that tests ask for again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Both tokens are `alg: none`.
    AlgNone,
    /// A guest of `home` signed in to the tenant: `tid` is the tenant, `client_info.utid` and `idp`
    /// are the home.
    Guest {
        /// The guest's own tenant.
        home: String,
    },
    /// The access token is HS256 as Azure DevOps makes it, with the tenant in `tid`; no id_token.
    Hs256,
    /// The access token has the shape of a JWE; no id_token.
    JweShaped,
    /// The v1 endpoint's oldest form: numbers in strings, an opaque access token, an unsigned
    /// id_token.
    Legacy,
    /// The access token is opaque; no id_token, no `client_info`.
    Opaque,
    /// A personal account: an opaque access token and a signed id_token. The tenant asked for does
    /// not matter.
    Personal,
    /// Signed v2 access token and id_token.
    Signed,
    /// A signed v1 access token as the v1 endpoint gives it.
    SignedV1,
}

impl Preset {
    pub(crate) fn body(&self, mint: &Mint, tenant: &str) -> TokenBody {
        match self {
            Self::AlgNone => TokenBody::v2()
                .access_token(mint.access_token(tenant).seal(Seal::Unsigned).build())
                .id_token(mint.id_token(tenant).seal(Seal::Unsigned).build()),
            Self::Guest { home } => guest(mint, tenant, home),
            Self::Hs256 => TokenBody::v2().access_token(crate::devops::access_token(tenant)),
            Self::JweShaped => TokenBody::v2().access_token(jwt::jwe_shaped()),
            Self::Legacy => TokenBody::v1()
                .access_token(jwt::opaque_v1())
                .refresh_token(format!("AQABAAAA{}", jwt::random(400)))
                .id_token(
                    mint.id_token(tenant)
                        .version(Version::V1)
                        .seal(Seal::Unsigned)
                        .build(),
                ),
            Self::Opaque => TokenBody::v2().access_token(jwt::opaque_personal()),
            Self::Personal => TokenBody::v2()
                .access_token(jwt::opaque_personal())
                .id_token(
                    mint.id_token(PERSONAL)
                        .user("user@outlook.com", PERSONAL)
                        .build(),
                ),
            Self::Signed => TokenBody::v2()
                .access_token(mint.access_token(tenant).build())
                .id_token(mint.id_token(tenant).build()),
            Self::SignedV1 => {
                TokenBody::v1().access_token(mint.access_token(tenant).version(Version::V1).build())
            }
        }
    }
}

fn guest(mint: &Mint, tenant: &str, home: &str) -> TokenBody {
    let account = Account {
        username: "guest@mock.example".into(),
        home: home.into(),
    };
    let info = client_info(&account.object_id(home), home);
    TokenBody::v2()
        .access_token(
            mint.access_token(tenant)
                .user(&account.username, home)
                .build(),
        )
        .id_token(mint.id_token(tenant).user(&account.username, home).build())
        .member("client_info", info)
}

/// The body of a token reply under construction.
#[derive(Clone, Debug)]
pub struct TokenBody(Map<String, Value>);

impl TokenBody {
    /// The members the v2 endpoint always sends, without any token.
    pub fn v2() -> Self {
        Self(Map::new())
            .member("token_type", "Bearer")
            .member("scope", "User.Read openid profile")
            .member("expires_in", 3599)
            .member("ext_expires_in", 3599)
    }

    /// The members the v1 endpoint always sends, numbers in strings, without any token.
    pub fn v1() -> Self {
        let now = crate::mint::now();
        Self(Map::new())
            .member("token_type", "Bearer")
            .member("scope", "User.Read")
            .member("expires_in", "3599")
            .member("ext_expires_in", "3599")
            .member("expires_on", (now + 3599).to_string())
            .member("not_before", now.saturating_sub(300).to_string())
            .member("resource", "https://graph.microsoft.com")
    }

    /// Sets `access_token`.
    #[must_use]
    pub fn access_token(self, token: impl Into<String>) -> Self {
        self.member("access_token", token.into())
    }

    /// Sets `id_token`.
    #[must_use]
    pub fn id_token(self, token: impl Into<String>) -> Self {
        self.member("id_token", token.into())
    }

    /// Sets `refresh_token`.
    #[must_use]
    pub fn refresh_token(self, token: impl Into<String>) -> Self {
        self.member("refresh_token", token.into())
    }

    /// Sets `client_info`.
    #[must_use]
    pub fn client_info(self, uid: &str, utid: &str) -> Self {
        self.member("client_info", client_info(uid, utid))
    }

    /// Sets any member.
    #[must_use]
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Takes a member away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// The body as a JSON value.
    pub fn to_json(&self) -> Value {
        json!(self.0)
    }

    /// The body as bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    /// A 200 answer with this body and Entra's headers.
    pub fn reply(&self) -> Reply {
        Reply::json(200, &self.to_json()).entra_headers()
    }
}
