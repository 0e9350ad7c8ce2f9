//! The Logs Ingestion API, and Kusto's streaming ingestion.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use chrono::Utc;
use polars::prelude::*;
use serde_json::json;

use super::Shared;
use super::answers::v1_table;
use super::body::{self, Upload};
use super::kusto::check_database;
use super::management::existing;
use super::records::{self, Object, Records, Unknown};
use super::reply::{Dialect, Refusal, Reply, failed_query};
use super::rules::{Declared, NoStream, Stream};
use super::service::{QueryFailure, ResultTable};
use super::writer::Unwritten;
use crate::{ColumnSchema, ColumnType, WorkspaceError};

/// Bytes of a call on the wire, and unpacked.
const WIRE: usize = 1 << 20;
const UNPACKED: usize = 4 << 20;
/// Bytes of a streaming ingestion into Kusto.
const STREAMED: usize = 64 << 20;
const API_VERSION: &str = "2023-01-01";
pub(crate) const TIME: &str = "TimeGenerated";
pub(crate) const TYPE: &str = "Type";
/// Another request may have widened the table between our look at it and the append.
const ATTEMPTS: usize = 4;

fn bad(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, message)
}

/// `POST /dataCollectionRules/{rule}/streams/{stream}?api-version=2023-01-01`
pub(crate) async fn ingest(
    shared: &Arc<Shared>,
    rule: &str,
    stream: &str,
    headers: &HeaderMap,
    parameters: &[(String, String)],
    upload: &mut Upload,
) -> Result<Reply, Refusal> {
    let packed = body::is_gzipped(headers)?;
    if !packed && !body::is_json(headers) {
        return Err(Refusal::unsupported_type());
    }
    if let Some(length) = upload.length().filter(|length| *length > WIRE as u64) {
        return Err(body::too_large(WIRE, Some(length)));
    }
    match parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("api-version")) {
        Some((_, version)) if version == API_VERSION => {}
        Some((_, version)) => {
            return Err(bad(
                "InvalidApiVersion",
                format!("The api-version '{version}' is not supported: use {API_VERSION}."),
            ));
        }
        None => return Err(bad("MissingApiVersion", format!("The api-version is missing: use {API_VERSION}."))),
    }
    let target = shared.rules.stream(rule, stream).map_err(|missing| match missing {
        NoStream::Rule => Refusal::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("Data collection rule with immutable Id '{rule}' not found."),
        ),
        NoStream::Stream => no_stream(stream, rule),
    })?;
    if let Stream::Existing { table } = &target
        && shared.workspace.schema(table).map_err(unreadable)?.is_none()
    {
        return Err(no_stream(stream, rule));
    }
    let read = upload.read(WIRE).await?;
    let text = if packed { body::inflated(&read, UNPACKED)? } else { read.to_vec() };
    let rows = records::objects(&text).map_err(|why| bad("InvalidPayload", why))?;
    if !rows.is_empty() {
        take(shared, &target, rows).await?;
    }
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn no_stream(stream: &str, rule: &str) -> Refusal {
    bad("InvalidStream", format!("The stream '{stream}' is not one of the data collection rule '{rule}'."))
}

fn unreadable(error: WorkspaceError) -> Refusal {
    Refusal::storage(error.to_string())
}

async fn take(shared: &Arc<Shared>, stream: &Stream, rows: Vec<Object>) -> Result<(), Refusal> {
    let (table, unknown) = match stream {
        Stream::Declared(declared) => {
            let records = transformed(shared, declared, rows).await?;
            return store(shared, &declared.table, stamped(records, &declared.table)?).await;
        }
        Stream::Open { table } => (table, Unknown::Added),
        Stream::Existing { table } => (table, Unknown::Dropped),
    };
    for _ in 1..ATTEMPTS {
        match take_as_is(shared, table, &rows, unknown).await {
            Err(Unwritten::Workspace(WorkspaceError::ColumnType { .. })) => {}
            other => return other.map_err(refused),
        }
    }
    take_as_is(shared, table, &rows, unknown).await.map_err(refused)
}

