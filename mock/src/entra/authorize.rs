//! The authorize endpoint: consents at once for whoever `login_hint` names and sends the browser
//! back with a code.

use http::Method;

use super::fault::Fault;
use super::ticket::Ticket;
use super::{Call, account, any_user};
use crate::jwt::random_guid;
use crate::reply::Reply;
use crate::tenants::PERSONAL;

pub(crate) fn answer(call: &Call<'_>) -> Result<Reply, Fault> {
    let parameter = |name: &str| match call.request.method {
        Method::POST => call.request.field(name),
        _ => call.request.query_field(name),
    };
    parameter("client_id").ok_or_else(|| Fault::missing("client_id"))?;
    let redirect = parameter("redirect_uri").ok_or_else(|| Fault::missing("redirect_uri"))?;
    let user = match parameter("login_hint").filter(|hint| !hint.is_empty()) {
        Some(hint) => account(call.provider, &hint).ok_or_else(|| Fault::unknown_user(&hint))?,
        None => any_user(
            call.provider,
            &call.sign_in_tenant(&call.provider.options().default_tenant)?,
        ),
    };
    let tenant = call.sign_in_tenant(&user.home)?;
    let client_info = user.client_info();
    let ticket = Ticket {
        nonce: parameter("nonce"),
        redirect: Some(redirect.clone()),
        challenge: parameter("code_challenge"),
        forced: call.forced_tenant().is_some(),
        ..Ticket::new(tenant, user, parameter("scope").unwrap_or_default())
    };
    let mut answer = vec![("code", ticket.write())];
    if parameter("client_info").is_some() && ticket.tenant != PERSONAL {
        answer.push(("client_info", client_info));
    }
    if let Some(state) = parameter("state") {
        answer.push(("state", state));
    }
    answer.push(("session_state", random_guid()));
    Ok(send_back(
        &redirect,
        parameter("response_mode").as_deref(),
        &answer,
    ))
}

fn send_back(redirect: &str, mode: Option<&str>, answer: &[(&str, String)]) -> Reply {
    if mode == Some("form_post") {
        return form_post(redirect, answer);
    }
    let pairs = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(answer)
        .finish();
    let joint = match mode {
        Some("fragment") => '#',
        _ if redirect.contains('?') => '&',
        _ => '?',
    };
    Reply::redirect(302, &format!("{redirect}{joint}{pairs}")).entra_headers()
}

fn form_post(redirect: &str, answer: &[(&str, String)]) -> Reply {
    let mut page = format!(
        "<html><body><form method=\"POST\" action=\"{}\">",
        escape(redirect)
    );
    for (name, value) in answer {
        page.push_str(&format!(
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\"/>",
            escape(value)
        ));
    }
    page.push_str("</form><script>document.forms[0].submit();</script></body></html>");
    Reply::new(200, page)
        .header("content-type", "text/html; charset=utf-8")
        .entra_headers()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
