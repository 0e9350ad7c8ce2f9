//! `%blob read`: files to a frame.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use huntbook_kql::ticks;
use huntbook_wire::SourceFormat;
use polars::prelude::*;

use super::cache::BlobCache;
use super::export::Export;
use super::filter::{self, Filter};
use super::frame::stacked;
use super::gather::{Reading, gather};
use super::json::{BadLines, Compare, Condition, Declared, Selection, Wanted};
use super::progress::{Progress, grouped, size};
use super::source::Item;
use super::stores::Access;
use super::tabular;
use crate::{Engine, Error, Result};

const TIME: &str = "TimeGenerated";

/// What to read, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadOptions {
    /// Files, folders, patterns; with an export, where it is
    pub locations: Vec<String>,
    /// By the ending where it is not given
    pub format: Option<SourceFormat>,
    /// `Name:type, ...`: the columns and their types
    pub schema: Option<String>,
    /// A table whose columns and types these are
    pub table: Option<String>,
    /// Only these columns, in this order
    pub columns: Vec<String>,
    /// A KQL condition on rows
    pub filter: Option<String>,
    /// CSV and TSV without a line of names
    pub no_header: bool,
    pub bad_lines: BadLines,
    /// Bytes that the rows may take
    pub memory: Option<u64>,
    pub access: Access,
    pub export: Option<Export>,
    /// Keep blobs on disk, by ETag
    pub cache: bool,
}

/// A frame, and what there is to say about where it comes from.
#[derive(Clone, Debug)]
pub struct ReadOutcome {
    pub frame: DataFrame,
    pub files: usize,
    /// As they are stored
    pub bytes: u64,
    pub took: Duration,
    /// Lines left out, late files, missing hours
    pub notes: Vec<String>,
}

impl ReadOutcome {
    /// `12 files, 1.2 GB in 0.8 s (1.5 GB/s)` and the notes.
    pub fn report(&self) -> String {
        let seconds = self.took.as_secs_f64().max(0.001);
        let files = if self.files == 1 { "1 file".to_owned() } else { format!("{} files", grouped(self.files as u64)) };
        let rate = size((self.bytes as f64 / seconds) as u64);
        let first = format!("{files}, {} in {seconds:.1} s ({rate}/s)", size(self.bytes));
        std::iter::once(first).chain(self.notes.iter().cloned()).collect::<Vec<_>>().join("\n")
    }
}

impl Engine {
    /// Reads a file, or all files of one format in a folder, as one frame. A file that cannot be read to its end
    /// fails the whole read.
    pub fn blob_read(&self, location: &str, format: Option<SourceFormat>) -> Result<DataFrame> {
        let options = ReadOptions { locations: vec![location.to_owned()], format, ..ReadOptions::default() };
        Ok(self.blob_read_with(&options)?.frame)
    }

    /// Reads what the options say. Interruptible between parts of files; memory is bound but for the rows themselves.
    ///
    /// Errors: places and files that cannot be read, conditions that are no KQL, lines that cannot be read where those
    /// are errors, more rows than memory.
    pub fn blob_read_with(&self, options: &ReadOptions) -> Result<ReadOutcome> {
        let began = Instant::now();
        let filter = options.filter.as_deref().map(filter::parsed).transpose()?;
        let declared = self.declared(options)?;
        let mut notes = Vec::new();
        let (items, format) = match &options.export {
            None => self.items(&options.locations, options.format, &options.access)?,
            Some(export) => {
                let found =
                    self.export_items(export, options.locations.first().map(String::as_str), &options.access)?;
                notes = found.notes;
                (found.items, SourceFormat::JsonLines)
            }
        };
        let (files, bytes) = (items.len(), items.iter().map(|item| item.bytes).sum());
        let is_lines = format == SourceFormat::JsonLines;
        let progress = Arc::new(Progress::default());
        progress.begin(files, bytes);
        let read = self.with_progress(&progress, |_| match is_lines {
            true => self.read_lines(items, options, declared.as_deref(), filter.as_ref(), &progress, &mut notes),
            false => self.read_tables(items, format, options, declared.as_deref(), &progress),
        })?;
        let frame = self.narrowed(read, options, filter.as_ref())?;
        Ok(ReadOutcome { frame, files, bytes, took: began.elapsed(), notes })
    }

