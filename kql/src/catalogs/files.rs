//! Files as tables, scanned lazily.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use polars::prelude::*;

use super::{
    json_lines, patterns, text_files,
    text_types::{self, Seen},
};
use crate::{Catalog, KqlType};

/// The formats that [`Files`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Predicates and projections reach the row groups.
    Parquet,
    /// Commas, with a header.
    Csv,
    /// Tabs, with a header.
    Tsv,
    /// One JSON object per line, or one array of objects, which is held in memory.
    JsonLines,
}

impl FileFormat {
    /// The format that a file's name tells; `.gz` and `.zst` may follow.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        Some(match name.rsplit_once('.')?.1 {
            "csv" => Self::Csv,
            "tsv" | "tab" => Self::Tsv,
            "json" | "jsonl" | "ndjson" => Self::JsonLines,
            "parquet" => Self::Parquet,
            _ => return None,
        })
    }

    /// Between the fields of a line.
    fn separator(self) -> u8 {
        if self == Self::Tsv { b'\t' } else { b',' }
    }
}

/// Files, folders of files of one format, or files that match a pattern (`logs/*.jsonl`) as tables. Nothing is read
/// until a query names the table, and then only what the query needs passes through memory.
///
/// Types: a Parquet file has its own; lists and structs are `dynamic`. Text files are read once, when they are
/// first named, for the types that hold every value without changing it: `long`, `real`, `bool`,
/// `datetime` (ISO 8601), `dynamic` (JSON objects and arrays), else `string`. Numbers with leading zeros stay
/// text. In JSON lines, strings are `datetime` or `string`, and objects, arrays and mixed values are `dynamic`.
/// Text is UTF-8, with or without a byte order mark.
#[derive(Default, Clone)]
pub struct Files {
    tables: BTreeMap<String, Arc<Table>>,
}

struct Table {
    path: PathBuf,
    format: Option<FileFormat>,
    opened: Mutex<Option<Arc<Opened>>>,
}

/// A table whose types are known.
struct Opened {
    frame: LazyFrame,
    /// Types of text columns that stand for more than text
    tags: BTreeMap<String, KqlType>,
}

/// Columns of text files with what they hold, in order of first appearance.
pub(super) type Columns = Vec<(String, Seen)>;

impl Files {
    /// No tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file or folder as a table; its format is told by the ending of the name.
    #[must_use]
    pub fn with(self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.add(name.into(), path.into(), None)
    }

    /// Adds a file or folder of a given format.
    #[must_use]
    pub fn with_format(self, name: impl Into<String>, path: impl Into<PathBuf>, format: FileFormat) -> Self {
        self.add(name.into(), path.into(), Some(format))
    }

    /// What a path of a table names: a file, a folder, or what matches a pattern in its last part (`*`, `?`).
    ///
    /// Errors: there is nothing.
    pub fn find(path: &Path) -> std::io::Result<Vec<PathBuf>> {
        patterns::matching(path)
    }

    fn add(mut self, name: String, path: PathBuf, format: Option<FileFormat>) -> Self {
        self.tables.insert(name, Arc::new(Table { path, format, opened: Mutex::default() }));
        self
    }

    fn opened(&self, name: &str) -> Result<Option<Arc<Opened>>, String> {
        let Some(table) = self.tables.get(name) else { return Ok(None) };
        let mut opened = table.opened.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if opened.is_none() {
            let fail = |error: String| format!("{}: {error}", table.path.display());
            *opened = Some(Arc::new(open(&table.path, table.format).map_err(fail)?));
        }
        Ok(opened.clone())
    }
}

fn open(path: &Path, format: Option<FileFormat>) -> Result<Opened, String> {
    let files = data_files(path, format)?;
    let Some(first) = files.first() else {
        return Err("there are no Parquet, CSV, TSV or JSON lines files in this folder".to_string());
    };
    let told = |file: &PathBuf| format.or_else(|| FileFormat::of(file));
    let Some(format) = told(first) else {
        return Err("the ending of the name tells no format: name it .parquet, .csv, .tsv or .jsonl".to_string());
    };
    if let Some(other) = files.iter().find(|file| told(file) != Some(format)) {
        return Err(format!("the folder holds files of several formats, such as {}", other.display()));
    }
    read(&files, format).map_err(|error| error.to_string())
}

/// The files that the path names, and all files of known formats below the folders that it names, sorted.
fn data_files(path: &Path, format: Option<FileFormat>) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for found in patterns::matching(path).map_err(|error| error.to_string())? {
        if found.is_dir() {
            files.extend(files_below(&found, format)?);
        } else {
            files.push(found);
        }
    }
    Ok(files)
}

fn files_below(folder: &Path, format: Option<FileFormat>) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let below = entry.map_err(|error| error.to_string())?.path();
        if below.is_dir() {
            files.extend(files_below(&below, format)?);
        } else if format.is_some() || FileFormat::of(&below).is_some() {
            files.push(below);
        }
    }
    files.sort();
    Ok(files)
}

