//! The HTTP Data Collector API.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};

use super::Shared;
use super::body::{self, Upload};
use super::collector_rows::{self, Found};
use super::ingestion::{self, TIME, refused};
use super::records::{self, Object, Unknown};
use super::reply::{Refusal, Reply};
use super::writer::Unwritten;
use crate::{ColumnSchema, ColumnType, WorkspaceError};

const API_VERSION: &str = "2016-04-01";
const LIMIT: usize = 30 << 20;
const SKEW: TimeDelta = TimeDelta::minutes(15);
/// Older rows are given the time of their arrival.
const OLDEST: TimeDelta = TimeDelta::days(2);
const ATTEMPTS: usize = 4;

fn bad(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, code, message)
}

fn unsigned(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "InvalidAuthorization", message)
}

/// `POST /api/logs?api-version=2016-04-01`
pub(crate) async fn collect(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    parameters: &[(String, String)],
    upload: &mut Upload,
) -> Result<Reply, Refusal> {
    check_host(shared, headers)?;
    let (date, signature) = signature(shared, headers)?;
    if upload.length().is_some_and(|length| length > LIMIT as u64) {
        return Err(too_large());
    }
    // Without an announced length the signature can only be checked at the end.
    if let Some(length) = upload.length() {
        check_signature(shared, length, &date, &signature)?;
    }
    match parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("api-version")) {
        Some((_, version)) if version == API_VERSION => {}
        Some(_) => {
            return Err(bad("InvalidApiVersion", format!("The API version is not supported: use {API_VERSION}.")));
        }
        None => return Err(bad("MissingApiVersion", "The API version was not specified.")),
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        return Err(bad("MissingContentType", "The content type was not specified."));
    }
    if !body::is_json(headers) {
        return Err(bad("UnsupportedContentType", "The content type was not set to application/json."));
    }
    let table = format!("{}_CL", log_type(headers)?);
    let packed = body::is_gzipped(headers).map_err(|refusal| bad("UnsupportedContentType", refusal.message))?;
    let read = upload.read(LIMIT).await.map_err(|refusal| match refusal.status {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Refusal { code: "InvalidDataFormat", ..refusal },
    })?;
    check_signature(shared, read.len() as u64, &date, &signature)?;
    let text = if packed {
        body::inflated(&read, LIMIT).map_err(|refusal| match refusal.status {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => bad("InvalidDataFormat", refusal.message),
        })?
    } else {
        read.to_vec()
    };
    let rows = parsed(&text).map_err(|why| bad("InvalidDataFormat", why))?;
    if !rows.is_empty() {
        let time_field = text_header(headers, "time-generated-field").filter(|field| !field.is_empty());
        let resource = text_header(headers, "x-ms-AzureResourceId").filter(|id| !id.is_empty());
        keep(shared, &table, rows, time_field.as_deref(), resource.as_deref()).await?;
    }
    Ok(Reply::empty(StatusCode::OK))
}

fn too_large() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NotFound", "The URL is not right, or the request is larger than 30 MB.")
}

/// Bytes that are no UTF-8 become marks: they are compared and shown, never trusted.
fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

/// A workspace id as the first label of the host must be ours.
fn check_host(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = text_header(headers, "host").unwrap_or_default();
    let label = host.split(['.', ':']).next().unwrap_or_default();
    if uuid::Uuid::parse_str(label).is_ok() && !shared.is_workspace(label) {
        return Err(bad("InvalidCustomerId", "The workspace id of the host name is not this server's."));
    }
    Ok(())
}

/// The date and the signature that the headers carry.
fn signature(shared: &Shared, headers: &HeaderMap) -> Result<(String, Vec<u8>), Refusal> {
    let missing =
        || unsigned("The request is not signed: send Authorization: SharedKey <workspace>:<signature> and x-ms-date.");
    let authorization = headers.get(header::AUTHORIZATION).ok_or_else(missing)?.as_bytes();
    let text = authorization.strip_prefix(b"SharedKey ").ok_or_else(missing)?;
    let colon = text.iter().position(|byte| *byte == b':').ok_or_else(missing)?;
    let workspace = String::from_utf8_lossy(&text[..colon]).trim().to_owned();
    let date = text_header(headers, "x-ms-date").ok_or_else(missing)?;
    let at = DateTime::parse_from_rfc2822(&date).map_err(|_| unsigned("x-ms-date is not a date in RFC 1123 form."))?;
    if (Utc::now() - at.to_utc()).abs() > SKEW {
        return Err(unsigned("x-ms-date is more than 15 minutes away from the server's clock."));
    }
    if !shared.is_workspace(&workspace) {
        return Err(unsigned("The workspace id is not this server's, or the signature is wrong."));
    }
    Ok((date, text[colon + 1..].to_vec()))
}

fn check_signature(shared: &Shared, length: u64, date: &str, signature: &[u8]) -> Result<(), Refusal> {
    if shared.key.signed(length, date, signature) {
        return Ok(());
    }
    Err(unsigned("The workspace id is not this server's, or the signature is wrong."))
}

