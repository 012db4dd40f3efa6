//! One token: its split, its claims, and the two readers of them.
//!
//! Holds: a token that a careless client reads as Entra's is believed with that tenant or not
//! believed, never "not Entra's"; the reader of replies and the one of requests never name two
//! tenants; a token inside a longer text is found.

use std::sync::LazyLock;

use tidegate::core::tenant::TenantId;
use tidegate::core::token::issuer::{Cloud, Issuers};
use tidegate::core::token::keys::KeySet;
use tidegate::core::token::reply::inspect_text;
use tidegate::core::token::verified::{Refused, Unverified};
use tidegate::core::token::{Class, classify, jwt};

use super::careless;
use super::material::{FOREIGN, FOREIGN_TOKENS, expand};

static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| Issuers::of_clouds(&[Cloud::Public]));

/// Holds one text against what must hold of it.
pub fn run(input: &[u8]) {
    let expanded = expand(input);
    let text = String::from_utf8_lossy(&expanded);
    let class = classify(&text, &ISSUERS);
    assert_eq!(class, classify(&text, &ISSUERS), "one token, one class");
    if let Some(tid) = careless::tid(&text) {
        match &class {
            Class::Entra(token) => assert_eq!(tid, token.tenant.to_string(), "{text:?}"),
            Class::Untrusted(_) => {}
            Class::NotEntra(kind) => panic!("{kind:?}, and some client reads {tid}: {text:?}"),
        }
    }
    by_both_readers(&text, &class);
    within(&text);
}

/// A token that the strict reader of requests takes names the same tenant in a reply; unsigned as
/// it is here, no key set believes it.
fn by_both_readers(text: &str, class: &Class) {
    let Ok(unverified) = Unverified::read(text, &ISSUERS) else {
        return;
    };
    assert!(matches!(class, Class::Entra(_)), "{class:?}: {text:?}");
    let verdict = unverified.verify(&KeySet::default());
    assert_eq!(verdict.err(), Some(Refused::UnknownKey), "{text:?}");
}

/// What is found within a text stands in it, and a whole token that stands in it is found.
fn within(text: &str) {
    let outside = |found: &str| {
        let base = text.as_ptr().addr();
        let at = found.as_ptr().addr();
        at < base || at + found.len() > base + text.len()
    };
    let mut many = 0_usize;
    jwt::find_within(text, |found, _| {
        assert!(!outside(found));
        many += 1;
    });
    assert!(many <= text.matches('.').count(), "more tokens than dots");
    let seen = inspect_text(text, &ISSUERS);
    if FOREIGN_TOKENS
        .iter()
        .any(|token| text.contains(token.as_str()))
    {
        let foreign = TenantId::parse(FOREIGN).expect("a tenant id");
        assert!(
            seen.tenants.contains(&foreign) || seen.untrusted.is_some(),
            "overlooked in {text:?}"
        );
    }
}