/// Reads the rows by the table's columns as they are now.
async fn take_as_is(shared: &Shared, table: &str, rows: &[Object], unknown: Unknown) -> Result<(), Unwritten> {
    let schema = shared.workspace.schema(table).map_err(Unwritten::Workspace)?;
    let mut known = schema.map(|schema| schema.columns).unwrap_or_default();
    if !known.iter().any(|column| column.name == TIME) {
        known.push(ColumnSchema { name: TIME.to_owned(), column_type: ColumnType::Datetime });
    }
    let records = records::of_objects(rows, &known, unknown).map_err(Unwritten::Payload)?;
    let records = stamped(records, table).map_err(|refusal| Unwritten::Payload(refusal.message))?;
    shared.writer.append(table, records).await
}

async fn transformed(shared: &Arc<Shared>, declared: &Declared, rows: Vec<Object>) -> Result<Records, Refusal> {
    let records =
        records::of_objects(&rows, &declared.columns, Unknown::Dropped).map_err(|why| bad("InvalidPayload", why))?;
    let Some(query) = declared.transform.clone() else { return Ok(records) };
    let (service, columns) = (shared.service.clone(), declared.columns.clone());
    let run = move || {
        let source = completed(records, &columns)?;
        service.transform(&query, source, &columns).and_then(of_result)
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(Ok(records)) => Ok(records),
        Ok(Err(failure)) => Err(failed_query(Dialect::Azure, failure)),
        Err(_) => Err(Refusal::crashed()),
    }
}

/// All declared columns, in their order: a transformation may name one that no row has.
pub(crate) fn completed(records: Records, columns: &[ColumnSchema]) -> Result<DataFrame, QueryFailure> {
    let height = records.frame.height();
    let column = |column: &ColumnSchema| match records.frame.column(&column.name) {
        Ok(found) => found.clone(),
        Err(_) => Column::full_null(column.name.as_str().into(), height, &column.column_type.data_type()),
    };
    DataFrame::new(height, columns.iter().map(column).collect())
        .map_err(|error| QueryFailure::Execution(error.to_string()))
}

/// The result of a transformation as rows of a table.
fn of_result(result: ResultTable) -> Result<Records, QueryFailure> {
    let columns = result.columns.iter().map(|column| {
        let column_type = super::commands::column_type(&column.kql_type).ok_or_else(|| {
            QueryFailure::Execution(format!(
                "transformKql makes the column {} a {}, which a table cannot hold: convert it",
                column.name, column.kql_type
            ))
        })?;
        Ok(ColumnSchema { name: column.name.clone(), column_type })
    });
    let columns = columns.collect::<Result<Vec<_>, QueryFailure>>()?;
    // Microseconds hold more years than the nanoseconds of a table.
    for column in result.frame.columns() {
        let years = i64::MIN / 1_000..=i64::MAX / 1_000;
        if let Ok(times) = column.datetime()
            && times.time_unit() == TimeUnit::Microseconds
            && !times.physical().iter().flatten().all(|time| years.contains(&time))
        {
            let message = format!("the column {} has datetimes outside the years 1678 to 2262", column.name());
            return Err(QueryFailure::Execution(message));
        }
    }
    Ok(Records { frame: result.frame, columns })
}

