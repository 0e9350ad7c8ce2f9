//! A catalog of declared schemas, for checking queries without their tables.

use std::{collections::HashMap, sync::Arc};

use polars::prelude::LazyFrame;
use serde_json::Value;

use crate::{Catalog, Column, KqlType};

/// A tabular function of the host, such as `_GetWatchlist`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFunction {
    /// Scalar parameters; each may be left out
    pub parameters: Vec<Column>,
    /// What it gives; empty if only a call tells. What is added to the rows, if it takes rows.
    pub columns: Vec<Column>,
    /// It takes the rows in front of it: `T | invoke FileProfile(SHA1)`
    pub takes_rows: bool,
}

/// Tables and tabular functions by their columns alone; no rows.
///
/// Its JSON: `{"tables": {name: {"columns": {column: type}}}, "functions": {name: {"parameters":
/// [[name, type]], "columns": {column: type}, "takes_rows": false}}}`; an object of tables alone is read as well.
#[derive(Debug, Clone, Default)]
pub struct SchemaCatalog {
    tables: HashMap<String, Arc<[Column]>>,
    functions: HashMap<String, Arc<TableFunction>>,
}

impl SchemaCatalog {
    /// Reads schemas from JSON text. Errors: text that is not JSON, another shape, or an unknown type name.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|problem| format!("this is not JSON: {problem}"))?;
        Self::of_document(&document).map_err(|problem| format!("{problem}. Write {SHAPE}"))
    }

    fn of_document(document: &Value) -> Result<Self, String> {
        let has_parts = ["tables", "functions"].iter().any(|part| document.get(*part).is_some());
        let (tables, functions) = match has_parts {
            true => (document.get("tables"), document.get("functions")),
            false => (Some(document), None),
        };
        let mut catalog = Self::default();
        for (name, table) in named(tables, "the tables")? {
            let columns = columns_of(table.get("columns").unwrap_or(table));
            catalog.tables.insert(name.clone(), columns.map_err(|problem| format!("{name}: {problem}"))?.into());
        }
        for (name, function) in named(functions, "`functions`")? {
            let part = |key: &str| {
                function.get(key).map_or(Ok(Vec::new()), columns_of).map_err(|problem| format!("{name}: {problem}"))
            };
            let takes_rows = function.get("takes_rows").and_then(Value::as_bool).unwrap_or(false);
            let function = TableFunction { parameters: part("parameters")?, columns: part("columns")?, takes_rows };
            catalog.functions.insert(name.clone(), Arc::new(function));
        }
        Ok(catalog)
    }

    /// How many tables it knows.
    pub fn table_count(&self) -> usize {
        self.tables.len()
    }
}

/// What errors show.
const SHAPE: &str = r#"{"tables": {"Logins": {"columns": {"TimeGenerated": "datetime", "Account": "string"}}}}, or the tables alone: {"Logins": {"TimeGenerated": "datetime", "Account": "string"}}"#;

/// The entries of an object of tables or functions, which need not be there.
fn named<'a>(part: Option<&'a Value>, what: &str) -> Result<Vec<(&'a String, &'a Value)>, String> {
    match part {
        None => Ok(Vec::new()),
        Some(Value::Object(entries)) => Ok(entries.iter().collect()),
        Some(_) => Err(format!("{what} are no object with their names as keys")),
    }
}

/// `{name: type}` or `[[name, type], ...]`
fn columns_of(value: &Value) -> Result<Vec<Column>, String> {
    let column = |name: &str, kql_type: &Value| {
        let Value::String(text) = kql_type else { return Err(format!("the type of `{name}` is no text")) };
        let kql_type = KqlType::from_name(text).ok_or_else(|| format!("`{text}`, for `{name}`, is not a type"))?;
        Ok(Column { name: name.to_string(), kql_type })
    };
    match value {
        Value::Object(entries) => entries.iter().map(|(name, kql_type)| column(name, kql_type)).collect(),
        Value::Array(entries) => entries
            .iter()
            .map(|entry| match entry.as_array().map(Vec::as_slice) {
                Some([Value::String(name), kql_type]) => column(name, kql_type),
                _ => Err(format!("{entry} is no [name, type]")),
            })
            .collect(),
        _ => Err("columns are an object or an array".to_string()),
    }
}

impl Catalog for SchemaCatalog {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.tables.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String> {
        match self.tables.contains_key(name) {
            true => Err("only its columns are known".to_string()),
            false => Ok(None),
        }
    }

    fn function_names(&self) -> Vec<String> {
        self.functions.keys().cloned().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<[Column]>> {
        self.tables.get(name).cloned()
    }

    fn table_function(&self, name: &str) -> Option<Arc<TableFunction>> {
        self.functions.get(name).cloned()
    }
    fn table_function_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.functions.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}
