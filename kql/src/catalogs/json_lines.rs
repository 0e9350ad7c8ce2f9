//! JSON lines, and arrays of objects, as a lazy frame. polars' own reader makes structs of objects, which gives
//! every object every key; here objects and arrays stay the JSON text they are.

use std::{collections::HashMap, path::Path, sync::Arc};

use polars::prelude::*;
use serde_json::{Map, Value};

use super::{
    files::{Columns, carried},
    text_files::{first_line, is_blank, line_column, lines, unmarked},
    text_types::{Seen, is_datetime},
};
use crate::KqlType;

type Object = Map<String, Value>;

/// What to try with JSON that is neither.
const SHAPES: &str = "what is read is one JSON object per line, or one array of objects: \
    `jq -c .` puts each object on a line, `jq -c '.value[]'` takes them out of an answer";

/// Keys in order of first appearance, with what all their values are.
pub(super) fn columns_of(file: &Path) -> PolarsResult<Columns> {
    let mut keys = Keys::default();
    if is_array(file)? {
        array(file)?.into_iter().for_each(|object| keys.see(object));
        return Ok(keys.columns);
    }
    for (at, line) in lines(file)?.enumerate() {
        let line = line?;
        if is_blank(&line) {
            continue;
        }
        let found =
            object(&line).map_err(|problem| polars_err!(ComputeError: "line {}: {problem}; {SHAPES}", at + 1))?;
        keys.see(found);
    }
    Ok(keys.columns)
}

#[derive(Default)]
struct Keys {
    columns: Columns,
    places: HashMap<String, usize>,
}

impl Keys {
    fn see(&mut self, object: Object) {
        let Self { columns, places } = self;
        for (name, value) in object {
            let place = *places.entry(name).or_insert_with_key(|name| {
                columns.push((name.clone(), Seen::Nothing));
                columns.len() - 1
            });
            columns[place].1 = together(columns[place].1, of_value(&value));
        }
    }
}

fn object(line: &str) -> Result<Object, String> {
    match serde_json::from_str(unmarked(line)) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("this is no JSON object".to_string()),
        Err(problem) => Err(problem.to_string()),
    }
}

/// Does the file begin with an array, as what `az` and portals export does?
fn is_array(file: &Path) -> PolarsResult<bool> {
    let first = first_line(file)?;
    Ok(first.is_some_and(|line| unmarked(&line).trim_start().starts_with('[')))
}

/// The objects of an array. It is in memory as a whole: only its end tells whether it is one.
fn array(file: &Path) -> PolarsResult<Vec<Object>> {
    let text = lines(file)?.collect::<std::io::Result<Vec<String>>>()?.join("\n");
    let elements: Vec<Value> = serde_json::from_str(unmarked(&text))
        .map_err(|problem| polars_err!(ComputeError: "the array cannot be read: {problem}; {SHAPES}"))?;
    let objects = elements.into_iter().enumerate().map(|(at, element)| match element {
        Value::Object(object) => Ok(object),
        _ => Err(polars_err!(ComputeError: "element {} of the array is no JSON object; {SHAPES}", at + 1)),
    });
    objects.collect()
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

/// The file with these columns; keys that a line lacks are null.
pub(super) fn scan(file: &Path, columns: &Columns) -> PolarsResult<LazyFrame> {
    let typed: Vec<(PlSmallStr, KqlType)> =
        columns.iter().map(|(name, seen)| (PlSmallStr::from_str(name), seen.kql_type())).collect();
    if is_array(file)? {
        return Ok(rows_of(array(file)?.into_iter().map(Ok), &typed)?.lazy());
    }
    let schema: Schema = typed.iter().map(|(name, kql_type)| (name.clone(), carried(*kql_type))).collect();
    let schema = Arc::new(schema);
    let declared = schema.clone();
    let read = move |batch: DataFrame| parsed(&batch, &typed);
    let schema = move |_: &Schema| Ok(declared.clone());
    Ok(line_column(file)?.map(read, AllowedOptimizations::STREAMING, Some(Arc::new(schema)), Some("JSON lines")))
}

fn parsed(batch: &DataFrame, typed: &[(PlSmallStr, KqlType)]) -> PolarsResult<DataFrame> {
    let lines = batch.columns()[0].str()?;
    let objects = lines.iter().flatten().filter(|line| !is_blank(line)).map(|line| {
        object(line).map_err(|problem| {
            let start: String = line.chars().take(60).collect();
            polars_err!(ComputeError: "{problem}: {start}")
        })
    });
    rows_of(objects, typed)
}

fn rows_of(
    objects: impl Iterator<Item = PolarsResult<Object>>,
    typed: &[(PlSmallStr, KqlType)],
) -> PolarsResult<DataFrame> {
    let mut cells: Vec<Vec<Value>> = vec![Vec::new(); typed.len()];
    let places: HashMap<&str, usize> = typed.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
    let mut height = 0;
    for object in objects {
        height += 1;
        for (name, value) in object? {
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
