//! Columns to and from cells.

use std::fs::File;
use std::path::{Path, PathBuf};

use huntbook_wire::columns::{self, Column as WireColumn, ColumnFile};
use huntbook_wire::{DataType, Plan};
use polars::prelude::*;

use crate::{Engine, Error, Result, frames};

impl Engine {
    pub(crate) fn write_columns(&self, plan: &Plan, names: &[String]) -> Result<PathBuf> {
        let frame = self.collect(plan)?;
        let wanted: Vec<&Column> = if names.is_empty() {
            frame.columns().iter().collect()
        } else {
            // Fields of a struct that have no column are serde's business (defaults, Options, or its error).
            let found: Vec<&Column> = names.iter().filter_map(|name| frame.column(name).ok()).collect();
            if found.is_empty() {
                return Err(no_such_columns(&frame, names));
            }
            found
        };
        let columns = wanted.into_iter().map(to_wire).collect::<Result<Vec<_>>>()?;
        let path = self.new_transfer_path();
        columns::write(&path, &columns).map_err(|error| Error::io("write", &path, &error))?;
        Ok(path)
    }

    pub(crate) fn read_columns(&self, path: &Path) -> Result<DataFrame> {
        let file = ColumnFile::open(path).map_err(|error| Error::io("read", path, &error))?;
        let names: Vec<String> = file.columns().map(|(name, _)| name.to_owned()).collect();
        let columns = names
            .iter()
            .enumerate()
            .map(|(index, name)| from_wire(name, file.to_column(index)))
            .collect::<Result<Vec<_>>>()?;
        Ok(DataFrame::new(file.rows(), columns)?)
    }

    pub(crate) fn write_ipc(&self, plan: &Plan) -> Result<PathBuf> {
        let mut frame = self.collect(plan)?.as_ref().clone();
        let path = self.new_transfer_path();
        let file = File::create_new(&path).map_err(|error| Error::io("write", &path, &error))?;
        IpcWriter::new(file).finish(&mut frame)?;
        Ok(path)
    }

    pub(crate) fn read_ipc(&self, path: &Path) -> Result<DataFrame> {
        let file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
        Ok(IpcReader::new(file).finish()?)
    }

    fn new_transfer_path(&self) -> PathBuf {
        self.settings().transfer.join(format!("engine-{}", uuid::Uuid::new_v4().simple()))
    }
}

fn no_such_columns(frame: &DataFrame, names: &[String]) -> Error {
    let have: Vec<&str> = frame.get_column_names().iter().map(|name| name.as_str()).collect();
    Error::new("ColumnError", format!("no column `{}`; the frame has: {}", names.join("`, `"), have.join(", ")))
}

fn to_wire(column: &Column) -> Result<(String, WireColumn)> {
    let name = column.name().to_string();
    let data_type = frames::wire_type(column.dtype());
    let ints = |column: &Column| -> Result<Vec<Option<i64>>> {
        let physical = column.to_physical_repr().cast(&polars::prelude::DataType::Int64)?;
        Ok(physical.i64()?.iter().collect())
    };
    let wire = match data_type {
        DataType::Bool => WireColumn::Bool(column.bool()?.iter().collect()),
        DataType::Int32 | DataType::Int64 => {
            WireColumn::Int(data_type, column.strict_cast(&polars::prelude::DataType::Int64)?.i64()?.iter().collect())
        }
        DataType::Float64 => {
            WireColumn::Float(column.cast(&polars::prelude::DataType::Float64)?.f64()?.iter().collect())
        }
        DataType::Datetime => {
            let nanos = polars::prelude::DataType::Datetime(TimeUnit::Nanoseconds, None);
            WireColumn::Int(data_type, ints(&column.strict_cast(&nanos)?)?)
        }
        DataType::Duration => {
            let nanos = polars::prelude::DataType::Duration(TimeUnit::Nanoseconds);
            WireColumn::Int(data_type, ints(&column.strict_cast(&nanos)?)?)
        }
        DataType::String => WireColumn::String(column.str()?.iter().map(|value| value.map(str::to_owned)).collect()),
        DataType::Other => {
            let kind = column.dtype();
            let message =
                format!("column `{name}` has type {kind}, which does not cross to Rust: explode or convert it first");
            return Err(Error::new("ColumnError", message));
        }
    };
    Ok((name, wire))
}

fn from_wire(name: &str, column: WireColumn) -> Result<Column> {
    let name = PlSmallStr::from_str(name);
    Ok(match column {
        WireColumn::Bool(values) => Series::new(name, values),
        WireColumn::Float(values) => Series::new(name, values),
        WireColumn::String(values) => Series::new(name, values),
        WireColumn::Int(data_type, values) => {
            let series = Series::new(name, values);
            match data_type {
                DataType::Int32 => series.strict_cast(&polars::prelude::DataType::Int32)?,
                DataType::Datetime => series.cast(&polars::prelude::DataType::Datetime(TimeUnit::Nanoseconds, None))?,
                DataType::Duration => series.cast(&polars::prelude::DataType::Duration(TimeUnit::Nanoseconds))?,
                _ => series,
            }
        }
    }
    .into())
}
