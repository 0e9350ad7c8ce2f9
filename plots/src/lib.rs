//! Hunting charts drawn to self-contained SVG: a Sankey of accesses and a score histogram.
//!
//! The charts know nothing of data frames or notebooks: plain rows go in, one `<svg>` element comes out.
//! There is no JavaScript, no external font and no network reference in it, and every text that came from the
//! data is cleaned, escaped and clipped, so a user called `<script>` is a label like any other.
//!
//! Lengths are CSS pixels. Details of a flow or a bar sit in SVG `<title>` elements; a browser shows them on hover
//! only when the SVG is part of the page (`text/html`), not when it is shown as an image.
//!
//! ```
//! use huntbook_plots::{SankeyLink, SankeyOptions, sankey};
//!
//! let links = [SankeyLink {
//!     source: "hr_user_0".into(),
//!     target: "fin_res_3".into(),
//!     value: 3.0,
//!     anomalous: true,
//!     tooltip: Some("score 4.2".into()),
//! }];
//! let svg = sankey(&links, &SankeyOptions::default())?;
//! assert!(svg.starts_with("<svg "));
//! # Ok::<(), huntbook_plots::PlotError>(())
//! ```

mod axis;
mod calendar;
mod chart;
mod data;
mod entity_graph;
mod error;
mod histogram;
mod legend;
mod matrix;
mod number;
mod pick;
mod plain;
mod process_tree;
mod sankey;
mod svg;
mod text;
mod theme;
mod timeline;

pub use calendar::{CalendarOptions, calendar};
pub use chart::{ChartKind, ChartOptions, Split, Stacking, chart};
pub use data::{ChartData, Column, Picture, Values};
pub use entity_graph::{GraphOptions, entity_graph};
pub use error::PlotError;
pub use histogram::{HistogramOptions, HistogramSeries, histogram};
pub use matrix::{MatrixOptions, matrix};
pub use process_tree::{ProcessColumns, ProcessTreeOptions, process_tree};
pub use sankey::{SankeyLink, SankeyOptions, sankey};
pub use timeline::{TimelineOptions, timeline};
