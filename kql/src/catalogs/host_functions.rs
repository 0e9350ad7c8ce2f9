//! Tabular functions written in Rust.

use std::{collections::BTreeMap, sync::Arc};

use polars::prelude::{DataFrame, LazyFrame};

use crate::{Catalog, Literal, TableFunction};

type Source = dyn Fn(&[(String, Literal)]) -> Result<LazyFrame, String> + Send + Sync;
type Step = dyn Fn(DataFrame, &[(String, Literal)]) -> Result<LazyFrame, String> + Send + Sync;

enum Body {
    Source(Box<Source>),
    Step(Box<Step>),
}

/// Functions that give tables (`Devices(7d)`) or work on the rows in front of them
/// (`T | invoke FileProfile(SHA1, 1000)`).
#[derive(Default)]
pub struct HostFunctions {
    functions: BTreeMap<String, (Arc<TableFunction>, Body)>,
}

impl HostFunctions {
    /// No functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function that gives a table. It is called with the arguments that were given, by the names and
    /// types of its parameters.
    #[must_use]
    pub fn with_source(
        mut self,
        name: impl Into<String>,
        function: TableFunction,
        body: impl Fn(&[(String, Literal)]) -> Result<LazyFrame, String> + Send + Sync + 'static,
    ) -> Self {
        let function = TableFunction { takes_rows: false, ..function };
        self.functions.insert(name.into(), (Arc::new(function), Body::Source(Box::new(body))));
        self
    }

    /// Adds a function for `invoke`. It gets the rows in front of it, in ordinary polars types, and gives all
    /// rows and columns of the result; a column that is passed for a string parameter arrives as its name.
    #[must_use]
    pub fn with_step(
        mut self,
        name: impl Into<String>,
        function: TableFunction,
        body: impl Fn(DataFrame, &[(String, Literal)]) -> Result<LazyFrame, String> + Send + Sync + 'static,
    ) -> Self {
        let function = TableFunction { takes_rows: true, ..function };
        self.functions.insert(name.into(), (Arc::new(function), Body::Step(Box::new(body))));
        self
    }
}

impl Catalog for HostFunctions {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn table(&self, _name: &str) -> Result<Option<LazyFrame>, String> {
        Ok(None)
    }

    fn function_names(&self) -> Vec<String> {
        self.functions.keys().cloned().collect()
    }

    fn table_function(&self, name: &str) -> Option<Arc<TableFunction>> {
        self.functions.get(name).map(|(function, _)| function.clone())
    }

    fn call_table_function(&self, name: &str, arguments: &[(String, Literal)]) -> Result<LazyFrame, String> {
        match self.functions.get(name) {
            Some((_, Body::Source(body))) => body(arguments),
            _ => Err(format!("the host does not run `{name}`")),
        }
    }

    fn invoke_table_function(
        &self,
        name: &str,
        rows: DataFrame,
        arguments: &[(String, Literal)],
    ) -> Result<LazyFrame, String> {
        match self.functions.get(name) {
            Some((_, Body::Step(body))) => body(rows, arguments),
            _ => Err(format!("the host does not run `{name}`")),
        }
    }
}
