//! A rule from a query: what the query gives decides the entities.

use huntbook_kql::Check;

use super::duration::{DAY, HOUR, RuleDuration};
use super::entities::EntityType;
use super::rule::{
    AggregationKind, EntityMapping, EventGroupingSettings, FieldMapping, GroupingConfiguration, IncidentConfiguration,
    MatchingMethod, Rule, Severity, TriggerOperator,
};
use crate::{Engine, Error, Result};

/// What is asked of a new rule; the rest has the portal's defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewRule {
    pub name: String,
    pub query: String,
    pub description: Option<String>,
    pub severity: Option<Severity>,
    pub frequency: Option<RuleDuration>,
    pub period: Option<RuleDuration>,
    pub tactics: Vec<String>,
    pub techniques: Vec<String>,
    /// `Account.Name=user`: type, identifier, column
    pub entities: Vec<String>,
    /// `Score=anomaly_score`: detail, column
    pub details: Vec<String>,
    /// An alert per row, not one per run
    pub alert_per_row: bool,
}

/// Columns that name the same thing in every table of the service.
const WELL_KNOWN: [(&str, &str, &str); 22] = [
    ("UserPrincipalName", "Account", "FullName"),
    ("AccountUPN", "Account", "FullName"),
    ("Account", "Account", "FullName"),
    ("TargetAccount", "Account", "FullName"),
    ("AccountName", "Account", "Name"),
    ("UserName", "Account", "Name"),
    ("user", "Account", "Name"),
    ("TargetUserName", "Account", "Name"),
    ("SubjectUserName", "Account", "Name"),
    ("Computer", "Host", "FullName"),
    ("DeviceName", "Host", "FullName"),
    ("HostName", "Host", "HostName"),
    ("IPAddress", "IP", "Address"),
    ("IpAddress", "IP", "Address"),
    ("SourceIP", "IP", "Address"),
    ("SrcIpAddr", "IP", "Address"),
    ("ClientIP", "IP", "Address"),
    ("CallerIpAddress", "IP", "Address"),
    ("RemoteIP", "IP", "Address"),
    ("Url", "URL", "Url"),
    ("RequestURL", "URL", "Url"),
    ("DomainName", "DNS", "DomainName"),
];

impl Engine {
    /// The query that a frame was bound by, for a rule.
    ///
    /// Errors: a frame that no query made, or whose query reads other frames: a rule sees tables only.
    pub fn query_of(&self, frame: &str) -> Result<String> {
        let id =
            self.binding(frame).ok_or_else(|| Error::new("FrameError", format!("no frame is called `{frame}`")))?;
        let Some(query) = self.state().queries.get(&id).cloned() else {
            let message = format!(
                "`{frame}` was not made by `%kql {frame} << ...`, so that there is no query to make a rule of: give one with --query"
            );
            return Err(Error::new("RuleError", message));
        };
        let others = huntbook_kql::tables_mentioned(&query).into_iter().filter(|name| self.binding(name).is_some());
        let others: Vec<String> = others.collect();
        if !others.is_empty() {
            let message = format!(
                "the query of `{frame}` reads the frame(s) {}, which no rule can see: write them to a table with %la_write, or give the whole query with --query",
                others.join(", ")
            );
            return Err(Error::new("RuleError", message));
        }
        Ok(query)
    }

