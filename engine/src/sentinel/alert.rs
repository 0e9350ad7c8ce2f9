//! From the rows of a run to the alerts that the service would raise.

use chrono::{DateTime, Utc};
use huntbook_kql::{KqlTable, batch};
use polars::prelude::AnyValue;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::entities::EntityType;
use super::problems::{filled, is_tactic};
use super::rule::{AggregationKind, Rule, Severity};

/// The service raises so many alerts for the rows of a run; the last stands for all rows.
const ALERTS_PER_RUN: usize = 150;
const MAX_NAME: usize = 256;
const MAX_DESCRIPTION: usize = 5000;
const TIME: &str = "TimeGenerated";

/// One run of a rule: rows from `from` until before `at`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) from: DateTime<Utc>,
    pub(crate) at: DateTime<Utc>,
}

/// An alert as the service would raise it.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The same for the same rule, run and rows
    pub id: String,
    /// When the rule ran
    pub time: DateTime<Utc>,
    /// What the rule looked at
    pub window: (DateTime<Utc>, DateTime<Utc>),
    /// First and last `TimeGenerated` of its rows; the window where they have none
    pub activity: (DateTime<Utc>, DateTime<Utc>),
    pub name: String,
    pub description: String,
    pub severity: Severity,
    pub tactics: Vec<String>,
    pub techniques: Vec<String>,
    /// Rows behind it
    pub rows: usize,
    pub entities: Vec<Entity>,
    /// Values by the detail's name
    pub custom_details: Vec<(String, Vec<String>)>,
    /// `AlertLink`, `ProductName`, ... by the rule's override
    pub properties: Vec<(String, String)>,
}

/// An entity of an alert. Identifiers have values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity {
    pub entity_type: String,
    pub identifiers: Vec<(String, String)>,
}

impl Entity {
    /// As the column `Entities` of `SecurityAlert` has it
    pub(crate) fn to_json(&self) -> Json {
        let alert_type =
            EntityType::named(&self.entity_type).map_or(self.entity_type.as_str(), |known| known.alert_type);
        let mut object = Map::from_iter([("Type".to_owned(), json!(alert_type))]);
        object.extend(self.identifiers.iter().map(|(identifier, value)| (identifier.clone(), json!(value))));
        Json::Object(object)
    }
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values: Vec<&str> = self.identifiers.iter().map(|(_, value)| value.as_str()).collect();
        write!(f, "{} {}", self.entity_type, values.join(" "))
    }
}

/// The alerts of a run whose rows met the threshold.
pub(crate) fn alerts(rule: &Rule, run: Run, result: &KqlTable) -> Vec<Alert> {
    let rows = Rows { result };
    let all: Vec<usize> = (0..result.frame.height()).collect();
    let of = |place: usize, rows_behind: &[usize]| alert(rule, run, &rows, place, rows_behind);
    match rule.aggregation() {
        AggregationKind::AlertPerResult if all.len() > 1 => {
            let single = if all.len() > ALERTS_PER_RUN { ALERTS_PER_RUN - 1 } else { all.len() };
            let mut alerts: Vec<Alert> = all[..single].iter().map(|row| of(*row, &[*row])).collect();
            if all.len() > single {
                alerts.push(of(single, &all));
            }
            alerts
        }
        _ => vec![of(0, &all)],
    }
}

