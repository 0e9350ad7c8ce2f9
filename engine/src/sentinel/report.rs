//! What a trial found: tables, text and JSON.

use huntbook_kql::KqlType;
use polars::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::alert::{Alert, Entity};
use super::incident::Incident;
use super::rule::{Rule, RuleFile};
use super::store::time;
use super::trial::Trial;
use crate::{Result, text_table};

impl Trial {
    /// One line: how often the rule ran, and what came of it.
    pub fn summary(&self) -> String {
        let span = match self.times {
            (first, last) if first == last => format!("at {}", first.format("%Y-%m-%d %H:%M:%SZ")),
            (first, last) => format!("from {} to {}", first.format("%Y-%m-%d %H:%MZ"), last.format("%Y-%m-%d %H:%MZ")),
        };
        let mut parts = vec![format!("{} {span}", counted(self.runs, "run"))];
        parts.push(format!("{} met the threshold", self.met));
        if self.suppressed > 0 {
            parts.push(format!("{} left out while suppressed", self.suppressed));
        }
        parts.push(counted(self.alerts.len(), "alert"));
        if self.known > 0 {
            parts.push(format!("{} known already", self.known));
        }
        parts.push(counted(self.incidents.len(), "incident"));
        parts.join(", ")
    }

    /// A row per alert.
    pub fn alerts_frame(&self) -> Result<DataFrame> {
        let texts = |get: &dyn Fn(&Alert) -> String| self.alerts.iter().map(get).collect::<Vec<String>>();
        let columns = vec![
            times("TimeGenerated", self.alerts.iter().map(|alert| alert.time))?,
            Column::new("Severity".into(), texts(&|alert| alert.severity.name().to_owned())),
            Column::new("AlertName".into(), texts(&|alert| alert.name.clone())),
            Column::new("Rows".into(), self.alerts.iter().map(|alert| alert.rows as i64).collect::<Vec<i64>>()),
            Column::new("Entities".into(), texts(&|alert| named(&alert.entities))),
            Column::new("CustomDetails".into(), texts(&|alert| details(alert))),
            Column::new("Incident".into(), texts(&|alert| self.incident_of(alert))),
        ];
        Ok(DataFrame::new(self.alerts.len(), columns)?)
    }

    /// A row per incident.
    pub fn incidents_frame(&self) -> Result<DataFrame> {
        let texts = |get: &dyn Fn(&Incident) -> String| self.incidents.iter().map(get).collect::<Vec<String>>();
        let columns = vec![
            Column::new("Incident".into(), self.incidents.iter().enumerate().map(number).collect::<Vec<i64>>()),
            times("CreatedTime", self.incidents.iter().map(|incident| incident.created))?,
            Column::new("Severity".into(), texts(&|incident| incident.severity.name().to_owned())),
            Column::new("Status".into(), texts(&status)),
            Column::new("Title".into(), texts(&|incident| incident.title.clone())),
            Column::new(
                "Alerts".into(),
                self.incidents.iter().map(|own| own.alerts.len() as i64).collect::<Vec<i64>>(),
            ),
            Column::new("Entities".into(), texts(&|incident| named(&incident.entities))),
        ];
        Ok(DataFrame::new(self.incidents.len(), columns)?)
    }

    fn incident_of(&self, alert: &Alert) -> String {
        let found = self.incidents.iter().enumerate().find(|(_, incident)| incident.alerts.contains(&alert.id));
        found.map(|incident| number(incident).to_string()).unwrap_or_default()
    }

    /// The summary and both tables as text. With `line`, cells are cut so that a row fits into so many characters.
    pub fn to_text(&self, file: &RuleFile, line: Option<usize>) -> Result<String> {
        let mut parts = vec![heading(&file.name, &file.rule), format!("  {}", self.summary())];
        for (what, frame) in [("Alerts", self.alerts_frame()?), ("Incidents", self.incidents_frame()?)] {
            if frame.height() > 0 {
                let types: Vec<KqlType> = frame.columns().iter().map(|column| kql_type(column.dtype())).collect();
                parts.push(format!("\n{what}: {}", text_table::render(&frame, &types, line)?));
            }
        }
        Ok(parts.join("\n"))
    }