fn read(files: &[PathBuf], format: FileFormat) -> PolarsResult<Opened> {
    let scanned = |scan: &dyn Fn(&Path) -> PolarsResult<LazyFrame>| -> PolarsResult<LazyFrame> {
        let mut frames = files.iter().map(|file| scan(file)).collect::<PolarsResult<Vec<_>>>()?;
        if frames.len() == 1 {
            return Ok(frames.remove(0));
        }
        let stacked = UnionArgs { diagonal: true, rechunk: false, ..UnionArgs::default() };
        concat_lf_diagonal(frames, stacked)
    };
    if format == FileFormat::Parquet {
        let scan = |file: &Path| LazyFrame::scan_parquet(reference(file)?, ScanArgsParquet::default());
        return Ok(Opened { frame: scanned(&scan)?, tags: BTreeMap::new() });
    }
    let mut columns = Columns::new();
    for file in files {
        let named = |problem: PolarsError| match files.len() {
            1 => problem,
            _ => polars_err!(ComputeError: "in {}: {problem}", file.display()),
        };
        for (name, seen) in text_columns(file, format).map_err(named)? {
            match columns.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = known.and(seen),
                None => columns.push((name, seen)),
            }
        }
    }
    let frame = match format {
        FileFormat::JsonLines => scanned(&|file| json_lines::scan(file, &columns))?,
        _ => scanned(&|file| separated(file, format, Some(&columns)))?,
    };
    let is_tag = |kql_type: &KqlType| matches!(kql_type, KqlType::Datetime | KqlType::Dynamic);
    let tags = columns.into_iter().map(|(name, seen)| (name, seen.kql_type())).filter(|(_, tag)| is_tag(tag));
    Ok(Opened { frame, tags: tags.collect() })
}

fn text_columns(file: &Path, format: FileFormat) -> PolarsResult<Columns> {
    text_files::refuse_utf16(file)?;
    match format {
        FileFormat::JsonLines => json_lines::columns_of(file),
        _ => {
            separated_columns(file, format).map_err(|problem| text_files::with_line(problem, file, format.separator()))
        }
    }
}

fn reference(file: &Path) -> PolarsResult<PlRefPath> {
    PlRefPath::try_from_path(file)
}

/// A CSV or TSV file; every column is text without `columns`.
fn separated(file: &Path, format: FileFormat, columns: Option<&Columns>) -> PolarsResult<LazyFrame> {
    let reader =
        LazyCsvReader::new(reference(file)?).with_separator(format.separator()).with_infer_schema_length(Some(0));
    let Some(columns) = columns else { return reader.finish() };
    // A file of a folder may lack columns that others have.
    let present = reader.clone().finish()?.collect_schema()?;
    let typed = columns.iter().filter(|(name, _)| present.contains(name));
    let typed: Schema = typed.map(|(name, seen)| (PlSmallStr::from_str(name), carried(seen.kql_type()))).collect();
    reader.with_dtype_overwrite(Some(Arc::new(typed))).finish()
}

/// The polars type that carries a column: what text alone can carry without loss stays text, with a tag.
pub(super) fn carried(kql_type: KqlType) -> DataType {
    match kql_type {
        KqlType::Long => DataType::Int64,
        KqlType::Real => DataType::Float64,
        KqlType::Bool => DataType::Boolean,
        _ => DataType::String,
    }
}

/// Reads a file to its end for the types of its columns; only a batch is in memory at a time.
fn separated_columns(file: &Path, format: FileFormat) -> PolarsResult<Columns> {
    let mut frame = separated(file, format, None)?;
    let names: Vec<String> = frame.collect_schema()?.iter_names().map(ToString::to_string).collect();
    let seen = Arc::new(Mutex::new(vec![Seen::Nothing; names.len()]));
    let shared = seen.clone();
    let look = move |batch: DataFrame| -> PolarsResult<DataFrame> {
        let mut found = vec![Seen::Nothing; batch.width()];
        for (column, found) in batch.columns().iter().zip(&mut found) {
            for text in column.str()?.iter().flatten() {
                if *found == Seen::Is(KqlType::String) {
                    break;
                }
                *found = found.and(text_types::of_text(text));
            }
        }
        let mut all = shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.iter_mut().zip(found).for_each(|(known, found)| *known = known.and(found));
        Ok(batch.clear())
    };
    frame
        .map(look, AllowedOptimizations::STREAMING, None, Some("types of text"))
        .collect_with_engine(polars::prelude::Engine::Streaming)?;
    let seen = seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    Ok(names.into_iter().zip(seen).collect())
}

impl Catalog for Files {
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String> {
        Ok(self.opened(name)?.map(|opened| opened.frame.clone()))
    }

    fn column_type(&self, table: &str, column: &str) -> Option<KqlType> {
        self.opened(table).ok()??.tags.get(column).copied()
    }
}
