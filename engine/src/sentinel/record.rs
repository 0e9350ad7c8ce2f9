//! What a rule raises, written to the workspace's tables: the same tables, and the same columns, that the service fills.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::alert::Alert;
use super::incident::{Incident, Status};
use super::rule::{Rule, RuleFile, Severity};
use super::store::{Row, SECURITY_ALERT, SECURITY_INCIDENT, moment, time};
use super::trial::{Known, Times, Trial};
use crate::{Engine, Result};

/// The latest row of each incident
pub(crate) const LATEST: &str = "| summarize arg_max(TimeGenerated, *) by IncidentName";

impl Engine {
    /// Runs a rule as [`Engine::test_rule`] does and writes what it raises to `SecurityAlert` and `SecurityIncident`. Alerts
    /// that are there already are not raised again; alerts join, and may reopen, incidents of the workspace.
    pub fn record_rule(&self, file: &RuleFile, times: Times) -> Result<Trial> {
        let known = self.known_of(&file.rule)?;
        let mut trial = self.run_rule(file, times, known)?;
        let mut number = self.last_incident_number()?;
        for incident in &mut trial.incidents {
            incident.number.get_or_insert_with(|| {
                number += 1;
                number
            });
        }
        let alerts: Vec<Row> = trial.alerts.iter().map(|alert| alert_row(&file.rule, alert)).collect();
        self.log(&SECURITY_ALERT, &alerts)?;
        let now = Utc::now();
        let rows = trial.incidents.iter().map(|incident| self.incident_row(&file.rule, incident, now));
        self.log(&SECURITY_INCIDENT, &rows.collect::<Result<Vec<Row>>>()?)?;
        Ok(trial)
    }

    fn known_of(&self, rule: &Rule) -> Result<Known> {
        let id = Json::from(rule.id.as_str());
        let query = format!("| where AlertType == {id} | distinct SystemAlertId");
        let alerts = self.logged(&SECURITY_ALERT, &query)?;
        let ids = alerts.iter().filter_map(|row| Some(row.get("SystemAlertId")?.as_str()?.to_owned()));
        let query =
            format!("{LATEST} | where tostring(RelatedAnalyticRuleIds) contains {id} | sort by CreatedTime asc");
        let incidents = self.logged(&SECURITY_INCIDENT, &query)?;
        Ok(Known { alerts: ids.collect(), incidents: incidents.iter().filter_map(incident_of).collect() })
    }

    pub(crate) fn last_incident_number(&self) -> Result<i64> {
        let rows = self.logged(&SECURITY_INCIDENT, "| summarize last = max(IncidentNumber)")?;
        Ok(rows.first().and_then(|row| row.get("last")?.as_i64()).unwrap_or(0))
    }

    /// The row that an incident has from now on: what people have set stays.
    fn incident_row(&self, rule: &Rule, incident: &Incident, now: DateTime<Utc>) -> Result<Row> {
        let query = format!("{LATEST} | where IncidentName == {}", Json::from(incident.name.as_str()));
        let mut row = self.logged(&SECURITY_INCIDENT, &query)?.into_iter().next().unwrap_or_else(|| new_row(incident));
        let mut set = |column: &str, value: Json| drop(row.insert(column.to_owned(), value));
        set("TimeGenerated", time(now));
        set("LastModifiedTime", time(now));
        set("Severity", json!(incident.severity.name()));
        set("Status", json!(incident.status.name()));
        set("FirstActivityTime", time(incident.activity.0));
        set("LastActivityTime", time(incident.activity.1));
        set("AlertIds", json!(incident.alerts));
        set("RelatedAnalyticRuleIds", json!([rule.id]));
        set("IncidentNumber", json!(incident.number));
        set("ModifiedBy", json!("Incident created from alert"));
        set(
            "AdditionalData",
            json!({
                "alertsCount": incident.alerts.len(),
                "alertProductNames": ["Azure Sentinel"],
                "tactics": incident.tactics,
                "techniques": incident.techniques,
                // Which alerts join the incident: the service keeps it elsewhere.
                "groupingKey": incident.key,
            }),
        );
        if incident.reopened {
            for column in ["ClosedTime", "Classification", "ClassificationReason", "ClassificationComment"] {
                set(column, Json::Null);
            }
        }
        Ok(row)
    }
}

