//! Polars frames as tables.

use std::collections::BTreeMap;

use polars::prelude::{IntoLazy, LazyFrame};

use crate::{Catalog, KqlType};

/// Frames by name.
///
/// ```
/// # use huntbook_kql::{Engine, KqlType, catalogs::Frames};
/// # use polars::prelude::*;
/// let logins = df!("Account" => ["ann", "bob"], "Details" => [r#"{"ip":"10.0.0.1"}"#, "{}"])?;
/// let frames = Frames::new().with("Logins", logins).with_type("Logins", "Details", KqlType::Dynamic);
/// let found = Engine::new(frames).run("Logins | where Details.ip == '10.0.0.1'")?;
/// assert_eq!(found.frame.height(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Frames {
    tables: BTreeMap<String, LazyFrame>,
    types: BTreeMap<(String, String), KqlType>,
}

impl Frames {
    /// No tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table, in place of one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, frame: impl IntoLazy) -> Self {
        self.tables.insert(name.into(), frame.lazy());
        self
    }

    /// Says what a text column of a table holds; see [`Catalog::column_type`].
    #[must_use]
    pub fn with_type(mut self, table: &str, column: &str, kql_type: KqlType) -> Self {
        self.types.insert((table.to_string(), column.to_string()), kql_type);
        self
    }
}

impl Catalog for Frames {
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String> {
        Ok(self.tables.get(name).cloned())
    }

    fn column_type(&self, table: &str, column: &str) -> Option<KqlType> {
        self.types.get(&(table.to_string(), column.to_string())).copied()
    }
}
