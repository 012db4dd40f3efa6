//! Tokens that a caller supplies (group B of the adversarial cases), each as the creator's bearer
//! token and as the sign-in token: refused with one word outside and the exact one in the record.
//!
//! Every token is of Contoso and would create a connection within Contoso if it were believed.

mod accepted;
mod claims;
mod header;
mod sizes;
mod spelling;

use serde_json::{Value, json};
use tidegate_mock::{KeyName, Token};

use super::isolated;
use crate::harness::{CONTOSO, Creation, World};

/// What a case is about, the word in the record, and how the token is made from a good one.
type Case = (&'static str, &'static str, fn(&World, Token) -> String);

/// Which of the two tokens a case is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Creator,
    SignIn,
}

impl Role {
    const BOTH: [Self; 2] = [Self::Creator, Self::SignIn];

    /// A good token for this role.
    fn token(self, world: &World) -> Token {
        match self {
            Self::Creator => world.creator(CONTOSO),
            Self::SignIn => world.sign_in(CONTOSO),
        }
    }

    /// A creation with this token in its role, and a good one in the other.
    fn creation<'w>(self, world: &'w World, token: &str) -> Creation<'w> {
        let creation = world.creation(CONTOSO, CONTOSO);
        match self {
            Self::Creator => creation.bearer(token),
            Self::SignIn => creation.json_token(token),
        }
    }

    /// The word that the caller is told.
    fn outside(self) -> &'static str {
        match self {
            Self::Creator => "creator_token_refused",
            Self::SignIn => "sign_in_token_refused",
        }
    }
}

/// Every case is refused in both roles.
async fn refused(cases: &[Case]) {
    let world = isolated().await;
    for (name, reason, make) in cases {
        for role in Role::BOTH {
            one(&world, role, name, reason, *make).await;
        }
    }
    assert_eq!(world.warnings(), 0, "{}", world.log.text());
    world.finish().await;
}

async fn one(
    world: &World,
    role: Role,
    name: &str,
    reason: &str,
    make: fn(&World, Token) -> String,
) {
    println!("{name}, {}", role.outside());
    let token = make(world, role.token(world));
    let outcome = role.creation(world, &token).send().await;
    outcome.token_refused(role.outside(), reason);
    let id = outcome.record["decision_id"].as_str().unwrap().to_owned();
    let refusal = |line: &str| line.contains(&id) && line.contains(reason);
    world.log.first("a line in the log", refusal).await;
    let lines = world.log.all();
    let told = lines.iter().filter(|line| line.contains(&id));
    assert_eq!(told.count(), 1, "one line in the log");
    let creator = (role == Role::SignIn).then_some(CONTOSO);
    outcome.tenants(creator, None);
    world.forwarded(0).await;
}

/// The name of the key that signs enterprise tokens.
fn kid(world: &World) -> String {
    world.idp.mint().key(KeyName::Enterprise).kid().to_owned()
}

/// The header of a good token.
fn head(world: &World) -> Value {
    json!({ "typ": "JWT", "alg": "RS256", "kid": kid(world) })
}

/// The claims of a token, as text.
fn text(token: &Token) -> String {
    Value::Object(token.claims()).to_string()
}

/// The claims of a token as text, with more members at the end.
fn text_and(token: &Token, more: &str) -> Vec<u8> {
    let text = text(token);
    format!("{},{more}}}", &text[..text.len() - 1]).into_bytes()
}
