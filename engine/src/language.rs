//! What editors ask about a query that is being typed.

use huntbook_kql::{Completions, Hover};

use crate::{Engine, Error, Result};

impl Engine {
    /// What may stand at `cursor`, a byte of the query, over the workspace's tables and the named frames.
    /// Reads schemas, never rows.
    pub fn kql_completions(&self, query: &str, cursor: usize) -> Completions {
        match self.kql_engine() {
            Ok(engine) => engine.complete(query, cursor),
            // A workspace that cannot be read has no names to offer; running the query says why.
            Err(_) => Completions { replace: cursor..cursor, items: Vec::new() },
        }
    }

    /// What is known about the word at `cursor`, a byte of the query.
    pub fn kql_hover(&self, query: &str, cursor: usize) -> Option<Hover> {
        self.kql_engine().ok()?.hover(query, cursor)
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
