//! JSON objects and CSV lines as rows of a table. No value is lost on the way: what a column cannot hold is an error
//! that names the row.

use std::collections::HashMap;

use polars::prelude::*;
use serde_json::{Map, Value};

use super::timespan;
use crate::{ColumnSchema, ColumnType};

pub(crate) type Object = Map<String, Value>;

/// Rows with the types of their columns.
pub(crate) struct Records {
    pub(crate) frame: DataFrame,
    pub(crate) columns: Vec<ColumnSchema>,
}

/// What becomes of members that no known column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They make columns, with a type that holds all their values.
    Added,
    /// The rule that declares the columns says that they are dropped.
    Dropped,
}

/// Reads the body of an ingestion: a JSON array of objects.
pub(crate) fn objects(body: &[u8]) -> Result<Vec<Object>, String> {
    let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice(text).map_err(|error| format!("The body is not a JSON array of objects: {error}"))
}

/// Objects as rows: of the `known` columns those that occur, and new ones as `unknown` says.
pub(crate) fn of_objects(rows: &[Object], known: &[ColumnSchema], unknown: Unknown) -> Result<Records, String> {
    let known_types: HashMap<&str, ColumnType> =
        known.iter().map(|column| (column.name.as_str(), column.column_type)).collect();
    let mut order: Vec<&str> = Vec::new();
    let mut cells: HashMap<&str, Vec<Option<&Value>>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        for (name, value) in row {
            if unknown == Unknown::Dropped && !known_types.contains_key(name.as_str()) {
                continue;
            }
            let column = cells.entry(name).or_insert_with(|| {
                order.push(name);
                vec![None; rows.len()]
            });
            column[at] = Some(value).filter(|value| !value.is_null());
        }
    }
    let mut columns = Vec::new();
    let mut series = Vec::new();
    for name in order {
        let values = &cells[name];
        let kind = match known_types.get(name) {
            Some(kind) => *kind,
            None => {
                check_name(name)?;
                // A column of nulls has no type yet; the first value will tell.
                let Some(kind) = inferred(values) else { continue };
                kind
            }
        };
        series.push(column(name, kind, values)?);
        columns.push(ColumnSchema { name: name.to_owned(), column_type: kind });
    }
    let frame = DataFrame::new(rows.len(), series).map_err(|error| error.to_string())?;
    Ok(Records { frame, columns })
}

/// A letter or `_`, then letters, digits and `_`; 45 at the most.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let right = name.len() <= 45
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if right {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    Err(format!("'{shown}' cannot be a column: a name is a letter, then letters, digits or _, 45 at the most."))
}

/// The type that holds all values exactly; `None` if there are none.
fn inferred(values: &[Option<&Value>]) -> Option<ColumnType> {
    let mut found = None;
    for value in values.iter().flatten() {
        let kind = match value {
            Value::Bool(_) => ColumnType::Bool,
            Value::Number(number) if number.is_i64() => ColumnType::Long,
            Value::Number(number) if number.is_u64() => ColumnType::Dynamic,
            Value::Number(_) => ColumnType::Real,
            Value::String(text) if is_datetime(text) => ColumnType::Datetime,
            Value::String(_) => ColumnType::String,
            _ => ColumnType::Dynamic,
        };
        found = Some(match (found, kind) {
            (None, kind) => kind,
            (Some(before), kind) if before == kind => kind,
            (Some(ColumnType::Long | ColumnType::Real), ColumnType::Long | ColumnType::Real) => ColumnType::Real,
            (Some(ColumnType::Datetime | ColumnType::String), ColumnType::Datetime | ColumnType::String) => {
                ColumnType::String
            }
            _ => ColumnType::Dynamic,
        });
    }
    let exact = |value: &Value| value.as_i64().is_none_or(|whole| exact_real(whole).is_some());
    // A large integer among reals would lose its last digits.
    match found {
        Some(ColumnType::Real) if !values.iter().flatten().all(|value| exact(value)) => Some(ColumnType::Dynamic),
        other => other,
    }
}

/// A date and a time in ISO 8601; a date alone is text.
pub(crate) fn is_datetime(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 16
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && matches!(bytes[10], b'T')
        && nanoseconds(text).is_some()
}

fn column(text: &str, kind: ColumnType, values: &[Option<&Value>]) -> Result<Column, String> {
    let name: PlSmallStr = text.into();
    let label = kind.name();
    let series = match kind {
        ColumnType::Bool => Series::new(name, cells(label, text, values, boolean)?),
        ColumnType::Int => Series::new(name, cells(label, text, values, |value| i32::try_from(whole(value)?).ok())?),
        ColumnType::Long => Series::new(name, cells(label, text, values, whole)?),
        ColumnType::Real => Series::new(name, cells(label, text, values, real)?),
        ColumnType::String => Series::new(name, cells(label, text, values, |value| Some(plain(value)))?),
        ColumnType::Dynamic => Series::new(name, cells(label, text, values, |value| Some(value.to_string()))?),
        ColumnType::Guid => Series::new(name, cells(label, text, values, guid)?),
        ColumnType::Datetime => Series::new(name, cells(label, text, values, |value| nanoseconds(value.as_str()?))?),
        ColumnType::Timespan => Series::new(name, cells(label, text, values, length)?),
    };
    let held = series.strict_cast(&kind.data_type()).map_err(|error| error.to_string())?;
    Ok(held.into())
}

