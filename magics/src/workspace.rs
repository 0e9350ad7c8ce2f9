//! `%workspace` and `%frames`: what there is to query.

use huntbook_engine::{Display, Engine};

use crate::MagicError;

pub(crate) fn workspace(engine: &Engine) -> Result<Vec<Display>, MagicError> {
    let workspace = engine.workspace();
    let names = workspace.table_names().map_err(huntbook_engine::Error::from)?;
    let mut lines = vec![format!("local workspace {}", workspace.folder().display())];
    for name in names {
        let schema = workspace.schema(&name).map_err(huntbook_engine::Error::from)?;
        let columns: Vec<String> = schema
            .map(|schema| {
                schema.columns.iter().map(|column| format!("{}:{}", column.name, column.column_type.name())).collect()
            })
            .unwrap_or_default();
        lines.push(format!("  {name} ({})", columns.join(", ")));
    }
    if lines.len() == 1 {
        lines.push("  no tables yet: `%la_write FRAME TABLE` makes one".into());
    }
    Ok(vec![Display::new([("text/plain", lines.join("\n"))])])
}

pub(crate) fn frames(engine: &Engine) -> Vec<Display> {
    let line = |(name, rows, columns): (String, usize, usize)| format!("{name}: {rows} rows × {columns} columns");
    let lines: Vec<String> = engine.names().into_iter().map(line).collect();
    let text = if lines.is_empty() {
        "no named frames yet: `%kql NAME << QUERY` makes one".to_owned()
    } else {
        lines.join("\n")
    };
    vec![Display::new([("text/plain", text)])]
}
