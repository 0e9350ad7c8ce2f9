//! Incidents as people work on them: list, show, change, comment, close.

use chrono::{DateTime, Utc};
use polars::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::incident::Status;
use super::place::Place;
use super::record::LATEST;
use super::rule::Severity;
use super::store::{Row, SECURITY_INCIDENT, moment, time};
use super::{sentinel_error, service};
use crate::{Engine, Result};

/// What a closed incident was, and the reasons that go with it.
pub const CLASSIFICATIONS: [(&str, &[&str]); 4] = [
    ("TruePositive", &["SuspiciousActivity"]),
    ("BenignPositive", &["SuspiciousButExpected"]),
    ("FalsePositive", &["IncorrectAlertLogic", "InaccurateData"]),
    ("Undetermined", &[]),
];

/// An incident, wherever it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentView {
    /// A GUID
    pub name: String,
    pub number: i64,
    pub title: String,
    pub description: String,
    pub severity: String,
    pub status: String,
    /// Name or address of whoever has it; empty for nobody
    pub owner: String,
    pub labels: Vec<String>,
    pub classification: String,
    pub reason: String,
    /// Text with the classification
    pub closing_comment: String,
    pub created: Option<DateTime<Utc>>,
    pub modified: Option<DateTime<Utc>>,
    pub alerts: i64,
    /// Texts with their times; only of an incident that is shown
    pub comments: Vec<(Option<DateTime<Utc>>, String)>,
    pub url: String,
    /// As the place keeps it, for writing it back
    pub(crate) kept: Json,
}

/// What is to change; `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IncidentChanges {
    pub title: Option<String>,
    pub description: Option<String>,
    pub severity: Option<Severity>,
    pub status: Option<Status>,
    /// Address of the new owner; empty takes the owner off
    pub owner: Option<String>,
    pub add_labels: Vec<String>,
    pub classification: Option<String>,
    pub reason: Option<String>,
    pub closing_comment: Option<String>,
}

impl IncidentChanges {
    /// Errors: a classification or reason that the service does not have, closing without a classification.
    fn check(&self) -> Result<()> {
        let Some(classification) = &self.classification else {
            if self.status == Some(Status::Closed) {
                let names: Vec<&str> = CLASSIFICATIONS.iter().map(|(name, _)| *name).collect();
                return Err(sentinel_error(format!("closing needs --classification: {}", names.join(", "))));
            }
            return Ok(());
        };
        let Some((_, reasons)) = CLASSIFICATIONS.iter().find(|(name, _)| name == classification) else {
            let names: Vec<&str> = CLASSIFICATIONS.iter().map(|(name, _)| *name).collect();
            return Err(sentinel_error(format!(
                "there is no classification `{classification}`; there are: {}",
                names.join(", ")
            )));
        };
        if self.status != Some(Status::Closed) {
            return Err(sentinel_error("a classification goes with closing: `%sentinel incident close`"));
        }
        match &self.reason {
            Some(reason) if !reasons.contains(&reason.as_str()) => {
                let list = if reasons.is_empty() { "none".to_owned() } else { reasons.join(", ") };
                Err(sentinel_error(format!("{classification} has no reason `{reason}`; it has: {list}")))
            }
            _ => Ok(()),
        }
    }

    /// The reason, where the classification has only one.
    fn complete(mut self) -> Self {
        let reasons = CLASSIFICATIONS.iter().find(|(name, _)| self.classification.as_deref() == Some(name));
        if let (None, Some((_, [only]))) = (&self.reason, reasons) {
            self.reason = Some((*only).to_owned());
        }
        self
    }

    /// One line per thing that will be different.
    fn against(&self, now: &IncidentView) -> Vec<String> {
        let mut lines = Vec::new();
        let mut compare = |what: &str, old: &str, new: Option<&str>| {
            if let Some(new) = new.filter(|new| *new != old) {
                let shown = |text: &str| if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
                lines.push(format!("  {what}: {} -> {}", shown(old), shown(new)));
            }
        };
        compare("title", &now.title, self.title.as_deref());
        compare("description", &now.description, self.description.as_deref());
        compare("severity", &now.severity, self.severity.map(Severity::name));
        compare("status", &now.status, self.status.map(Status::name));
        compare("owner", &now.owner, self.owner.as_deref());
        compare("classification", &now.classification, self.classification.as_deref());
        compare("reason", &now.reason, self.reason.as_deref());
        compare("closing comment", &now.closing_comment, self.closing_comment.as_deref());
        let labels: Vec<&str> =
            self.add_labels.iter().filter(|label| !now.labels.contains(label)).map(String::as_str).collect();
        if !labels.is_empty() {
            lines.push(format!("  labels: + {}", labels.join(", ")));
        }
        lines
    }
}

