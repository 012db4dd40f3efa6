//! A PUT by somebody who may: the document read, held against the path's tenant, resolved, stored.
//!
//! Invariant: what was begun to be stored is stored, and recorded, whether or not the client is
//! still there; what is answered with 200 is what decisions use.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::api::{Admitted, Answer, Api, LARGEST, labelled, who};
use super::condition::{self, Condition};
use super::fault::Fault;
use super::{domains, json};
use crate::audit::{Event, PolicyRequest, Text};
use crate::core::tenant::TenantId;
use crate::policies::document::parse_for_write;
use crate::policies::write::{Expect, WriteError, Written};
use crate::presented::{Reading, media_type};

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
        let (expect, bytes) = match self.prepare(tenant, headers, body).await {
            Ok(prepared) => prepared,
            Err(fault) => {
                record.refused(fault.as_str(), fault.status().as_u16());
                return fault.response();
            }
        };
        // The change and its record belong together, whether or not somebody waits for them.
        let api = Arc::clone(self);
        let stored = tokio::spawn(async move { api.store(tenant, expect, bytes, record).await });
        let stored = stored.await.unwrap_or(Err(Fault::Storage));
        stored.unwrap_or_else(|fault| fault.response())
    }

    /// What is to be stored, and on which condition.
    async fn prepare(
        &self,
        tenant: TenantId,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<(Expect, Vec<u8>), Fault> {
        // Before anything is refused: who is still sending may not hear an answer.
        let body = self.body(body).await?;
        let is_json = media_type(headers) == Some(Reading::Json);
        if !is_json || headers.contains_key(CONTENT_ENCODING) {
            return Err(Fault::MediaType);
        }
        let condition = condition::of_write(headers)?;
        let draft = parse_for_write(&body, tenant).map_err(Fault::Document)?;
        let bytes = domains::resolve(draft, self.resolver.as_ref()).await?;
        let expect = match condition {
            Condition::Absent => Expect::Absent,
            Condition::None => Expect::Any,
            Condition::Present => Expect::Present,
            Condition::OneOf(tags) => self.one_of(tenant, tags).await?,
        };
        Ok((expect, bytes))
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

    /// The one of several entity tags that the policy has.
    async fn one_of(&self, tenant: TenantId, mut tags: Vec<String>) -> Result<Expect, Fault> {
        if tags.len() > 1 {
            let stored = self.stored(tenant).await?.ok_or(Fault::Precondition)?;
            tags.retain(|tag| *tag == stored.etag);
        }
        tags.pop().map(Expect::Match).ok_or(Fault::Precondition)
    }

    async fn store(
        &self,
        tenant: TenantId,
        expect: Expect,
        bytes: Vec<u8>,
        mut record: PolicyRequest,
    ) -> Result<Answer, Fault> {
        let put = match self.writes.acquire().await {
            Ok(_place) => self.policies.put(tenant, bytes.clone(), expect).await,
            Err(_) => Err(WriteError::Busy),
        };
        let (written, fault) = match put {
            Ok(written) => (written, None),
            Err(WriteError::NotInForce(written)) => (*written, Some(Fault::NotInForce)),
            Err(error) => {
                let fault = of(error, tenant);
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
        tracing::info!(policy.tenant = %tenant, policy.version = %version, "policy put by an administrator");
        if let Some(fault) = fault {
            record.refused(fault.as_str(), fault.status().as_u16());
            return Err(fault);
        }
        record.done(unchanged, StatusCode::OK.as_u16());
        Ok(labelled(json(StatusCode::OK, bytes), &etag, version))
    }
}

fn of(error: WriteError, tenant: TenantId) -> Fault {
    match error {
        WriteError::Changed { .. } => Fault::Precondition,
        WriteError::Elsewhere(why) => Fault::Elsewhere(why),
        WriteError::Faults(faults) => Fault::Document(faults),
        WriteError::Busy | WriteError::NotInForce(_) | WriteError::Storage(_) => {
            tracing::error!(policy.tenant = %tenant, %error, "policy cannot be written");
            Fault::Storage
        }
    }
}
