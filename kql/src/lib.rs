#![doc = include_str!("../README.md")]

mod ast;
pub mod batch;
pub mod catalogs;
mod check;
mod complete;
mod decimal;
mod descriptions;
mod diagnostics;
mod engine;
mod format;
mod free_names;
mod functions;
mod geo_database;
mod hover;
mod lexer;
mod limits;
mod parameters;
mod parser;
mod plan;
mod reference;
mod result;
mod rows;
mod schemas;
mod stored;
pub mod ticks;
mod value;

use std::sync::Arc;

use polars::prelude::{DataFrame, LazyFrame};

pub use ast::{
    Argument, BinaryOp, ExpandItem, Expr, ExprKind, Find, Join, KqlType, ListOp, Literal, MakeSeries, MvApply, Name,
    NamePattern, NamedExpr, NestedLevel, Operator, OperatorKind, OperatorParameter, Parameter, ParsePart, Pattern,
    PatternCase, Query, ReorderBy, Scan, ScanStep, Search, SeriesItem, SortKey, Statement, TextMatch, TextOp, Union,
};
pub use check::{Check, CheckedColumn};
pub use complete::{Completion, CompletionKind, Completions};
pub use diagnostics::{Diagnostic, SourceText, Span, codes};
pub use engine::{Engine, KqlTable, Stats};
pub use format::format;
pub use geo_database::{GeoDatabase, GeoInfo, GeoNetworks};
pub use hover::Hover;
pub use limits::{CancelToken, Limits, Stopped};
pub use parameters::declared_parameters;
pub use reference::reference;
pub use result::{Column, Render};
pub use schemas::{SchemaCatalog, TableFunction};
pub use stored::StoredFunction;

/// What [`Catalog::geo_database`] says where nobody has thought of one.
pub(crate) const NO_GEO_DATABASE: &str = "this host has none configured";

/// The tables, functions and values the host offers to queries. [`catalogs`] has ready ones.
pub trait Catalog: Send + Sync {
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

    /// Names of the functions below, for suggestions.
    fn function_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// A function in KQL that the host keeps. `Err`: it is there but its text is not right. It goes before a
    /// table of its name, as in Kusto.
    fn function(&self, _name: &str) -> Result<Option<Arc<StoredFunction>>, Diagnostic> {
        Ok(None)
    }

    /// A tabular function that the host runs itself, such as `_GetWatchlist`.
    fn table_function(&self, _name: &str) -> Option<Arc<TableFunction>> {
        None
    }

    /// Names of the functions that [`Catalog::table_function`] knows, for completion.
    fn table_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    /// Calls a function that [`Catalog::table_function`] knows, with constants for its parameters.
    fn call_table_function(&self, name: &str, _arguments: &[(String, Literal)]) -> Result<LazyFrame, String> {
        Err(format!("the host does not run `{name}`"))
    }

    /// Calls a function that [`Catalog::table_function`] knows to take rows: `T | invoke FileProfile(SHA1)`.
    fn invoke_table_function(
        &self,
        name: &str,
        _rows: DataFrame,
        _arguments: &[(String, Literal)],
    ) -> Result<LazyFrame, String> {
        Err(format!("the host does not run `{name}`"))
    }

    /// The bytes behind an address of `externaldata`. The engine itself opens no file and no connection.
    fn external_data(&self, _address: &str) -> Result<Vec<u8>, String> {
        Err("the host opens no addresses".to_string())
    }

    /// The database behind `geo_info_from_ip_address`. The error says how to get one.
    fn geo_database(&self) -> Result<Arc<dyn GeoDatabase>, String> {
        Err(NO_GEO_DATABASE.to_string())
    }

    /// The KQL type of a text column that is more than text. `dynamic` (JSON) and `guid` are taken as they stand;
    /// text of another type is read as that type, and text that cannot be read is an error.
    fn column_type(&self, _table: &str, _column: &str) -> Option<KqlType> {
        None
    }
}

/// Why a query gave no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// Mistakes in the query, with their places. [`QueryError::render`] shows them in its text.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Diagnostics(Vec<Diagnostic>),
    /// The plan failed while it ran.
    #[error("KQL execution failed: {0}")]
    Execution(String),
    /// It was cancelled, or went beyond a limit.
    #[error("{0}")]
    Stopped(Stopped),
}

impl QueryError {
    /// The whole message, with the offending lines of the query.
    pub fn render(&self, source: &str) -> String {
        match self {
            Self::Diagnostics(diagnostics) => {
                diagnostics.iter().map(|diagnostic| diagnostic.render(source)).collect::<Vec<_>>().join("\n")
            }
            Self::Execution(_) | Self::Stopped(_) => self.to_string(),
        }
    }

    /// One of [`codes`]; the first mistake's if there are several.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Diagnostics(diagnostics) => diagnostics.first().map_or(codes::SYNTAX, |first| first.code),
            Self::Execution(_) => codes::EXECUTION,
            Self::Stopped(Stopped::Cancelled) => codes::CANCELLED,
            Self::Stopped(_) => codes::LIMIT,
        }
    }
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
