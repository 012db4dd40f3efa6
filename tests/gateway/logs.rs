//! Audit records as OTLP logs: what arrives at a collector, what happens when it is in trouble, and
//! what it is never told.

mod arrive;
mod end;
mod secrets;
mod stage;
mod trouble;
