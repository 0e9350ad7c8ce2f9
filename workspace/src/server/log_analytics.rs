//! The Log Analytics query API: query, metadata, batch.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use chrono::Utc;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Shared;
use super::answers::{self, Wants};
use super::auth::Caller;
use super::body::{self, Upload};
use super::reply::{Dialect, Refusal, Reply, failed_query};
use super::route::Target;
use super::rows_json::Bounds;
use super::runner::{self, Ran};
use super::service::{QueryRequest, TimeScope};
use super::timespan;
use crate::WorkspaceError;

/// Bytes of a request's body.
pub(crate) const BODY: usize = 64 << 20;
/// The service's limits on a result.
const BOUNDS: Bounds = Bounds { rows: 500_000, bytes: 100 << 20 };
const TIME: &str = "TimeGenerated";
const WAIT: u64 = 180;
const LONGEST_WAIT: u64 = 600;

/// Members of a query; `null` and unknown ones are as good as none.
#[derive(Default, Deserialize)]
struct Asked {
    query: Option<String>,
    timespan: Option<String>,
    workspaces: Option<Vec<String>>,
}

/// What `Prefer` says.
#[derive(Debug, PartialEq, Eq)]
struct Preferences {
    wants: Wants,
    wait: Duration,
}

/// `GET` and `POST .../query`
pub(crate) async fn query(
    shared: &Arc<Shared>,
    caller: Caller,
    target: &Target,
    headers: &HeaderMap,
    parameters: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<Reply, Refusal> {
    check_target(shared, target)?;
    let asked = match body {
        Some(body) => serde_json::from_slice(body)
            .map_err(|error| Refusal::bad_argument(format!("The body is not the JSON of a query: {error}")))?,
        None => Asked::default(),
    };
    answer(
        shared,
        caller,
        asked,
        parameters,
        &preferences(headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok())),
    )
    .await
}

async fn answer(
    shared: &Arc<Shared>,
    caller: Caller,
    asked: Asked,
    parameters: &[(String, String)],
    preferences: &Preferences,
) -> Result<Reply, Refusal> {
    let parameter = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let text = asked.query.as_deref().or_else(|| parameter("query")).unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Refusal::bad_argument("The request has no query: send it as `query`."));
    }
    let more = parameter("workspaces").map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>());
    for workspace in asked.workspaces.iter().flatten().chain(more.iter().flatten()) {
        check_other(shared, workspace)?;
    }
    let scopes = [parameter("timespan"), asked.timespan.as_deref()]
        .into_iter()
        .flatten()
        .filter(|text| !text.trim().is_empty())
        .map(scope)
        .collect::<Result<Vec<_>, _>>()?;
    let request = QueryRequest {
        text: text.to_owned(),
        scopes,
        first_rows: Some(BOUNDS.rows as u32 + 1),
        ..QueryRequest::default()
    };
    let wants = preferences.wants;
    let ran = runner::run(shared, caller, request, preferences.wait, move |answer| {
        answers::log_analytics(&answer, wants, BOUNDS)
    });
    match ran.await? {
        Ran::Done(body) => Ok(Reply::bytes(body)),
        Ran::Failed(failure) => Err(failed_query(Dialect::Azure, failure)),
    }
}

fn scope(text: &str) -> Result<TimeScope, Refusal> {
    let (from, to) = timespan::parse(text, Utc::now()).ok_or_else(|| {
        let shown: String = text.chars().take(100).collect();
        Refusal::bad_argument(format!(
            "The timespan '{shown}' is not one: write an ISO 8601 duration (PT1H) or an interval (start/end)."
        ))
    })?;
    Ok(TimeScope { column: TIME.to_owned(), from: Some(from), to: Some(to) })
}

fn check_target(shared: &Shared, target: &Target) -> Result<(), Refusal> {
    match target {
        Target::Workspace(id) if !shared.is_workspace(id) => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "WorkspaceNotFoundError",
            format!(
                "The workspace '{id}' could not be found. This server has the workspace '{}'.",
                shared.workspace_id
            ),
        )),
        _ => Ok(()),
    }
}

/// Another workspace that a query wants to read: only our own, by any of its names, is here.
fn check_other(shared: &Shared, name: &str) -> Result<(), Refusal> {
    let last = name.trim().rsplit('/').next().unwrap_or_default();
    if shared.is_workspace(last) || last.eq_ignore_ascii_case(&shared.database) {
        return Ok(());
    }
    let message = format!("'workspace' operator: Failed to resolve workspace '{name}': this server has one workspace.");
    let inner = json!({
        "code": "SemanticError",
        "message": "A semantic error occurred.",
        "innererror": {"code": "SEM0139", "message": message},
    });
    Err(Refusal { inner: Some(inner), ..Refusal::bad_argument("The request had some invalid properties") })
}

fn preferences<'a>(headers: impl Iterator<Item = &'a str>) -> Preferences {
    let mut found = Preferences { wants: Wants::default(), wait: Duration::from_secs(WAIT) };
    for preference in headers.flat_map(|header| header.split(',')) {
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        let yes = value.eq_ignore_ascii_case("true");
        match name.as_str() {
            "wait" => {
                if let Ok(seconds) = value.parse::<u64>() {
                    found.wait = Duration::from_secs(seconds.clamp(1, LONGEST_WAIT));
                }
            }
            "include-statistics" => found.wants.statistics = yes,
            "include-render" => found.wants.render = yes,
            "ai.response-thinning" => found.wants.full = value.eq_ignore_ascii_case("false"),
            _ => {}
        }
    }
    found
}

