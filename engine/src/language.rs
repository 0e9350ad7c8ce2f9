//! What editors ask about frames, and the layout of a query.

use serde_json::Value;

use crate::{Engine, Error, Result, table};

/// Columns and rows of a description.
const COLUMNS: usize = 20;
const ROWS: usize = 5;

impl Engine {
    /// A named frame's size and columns, as Markdown; `detailed`: all of its columns with their nulls, and its first
    /// rows.
    pub fn describe(&self, name: &str, detailed: bool) -> Option<String> {
        let frame = self.frame(name)?;
        let mut lines =
            vec![format!("`{name}`: frame, {} rows × {} columns", frame.height(), frame.width()), String::new()];
        let shown = if detailed { frame.width() } else { COLUMNS };
        for column in frame.columns().iter().take(shown) {
            let nulls = if detailed { format!(", {} null", column.null_count()) } else { String::new() };
            lines.push(format!("- `{}`: {}{nulls}", column.name(), table::type_name(column.dtype())));
        }
        if frame.width() > shown {
            lines.push(format!("- and {} more", frame.width() - shown));
        }
        if detailed && let Some(Value::String(rows)) = table::render(&frame, None, ROWS).data.get("text/plain") {
            lines.push(format!("\n```text\n{rows}\n```"));
        }
        Some(lines.join("\n"))
    }
}

/// Lays a query out; see [`huntbook_kql::format`].
///
/// Errors: a query that does not parse, with the places of its mistakes.
pub fn kql_format(query: &str) -> Result<String> {
    huntbook_kql::format(query).map_err(|diagnostics| {
        let shown: Vec<String> = diagnostics.iter().map(|diagnostic| diagnostic.render(query)).collect();
        Error::new("KqlError", shown.join("\n"))
    })
}
