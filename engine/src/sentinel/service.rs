//! Microsoft Sentinel's management plane: `Microsoft.SecurityInsights` below a Log Analytics workspace.
//!
//! Every PUT of something that is there carries the `etag` it was read with, so that a change of somebody else in between is
//! refused by the service rather than lost.

use std::fmt;

use serde_json::{Map, Value as Json, json};

use super::incident::Status;
use super::incidents::{IncidentChanges, IncidentView, no_incident};
use super::rule::Severity;
use super::sentinel_error;
use super::store::moment;
use crate::Result;

/// The stable version of the reference.
pub(crate) const API_VERSION: &str = "2025-09-01";

/// Requests to Azure Resource Manager. Paths begin behind the host; the API version is part of the query.
pub trait Management: Send + Sync {
    /// `None`: there is no such resource.
    fn find(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Json>>;

    /// The resources of a collection, over its pages, up to a number of them.
    fn list(&self, path: &str, query: &[(&str, &str)], limit: usize) -> Result<Vec<Json>>;

    /// Creates or replaces a resource; what the service made of it comes back.
    fn put(&self, path: &str, query: &[(&str, &str)], body: &Json) -> Result<Json>;
}

/// One Sentinel workspace.
pub struct Service {
    management: Box<dyn Management>,
    /// `/subscriptions/../workspaces/..`
    workspace: String,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sentinel workspace {}", self.workspace.rsplit('/').next().unwrap_or_default())
    }
}

const VERSION: [(&str, &str); 1] = [("api-version", API_VERSION)];

impl Service {
    /// `workspace` is the resource id of the Log Analytics workspace.
    ///
    /// Errors: an id that is none of a workspace.
    pub fn new(workspace: &str, management: Box<dyn Management>) -> Result<Service> {
        let workspace = workspace.trim().trim_end_matches('/');
        let parts: Vec<&str> = workspace.split('/').collect();
        let is_workspace = match parts.as_slice() {
            ["", subscriptions, _, groups, _, providers, provider, workspaces, name] => {
                subscriptions.eq_ignore_ascii_case("subscriptions")
                    && groups.eq_ignore_ascii_case("resourceGroups")
                    && providers.eq_ignore_ascii_case("providers")
                    && provider.eq_ignore_ascii_case("Microsoft.OperationalInsights")
                    && workspaces.eq_ignore_ascii_case("workspaces")
                    && !name.is_empty()
            }
            _ => false,
        };
        let is_plain =
            workspace.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '(' | ')'));
        if !is_workspace || !is_plain {
            return Err(sentinel_error(format!(
                "`{workspace}` is not the resource id of a Log Analytics workspace: /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.OperationalInsights/workspaces/<name>"
            )));
        }
        Ok(Service { management, workspace: workspace.to_owned() })
    }

    /// The full id of a resource, as other resources refer to it.
    pub(crate) fn id(&self, path: &str) -> String {
        format!("{}/providers/Microsoft.SecurityInsights/{path}", self.workspace)
    }

    pub(crate) fn find(&self, path: &str) -> Result<Option<Json>> {
        self.management.find(&self.id(path), &VERSION)
    }

    pub(crate) fn list(&self, path: &str, query: &[(&str, &str)], limit: usize) -> Result<Vec<Json>> {
        let query: Vec<(&str, &str)> = VERSION.iter().chain(query).copied().collect();
        self.management.list(&self.id(path), &query, limit)
    }

    pub(crate) fn put(&self, path: &str, body: &Json) -> Result<Json> {
        self.management.put(&self.id(path), &VERSION, body)
    }

    pub(crate) fn incidents(&self, status: Option<Status>, top: usize) -> Result<Vec<IncidentView>> {
        let filter = status.map(|status| format!("properties/status eq '{}'", status.name()));
        let page = top.min(1000).to_string();
        let mut query = vec![("$orderby", "properties/createdTimeUtc desc"), ("$top", page.as_str())];
        query.extend(filter.as_deref().map(|filter| ("$filter", filter)));
        Ok(self.list("incidents", &query, top)?.into_iter().map(view).collect())
    }

    pub(crate) fn incident(&self, id: &str) -> Result<IncidentView> {
        let found = match id.parse::<i64>() {
            Ok(number) => {
                let filter = format!("properties/incidentNumber eq {number}");
                self.list("incidents", &[("$filter", &filter)], 1)?.into_iter().next()
            }
            Err(_) => {
                let name = uuid::Uuid::parse_str(id)
                    .map_err(|_| sentinel_error(format!("`{id}` is neither the number of an incident nor its GUID")))?;
                self.find(&format!("incidents/{name}"))?
            }
        };
        let mut incident = found.map(view).ok_or_else(|| no_incident(id, &format!("in the {self}")))?;
        let comments = self.list(&format!("incidents/{}/comments", incident.name), &[], 1000)?;
        incident.comments = comments.iter().filter_map(comment_of).collect();
        Ok(incident)
    }

    pub(crate) fn put_incident(&self, now: &IncidentView, changes: &IncidentChanges) -> Result<()> {
        self.put(&format!("incidents/{}", now.name), &incident_body(now, changes)).map(drop)
    }

    pub(crate) fn comment(&self, incident: &IncidentView, message: &str) -> Result<()> {
        let path = format!("incidents/{}/comments/{}", incident.name, uuid::Uuid::new_v4());
        self.put(&path, &json!({"properties": {"message": message}})).map(drop)
    }
}

