//! What a collector's answer means for a batch.
//!
//! Source: OTLP 1.9, "OTLP/HTTP response": retried are 429, 502, 503, 504 and what got no answer;
//! everything else that is no success is not sent again.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Response, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;
use thiserror::Error;

use crate::again::retry_after;

/// Statuses of a collector that may take it another time.
const RETRYABLE: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// Why a batch was not taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Failure {
    /// It may be taken another time, not before the collector says.
    #[error("{why}")]
    Again {
        why: String,
        after: Option<Duration>,
    },
    /// It will not be taken another time either.
    #[error("answered {0}")]
    Refused(u16),
}

/// Judges an answer, or why there is none. A batch that is taken: all but so many of its records.
pub(super) fn judge(
    answer: Result<Response<Bytes>, String>,
    now: SystemTime,
) -> Result<u64, Failure> {
    let answer = answer.map_err(|why| Failure::Again { why, after: None })?;
    let status = answer.status();
    if status.is_success() {
        Ok(rejected(answer.into_body()))
    } else if RETRYABLE.contains(&status) {
        Err(Failure::Again {
            why: format!("answered {}", status.as_u16()),
            after: retry_after(answer.headers(), now),
        })
    } else {
        Err(Failure::Refused(status.as_u16()))
    }
}

/// Records that an answer says were rejected.
fn rejected(answer: Bytes) -> u64 {
    let answer = ExportLogsServiceResponse::decode(answer).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    u64::try_from(partial.rejected_log_records).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

    use super::*;

    fn answer(status: u16, after: &str, body: &[u8]) -> Response<Bytes> {
        let mut answer = Response::new(Bytes::copy_from_slice(body));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        if !after.is_empty() {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, after.parse().unwrap());
        }
        answer
    }

    #[test]
    fn an_answer_means_taken_again_or_refused() {
        let now = SystemTime::now();
        let again = |status: u16, after: Option<u64>| {
            Err(Failure::Again {
                why: format!("answered {status}"),
                after: after.map(Duration::from_secs),
            })
        };
        for (status, after, expected) in [
            (200, "", Ok(0)),
            (202, "9", Ok(0)),
            (301, "", Err(Failure::Refused(301))),
            (307, "1", Err(Failure::Refused(307))),
            (400, "1", Err(Failure::Refused(400))),
            (401, "", Err(Failure::Refused(401))),
            (404, "", Err(Failure::Refused(404))),
            (408, "", Err(Failure::Refused(408))),
            (413, "", Err(Failure::Refused(413))),
            (429, "", again(429, None)),
            (429, "7", again(429, Some(7))),
            (429, "soon", again(429, None)),
            (500, "7", Err(Failure::Refused(500))),
            (501, "", Err(Failure::Refused(501))),
            (502, "", again(502, None)),
            (503, "86400", again(503, Some(86_400))),
            (504, "-1", again(504, None)),
            (505, "", Err(Failure::Refused(505))),
        ] {
            assert_eq!(
                judge(Ok(answer(status, after, b"")), now),
                expected,
                "{status}"
            );
        }
        let lost = judge(Err("no answer".to_owned()), now);
        assert_eq!(lost.unwrap_err().to_string(), "no answer");
    }

    #[test]
    fn a_success_may_be_a_part_of_one() {
        let partial = |rejected_log_records| {
            let answer = ExportLogsServiceResponse {
                partial_success: Some(ExportLogsPartialSuccess {
                    rejected_log_records,
                    error_message: "too many".to_owned(),
                }),
            };
            answer.encode_to_vec()
        };
        for (body, rejected) in [
            (Vec::new(), 0),
            (partial(0), 0),
            (partial(3), 3),
            (partial(-3), 0),
            (partial(i64::MAX), i64::MAX.unsigned_abs()),
            (b"{\"partialSuccess\":{}}".to_vec(), 0),
            (vec![0xff; 40], 0),
        ] {
            let taken = judge(Ok(answer(200, "", &body)), SystemTime::now());
            assert_eq!(taken, Ok(rejected));
        }
    }
}
