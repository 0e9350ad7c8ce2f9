//! What Rust cells see in huntbook.
//!
//! A cell is a thin client of the engine: a [`Frame`] is a handle on rows that the engine holds, its methods build
//! a plan, and the engine runs the plan when rows are needed.
//!
//! ```ignore
//! let top = hits.filter(col("score").gt(1.0)).sort("score", desc()).head(20);
//! let best: Vec<Access> = top.rows()?;
//! ```

mod access_anomaly;
mod client;
mod datetime;
pub mod display;
mod error;
mod expr;
mod frame;
mod input;
mod macros;
pub mod plot;
mod query;
pub mod rt;
mod transfer;

pub use ndarray;
pub use plotters;
pub use serde;
pub use serde_json;

pub use access_anomaly::{AccessAnomaly, AccessAnomalyModel};
pub use datetime::{Datetime, Duration};
pub use error::{Error, Result};
pub use expr::{Expr, IntoLiteral, IntoName, asc, col, desc, len, lit, when};
pub use frame::{Frame, GroupBy, SortOrder, frame, frame_of};
pub use huntbook_wire::JoinKind;
pub use input::{Secret, input, password};
pub use query::{LaWrite, Query, blob, kql, la_write, sample};
pub use transfer::{FromColumn, IntoColumn};

/// Everything a cell has in scope from the start.
pub mod prelude {
    pub use crate::display::CellDisplay as _;
    pub use crate::{
        AccessAnomaly, AccessAnomalyModel, Datetime, Duration, Expr, Frame, JoinKind, LaWrite, Secret, asc, blob, col,
        desc, display, frame, frame_of, input, kql, la_write, len, lit, ndarray, password, plot, plotters, sample,
        serde_json, when,
    };
}