/// `place` tells the alerts of a run apart.
fn alert(rule: &Rule, run: Run, rows: &Rows<'_>, place: usize, behind: &[usize]) -> Alert {
    let details = rule.alert_details_override.clone().unwrap_or_default();
    // Where an alert has several rows, the first gives the details.
    let first = behind.first().copied();
    let of_column =
        |column: &Option<String>| first.zip(column.as_deref()).and_then(|(row, column)| rows.text(row, column));
    let written = |format: &Option<String>, usual: &str, limit: usize| {
        let text = format.as_deref().zip(first).map(|(format, row)| rows.filled(row, format));
        let text = text.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| usual.trim().to_owned());
        text.chars().take(limit).collect::<String>()
    };
    let tactics = of_column(&details.alert_tactics_column_name).map(|text| named_tactics(&text)).unwrap_or_default();
    let severity = of_column(&details.alert_severity_column_name).and_then(|text| Severity::named(&text));
    let properties = details.alert_dynamic_properties.iter().flatten().filter_map(|property| {
        let value = rows.text(first?, &property.value)?;
        Some((property.alert_property.clone(), value))
    });
    Alert {
        id: alert_id(rule, run, place),
        time: run.at,
        window: (run.from, run.at),
        activity: rows.activity(behind).unwrap_or((run.from, run.at)),
        name: written(&details.alert_display_name_format, &rule.name, MAX_NAME),
        description: written(&details.alert_description_format, &rule.description, MAX_DESCRIPTION),
        severity: severity.unwrap_or_else(|| rule.severity()),
        tactics: if tactics.is_empty() { rule.tactics().to_vec() } else { tactics },
        techniques: rule.techniques().to_vec(),
        rows: behind.len(),
        entities: entities(rule, rows, behind),
        custom_details: custom_details(rule, rows, behind),
        properties: properties.collect(),
    }
}

fn entities(rule: &Rule, rows: &Rows<'_>, behind: &[usize]) -> Vec<Entity> {
    let mut found: Vec<Entity> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for mapping in rule.entity_mappings() {
        let Some(known) = EntityType::named(&mapping.entity_type) else { continue };
        for row in behind {
            let values = mapping.field_mappings.iter().filter_map(|field| {
                let value = rows.text(*row, &field.column_name)?;
                Some((field.identifier.clone(), value))
            });
            let identifiers: Vec<(String, String)> = values.collect();
            let present: Vec<&str> = identifiers.iter().map(|(identifier, _)| identifier.as_str()).collect();
            // A row whose columns are empty names nobody.
            if !known.is_made_of(&present) {
                continue;
            }
            if seen.insert((known.name, identifiers.clone())) {
                found.push(Entity { entity_type: known.name.to_owned(), identifiers });
            }
        }
    }
    found
}

fn custom_details(rule: &Rule, rows: &Rows<'_>, behind: &[usize]) -> Vec<(String, Vec<String>)> {
    let values = |column: &str| {
        let mut values: Vec<String> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for value in behind.iter().filter_map(|row| rows.text(*row, column)) {
            if seen.insert(value.clone()) {
                values.push(value);
            }
        }
        values
    };
    rule.custom_details().map(|(name, column)| (name.to_owned(), values(column))).collect()
}

/// A tactic, several with commas, or a JSON array; names that are no tactics do not count.
fn named_tactics(text: &str) -> Vec<String> {
    let list = match serde_json::from_str::<Vec<String>>(text) {
        Ok(list) => list,
        Err(_) => text.split(',').map(|tactic| tactic.trim().to_owned()).collect(),
    };
    list.into_iter().filter(|tactic| is_tactic(tactic)).collect()
}

/// A GUID made of what the alert is about: running the rule again over the same time gives the same alerts.
fn alert_id(rule: &Rule, run: Run, place: usize) -> String {
    guid_of(&[&rule.id, &run.at.to_rfc3339(), &place.to_string()])
}

pub(crate) fn guid_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The rows of a result by the names of their columns.
struct Rows<'r> {
    result: &'r KqlTable,
}

impl Rows<'_> {
    /// A cell as text; `None` for null, for empty text, and where there is no such column.
    fn text(&self, row: usize, column: &str) -> Option<String> {
        let at = self.result.schema.iter().position(|known| known.name == column)?;
        let value = self.result.frame.columns()[at].get(row).unwrap_or(AnyValue::Null);
        batch::text(&value, self.result.schema[at].kql_type).filter(|text| !text.is_empty())
    }

    /// A text with the values of a row in the place of `{{Column}}`.
    fn filled(&self, row: usize, format: &str) -> String {
        filled(format, |column| self.text(row, column).unwrap_or_default())
    }

    fn activity(&self, behind: &[usize]) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let times = behind.iter().filter_map(|row| {
            let text = self.text(*row, TIME)?;
            DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc())
        });
        times.fold(None, |span, time| match span {
            None => Some((time, time)),
            Some((first, last)) => Some((time.min(first), time.max(last))),
        })
    }
}
