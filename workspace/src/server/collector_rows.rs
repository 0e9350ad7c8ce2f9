//! The data collector's columns: a property's name with a suffix for its type.

use std::collections::HashMap;

use serde_json::Value;

use super::records::{self, Object, is_datetime};
use crate::{ColumnSchema, ColumnType};

/// Longer texts are cut, as the service cuts them.
const FIELD: usize = 32 << 10;
const COLUMNS: usize = 500;
const NAME: usize = 45;
const RESERVED: [&str; 3] = ["tenant", "TimeGenerated", "RawData"];

/// A row under the names of its columns.
pub(crate) struct Row {
    pub(crate) members: Object,
    /// Texts of the properties under their own names
    given: HashMap<String, String>,
}

impl Row {
    /// The text of a property.
    pub(crate) fn given(&self, property: &str) -> Option<String> {
        self.given.get(property).cloned()
    }
}

/// Rows and all columns of the table they go into.
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) columns: Vec<ColumnSchema>,
}

/// Finds or makes the column of every property: the one of its own type; else one that is there and takes the value;
/// else a new one. Rows are taken in their order: the columns of one are there for the next.
pub(crate) fn columns_of(rows: &[Object], mut columns: Vec<ColumnSchema>) -> Result<Found, String> {
    let mut kinds: HashMap<String, ColumnType> =
        columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
    let mut read = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        let mut named = Row { members: Object::new(), given: HashMap::new() };
        for (property, value) in row {
            if value.is_null() {
                continue;
            }
            let name = checked(property).map_err(|why| format!("Row {}: {why}", at + 1))?;
            if let Value::String(text) = value {
                named.given.insert(property.clone(), text.clone());
            }
            let (column, kind, value) = placed(&name, value, &kinds);
            if kinds.insert(column.clone(), kind).is_none() {
                columns.push(ColumnSchema { name: column.clone(), column_type: kind });
            }
            named.members.insert(column, value);
        }
        read.push(named);
    }
    if columns.len() > COLUMNS {
        return Err(format!("The table would have {} columns; {COLUMNS} are allowed.", columns.len()));
    }
    Ok(Found { rows: read, columns })
}

/// The name with `_` for what a column's name cannot have.
fn checked(property: &str) -> Result<String, String> {
    let shown: String = property.chars().take(60).collect();
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(property)) {
        return Err(format!("the property name '{shown}' is reserved ({}).", RESERVED.join(", ")));
    }
    if property.is_empty() || property.chars().count() > NAME {
        return Err(format!("the property name '{shown}' has not between 1 and {NAME} characters."));
    }
    let allowed = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    Ok(property.chars().map(allowed).collect())
}

/// The column, its type, and the value as this column takes it.
fn placed(name: &str, value: &Value, known: &HashMap<String, ColumnType>) -> (String, ColumnType, Value) {
    let (suffix, kind, value) = typed(value);
    let column = format!("{name}{suffix}");
    if known.contains_key(&column) {
        return (column, kind, value);
    }
    if let Value::String(text) = &value {
        for (suffix, kind) in [
            ("_d", ColumnType::Real),
            ("_b", ColumnType::Bool),
            ("_t", ColumnType::Datetime),
            ("_s", ColumnType::String),
        ] {
            let other = format!("{name}{suffix}");
            if known.get(&other) == Some(&kind)
                && let Some(converted) = converted(text, kind)
            {
                return (other, kind, converted);
            }
        }
    }
    (column, kind, value)
}

fn typed(value: &Value) -> (&'static str, ColumnType, Value) {
    match value {
        Value::Bool(_) => ("_b", ColumnType::Bool, value.clone()),
        Value::Number(number) => {
            // Always a real: the service keeps no integers here.
            ("_d", ColumnType::Real, number.as_f64().map_or(Value::Null, Value::from))
        }
        Value::String(text) => match guid(text) {
            Some(guid) => ("_g", ColumnType::Guid, guid.into()),
            None if is_datetime(text) => ("_t", ColumnType::Datetime, value.clone()),
            None => ("_s", ColumnType::String, cut(text).into()),
        },
        other => ("_s", ColumnType::String, cut(&other.to_string()).into()),
    }
}

/// 32 hexadecimal digits, with dashes or without.
fn guid(text: &str) -> Option<String> {
    let plain = matches!(text.len(), 32 | 36);
    uuid::Uuid::parse_str(text).ok().filter(|_| plain).map(|guid| guid.to_string())
}

fn converted(text: &str, kind: ColumnType) -> Option<Value> {
    let trimmed = text.trim();
    match kind {
        ColumnType::Real => trimmed.parse::<f64>().ok().filter(|real| real.is_finite()).map(Value::from),
        ColumnType::Bool => trimmed.to_ascii_lowercase().parse::<bool>().ok().map(Value::from),
        ColumnType::Datetime => records::nanoseconds(trimmed).map(|_| Value::from(trimmed)),
        _ => Some(Value::from(cut(text))),
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(FIELD);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(rows: Value, known: &[(&str, ColumnType)]) -> Result<Vec<Value>, String> {
        let rows: Vec<Object> = serde_json::from_value(rows).unwrap();
        let known = known.iter().map(|(name, kind)| ColumnSchema { name: (*name).to_owned(), column_type: *kind });
        Ok(columns_of(&rows, known.collect())?.rows.into_iter().map(|row| Value::Object(row.members)).collect())
    }

    #[test]
    fn suffixes_say_the_type() {
        let row = json!({
            "StringValue": "MyString1", "NumberValue": 42, "BooleanValue": true, "DateValue": "2019-09-12T20:00:00.625Z",
            "GUIDValue": "9909ED01A74C48748ABFD2678E3AE23D", "Nothing": null, "Bag": {"a": 1}, "a b": "x",
        });
        assert_eq!(
            found(json!([row]), &[]).unwrap()[0],
            json!({
                "StringValue_s": "MyString1", "NumberValue_d": 42.0, "BooleanValue_b": true,
                "DateValue_t": "2019-09-12T20:00:00.625Z", "GUIDValue_g": "9909ed01-a74c-4874-8abf-d2678e3ae23d",
                "Bag_s": "{\"a\":1}", "a_b_s": "x",
            })
        );
    }

    #[test]
    fn a_value_that_converts_goes_where_its_name_is() {
        let known = [("n_d", ColumnType::Real), ("b_b", ColumnType::Bool)];
        let rows = json!([{"n": "43", "b": "True"}, {"n": "many", "b": "maybe"}, {"n": "44"}]);
        assert_eq!(
            found(rows, &known).unwrap(),
            [json!({"n_d": 43.0, "b_b": true}), json!({"n_s": "many", "b_s": "maybe"}), json!({"n_s": "44"})]
        );
    }

    #[test]
    fn reserved_and_long_names_are_errors() {
        for wrong in ["tenant", "TimeGenerated", "RawData", "", &"x".repeat(46)] {
            assert!(found(json!([{wrong: 1}]), &[]).is_err(), "{wrong}");
        }
        let many: Object = (0..501).map(|at| (format!("c{at}"), json!(at))).collect();
        assert!(found(json!([many]), &[]).unwrap_err().contains("501 columns"));
        let long = found(json!([{"a": "é".repeat(20_000)}]), &[]).unwrap();
        assert_eq!(long[0]["a_s"].as_str().unwrap().len(), FIELD);
    }
}
