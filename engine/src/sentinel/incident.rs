//! From alerts to incidents: which alert joins which incident.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::alert::{Alert, Entity, guid_of};
use super::rule::{GroupingConfiguration, MatchingMethod, Rule, Severity};

/// The service puts so many alerts into an incident; the next begins another one.
const ALERTS_PER_INCIDENT: usize = 150;

/// An incident of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// A GUID
    pub name: String,
    pub title: String,
    pub description: String,
    pub severity: Severity,
    pub status: Status,
    pub created: DateTime<Utc>,
    /// First and last activity of its alerts
    pub activity: (DateTime<Utc>, DateTime<Utc>),
    pub alerts: Vec<String>,
    pub tactics: Vec<String>,
    pub techniques: Vec<String>,
    pub entities: Vec<Entity>,
    /// What alerts must have in common with it; `None`: none joins it
    pub(crate) key: Option<String>,
    /// Its number, if the workspace has it already
    pub number: Option<i64>,
    /// Alerts of this test that joined it
    pub joined: usize,
    /// It was closed, and an alert of this test has opened it again.
    pub reopened: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    New,
    Active,
    Closed,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::New => "New",
            Status::Active => "Active",
            Status::Closed => "Closed",
        }
    }

    pub fn named(name: &str) -> Option<Status> {
        [Status::New, Status::Active, Status::Closed]
            .into_iter()
            .find(|status| status.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// Incidents of a rule while alerts come in.
pub(crate) struct Incidents<'r> {
    rule: &'r Rule,
    /// Those of the workspace first
    pub(crate) all: Vec<Incident>,
}

impl<'r> Incidents<'r> {
    pub(crate) fn new(rule: &'r Rule, existing: Vec<Incident>) -> Self {
        Incidents { rule, all: existing }
    }

    /// Puts an alert into the incident that it belongs to, or makes one.
    pub(crate) fn take(&mut self, alert: &Alert) {
        if !self.rule.creates_incidents() {
            return;
        }
        let key = self.rule.grouping().and_then(|grouping| key(grouping, alert));
        match self.joinable(alert, key.as_deref()) {
            Some(at) => self.all[at].join(alert),
            None => self.all.push(Incident::of(alert, key)),
        }
    }

    /// The youngest incident that takes the alert: alike, begun within the lookback, and open, or to be opened again.
    fn joinable(&self, alert: &Alert, key: Option<&str>) -> Option<usize> {
        let grouping = self.rule.grouping()?;
        let key = key?;
        let lookback = TimeDelta::seconds(grouping.lookback_duration.as_ref()?.seconds());
        let takes = |incident: &Incident| {
            incident.key.as_deref() == Some(key)
                && incident.created <= alert.time
                && alert.time - incident.created < lookback
                && incident.alerts.len() < ALERTS_PER_INCIDENT
                && (incident.status != Status::Closed || grouping.reopen_closed_incident)
        };
        self.all.iter().rposition(takes)
    }
}

impl Incident {
    fn of(alert: &Alert, key: Option<String>) -> Incident {
        Incident {
            name: guid_of(&["incident", &alert.id]),
            title: alert.name.clone(),
            description: alert.description.clone(),
            severity: alert.severity,
            status: Status::New,
            created: alert.time,
            activity: alert.activity,
            alerts: vec![alert.id.clone()],
            tactics: alert.tactics.clone(),
            techniques: alert.techniques.clone(),
            entities: alert.entities.clone(),
            key,
            number: None,
            joined: 1,
            reopened: false,
        }
    }

    fn join(&mut self, alert: &Alert) {
        self.alerts.push(alert.id.clone());
        self.joined += 1;
        // The incident is as severe as its most severe alert.
        self.severity = self.severity.max(alert.severity);
        self.activity = (self.activity.0.min(alert.activity.0), self.activity.1.max(alert.activity.1));
        add_new(&mut self.tactics, &alert.tactics);
        add_new(&mut self.techniques, &alert.techniques);
        add_new(&mut self.entities, &alert.entities);
        if self.status == Status::Closed {
            self.status = Status::Active;
            self.reopened = true;
        }
    }
}

fn add_new<T: Clone + PartialEq>(list: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
}

/// What alerts of one incident have in common; `None` if the alert joins no other.
fn key(grouping: &GroupingConfiguration, alert: &Alert) -> Option<String> {
    let entities = |wanted: &dyn Fn(&Entity) -> bool| -> BTreeSet<Entity> {
        alert.entities.iter().filter(|entity| wanted(entity)).cloned().collect()
    };
    match grouping.matching_method? {
        MatchingMethod::AnyAlert => Some("any".to_owned()),
        // Alerts about nobody have nobody in common.
        MatchingMethod::AllEntities if alert.entities.is_empty() => None,
        MatchingMethod::AllEntities => Some(format!("{:?}", entities(&|_| true))),
        MatchingMethod::Selected => {
            let of_types = grouping.group_by_entities.as_deref().unwrap_or_default();
            let shared = entities(&|entity| of_types.contains(&entity.entity_type));
            let details = grouping.group_by_alert_details.iter().flatten().map(|detail| match detail.as_str() {
                "DisplayName" => alert.name.as_str(),
                _ => alert.severity.name(),
            });
            let details: Vec<&str> = details.collect();
            let named = grouping.group_by_custom_details.as_deref().unwrap_or_default();
            let custom: Vec<_> = alert.custom_details.iter().filter(|(name, _)| named.contains(name)).collect();
            Some(format!("{shared:?} {details:?} {custom:?}"))
        }
    }
}
