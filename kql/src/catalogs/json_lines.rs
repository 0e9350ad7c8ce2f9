//! JSON lines as a lazy frame. polars' own reader makes structs of objects, which gives every object
//! every key; here objects and arrays stay the JSON text they are.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::Path,
    sync::Arc,
};

use polars::prelude::*;
use serde_json::{Map, Value};

use super::{
    files::{Columns, carried},
    text_types::{Seen, is_datetime},
};
use crate::KqlType;

/// Keys in order of first appearance, with what all their values are.
pub(super) fn columns_of(file: &Path) -> PolarsResult<Columns> {
    let mut columns = Columns::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (at, line) in lines(file)?.enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let object = object(&line).map_err(|problem| polars_err!(ComputeError: "line {}: {problem}", at + 1))?;
        for (name, value) in object {
            let place = *places.entry(name).or_insert_with_key(|name| {
                columns.push((name.clone(), Seen::Nothing));
                columns.len() - 1
            });
            columns[place].1 = together(columns[place].1, of_value(&value));
        }
    }
    Ok(columns)
}

fn lines(file: &Path) -> PolarsResult<Box<dyn Iterator<Item = std::io::Result<String>>>> {
    let is_packed = file.extension().is_some_and(|extension| extension == "gz" || extension == "zst");
    if !is_packed {
        return Ok(Box::new(BufReader::new(std::fs::File::open(file)?).lines()));
    }
    // polars unpacks.
    let frame = raw(file)?.collect()?;
    let texts = frame.columns()[0].str()?.clone();
    let texts: Vec<String> = texts.iter().map(|text| text.unwrap_or_default().to_string()).collect();
    Ok(Box::new(texts.into_iter().map(Ok)))
}

fn object(line: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("this is no JSON object".to_string()),
        Err(problem) => Err(problem.to_string()),
    }
}

fn of_value(value: &Value) -> Seen {
    Seen::Is(match value {
        Value::Null => return Seen::Nothing,
        Value::Bool(_) => KqlType::Bool,
        Value::Number(number) if number.is_i64() => KqlType::Long,
        Value::Number(number) if number.is_f64() => KqlType::Real,
        Value::String(text) if text.is_empty() => return Seen::Nothing,
        Value::String(text) if is_datetime(text) => KqlType::Datetime,
        Value::String(_) => KqlType::String,
        // An integer beyond a long keeps its digits as JSON text.
        Value::Number(_) | Value::Array(_) | Value::Object(_) => KqlType::Dynamic,
    })
}

/// Texts that are not all moments are strings; values of several kinds are dynamic, which loses none.
fn together(one: Seen, two: Seen) -> Seen {
    use KqlType::{Datetime, Dynamic, Long, Real, String};
    match (one, two) {
        (Seen::Nothing, seen) | (seen, Seen::Nothing) => seen,
        (Seen::Is(left), Seen::Is(right)) if left == right => one,
        (Seen::Is(Long | Real), Seen::Is(Long | Real)) => Seen::Is(Real),
        (Seen::Is(String | Datetime), Seen::Is(String | Datetime)) => Seen::Is(String),
        _ => Seen::Is(Dynamic),
    }
}

/// The file's lines as one column. A line of JSON holds no control character, so that none can separate.
fn raw(file: &Path) -> PolarsResult<LazyFrame> {
    let one: Schema = [(PlSmallStr::from_static("line"), DataType::String)].into_iter().collect();
    LazyCsvReader::new(PlRefPath::try_from_path(file)?)
        .with_has_header(false)
        .with_separator(1)
        .with_quote_char(None)
        .with_schema(Some(Arc::new(one)))
        .finish()
}

/// The file with these columns; keys that a line lacks are null.
pub(super) fn scan(file: &Path, columns: &Columns) -> PolarsResult<LazyFrame> {
    let typed: Vec<(PlSmallStr, KqlType)> =
        columns.iter().map(|(name, seen)| (PlSmallStr::from_str(name), seen.kql_type())).collect();
    let schema: Schema = typed.iter().map(|(name, kql_type)| (name.clone(), carried(*kql_type))).collect();
    let schema = Arc::new(schema);
    let declared = schema.clone();
    let read = move |batch: DataFrame| parsed(&batch, &typed);
    let schema = move |_: &Schema| Ok(declared.clone());
    Ok(raw(file)?.map(read, AllowedOptimizations::STREAMING, Some(Arc::new(schema)), Some("JSON lines")))
}

fn parsed(batch: &DataFrame, typed: &[(PlSmallStr, KqlType)]) -> PolarsResult<DataFrame> {
    let lines = batch.columns()[0].str()?;
    let mut cells: Vec<Vec<Value>> = vec![Vec::with_capacity(lines.len()); typed.len()];
    let places: HashMap<&str, usize> = typed.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
    let mut height = 0;
    for line in lines.iter().flatten().filter(|line| !line.trim().is_empty()) {
        let object = object(line).map_err(|problem| {
            let start: String = line.chars().take(60).collect();
            polars_err!(ComputeError: "{problem}: {start}")
        })?;
        height += 1;
        for (name, value) in object {
            let Some(place) = places.get(name.as_str()) else {
                polars_bail!(ComputeError: "the file was changed while it was read: it has a new key `{name}`");
            };
            cells[*place].push(value);
        }
        for column in cells.iter_mut().filter(|column| column.len() < height) {
            column.push(Value::Null);
        }
    }
    let columns = typed.iter().zip(cells).map(|((name, kql_type), values)| column(name, *kql_type, values));
    DataFrame::new(height, columns.collect())
}

fn column(name: &PlSmallStr, kql_type: KqlType, values: Vec<Value>) -> Column {
    let name = name.clone();
    match kql_type {
        KqlType::Bool => Column::new(name, values.iter().map(Value::as_bool).collect::<Vec<_>>()),
        KqlType::Long => Column::new(name, values.iter().map(Value::as_i64).collect::<Vec<_>>()),
        KqlType::Real => Column::new(name, values.iter().map(Value::as_f64).collect::<Vec<_>>()),
        KqlType::Dynamic => {
            let text = |value: &Value| if value.is_null() { None } else { Some(value.to_string()) };
            Column::new(name, values.iter().map(text).collect::<Vec<_>>())
        }
        _ => Column::new(name, values.iter().map(Value::as_str).collect::<Vec<_>>()),
    }
}
