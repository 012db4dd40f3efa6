//! Tests of classification, in the order a reply is read: one token, a whole reply, what a real
//! client could read differently, and properties.

mod claims;
mod classification;
mod differentials;
mod forms;
mod linear;
mod places;
mod properties;
mod replies;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::super::isolation::{OnNotEntra, Outcome, Provider, SignIn, Undetermined};
use super::super::tenant::TenantId;
use super::issuer::{Cloud, Issuers};
use super::reply::{Tokens, Unreadable, inspect, inspect_any};
use super::{Class, NotEntra, Untrusted, classify};

/// The isolated creator's tenant in most cases.
const A: &str = "aaaaaaaa-1111-4aaa-8aaa-aaaaaaaaaaaa";
/// A foreign tenant.
const B: &str = "bbbbbbbb-2222-4bbb-8bbb-bbbbbbbbbbbb";
/// Personal accounts.
const M: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// What personal accounts' access tokens look like.
const OPAQUE: &str = "EwBwA8l6BAAUO9chh8cJscQLmU+LSWpbnr0vmwwAAcVGgmTW3kuP2m1lR9y9Zw==";

const RS256: &str = r#"{"typ":"JWT","alg":"RS256","kid":"k1"}"#;

fn tenant(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A signed token of this header and these claims.
fn jwt(header: &str, claims: impl AsRef<[u8]>) -> String {
    format!("{}.{}.{}", b64(header), b64(claims), b64([0x5a; 32]))
}

fn v2_claims(tenant: &str) -> String {
    let iss = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    format!(
        r#"{{"aud":"app","iss":"{iss}","oid":"object","azp":"client","tid":"{tenant}","ver":"2.0"}}"#
    )
}

/// A version 2.0 token of this tenant.
fn v2(tenant: &str) -> String {
    jwt(RS256, v2_claims(tenant))
}

/// A version 1.0 token of this tenant.
fn v1(tenant: &str) -> String {
    let iss = format!("https://sts.windows.net/{tenant}/");
    let claims = format!(
        r#"{{"iss":"{iss}","oid":"object","appid":"client","tid":"{tenant}","ver":"1.0"}}"#
    );
    jwt(RS256, claims)
}

/// What Azure DevOps issued: HS256, its own issuer, and an Entra tenant in `tid`.
fn ado(tenant: &str) -> String {
    let claims =
        format!(r#"{{"iss":"app.vstoken.visualstudio.com","aud":"app","tid":"{tenant}"}}"#);
    jwt(r#"{"typ":"JWT","alg":"HS256"}"#, claims)
}

/// An encrypted token.
fn jwe() -> String {
    let header = b64(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    let part = |fill: u8| b64([fill; 16]);
    [header, part(0xd1), part(0xd2), part(0xd3), part(0xd4)].join(".")
}

fn issuers() -> Issuers {
    Issuers::of_clouds(&[Cloud::Public])
}

fn read(body: impl AsRef<[u8]>) -> Result<Tokens, Unreadable> {
    inspect(body.as_ref(), [], &issuers())
}

const PASS: Provider = Provider::Other(OnNotEntra::Pass);

/// What a reply says in each of the four places it can come from: an Entra provider and another,
/// with success and with failure.
#[derive(Debug, PartialEq, Eq)]
struct Says {
    entra_success: SignIn,
    entra_failure: SignIn,
    other_success: SignIn,
    other_failure: SignIn,
}

impl Says {
    fn of(tokens: &Tokens) -> Self {
        Self {
            entra_success: SignIn::of(tokens, Outcome::Success, Provider::Entra),
            entra_failure: SignIn::of(tokens, Outcome::Failure, Provider::Entra),
            other_success: SignIn::of(tokens, Outcome::Success, PASS),
            other_failure: SignIn::of(tokens, Outcome::Failure, PASS),
        }
    }

    /// The same in all four places.
    fn all(sign_in: &SignIn) -> Self {
        Self::by_provider(sign_in, sign_in)
    }

    /// Success and failure alike.
    fn by_provider(entra: &SignIn, other: &SignIn) -> Self {
        Self {
            entra_success: entra.clone(),
            entra_failure: entra.clone(),
            other_success: other.clone(),
            other_failure: other.clone(),
        }
    }

    /// Every token names this tenant.
    fn tenant(id: &str) -> Self {
        Self::all(&SignIn::Entra(tenant(id)))
    }

    /// Nobody can tell, wherever it comes from.
    fn undetermined(why: Undetermined, tenants: &[&str]) -> Self {
        Self::all(&undetermined(why, tenants))
    }

    /// A token that is not Entra's: suspect at Entra, expected elsewhere.
    fn not_entra(why: Undetermined) -> Self {
        Self::by_provider(&undetermined(why, &[]), &SignIn::NotEntra)
    }

    /// No token at all.
    fn nothing() -> Self {
        Self {
            entra_success: undetermined(Undetermined::NoToken, &[]),
            entra_failure: SignIn::NoToken,
            other_success: SignIn::NotEntra,
            other_failure: SignIn::NoToken,
        }
    }

    /// An error object without a token.
    fn error() -> Self {
        Self {
            other_success: SignIn::NoToken,
            ..Self::nothing()
        }
    }

    fn untrusted(why: Untrusted, tenants: &[&str]) -> Self {
        Self::undetermined(Undetermined::Untrusted(why), tenants)
    }
}

fn undetermined(why: Undetermined, tenants: &[&str]) -> SignIn {
    SignIn::Undetermined(why, tenants.iter().map(|id| tenant(id)).collect())
}

/// A classification without the texts that only records need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Entra(TenantId),
    NotEntra(NotEntra),
    Untrusted(Untrusted),
}

fn seen_by(token: &str, issuers: &Issuers) -> Seen {
    match classify(token, issuers) {
        Class::Entra(token) => Seen::Entra(token.tenant),
        Class::NotEntra(kind) => Seen::NotEntra(kind),
        Class::Untrusted(why) => Seen::Untrusted(why),
    }
}

fn seen(token: &str) -> Seen {
    seen_by(token, &issuers())
}
