//! Processes and their children, from the logs that record their creation.

mod draw;
mod schema;
mod tree;

use crate::{ChartData, Picture, PlotError, pick, svg, text, theme};
pub use schema::ProcessColumns;

/// How a process tree looks.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessTreeOptions {
    /// Shown above; empty for none.
    pub title: String,
    /// The columns; `None`: inferred. Known are Windows 4688 (SecurityEvent), Sysmon 1, DeviceProcessEvents of
    /// Microsoft Defender and auditd's SYSCALL_EXECVE.
    pub columns: Option<ProcessColumns>,
    /// Marks rows that are drawn red.
    pub anomalous: Option<String>,
    /// Processes shown (at least one); trees with anomalies come first, then the largest.
    pub max_rows: usize,
    /// Pixels, brought into 320..=8000. The height follows from the number of processes.
    pub width: u32,
}

impl Default for ProcessTreeOptions {
    fn default() -> Self {
        ProcessTreeOptions {
            title: "Process tree".to_owned(),
            columns: None,
            anomalous: None,
            max_rows: 120,
            width: 900,
        }
    }
}

/// Draws the processes as trees, one below the other. A parent is the latest process of the same host with the parent's
/// id that was there before; if none was logged, one is made of what its child says of it, and looks different.
///
/// # Errors
/// [`PlotError::Missing`] if the columns are of no schema that is known; those of named columns.
pub fn process_tree(data: &ChartData, options: &ProcessTreeOptions) -> Result<Picture, PlotError> {
    let columns = match &options.columns {
        Some(columns) => columns.clone(),
        None => ProcessColumns::infer(data)?,
    };
    let marks = pick::marks(data, options.anomalous.as_deref())?;
    let forest = tree::Forest::of(data, &columns, &marks)?;
    if forest.nodes.is_empty() {
        let svg = svg::no_data(theme::usable_width(options.width), &options.title, &forest.notes);
        return Ok(Picture { svg, text: format!("{}\nno data", text::clean_line(&options.title)) });
    }
    let rows = forest.rows(options.max_rows.max(1));
    Ok(Picture { svg: draw::draw(&forest, &rows, options), text: draw::text(&forest, &rows, options) })
}