fn cells<T>(
    kind: &str,
    column: &str,
    values: &[Option<&Value>],
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<Option<T>>, String> {
    let cell = |(row, value): (usize, &Option<&Value>)| match value {
        None => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| {
            let shown: String = value.to_string().chars().take(60).collect();
            format!("Row {}: the column '{column}' is {kind}, and {shown} is none. Nothing was stored.", row + 1)
        }),
    };
    values.iter().enumerate().map(cell).collect()
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let real = number.as_f64().filter(|real| real.fract() == 0.0 && real.abs() < 9e15)?;
            Some(real as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The integer as a real, if that is exact.
fn exact_real(whole: i64) -> Option<f64> {
    let real = whole as f64;
    (real as i128 == i128::from(whole)).then_some(real)
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64(), exact_real),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Text as it stands, anything else as its JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn guid(value: &Value) -> Option<String> {
    uuid::Uuid::parse_str(value.as_str()?.trim()).ok().map(|guid| guid.to_string())
}

/// Nanoseconds since 1970: tables hold the years 1677 to 2262.
pub(crate) fn nanoseconds(text: &str) -> Option<i64> {
    timespan::moment(text)?.timestamp_nanos_opt()
}

fn length(value: &Value) -> Option<i64> {
    let text = value.as_str()?.trim();
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    i64::try_from(timespan::clock(text)?.as_nanos()).ok().map(|size| sign * size)
}

/// CSV lines without a header: cells in the order of the table's columns. Empty cells are null, and `""` is empty text.
pub(crate) fn of_csv(text: &str, columns: &[ColumnSchema]) -> Result<Records, String> {
    let mut rows = Vec::new();
    for (at, line) in csv_rows(text)?.into_iter().enumerate() {
        if line.len() > columns.len() {
            return Err(format!("Row {}: {} fields for {} columns.", at + 1, line.len(), columns.len()));
        }
        let row = columns
            .iter()
            .zip(line)
            .map(|(column, cell)| Ok((column.name.clone(), csv_value(cell, column.column_type, at)?)));
        rows.push(row.collect::<Result<Object, String>>()?);
    }
    of_objects(&rows, columns, Unknown::Dropped)
}

fn csv_value(cell: Cell, kind: ColumnType, row: usize) -> Result<Value, String> {
    match (kind, cell.text.is_empty(), cell.quoted) {
        (ColumnType::String, true, true) => Ok(Value::from("")),
        (_, true, _) => Ok(Value::Null),
        (ColumnType::Dynamic, ..) => serde_json::from_str(&cell.text)
            .map_err(|error| format!("Row {}: a dynamic cell is not JSON: {error}.", row + 1)),
        _ => Ok(Value::from(cell.text)),
    }
}

#[derive(Default)]
struct Cell {
    text: String,
    quoted: bool,
}

fn csv_rows(text: &str) -> Result<Vec<Vec<Cell>>, String> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), Cell::default());
    let mut inside = false;
    let mut characters = text.chars().peekable();
    let end_row = |row: &mut Vec<Cell>, cell: &mut Cell, rows: &mut Vec<Vec<Cell>>| {
        let blank = row.is_empty() && cell.text.trim().is_empty() && !cell.quoted;
        row.push(std::mem::take(cell));
        let done = std::mem::take(row);
        if !blank {
            rows.push(done);
        }
    };
    while let Some(character) = characters.next() {
        match character {
            '"' if inside && characters.peek() == Some(&'"') => {
                characters.next();
                cell.text.push('"');
            }
            '"' if inside => inside = false,
            '"' if cell.text.trim().is_empty() && !cell.quoted => {
                cell = Cell { text: String::new(), quoted: true };
                inside = true;
            }
            _ if inside => cell.text.push(character),
            ',' => row.push(std::mem::take(&mut cell)),
            '\n' => end_row(&mut row, &mut cell, &mut rows),
            '\r' => {}
            ' ' if row.is_empty() && cell.text.is_empty() => {}
            other => cell.text.push(other),
        }
    }
    if inside {
        return Err("A quote in the CSV does not end.".to_owned());
    }
    end_row(&mut row, &mut cell, &mut rows);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(value: Value) -> Vec<Object> {
        objects(value.to_string().as_bytes()).unwrap()
    }

    fn kinds(value: Value) -> Vec<(String, &'static str)> {
        let found = of_objects(&rows(value), &[], Unknown::Added).unwrap();
        found.columns.into_iter().map(|column| (column.name, column.column_type.name())).collect()
    }

    fn kind(values: Value) -> &'static str {
        let rows: Vec<Value> = values.as_array().unwrap().iter().map(|value| json!({"x": value})).collect();
        kinds(rows.into()).first().map_or("none", |(_, kind)| kind)
    }

    #[test]
    fn types_hold_all_values() {
        assert_eq!(kind(json!([true, null])), "bool");
        assert_eq!(kind(json!([1, -9_223_372_036_854_775_808i64])), "long");
        assert_eq!(kind(json!([1, 1.5])), "real");
        assert_eq!(kind(json!([9_007_199_254_740_993i64, 1.5])), "dynamic");
        assert_eq!(kind(json!([18_446_744_073_709_551_615u64])), "dynamic");
        assert_eq!(kind(json!(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1234567+01:00"])), "datetime");
        assert_eq!(kind(json!(["2026-01-02T03:04:05Z", "yesterday"])), "string");
        assert_eq!(kind(json!(["2026-01-02"])), "string");
        assert_eq!(kind(json!([{"a": 1}, [2]])), "dynamic");
        assert_eq!(kind(json!([1, "a"])), "dynamic");
        assert_eq!(kind(json!([null])), "none");
        assert_eq!(kinds(json!([{"b": 1}, {"a": 1, "b": 2}])), [("b".to_owned(), "long"), ("a".to_owned(), "long")]);
    }

    #[test]
    fn a_value_that_a_column_cannot_hold_is_an_error() {
        let known = |column_type| [ColumnSchema { name: "x".to_owned(), column_type }];
        let held =
            |value: Value, kind| of_objects(&rows(json!([{"x": value}])), &known(kind), Unknown::Added).map(|_| ());
        let fits = [
            (json!("43"), ColumnType::Long),
            (json!(2.0), ColumnType::Long),
            (json!(5), ColumnType::String),
            (json!({"a": 1}), ColumnType::Dynamic),
            (json!("9909ED01-A74C-4874-8ABF-D2678E3AE23D"), ColumnType::Guid),
            (json!("-1.02:03:04.5"), ColumnType::Timespan),
            (json!("2026-01-02"), ColumnType::Datetime),
        ];
        for (value, kind) in fits {
            assert_eq!(held(value.clone(), kind), Ok(()), "{value} {kind:?}");
        }
        let not = [
            (json!(1.5), ColumnType::Long),
            (json!("abc"), ColumnType::Long),
            (json!(3_000_000_000i64), ColumnType::Int),
            (json!(9_007_199_254_740_993i64), ColumnType::Real),
            (json!(1), ColumnType::Bool),
            (json!("9999-01-01T00:00:00Z"), ColumnType::Datetime),
            (json!(1), ColumnType::Datetime),
            (json!("x"), ColumnType::Guid),
        ];
        for (value, kind) in not {
            let error = held(value.clone(), kind).unwrap_err();
            assert!(error.starts_with("Row 1: the column 'x' is "), "{value}: {error}");
        }
        assert!(of_objects(&rows(json!([{"a b": 1}])), &[], Unknown::Added).is_err());
        assert_eq!(of_objects(&rows(json!([{"a b": 1}])), &[], Unknown::Dropped).unwrap().frame.width(), 0);
    }

    #[test]
    fn bodies_are_arrays_of_objects() {
        for wrong in ["", "{}", "[1]", "[{}", "[{}] x", "\u{0}", "[[]]"] {
            assert!(objects(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(objects(b"\xEF\xBB\xBF[{}, {\"a\": \"\xC3\xA9\"}]").unwrap().len(), 2);
    }

    #[test]
    fn csv_cells_follow_the_columns() {
        let column = |name: &str, column_type| ColumnSchema { name: name.to_owned(), column_type };
        let columns =
            [column("s", ColumnType::String), column("n", ColumnType::Long), column("d", ColumnType::Dynamic)];
        let read = of_csv(" a,1,\n\"b \"\"q\"\",\nx\",,\"{\"\"k\"\":1}\"\n\"\",2\n\n", &columns).unwrap().frame;
        assert_eq!(read.height(), 3);
        let texts: Vec<Option<&str>> = read.column("s").unwrap().str().unwrap().iter().collect();
        assert_eq!(texts, [Some("a"), Some("b \"q\",\nx"), Some("")]);
        assert_eq!(read.column("n").unwrap().i64().unwrap().to_vec(), [Some(1), None, Some(2)]);
        assert!(
            of_csv("a,b", &columns).is_err() && of_csv("a,1,,4", &columns).is_err() && of_csv("\"a", &columns).is_err()
        );
    }
}
