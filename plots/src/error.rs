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
    /// A column has another number of rows than the first.
    #[error("column `{column}` has {rows} rows where the others have {expected}")]
    UnevenColumns {
        /// The column's name.
        column: String,
        /// How many rows it has.
        rows: usize,
        /// How many the first column has.
        expected: usize,
    },
    /// There is no column of this name.
    #[error("there is no column `{name}`; the columns are {known}")]
    UnknownColumn {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A column has values of another kind than the picture needs.
    #[error("column `{name}` holds {found}: {needed}")]
    WrongColumn {
        /// The column's name.
        name: String,
        /// What it holds.
        found: &'static str,
        /// What is needed, and how to get it.
        needed: String,
    },
    /// The rows have nothing that this picture could show.
    #[error("{picture} needs {needed}")]
    Missing {
        /// The kind of picture.
        picture: &'static str,
        /// What it needs, and what to try.
        needed: String,
    },
    /// A property of `render` has a value that it does not know.
    #[error("`{property}` cannot be `{value}`: {expected}")]
    BadProperty {
        /// The property's name.
        property: String,
        /// The value that was given.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}
