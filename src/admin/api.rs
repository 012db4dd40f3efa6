//! The policies API: one request, top to bottom. (`reports.rs` is that of reports.)
//!
//! 1. Somebody is configured who may use it, the path names a tenant by its id, the method is known.
//! 2. The caller is known, and may (`caller.rs` has the rule). Until then nothing of a body is read.
//! 3. GET gives the text as it is stored.
//! 4. PUT reads the body within its bounds, holds it against the path's tenant, resolves the domains
//!    in it, and stores it if the policy is still the one that was meant. It is answered when
//!    decisions use it, and goes on to its end when the client has gone away.
//!
//! Invariant: a tenant's policy is read or written only for a caller who may read or write that
//! tenant's; each attempt to write leaves one record, and so does each refused attempt to read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ETAG;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::caller::{Access, Caller, Gate};
use super::condition;
use super::fault::Fault;
use super::json;
use super::target::Target;
use crate::audit::{self, Audit, Event, PolicyRequest, Who};
use crate::config::Config;
use crate::core::policy::Version;
use crate::core::tenant::TenantId;
use crate::gateway::Gateway;
use crate::metrics::Metrics;
use crate::policies::Policies;
use crate::resolve::Resolver;
use crate::tls::Certificates;

/// Largest document. 500 entries with notes stay below it.
pub(super) const LARGEST: usize = 256 * 1024;

/// For a body that is not wanted any more.
const PARTING: Duration = Duration::from_secs(1);

/// Writes at once.
const WRITES: u32 = 16;

/// Reads of reports at once.
const READS: usize = 4;

const VERSION: HeaderName = HeaderName::from_static("x-tidegate-policy-version");

pub(super) type Answer = Response<Full<Bytes>>;

/// The API's state.
pub(super) struct Api {
    pub(super) gate: Gate,
    pub(super) policies: Policies,
    pub(super) audit: Audit,
    metrics: Arc<Metrics>,
    pub(super) resolver: Option<Arc<Resolver>>,
    pub(super) body_timeout: Duration,
    pub(super) writes: Semaphore,
    /// A report is made of the whole store: one at a time.
    pub(super) making: Arc<Semaphore>,
    /// Pages of reports are read whole: so many at a time.
    pub(super) reading: Arc<Semaphore>,
    /// Where decision events are kept, if they are.
    pub(super) events: Option<PathBuf>,
    /// Whether a request came over TLS.
    pub(super) is_tls: bool,
}

/// A request that may be done.
pub(super) struct Admitted {
    pub(super) tenant: TenantId,
    access: Access,
    pub(super) caller: Caller,
}

/// A request that may not, and who made it, if that is known.
pub(super) struct Refused(pub(super) Fault, pub(super) Option<Caller>);

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self(fault, None)
    }
}

impl Api {
    /// Prepares it.
    ///
    /// # Errors
    /// The name of the provider that resolves domains, and a sentence about it.
    pub(super) fn new(
        config: &Config,
        gateway: &Gateway,
        certificates: &Certificates,
    ) -> Result<Self, (String, String)> {
        let admin = &config.admin.policies;
        let patience = config.verification.key_timeout;
        let resolver = admin.provider.as_ref().filter(|_| admin.is_open());
        let resolver = resolver.map(|provider| {
            Resolver::new(provider, patience, certificates)
                .map(Arc::new)
                .map_err(|error| (provider.name.clone(), error))
        });
        Ok(Self {
            gate: Gate::new(admin, &gateway.keys),
            policies: gateway.policies.clone(),
            audit: gateway.recorder.audit.clone(),
            metrics: Arc::clone(&gateway.recorder.metrics),
            resolver: resolver.transpose()?,
            body_timeout: config.limits.body_timeout,
            writes: Semaphore::new(usize::try_from(WRITES).unwrap_or(usize::MAX)),
            making: Arc::new(Semaphore::new(1)),
            reading: Arc::new(Semaphore::new(READS)),
            events: config.events.as_ref().map(|events| events.file.clone()),
            is_tls: config.admin.tls.is_some(),
        })
    }

    /// Answers one request. `names` are those of the client's verified certificate.
    pub(super) async fn answer(
        self: &Arc<Self>,
        target: Target,
        names: &[String],
        request: Request<Incoming>,
    ) -> Answer {
        let (head, body) = request.into_parts();
        let answer = match target {
            Target::Report(_) | Target::Reports => self.report(target, names, &head, body).await,
            Target::Elsewhere | Target::NoTenant | Target::Policy(_) => {
                self.policy(target, names, &head, body).await
            }
        };
        self.metrics
            .policy_request(&head.method, answer.status().as_u16());
        answer
    }

