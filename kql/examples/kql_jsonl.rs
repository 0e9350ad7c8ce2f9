//! Runs self-contained queries: `{"id", "query"}` lines in, result lines out.
//!
//! Cells: long and int as JSON integers, reals as numbers or "NaN"/"Infinity"/"-Infinity", datetimes
//! as ISO text, timespans as `d.hh:mm:ss.fffffff`, dynamics as JSON values, nulls as null.

use std::io::{BufRead, Write};

use huntbook_kql::{Catalog, KqlType, QueryOptions, QueryResult, execute, ticks};
use polars::prelude::*;
use serde_json::{Value, json};

struct NoTables;

impl Catalog for NoTables {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn table(&self, _name: &str) -> Result<Option<LazyFrame>, String> {
        Ok(None)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let query = case["query"].as_str().unwrap_or_default();
        let answer = match execute(query, &NoTables, &QueryOptions::default()) {
            Ok(result) => encoded(&case["id"], &result),
            Err(error) => json!({"id": case["id"], "error": error.render(query)}),
        };
        writeln!(output, "{answer}")?;
    }
    Ok(())
}

fn encoded(id: &Value, result: &QueryResult) -> Value {
    let columns: Vec<&str> = result.schema.iter().map(|column| column.name.as_str()).collect();
    let types: Vec<&str> = result.schema.iter().map(|column| column.kql_type.name()).collect();
    let rows: Vec<Vec<Value>> = (0..result.frame.height())
        .map(|row| {
            let cells = result.frame.columns().iter().zip(&result.schema);
            cells.map(|(values, column)| cell(&values.get(row).unwrap_or(AnyValue::Null), column.kql_type)).collect()
        })
        .collect();
    json!({"id": id, "columns": columns, "types": types, "rows": rows})
}

fn cell(value: &AnyValue<'_>, kql_type: KqlType) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => json!(value),
        AnyValue::Int32(value) => json!(value),
        AnyValue::Int64(value) => json!(value),
        AnyValue::Float64(value) => real(*value),
        AnyValue::Decimal(..) => json!(value.to_string()),
        AnyValue::Datetime(value, unit, _) | AnyValue::DatetimeOwned(value, unit, _) => {
            json!(ticks::format_datetime(in_ticks(*value, *unit) + ticks::UNIX_EPOCH))
        }
        AnyValue::Duration(value, unit) => json!(ticks::format_timespan(in_ticks(*value, *unit))),
        other => {
            let text = other.get_str().unwrap_or_default();
            if kql_type == KqlType::Dynamic {
                serde_json::from_str(text).unwrap_or_else(|_| json!(text))
            } else {
                json!(text)
            }
        }
    }
}

fn real(value: f64) -> Value {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}

fn in_ticks(value: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Nanoseconds => value / 100,
        TimeUnit::Microseconds => value * 10,
        TimeUnit::Milliseconds => value * 10_000,
    }
}
