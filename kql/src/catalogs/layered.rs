//! Catalogs on top of each other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use polars::prelude::{DataFrame, LazyFrame};

use crate::{
    Catalog, Column, Diagnostic, GeoDatabase, KqlType, Literal, NO_GEO_DATABASE, StoredFunction, TableFunction,
};

/// Asks one catalog after the other; the first that knows a name decides what it is.
///
/// ```
/// # use huntbook_kql::{Engine, catalogs::{Files, Frames, Layered}};
/// let catalog = Layered::new().with(Frames::new()).with(Files::new());
/// let engine = Engine::new(catalog);
/// ```
#[derive(Default, Clone)]
pub struct Layered {
    layers: Vec<Arc<dyn Catalog>>,
    /// The layer that gave each table last: its columns' types are asked for one by one.
    owners: Arc<Mutex<HashMap<String, usize>>>,
}

impl Layered {
    /// No catalogs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a catalog below those that are there.
    #[must_use]
    pub fn with(self, catalog: impl Catalog + 'static) -> Self {
        self.with_shared(Arc::new(catalog))
    }

    /// Puts a catalog that others use too below those that are there.
    #[must_use]
    pub fn with_shared(mut self, catalog: Arc<dyn Catalog>) -> Self {
        self.layers.push(catalog);
        self
    }

    fn owners(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.owners.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn runner(&self, function: &str) -> Result<&Arc<dyn Catalog>, String> {
        let knows = |layer: &&Arc<dyn Catalog>| layer.table_function(function).is_some();
        self.layers.iter().find(knows).ok_or_else(|| format!("the host does not run `{function}`"))
    }
}

impl Catalog for Layered {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.layers.iter().flat_map(|layer| layer.table_names()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String> {
        for (at, layer) in self.layers.iter().enumerate() {
            if let Some(found) = layer.table(name).transpose() {
                self.owners().insert(name.to_string(), at);
                return found.map(Some);
            }
        }
        Ok(None)
    }

    fn scalar(&self, name: &str) -> Option<Literal> {
        self.layers.iter().find_map(|layer| layer.scalar(name))
    }

    fn schema(&self, table: &str) -> Option<Arc<[Column]>> {
        self.layers.iter().find_map(|layer| layer.schema(table))
    }

    fn function_names(&self) -> Vec<String> {
        self.layers.iter().flat_map(|layer| layer.function_names()).collect()
    }

    fn function(&self, name: &str) -> Result<Option<Arc<StoredFunction>>, Diagnostic> {
        self.layers.iter().find_map(|layer| layer.function(name).transpose()).transpose()
    }

    fn table_function(&self, name: &str) -> Option<Arc<TableFunction>> {
        self.layers.iter().find_map(|layer| layer.table_function(name))
    }

    fn call_table_function(&self, name: &str, arguments: &[(String, Literal)]) -> Result<LazyFrame, String> {
        self.runner(name)?.call_table_function(name, arguments)
    }

    fn invoke_table_function(
        &self,
        name: &str,
        rows: DataFrame,
        arguments: &[(String, Literal)],
    ) -> Result<LazyFrame, String> {
        self.runner(name)?.invoke_table_function(name, rows, arguments)
    }

    /// The first that opens it; else what the last one said, which tells the most.
    fn external_data(&self, address: &str) -> Result<Vec<u8>, String> {
        let mut problem = "the host opens no addresses".to_string();
        for layer in &self.layers {
            match layer.external_data(address) {
                Ok(bytes) => return Ok(bytes),
                Err(said) if said == "the host opens no addresses" => {}
                Err(said) => problem = said,
            }
        }
        Err(problem)
    }

    /// The first that has one; else what the first said that knows how to get one.
    fn geo_database(&self) -> Result<Arc<dyn GeoDatabase>, String> {
        let mut problem = None;
        for layer in &self.layers {
            match layer.geo_database() {
                Ok(database) => return Ok(database),
                Err(said) if said == NO_GEO_DATABASE => {}
                Err(said) => problem = problem.or(Some(said)),
            }
        }
        Err(problem.unwrap_or_else(|| NO_GEO_DATABASE.to_string()))
    }

    fn table_function_names(&self) -> Vec<String> {
        self.layers.iter().flat_map(|layer| layer.table_function_names()).collect()
    }

    fn column_type(&self, table: &str, column: &str) -> Option<KqlType> {
        let owner = self.owners().get(table).copied()?;
        self.layers[owner].column_type(table, column)
    }
}
