//! CSV, TSV and Parquet, read by polars.

use std::sync::Arc;

use huntbook_wire::SourceFormat;
use polars::prelude::*;

use super::json::{Declared, Wanted, datetime};
use super::source::{Item, ItemPlace};
use crate::{Error, Result};

/// Local files of one format, stacked by the names of their columns.
pub(super) fn scan(
    items: &[Item],
    format: SourceFormat,
    no_header: bool,
    declared: Option<&[Wanted]>,
) -> Result<LazyFrame> {
    let mut frames = Vec::with_capacity(items.len());
    for item in items {
        let read = one(item, format, no_header, declared);
        frames.push(read.map_err(|problem| Error::new("BlobError", format!("cannot read {}: {problem}", item.name)))?);
    }
    Ok(match <[LazyFrame; 1]>::try_from(frames) {
        Ok([frame]) => frame,
        Err(frames) => concat_lf_diagonal(frames, UnionArgs { to_supertypes: true, ..UnionArgs::default() })?,
    })
}

/// Only these columns, where some are named. Columns that are not there are an error that names those that are.
pub(super) fn projected(mut frame: LazyFrame, columns: &[String]) -> Result<LazyFrame> {
    let schema = frame.collect_schema()?;
    if let Some(missing) = columns.iter().find(|name| !schema.contains(name.as_str())) {
        let known: Vec<&str> = schema.iter_names().map(|name| name.as_str()).collect();
        return Err(Error::new(
            "BlobError",
            format!("there is no column `{missing}`; there are: {}", known.join(", ")),
        ));
    }
    Ok(frame)
}

fn one(item: &Item, format: SourceFormat, no_header: bool, declared: Option<&[Wanted]>) -> PolarsResult<LazyFrame> {
    let ItemPlace::Local(path) = &item.place else {
        polars_bail!(ComputeError: "it is not on this machine");
    };
    let path = PlRefPath::try_from_path(path)?;
    if format == SourceFormat::Parquet {
        // Read at once: a damaged file is named here, not in whatever uses the frame.
        return Ok(LazyFrame::scan_parquet(path, ScanArgsParquet::default())?.collect()?.lazy());
    }
    let mut reader = LazyCsvReader::new(path)
        .with_separator(if format == SourceFormat::Tsv { b'\t' } else { b',' })
        .with_has_header(!no_header)
        .with_infer_schema_length(None)
        .with_try_parse_dates(true);
    if let Some(declared) = declared {
        let named = |(at, wanted): (usize, &Wanted)| {
            let name = if no_header { format!("column_{}", at + 1) } else { wanted.name.clone() };
            Some((PlSmallStr::from(name), carried(wanted.declared?)))
        };
        let types: Schema = declared.iter().enumerate().filter_map(named).collect();
        reader = reader.with_dtype_overwrite(Some(Arc::new(types)));
    }
    let mut frame = reader.finish()?.collect()?;
    if let Some(declared) = declared {
        if no_header {
            let names: Vec<PlSmallStr> = declared.iter().map(|wanted| wanted.name.as_str().into()).collect();
            if names.len() != frame.width() {
                polars_bail!(ComputeError: "--schema names {} columns, the file has {}", names.len(), frame.width());
            }
            frame.set_column_names(&names)?;
        }
        for wanted in declared {
            typed(&mut frame, wanted)?;
        }
    }
    in_utc(&mut frame)?;
    moments(&mut frame, declared)?;
    Ok(frame.lazy())
}

/// Kusto's moments have no zone: those that polars found with one are kept as UTC.
fn in_utc(frame: &mut DataFrame) -> PolarsResult<()> {
    let zoned = |column: &Column| match column.dtype() {
        DataType::Datetime(unit, Some(_)) => Some((column.name().clone(), DataType::Datetime(*unit, None))),
        _ => None,
    };
    let zoned: Vec<(PlSmallStr, DataType)> = frame.columns().iter().filter_map(zoned).collect();
    for (name, plain) in zoned {
        let column = frame.column(&name)?.cast(&plain)?;
        frame.with_column(column)?;
    }
    Ok(())
}

/// The polars type that text is parsed to; what polars does not parse as Kusto does stays text first.
fn carried(declared: Declared) -> DataType {
    match declared {
        Declared::Bool => DataType::Boolean,
        Declared::Int => DataType::Int32,
        Declared::Long => DataType::Int64,
        Declared::Real => DataType::Float64,
        _ => DataType::String,
    }
}

/// Declared columns that are there become what they were declared to be.
fn typed(frame: &mut DataFrame, wanted: &Wanted) -> PolarsResult<()> {
    let Some(Declared::Datetime) = wanted.declared else { return Ok(()) };
    let Ok(column) = frame.column(&wanted.name) else { return Ok(()) };
    let Ok(texts) = column.str() else { return Ok(()) };
    let mut ticks = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            ticks.push(None);
            continue;
        };
        let Some(moment) = datetime(text) else {
            polars_bail!(ComputeError: "`{}`: {text:?}, in row {}, is no datetime", wanted.name, row + 1);
        };
        ticks.push(Some(moment));
    }
    let series = super::frame::datetimes(&wanted.name, &ticks).map_err(|error| polars_err!(ComputeError: "{error}"))?;
    frame.with_column(series.into_column())?;
    Ok(())
}

/// Text columns that hold ISO 8601 moments throughout become datetimes, unless they were declared.
fn moments(frame: &mut DataFrame, declared: Option<&[Wanted]>) -> PolarsResult<()> {
    let is_declared = |name: &str| {
        declared.is_some_and(|all| all.iter().any(|wanted| wanted.name == name && wanted.declared.is_some()))
    };
    let names: Vec<String> = frame
        .columns()
        .iter()
        .filter(|column| column.dtype() == &DataType::String && !is_declared(column.name()))
        .map(|column| column.name().to_string())
        .collect();
    for name in names {
        let Some(ticks) = super::frame::all_moments(frame.column(&name)?.str()?.iter()) else { continue };
        if let Ok(series) = super::frame::datetimes(&name, &ticks) {
            frame.with_column(series.into_column())?;
        }
    }
    Ok(())
}
