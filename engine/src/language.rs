//! What editors ask about a query that is being typed.

use huntbook_kql::{Completions, Hover, QueryOptions};

use crate::{Engine, Error, Result, catalog::EngineCatalog};

impl Engine {
    /// What may stand at `cursor`, a byte of the query, over the workspace's tables and the named frames.
    /// Reads schemas, never rows.
    pub fn kql_completions(&self, query: &str, cursor: usize) -> Completions {
        huntbook_kql::complete(query, cursor, &EngineCatalog::snapshot(self), &QueryOptions::default())
    }

    /// What is known about the word at `cursor`, a byte of the query.
    pub fn kql_hover(&self, query: &str, cursor: usize) -> Option<Hover> {
        huntbook_kql::hover(query, cursor, &EngineCatalog::snapshot(self), &QueryOptions::default())
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
