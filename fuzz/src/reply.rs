//! A token reply's body, classified.
//!
//! Holds: where the body is read at all, every tenant that a careless client takes from a token
//! field was seen, and so was every whole token wherever it stands; what is read as JSON is what
//! serde_json reads, and reads the same when it is written again.

use std::sync::LazyLock;

use serde_json::Value;
use tidegate::core::isolation::{OnNotEntra, Outcome, Provider, SignIn};
use tidegate::core::tenant::TenantId;
use tidegate::core::token::NotEntra;
use tidegate::core::token::issuer::{Cloud, Issuers};
use tidegate::core::token::reply::{MAX_TENANTS, Tokens, inspect, inspect_any};

use super::careless;
use super::material::{FOREIGN, expand};

static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| Issuers::of_clouds(&[Cloud::Public]));

/// Holds one body against what must hold of it.
pub fn run(input: &[u8]) {
    let body = expand(input);
    if let Ok(tokens) = inspect_any(&body, [], &ISSUERS) {
        overlooks_nothing(&body, &tokens);
    }
    let Ok(tokens) = inspect(&body, [], &ISSUERS) else {
        return;
    };
    overlooks_nothing(&body, &tokens);
    if body.trim_ascii_start().first() == Some(&b'{') {
        let value: Value = serde_json::from_slice(&body).expect("read here, so read by anybody");
        let again = serde_json::to_vec(&value).expect("JSON");
        let tokens_again = inspect(&again, [], &ISSUERS).expect("written anew, still read");
        assert_eq!(in_sum(&tokens), in_sum(&tokens_again), "{}", shown(&body));
    }
    // As a header's value it hides nothing either.
    if let Ok(text) = std::str::from_utf8(&body) {
        let aside = inspect(b"{}", [text], &ISSUERS).expect("an empty object");
        if careless::holds_a_foreign_token(&body) {
            assert!(sees_the_foreign(&aside), "aside: {}", shown(&body));
        }
    }
}

fn overlooks_nothing(body: &[u8], tokens: &Tokens) {
    if careless::holds_a_foreign_token(body) {
        assert!(sees_the_foreign(tokens), "overlooked: {}", shown(body));
    }
    for tid in careless::tenants_in_fields(body) {
        let Ok(tenant) = TenantId::parse(&tid) else {
            continue;
        };
        let seen = tokens.tenants.contains(&tenant)
            || tokens.tenants.len() == MAX_TENANTS
            || tokens.untrusted.is_some();
        assert!(seen, "some client reads {tid}: {}", shown(body));
    }
    for outcome in [Outcome::Failure, Outcome::Success] {
        for provider in [Provider::Entra, Provider::Other(OnNotEntra::Pass)] {
            let sign_in = SignIn::of(tokens, outcome, provider);
            let nothing = matches!(sign_in, SignIn::NoToken | SignIn::NotEntra);
            assert!(
                !nothing || (tokens.tenants.is_empty() && tokens.untrusted.is_none()),
                "{sign_in:?} of {tokens:?}"
            );
            if let SignIn::Entra(tenant) = sign_in {
                assert_eq!(tokens.tenants, [tenant]);
                assert_eq!(tokens.untrusted, None);
            }
        }
    }
}

fn sees_the_foreign(tokens: &Tokens) -> bool {
    let foreign = TenantId::parse(FOREIGN).expect("a tenant id");
    tokens.tenants.contains(&foreign)
        || tokens.tenants.len() == MAX_TENANTS
        || tokens.untrusted.is_some()
}

/// What a decision reads of it, without what depends on the order of members.
fn in_sum(tokens: &Tokens) -> impl PartialEq + std::fmt::Debug {
    let mut tenants: Vec<String> = tokens.tenants.iter().map(ToString::to_string).collect();
    tenants.sort_unstable();
    if tenants.len() == MAX_TENANTS {
        tenants.clear();
    }
    (
        tenants,
        tokens.not_entra.is_some(),
        tokens.not_entra == Some(NotEntra::ForeignIssuer),
        tokens.untrusted.is_some(),
        tokens.error,
        tokens.in_token_field,
    )
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(2_000).collect()
}