    /// Everything, for programs.
    pub fn to_json(&self, file: &RuleFile) -> Json {
        json!({
            "file": file.name,
            "rule": {"id": file.rule.id, "name": file.rule.name, "severity": file.rule.severity().name()},
            "firstRun": time(self.times.0),
            "lastRun": time(self.times.1),
            "runs": self.runs,
            "met": self.met,
            "suppressed": self.suppressed,
            "known": self.known,
            "alerts": self.alerts.iter().map(alert_json).collect::<Vec<Json>>(),
            "incidents": self.incidents.iter().enumerate().map(incident_json).collect::<Vec<Json>>(),
        })
    }
}

/// `rules/x.yaml: Rare access (High), every 1h over 1d, > 0 rows`
pub(crate) fn heading(file: &str, rule: &Rule) -> String {
    let duration =
        |duration: &Option<super::RuleDuration>| duration.as_ref().map(ToString::to_string).unwrap_or_default();
    let operator = rule.trigger_operator.map_or("", |operator| operator.symbol());
    format!(
        "{file}: {} ({}), every {} over {}, {operator} {} rows",
        rule.name,
        rule.severity().name(),
        duration(&rule.query_frequency),
        duration(&rule.query_period),
        rule.trigger_threshold.unwrap_or(0)
    )
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn times(name: &str, moments: impl Iterator<Item = chrono::DateTime<chrono::Utc>>) -> Result<Column> {
    let moments: Vec<i64> = moments.map(|moment| moment.timestamp_micros()).collect();
    Ok(Column::new(name.into(), moments).cast(&DataType::Datetime(TimeUnit::Microseconds, None))?)
}

fn kql_type(data_type: &DataType) -> KqlType {
    match data_type {
        DataType::Int64 => KqlType::Long,
        DataType::Datetime(..) => KqlType::Datetime,
        _ => KqlType::String,
    }
}

/// Recorded incidents have the workspace's numbers; others count from 1.
fn number((at, incident): (usize, &Incident)) -> i64 {
    incident.number.unwrap_or(at as i64 + 1)
}

fn status(incident: &Incident) -> String {
    let reopened = if incident.reopened { " (reopened)" } else { "" };
    format!("{}{reopened}", incident.status.name())
}

fn named(entities: &[Entity]) -> String {
    entities.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn details(alert: &Alert) -> String {
    let detail = |(name, values): &(String, Vec<String>)| format!("{name}={}", values.join("|"));
    alert.custom_details.iter().map(detail).collect::<Vec<_>>().join(", ")
}

fn alert_json(alert: &Alert) -> Json {
    let details: Map<String, Json> =
        alert.custom_details.iter().map(|(name, values)| (name.clone(), json!(values))).collect();
    let properties: Map<String, Json> =
        alert.properties.iter().map(|(property, value)| (property.clone(), json!(value))).collect();
    json!({
        "id": alert.id,
        "time": time(alert.time),
        "windowStart": time(alert.window.0),
        "windowEnd": time(alert.window.1),
        "firstActivity": time(alert.activity.0),
        "lastActivity": time(alert.activity.1),
        "name": alert.name,
        "description": alert.description,
        "severity": alert.severity.name(),
        "tactics": alert.tactics,
        "techniques": alert.techniques,
        "rows": alert.rows,
        "entities": alert.entities.iter().map(Entity::to_json).collect::<Vec<Json>>(),
        "customDetails": details,
        "properties": properties,
    })
}

fn incident_json(place: (usize, &Incident)) -> Json {
    let (_, incident) = place;
    json!({
        "number": number(place),
        "name": incident.name,
        "title": incident.title,
        "severity": incident.severity.name(),
        "status": incident.status.name(),
        "reopened": incident.reopened,
        "created": time(incident.created),
        "firstActivity": time(incident.activity.0),
        "lastActivity": time(incident.activity.1),
        "tactics": incident.tactics,
        "alerts": incident.alerts,
        "entities": incident.entities.iter().map(Entity::to_json).collect::<Vec<Json>>(),
    })
}
