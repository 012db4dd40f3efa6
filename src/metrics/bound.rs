//! How many series there can be.
//!
//! A series is one line of `/metrics` that is no comment. Whatever clients, providers and services
//! send, there are at most
//!
//! - for each route of exchanges (`token`, `connection`): every token kind with every reason that
//!   can end an exchange (each of the rule's with each decision), and two histograms;
//! - for each provider: its keys and their age, the results of fetching and verifying;
//! - for each webhook: messages sent, failed, dropped, waiting, and whether it stopped;
//! - for each listener, and for each provider, service, webhook and collector: when its certificate
//!   expires, changes of its files, and those that cannot be used;
//! - once: reasons of requests that reached no exchange, connections, limits, policies and where
//!   they come from, requests to the policies API, the audit queue, the store of events, spans, log
//!   records, the build.
//!
//! The lists are counted by the compiler, so a new reason is in the bound. The bound is far above
//! what is met: most reasons go with one decision and one token kind.

use strum::EnumCount;

use super::{
    EventMetrics, audit_queue, certificates, exchanges, fleet, keys, logs, policies, traces,
    webhooks,
};
use crate::config::{Config, RouteKind};
use crate::core::creator::CreatorError;
use crate::core::isolation::{Reason, Undetermined};
use crate::core::token::verified::Refused;
use crate::core::token::{NotEntra, Untrusted};
use crate::refusal::Refusal;

/// `allow`, `block`, `error`, `pass_non_entra`, `would_block`.
const DECISIONS: usize = 5;

/// Words for why the rule decided as it did.
const OF_THE_RULE: usize = Reason::COUNT + Undetermined::COUNT + Untrusted::COUNT;

/// Words for why there is no decision; `client_gone` among them.
const REFUSALS: usize = Refusal::COUNT + CreatorError::COUNT + Refused::COUNT + 1;

/// `entra`, `none`, `untrusted`, `unseen`, and what is not Entra's.
const TOKEN_KINDS: usize = 4 + NotEntra::COUNT;

/// Buckets, the last one without an upper bound, sum and count.
const fn histogram(bounds: usize) -> usize {
    bounds + 3
}

/// Series of a route whose requests are exchanges.
const OF_ROUTE: usize = TOKEN_KINDS * (OF_THE_RULE * DECISIONS + REFUSALS)
    + histogram(exchanges::GATEWAY.len())
    + histogram(exchanges::UPSTREAM.len());

/// Connections, in flight, with their limits; refused connections; the build.
const SINGLE: usize = 6;

/// The most series that a gateway of this configuration can have.
pub fn bound(config: &Config) -> usize {
    let of_exchanges = |kind: &RouteKind| match kind {
        RouteKind::Connection(_) | RouteKind::Token => true,
        RouteKind::Discovery | RouteKind::Relay { .. } => false,
    };
    let routes = config.routes.iter();
    let routes = routes.filter(|route| of_exchanges(&route.kind)).count();
    routes * OF_ROUTE
        + config.providers().len() * keys::SERIES
        + config.webhooks.len() * webhooks::SERIES
        + certificates::Families::series(config)
        + REFUSALS
        + SINGLE
        + policies::Families::SERIES
        + fleet::Families::SERIES
        + audit_queue::Gauges::SERIES
        + EventMetrics::SERIES
        + traces::Families::SERIES
        + logs::Families::SERIES
}
