//! Where a Log Analytics data export rule puts its blobs.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// The container of a table's export, such as `am-securityevent`. Characters that no table name has are left out.
pub fn export_container(table: &str) -> String {
    let allowed = table.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
    format!("am-{}", allowed.collect::<String>().to_ascii_lowercase())
}

/// The blob inside the container that holds the rows of the five minutes around `time` (their TimeGenerated):
/// `WorkspaceResourceId=/subscriptions/…/y=2026/m=11/d=20/h=23/m=55/PT05M.json`.
///
/// `resource_id` is that of the workspace; it is written in lower case, as Azure does. Empty, `.` and `..` segments
/// are left out, because the path may become one on a local disk.
pub fn export_blob_path(resource_id: &str, time: DateTime<Utc>) -> String {
    let resource: String = resource_id
        .split(['/', '\\'])
        .filter(|segment| !matches!(*segment, "" | "." | ".."))
        .map(|segment| format!("/{}", segment.to_lowercase()))
        .collect();
    let minute = time.minute() / 5 * 5;
    format!(
        "WorkspaceResourceId={resource}/y={:04}/m={:02}/d={:02}/h={:02}/m={minute:02}/PT05M.json",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
    )
}

/// Container and blob: `am-securityevent/WorkspaceResourceId=/subscriptions/…/PT05M.json`.
pub fn export_layout_path(resource_id: &str, table: &str, time: DateTime<Utc>) -> String {
    format!("{}/{}", export_container(table), export_blob_path(resource_id, time))
}
