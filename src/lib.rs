//! Tidegate: an OAuth token-exchange gateway that enforces tenant isolation.
//!
//! Read [`core::isolation`] for the rule, and [`exchange`] and [`connection`] for one request of
//! each kind, top to bottom.

pub mod accept;
pub mod admin;
mod again;
pub mod app;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod conclusion;
pub mod config;
pub mod connection;
pub mod core;
pub mod creator;
mod dial;
pub mod discovery;
pub mod domains;
pub mod events;
pub mod exchange;
pub mod fleet;
pub mod gateway;
pub mod headers;
pub mod import;
pub mod keys;
pub mod listener;
pub mod logs;
pub mod metrics;
mod otlp;
pub mod policies;
pub mod presented;
pub mod problem;
pub mod proxy;
pub mod recorder;
pub mod refusal;
pub mod relay;
pub mod reply;
pub mod report;
pub mod resolve;
mod secret;
pub mod telemetry;
pub mod tls;
pub mod traces;
pub mod upstream;
pub mod webhooks;
pub mod withheld;
