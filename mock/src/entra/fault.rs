//! Entra's errors: their shape and the few that the mock gives.

use serde_json::json;

use crate::jwt::random_guid;
use crate::mint::now;
use crate::reply::Reply;
use crate::request::Request;

/// An error answer of a token endpoint.
#[derive(Debug)]
pub(crate) struct Fault {
    status: u16,
    error: &'static str,
    code: u32,
    text: String,
}

impl Fault {
    fn new(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self {
            status,
            error,
            code,
            text: text.into(),
        }
    }

    pub(crate) fn unknown_tenant(name: &str) -> Self {
        let text = format!(
            "Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        );
        Self::new(400, "invalid_tenant", 90002, text)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::new(400, "invalid_request", 900_144, text)
    }

    pub(crate) fn only_post() -> Self {
        let text = "The endpoint only accepts POST requests. Received a GET request.";
        Self::new(400, "invalid_request", 900_561, text)
    }

    pub(crate) fn wrong_secret(client: &str) -> Self {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client \
                            secret value, not the client secret ID, for a secret added to app '{client}'."
        );
        Self::new(401, "invalid_client", 7_000_215, text)
    }

    pub(crate) fn unknown_grant(grant: &str) -> Self {
        let text = format!("The app requested an unsupported grant type '{grant}'.");
        Self::new(400, "unsupported_grant_type", 70003, text)
    }

    pub(crate) fn bad_grant() -> Self {
        Self::new(
            400,
            "invalid_grant",
            9_002_313,
            "Invalid request. Request is malformed or invalid.",
        )
    }

    pub(crate) fn redeemed() -> Self {
        Self::new(
            400,
            "invalid_grant",
            54005,
            "OAuth2 Authorization code was already redeemed, please retry with a new \
                                               valid code or use an existing refresh token.",
        )
    }

    pub(crate) fn wrong_verifier() -> Self {
        let text = "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
        Self::new(400, "invalid_grant", 501_481, text)
    }

    pub(crate) fn wrong_redirect() -> Self {
        let text = "The reply address does not match the reply address provided when requesting Authorization code.";
        Self::new(400, "invalid_client", 500_112, text)
    }

    pub(crate) fn bad_assertion() -> Self {
        Self::new(
            400,
            "invalid_grant",
            50013,
            "Assertion failed signature validation or is malformed.",
        )
    }

    pub(crate) fn unknown_user(name: &str) -> Self {
        let text = format!(
            "The user account {name} does not exist in any directory known here. To sign into this \
                            application, the account must be added to the directory."
        );
        Self::new(400, "invalid_grant", 50034, text)
    }

    pub(crate) fn personal_account() -> Self {
        let text = "User account is a personal Microsoft account. Personal Microsoft accounts are not supported for \
                    this application unless explicitly invited to an organization.";
        Self::new(400, "invalid_request", 500_200, text)
    }

    pub(crate) fn pending() -> Self {
        let text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling.";
        Self::new(400, "authorization_pending", 70016, text)
    }

    /// The answer, with the ids and headers Entra adds.
    pub(crate) fn reply(&self, request: &Request) -> Reply {
        let trace = random_guid();
        let correlation = request
            .header("client-request-id")
            .map_or_else(random_guid, str::to_owned);
        let time = timestamp(now());
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
            self.code, self.text
        );
        let body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
        });
        Reply::json(self.status, &body).entra_headers()
    }
}

/// `2026-11-21 09:30:00Z`, as Entra writes the time in its errors.
fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a civil date, after Howard Hinnant's algorithm, for dates after 1970.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn writes_the_time_as_entra_does() {
        assert_eq!(timestamp(0), "1970-01-01 00:00:00Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(timestamp(1_795_253_401), "2026-11-21 09:30:01Z");
    }
}
