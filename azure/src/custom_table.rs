//! Names that Log Analytics accepts for custom tables and their columns.
//!
//! Source: Logs Ingestion API and "Create a custom table" pages of Azure Monitor: a letter first, then letters,
//! digits and `_`, 45 at the most; some column names belong to the service.

use thiserror::Error;

/// Suffix of every custom table.
pub const SUFFIX: &str = "_CL";
/// The column that every table has.
pub const TIME_GENERATED: &str = "TimeGenerated";
/// The column in which the service repeats the table's name.
pub const TYPE: &str = "Type";

const MAX_LENGTH: usize = 45;
const RESERVED_COLUMNS: [&str; 7] = ["_ResourceId", "id", "_SubscriptionId", "TenantId", TYPE, "UniqueId", "Title"];

#[derive(Debug, Error, PartialEq, Eq)]
pub enum NameError {
    #[error("`{0}` cannot be a custom table: a name is a letter, then letters, digits or `_`, 45 at the most")]
    Table(String),
    #[error(
        "`{0}` cannot be a column of a custom table: a name is a letter, then letters, digits or `_`, 45 at the most; rename it"
    )]
    Column(String),
    #[error("the column name `{0}` belongs to the service ({list}): rename or drop it", list = RESERVED_COLUMNS.join(", "))]
    Reserved(String),
    #[error("the columns `{0}` and `{1}` differ only in case, which the service takes for one: rename one of them")]
    Duplicate(String, String),
}

/// The full name of a custom table: `AnomalousAccess` and `AnomalousAccess_CL` are the same table.
pub fn full_name(table: &str) -> Result<String, NameError> {
    let base = table.strip_suffix(SUFFIX).unwrap_or(table);
    if !is_name(base) {
        return Err(NameError::Table(table.to_owned()));
    }
    Ok(format!("{base}{SUFFIX}"))
}

/// Checks all column names of a frame about to be written.
pub fn check_columns<'a>(columns: impl IntoIterator<Item = &'a str>) -> Result<(), NameError> {
    let mut seen: Vec<&str> = Vec::new();
    for column in columns {
        if RESERVED_COLUMNS.iter().any(|reserved| reserved.eq_ignore_ascii_case(column)) {
            return Err(NameError::Reserved(column.to_owned()));
        }
        if !is_name(column) {
            return Err(NameError::Column(column.to_owned()));
        }
        if let Some(other) = seen.iter().find(|other| other.eq_ignore_ascii_case(column)) {
            return Err(NameError::Duplicate((*other).to_owned(), column.to_owned()));
        }
        seen.push(column);
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_LENGTH
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_table_ends_with_cl_once() {
        assert_eq!(full_name("Hits").unwrap(), "Hits_CL");
        assert_eq!(full_name("Hits_CL").unwrap(), "Hits_CL");
        for wrong in ["", "_CL", "1st", "a b", "a-b", "naïve", "../x", &"x".repeat(46)] {
            assert!(full_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn column_names_follow_the_service() {
        check_columns(["TimeGenerated", "user", "anomaly_score"]).unwrap();
        assert_eq!(check_columns(["tenantid"]), Err(NameError::Reserved("tenantid".into())));
        assert_eq!(check_columns(["a b"]), Err(NameError::Column("a b".into())));
        assert_eq!(check_columns(["user", "User"]), Err(NameError::Duplicate("user".into(), "User".into())));
    }
}