    /// Makes a rule of a query. Entities are those asked for, or else those of columns with well-known names.
    ///
    /// Errors: a query that is not right, an entity or detail that cannot be read.
    pub fn new_rule(&self, new: &NewRule) -> Result<Rule> {
        let check = self.kql_engine_of_tables()?.check(&new.query);
        if !check.bound {
            let shown: Vec<String> = check.diagnostics.iter().map(|found| found.render(&new.query)).collect();
            return Err(Error::new("KqlError", shown.join("\n")));
        }
        let frequency = new.frequency.clone().unwrap_or_else(|| RuleDuration::of_seconds(HOUR));
        let period = new.period.clone().unwrap_or_else(|| RuleDuration::of_seconds(DAY.max(frequency.seconds())));
        let mappings = if new.entities.is_empty() { well_known(&check) } else { asked_for(&new.entities)? };
        let details = new.details.iter().map(|detail| {
            let (name, column) = detail.split_once('=').ok_or_else(|| unread(detail, "Score=anomaly_score"))?;
            Ok((name.trim().to_owned(), serde_json::Value::from(column.trim())))
        });
        let details = details.collect::<Result<serde_json::Map<_, _>>>()?;
        let aggregation_kind =
            if new.alert_per_row { AggregationKind::AlertPerResult } else { AggregationKind::SingleAlert };
        Ok(Rule {
            id: uuid::Uuid::new_v4().to_string(),
            name: new.name.clone(),
            description: new.description.clone().unwrap_or_else(|| new.name.clone()),
            severity: Some(new.severity.unwrap_or(Severity::Medium)),
            required_data_connectors: Some(Vec::new()),
            query_frequency: Some(frequency),
            query_period: Some(period),
            trigger_operator: Some(TriggerOperator::GreaterThan),
            trigger_threshold: Some(0),
            tactics: Some(new.tactics.clone()),
            relevant_techniques: Some(new.techniques.clone()),
            query: format!("{}\n", new.query.trim()),
            incident_configuration: Some(grouped(&mappings)),
            entity_mappings: Some(mappings).filter(|mappings| !mappings.is_empty()),
            custom_details: Some(details).filter(|details| !details.is_empty()),
            event_grouping_settings: Some(EventGroupingSettings { aggregation_kind }),
            version: Some("1.0.0".to_owned()),
            kind: Some("Scheduled".to_owned()),
            ..Rule::default()
        })
    }
}

/// Alerts about the same entities make one incident: the next run of the rule sees the same rows again.
fn grouped(mappings: &[EntityMapping]) -> IncidentConfiguration {
    let grouping = GroupingConfiguration {
        enabled: !mappings.is_empty(),
        reopen_closed_incident: false,
        lookback_duration: Some(RuleDuration::of_seconds(DAY)),
        matching_method: Some(MatchingMethod::AllEntities),
        group_by_entities: None,
        group_by_alert_details: None,
        group_by_custom_details: None,
    };
    IncidentConfiguration { create_incident: true, grouping_configuration: Some(grouping) }
}

fn well_known(check: &Check) -> Vec<EntityMapping> {
    let columns = check.columns.as_deref().unwrap_or_default();
    let mut mappings: Vec<EntityMapping> = Vec::new();
    for (column, entity_type, identifier) in WELL_KNOWN {
        // The first of a type is the main one; others are for the rule's author to add.
        let is_there = columns.iter().any(|known| known.name == column);
        if is_there && !mappings.iter().any(|mapping| mapping.entity_type == entity_type) {
            add(&mut mappings, entity_type, identifier, column);
        }
    }
    mappings
}

fn asked_for(entities: &[String]) -> Result<Vec<EntityMapping>> {
    let mut mappings = Vec::new();
    for entity in entities {
        let parts = entity.split_once('=').and_then(|(what, column)| Some((what.split_once('.')?, column)));
        let Some(((entity_type, identifier), column)) = parts else {
            return Err(unread(entity, "Account.Name=user"));
        };
        let Some(known) = EntityType::named(entity_type.trim()) else {
            let message =
                format!("there is no entity type `{entity_type}`; there are: {}", super::entities::type_names());
            return Err(Error::new("RuleError", message));
        };
        add(&mut mappings, known.name, identifier.trim(), column.trim());
    }
    Ok(mappings)
}

/// Identifiers of one type are one entity, until it has the identifier already.
fn add(mappings: &mut Vec<EntityMapping>, entity_type: &str, identifier: &str, column: &str) {
    let field = FieldMapping { identifier: identifier.to_owned(), column_name: column.to_owned() };
    let has = |mapping: &EntityMapping| mapping.field_mappings.iter().any(|known| known.identifier == identifier);
    match mappings.iter_mut().find(|mapping| mapping.entity_type == entity_type && !has(mapping)) {
        Some(mapping) => mapping.field_mappings.push(field),
        None => mappings.push(EntityMapping { entity_type: entity_type.to_owned(), field_mappings: vec![field] }),
    }
}

fn unread(text: &str, example: &str) -> Error {
    Error::new("RuleError", format!("`{text}` is not understood: write it as in {example}"))
}

/// A file for a rule of this name: `Rare share access` is kept as `RareShareAccess.yaml`.
pub fn file_name(rule: &str) -> String {
    let words = rule.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined: String = words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            format!("{}{rest}", first.to_ascii_uppercase())
        })
        .collect();
    if joined.is_empty() { "Rule.yaml".to_owned() } else { format!("{joined}.yaml") }
}
