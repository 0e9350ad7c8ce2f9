//! Rows as CSV, TSV and JSON lines, for readers that know no Rust.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use crate::{Access, PlantedAnomaly, SecurityEvent};

/// A row type with named columns.
pub trait Record: Serialize {
    /// The columns in order; each is the serialised name of a field.
    const COLUMNS: &'static [&'static str];
}

impl Record for Access {
    const COLUMNS: &'static [&'static str] = &["user", "res", "likelihood"];
}

impl Record for PlantedAnomaly {
    const COLUMNS: &'static [&'static str] = &["Account", "ShareName", "TimeGenerated"];
}

impl Record for SecurityEvent {
    const COLUMNS: &'static [&'static str] = &[
        "TenantId",
        "TimeGenerated",
        "SourceSystem",
        "Account",
        "AccountType",
        "Computer",
        "EventSourceName",
        "Channel",
        "Task",
        "Level",
        "EventID",
        "Activity",
        "SubjectUserName",
        "SubjectDomainName",
        "SubjectUserSid",
        "SubjectLogonId",
        "ObjectType",
        "IpAddress",
        "IpPort",
        "ShareName",
        "ShareLocalPath",
        "AccessMask",
        "AccessList",
        "Type",
        "_ResourceId",
    ];
}

/// Why rows could not be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The output failed.
    #[error("cannot write the rows: {0}")]
    Io(#[from] io::Error),
    /// A row has no JSON form.
    #[error("cannot serialise row {row}: {source}")]
    Row {
        /// Counted from zero.
        row: usize,
        /// What serde found.
        source: serde_json::Error,
    },
}

/// Writes a header and the rows, comma-separated, quoted by RFC 4180, with `\n` line ends. Times are ISO 8601 in
/// UTC. The output is not flushed.
///
/// # Errors
/// [`WriteError`] if the output fails.
pub fn write_csv<R: Record>(rows: &[R], out: impl Write) -> Result<(), WriteError> {
    write_delimited(rows, ',', out)
}

/// Like [`write_csv`] with tabs; fields with tabs, quotes or line breaks in them are quoted the same way.
///
/// # Errors
/// [`WriteError`] if the output fails.
pub fn write_tsv<R: Record>(rows: &[R], out: impl Write) -> Result<(), WriteError> {
    write_delimited(rows, '\t', out)
}

/// Writes one JSON object per line, the form of a Log Analytics export: no array, no commas between the rows.
///
/// # Errors
/// [`WriteError`] if the output fails.
pub fn write_jsonl<R: Record>(rows: &[R], mut out: impl Write) -> Result<(), WriteError> {
    for (row, record) in rows.iter().enumerate() {
        let line = serde_json::to_string(record).map_err(|source| WriteError::Row { row, source })?;
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn write_delimited<R: Record>(rows: &[R], delimiter: char, mut out: impl Write) -> Result<(), WriteError> {
    write_line(R::COLUMNS.iter().map(ToString::to_string), delimiter, &mut out)?;
    for (row, record) in rows.iter().enumerate() {
        let value = serde_json::to_value(record).map_err(|source| WriteError::Row { row, source })?;
        let fields = R::COLUMNS.iter().map(|column| text_of(value.get(column)));
        write_line(fields, delimiter, &mut out)?;
    }
    Ok(())
}

fn write_line(fields: impl Iterator<Item = String>, delimiter: char, out: &mut impl Write) -> Result<(), WriteError> {
    let quoted: Vec<String> = fields.map(|field| quote(field, delimiter)).collect();
    writeln!(out, "{}", quoted.join(delimiter.encode_utf8(&mut [0; 4])))?;
    Ok(())
}

fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn quote(field: String, delimiter: char) -> String {
    if field.contains([delimiter, '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}