/// What the service lets a client set; the rest of the properties are its own.
const WRITABLE: [&str; 11] = [
    "title",
    "description",
    "severity",
    "status",
    "owner",
    "labels",
    "classification",
    "classificationReason",
    "classificationComment",
    "firstActivityTimeUtc",
    "lastActivityTimeUtc",
];

fn incident_body(now: &IncidentView, changes: &IncidentChanges) -> Json {
    let old = now.kept.get("properties");
    let kept = WRITABLE.iter().filter_map(|key| {
        let value = old?.get(*key).filter(|value| !value.is_null())?;
        Some(((*key).to_owned(), value.clone()))
    });
    let mut properties: Map<String, Json> = kept.collect();
    let mut set = |key: &str, value: Option<Json>| {
        if let Some(value) = value {
            properties.insert(key.to_owned(), value);
        }
    };
    set("title", changes.title.as_ref().map(|text| json!(text)));
    set("description", changes.description.as_ref().map(|text| json!(text)));
    set("severity", changes.severity.map(|severity| json!(severity.name())));
    set("status", changes.status.map(|status| json!(status.name())));
    set("owner", changes.owner.as_deref().map(owner_json));
    set("classification", changes.classification.as_ref().map(|text| json!(text)));
    set("classificationReason", changes.reason.as_ref().map(|text| json!(text)));
    set("classificationComment", changes.closing_comment.as_ref().map(|text| json!(text)));
    if !changes.add_labels.is_empty() {
        set("labels", Some(labels_json(old.and_then(|old| old.get("labels")), &changes.add_labels)));
    }
    if changes.status.is_some_and(|status| status != Status::Closed) {
        for key in ["classification", "classificationReason", "classificationComment"] {
            properties.remove(key);
        }
    }
    let mut body = json!({"properties": properties});
    if let Some(etag) = now.kept.get("etag").filter(|etag| etag.is_string()) {
        body["etag"] = etag.clone();
    }
    body
}

fn view(resource: Json) -> IncidentView {
    let properties = resource.get("properties").cloned().unwrap_or_default();
    let text = |key: &str| properties.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let alerts = properties.get("additionalData").and_then(|data| data.get("alertsCount")).and_then(Json::as_i64);
    IncidentView {
        name: resource.get("name").and_then(Json::as_str).unwrap_or_default().to_owned(),
        number: properties.get("incidentNumber").and_then(Json::as_i64).unwrap_or(0),
        title: text("title"),
        description: text("description"),
        severity: Severity::named(&text("severity")).map_or_else(|| text("severity"), |known| known.name().to_owned()),
        status: text("status"),
        owner: owner_name(properties.get("owner")),
        labels: label_names(properties.get("labels")),
        classification: text("classification"),
        reason: text("classificationReason"),
        closing_comment: text("classificationComment"),
        created: properties.get("createdTimeUtc").and_then(moment),
        modified: properties.get("lastModifiedTimeUtc").and_then(moment),
        alerts: alerts.unwrap_or(0),
        comments: Vec::new(),
        url: text("incidentUrl"),
        kept: resource,
    }
}

fn comment_of(resource: &Json) -> Option<(Option<chrono::DateTime<chrono::Utc>>, String)> {
    let properties = resource.get("properties")?;
    Some((properties.get("createdTimeUtc").and_then(moment), properties.get("message")?.as_str()?.to_owned()))
}

pub(super) fn owner_name(owner: Option<&Json>) -> String {
    let part = |key: &str| owner?.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    ["userPrincipalName", "email", "assignedTo"].into_iter().find_map(part).unwrap_or_default()
}

/// An empty address takes the owner off.
pub(super) fn owner_json(address: &str) -> Json {
    match address {
        "" => json!({"objectId": null, "email": null, "assignedTo": null, "userPrincipalName": null}),
        _ => json!({"email": address, "userPrincipalName": address, "assignedTo": address}),
    }
}

pub(super) fn label_names(labels: Option<&Json>) -> Vec<String> {
    let labels = labels.and_then(Json::as_array).into_iter().flatten();
    labels.filter_map(|label| Some(label.get("labelName")?.as_str()?.to_owned())).collect()
}

/// The labels as they are, and new ones behind them.
pub(super) fn labels_json(now: Option<&Json>, more: &[String]) -> Json {
    let old = label_names(now);
    let new = more.iter().filter(|label| !old.contains(label));
    let new = new.map(|label| json!({"labelName": label, "labelType": "User"}));
    now.and_then(Json::as_array).into_iter().flatten().cloned().chain(new).collect()
}
