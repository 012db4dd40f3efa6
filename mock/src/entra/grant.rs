//! What each grant stands for: who signs in, to which tenant, and with what scopes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::fault::Fault;
use super::ticket::{FOR, Ticket};
use super::{Call, account, any_user, device};
use crate::claims::Account;
use crate::jwt::{self, b64, sha256};

/// The outcome of a grant.
pub(crate) struct Grant {
    pub(crate) tenant: String,
    /// `None` for an application's own token.
    pub(crate) account: Option<Account>,
    /// The scopes consented to earlier; those of the request come first.
    pub(crate) scope: String,
    pub(crate) nonce: Option<String>,
    /// The RFC 8693 member that token exchange adds.
    pub(crate) issued_token_type: Option<&'static str>,
    /// Whether the reply has a refresh token whatever the scopes.
    pub(crate) refreshable: bool,
    /// The tenant stands above the path, and does so at the next refresh as well.
    pub(crate) forced: bool,
}

/// Reads the grant of a token request.
pub(crate) fn read(call: &Call<'_>) -> Result<Grant, Fault> {
    let grant_type = required(call, "grant_type")?;
    match grant_type.as_str() {
        "authorization_code" => code(call),
        "refresh_token" => {
            let grant = from_ticket(call, &ticket(call, &required(call, "refresh_token")?)?)?;
            Ok(Grant {
                refreshable: true,
                nonce: None,
                ..grant
            })
        }
        "client_credentials" => application(call),
        "password" => password(call),
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => on_behalf(call, "assertion", None),
        "urn:ietf:params:oauth:grant-type:token-exchange" => on_behalf(
            call,
            "subject_token",
            Some("urn:ietf:params:oauth:token-type:access_token"),
        ),
        "urn:ietf:params:oauth:grant-type:saml2-bearer"
        | "urn:ietf:params:oauth:grant-type:saml1_1-bearer" => saml(call),
        "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => {
            let field = |name: &str| call.request.field(name);
            // The v1 endpoint takes the device code as `code`.
            let device_code = field("device_code")
                .or_else(|| field("code"))
                .ok_or_else(|| Fault::missing("device_code"))?;
            device::poll(call.provider, &device_code)?;
            from_ticket(call, &ticket(call, &device_code)?)
        }
        other => Err(Fault::unknown_grant(other)),
    }
}

/// The client of a request: `client_id`, the user of Basic, or the subject of a client assertion.
/// Secrets are taken as they come, but for the word `wrong`, which is refused.
pub(crate) fn client(call: &Call<'_>) -> Result<String, Fault> {
    let field = |name: &str| call.request.field(name).filter(|value| !value.is_empty());
    let basic = basic(call);
    let asserted = field("client_assertion").and_then(|token| text(&jwt::claims(&token)?, "sub"));
    let named = field("client_id")
        .or_else(|| basic.as_ref().map(|(client, _)| client.clone()))
        .or(asserted);
    let client = named.ok_or_else(|| Fault::missing("client_id"))?;
    let secret = field("client_secret").or(basic.map(|(_, secret)| secret));
    if secret.as_deref() == Some("wrong") {
        Err(Fault::wrong_secret(&client))
    } else {
        Ok(client)
    }
}

fn basic(call: &Call<'_>) -> Option<(String, String)> {
    let encoded = call
        .request
        .header("authorization")?
        .strip_prefix("Basic ")?;
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (client, secret) = decoded.split_once(':')?;
    Some((client.to_owned(), secret.to_owned()))
}

fn required(call: &Call<'_>, name: &str) -> Result<String, Fault> {
    call.request
        .field(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Fault::missing(name))
}

fn ticket(call: &Call<'_>, text: &str) -> Result<Ticket, Fault> {
    Ticket::read(call.provider, text).ok_or_else(Fault::bad_grant)
}

fn code(call: &Call<'_>) -> Result<Grant, Fault> {
    let code = required(call, "code")?;
    let ticket = ticket(call, &code)?;
    if let Some(challenge) = &ticket.challenge {
        let verifier = call.request.field("code_verifier").unwrap_or_default();
        if *challenge != b64(sha256(verifier.as_bytes())) && *challenge != verifier {
            return Err(Fault::wrong_verifier());
        }
    }
    if ticket.redirect.is_some() && ticket.redirect != call.request.field("redirect_uri") {
        return Err(Fault::wrong_redirect());
    }
    if !code.starts_with(FOR) && !call.provider.memory().redeemed.insert(code) {
        return Err(Fault::redeemed());
    }
    from_ticket(call, &ticket)
}

fn from_ticket(call: &Call<'_>, ticket: &Ticket) -> Result<Grant, Fault> {
    let tenant = if ticket.forced {
        ticket.tenant.clone()
    } else {
        call.sign_in_tenant(&ticket.tenant)?
    };
    Ok(Grant {
        scope: ticket.scope.clone(),
        nonce: ticket.nonce.clone(),
        forced: ticket.forced,
        ..Grant::user(tenant, ticket.account())
    })
}

fn application(call: &Call<'_>) -> Result<Grant, Fault> {
    let tenant = call.sign_in_tenant(&call.provider.options().default_tenant)?;
    Ok(Grant {
        account: None,
        ..Grant::user(
            tenant,
            Account {
                username: String::new(),
                home: String::new(),
            },
        )
    })
}

fn password(call: &Call<'_>) -> Result<Grant, Fault> {
    let username = required(call, "username")?;
    required(call, "password")?;
    let account =
        account(call.provider, &username).ok_or_else(|| Fault::unknown_user(&username))?;
    Ok(Grant::user(call.sign_in_tenant(&account.home)?, account))
}

/// The user of an incoming token, which is read but not verified.
fn on_behalf(
    call: &Call<'_>,
    parameter: &str,
    issued: Option<&'static str>,
) -> Result<Grant, Fault> {
    let assertion = required(call, parameter)?;
    let grant = if assertion.starts_with(FOR) {
        from_ticket(call, &ticket(call, &assertion)?)?
    } else {
        let claims = jwt::claims(&assertion).ok_or_else(Fault::bad_assertion)?;
        let tid = text(&claims, "tid").ok_or_else(Fault::bad_assertion)?;
        let named = ["preferred_username", "upn", "unique_name"]
            .iter()
            .find_map(|name| text(&claims, name));
        let account = match named {
            Some(username) => Account {
                username,
                home: tid.clone(),
            },
            None => any_user(call.provider, &tid),
        };
        Grant::user(call.sign_in_tenant(&tid)?, account)
    };
    Ok(Grant {
        issued_token_type: issued,
        ..grant
    })
}

/// A SAML assertion is not looked into: its user is of the path's tenant.
fn saml(call: &Call<'_>) -> Result<Grant, Fault> {
    required(call, "assertion")?;
    let tenant = call.sign_in_tenant(&call.provider.options().default_tenant)?;
    let account = any_user(call.provider, &tenant);
    Ok(Grant::user(tenant, account))
}

fn text(claims: &Value, name: &str) -> Option<String> {
    claims.get(name)?.as_str().map(str::to_owned)
}

impl Grant {
    fn user(tenant: String, account: Account) -> Self {
        Self {
            tenant,
            account: Some(account),
            scope: String::new(),
            nonce: None,
            issued_token_type: None,
            refreshable: false,
            forced: false,
        }
    }
}
