//! What a KQL query can name: frames first, then the workspace's tables.

use std::sync::Arc;

use huntbook_kql::{Catalog, Literal as KqlLiteral, QueryOptions};
use polars::prelude::{IntoLazy, LazyFrame};

use crate::{Engine, QueryAnswer, Result};

impl Engine {
    pub(crate) fn kql_on(&self, query: &str, piped_input: Option<LazyFrame>) -> Result<QueryAnswer> {
        let catalog = EngineCatalog::snapshot(self);
        let query = query.to_owned();
        self.cancel.run(move || {
            let options = QueryOptions { piped_input, ..QueryOptions::default() };
            let result = huntbook_kql::execute(&query, &catalog, &options).map_err(|error| {
                // A query that was right but could not read its rows: say which file is damaged.
                let damaged =
                    matches!(error, huntbook_kql::QueryError::Execution(_)).then(|| catalog.damage(&query)).flatten();
                damaged.unwrap_or_else(|| crate::Error::new("KqlError", error.render(&query)))
            })?;
            Ok(QueryAnswer {
                frame: Arc::new(result.frame),
                types: result.schema.iter().map(|column| column.kql_type.to_string()).collect(),
                render: result.render,
            })
        })
    }

    /// Gives a scalar to later queries, as `${name}`.
    pub fn bind_scalar(&self, name: &str, value: huntbook_wire::Literal) {
        self.state().scalars.insert(name.to_owned(), value);
    }

    /// Is there a frame or a table of this name?
    pub fn has_table(&self, name: &str) -> bool {
        self.binding(name).is_some() || self.workspace.schema(name).is_ok_and(|schema| schema.is_some())
    }
}

/// The names as they are when the query starts: a query on another thread must not hold the engine's lock.
pub(crate) struct EngineCatalog {
    base: std::path::PathBuf,
    /// Of the workspace
    folder: std::path::PathBuf,
    frames: Vec<(String, Arc<polars::prelude::DataFrame>)>,
    scalars: Vec<(String, huntbook_wire::Literal)>,
    workspace: huntbook_workspace::Workspace,
}

impl EngineCatalog {
    pub(crate) fn snapshot(engine: &Engine) -> EngineCatalog {
        let state = engine.state();
        let frame = |(name, _, _): (String, usize, usize)| {
            let id = state.frames.by_name(&name)?;
            Some((name, state.frames.get(id)?))
        };
        EngineCatalog {
            base: engine.settings.base.clone(),
            folder: engine.settings.workspace.clone(),
            frames: state.frames.names().into_iter().filter_map(frame).collect(),
            scalars: state.scalars.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            workspace: engine.workspace.clone(),
        }
    }
}

impl EngineCatalog {
    /// The damaged segment among the tables that a query reads.
    fn damage(&self, query: &str) -> Option<crate::Error> {
        let tables = huntbook_kql::tables_mentioned(query);
        let stored = |table: &&String| self.workspace.schema(table).is_ok_and(|schema| schema.is_some());
        tables.iter().filter(stored).find_map(|table| self.workspace.verify(table).err()).map(crate::Error::from)
    }
}

impl Catalog for EngineCatalog {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.frames.iter().map(|(name, _)| name.clone()).collect();
        names.extend(self.workspace.table_names().unwrap_or_default());
        names
    }

    fn table(&self, name: &str) -> std::result::Result<Option<LazyFrame>, String> {
        if let Some((_, frame)) = self.frames.iter().find(|(bound, _)| bound == name) {
            return Ok(Some(frame.as_ref().clone().lazy()));
        }
        // A name that cannot be a table's is no table, not an error of its own: the query's author is told so.
        if !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
            return Ok(None);
        }
        self.workspace.scan(name).map_err(|error| error.to_string())
    }

    /// Local files only: a query opens no connection.
    fn external_data(&self, address: &str) -> std::result::Result<Vec<u8>, String> {
        let path = match address.split_once("://") {
            Some(("file", path)) => std::path::Path::new(path),
            Some((scheme, _)) => {
                return Err(format!("`{scheme}://` is not opened from a query: download it and name the local file"));
            }
            None => std::path::Path::new(address),
        };
        let path = if path.is_absolute() { path.to_owned() } else { self.base.join(path) };
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn geo_database(&self) -> std::result::Result<Arc<dyn huntbook_kql::GeoDatabase>, String> {
        crate::geo::database(&self.folder)
    }

    fn scalar(&self, name: &str) -> Option<KqlLiteral> {
        let (_, value) = self.scalars.iter().find(|(bound, _)| bound == name)?;
        Some(match value {
            huntbook_wire::Literal::Null => return None,
            huntbook_wire::Literal::Bool(value) => KqlLiteral::Bool(Some(*value)),
            huntbook_wire::Literal::Int(value) => KqlLiteral::Long(Some(*value)),
            huntbook_wire::Literal::Float(value) => KqlLiteral::Real(Some(*value)),
            huntbook_wire::Literal::String(value) => KqlLiteral::String(value.clone()),
        })
    }
}
