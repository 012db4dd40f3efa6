//! Where traces go.

use super::Collector;

/// Spans of exchanges.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// Where they go.
    pub collector: Collector,
    /// The share of the traces that begin here which it is told of, from 0 to 1.
    pub sample: f64,
}
