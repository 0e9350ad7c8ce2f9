//! Analytics rules as the Azure-Sentinel repository writes them in YAML.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use serde_yaml_ng::{Mapping, Value as Yaml};

use super::duration::RuleDuration;
use super::lines::{Lines, Step};
use crate::{Error, Result};

/// A rule, read or about to be written. What a valid rule must have may still be missing: [`RuleFile::problems`] says so.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// A GUID; the name of the rule's resource when it is deployed
    pub id: String,
    pub name: String,
    pub description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_data_connectors: Option<Vec<Yaml>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_frequency: Option<RuleDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_period: Option<RuleDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_operator: Option<TriggerOperator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_threshold: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tactics: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevant_techniques: Option<Vec<String>>,
    pub query: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_mappings: Option<Vec<EntityMapping>>,
    /// A detail's name to the column that it comes from
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_details: Option<Map<String, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_details_override: Option<AlertDetailsOverride>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_grouping_settings: Option<EventGroupingSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident_configuration: Option<IncidentConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppression_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppression_duration: Option<RuleDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Keys that mean nothing here: `status`, `tags`, `metadata`, ... They are written back as they were.
    #[serde(skip)]
    pub others: Mapping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Severity {
    Informational,
    Low,
    Medium,
    High,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Informational => "Informational",
            Severity::Low => "Low",
            Severity::Medium => "Medium",
            Severity::High => "High",
        }
    }

    pub fn named(name: &str) -> Option<Severity> {
        let all = [Severity::Informational, Severity::Low, Severity::Medium, Severity::High];
        all.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(name.trim()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum TriggerOperator {
    #[serde(rename = "gt", alias = "GreaterThan")]
    GreaterThan,
    #[serde(rename = "lt", alias = "LessThan")]
    LessThan,
    #[serde(rename = "eq", alias = "Equal")]
    Equal,
    #[serde(rename = "ne", alias = "NotEqual")]
    NotEqual,
}

impl TriggerOperator {
    pub(crate) fn holds(self, count: i64, threshold: i64) -> bool {
        match self {
            TriggerOperator::GreaterThan => count > threshold,
            TriggerOperator::LessThan => count < threshold,
            TriggerOperator::Equal => count == threshold,
            TriggerOperator::NotEqual => count != threshold,
        }
    }

    pub(crate) fn symbol(self) -> &'static str {
        match self {
            TriggerOperator::GreaterThan => ">",
            TriggerOperator::LessThan => "<",
            TriggerOperator::Equal => "==",
            TriggerOperator::NotEqual => "!=",
        }
    }

    /// As ARM writes it
    pub(crate) fn arm_name(self) -> &'static str {
        match self {
            TriggerOperator::GreaterThan => "GreaterThan",
            TriggerOperator::LessThan => "LessThan",
            TriggerOperator::Equal => "Equal",
            TriggerOperator::NotEqual => "NotEqual",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityMapping {
    pub entity_type: String,
    pub field_mappings: Vec<FieldMapping>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldMapping {
    pub identifier: String,
    pub column_name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AlertDetailsOverride {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_display_name_format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_description_format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_tactics_column_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_severity_column_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_dynamic_properties: Option<Vec<DynamicProperty>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicProperty {
    pub alert_property: String,
    /// A column
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventGroupingSettings {
    pub aggregation_kind: AggregationKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum AggregationKind {
    /// All rows of a run make one alert.
    SingleAlert,
    /// Each row of a run makes an alert.
    AlertPerResult,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentConfiguration {
    pub create_incident: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouping_configuration: Option<GroupingConfiguration>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupingConfiguration {
    pub enabled: bool,
    #[serde(default)]
    pub reopen_closed_incident: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookback_duration: Option<RuleDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matching_method: Option<MatchingMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by_entities: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by_alert_details: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by_custom_details: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum MatchingMethod {
    AllEntities,
    AnyAlert,
    Selected,
}

/// Columns that hold whole entities: only the service reads them.
pub(crate) const ENTITIES_COLUMNS: &str = "sentinelEntitiesMappings";

/// Keys that rules of the repository have and that neither a test nor a deployment needs.
const PASSED_OVER: [&str; 8] =
    ["status", "tags", "metadata", "source", "author", "subTechniques", "enabled", ENTITIES_COLUMNS];

/// A rule with the file that it stands in.
#[derive(Clone, Debug)]
pub struct RuleFile {
    pub rule: Rule,
    /// What messages call the file
    pub name: String,
    pub(crate) text: String,
    pub(crate) lines: Lines,
}

impl RuleFile {
    /// Reads YAML.
    ///
    /// Errors: text that is not YAML or has a value of a wrong type, with its line.
    pub fn read(name: &str, text: &str) -> Result<RuleFile> {
        // Windows programs put a byte order mark in front of the text.
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let wrong = |error: serde_yaml_ng::Error| {
            let line = error.location().map_or(1, |location| location.line());
            Error::new("RuleError", format!("{name}:{line}: this is not an analytics rule: {error}"))
        };
        let keys: Mapping = serde_yaml_ng::from_str(&text).map_err(wrong)?;
        let mut rule: Rule = serde_yaml_ng::from_str(&text).map_err(wrong)?;
        let known = known_keys();
        let is_other = |key: &Yaml| !key.as_str().is_some_and(|key| known.contains(&key));
        rule.others = keys.into_iter().filter(|(key, _)| is_other(key)).collect();
        let lines = Lines::of(&text);
        Ok(RuleFile { rule, name: name.to_owned(), text, lines })
    }

    /// Does this YAML look like an analytics rule? Folders of the repository hold other files too.
    pub fn is_rule(text: &str) -> bool {
        let has = |key: &str| text.lines().any(|line| line.trim_start_matches('\u{feff}').starts_with(key));
        has("query:") && (has("triggerOperator:") || has("queryFrequency:") || has("severity:"))
    }

    pub(crate) fn line(&self, path: &[Step<'_>]) -> usize {
        self.lines.find(path)
    }

    /// Keys that are neither a rule's nor passed over, with the key that was probably meant.
    pub(crate) fn unknown_keys(&self) -> Vec<(String, Option<&'static str>)> {
        let known = known_keys();
        let keys = self.rule.others.keys().filter_map(Yaml::as_str).filter(|key| !PASSED_OVER.contains(key));
        let meant = |key: &str| known.iter().find(|known| known.eq_ignore_ascii_case(key)).copied();
        keys.map(|key| (key.to_owned(), meant(key))).collect()
    }
}

impl Rule {
    /// The rule as YAML, keys in the order of the repository.
    pub fn to_yaml(&self) -> Result<String> {
        let failed = |error: serde_yaml_ng::Error| Error::new("RuleError", format!("cannot write the rule: {error}"));
        let mut keys: Mapping = match serde_yaml_ng::to_value(self).map_err(failed)? {
            Yaml::Mapping(keys) => keys,
            _ => return Err(Error::new("RuleError", "cannot write the rule: it is no mapping")),
        };
        // `version` and `kind` stay last, as everywhere in the repository.
        let last: Vec<(Yaml, Yaml)> =
            ["version", "kind"].into_iter().filter_map(|key| keys.remove_entry(key)).collect();
        keys.extend(self.others.clone());
        keys.extend(last);
        serde_yaml_ng::to_string(&keys).map_err(failed)
    }

    pub(crate) fn severity(&self) -> Severity {
        self.severity.unwrap_or(Severity::Medium)
    }

    pub(crate) fn entity_mappings(&self) -> &[EntityMapping] {
        self.entity_mappings.as_deref().unwrap_or_default()
    }

    pub(crate) fn custom_details(&self) -> impl Iterator<Item = (&str, &str)> {
        let details = self.custom_details.iter().flatten();
        details.filter_map(|(name, column)| Some((name.as_str(), column.as_str()?)))
    }

    pub(crate) fn tactics(&self) -> &[String] {
        self.tactics.as_deref().unwrap_or_default()
    }

    pub(crate) fn techniques(&self) -> &[String] {
        self.relevant_techniques.as_deref().unwrap_or_default()
    }

    pub(crate) fn aggregation(&self) -> AggregationKind {
        self.event_grouping_settings.as_ref().map_or(AggregationKind::SingleAlert, |settings| settings.aggregation_kind)
    }

    /// A rule without the setting makes incidents, as the portal's do.
    pub(crate) fn creates_incidents(&self) -> bool {
        self.incident_configuration.as_ref().is_none_or(|configuration| configuration.create_incident)
    }

    /// Set where alerts are grouped into incidents.
    pub(crate) fn grouping(&self) -> Option<&GroupingConfiguration> {
        let grouping = self.incident_configuration.as_ref()?.grouping_configuration.as_ref()?;
        grouping.enabled.then_some(grouping)
    }

    /// Seconds without runs after an alert.
    pub(crate) fn suppression(&self) -> Option<i64> {
        self.suppression_enabled.filter(|enabled| *enabled)?;
        self.suppression_duration.as_ref().map(RuleDuration::seconds)
    }
}

fn known_keys() -> [&'static str; 21] {
    [
        "id",
        "name",
        "description",
        "severity",
        "requiredDataConnectors",
        "queryFrequency",
        "queryPeriod",
        "triggerOperator",
        "triggerThreshold",
        "tactics",
        "relevantTechniques",
        "query",
        "entityMappings",
        "customDetails",
        "alertDetailsOverride",
        "eventGroupingSettings",
        "incidentConfiguration",
        "suppressionEnabled",
        "suppressionDuration",
        "version",
        "kind",
    ]
}