    fn read_lines(
        &self,
        items: Vec<Item>,
        options: &ReadOptions,
        declared: Option<&[Wanted]>,
        filter: Option<&Filter>,
        progress: &Arc<Progress>,
        notes: &mut Vec<String>,
    ) -> Result<LazyFrame> {
        let selection = Arc::new(selection(options, declared, filter));
        let (quarantine, kept_at) = match options.bad_lines {
            BadLines::Quarantine => self.quarantine_file().map(|(file, path)| (Some(file), Some(path)))?,
            _ => (None, None),
        };
        let cache = options.cache.then(|| BlobCache::open(self, true)).transpose()?;
        let (chosen, progress, bad_lines, memory) =
            (selection.clone(), progress.clone(), options.bad_lines, options.memory);
        let gathered = self.cancel.run(move |token| {
            let items = match cache {
                Some(cache) => cache.local(items, &progress, &|| token.is_cancelled())?,
                None => items,
            };
            let reading = Reading { selection: &chosen, bad_lines, memory, quarantine: quarantine.as_ref() };
            let gathered = gather(&items, &reading, &progress, &token)?;
            if let Some(file) = &quarantine {
                let mut file = file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                file.flush()
                    .map_err(|error| Error::new("IoError", format!("cannot write the file for bad lines: {error}")))?;
            }
            Ok(gathered)
        })?;
        if gathered.bad_lines > 0 {
            let kept = kept_at.as_ref().map_or(String::new(), |path| format!(", kept in {}", path.display()));
            let more = gathered.bad_lines - gathered.named.len() as u64;
            let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
            let count = grouped(gathered.bad_lines);
            notes.push(format!("{count} bad line(s) left out{kept}:\n  {}{more}", gathered.named.join("\n  ")));
        } else if let Some(path) = kept_at {
            let _ = std::fs::remove_file(path);
        }
        let is_optional = |name: &str| {
            !options.columns.iter().any(|column| column == name)
                && filter.is_some_and(|filter| filter.names.iter().any(|known| known == name))
        };
        let frame = self.cancel.run({
            let optional: Vec<String> =
                selection.columns.iter().map(|column| column.name.clone()).filter(|name| is_optional(name)).collect();
            move |_| stacked(gathered.parts, &selection, |name| optional.iter().any(|other| other == name))
        })?;
        Ok(match &options.export {
            None => frame.lazy(),
            Some(export) => self.in_time(frame, export, notes)?,
        })
    }

    /// Rows by their own TimeGenerated: folders only say where they may be.
    fn in_time(&self, frame: DataFrame, export: &Export, notes: &mut Vec<String>) -> Result<LazyFrame> {
        let nulls = frame.column(TIME).map_or(0, Column::null_count);
        if nulls > 0 {
            notes.push(format!("{nulls} row(s) have no {TIME} and are left out"));
        }
        let unit = DataType::Datetime(TimeUnit::Microseconds, None);
        let bound = |time: chrono::DateTime<chrono::Utc>| lit(time.timestamp_micros()).cast(unit.clone());
        let within = col(TIME).gt_eq(bound(export.from)).and(col(TIME).lt(bound(export.to)));
        Ok(frame.lazy().filter(within))
    }

    fn read_tables(
        &self,
        items: Vec<Item>,
        format: SourceFormat,
        options: &ReadOptions,
        declared: Option<&[Wanted]>,
        progress: &Arc<Progress>,
    ) -> Result<LazyFrame> {
        let cache = BlobCache::open(self, options.cache)?;
        let (progress, no_header) = (progress.clone(), options.no_header);
        let declared = declared.map(<[Wanted]>::to_vec);
        let columns = options.columns.clone();
        self.cancel.run(move |token| {
            let local = cache.local(items, &progress, &|| token.is_cancelled())?;
            let scanned = tabular::scan(&local, format, no_header, declared.as_deref())?;
            // What is downloaded goes when this returns: it is read here. Parquet decides by column what that is.
            let chosen = tabular::projected(scanned, &columns)?;
            Ok(chosen.collect()?.lazy())
        })
    }

    /// The condition as KQL has it, on what the reading left, and the columns that were asked for.
    fn narrowed(&self, read: LazyFrame, options: &ReadOptions, filter: Option<&Filter>) -> Result<DataFrame> {
        let read = match filter {
            Some(filter) => {
                let frame = self.cancel.run(move |_| Ok(read.collect()?))?;
                let answer = self.kql_on(&format!("where {}", filter.text), Some(frame.lazy()))?;
                answer.frame.as_ref().clone().lazy()
            }
            None => read,
        };
        let columns: Vec<Expr> = options.columns.iter().map(|name| col(name.as_str())).collect();
        let read = if columns.is_empty() { read } else { read.select(columns) };
        self.cancel.run(move |_| Ok(read.collect()?))
    }

