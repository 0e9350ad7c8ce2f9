//! What would be written, and what was, in words.

use std::ops::Range;

use huntbook_azure::ingestion::UploadReport;

use super::wrong;
use crate::{Error, Result};

/// So many groups of rows are listed.
const LISTED: usize = 10;

/// Size and losses of an upload that has not been made.
pub(super) fn plan(would: &UploadReport, lost_reals: &[(String, usize)], legacy: bool) -> String {
    let mut text = format!("\n{} rows, {} bytes of JSON in {} posts", would.rows, would.bytes, would.posts);
    for (column, count) in lost_reals {
        text.push_str(&format!(
            "\n  {count} values of `{column}` are NaN or infinite, which JSON cannot hold: they become null"
        ));
    }
    text.push_str(&cut_fields(would));
    text.push_str(&not_written(would));
    if legacy {
        text.push_str("\n  Microsoft's support for the Data Collector API has ended: the Logs Ingestion API (--dcr) is what lasts");
    }
    text
}

/// What became of the rows.
///
/// Errors: not all were accepted.
pub(super) fn outcome(done: &UploadReport, plan: &str, place: &str) -> Result<String> {
    let mut text = format!("{}: {} of {} rows accepted", place, done.accepted, done.rows);
    text.push_str(&format!(", {} posts, {} bytes sent", done.posts, done.wire_bytes));
    if !done.perhaps_twice.is_empty() {
        let rows: Vec<String> = done.perhaps_twice.iter().map(numbered).collect();
        text.push_str(&format!(
            "\n  rows {} may be there twice: a post was sent again after an answer that did not come",
            rows.join(", ")
        ));
    }
    text.push_str(&cut_fields(done));
    if done.is_complete() {
        return Ok(format!("{plan}\n{text}"));
    }
    text.push_str(&not_written(done));
    if let Some(error) = &done.error {
        text.push_str(&format!("\n  {error}"));
    }
    let interrupted = done.error.is_none() && done.not_written.iter().any(|part| part.reason.contains("interrupt"));
    let kind = if interrupted { "Interrupted" } else { "LaWriteError" };
    Err(if interrupted { Error::new(kind, text) } else { wrong(text) })
}

fn cut_fields(report: &UploadReport) -> String {
    let Some((row, column)) = report.cut_fields.first() else { return String::new() };
    format!(
        "\n  {} fields are longer than the service keeps and will be cut, the first in row {} (`{column}`)",
        report.cut_fields.len(),
        row + 1
    )
}

fn not_written(report: &UploadReport) -> String {
    let mut text = String::new();
    for part in report.not_written.iter().take(LISTED) {
        let doubt = if part.perhaps_written { " (perhaps they are there: the answer did not come)" } else { "" };
        text.push_str(&format!("\n  not accepted: row {}: {}{doubt}", numbered(&part.rows), part.reason));
    }
    if report.not_written.len() > LISTED {
        text.push_str(&format!("\n  and {} more groups of rows", report.not_written.len() - LISTED));
    }
    text
}

/// Rows as people count them.
fn numbered(rows: &Range<u64>) -> String {
    if rows.end <= rows.start + 1 {
        format!("{}", rows.start + 1)
    } else {
        format!("{} to {}", rows.start + 1, rows.end)
    }
}

#[cfg(test)]
mod tests {
    use huntbook_azure::ingestion::NotWritten;

    use super::*;

    #[test]
    fn every_row_is_accounted_for() {
        let mut report = UploadReport { rows: 10, accepted: 10, posts: 1, ..UploadReport::default() };
        assert!(outcome(&report, "plan", "there").unwrap().contains("10 of 10 rows accepted"));
        report.accepted = 7;
        report.not_written.push(NotWritten { rows: 4..7, reason: "no".into(), perhaps_written: true });
        report.perhaps_twice.push(0..1);
        report.error = Some("there answered 403".into());
        let error = outcome(&report, "plan", "there").unwrap_err().message;
        for part in ["7 of 10", "row 5 to 7: no (perhaps", "rows 1 may be there twice", "403"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
