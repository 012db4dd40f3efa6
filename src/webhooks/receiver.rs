//! A receiver: one message, sent once.
//!
//! Invariant: redirects are not followed, nothing of the answer but its status and `retry-after` is
//! read, and no text that comes of it holds the receiver's path.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode, header};
use thiserror::Error;
use tokio::time::timeout;

use super::signature::Signer;
use crate::again::retry_after;
use crate::config::Webhook;
use crate::dial::{self, Dial};
use crate::secret::Unusable;
use crate::tls::Certificates;

/// How long a receiver may take to answer, connecting included.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where messages go, and what signs them.
pub(super) struct Receiver {
    dial: Dial,
    url: String,
    signer: Signer,
}

/// Why a message was not taken.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Failure {
    /// It may be taken another time, not before the receiver says.
    #[error("{why}")]
    Again {
        why: String,
        after: Option<Duration>,
    },
    /// 410: it wants no more messages.
    #[error("answered 410")]
    Gone,
    /// It will not be taken another time either.
    #[error("answered {0}")]
    Refused(u16),
}

impl Receiver {
    /// Prepares to send; nothing is connected yet.
    ///
    /// # Errors
    /// A sentence about the secret or the certificates.
    pub(super) fn new(webhook: &Webhook, certificates: &Certificates) -> Result<Self, String> {
        let signer = Signer::read(&webhook.secret_file).map_err(|unusable| match unusable {
            Unusable::Content => "secret_file holds no secret".to_owned(),
            Unusable::Unreadable(error) => format!("secret_file: {error}"),
        })?;
        let of = format_args!("webhooks.{}", webhook.name);
        let dial = Dial::to(of, &webhook.url.endpoint, certificates)?;
        Ok(Self {
            url: format!("{}{}", dial.base, webhook.url.path),
            dial,
            signer,
        })
    }

    /// Sends a message once.
    pub(super) async fn send(&self, id: &str, body: &[u8]) -> Result<(), Failure> {
        // Receivers refuse old timestamps, so each attempt has its own.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = now.map_or(0, |since| since.as_secs());
        let request = self
            .dial
            .client()
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", self.signer.sign(id, timestamp, body))
            .body(body.to_vec());
        match timeout(PATIENCE, request.send()).await {
            Ok(Ok(answer)) => judge(answer.status(), answer.headers(), SystemTime::now()),
            Ok(Err(error)) => Err(again(dial::cause(&error))),
            Err(_) => Err(again("took too long".to_owned())),
        }
    }
}

const fn again(why: String) -> Failure {
    Failure::Again { why, after: None }
}

/// What a receiver's answer means.
fn judge(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Result<(), Failure> {
    let asked = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    if status.is_success() {
        Ok(())
    } else if status == StatusCode::GONE {
        Err(Failure::Gone)
    } else if status.is_server_error() || asked.contains(&status) {
        Err(Failure::Again {
            why: format!("answered {}", status.as_u16()),
            after: retry_after(headers, now),
        })
    } else {
        Err(Failure::Refused(status.as_u16()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_means_taken_again_refused_or_gone() {
        let again = |seconds: Option<u64>, status: u16| {
            Err(Failure::Again {
                why: format!("answered {status}"),
                after: seconds.map(Duration::from_secs),
            })
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let table = [
            (200, None, Ok(())),
            (204, None, Ok(())),
            (301, None, Err(Failure::Refused(301))),
            (307, Some("1"), Err(Failure::Refused(307))),
            (400, None, Err(Failure::Refused(400))),
            (401, None, Err(Failure::Refused(401))),
            (404, None, Err(Failure::Refused(404))),
            (408, None, again(None, 408)),
            (410, None, Err(Failure::Gone)),
            (429, Some("7"), again(Some(7), 429)),
            (429, Some(" 7 "), again(Some(7), 429)),
            (429, Some("-7"), again(None, 429)),
            (429, Some("7.5"), again(None, 429)),
            (429, Some("99999999999999999999999"), again(None, 429)),
            (429, Some("soon"), again(None, 429)),
            (500, None, again(None, 500)),
            (503, Some(date), again(Some(97), 503)),
            (599, None, again(None, 599)),
        ];
        // 97 seconds before that date.
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 - 97);
        for (status, after, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(after) = after {
                headers.insert(header::RETRY_AFTER, after.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status, &headers, now), expected, "{status}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, date.parse().unwrap());
        assert_eq!(
            retry_after(&headers, SystemTime::now()),
            None,
            "a past date"
        );
    }
}
