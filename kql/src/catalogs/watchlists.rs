//! Watchlists: a folder of CSV files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use polars::prelude::*;
use sha2::{Digest, Sha256};

use super::text_files;
use crate::{Catalog, KqlType, Literal, TableFunction, diagnostics::nearest};

/// `_GetWatchlist('alias')` reads `FOLDER/alias.csv`, and `_GetWatchlistAlias` lists the aliases.
///
/// As in Sentinel every column is a string, behind `_DTItemId` (an id of the row), `LastUpdatedTimeUTC` (when the
/// file was written) and `SearchKey`: the file's own `SearchKey` column, or else its first column. A second
/// argument, `_GetWatchlist('alias', dynamic(['key']))`, keeps the rows with these search keys.
#[derive(Debug, Clone)]
pub struct Watchlists {
    folder: PathBuf,
}

const GET: &str = "_GetWatchlist";
const ALIASES: &str = "_GetWatchlistAlias";

impl Watchlists {
    /// The watchlists of a folder. It is read when a query asks; a folder that does not exist has none.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Names of the watchlists, sorted.
    pub fn aliases(&self) -> Vec<String> {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut names: Vec<String> = files
            .filter(|path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()))
            .collect();
        names.sort();
        names
    }

    fn rows(&self, alias: &str, keys: Option<&serde_json::Value>) -> Result<LazyFrame, String> {
        let aliases = self.aliases();
        // Aliases are compared without case, as in Sentinel; only a name of the folder's list becomes a path.
        let Some(found) = aliases.iter().find(|known| known.eq_ignore_ascii_case(alias)) else {
            return Err(self.unknown(alias, &aliases));
        };
        let path = self.folder.join(format!("{found}.csv"));
        let fail = |problem: String| format!("{}: {problem}", path.display());
        let frame = read(&path).map_err(|error| fail(error.to_string()))?;
        let updated =
            std::fs::metadata(&path).and_then(|metadata| metadata.modified()).map_err(|e| fail(e.to_string()))?;
        let frame = with_sentinel_columns(frame, found, updated.into()).map_err(|error| fail(error.to_string()))?;
        let Some(keys) = keys else { return Ok(frame.lazy()) };
        let wanted: Vec<&str> = keys.as_array().into_iter().flatten().filter_map(|key| key.as_str()).collect();
        let mask: BooleanChunked = frame
            .column("SearchKey")
            .and_then(|column| column.str().cloned())
            .map_err(|error| fail(error.to_string()))?
            .iter()
            .map(|key| Some(wanted.contains(&key.unwrap_or_default())))
            .collect();
        Ok(frame.filter(&mask).map_err(|error| fail(error.to_string()))?.lazy())
    }

    fn unknown(&self, alias: &str, aliases: &[String]) -> String {
        let folder = self.folder.display();
        if aliases.is_empty() {
            return format!("there is no watchlist `{alias}`: put it as {alias}.csv into {folder}");
        }
        let hint = nearest(alias, aliases.iter().map(String::as_str))
            .map(|name| format!("; did you mean `{name}`?"))
            .unwrap_or_default();
        format!("there is no watchlist `{alias}` in {folder}; it has: {}{hint}", aliases.join(", "))
    }
}

/// All columns as text.
fn read(path: &Path) -> PolarsResult<DataFrame> {
    text_files::refuse_utf16(path)?;
    let scanned = LazyCsvReader::new(PlRefPath::try_from_path(path)?).with_infer_schema_length(Some(0)).finish()?;
    scanned.collect().map_err(|problem| text_files::with_line(problem, path, b','))
}

fn with_sentinel_columns(
    frame: DataFrame,
    alias: &str,
    updated: chrono::DateTime<chrono::Utc>,
) -> PolarsResult<DataFrame> {
    let height = frame.height();
    let key = match frame.column("SearchKey") {
        Ok(own) => own.clone(),
        Err(_) => match frame.columns().first() {
            Some(first) => first.clone().with_name("SearchKey".into()),
            None => Column::new_empty("SearchKey".into(), &DataType::String),
        },
    };
    let ids: Vec<String> = (0..height).map(|row| item_id(alias, row, &frame)).collect();
    let updated = Column::new("LastUpdatedTimeUTC".into(), vec![updated.timestamp_micros(); height])
        .cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
    let mut columns = vec![Column::new("_DTItemId".into(), ids), updated, key];
    columns.extend(frame.columns().iter().filter(|column| column.name() != "SearchKey").cloned());
    DataFrame::new(height, columns)
}

/// An id that stays the same as long as the row does.
fn item_id(alias: &str, row: usize, frame: &DataFrame) -> String {
    let mut hash = Sha256::new();
    hash.update(alias);
    hash.update(row.to_le_bytes());
    for column in frame.columns() {
        if let Ok(AnyValue::String(text)) = column.get(row) {
            hash.update(text);
        }
        hash.update([0]);
    }
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

impl Catalog for Watchlists {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn table(&self, _name: &str) -> Result<Option<LazyFrame>, String> {
        Ok(None)
    }

    fn function_names(&self) -> Vec<String> {
        vec![GET.to_string(), ALIASES.to_string()]
    }

    fn table_function(&self, name: &str) -> Option<Arc<TableFunction>> {
        let column = |name: &str, kql_type| crate::Column { name: name.to_string(), kql_type };
        let (parameters, columns) = match name {
            GET => {
                (vec![column("watchlistAlias", KqlType::String), column("searchKeys", KqlType::Dynamic)], Vec::new())
            }
            ALIASES => (Vec::new(), vec![column("WatchlistAlias", KqlType::String)]),
            _ => return None,
        };
        Some(Arc::new(TableFunction { parameters, columns, takes_rows: false }))
    }

    fn call_table_function(&self, name: &str, arguments: &[(String, Literal)]) -> Result<LazyFrame, String> {
        if name == ALIASES {
            let aliases = Column::new("WatchlistAlias".into(), self.aliases());
            return Ok(DataFrame::new(aliases.len(), vec![aliases]).map_err(|error| error.to_string())?.lazy());
        }
        let given = |wanted: &str| arguments.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let keys = match given("searchKeys") {
            Some(Literal::Dynamic(keys)) => Some(keys),
            _ => None,
        };
        match given("watchlistAlias") {
            Some(Literal::String(alias)) => self.rows(alias, keys),
            _ => Err(format!("name the watchlist, as in `{GET}('alias')`; there are: {}", self.aliases().join(", "))),
        }
    }
}
