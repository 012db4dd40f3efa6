//! What takes the end of each exchange, started as configured.

use std::sync::Arc;

use super::StartError;
use crate::audit::{Audit, Writer};
use crate::config::Config;
use crate::events::{self, Events};
use crate::metrics::Metrics;
use crate::recorder::Recorder;
use crate::tls::Certificates;
use crate::traces::{Exporting, Traces};
use crate::webhooks::{Deliveries, Webhooks};

/// Dropped, it hands over what is waiting, each within a bound; audit lines last.
pub(super) struct Recording {
    _exporting: Option<Exporting>,
    _deliveries: Option<Deliveries>,
    _storing: Option<events::Writer>,
    _writer: Writer,
}

/// Starts everything that is configured.
pub(super) fn start(
    config: &Config,
    certificates: &Certificates,
    metrics: &Arc<Metrics>,
) -> Result<(Recorder, Recording), StartError> {
    // Before any line is written: what a killed gateway missed is looked up in those there are.
    let events = config.events.as_ref();
    let events = events.map(|events| Events::start(events, &config.audit, metrics.events.clone()));
    let events = events.transpose().map_err(StartError::Events)?;
    let (audit, writer) =
        Audit::start(&config.audit.output, config.audit.mode).map_err(StartError::Audit)?;
    let traces = config.traces.as_ref();
    let traces = traces.map(|traces| Traces::start(traces, certificates, metrics));
    let traces = traces.transpose().map_err(StartError::Traces)?;
    let webhooks = match &*config.webhooks {
        [] => None,
        webhooks => Some(Webhooks::start(webhooks, certificates, metrics)?),
    };
    let mut recorder = Recorder::new(audit, Arc::clone(metrics));
    let (events, storing) = events.unzip();
    let (traces, exporting) = traces.unzip();
    let (webhooks, deliveries) = webhooks.unzip();
    recorder.events = events;
    recorder.traces = traces;
    recorder.webhooks = webhooks;
    let recording = Recording {
        _exporting: exporting,
        _deliveries: deliveries,
        _storing: storing,
        _writer: writer,
    };
    Ok((recorder, recording))
}