    async fn policy(
        self: &Arc<Self>,
        target: Target,
        names: &[String],
        head: &request::Parts,
        body: Incoming,
    ) -> Answer {
        match self.admit(target, names, head).await {
            Ok(Admitted {
                tenant,
                access: Access::Read,
                ..
            }) => self
                .read(tenant, &head.headers)
                .await
                .unwrap_or_else(|fault| fault.response()),
            Ok(admitted) => self.write(&admitted, &head.headers, body).await,
            Err(Refused(fault, caller)) => {
                self.note_refusal(target, head, caller.as_ref(), &fault);
                part(body).await;
                fault.response()
            }
        }
    }

    /// Waits for the writes under way, and lets no other begin.
    pub(super) async fn finish(&self) {
        if let Ok(all) = self.writes.acquire_many(WRITES).await {
            all.forget();
        }
    }

    async fn admit(
        &self,
        target: Target,
        names: &[String],
        head: &request::Parts,
    ) -> Result<Admitted, Refused> {
        self.gate.is_open().map_err(Fault::Unknown)?;
        let tenant = match target {
            Target::Elsewhere | Target::Report(_) | Target::Reports => {
                return Err(Fault::NoResource.into());
            }
            Target::NoTenant => return Err(Fault::NoTenant.into()),
            Target::Policy(tenant) => tenant,
        };
        let access = access(&head.method).ok_or(Fault::Method)?;
        let caller = self
            .gate
            .authenticate(&head.headers, names)
            .await
            .map_err(Fault::Unknown)?;
        match self.gate.authorize(&caller, tenant, access) {
            Ok(()) => Ok(Admitted {
                tenant,
                access,
                caller,
            }),
            Err(forbidden) => Err(Refused(Fault::Forbidden(forbidden), Some(caller))),
        }
    }

    async fn read(&self, tenant: TenantId, headers: &HeaderMap) -> Result<Answer, Fault> {
        let stored = self.stored(tenant).await?;
        let etag = stored.as_ref().map_or("", |stored| &stored.etag);
        let has_already = condition::has_already(headers, etag)?;
        let stored = stored.ok_or(Fault::NoPolicy)?;
        if has_already {
            let mut same = Response::new(Full::default());
            *same.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(labelled(same, &stored.etag, stored.version));
        }
        let whole = json(StatusCode::OK, stored.bytes);
        Ok(labelled(whole, &stored.etag, stored.version))
    }

    pub(super) fn open_record(
        &self,
        event: Event,
        tenant: Option<TenantId>,
        headers: &HeaderMap,
    ) -> PolicyRequest {
        let mut record = PolicyRequest::open(self.audit.clone(), event);
        record.tenant = tenant;
        record.correlation_id = audit::correlation_id(headers);
        record
    }

    fn note_refusal(
        &self,
        target: Target,
        head: &request::Parts,
        caller: Option<&Caller>,
        fault: &Fault,
    ) {
        let event = match access(&head.method) {
            Some(Access::Read) => Event::Read,
            Some(Access::Write) => Event::Change,
            None => return,
        };
        let tenant = match target {
            Target::Policy(tenant) => Some(tenant),
            Target::Elsewhere | Target::NoTenant | Target::Report(_) | Target::Reports => None,
        };
        let mut record = self.open_record(event, tenant, &head.headers);
        record.caller = caller.map(who);
        record.refused(fault.as_str(), fault.status().as_u16());
    }
}

/// Hears a body that is not wanted: who is still sending may not hear an answer before the end.
pub(super) async fn part(body: Incoming) {
    drop(timeout(PARTING, Limited::new(body, LARGEST).collect()).await);
}

fn access(method: &Method) -> Option<Access> {
    match *method {
        Method::GET => Some(Access::Read),
        Method::PUT => Some(Access::Write),
        _ => None,
    }
}

pub(super) fn who(caller: &Caller) -> Who {
    match caller {
        Caller::Administrator(token) => Who::holder(token),
        Caller::Operator(name) => Who::Operator { name: name.clone() },
    }
}

/// Says which text it is.
pub(super) fn labelled(mut answer: Answer, etag: &str, version: Version) -> Answer {
    let headers = answer.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(ETAG, etag);
    }
    headers.insert(VERSION, HeaderValue::from(version.0));
    answer
}
