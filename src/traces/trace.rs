//! One exchange's trace: its place in the client's, and what it waited for.
//!
//! Invariant: nothing is handed on before the end, and then all of it. A request that went upstream
//! has a span, even if its answer was never seen.

use std::borrow::Cow;
use std::time::{Instant, SystemTime};

use http::HeaderMap;
use opentelemetry::KeyValue;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};

use super::Traces;
use super::context::{self, Parent};

/// An exchange's part of a trace.
pub struct Trace {
    traces: Traces,
    id: TraceId,
    /// The exchange's own span.
    span: SpanId,
    parent: Option<SpanId>,
    sampled: bool,
    /// Whether the client's `tracestate` travels on.
    state: bool,
    began: (SystemTime, Instant),
    /// The request upstream that has no answer yet.
    asked: Option<Step>,
    steps: Vec<Step>,
}

/// A part of an exchange that took time.
struct Step {
    span: SpanId,
    name: &'static str,
    kind: SpanKind,
    from: Instant,
    until: Instant,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Trace {
    /// Begins an exchange's part of the trace that its request names, or of a new one.
    pub(super) fn begin(traces: &Traces, headers: &HeaderMap) -> Self {
        let ids = RandomIdGenerator::default();
        let parent = context::parent(headers);
        let id = parent.map_or_else(|| ids.new_trace_id(), |parent| parent.trace);
        Self {
            traces: traces.clone(),
            id,
            span: ids.new_span_id(),
            parent: parent.map(|parent| parent.span),
            sampled: parent.map_or_else(|| traces.samples(id), |parent| parent.sampled),
            state: parent.is_some() && context::has_sound_state(headers),
            began: (SystemTime::now(), Instant::now()),
            asked: None,
            steps: Vec::new(),
        }
    }

    /// The trace's id.
    pub const fn id(&self) -> TraceId {
        self.id
    }

    /// The exchange's own span, if anybody is told of it.
    pub fn span_id(&self) -> Option<SpanId> {
        self.sampled.then_some(self.span)
    }

    /// The moment a step begins; none if nobody will be told of it.
    pub fn clock(&self) -> Option<Instant> {
        self.sampled.then(Instant::now)
    }

    /// Notes a step that has ended, and what came of it.
    pub fn step(
        &mut self,
        name: &'static str,
        from: Instant,
        until: Instant,
        attributes: Vec<KeyValue>,
    ) {
        if self.sampled {
            self.steps.push(Step {
                span: RandomIdGenerator::default().new_span_id(),
                name,
                kind: SpanKind::Internal,
                from,
                until,
                attributes,
                status: Status::Unset,
            });
        }
    }

    /// Begins the request upstream, and names it in its headers as the parent of what follows.
    pub fn ask(&mut self, headers: &mut HeaderMap, attributes: impl FnOnce() -> Vec<KeyValue>) {
        let span = RandomIdGenerator::default().new_span_id();
        let parent = Parent {
            trace: self.id,
            span,
            sampled: self.sampled,
        };
        context::name_parent(headers, parent, self.state);
        let now = Instant::now();
        self.asked = self.sampled.then(|| Step {
            span,
            name: "upstream",
            kind: SpanKind::Client,
            from: now,
            until: now,
            attributes: attributes(),
            status: Status::Unset,
        });
    }

    /// Ends the request upstream: by its status, or for a reason.
    pub fn answered(&mut self, outcome: Result<u16, &'static str>) {
        let Some(mut step) = self.asked.take() else {
            return;
        };
        step.until = Instant::now();
        match outcome {
            Ok(status) => {
                step.attributes.push(status_code(status));
                if status >= 400 {
                    step.status = Status::error("");
                    step.attributes
                        .push(KeyValue::new("error.type", status.to_string()));
                }
            }
            Err(reason) => {
                step.status = Status::error(reason);
                step.attributes.push(KeyValue::new("error.type", reason));
            }
        }
        self.steps.push(step);
    }

    /// Ends the exchange, and hands its spans on.
    pub fn end(mut self, name: impl FnOnce() -> String, ended: impl FnOnce() -> Ended) {
        if !self.sampled {
            return;
        }
        self.answered(Err("client_gone"));
        let Ended { attributes, error } = ended();
        let own = Step {
            span: self.span,
            name: "",
            kind: SpanKind::Server,
            from: self.began.1,
            until: Instant::now(),
            attributes,
            status: error.map_or(Status::Unset, Status::error),
        };
        let steps = std::mem::take(&mut self.steps);
        let mut spans = Vec::with_capacity(steps.len() + 1);
        spans.extend(steps.into_iter().map(|step| {
            let name = Cow::Borrowed(step.name);
            self.span(step, name, self.span, false)
        }));
        let parent = self.parent.unwrap_or(SpanId::INVALID);
        spans.push(self.span(own, Cow::Owned(name()), parent, self.parent.is_some()));
        self.traces.add(spans);
    }

    fn span(
        &self,
        step: Step,
        name: Cow<'static, str>,
        parent_span_id: SpanId,
        parent_span_is_remote: bool,
    ) -> SpanData {
        let at = |instant: Instant| self.began.0 + instant.saturating_duration_since(self.began.1);
        // What a client writes into `tracestate` is no business of the collector's.
        let state = TraceState::NONE;
        SpanData {
            span_context: SpanContext::new(self.id, step.span, TraceFlags::SAMPLED, false, state),
            parent_span_id,
            parent_span_is_remote,
            span_kind: step.kind,
            name,
            start_time: at(step.from),
            end_time: at(step.until),
            attributes: step.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: step.status,
            instrumentation_scope: self.traces.scope(),
        }
    }
}

/// How an exchange ended, as its span tells.
pub struct Ended {
    /// What is told of it.
    pub attributes: Vec<KeyValue>,
    /// Why it failed, if it is the gateway's or the server's behind it to answer for.
    pub error: Option<&'static str>,
}

/// The attribute of a status.
pub fn status_code(status: u16) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status))
}
