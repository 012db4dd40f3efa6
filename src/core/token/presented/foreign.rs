//! A token in a request that no Entra provider claims as its own.
//!
//! Invariant: it counts as another provider's only if it holds no Entra token in any spelling that
//! some server undoes; nothing in a request vouches for it, and who presents it chose the spelling.

use super::super::issuer::Issuers;
use super::super::reply::inspect_text;
use super::super::verified::{LONGEST, Refused};
use super::super::{Class, NotEntra, Untrusted, classify, respelling};

/// How many layers of escapes are undone.
const LAYERS: usize = 4;

/// Tells what kind of token it is, if it is not Entra's.
///
/// # Errors
/// [`Refused`]: it is Entra's, or pretends to be, or hides one.
pub fn not_entra(token: &str, issuers: &Issuers) -> Result<NotEntra, Refused> {
    if token.len() > LONGEST {
        return Err(Refused::TooLong);
    }
    let kind = kind(token, issuers)?;
    let mut plainer = respelling::undone(token);
    for _ in 0..LAYERS {
        let Some(text) = plainer else {
            return Ok(kind);
        };
        self::kind(&text, issuers)?;
        plainer = respelling::undone(&text);
    }
    match plainer {
        None => Ok(kind),
        Some(_) => Err(Refused::Malformed),
    }
}

fn kind(token: &str, issuers: &Issuers) -> Result<NotEntra, Refused> {
    let kind = match classify(token, issuers) {
        Class::Entra(_) => return Err(Refused::Issuer),
        Class::NotEntra(kind) => kind,
        Class::Untrusted(why) => return Err(refused(why)),
    };
    let within = inspect_text(token, issuers);
    match within.untrusted {
        Some(why) => Err(refused(why)),
        None if within.tenants.is_empty() => Ok(kind),
        None => Err(Refused::Malformed),
    }
}

const fn refused(why: Untrusted) -> Refused {
    match why {
        Untrusted::Algorithm => Refused::Algorithm,
        Untrusted::Issuer => Refused::Issuer,
        Untrusted::Malformed => Refused::Malformed,
        Untrusted::TenantMismatch => Refused::TenantMismatch,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_mock::Mint;

    use super::super::super::issuer::Cloud;
    use super::*;

    const A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
    const OWN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzdmMifQ.AAAA";

    fn judged(token: &str) -> Result<NotEntra, Refused> {
        not_entra(token, &Issuers::of_clouds(&[Cloud::Public]))
    }

    fn entra() -> String {
        let mint = Mint::new(tidegate_mock::Issuers::default()).unwrap();
        mint.access_token(A).build()
    }

    #[test]
    fn what_does_not_pretend_to_be_entras_is_another_providers() {
        use NotEntra::{ForeignIssuer, Opaque, Saml};
        for (token, expected) in [
            ("opaque", Opaque),
            ("gho_16C7e42F292c6912E7710c838347Ae178B4a", Opaque),
            ("00D50000000IZ3Z!AQ0AQ.x+y/z==", Opaque),
            ("100%", Opaque),
            ("a%20b%2520c", Opaque),
            (OWN, ForeignIssuer),
            ("<Assertion>", Saml),
        ] {
            assert_eq!(judged(token), Ok(expected), "{token}");
        }
    }

    #[test]
    fn an_entra_token_is_none_in_any_spelling() {
        let token = entra();
        let escaped = |dot: &str| token.replace('.', dot);
        for dressed in [
            token.clone(),
            escaped("%2e"),
            escaped("%2E"),
            escaped("%252e"),
            escaped("%25252e"),
            escaped(r"\u002e"),
            escaped(r"\x2e"),
            escaped("&#46;"),
            escaped("&#x2e;"),
            token.replacen('e', "%65", 1),
            escaped("%2e\n"),
            format!("opaque {token}"),
            format!("opaque.{token}"),
            format!("{OWN} {token}"),
            format!("{OWN},{token}"),
            format!("a=b&access_token={token}"),
            format!("Bearer {}", escaped("%2e")),
            format!("a.b {token}"),
            format!("a.b.c {token}"),
        ] {
            assert!(
                judged(&dressed).is_err(),
                "{}",
                dressed.replace(&token, "T")
            );
        }
        assert_eq!(judged(&token), Err(Refused::Issuer));
        let within = format!("a.b.c.d {token}");
        assert_eq!(judged(&within), Err(Refused::Malformed));
        assert_eq!(judged("%25252525252e"), Err(Refused::Malformed));
    }

    #[test]
    fn length_is_bounded() {
        let opaque = |length| judged(&"a".repeat(length));
        assert_eq!(opaque(LONGEST), Ok(NotEntra::Opaque));
        assert_eq!(opaque(LONGEST + 1), Err(Refused::TooLong));
        assert_eq!(opaque(LONGEST + 2), Err(Refused::TooLong));
    }
}