fn new_row(incident: &Incident) -> Row {
    let row = json!({
        "IncidentName": incident.name,
        "Title": incident.title,
        "Description": incident.description,
        "CreatedTime": time(incident.created),
        "FirstModifiedTime": time(incident.created),
        "ProviderName": "Azure Sentinel",
        "Owner": {"objectId": null, "email": null, "assignedTo": null, "userPrincipalName": null},
        "BookmarkIds": [],
        "Comments": [],
        "Tasks": [],
        "Labels": [],
    });
    row.as_object().cloned().unwrap_or_default()
}

/// An incident as its row has it; `None` for rows that other programs have left incomplete.
fn incident_of(row: &Row) -> Option<Incident> {
    let text = |column: &str| row.get(column).and_then(Json::as_str).unwrap_or_default().to_owned();
    let at = |column: &str| row.get(column).and_then(moment);
    let list = |value: Option<&Json>| -> Vec<String> {
        value
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .filter_map(|item| Some(item.as_str()?.to_owned()))
            .collect()
    };
    let additional = row.get("AdditionalData");
    let created = at("CreatedTime")?;
    Some(Incident {
        name: text("IncidentName"),
        title: text("Title"),
        description: text("Description"),
        severity: Severity::named(&text("Severity"))?,
        status: Status::named(&text("Status"))?,
        created,
        activity: (at("FirstActivityTime").unwrap_or(created), at("LastActivityTime").unwrap_or(created)),
        alerts: list(row.get("AlertIds")),
        tactics: list(additional.and_then(|data| data.get("tactics"))),
        techniques: list(additional.and_then(|data| data.get("techniques"))),
        entities: Vec::new(),
        key: additional.and_then(|data| Some(data.get("groupingKey")?.as_str()?.to_owned())),
        number: row.get("IncidentNumber").and_then(Json::as_i64),
        joined: 0,
        reopened: false,
    })
}

/// As the service fills `SecurityAlert` for scheduled rules.
fn alert_row(rule: &Rule, alert: &Alert) -> Row {
    let entities: Vec<Json> =
        alert.entities.iter().enumerate().map(|(at, entity)| with_id(entity.to_json(), at)).collect();
    let custom: Map<String, Json> =
        alert.custom_details.iter().map(|(name, values)| (name.clone(), json!(values))).collect();
    let operator = rule.trigger_operator.map(|operator| operator.arm_name());
    let extended = json!({
        "Query Period": rule.query_period.as_ref().map(|period| period.iso()),
        "Trigger Operator": operator,
        "Trigger Threshold": rule.trigger_threshold.map(|threshold| threshold.to_string()),
        "Query Results Aggregation Kind": format!("{:?}", rule.aggregation()),
        "Search Query Results Overall Count": alert.rows.to_string(),
        "Query Start Time UTC": time(alert.window.0),
        "Query End Time UTC": time(alert.window.1),
        "Query": rule.query,
        "Custom Details": Json::Object(custom).to_string(),
        "Analytic Rule Ids": json!([rule.id]).to_string(),
        "Analytic Rule Name": rule.name,
    });
    let row = json!({
        "TimeGenerated": time(alert.time),
        "DisplayName": alert.name,
        "AlertName": alert.name,
        "AlertSeverity": alert.severity.name(),
        "Description": alert.description,
        "ProviderName": "ASI Scheduled Alerts",
        "VendorName": "Microsoft",
        "VendorOriginalId": alert.id,
        "SystemAlertId": alert.id,
        "AlertType": rule.id,
        "IsIncident": false,
        "StartTime": time(alert.activity.0),
        "EndTime": time(alert.activity.1),
        "ProcessingEndTime": time(alert.time),
        "ExtendedProperties": extended.to_string(),
        "Entities": Json::Array(entities).to_string(),
        "ProductName": "Azure Sentinel",
        "ProductComponentName": "Scheduled Alerts",
        "Status": "New",
        "Tactics": alert.tactics.join(", "),
        "Techniques": json!(alert.techniques).to_string(),
    });
    let mut row = row.as_object().cloned().unwrap_or_default();
    row.extend(alert.properties.iter().map(|(property, value)| (property.clone(), json!(value))));
    row
}

/// Entities refer to each other by these ids.
fn with_id(entity: Json, at: usize) -> Json {
    let mut object = Map::from_iter([("$id".to_owned(), json!((at + 2).to_string()))]);
    object.extend(entity.as_object().cloned().unwrap_or_default());
    Json::Object(object)
}
