//! A PUT by somebody who may: the document read, held against the path's tenant, resolved, completed
//! with what it leaves to the stored one, stored.
//!
//! Invariant: what was begun to be stored is stored, and recorded, whether or not the client is
//! still there; what is answered with 200 is what decisions use. What was carried over from a stored
//! text replaces that text and no other.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::api::{Admitted, Answer, Api, LARGEST, labelled, who};
use super::condition::{self, Condition};
use super::fault::Fault;
use super::{additions, domains, json};
use crate::audit::{Event, PolicyRequest, Text};
use crate::core::tenant::TenantId;
use crate::policies::document::parse_for_write;
use crate::policies::write::{Expect, WriteError, Written};
use crate::presented::{Reading, media_type};

/// How often a text is carried over that others change meanwhile.
const ATTEMPTS: usize = 5;

/// What is to be stored.
struct Wanted {
    bytes: Vec<u8>,
    condition: Condition,
    /// It says every addition itself; nothing is carried over.
    is_literal: bool,
}

impl Wanted {
    /// Whether another text in the place of the one that was looked at changes what is stored, and
    /// not whether.
    const fn follows_the_stored(&self) -> bool {
        !self.is_literal && matches!(self.condition, Condition::None | Condition::Present)
    }
}

impl Api {
    /// Does it, and answers.
    pub(super) async fn write(
        self: &Arc<Self>,
        admitted: &Admitted,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Answer {
        let tenant = admitted.tenant;
        let mut record = self.open_record(Event::Change, Some(tenant), headers);
        record.caller = Some(who(&admitted.caller));
        let wanted = match self.prepare(tenant, headers, body).await {
            Ok(prepared) => prepared,
            Err(fault) => {
                record.refused(fault.as_str(), fault.status().as_u16());
                return fault.response();
            }
        };
        // The change and its record belong together, whether or not somebody waits for them.
        let api = Arc::clone(self);
        let stored = tokio::spawn(async move { api.store(tenant, wanted, record).await });
        let stored = stored.await.unwrap_or(Err(Fault::Storage));
        stored.unwrap_or_else(|fault| fault.response())
    }

    /// What is to be stored, and on which condition.
    async fn prepare(
        &self,
        tenant: TenantId,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<Wanted, Fault> {
        // Before anything is refused: who is still sending may not hear an answer.
        let body = self.body(body).await?;
        if !is_json(headers) || headers.contains_key(CONTENT_ENCODING) {
            return Err(Fault::MediaType);
        }
        let condition = condition::of_write(headers)?;
        let draft = parse_for_write(&body, tenant).map_err(Fault::Document)?;
        let says_so = additions::literally(headers)?;
        let is_literal = says_so || draft.has_additions();
        let bytes = domains::resolve(draft, self.resolver.as_ref()).await?;
        Ok(Wanted {
            bytes,
            condition,
            is_literal,
        })
    }

    async fn body(&self, body: Incoming) -> Result<Bytes, Fault> {
        if body.size_hint().lower() > u64::try_from(LARGEST).unwrap_or(u64::MAX) {
            return Err(Fault::BodyTooLarge);
        }
        timeout(self.body_timeout, Limited::new(body, LARGEST).collect())
            .await
            .map_err(|_| Fault::BodyTimeout)?
            .map(|body| body.to_bytes())
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Fault::BodyTooLarge
                } else {
                    Fault::BodyIncomplete
                }
            })
    }

    async fn store(
        &self,
        tenant: TenantId,
        wanted: Wanted,
        mut record: PolicyRequest,
    ) -> Result<Answer, Fault> {
        let (bytes, written, fault) = match self.put(tenant, &wanted).await {
            Ok(put) => put,
            Err(fault) => {
                record.refused(fault.as_str(), fault.status().as_u16());
                return Err(fault);
            }
        };
        let Written {
            etag,
            version,
            unchanged,
            before,
            ..
        } = written;
        record.before = before.map(|it| Text::new(&it.etag, it.version, &it.bytes));
        record.after = Some(Text::new(&etag, version, &bytes));
        if fault != Some(Fault::OutcomeUnknown) {
            tracing::info!(policy.tenant = %tenant, policy.version = %version, "policy put by an administrator");
        }
        if let Some(fault) = fault {
            record.refused(fault.as_str(), fault.status().as_u16());
            return Err(fault);
        }
        record.done(unchanged, StatusCode::OK.as_u16());
        Ok(labelled(json(StatusCode::OK, bytes), &etag, version))
    }

    /// Stores it. A fault beside what was written: decisions may not use it yet.
    ///
    /// Nothing is stored while no record of it could be: [`crate::audit::Audit::has_room`] tells
    /// what of that can be known beforehand, and what cannot.
    async fn put(
        &self,
        tenant: TenantId,
        wanted: &Wanted,
    ) -> Result<(Vec<u8>, Written, Option<Fault>), Fault> {
        let _place = self.writes.acquire().await.map_err(|_| Fault::Storage)?;
        for _ in 0..ATTEMPTS {
            let (bytes, expect) = self.text(tenant, wanted).await?;
            if !self.audit.has_room() {
                return Err(Fault::AuditUnavailable);
            }
            match self.policies.put(tenant, bytes.clone(), expect).await {
                Ok(written) => return Ok((bytes, written, None)),
                Err(WriteError::NotInForce(written)) => {
                    return Ok((bytes, *written, Some(Fault::NotInForce)));
                }
                Err(WriteError::Unknown { before, why }) => {
                    tracing::error!(policy.tenant = %tenant, why, "nobody knows whether a policy is written");
                    // It may be in force yet: the record says which text that would be.
                    let unknown = Written::unknown(before);
                    return Ok((bytes, unknown, Some(Fault::OutcomeUnknown)));
                }
                Err(WriteError::Changed { .. }) if wanted.follows_the_stored() => {}
                Err(error) => return Err(of(error, tenant)),
            }
        }
        Err(of(WriteError::Busy, tenant))
    }

    /// The text to store, and in place of what.
    async fn text(&self, tenant: TenantId, wanted: &Wanted) -> Result<(Vec<u8>, Expect), Fault> {
        let bytes = wanted.bytes.clone();
        match &wanted.condition {
            Condition::Absent => return Ok((bytes, Expect::Absent)),
            Condition::None if wanted.is_literal => return Ok((bytes, Expect::Any)),
            Condition::Present if wanted.is_literal => return Ok((bytes, Expect::Present)),
            Condition::OneOf(tags) if wanted.is_literal => {
                // One is compared where it is written, whatever stands there.
                if let [tag] = tags.as_slice() {
                    return Ok((bytes, Expect::Match(tag.clone())));
                }
            }
            Condition::None | Condition::OneOf(_) | Condition::Present => {}
        }
        let stored = match (self.stored(tenant).await?, &wanted.condition) {
            (None, Condition::None) => return Ok((bytes, Expect::Absent)),
            (None, _) => return Err(Fault::Precondition),
            (Some(stored), Condition::OneOf(tags)) if !tags.contains(&stored.etag) => {
                return Err(Fault::Precondition);
            }
            (Some(stored), _) => stored,
        };
        let bytes = if wanted.is_literal {
            bytes
        } else {
            additions::carried_over(bytes, tenant, &stored)?
        };
        Ok((bytes, Expect::Match(stored.etag)))
    }
}

/// Whether the body is JSON by its content type; nothing that only resembles it.
fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = named.and_then(|it| it.split(';').next()).map(str::trim);
    media_type(headers) == Some(Reading::Json)
        && essence.is_some_and(|it| it.eq_ignore_ascii_case("application/json"))
}

fn of(error: WriteError, tenant: TenantId) -> Fault {
    match error {
        WriteError::Changed { .. } => Fault::Precondition,
        WriteError::Elsewhere(why) => Fault::Elsewhere(why),
        WriteError::Faults(faults) => Fault::Document(faults),
        WriteError::Busy
        | WriteError::NotInForce(_)
        | WriteError::Storage(_)
        | WriteError::Unknown { .. } => {
            tracing::error!(policy.tenant = %tenant, %error, "policy cannot be written");
            Fault::Storage
        }
    }
}