/// Said where nothing was done.
pub(crate) const DRY_RUN: &str = "Nothing is changed yet: add --yes to do it.";

impl Engine {
    /// Incidents, latest number first.
    pub fn incidents(&self, place: &Place, status: Option<Status>, top: usize) -> Result<DataFrame> {
        let incidents = match place {
            Place::Local => {
                let wanted = status.map(|status| format!("| where Status == '{}'", status.name())).unwrap_or_default();
                let query = format!("{LATEST} {wanted} | top {top} by IncidentNumber desc");
                self.logged(&SECURITY_INCIDENT, &query)?.into_iter().map(view).collect()
            }
            Place::Service(service) => service.incidents(status, top)?,
        };
        listing(&incidents)
    }

    /// One incident, by its number or name.
    pub fn incident(&self, place: &Place, id: &str) -> Result<IncidentView> {
        match place {
            Place::Local => {
                let condition = match id.parse::<i64>() {
                    Ok(number) => format!("IncidentNumber == {number}"),
                    Err(_) => format!("IncidentName == {}", Json::from(id)),
                };
                let query = format!("{LATEST} | where {condition}");
                let found = self.logged(&SECURITY_INCIDENT, &query)?.into_iter().next();
                found.map(view).ok_or_else(|| no_incident(id, "in the local workspace"))
            }
            Place::Service(service) => service.incident(id),
        }
    }

    /// Changes an incident, or with `commit` false only says what would change.
    pub fn change_incident(&self, place: &Place, id: &str, changes: IncidentChanges, commit: bool) -> Result<String> {
        changes.check()?;
        let changes = changes.complete();
        let now = self.incident(place, id)?;
        let lines = changes.against(&now);
        if lines.is_empty() {
            return Ok(format!("{}: it is already so", now.heading(place)));
        }
        let report = format!("{}\n{}", now.heading(place), lines.join("\n"));
        if !commit {
            return Ok(format!("{report}\n{DRY_RUN}"));
        }
        match place {
            Place::Local => self.log(&SECURITY_INCIDENT, &[changed_row(&now, &changes, Utc::now())])?,
            Place::Service(service) => service.put_incident(&now, &changes)?,
        }
        Ok(format!("{report}\nDone."))
    }

    /// Adds a comment to an incident, or with `commit` false only says so.
    pub fn comment_incident(&self, place: &Place, id: &str, message: &str, commit: bool) -> Result<String> {
        if message.trim().is_empty() || message.chars().count() > 30_000 {
            return Err(sentinel_error("a comment has 1 to 30,000 characters"));
        }
        let now = self.incident(place, id)?;
        let report = format!("{}\n  comment: + {message}", now.heading(place));
        if !commit {
            return Ok(format!("{report}\n{DRY_RUN}"));
        }
        match place {
            Place::Local => {
                let at = Utc::now();
                let mut row = changed_row(&now, &IncidentChanges::default(), at);
                let mut comments = row.get("Comments").and_then(Json::as_array).cloned().unwrap_or_default();
                comments.push(
                    json!({"message": message, "createdTimeUtc": time(at), "id": uuid::Uuid::new_v4().to_string()}),
                );
                row.insert("Comments".into(), Json::Array(comments));
                self.log(&SECURITY_INCIDENT, &[row])?;
            }
            Place::Service(service) => service.comment(&now, message)?,
        }
        Ok(format!("{report}\nDone."))
    }
}

pub(super) fn no_incident(id: &str, place: &str) -> crate::Error {
    sentinel_error(format!("there is no incident `{id}` {place}: `%sentinel incident list` shows what there is"))
}

impl IncidentView {
    fn heading(&self, place: &Place) -> String {
        format!("incident {} \"{}\" ({place})", self.number, self.title)
    }

    /// Everything about it, for a person.
    pub fn to_text(&self) -> String {
        let mut lines = vec![format!("incident {}: {}", self.number, self.title)];
        let mut line = |what: &str, text: &str| {
            if !text.is_empty() {
                lines.push(format!("  {what:<15} {text}"));
            }
        };
        let at = |time: Option<DateTime<Utc>>| time.map(|time| time.to_rfc3339()).unwrap_or_default();
        line("name", &self.name);
        line("severity", &self.severity);
        line("status", &self.status);
        line("owner", &self.owner);
        line("created", &at(self.created));
        line("modified", &at(self.modified));
        line("alerts", &self.alerts.to_string());
        line("labels", &self.labels.join(", "));
        line("classification", [self.classification.as_str(), &self.reason].join(" ").trim());
        line("closing comment", &self.closing_comment);
        line("description", &self.description);
        line("url", &self.url);
        for (time, message) in &self.comments {
            line("comment", format!("{} {message}", at(*time)).trim());
        }
        lines.join("\n")
    }
}

