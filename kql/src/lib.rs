#![doc = include_str!("../README.md")]

mod ast;
pub mod batch;
mod check;
mod decimal;
mod diagnostics;
mod free_names;
mod functions;
mod geo_database;
mod lexer;
mod parser;
mod plan;
mod reference;
mod result;
mod rows;
mod schemas;
pub mod ticks;
mod value;

use std::sync::Arc;

use polars::prelude::LazyFrame;

pub use ast::{
    Argument, BinaryOp, ExpandItem, Expr, ExprKind, Find, Join, KqlType, ListOp, Literal, MakeSeries, MvApply, Name,
    NamePattern, NamedExpr, NestedLevel, Operator, OperatorKind, OperatorParameter, Parameter, ParsePart, Pattern,
    PatternCase, Query, ReorderBy, Scan, ScanStep, Search, SeriesItem, SortKey, Statement, TextMatch, TextOp, Union,
};
pub use check::{Check, CheckedColumn, check};
pub use diagnostics::{Diagnostic, Span, codes};
pub use geo_database::{GeoDatabase, GeoInfo, GeoNetworks};
pub use reference::reference;
pub use result::{Column, QueryResult, Render};
pub use schemas::{SchemaCatalog, TableFunction};

/// The tables and values the host offers to queries.
pub trait Catalog {
    /// Names of all tables, for suggestions and wildcards.
    fn table_names(&self) -> Vec<String>;

    /// A table, scanned lazily. `Ok(None)`: there is no such table. `Err`: it exists but cannot be read.
    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String>;

    /// The typed value behind `${name}` in a query.
    fn scalar(&self, _name: &str) -> Option<Literal> {
        None
    }

    /// The columns of a table, to check queries without opening it.
    fn schema(&self, _table: &str) -> Option<Arc<[Column]>> {
        None
    }

    /// A tabular function that the host supplies, such as `_GetWatchlist`.
    fn table_function(&self, _name: &str) -> Option<Arc<TableFunction>> {
        None
    }

    /// Calls a function that [`Catalog::table_function`] knows, with constants for its parameters.
    fn call_table_function(&self, name: &str, _arguments: &[(String, Literal)]) -> Result<LazyFrame, String> {
        Err(format!("the host does not run `{name}`"))
    }

    /// The bytes behind an address of `externaldata`. The engine itself opens no file and no connection.
    fn external_data(&self, _address: &str) -> Result<Vec<u8>, String> {
        Err("the host opens no addresses".to_string())
    }

    /// The database behind `geo_info_from_ip_address`. The error says how to get one.
    fn geo_database(&self) -> Result<Arc<dyn GeoDatabase>, String> {
        Err("this host has none configured".to_string())
    }

    /// The KQL type of a text column that is more than text: `dynamic` or `guid`.
    fn column_type(&self, _table: &str, _column: &str) -> Option<KqlType> {
        None
    }
}

/// How to run a query.
#[derive(Default, Clone)]
pub struct QueryOptions {
    /// What `now()` is; the clock if not set.
    pub now: Option<chrono::DateTime<chrono::Utc>>,
    /// The frame on the left of the query, whose text then begins with an operator.
    pub piped_input: Option<LazyFrame>,
}

/// Why a query gave no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// Mistakes in the query, with their places. [`QueryError::render`] shows them in its text.
    #[error("{}", .0.iter().map(|d| format!("KQL error {} at line {}, column {}: {}{}", d.code, d.line, d.column, d.message, d.hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())).collect::<Vec<_>>().join("\n"))]
    Diagnostics(Vec<Diagnostic>),
    /// The plan failed while it ran.
    #[error("KQL execution failed: {0}")]
    Execution(String),
}

impl QueryError {
    /// The whole message, with the offending lines of the query.
    pub fn render(&self, source: &str) -> String {
        match self {
            Self::Diagnostics(diagnostics) => {
                diagnostics.iter().map(|diagnostic| diagnostic.render(source)).collect::<Vec<_>>().join("\n")
            }
            Self::Execution(_) => self.to_string(),
        }
    }
}

/// Parses, binds, plans and runs a query.
pub fn execute(query: &str, catalog: &dyn Catalog, options: &QueryOptions) -> Result<QueryResult, QueryError> {
    let (table, render) = plan_query(query, catalog, options)?;
    result::collect(table, render)
}

/// The optimised polars plan of a query, as text: shows what reaches the files.
pub fn explain(query: &str, catalog: &dyn Catalog, options: &QueryOptions) -> Result<String, QueryError> {
    let (table, _) = plan_query(query, catalog, options)?;
    table.canonical().frame.explain(true).map_err(|error| QueryError::Execution(error.to_string()))
}

fn plan_query(
    query: &str,
    catalog: &dyn Catalog,
    options: &QueryOptions,
) -> Result<(plan::Table, Option<Render>), QueryError> {
    let (tree, diagnostics) = parser::parse(query, options.piped_input.is_some());
    if !diagnostics.is_empty() {
        return Err(QueryError::Diagnostics(diagnostics));
    }
    let now = options.now.unwrap_or_else(chrono::Utc::now);
    let binder = plan::Binder::new(catalog, now_ticks(now), options.piped_input.clone());
    binder.query(&tree).map_err(|diagnostic| QueryError::Diagnostics(vec![diagnostic.located(query)]))
}

/// Parses a query without running it. Mistakes are reported, and what could be read is in the tree.
pub fn parse(query: &str) -> (Query, Vec<Diagnostic>) {
    parser::parse(query, false)
}

/// Names in table position that the query itself does not define, sorted.
pub fn tables_mentioned(query: &str) -> Vec<String> {
    let (tree, _) = parser::parse(query, false);
    free_names::in_table_position(&tree)
}

fn now_ticks(now: chrono::DateTime<chrono::Utc>) -> i64 {
    let seconds = now.timestamp().saturating_mul(ticks::SECOND);
    seconds
        .saturating_add(i64::from(now.timestamp_subsec_nanos()) / 100)
        .saturating_add(ticks::UNIX_EPOCH)
        .clamp(0, ticks::MAX_DATETIME)
}
