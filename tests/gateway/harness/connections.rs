//! A service that creates connections, and the configuration of a route in front of it.

use std::sync::Arc;

use tidegate_mock::tls::Ca;
use tidegate_mock::{MockService, Options, Token};
use toml::{Table, Value};

use super::{Creation, NORTHWIND, Setup, World};

/// The service's name in the configuration.
pub(crate) const SERVICE: &str = "connections";

/// The route's path, of one connection.
pub(crate) const PATH: &str = "/connections/one";

/// The audience of creators' tokens.
pub(crate) const PLATFORM: &str = "api://platform";

/// The audience of sign-in tokens.
pub(crate) const SIGN_IN: &str = "api://sign-in";

/// The header that a sign-in token can stand in.
pub(crate) const SIGN_IN_HEADER: &str = "x-sign-in-token";

/// The headers that tell the service who it is: creator tenant, sign-in tenant, decision id.
pub(crate) const TOLD: [&str; 3] = [
    "x-tidegate-creator-tenant",
    "x-tidegate-sign-in-tenant",
    "x-tidegate-decision-id",
];

/// A creator's own token, as the one place that is asked.
pub(crate) const BEARER: &str = r#"{ bearer = "authorization", audience = ["api://platform"] }"#;

const ROUTE: &str = r#"
name = "create"
kind = "connection"
service = "connections"
provider = "entra"
path = "/connections/{id}"
connector_header = "x-connector-name"
creator = [{ bearer = "authorization", audience = ["api://platform"] }]
sign_in = [
    { header = "x-sign-in-token", audience = ["api://sign-in"] },
    { form = "id_token", audience = ["api://sign-in"] },
    { json = "/properties/token", audience = ["api://other", "api://sign-in"] },
]
errors = "oauth"
"#;

impl Setup {
    /// A service that creates connections, and a route to it.
    pub(crate) fn connections() -> Self {
        let tell: Table = format!(
            "creator_tenant = {:?}\nsign_in_tenant = {:?}\ndecision_id = {:?}",
            TOLD[0], TOLD[1], TOLD[2]
        )
        .parse()
        .unwrap();
        Self::new()
            .set("services.connections.ca", "ca.pem")
            .set("services.connections.tell", Value::Table(tell))
            .route(ROUTE)
    }
}

/// The service behind the gateway.
pub(super) async fn service(ca: &Arc<Ca>) -> MockService {
    let options = Options::connection_service().ca(Arc::clone(ca));
    MockService::start(options).await.unwrap()
}

impl World {
    /// The token of a user of a tenant who creates connections.
    pub(crate) fn creator(&self, tenant: &str) -> Token {
        self.canary(self.idp.mint().access_token(tenant).audience(PLATFORM))
    }

    /// The token of an account of a tenant that signs in.
    pub(crate) fn sign_in(&self, tenant: &str) -> Token {
        self.canary(self.idp.mint().id_token(tenant).audience(SIGN_IN))
    }

    /// The creation of a connection: the bearer token of a user of `creator`, and the token of an
    /// account of `sign_in` in the body.
    pub(crate) fn creation(&self, creator: &str, sign_in: &str) -> Creation<'_> {
        Creation::new(self, creator, sign_in)
    }

    /// After every case on a connection route: the service saw exactly so many requests since the last
    /// check and no provider a request for tokens, nothing secret is in any output, the process is
    /// the same, and the next good request passes.
    pub(crate) async fn forwarded(&self, requests: u64) {
        let seen = self.service.requests().count();
        assert_eq!(seen, requests, "requests at the service");
        let tokens = self.idp.requests().token_posts() + self.devops.requests().token_posts();
        assert_eq!(tokens, 0, "exchanges at the providers");
        self.service.requests().clear();
        let good = self.creation(NORTHWIND, NORTHWIND).send().await;
        good.created("same_tenant");
        self.service.requests().clear();
        self.nothing_leaked().await;
        assert!(self.gateway.is_alive());
    }

    fn canary(&self, token: Token) -> Token {
        token.claim("canary", self.secrets.canary())
    }
}
