//! Charts of query results and hunting visuals, as self-contained SVG and as text for terminals.
//!
//! | picture | shows |
//! |---|---|
//! | [`chart`] | every kind of KQL's `render`: lines, areas, bars, pies, points, treemaps, cards |
//! | [`timeline`] | events along time, in lanes |
//! | [`process_tree`] | processes and their children |
//! | [`sankey`] | who reaches what |
//! | [`matrix`] | how often each value of one column meets each of another |
//! | [`entity_graph`] | entities and what goes on between them |
//! | [`calendar`] | by hour of the day, or by day of the year |
//! | [`histogram`] | how scores are spread, with a threshold |
//!
//! The pictures know nothing of data frames or notebooks: columns of numbers, times and texts go in ([`ChartData`]), a
//! [`Picture`] comes out. There is no JavaScript, no external font and no network reference in it, and every text that
//! came from the data is cleaned, escaped and clipped, so a user called `<script>` is a label like any other. Whatever
//! is left out, folded or thinned is said in the caption.
//!
//! Lengths are CSS pixels. Details of a shape sit in SVG `<title>` elements; a browser shows them on hover only when
//! the SVG is part of the page (`text/html`), not when it is shown as an image. Colours follow the page's light or
//! dark theme.
//!
//! ```
//! use huntbook_plots::{ChartData, ChartKind, ChartOptions, Column, Values, chart};
//!
//! let data = ChartData::new(vec![
//!     Column { name: "Account".into(), values: Values::Texts(vec!["anna".into(), "ben".into()]) },
//!     Column { name: "failures".into(), values: Values::Numbers(vec![9.0, 3.0]) },
//! ])?;
//! let picture = chart(&data, &ChartOptions::of(ChartKind::Bar))?;
//! assert!(picture.svg.starts_with("<svg "));
//! assert!(picture.text.contains("anna"));
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
