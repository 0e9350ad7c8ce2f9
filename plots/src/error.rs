//! What can be wrong with the data of a chart.

use thiserror::Error;

/// Why a chart could not be drawn. Names inside are clipped and free of control characters, fit to print.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// A flow is NaN, infinite or below zero, so it has no width.
    #[error("flow from \"{from}\" to \"{to}\" has the value {value}: a flow must be a finite number, zero or more")]
    InvalidFlow {
        /// The name of the flow's left node.
        from: String,
        /// The name of the flow's right node.
        to: String,
        /// The offending value.
        value: f64,
    },
    /// The flows are finite one by one, but their sum is not.
    #[error("the flows add up to more than a 64-bit float can hold")]
    FlowsTooLarge,
    /// The threshold is NaN or infinite.
    #[error("threshold {0} is not a finite number")]
    InvalidThreshold(f64),
    /// The distance from the smallest to the largest value is not a finite number.
    #[error("values from {min:e} to {max:e} are too far apart to share one axis")]
    RangeTooWide {
        /// The smallest finite value.
        min: f64,
        /// The largest finite value.
        max: f64,
    },
}
