//! Many queries at once: one JSON object per line in, one per line out.
//!
//! Cells: long and int as JSON integers, reals as numbers or "NaN"/"Infinity"/"-Infinity", datetimes
//! as ISO text, timespans as `d.hh:mm:ss.fffffff`, dynamics as JSON values, nulls as null.

use std::io::{self, BufRead, Write};

use polars::prelude::*;
use serde_json::{Value, json};

use crate::{Check, Diagnostic, Engine, KqlTable, KqlType, QueryError, codes, ticks};

/// Runs `{"id", "query"}` lines. Out: `{"id", "columns", "types", "rows"}`, or `{"id", "error"}`
/// for a query that gives no result, with the error as in [`error`]; neither a bad query nor a line that is none
/// ends the batch. Returns how many lines were no queries.
///
/// Errors: input that cannot be read, output that cannot be written.
pub fn run_jsonl(input: impl BufRead, output: impl Write, engine: &Engine) -> io::Result<usize> {
    answer_each(input, output, |id, query| match query.map(|query| engine.run(query)) {
        Ok(Ok(result)) => encoded(id, &result),
        Ok(Err(problem)) => json!({"id": id, "error": error(&problem)}),
        Err(unread) => json!({"id": id, "error": unread}),
    })
}

/// Checks `{"id", "query"}` lines without running them. Out: `{"id", "parse", "bind", "columns",
/// "open", "error"}`, where columns are `[name, type]`, a type that only rows tell is "unknown", and the error
/// is the first, as in [`error`]. Returns how many lines were no queries.
///
/// Errors: as [`run_jsonl`].
pub fn check_jsonl(input: impl BufRead, output: impl Write, engine: &Engine) -> io::Result<usize> {
    answer_each(input, output, |id, query| match query {
        Ok(query) => checked_line(id, &engine.check(query)),
        Err(unread) => json!({"id": id, "parse": false, "bind": false, "error": unread}),
    })
}

/// `{"code", "message", "line", "column"}`; with `file` if the mistake is in a stored function, and without a
/// place if the query failed while it ran.
pub fn error(problem: &QueryError) -> Value {
    match problem {
        QueryError::Diagnostics(diagnostics) if !diagnostics.is_empty() => placed(&diagnostics[0]),
        other => json!({"code": other.code(), "message": other.to_string(), "line": null, "column": null}),
    }
}

fn placed(diagnostic: &Diagnostic) -> Value {
    let hint = diagnostic.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let mut error = json!({
        "code": diagnostic.code,
        "message": format!("{}{hint}", diagnostic.message),
        "line": diagnostic.line,
        "column": diagnostic.column,
    });
    if let Some(source) = &diagnostic.source {
        error["file"] = source.name.as_str().into();
    }
    error
}

/// Writes one answer per line of input that is not blank, and counts the lines that are no queries; `answer` gets
/// an error in place of their text.
fn answer_each(
    input: impl BufRead,
    mut output: impl Write,
    answer: impl Fn(&Value, Result<&str, Value>) -> Value,
) -> io::Result<usize> {
    let mut unread = 0;
    for (at, line) in input.split(b'\n').enumerate() {
        let line = line?;
        // PowerShell writes a byte order mark in front of what it pipes.
        let text = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line).trim_ascii();
        if text.is_empty() {
            continue;
        }
        let answered = match request(text) {
            Ok((id, query)) => answer(&id, Ok(&query)),
            Err((id, why)) => {
                unread += 1;
                answer(&id, Err(no_query(at + 1, &why)))
            }
        };
        writeln!(output, "{answered}")?;
    }
    output.flush()?;
    Ok(unread)
}

/// The id and the query of a line; else the id, if there is one, and what is wrong.
fn request(line: &[u8]) -> Result<(Value, String), (Value, String)> {
    let request: Value = serde_json::from_slice(line).map_err(|problem| {
        let text = problem.to_string();
        // serde_json counts lines too, but the text is one line.
        let what = text.split(" at line ").next().unwrap_or_default();
        (Value::Null, format!("it is not JSON ({what} at column {})", problem.column()))
    })?;
    match &request["query"] {
        Value::String(query) => Ok((request["id"].clone(), query.clone())),
        _ => Err((request["id"].clone(), "it has no text `query`".to_string())),
    }
}

fn no_query(line: usize, why: &str) -> Value {
    let shape = r#"{"id": 1, "query": "T | count"}"#;
    let message = format!("line {line} of the input is no query: {why}; write {shape}");
    json!({"code": codes::SYNTAX, "message": message, "line": null, "column": null})
}

fn checked_line(id: &Value, checked: &Check) -> Value {
    let mut line = json!({"id": id, "parse": checked.parsed, "bind": checked.bound});
    if let Some(columns) = &checked.columns {
        let columns: Vec<Value> = columns
            .iter()
            .map(|column| json!([column.name, column.kql_type.map_or("unknown", KqlType::name)]))
            .collect();
        line["columns"] = columns.into();
        line["open"] = checked.open.into();
    }
    if let Some(first) = checked.diagnostics.first() {
        line["error"] = placed(first);
    }
    line
}

/// A result as one JSON object.
pub fn encoded(id: &Value, result: &KqlTable) -> Value {
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

/// One cell as text: strings as they stand, dynamics as compact JSON, else what JSON shows; `None` for null.
pub fn text(value: &AnyValue<'_>, kql_type: KqlType) -> Option<String> {
    match cell(value, kql_type) {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// One cell as JSON.
pub fn cell(value: &AnyValue<'_>, kql_type: KqlType) -> Value {
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
        TimeUnit::Microseconds => value.saturating_mul(10),
        TimeUnit::Milliseconds => value.saturating_mul(10_000),
    }
}