/// Adds `TimeGenerated`, now where a row has none, and `Type`, the table's name.
pub(crate) fn stamped(mut records: Records, table: &str) -> Result<Records, Refusal> {
    let wrong = |why: String| bad("InvalidPayload", why);
    let now = Utc::now().timestamp_nanos_opt().ok_or_else(|| Refusal::storage("the clock is beyond 2262"))?;
    let height = records.frame.height();
    let times: Vec<i64> = match records.frame.column(TIME) {
        Err(_) => vec![now; height],
        Ok(column) => {
            let given = column
                .cast(&ColumnType::Datetime.data_type())
                .ok()
                .filter(|_| column.dtype().is_datetime())
                .ok_or_else(|| wrong(format!("{TIME} must be a datetime.")))?;
            let given = given.datetime().map_err(|error| wrong(error.to_string()))?.physical().clone();
            given.iter().map(|time| time.unwrap_or(now)).collect()
        }
    };
    let time = Series::new(TIME.into(), times)
        .cast(&ColumnType::Datetime.data_type())
        .map_err(|error| wrong(error.to_string()))?;
    if let Ok(column) = records.frame.column(TYPE) {
        let same = column.str().is_ok_and(|texts| texts.iter().flatten().all(|text| text == table || text.is_empty()));
        if !same {
            return Err(wrong(format!("The column {TYPE} belongs to the service: it is the table's name, {table}.")));
        }
    }
    let name = Column::new_scalar(TYPE.into(), Scalar::from(PlSmallStr::from_str(table)), height);
    for (column, kind) in [(Column::from(time), ColumnType::Datetime), (name, ColumnType::String)] {
        let known = records.columns.iter().any(|known| known.name == column.name().as_str());
        if !known {
            records.columns.push(ColumnSchema { name: column.name().to_string(), column_type: kind });
        }
        records.frame.with_column(column).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(records)
}

/// Stores rows as they are; on disk when this returns.
pub(crate) async fn store(shared: &Shared, table: &str, records: Records) -> Result<(), Refusal> {
    shared.writer.append(table, records).await.map_err(refused)
}

pub(crate) fn refused(unwritten: Unwritten) -> Refusal {
    match unwritten {
        Unwritten::Payload(why) => bad("InvalidPayload", why),
        Unwritten::Workspace(
            error @ (WorkspaceError::ColumnType { .. }
            | WorkspaceError::Unsupported { .. }
            | WorkspaceError::Name { .. }
            | WorkspaceError::Value { .. }),
        ) => bad("InvalidPayload", error.to_string()),
        Unwritten::Workspace(error) => Refusal::storage(error.to_string()),
        Unwritten::Ending => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "The server is ending; nothing was stored.",
        ),
    }
}

/// `POST /v1/rest/ingest/{db}/{table}?streamFormat=Csv|Json|MultiJson`
pub(crate) async fn stream_into(
    shared: &Arc<Shared>,
    database: &str,
    table: &str,
    headers: &HeaderMap,
    parameters: &[(String, String)],
    upload: &mut Upload,
) -> Result<Reply, Refusal> {
    check_database(shared, database)?;
    let schema = existing(shared, table)?;
    let packed = body::is_gzipped(headers)?;
    let read = upload.read(STREAMED).await?;
    let text = if packed { body::inflated(&read, STREAMED)? } else { read.to_vec() };
    let format = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("streamFormat"));
    let format = format.map_or("csv", |(_, format)| format.as_str()).to_ascii_lowercase();
    let records = match format.as_str() {
        "csv" => std::str::from_utf8(&text)
            .map_err(|_| "The body is not UTF-8.".to_owned())
            .and_then(|text| records::of_csv(text.trim_start_matches('\u{feff}'), &schema.columns)),
        "json" | "multijson" | "singlejson" => {
            several(&text).and_then(|rows| records::of_objects(&rows, &schema.columns, Unknown::Dropped))
        }
        _ => Err(format!("The format '{format}' is not taken: use Csv, Json or MultiJson.")),
    };
    let records = records.map_err(Refusal::bad_argument)?;
    let rows = records.frame.height();
    if rows > 0 {
        store(shared, table, records).await.map_err(|refusal| Refusal { code: "BadArgumentError", ..refusal })?;
    }
    let columns = [
        ("ConsumedRecordsCount", "long"),
        ("UpdatePolicyStatus", "string"),
        ("UpdatePolicyFailureCode", "string"),
        ("UpdatePolicyFailureReason", "string"),
    ];
    let table = v1_table(0, &columns, vec![json!([rows, "Inactive", "Unknown", null])]);
    Ok(Reply::json(StatusCode::OK, &json!({"Tables": [table]})))
}

/// JSON objects one after the other, or in arrays.
fn several(text: &[u8]) -> Result<Vec<Object>, String> {
    let mut rows = Vec::new();
    for value in serde_json::Deserializer::from_slice(text).into_iter::<serde_json::Value>() {
        match value.map_err(|error| format!("The body is not JSON: {error}"))? {
            serde_json::Value::Object(row) => rows.push(row),
            serde_json::Value::Array(values) => {
                for value in values {
                    let serde_json::Value::Object(row) = value else {
                        return Err("A row is not a JSON object.".to_owned());
                    };
                    rows.push(row);
                }
            }
            _ => return Err("A row is not a JSON object.".to_owned()),
        }
    }
    Ok(rows)
}
