//! Mock identity providers for trying and testing Tidegate: an Entra-like one and an
//! Azure-DevOps-like token service, and a service that creates connections ([`service`]), over real
//! HTTPS, in the process of the test. No part of the gateway, and safe for nothing but tests: they
//! give tokens of any tenant to anyone who asks.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use tidegate_mock::{MockIdp, Options, Preset, tenants};
//!
//! let idp = MockIdp::start(Options::entra()).await?;
//! let body = idp.mint().body(&Preset::Signed, tenants::FABRIKAM);
//! idp.script_once("/common/oauth2/v2.0/token", body.reply());
//! // ... point a client at idp.url(), let it trust idp.ca_pem(), then:
//! assert_eq!(idp.requests().token_posts(), 1);
//! # Ok(()) }
//! ```
//!
//! # Who signs in
//! 1. `mock_tenant=<id or domain>` in the query or the form picks the tenant, whatever else the
//!    request says.
//! 2. A code, refresh token, device code, assertion or subject token `for:<id or domain>` does too,
//!    again and again.
//! 3. A concrete tenant in the path is the sign-in tenant.
//! 4. On `common` and `organizations` the user decides: by the domain of `login_hint` (authorize,
//!    device code) or `username` (password), which the code and the refresh tokens after it
//!    remember; on-behalf-of and token exchange keep the `tid` of the token they are given.
//!    `consumers` is always the tenant of personal accounts.
//! 5. Otherwise it is [`Options::default_tenant`].
//!
//! A user whose domain belongs to another tenant is a guest there: `tid` is the tenant, `idp` and
//! `client_info` the home. A client secret `wrong` is refused; any other is accepted. In the
//! Azure-DevOps-like service an assertion `entra:<tenant>` gets a genuine Entra token. For other
//! processes there are control endpoints under `/_mock/`: `mock-idp --help` lists them.
//!
//! # Tokens that a request shows, and the keys to verify them with
//! [`MockIdp::mint`] makes them ([`Token`]), [`MockIdp::keys`] says what is published
//! ([`Published`]), [`MockIdp::requests`] counts who fetched it:
//!
//! ```no_run
//! # fn example(idp: &tidegate_mock::MockIdp) {
//! use tidegate_mock::{Document, KeyName, Seal, Trouble, Version, tenants};
//!
//! let mint = idp.mint();
//! let good = mint.access_token(tenants::CONTOSO).audience("api://platform").build();
//! let late = mint.id_token(tenants::FABRIKAM).audience("app").expires_in(-61).build();
//! let graph = mint.access_token(tenants::CONTOSO).version(Version::V1)
//!     .audience("https://graph.microsoft.com").seal(Seal::GraphNonce).build();
//!
//! let keys = idp.keys();
//! keys.add(KeyName::Unpublished);              // a rollover
//! keys.sign_with(KeyName::Unpublished);
//! keys.remove(KeyName::Enterprise);            // an emergency
//! keys.trouble(Document::Keys, Trouble::Html); // until keys.mend(Document::Keys)
//! assert!(idp.requests().key_fetches() <= 1);
//! # }
//! ```

mod body;
mod claims;
mod control;
mod devops;
mod entra;
mod idp;
pub mod jwt;
mod keys;
mod mint;
mod options;
mod provider;
mod published;
mod reply;
mod request;
mod script;
mod server;
pub mod service;
pub mod tenants;
pub mod tls;
mod token;
mod trouble;
mod wire;

pub use body::{Preset, TokenBody};
pub use claims::{Account, client_info};
pub use devops::{ISSUER as AZURE_DEVOPS_ISSUER, access_token as azure_devops_token};
pub use idp::MockIdp;
pub use keys::{KeyName, KeyRing, SigningKey};
pub use mint::{Mint, now};
pub use options::{Flavour, Issuers, Options, Version};
pub use published::{KeyIssuer, Published};
pub use reply::{Reply, ReplyBody};
pub use request::{Request, RequestLog};
pub use script::Hook;
pub use service::MockService;
pub use token::{Purpose, Seal, Token};
pub use trouble::{Document, Trouble};
