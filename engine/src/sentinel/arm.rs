//! Rules as Azure Resource Manager takes them: `PUT .../alertRules/{id}`.

use serde_json::{Map, Value as Json, json};

use super::duration::{HOUR, RuleDuration};
use super::rule::{ENTITIES_COLUMNS, GroupingConfiguration, IncidentConfiguration, MatchingMethod, Rule};

/// What the service waits between alerts if a rule names no duration: it must have one even where it suppresses nothing.
const USUAL_SUPPRESSION: i64 = 5 * HOUR;
const USUAL_LOOKBACK: i64 = 5 * HOUR;

impl Rule {
    /// The body of the request that deploys the rule. The rule must be valid: what is missing is left out.
    pub fn to_arm(&self) -> Json {
        let mut properties = Map::new();
        let mut set = |key: &str, value: Json| {
            if !value.is_null() {
                properties.insert(key.to_owned(), value);
            }
        };
        let duration = |duration: &Option<RuleDuration>| duration.as_ref().map(RuleDuration::iso);
        set("displayName", json!(self.name));
        set("description", json!(self.description.trim()));
        set("enabled", json!(true));
        set("severity", json!(self.severity().name()));
        set("query", json!(self.query));
        set("queryFrequency", json!(duration(&self.query_frequency)));
        set("queryPeriod", json!(duration(&self.query_period)));
        set("triggerOperator", json!(self.trigger_operator.map(|operator| operator.arm_name())));
        set("triggerThreshold", json!(self.trigger_threshold));
        let suppression = duration(&self.suppression_duration);
        set(
            "suppressionDuration",
            json!(suppression.unwrap_or_else(|| RuleDuration::of_seconds(USUAL_SUPPRESSION).iso())),
        );
        set("suppressionEnabled", json!(self.suppression_enabled.unwrap_or(false)));
        set("tactics", json!(self.tactics()));
        // Sub-techniques have a property of their own, and only in previews.
        let mut techniques: Vec<&str> = Vec::new();
        for technique in self.techniques().iter().map(|technique| technique.split('.').next().unwrap_or(technique)) {
            if !techniques.contains(&technique) {
                techniques.push(technique);
            }
        }
        set("techniques", json!(techniques));
        set("entityMappings", json!(self.entity_mappings));
        set(ENTITIES_COLUMNS, json!(self.others.get(ENTITIES_COLUMNS)));
        set("customDetails", json!(self.custom_details));
        set("alertDetailsOverride", json!(self.alert_details_override));
        set("eventGroupingSettings", json!(self.event_grouping_settings));
        set("incidentConfiguration", json!(self.incident_configuration.as_ref().map(incidents)));
        json!({"kind": "Scheduled", "properties": properties})
    }
}

fn incidents(configuration: &IncidentConfiguration) -> Json {
    let mut body = json!({"createIncident": configuration.create_incident});
    if let Some(grouping) = &configuration.grouping_configuration {
        body["groupingConfiguration"] = grouped(grouping);
    }
    body
}

fn grouped(grouping: &GroupingConfiguration) -> Json {
    let lookback = grouping.lookback_duration.clone().unwrap_or_else(|| RuleDuration::of_seconds(USUAL_LOOKBACK));
    let list = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
    json!({
        "enabled": grouping.enabled,
        "reopenClosedIncident": grouping.reopen_closed_incident,
        "lookbackDuration": lookback.iso(),
        "matchingMethod": grouping.matching_method.unwrap_or(MatchingMethod::AllEntities),
        "groupByEntities": list(&grouping.group_by_entities),
        "groupByAlertDetails": list(&grouping.group_by_alert_details),
        "groupByCustomDetails": list(&grouping.group_by_custom_details),
    })
}
