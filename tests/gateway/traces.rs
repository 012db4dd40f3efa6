//! Traces: the spans of exchanges at a collector, the context that travels, and what happens when
//! the collector is in trouble.

mod context;
mod rotel;
mod secrets;
mod shape;
mod stage;
mod trouble;