/// Letters, digits and `_`, up to 100.
fn log_type(headers: &HeaderMap) -> Result<String, Refusal> {
    let name = text_header(headers, "log-type").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| bad("MissingLogType", "The Log-Type header was not specified."))?;
    let right = name.len() <= 100
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    // The table's name has `_CL` behind it, and room for 100 in all.
    if right && name.len() <= 97 {
        return Ok(name);
    }
    Err(bad(
        "InvalidLogType",
        "Log-Type may have letters, digits and _ only, begins with a letter, and has 97 characters at the most.",
    ))
}

/// An array of objects, or one object.
fn parsed(text: &[u8]) -> Result<Vec<Object>, String> {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'{') {
        return serde_json::from_slice(text)
            .map(|row| vec![row])
            .map_err(|error| format!("The body is not JSON: {error}"));
    }
    records::objects(text)
}

async fn keep(
    shared: &Arc<Shared>,
    table: &str,
    rows: Vec<Object>,
    time_field: Option<&str>,
    resource: Option<&str>,
) -> Result<(), Refusal> {
    for attempt in 1..=ATTEMPTS {
        match keep_once(shared, table, &rows, time_field, resource).await {
            // Another post has made the column meanwhile: its type decides now.
            Err(Unwritten::Workspace(WorkspaceError::ColumnType { .. })) if attempt < ATTEMPTS => {}
            other => {
                return other.map_err(refused).map_err(|refusal| match refusal.status {
                    StatusCode::BAD_REQUEST => Refusal { code: "InvalidDataFormat", ..refusal },
                    StatusCode::SERVICE_UNAVAILABLE => refusal,
                    _ => Refusal { code: "UnspecifiedError", ..refusal },
                });
            }
        }
    }
    Ok(())
}

async fn keep_once(
    shared: &Shared,
    table: &str,
    rows: &[Object],
    time_field: Option<&str>,
    resource: Option<&str>,
) -> Result<(), Unwritten> {
    let schema = shared.workspace.schema(table).map_err(Unwritten::Workspace)?;
    let known = schema.map(|schema| schema.columns).unwrap_or_default();
    let Found { mut rows, mut columns } = collector_rows::columns_of(rows, known).map_err(Unwritten::Payload)?;
    let now = Utc::now();
    for row in &mut rows {
        let given = time_field.and_then(|field| row.given(field)).and_then(|text| super::timespan::moment(&text));
        // The table holds nanoseconds, which a date of any year may not fit.
        let time = given.filter(|time| now - *time <= OLDEST && *time <= now + OLDEST).unwrap_or(now);
        row.members.insert(TIME.to_owned(), time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true).into());
        row.members.insert("TenantId".to_owned(), shared.workspace_id.clone().into());
        row.members.insert("SourceSystem".to_owned(), "RestAPI".into());
        if let Some(resource) = resource {
            row.members.insert("_ResourceId".to_owned(), resource.to_ascii_lowercase().into());
        }
    }
    for (name, column_type) in [
        (TIME, ColumnType::Datetime),
        ("TenantId", ColumnType::String),
        ("SourceSystem", ColumnType::String),
        ("_ResourceId", ColumnType::String),
    ] {
        if !columns.iter().any(|column| column.name == name) {
            columns.push(ColumnSchema { name: name.to_owned(), column_type });
        }
    }
    let members: Vec<Object> = rows.into_iter().map(|row| row.members).collect();
    let records = records::of_objects(&members, &columns, Unknown::Dropped).map_err(Unwritten::Payload)?;
    let records = ingestion::stamped(records, table).map_err(|refusal| Unwritten::Payload(refusal.message))?;
    shared.writer.append(table, records).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &[u8]) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert("log-type", axum::http::HeaderValue::from_bytes(name).unwrap());
        log_type(&headers).map_err(|refusal| refusal.code)
    }

    #[test]
    fn log_types_make_table_names() {
        assert_eq!(named(b"Hits_2"), Ok("Hits_2".to_owned()));
        assert_eq!(named(b""), Err("MissingLogType"));
        for wrong in [&b"a b"[..], b"a-b", b"1a", b"\xff\xfe", &[b'a'; 98]] {
            assert_eq!(named(wrong), Err("InvalidLogType"));
        }
        assert_eq!(log_type(&HeaderMap::new()).unwrap_err().code, "MissingLogType");
    }

    #[test]
    fn bodies_are_objects_alone_or_in_an_array() {
        assert_eq!(parsed(b" {\"a\": 1}").unwrap().len(), 1);
        assert_eq!(parsed(b"[{\"a\": 1}, {}]").unwrap().len(), 2);
        for wrong in [&b""[..], b"1", b"[1]", b"{", b"\xff"] {
            assert!(parsed(wrong).is_err());
        }
    }
}
