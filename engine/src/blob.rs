//! Files as blobs: `file://` locations and plain paths. Azure and Azurite stores join with the blob issue.

use std::path::{Path, PathBuf};

use huntbook_wire::SourceFormat;
use polars::prelude::*;

use crate::{Engine, Error, Result};

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub path: PathBuf,
    pub bytes: u64,
    pub modified: Option<std::time::SystemTime>,
    pub is_folder: bool,
}

impl Engine {
    /// Files below a folder, or the file itself; sorted by path.
    pub fn blob_ls(&self, location: &str, recursive: bool) -> Result<Vec<Entry>> {
        let path = self.local_path(location)?;
        let metadata = std::fs::metadata(&path).map_err(|error| Error::io("list", &path, &error))?;
        if !metadata.is_dir() {
            return Ok(vec![entry(path, &metadata)]);
        }
        let mut entries = Vec::new();
        list(&path, recursive, &mut entries)?;
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(entries)
    }

    /// Reads a file, or all files of one format in a folder, as one frame. A file that cannot be read to its end
    /// fails the whole read.
    pub fn blob_read(&self, location: &str, format: Option<SourceFormat>) -> Result<DataFrame> {
        let path = self.local_path(location)?;
        let metadata = std::fs::metadata(&path).map_err(|error| Error::io("read", &path, &error))?;
        let files = if metadata.is_dir() { data_files(&path, format)? } else { vec![path.clone()] };
        if files.is_empty() {
            return Err(Error::new(
                "BlobError",
                format!("no CSV, TSV, JSON lines or Parquet files in {}", path.display()),
            ));
        }
        self.cancel.run(move |_| {
            let frames = files.iter().map(|file| read_file(file, format)).collect::<Result<Vec<_>>>()?;
            match <[DataFrame; 1]>::try_from(frames) {
                Ok([frame]) => Ok(frame),
                Err(frames) => {
                    let frames: Vec<LazyFrame> = frames.into_iter().map(IntoLazy::lazy).collect();
                    Ok(concat_lf_diagonal(frames, UnionArgs::default())?.collect()?)
                }
            }
        })
    }

    fn local_path(&self, location: &str) -> Result<PathBuf> {
        if let Some(path) = location.strip_prefix("file://") {
            return Ok(self.resolve(Path::new(path)));
        }
        match location.split_once("://") {
            Some((scheme, _)) => {
                let message = format!(
                    "`{scheme}://` locations are not read yet: this version reads file:// locations and plain paths"
                );
                Err(Error::new("BlobError", message))
            }
            None => Ok(self.resolve(Path::new(location))),
        }
    }
}

fn entry(path: PathBuf, metadata: &std::fs::Metadata) -> Entry {
    Entry { path, bytes: metadata.len(), modified: metadata.modified().ok(), is_folder: metadata.is_dir() }
}

fn list(folder: &Path, recursive: bool, entries: &mut Vec<Entry>) -> Result<()> {
    let fail = |error: std::io::Error| Error::io("list", folder, &error);
    for item in std::fs::read_dir(folder).map_err(fail)? {
        let item = item.map_err(fail)?;
        let metadata = item.metadata().map_err(fail)?;
        if recursive && metadata.is_dir() {
            list(&item.path(), true, entries)?;
        } else {
            entries.push(entry(item.path(), &metadata));
        }
    }
    Ok(())
}

fn data_files(folder: &Path, format: Option<SourceFormat>) -> Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    list(folder, true, &mut entries)?;
    let wanted =
        |entry: &Entry| !entry.is_folder && entry.bytes > 0 && (format.is_some() || format_of(&entry.path).is_some());
    let mut files: Vec<PathBuf> = entries.into_iter().filter(wanted).map(|entry| entry.path).collect();
    files.sort();
    Ok(files)
}

fn format_of(path: &Path) -> Option<SourceFormat> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    Some(match name.rsplit_once('.')?.1 {
        "csv" => SourceFormat::Csv,
        "tsv" | "tab" => SourceFormat::Tsv,
        "json" | "jsonl" | "ndjson" => SourceFormat::JsonLines,
        "parquet" => SourceFormat::Parquet,
        _ => return None,
    })
}

fn read_file(path: &Path, format: Option<SourceFormat>) -> Result<DataFrame> {
    let Some(format) = format.or_else(|| format_of(path)) else {
        let message =
            format!("cannot tell the format of {} by its ending: add --format csv|tsv|jsonl|parquet", path.display());
        return Err(Error::new("BlobError", message));
    };
    let read = || -> PolarsResult<DataFrame> {
        let reference = PlRefPath::try_from_path(path)?;
        match format {
            SourceFormat::Parquet => LazyFrame::scan_parquet(reference, ScanArgsParquet::default())?.collect(),
            SourceFormat::JsonLines => {
                LazyJsonLineReader::new(reference).with_infer_schema_length(None).finish()?.collect()
            }
            SourceFormat::Csv | SourceFormat::Tsv => LazyCsvReader::new(reference)
                .with_separator(if format == SourceFormat::Tsv { b'\t' } else { b',' })
                .with_infer_schema_length(None)
                .with_try_parse_dates(true)
                .finish()?
                .collect(),
        }
    };
    let frame = read().map_err(|error| Error::new("BlobError", format!("cannot read {}: {error}", path.display())))?;
    datetimes(frame)
}

/// Text columns that hold ISO 8601 date-times throughout become datetimes, as `TimeGenerated` in an export.
fn datetimes(mut frame: DataFrame) -> Result<DataFrame> {
    let candidates: Vec<String> = frame
        .columns()
        .iter()
        .filter(|column| {
            column
                .str()
                .is_ok_and(|texts| texts.first_non_null().and_then(|row| texts.get(row)).is_some_and(looks_like_time))
        })
        .map(|column| column.name().to_string())
        .collect();
    for name in candidates {
        let texts = frame.column(&name)?.str()?.clone();
        let parsed: Option<Vec<Option<i64>>> =
            texts.iter().map(|text| text.map(nanoseconds).map_or(Some(None), |nanos| nanos.map(Some))).collect();
        if let Some(nanos) = parsed {
            let column =
                Series::new(name.as_str().into(), nanos).cast(&DataType::Datetime(TimeUnit::Nanoseconds, None))?;
            frame.with_column(column.into())?;
        }
    }
    Ok(frame)
}

fn looks_like_time(text: &str) -> bool {
    nanoseconds(text).is_some()
}

fn nanoseconds(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt()
}
