//! What is wrong with a rule by itself, whatever data there is.
//!
//! Limits and names are the service's: its REST reference, and the schema checks of the Azure-Sentinel repository.

use super::duration::{DAY, HOUR, MINUTE, RuleDuration};
use super::entities::{EntityType, type_names};
use super::lines::Step::{self, Item, Key};
use super::rule::{ENTITIES_COLUMNS, EntityMapping, GroupingConfiguration, MatchingMethod, RuleFile};

/// One thing that is wrong with a rule, at its line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1
    pub line: usize,
    pub message: String,
    /// The rule works in spite of it.
    pub is_warning: bool,
}

const TACTICS: [&str; 16] = [
    "Reconnaissance",
    "ResourceDevelopment",
    "InitialAccess",
    "Execution",
    "Persistence",
    "PrivilegeEscalation",
    "DefenseEvasion",
    "CredentialAccess",
    "Discovery",
    "LateralMovement",
    "Collection",
    "Exfiltration",
    "CommandAndControl",
    "Impact",
    "ImpairProcessControl",
    "InhibitResponseFunction",
];
const DYNAMIC_PROPERTIES: [&str; 9] = [
    "AlertLink",
    "ConfidenceLevel",
    "ConfidenceScore",
    "ExtendedLinks",
    "ProductComponentName",
    "ProductName",
    "ProviderName",
    "RemediationSteps",
    "Techniques",
];
const ALERT_DETAILS: [&str; 2] = ["DisplayName", "Severity"];

/// Is it a tactic that rules can name?
pub(crate) fn is_tactic(name: &str) -> bool {
    TACTICS.contains(&name)
}

/// Columns that a text names as `{{Column}}`.
pub(crate) fn placeholders(format: &str) -> Vec<&str> {
    let pieces = format.split("{{").skip(1);
    pieces.filter_map(|piece| piece.split_once("}}")).map(|(column, _)| column.trim()).collect()
}

/// A text with values in the place of `{{Column}}`.
pub(crate) fn filled(format: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((column, after)) = after.split_once("}}") else { break };
        out.push_str(before);
        out.push_str(&value(column.trim()));
        rest = after;
    }
    out + rest
}

/// Collects problems with their lines.
pub(crate) struct Findings<'f> {
    pub(crate) file: &'f RuleFile,
    pub(crate) problems: Vec<Problem>,
}

impl<'f> Findings<'f> {
    pub(crate) fn new(file: &'f RuleFile) -> Self {
        Findings { file, problems: Vec::new() }
    }

