//! Windows event 5140 as Log Analytics stores it in the table SecurityEvent.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A network share was accessed. Serialised names and order are the columns of the table `SecurityEvent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecurityEvent {
    /// The workspace's GUID, not that of the Entra tenant, despite its name.
    pub tenant_id: String,
    /// When the share was accessed; whole milliseconds.
    #[serde(with = "utc_millis")]
    pub time_generated: DateTime<Utc>,
    /// Always `OpsManager`, the agent for Windows.
    pub source_system: String,
    /// `DOMAIN\user`.
    pub account: String,
    /// Always `User`.
    pub account_type: String,
    /// The file server, fully qualified.
    pub computer: String,
    /// Always `Microsoft-Windows-Security-Auditing`.
    pub event_source_name: String,
    /// Always `Security`.
    pub channel: String,
    /// Always 12808, file share auditing.
    pub task: i32,
    /// Always `0`: audit events have no severity. A string in Log Analytics.
    pub level: String,
    /// Always 5140.
    #[serde(rename = "EventID")]
    pub event_id: i32,
    /// Always `5140 - A network share object was accessed.`
    pub activity: String,
    /// The user without the domain.
    pub subject_user_name: String,
    /// The domain without the user.
    pub subject_domain_name: String,
    /// `S-1-5-21-…`, one per user.
    pub subject_user_sid: String,
    /// Hexadecimal, one per session.
    pub subject_logon_id: String,
    /// Always `File`.
    pub object_type: String,
    /// The client, one address per user.
    pub ip_address: String,
    /// The client's port, one per session. A string in Log Analytics.
    pub ip_port: String,
    /// `\\*\hr_res_0`: Windows writes an asterisk for the server.
    pub share_name: String,
    /// The folder behind the share, such as `\??\D:\Shares\hr_res_0`.
    pub share_local_path: String,
    /// Always `0x1`, reading.
    pub access_mask: String,
    /// Always `%%4416`, the message number of reading.
    pub access_list: String,
    /// Always `SecurityEvent`.
    pub r#type: String,
    /// The Azure resource id of the file server.
    #[serde(rename = "_ResourceId")]
    pub resource_id: String,
}

/// An access that the generator planted; the event with the same three values is in the sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PlantedAnomaly {
    /// `DOMAIN\user`.
    pub account: String,
    /// `\\*\share`.
    pub share_name: String,
    /// Serialised as `TimeGenerated`, so that the ground truth joins the events on equal names.
    #[serde(rename = "TimeGenerated", with = "utc_millis")]
    pub time: DateTime<Utc>,
}

/// Generated events and what is wrong in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Sorted by time.
    pub events: Vec<SecurityEvent>,
    /// Sorted by time.
    pub ground_truth: Vec<PlantedAnomaly>,
}

/// ISO 8601 in UTC with milliseconds and a `Z`.
mod utc_millis {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        Ok(time.to_utc())
    }
}
