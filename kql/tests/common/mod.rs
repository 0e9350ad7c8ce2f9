//! Runs queries and reads their cells as JSON.
#![allow(dead_code, unreachable_pub)]

use huntbook_kql::{Catalog, Engine, KqlTable, KqlType, Literal, ticks};
use polars::prelude::*;
use serde_json::{Value, json};

/// A host with one table of ordinary polars types.
pub struct Host;

impl Catalog for Host {
    fn table_names(&self) -> Vec<String> {
        vec!["Logins".into(), "LoginsOld".into(), "Broken".into()]
    }

    fn table(&self, name: &str) -> Result<Option<LazyFrame>, String> {
        match name {
            "Logins" | "LoginsOld" => Ok(Some(logins().lazy())),
            "Broken" => Err("the file is truncated".into()),
            _ => Ok(None),
        }
    }

    fn scalar(&self, name: &str) -> Option<Literal> {
        (name == "threshold").then_some(Literal::Long(Some(2)))
    }

    fn column_type(&self, _table: &str, column: &str) -> Option<KqlType> {
        (column == "Details").then_some(KqlType::Dynamic)
    }
}

pub fn logins() -> DataFrame {
    df!(
        "Account" => [Some("ann"), Some("bob"), None],
        "Attempts" => [1i32, 2, 3],
        "Details" => [Some(r#"{"ip":"10.0.0.1"}"#), None, Some("[1,2]")],
        "TimeGenerated" => [1_577_836_800_000_000i64, 1_577_923_200_000_000, 1_578_009_600_000_001],
        "Elapsed" => [1_500_000_000i64, 0, -1_000]
    )
    .unwrap()
    .lazy()
    .with_columns([
        col("TimeGenerated").cast(DataType::Datetime(TimeUnit::Microseconds, None)),
        col("Elapsed").cast(DataType::Duration(TimeUnit::Nanoseconds)),
    ])
    .collect()
    .unwrap()
}

pub fn answer(query: &str) -> KqlTable {
    Engine::new(Host).run(query).unwrap_or_else(|error| panic!("{}", error.render(query)))
}

pub fn error(query: &str) -> String {
    match Engine::new(Host).run(query) {
        Ok(result) => panic!("{query} should be refused, gave {}", result.frame),
        Err(error) => error.render(query),
    }
}

pub fn rows(query: &str) -> Value {
    rows_of(&answer(query))
}

pub fn rows_of(result: &KqlTable) -> Value {
    let row = |at: usize| {
        let cells = result.frame.columns().iter().zip(&result.schema);
        Value::Array(cells.map(|(values, column)| cell(&values.get(at).unwrap(), column.kql_type)).collect())
    };
    Value::Array((0..result.frame.height()).map(row).collect())
}

fn cell(value: &AnyValue<'_>, kql_type: KqlType) -> Value {
    let tick = |value: i64, unit: TimeUnit| if unit == TimeUnit::Nanoseconds { value / 100 } else { value * 10 };
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => json!(value),
        AnyValue::Int32(value) => json!(value),
        AnyValue::Int64(value) => json!(value),
        AnyValue::Float64(value) if value.is_nan() => json!("NaN"),
        AnyValue::Float64(value) if value.is_infinite() => json!("Infinity"),
        AnyValue::Float64(value) => json!(value),
        AnyValue::Decimal(..) => json!(value.to_string()),
        AnyValue::Datetime(value, unit, _) | AnyValue::DatetimeOwned(value, unit, _) => {
            json!(ticks::format_datetime(tick(*value, *unit) + ticks::UNIX_EPOCH))
        }
        AnyValue::Duration(value, unit) => json!(ticks::format_timespan(tick(*value, *unit))),
        other => {
            let text = other.get_str().unwrap_or_default();
            if kql_type == KqlType::Dynamic { serde_json::from_str(text).unwrap() } else { json!(text) }
        }
    }
}
