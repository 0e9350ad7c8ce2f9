use std::path::{Path, PathBuf};

use polars::prelude::*;

use crate::WorkspaceError;
use crate::schema::{self, TableSchema};
use crate::segment;

pub(crate) fn scan(folder: &Path, table: &str) -> Result<Option<LazyFrame>, WorkspaceError> {
    let Some(schema) = schema::read(folder)? else { return Ok(None) };
    let segments = segment::live(folder)?;
    check(&segments, table)?;
    let frames: Vec<LazyFrame> =
        segments.iter().map(|segment| scan_segment(segment, &schema, table)).collect::<Result<_, _>>()?;
    if frames.is_empty() {
        return Ok(Some(DataFrame::empty_with_schema(&schema.to_polars()).lazy()));
    }
    concat(frames, UnionArgs { rechunk: false, ..Default::default() })
        .map(Some)
        .map_err(|error| segment_error(table, folder, &error.to_string(), segments.len()))
}

/// Reads every footer, so that a damaged segment is named before a query runs: a query never answers from the
/// rest of the rows as if nothing were missing.
fn check(segments: &[PathBuf], table: &str) -> Result<(), WorkspaceError> {
    for segment in segments {
        let opened = std::fs::File::open(segment).map_err(|error| WorkspaceError::io("read", segment, error))?;
        if let Err(error) = ParquetReader::new(opened).get_metadata() {
            return Err(segment_error(table, segment, &error.to_string(), segments.len() - 1));
        }
    }
    Ok(())
}

pub(crate) fn verify(folder: &Path, table: &str) -> Result<(), WorkspaceError> {
    let segments = if folder.exists() { segment::live(folder)? } else { Vec::new() };
    for segment in &segments {
        let opened = std::fs::File::open(segment).map_err(|error| WorkspaceError::io("read", segment, error))?;
        if let Err(error) = ParquetReader::new(opened).finish() {
            return Err(segment_error(table, segment, &error.to_string(), segments.len() - 1));
        }
    }
    Ok(())
}

/// What a table takes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableSize {
    pub segments: u64,
    pub bytes: u64,
    pub rows: u64,
}

pub(crate) fn size(folder: &Path, table: &str) -> Result<TableSize, WorkspaceError> {
    let mut size = TableSize::default();
    for segment in segment::live(folder)? {
        let read = |error| WorkspaceError::io("read", &segment, error);
        let opened = std::fs::File::open(&segment).map_err(read)?;
        size.bytes += opened.metadata().map_err(read)?.len();
        size.segments += 1;
        let footer = ParquetReader::new(opened).get_metadata().map(|footer| footer.num_rows as u64);
        size.rows += footer.map_err(|error| segment_error(table, &segment, &error.to_string(), 0))?;
    }
    Ok(size)
}

fn segment_error(table: &str, path: &Path, why: &str, intact: usize) -> WorkspaceError {
    WorkspaceError::Segment { table: table.to_owned(), path: path.to_owned(), why: why.to_owned(), intact }
}

/// The segment with the table's columns in the table's order: columns it was written without are null.
pub(crate) fn scan_segment(segment: &Path, schema: &TableSchema, table: &str) -> Result<LazyFrame, WorkspaceError> {
    let fail = |error: PolarsError| segment_error(table, segment, &error.to_string(), 0);
    let path = PlRefPath::try_from_path(segment).map_err(fail)?;
    let mut frame = LazyFrame::scan_parquet(path, ScanArgsParquet::default()).map_err(fail)?;
    let present = frame.collect_schema().map_err(fail)?;
    let columns: Vec<Expr> = schema
        .columns
        .iter()
        .map(|column| match present.get(&column.name) {
            Some(data_type) if *data_type == column.column_type.data_type() => col(column.name.as_str()),
            Some(_) => col(column.name.as_str()).strict_cast(column.column_type.data_type()),
            None => lit(NULL).cast(column.column_type.data_type()).alias(column.name.as_str()),
        })
        .collect();
    Ok(frame.select(columns))
}
