//! Exchanges of every kind, as many as are wanted, several at once.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::connections::{PATH, PLATFORM, SIGN_IN};
use crate::harness::*;

/// At once.
const CLIENTS: usize = 8;

const TENANTS: [&str; 4] = [CONTOSO, FABRIKAM, NORTHWIND, PERSONAL];

/// Labels; some could be taken for a formula, or for markup.
const CONNECTORS: [Option<&str>; 5] = [
    Some("sql"),
    Some("=1+1"),
    Some("<b>&\"'"),
    Some("sharepoint"),
    None,
];

/// Accounts of each tenant that sign in on the connection route.
const USERS: usize = 3;

/// Numbers that look random and are the same each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}

/// What clients need: tokens are made once, not for every exchange.
struct Client {
    http: reqwest::Client,
    url: String,
    secret: String,
    creators: Vec<String>,
    sign_ins: Vec<Vec<String>>,
}

/// Makes so many exchanges, and waits for their answers.
pub(super) async fn all(world: &World, exchanges: usize) {
    let user = |number: usize| json!(format!("dddddddd-0000-4000-8000-{number:012}"));
    let sign_in = |tenant: &str, number| {
        let token = world.idp.mint().id_token(tenant).audience(SIGN_IN);
        token.claim("oid", user(number)).build()
    };
    let creator = |tenant: &&str| {
        let token = world.idp.mint().access_token(*tenant).audience(PLATFORM);
        token.build()
    };
    let client = Arc::new(Client {
        http: world.client(false).clone(),
        url: world.url().to_owned(),
        secret: world.secrets.canary(),
        creators: TENANTS[..3].iter().map(creator).collect(),
        sign_ins: TENANTS[..3]
            .iter()
            .map(|tenant| (0..USERS).map(|number| sign_in(tenant, number)).collect())
            .collect(),
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Arc::clone(&client);
        clients.spawn(async move {
            for exchange in (number..exchanges).step_by(CLIENTS) {
                client.exchange(exchange).await;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

impl Client {
    async fn exchange(&self, number: usize) {
        let mut dice = Dice(number as u64);
        let creator = TENANTS[dice.roll(3)];
        let sign_in = dice.roll(4);
        let connector = CONNECTORS[dice.roll(5)];
        let status = match dice.roll(20) {
            0..=7 => self.token(COMMON, Some(creator), sign_in, connector).await,
            // A legacy connection.
            8 => self.token(COMMON, None, sign_in, connector).await,
            9..=10 => {
                self.token("/common/oauth2/token", Some(creator), sign_in, None)
                    .await
            }
            // The path names who signs in: decided before the provider is asked.
            11 => {
                let path = format!("/{}/oauth2/v2.0/token", TENANTS[sign_in]);
                self.token(&path, Some(creator), sign_in, connector).await
            }
            12..=13 => self.devops(creator).await,
            14..=16 => {
                self.create(dice.roll(3), dice.roll(3), dice.roll(USERS), connector)
                    .await
            }
            // Refused: a creator that is none, a code that is none, tokens that are none.
            17 => self.token(COMMON, Some("nobody"), sign_in, connector).await,
            18 => self.code(COMMON, Some(creator), "none", connector).await,
            _ => self.send_creation("a.b.c", "d.e.f", connector).await,
        };
        assert!(matches!(status, 200 | 201 | 400 | 401 | 403), "{status}");
    }

    async fn token(
        &self,
        path: &str,
        creator: Option<&str>,
        sign_in: usize,
        connector: Option<&str>,
    ) -> u16 {
        let code = format!("for:{}", TENANTS[sign_in]);
        self.code(path, creator, &code, connector).await
    }

    async fn code(
        &self,
        path: &str,
        creator: Option<&str>,
        code: &str,
        connector: Option<&str>,
    ) -> u16 {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"),
            ("client_secret", &self.secret),
            ("redirect_uri", "https://app.example/callback"),
        ];
        let mut request = self.http.post(format!("{}{path}", self.url)).form(&form);
        if let Some(creator) = creator {
            request = request.header("x-ms-client-tenant-id", creator);
        }
        if let Some(connector) = connector {
            request = request.header("x-connector-name", connector);
        }
        answered(request).await
    }

    async fn devops(&self, creator: &str) -> u16 {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &self.secret),
            ("client_assertion", &self.secret),
        ];
        let request = self
            .http
            .post(format!("{}/oauth2/token", self.url))
            .form(&form);
        answered(request.header("x-ms-client-tenant-id", creator)).await
    }

    async fn create(
        &self,
        creator: usize,
        sign_in: usize,
        user: usize,
        connector: Option<&str>,
    ) -> u16 {
        let (creator, sign_in) = (&self.creators[creator], &self.sign_ins[sign_in][user]);
        self.send_creation(creator, sign_in, connector).await
    }

    async fn send_creation(&self, creator: &str, sign_in: &str, connector: Option<&str>) -> u16 {
        let body = json!({ "properties": { "token": sign_in } });
        let mut request = self.http.put(format!("{}{PATH}", self.url));
        request = request.bearer_auth(creator).json(&body);
        if let Some(connector) = connector {
            request = request.header("x-connector-name", connector);
        }
        answered(request).await
    }
}

async fn answered(request: reqwest::RequestBuilder) -> u16 {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    answer.bytes().await.unwrap();
    status
}