fn view(row: Row) -> IncidentView {
    let text = |column: &str| row.get(column).and_then(Json::as_str).unwrap_or_default().to_owned();
    let comments = row.get("Comments").and_then(Json::as_array).into_iter().flatten();
    let comments = comments.filter_map(|comment| {
        Some((comment.get("createdTimeUtc").and_then(moment), comment.get("message")?.as_str()?.to_owned()))
    });
    IncidentView {
        name: text("IncidentName"),
        number: row.get("IncidentNumber").and_then(Json::as_i64).unwrap_or(0),
        title: text("Title"),
        description: text("Description"),
        severity: text("Severity"),
        status: text("Status"),
        owner: service::owner_name(row.get("Owner")),
        labels: service::label_names(row.get("Labels")),
        classification: text("Classification"),
        reason: text("ClassificationReason"),
        closing_comment: text("ClassificationComment"),
        created: row.get("CreatedTime").and_then(moment),
        modified: row.get("LastModifiedTime").and_then(moment),
        alerts: row.get("AlertIds").and_then(Json::as_array).map_or(0, |ids| ids.len() as i64),
        comments: comments.collect(),
        url: text("IncidentUrl"),
        kept: Json::Object(row),
    }
}

/// The row that the incident has from now on.
fn changed_row(now: &IncidentView, changes: &IncidentChanges, at: DateTime<Utc>) -> Row {
    let mut row: Row = now.kept.as_object().cloned().unwrap_or_else(Map::new);
    let mut set = |column: &str, value: Option<Json>| {
        if let Some(value) = value {
            row.insert(column.to_owned(), value);
        }
    };
    set("TimeGenerated", Some(time(at)));
    set("LastModifiedTime", Some(time(at)));
    set("ModifiedBy", Some(json!("huntbook")));
    set("Title", changes.title.as_ref().map(|title| json!(title)));
    set("Description", changes.description.as_ref().map(|text| json!(text)));
    set("Severity", changes.severity.map(|severity| json!(severity.name())));
    set("Status", changes.status.map(|status| json!(status.name())));
    set("Owner", changes.owner.as_deref().map(service::owner_json));
    set("Classification", changes.classification.as_ref().map(|text| json!(text)));
    set("ClassificationReason", changes.reason.as_ref().map(|text| json!(text)));
    set("ClassificationComment", changes.closing_comment.as_ref().map(|text| json!(text)));
    match changes.status {
        Some(Status::Closed) => set("ClosedTime", Some(time(at))),
        Some(_) => ["ClosedTime", "Classification", "ClassificationReason", "ClassificationComment"]
            .into_iter()
            .for_each(|column| set(column, Some(Json::Null))),
        None => {}
    }
    if !changes.add_labels.is_empty() {
        set("Labels", Some(service::labels_json(now.kept.get("Labels"), &changes.add_labels)));
    }
    row
}

fn listing(incidents: &[IncidentView]) -> Result<DataFrame> {
    let texts =
        |get: fn(&IncidentView) -> &str| incidents.iter().map(|incident| get(incident).to_owned()).collect::<Vec<_>>();
    let times = |get: fn(&IncidentView) -> Option<DateTime<Utc>>| {
        let times = incidents.iter().map(|incident| get(incident).map(|time| time.timestamp_micros()));
        times.collect::<Vec<Option<i64>>>()
    };
    let time_type = DataType::Datetime(TimeUnit::Microseconds, None);
    let columns = vec![
        Column::new("IncidentNumber".into(), incidents.iter().map(|incident| incident.number).collect::<Vec<_>>()),
        Column::new("Severity".into(), texts(|incident| &incident.severity)),
        Column::new("Status".into(), texts(|incident| &incident.status)),
        Column::new("Title".into(), texts(|incident| &incident.title)),
        Column::new("Alerts".into(), incidents.iter().map(|incident| incident.alerts).collect::<Vec<_>>()),
        Column::new("Owner".into(), texts(|incident| &incident.owner)),
        Column::new("Classification".into(), texts(|incident| &incident.classification)),
        Column::new("CreatedTime".into(), times(|incident| incident.created)).cast(&time_type)?,
        Column::new("LastModifiedTime".into(), times(|incident| incident.modified)).cast(&time_type)?,
        Column::new("IncidentName".into(), texts(|incident| &incident.name)),
    ];
    Ok(DataFrame::new(incidents.len(), columns)?)
}