/// `GET .../metadata`
pub(crate) fn metadata(shared: &Shared, target: &Target) -> Result<Reply, Refusal> {
    check_target(shared, target)?;
    let tables = shared.schemas().map_err(|error: WorkspaceError| Refusal::storage(error.to_string()))?;
    let tables: Vec<Value> = tables
        .iter()
        .map(|(name, schema)| {
            let column = |column: &crate::ColumnSchema| json!({"name": column.name, "type": column.column_type.name()});
            let has_time = schema.column(TIME).map(|_| TIME);
            json!({
                "id": format!("t/{name}"),
                "name": name,
                "timespanColumn": has_time,
                "columns": schema.columns.iter().map(column).collect::<Vec<_>>(),
            })
        })
        .collect();
    let workspace = json!({"id": shared.workspace_id, "name": shared.database, "resourceId": null, "region": "local"});
    Ok(Reply::json(StatusCode::OK, &json!({"tables": tables, "workspaces": [workspace]})))
}

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    id: Value,
    #[serde(default)]
    headers: Option<serde_json::Map<String, Value>>,
    body: Option<Asked>,
    method: Option<String>,
    path: Option<String>,
    workspace: Option<String>,
}

/// `POST /v1/$batch`: each member is a query, answered on its own.
pub(crate) async fn batch(shared: &Arc<Shared>, caller: Caller, body: &[u8]) -> Result<Reply, Refusal> {
    let batch: Batch = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_argument(format!("The body is not the JSON of a batch: {error}")))?;
    let ids: Vec<String> = batch.requests.iter().map(|member| identity(&member.id)).collect::<Result<_, _>>()?;
    if let Some(twice) = ids.iter().enumerate().find(|(at, id)| ids[..*at].contains(id)) {
        return Err(Refusal::bad_argument(format!("The id '{}' stands twice in the batch.", twice.1)));
    }
    let members = batch.requests.into_iter().map(|member| answer_member(shared, caller, member));
    let replies = join_all(members).await;
    let mut out = b"{\"responses\":[".to_vec();
    for (at, (id, reply)) in ids.iter().zip(replies).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let status = reply.status.as_u16();
        let start = format!(
            "{{\"id\":{},\"status\":{status},\"headers\":{{\"Content-Type\":\"application/json\"}},\"body\":",
            json!(id)
        );
        out.extend_from_slice(start.as_bytes());
        out.extend_from_slice(&reply.body);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(Reply::bytes(out))
}

fn identity(id: &Value) -> Result<String, Refusal> {
    match id {
        Value::String(id) => Ok(id.clone()),
        Value::Number(id) => Ok(id.to_string()),
        _ => Err(Refusal::bad_argument("Every request of a batch needs an id, a string.")),
    }
}

async fn answer_member(shared: &Arc<Shared>, caller: Caller, member: Member) -> Reply {
    let answered = async {
        let path = member.path.as_deref().unwrap_or("/query").trim_matches('/');
        let post = member.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case("POST"));
        if path != "query" || !post {
            return Err(Refusal::not_found(&format!("/{path}")));
        }
        let target = match member.workspace {
            Some(id) if id.contains('/') => Target::Resource,
            Some(id) => Target::Workspace(id),
            None => return Err(Refusal::bad_argument("Every request of a batch needs a `workspace`.")),
        };
        check_target(shared, &target)?;
        let headers = member.headers.unwrap_or_default();
        let prefer = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("prefer"));
        let preferences = preferences(prefer.filter_map(|(_, value)| value.as_str()));
        answer(shared, caller, member.body.unwrap_or_default(), &[], &preferences).await
    };
    answered.await.unwrap_or_else(|refusal: Refusal| Dialect::Azure.refuse(refusal))
}

/// The body of a query or a batch.
pub(crate) async fn read(headers: &HeaderMap, upload: &mut Upload) -> Result<Vec<u8>, Refusal> {
    if !body::is_json(headers) {
        return Err(Refusal::unsupported_type());
    }
    let packed = body::is_gzipped(headers)?;
    let read = upload.read(BODY).await?;
    if packed { body::inflated(&read, BODY) } else { Ok(read.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_come_in_any_spelling() {
        let found = preferences(["wait=300,include-statistics=true,include-render=true"].into_iter());
        assert_eq!(found.wait, Duration::from_secs(300));
        assert!(found.wants.statistics && found.wants.render && !found.wants.full);
        let found = preferences(["ai.response-thinning=false, wait=5000", "include-render=false"].into_iter());
        assert_eq!(found.wait, Duration::from_secs(600));
        assert!(found.wants.full && !found.wants.render);
        assert_eq!(preferences(["wait=soon,other"].into_iter()).wait, Duration::from_secs(WAIT));
    }

    #[test]
    fn null_and_unknown_members_are_taken() {
        let asked: Asked =
            serde_json::from_str(r#"{"query":"T","timespan":null,"workspaces":null,"more":{}}"#).unwrap();
        assert_eq!(asked.query.as_deref(), Some("T"));
        assert!(asked.timespan.is_none() && asked.workspaces.is_none());
    }
}
