//! Parsing and binding without running: are the names and types of a query right, and what will
//! its columns be?

use crate::{Diagnostic, Engine, KqlType, plan};

/// A column that a query will give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedColumn {
    /// Its name
    pub name: String,
    /// Its type; `None` if only the rows can tell
    pub kql_type: Option<KqlType>,
}

/// What is known about a query before it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// The text is KQL.
    pub parsed: bool,
    /// Every name is known and every type fits.
    pub bound: bool,
    /// The columns of the result; `None` if the query did not bind or gives no table.
    pub columns: Option<Vec<CheckedColumn>>,
    /// The rows may add columns (`bag_unpack`, `pivot`).
    pub open: bool,
    /// What is wrong, first mistake first.
    pub diagnostics: Vec<Diagnostic>,
}

impl Engine {
    /// Checks a query against the tables of the catalog. Reads no rows; [`crate::Catalog::schema`] makes it
    /// cheap for catalogs of a thousand tables.
    pub fn check(&self, query: &str) -> Check {
        let (tree, diagnostics) = self.parse(query);
        if !diagnostics.is_empty() {
            return Check { diagnostics, ..Check::default() };
        }
        match self.checker().bound_only(&tree) {
            Err(diagnostic) => Check { parsed: true, diagnostics: vec![diagnostic.located(query)], ..Check::default() },
            Ok(None) => Check { parsed: true, bound: true, ..Check::default() },
            Ok(Some(table)) => {
                let column = |column: &plan::ColumnInfo| CheckedColumn {
                    name: column.name.clone(),
                    kql_type: (!column.unknown).then_some(column.kql_type),
                };
                Check {
                    parsed: true,
                    bound: true,
                    columns: Some(table.columns.iter().filter(|column| !column.is_open()).map(column).collect()),
                    open: table.columns.iter().any(plan::ColumnInfo::is_open),
                    diagnostics: Vec::new(),
                }
            }
        }
    }
}