    /// Columns and types that the options give.
    fn declared(&self, options: &ReadOptions) -> Result<Option<Vec<Wanted>>> {
        match (&options.schema, &options.table) {
            (Some(_), Some(_)) => Err(error("--schema and --table both say the columns: give one")),
            (Some(text), None) => schema_of(text).map(Some),
            (None, Some(table)) => self.columns_of_table(table).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn columns_of_table(&self, table: &str) -> Result<Vec<Wanted>> {
        let check = self.kql_engine()?.check(&format!("['{}']", table.replace(['\'', '\\'], "")));
        let Some(columns) = check.columns.filter(|_| check.bound) else {
            return Err(error(format!(
                "no table `{table}` is known here, so its columns are not: %workspace and %frames list what there is, --schema gives columns"
            )));
        };
        let wanted = |column: huntbook_kql::CheckedColumn| Wanted {
            declared: column.kql_type.and_then(|kql_type| Declared::named(kql_type.name())),
            name: column.name,
        };
        Ok(columns.into_iter().map(wanted).collect())
    }

    /// A new file beside the notebook, for lines that cannot be read.
    fn quarantine_file(&self) -> Result<(Mutex<Box<dyn Write + Send>>, PathBuf)> {
        let now = chrono::Utc::now().format("%Y%m%d-%H%M%S-%3f");
        let path = self.resolve(std::path::Path::new(&format!("bad-lines-{now}.jsonl")));
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|problem| Error::io("write", &path, &problem))?;
        Ok((Mutex::new(Box::new(std::io::BufWriter::new(file))), path))
    }
}

/// `Name:type, Other:type`; a name alone is read as found.
fn schema_of(text: &str) -> Result<Vec<Wanted>> {
    let mut columns: Vec<Wanted> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, declared) = match part.rsplit_once(':') {
            None => (part, None),
            Some((name, type_name)) => {
                let type_name = type_name.trim();
                let declared = Declared::named(type_name).ok_or_else(|| {
                    error(format!(
                        "`{type_name}`, for `{name}`, is no type; there are bool, int, long, real, string, datetime, timespan, guid, dynamic"
                    ))
                })?;
                (name.trim(), Some(declared))
            }
        };
        if columns.iter().any(|column| column.name == name) {
            return Err(error(format!("--schema names the column `{name}` twice")));
        }
        columns.push(Wanted { name: name.to_owned(), declared });
    }
    if columns.is_empty() {
        return Err(error("--schema needs columns, such as `TimeGenerated:datetime, EventID:int`"));
    }
    Ok(columns)
}

/// Which members of a line are read.
fn selection(options: &ReadOptions, declared: Option<&[Wanted]>, filter: Option<&Filter>) -> Selection {
    let found = |name: &str| Wanted { name: name.to_owned(), declared: None };
    let mut columns: Vec<Wanted> = match (options.columns.is_empty(), declared) {
        (true, declared) => declared.map(<[Wanted]>::to_vec).unwrap_or_default(),
        (false, None) => options.columns.iter().map(|name| found(name)).collect(),
        (false, Some(declared)) => {
            let known = |name: &String| declared.iter().find(|column| column.name == *name).cloned();
            options.columns.iter().map(|name| known(name).unwrap_or_else(|| found(name))).collect()
        }
    };
    let open = options.columns.is_empty() && declared.is_none();
    let mut need = |wanted: Wanted| {
        if !columns.iter().any(|column| column.name == wanted.name) {
            columns.push(wanted);
        }
    };
    if options.export.is_some() {
        need(Wanted { name: TIME.to_owned(), declared: Some(Declared::Datetime) });
    }
    if let Some(filter) = filter {
        let known = |name: &str| declared.and_then(|all| all.iter().find(|column| column.name == name).cloned());
        let names =
            filter.names.iter().filter(|name| !open || filter.conditions.iter().any(|(column, _)| column == *name));
        names.for_each(|name| need(known(name).unwrap_or_else(|| found(name))));
    }
    // An export has moments there, whatever else was said.
    if options.export.is_some()
        && let Some(time) = columns.iter_mut().find(|column| column.name == TIME)
    {
        time.declared = Some(Declared::Datetime);
    }
    let place = |name: &str, columns: &[Wanted]| columns.iter().position(|column| column.name == name);
    let mut conditions = Vec::new();
    for (name, condition) in filter.map(|filter| filter.conditions.as_slice()).unwrap_or_default() {
        conditions.extend(place(name, &columns).map(|at| (at, condition.clone())));
    }
    if let Some(export) = &options.export
        && let Some(at) = place(TIME, &columns)
    {
        let ticks =
            |time: chrono::DateTime<chrono::Utc>| ticks::UNIX_EPOCH + time.timestamp_micros() * ticks::MICROSECOND;
        conditions.push((at, Condition::Datetime(Compare::GreaterOrEqual, ticks(export.from))));
        conditions.push((at, Condition::Datetime(Compare::Less, ticks(export.to))));
    }
    Selection { columns, open, conditions }
}

fn error(message: impl Into<String>) -> Error {
    Error::new("BlobError", message)
}
