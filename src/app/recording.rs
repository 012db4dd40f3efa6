//! What takes the end of each exchange, started as configured.

use std::sync::Arc;

use super::StartError;
use crate::audit::{Audit, Writer};
use crate::config::Config;
use crate::events::{self, Events};
use crate::logs::{Logs, Shipping};
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
    /// Waited for last: it was told to end before the others were waited for.
    shipping: Option<Shipping>,
}

impl Drop for Recording {
    fn drop(&mut self) {
        // The collector of logs takes what is left while the others are waited for.
        if let Some(shipping) = &self.shipping {
            shipping.tell_end();
        }
    }
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
    let logs = config.logs.as_ref();
    let logs = logs.map(|logs| Logs::start(logs, certificates, metrics));
    let (logs, shipping) = logs.transpose().map_err(StartError::Logs)?.unzip();
    let (audit, writer) = Audit::start_with(&config.audit.output, config.audit.mode, logs)
        .map_err(StartError::Audit)?;
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
        shipping,
        _exporting: exporting,
        _deliveries: deliveries,
        _storing: storing,
        _writer: writer,
    };
    Ok((recorder, recording))
}