    pub(crate) fn error(&mut self, path: &[Step<'_>], message: impl Into<String>) {
        let line = self.file.line(path);
        self.problems.push(Problem { line, message: message.into(), is_warning: false });
    }

    fn warning(&mut self, path: &[Step<'_>], message: impl Into<String>) {
        let line = self.file.line(path);
        self.problems.push(Problem { line, message: message.into(), is_warning: true });
    }
}

impl RuleFile {
    /// What is wrong with the rule by itself, in the order of its lines. [`crate::Engine::rule_problems`] also looks at the
    /// query's names and columns.
    pub fn problems(&self) -> Vec<Problem> {
        let mut findings = Findings::new(self);
        findings.keys();
        findings.texts();
        findings.schedule();
        findings.attack();
        findings.entities();
        findings.details();
        findings.overrides();
        findings.grouping();
        findings.problems.sort_by_key(|problem| problem.line);
        findings.problems
    }
}

impl Findings<'_> {
    fn keys(&mut self) {
        for (key, meant) in self.file.unknown_keys() {
            match meant {
                Some(meant) => self.error(&[Key(&key)], format!("`{key}` is written `{meant}`")),
                None => self.warning(&[Key(&key)], format!("`{key}` is no key of a rule and does nothing")),
            }
        }
        if self.file.rule.others.contains_key(ENTITIES_COLUMNS) {
            let message = format!("`{ENTITIES_COLUMNS}` is deployed, but a test reads no entities from it");
            self.warning(&[Key(ENTITIES_COLUMNS)], message);
        }
        if let Some(kind) = self.file.rule.kind.as_deref().filter(|kind| *kind != "Scheduled") {
            self.error(
                &[Key("kind")],
                format!("`kind: {kind}` is not tested or deployed here: only Scheduled rules are"),
            );
        }
    }

    fn texts(&mut self) {
        let rule = &self.file.rule;
        if rule.id.is_empty() {
            self.error(&[], "`id` is missing: a GUID, which `huntbook rule new` makes");
        } else if uuid::Uuid::parse_str(&rule.id).is_err() {
            self.error(&[Key("id")], format!("`id` must be a GUID such as {}", uuid::Uuid::nil()));
        }
        for (key, text, limit) in
            [("name", &rule.name, 256), ("description", &rule.description, 5000), ("query", &rule.query, 10_000)]
        {
            if text.trim().is_empty() {
                self.error(&[Key(key)], format!("`{key}` is missing"));
            }
            let length = text.chars().count();
            if length > limit {
                self.error(&[Key(key)], format!("`{key}` has {length} characters, the service takes {limit}"));
            }
        }
        if rule.severity.is_none() {
            self.error(&[], "`severity` is missing: High, Medium, Low or Informational");
        }
    }

    fn schedule(&mut self) {
        let rule = &self.file.rule;
        let frequency = self.duration("queryFrequency", rule.query_frequency.as_ref());
        let period = self.duration("queryPeriod", rule.query_period.as_ref());
        if let (Some(frequency), Some(period)) = (frequency, period) {
            if period.seconds() < frequency.seconds() {
                let message = format!(
                    "`queryPeriod: {period}` is shorter than `queryFrequency: {frequency}`: events between two periods would never be looked at"
                );
                self.error(&[Key("queryPeriod")], message);
            }
            if period.seconds() >= 2 * DAY && frequency.seconds() < HOUR {
                let message = format!("`queryFrequency: {frequency}` must be 1h or more for a period of 2d or more");
                self.error(&[Key("queryFrequency")], message);
            }
        }
        if rule.trigger_operator.is_none() {
            self.error(&[], "`triggerOperator` is missing: gt, lt, eq or ne");
        }
        match rule.trigger_threshold {
            None => self.error(&[], "`triggerThreshold` is missing: a number of rows"),
            Some(threshold) if !(0..=10_000).contains(&threshold) => {
                self.error(
                    &[Key("triggerThreshold")],
                    format!("`triggerThreshold: {threshold}` must be from 0 to 10000"),
                );
            }
            Some(_) => {}
        }
        match (&rule.suppression_duration, rule.suppression_enabled) {
            (None, Some(true)) => self.error(
                &[Key("suppressionEnabled")],
                "`suppressionDuration` is missing: how long the rule rests after an alert, as in 5h",
            ),
            (Some(duration), _) if !(5 * MINUTE..=DAY).contains(&duration.seconds()) => {
                self.error(
                    &[Key("suppressionDuration")],
                    format!("`suppressionDuration: {duration}` must be from 5m to 24h"),
                );
            }
            _ => {}
        }
    }

    fn duration<'d>(&mut self, key: &str, duration: Option<&'d RuleDuration>) -> Option<&'d RuleDuration> {
        let Some(duration) = duration else {
            self.error(&[], format!("`{key}` is missing: a duration such as 5m, 1h or 14d"));
            return None;
        };
        if !(5 * MINUTE..=14 * DAY).contains(&duration.seconds()) {
            self.error(&[Key(key)], format!("`{key}: {duration}` must be from 5m to 14d"));
        }
        Some(duration)
    }

    fn attack(&mut self) {
        let rule = &self.file.rule;
        for (at, tactic) in rule.tactics().iter().enumerate().filter(|(_, tactic)| !is_tactic(tactic)) {
            self.error(
                &[Key("tactics"), Item(at)],
                format!("there is no tactic `{tactic}`; there are: {}", TACTICS.join(", ")),
            );
        }
        for (at, technique) in rule.techniques().iter().enumerate().filter(|(_, technique)| !is_technique(technique)) {
            let message = format!("`{technique}` is no technique: write T1078, or T1078.004 for a sub-technique");
            self.error(&[Key("relevantTechniques"), Item(at)], message);
        }
        if !rule.techniques().is_empty() && rule.tactics().is_empty() {
            self.error(&[Key("relevantTechniques")], "techniques need the `tactics` that they belong to");
        }
    }

    fn entities(&mut self) {
        let mappings = self.file.rule.entity_mappings();
        if mappings.len() > 10 {
            self.error(
                &[Key("entityMappings")],
                format!("{} entities are mapped, the service takes 10", mappings.len()),
            );
        }
        for (at, mapping) in mappings.iter().enumerate() {
            self.entity(at, mapping);
        }
    }

    fn entity(&mut self, at: usize, mapping: &EntityMapping) {
        let own = [Key("entityMappings"), Item(at)];
        let of_type = [own[0], own[1], Key("entityType")];
        let Some(entity) = EntityType::named(&mapping.entity_type) else {
            let message = format!("there is no entity type `{}`; there are: {}", mapping.entity_type, type_names());
            return self.error(&of_type, message);
        };
        let fields = &mapping.field_mappings;
        if fields.is_empty() || fields.len() > 3 {
            self.error(&own, format!("{} has {} identifiers; an entity takes 1 to 3", entity.name, fields.len()));
        }
        for (place, field) in fields.iter().enumerate() {
            let path = [own[0], own[1], Key("fieldMappings"), Item(place), Key("identifier")];
            if !entity.identifiers.contains(&field.identifier.as_str()) {
                let list = entity.identifiers.join(", ");
                let message = format!("{} has no identifier `{}`; it has: {list}", entity.name, field.identifier);
                self.error(&path, message);
            }
            if fields[..place].iter().any(|earlier| earlier.identifier == field.identifier) {
                self.error(&path, format!("the identifier `{}` is mapped twice", field.identifier));
            }
        }
        let present: Vec<&str> = fields.iter().map(|field| field.identifier.as_str()).collect();
        if !entity.is_made_of(&present) {
            self.error(&of_type, format!("{} needs {} to be an entity", entity.name, entity.requirement()));
        }
    }

    fn details(&mut self) {
        let Some(details) = &self.file.rule.custom_details else { return };
        if details.len() > 20 {
            self.error(&[Key("customDetails")], format!("{} details, the service takes 20", details.len()));
        }
        for (name, column) in details {
            let path = [Key("customDetails"), Key(name)];
            let is_word = name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
            if name.len() > 20 || !is_word || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
                let message =
                    format!("`{name}` cannot name a detail: a letter, then letters, digits or _, 20 at the most");
                self.error(&path, message);
            }
            if !column.is_string() {
                self.error(&path, format!("`{name}` must name a column of the query"));
            }
        }
    }

    fn overrides(&mut self) {
        let Some(details) = &self.file.rule.alert_details_override else { return };
        let formats = [
            ("alertDisplayNameFormat", &details.alert_display_name_format, 256),
            ("alertDescriptionFormat", &details.alert_description_format, 5000),
        ];
        for (key, format, limit) in formats {
            let Some(format) = format else { continue };
            let path = [Key("alertDetailsOverride"), Key(key)];
            let (length, count) = (format.chars().count(), placeholders(format).len());
            if length == 0 || length > limit {
                self.error(&path, format!("`{key}` has {length} characters, the service takes 1 to {limit}"));
            }
            if count > 3 {
                self.error(&path, format!("`{key}` names {count} columns, the service takes 3"));
            }
            if format.matches("{{").count() != count {
                self.error(&path, format!("`{key}` opens `{{{{` without closing it with `}}}}`"));
            }
        }
        for (at, property) in details.alert_dynamic_properties.iter().flatten().enumerate() {
            if !DYNAMIC_PROPERTIES.contains(&property.alert_property.as_str()) {
                let list = DYNAMIC_PROPERTIES.join(", ");
                let message = format!("there is no alert property `{}`; there are: {list}", property.alert_property);
                self.error(&[Key("alertDetailsOverride"), Key("alertDynamicProperties"), Item(at)], message);
            }
        }
    }

    fn grouping(&mut self) {
        let Some(grouping) = self.file.rule.grouping() else { return };
        let path = |key| [Key("incidentConfiguration"), Key("groupingConfiguration"), Key(key)];
        match &grouping.lookback_duration {
            None => self.error(&path("enabled"), "`lookbackDuration` is missing: how long an incident takes in alerts"),
            Some(lookback) if !(5 * MINUTE..=7 * DAY).contains(&lookback.seconds()) => {
                self.error(&path("lookbackDuration"), format!("`lookbackDuration: {lookback}` must be from 5m to 7d"));
            }
            Some(_) => {}
        }
        match grouping.matching_method {
            None => self.error(&path("enabled"), "`matchingMethod` is missing: AllEntities, AnyAlert or Selected"),
            Some(MatchingMethod::AllEntities) if self.file.rule.entity_mappings().is_empty() => {
                let message = "no entity is mapped, so that `AllEntities` groups nothing: each alert makes an incident";
                self.warning(&path("matchingMethod"), message);
            }
            Some(MatchingMethod::Selected) => self.selection(grouping),
            Some(_) => {}
        }
    }

    fn selection(&mut self, grouping: &GroupingConfiguration) {
        let rule = &self.file.rule;
        let mapped: Vec<&str> = rule.entity_mappings().iter().map(|mapping| mapping.entity_type.as_str()).collect();
        let details: Vec<&str> = rule.custom_details().map(|(name, _)| name).collect();
        let lists = [
            ("groupByEntities", &grouping.group_by_entities, mapped),
            ("groupByAlertDetails", &grouping.group_by_alert_details, ALERT_DETAILS.to_vec()),
            ("groupByCustomDetails", &grouping.group_by_custom_details, details),
        ];
        let path = |key| [Key("incidentConfiguration"), Key("groupingConfiguration"), Key(key)];
        let mut selected = 0;
        for (key, names, there) in lists {
            for (at, name) in names.iter().flatten().enumerate() {
                selected += 1;
                if !there.contains(&name.as_str()) {
                    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                    let [one, two, three] = path(key);
                    self.error(
                        &[one, two, three, Item(at)],
                        format!("`{name}` is nothing to group by; the rule has: {there}"),
                    );
                }
            }
        }
        if selected == 0 {
            let message = "`Selected` needs something in groupByEntities, groupByAlertDetails or groupByCustomDetails";
            self.error(&path("matchingMethod"), message);
        }
    }
}

/// `T1078`, `T1078.004`
fn is_technique(text: &str) -> bool {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('T') else { return false };
    match rest.split_once('.') {
        Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
        None => digits(rest, 4),
    }
}
