//! The device authorization endpoint. Nobody needs to enter the user code: the sign-in succeeds
//! after a few polls.

use serde_json::json;

use super::fault::Fault;
use super::ticket::Ticket;
use super::{Call, account, any_user};
use crate::jwt::random;
use crate::options::Version;
use crate::provider::Provider;
use crate::reply::Reply;

pub(crate) fn answer(call: &Call<'_>) -> Result<Reply, Fault> {
    let field = |name: &str| {
        call.request
            .field(name)
            .or_else(|| call.request.query_field(name))
    };
    field("client_id").ok_or_else(|| Fault::missing("client_id"))?;
    let options = call.provider.options();
    let user = match field("login_hint") {
        Some(hint) => account(call.provider, &hint).ok_or_else(|| Fault::unknown_user(&hint))?,
        None => any_user(
            call.provider,
            &call.sign_in_tenant(&options.default_tenant)?,
        ),
    };
    let tenant = call.sign_in_tenant(&user.home)?;
    let scope = field("scope").unwrap_or_default();
    let forced = call.forced_tenant().is_some();
    let code = Ticket {
        forced,
        ..Ticket::new(tenant, user, scope)
    }
    .write();
    call.provider
        .memory()
        .devices
        .insert(code.clone(), options.device_polls);
    let user_code: String = random(9)
        .to_ascii_uppercase()
        .replace(['-', '_'], "X")
        .chars()
        .take(9)
        .collect();
    let verification = format!("{}/common/oauth2/deviceauth", call.provider.base());
    let message = format!(
        "To sign in, use a web browser to open the page {verification} and enter the code \
                           {user_code} to authenticate."
    );
    let mut body = json!({
        "user_code": user_code,
        "device_code": code,
        "verification_uri": verification,
        "expires_in": 900,
        "interval": options.device_interval,
        "message": message,
    });
    if let (Version::V1, Some(members)) = (call.version, body.as_object_mut()) {
        members.insert("verification_url".into(), json!(verification));
        members.insert("expires_in".into(), json!("900"));
        members.insert(
            "interval".into(),
            json!(options.device_interval.to_string()),
        );
    }
    Ok(Reply::json(200, &body).entra_headers())
}

/// Whether a device code's user has signed in by now. Each call counts as one poll.
pub(crate) fn poll(provider: &Provider, code: &str) -> Result<(), Fault> {
    let mut memory = provider.memory();
    match memory.devices.get_mut(code) {
        Some(left) if *left > 0 => {
            *left -= 1;
            Err(Fault::pending())
        }
        Some(_) => {
            memory.devices.remove(code);
            Ok(())
        }
        None if code.starts_with(super::ticket::FOR) => Ok(()),
        None => Err(Fault::bad_grant()),
    }
}
