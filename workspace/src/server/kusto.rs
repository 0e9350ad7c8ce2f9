//! Kusto's REST API: queries (v1, v2), and what its clients need to connect.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Shared;
use super::answers;
use super::auth::Caller;
use super::reply::{Dialect, Refusal, Reply, failed_query};
use super::rows_json::Bounds;
use super::runner::{self, Ran};
use super::service::{QueryRequest, TimeScope};
use super::timespan;

const DEFAULT_ROWS: usize = 500_000;
const DEFAULT_BYTES: usize = 64 << 20;
const DEFAULT_WAIT: Duration = Duration::from_secs(240);
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// The body of a query or a management command.
#[derive(Deserialize)]
pub(crate) struct Asked {
    db: Option<String>,
    csl: Option<String>,
    /// JSON, mostly as text
    properties: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(rename = "Options", default)]
    options: Option<Map<String, Value>>,
    #[serde(rename = "Parameters", default)]
    parameters: Option<Map<String, Value>>,
}

impl Asked {
    /// The text, for a database that is here.
    pub(crate) fn read(shared: &Shared, body: &[u8]) -> Result<(Asked, String), Refusal> {
        let asked: Asked = serde_json::from_slice(body)
            .map_err(|error| Refusal::bad_argument(format!("The body is not the JSON of a request: {error}")))?;
        check_database(shared, asked.db.as_deref().unwrap_or("NetDefaultDB"))?;
        let text = asked.csl.clone().unwrap_or_default();
        if text.trim().is_empty() {
            return Err(Refusal::bad_argument("Syntax error: SYN0002: the request has no text: send it as `csl`."));
        }
        Ok((asked, text))
    }

    fn properties(&self) -> Result<Properties, Refusal> {
        let wrong = |error: serde_json::Error| Refusal::bad_argument(format!("The properties are not JSON: {error}"));
        match &self.properties {
            None | Some(Value::Null) => Ok(Properties::default()),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(Properties::default()),
            Some(Value::String(text)) => serde_json::from_str(text).map_err(wrong),
            Some(other) => serde_json::from_value(other.clone()).map_err(wrong),
        }
    }
}

/// Is this a name of the one database?
pub(crate) fn check_database(shared: &Shared, name: &str) -> Result<(), Refusal> {
    let known = name.eq_ignore_ascii_case(&shared.database)
        || shared.is_workspace(name)
        || name.eq_ignore_ascii_case("NetDefaultDB")
        || name.is_empty();
    if known {
        return Ok(());
    }
    let message = format!("Entity ID '{name}' of kind 'Database' was not found.");
    // Kusto's message stands alone here: clients look for these words.
    Err(Refusal {
        inner: Some(json!({"code": "BadRequest_EntityNotFound", "message": message})),
        ..Refusal::new(StatusCode::BAD_REQUEST, "BadRequest_EntityNotFound", message)
    })
}

/// `POST /v1/rest/query`, `POST /v2/rest/query`
pub(crate) async fn query(
    shared: &Arc<Shared>,
    caller: Caller,
    version: u8,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Reply, Refusal> {
    let (asked, text) = Asked::read(shared, body)?;
    if text.trim_start().starts_with('.') {
        return Err(Refusal::bad_argument("Syntax error: SYN0002: control commands go to /v1/rest/mgmt."));
    }
    let properties = asked.properties()?;
    let options = Options::read(&text, properties.options.unwrap_or_default())?;
    let parameters = properties.parameters.unwrap_or_default();
    let first_rows = options.take.or(options.bounds.map(|bounds| bounds.rows.saturating_add(1)));
    let request = QueryRequest {
        text,
        scopes: options.scope.into_iter().collect(),
        parameters: parameters.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        first_rows: first_rows.map(|rows| u32::try_from(rows).unwrap_or(u32::MAX)),
        ..QueryRequest::default()
    };
    let id = headers.get("x-ms-client-request-id").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let bounds = options.bounds;
    let ran = runner::run(shared, caller, request, options.wait, move |answer| match version {
        1 => answers::kusto_v1(&answer, bounds),
        _ => answers::kusto_v2(&answer, bounds, &id),
    });
    match ran.await? {
        Ran::Done(body) => Ok(Reply::bytes(body)),
        Ran::Failed(failure) => Err(failed_query(Dialect::Kusto, failure)),
    }
}

/// A parameter's value as text.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// What the options of a request, or `set` statements of its text, ask for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    wait: Duration,
    bounds: Option<Bounds>,
    /// The result is cut to so many rows, which is no error
    take: Option<usize>,
    scope: Option<TimeScope>,
}

impl Options {
    fn read(text: &str, given: Map<String, Value>) -> Result<Options, Refusal> {
        let set = set_statements(text);
        let find = |name: &str| {
            let given =
                given.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
            let set = || set.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
            given.filter(|value| !value.is_null()).or_else(set)
        };
        let count = |name: &str| find(name).map(|value| whole(name, &value)).transpose();
        let on = |name: &str| {
            find(name).is_some_and(|value| {
                value == true || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
            })
        };
        let moment = |name: &str| find(name).map(|value| datetime(name, &value)).transpose();
        let bounds = Bounds {
            rows: count("truncationmaxrecords")?.unwrap_or(DEFAULT_ROWS),
            bytes: count("truncationmaxsize")?.unwrap_or(DEFAULT_BYTES),
        };
        let wait = match find("servertimeout") {
            _ if on("norequesttimeout") => LONGEST_WAIT,
            None => DEFAULT_WAIT,
            Some(value) => length(&value)?.clamp(Duration::from_millis(1), LONGEST_WAIT),
        };
        let column = find("query_datetimescope_column").and_then(|value| value.as_str().map(str::to_owned));
        let (from, to) = (moment("query_datetimescope_from")?, moment("query_datetimescope_to")?);
        Ok(Options {
            wait,
            bounds: (!on("notruncation")).then_some(bounds),
            take: count("query_take_max_records")?,
            scope: column.map(|column| TimeScope { column, from, to }),
        })
    }
}

fn wrong_option(name: &str, value: &Value, what: &str) -> Refusal {
    Refusal::bad_argument(format!("The request property '{name}' is {value}, which is no {what}."))
}

fn whole(name: &str, value: &Value) -> Result<usize, Refusal> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    number.and_then(|number| usize::try_from(number).ok()).ok_or_else(|| wrong_option(name, value, "count"))
}

/// `00:04:00`, or seconds.
fn length(value: &Value) -> Result<Duration, Refusal> {
    let seconds = value.as_f64().filter(|seconds| (0.0..1e9).contains(seconds)).map(Duration::from_secs_f64);
    seconds
        .or_else(|| timespan::clock(unwrapped(value.as_str()?, &["time", "timespan"])))
        .ok_or_else(|| wrong_option("servertimeout", value, "timespan: write hh:mm:ss"))
}

fn datetime(name: &str, value: &Value) -> Result<chrono::DateTime<chrono::Utc>, Refusal> {
    let text = value.as_str().map(|text| unwrapped(text, &["datetime"]));
    text.and_then(timespan::moment).ok_or_else(|| wrong_option(name, value, "datetime"))
}

/// `datetime(x)` as `x`, for these words.
fn unwrapped<'a>(text: &'a str, words: &[&str]) -> &'a str {
    let inner = |word: &&str| text.trim().strip_prefix(*word)?.trim_start().strip_prefix('(')?.strip_suffix(')');
    words.iter().find_map(inner).unwrap_or(text).trim()
}

/// `set name;` and `set name=value;` at the start of a query.
fn set_statements(text: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        let code: String =
            statement.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let Some(setting) = code.trim().strip_prefix("set ") else {
            if code.trim().is_empty() {
                continue;
            }
            break;
        };
        let (name, value) = setting.split_once('=').unwrap_or((setting, "true"));
        let value = value.trim().trim_matches(['"', '\'']);
        found.push((name.trim().to_owned(), Value::from(value)));
    }
    found
}

/// What clients ask before they ask for a token; nobody needs one here.
pub(crate) fn auth_metadata(url: &str) -> Reply {
    let body = json!({
        "AzureAD": {
            "LoginEndpoint": "https://login.microsoftonline.com",
            "LoginMfaRequired": false,
            "KustoClientAppId": "db662dc1-0cfe-4e1c-a843-19a68e65be58",
            "KustoClientRedirectUri": "https://microsoft/kustoclient",
            "KustoServiceResourceId": url,
            "FirstPartyAuthorityUrl": "https://login.microsoftonline.com/f8cdef31-a31e-4b4a-93e4-5f571e91255a",
        }
    });
    Reply::json(StatusCode::OK, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, options: Value) -> Result<Options, Refusal> {
        Options::read(text, options.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn options_bound_a_query() {
        let found =
            read("T", json!({"servertimeout": "00:00:30", "truncationmaxrecords": 5, "notruncation": null})).unwrap();
        assert_eq!(found.wait, Duration::from_secs(30));
        assert_eq!(found.bounds, Some(Bounds { rows: 5, bytes: DEFAULT_BYTES }));
        assert_eq!(read("T", json!({"notruncation": true})).unwrap().bounds, None);
        assert_eq!(read("set notruncation;\nset truncationmaxrecords=7; T", json!({})).unwrap().bounds, None);
        assert_eq!(read("// c\nset truncationmaxrecords=7; T", json!({})).unwrap().bounds.unwrap().rows, 7);
        assert_eq!(read("T", json!({"query_take_max_records": "3"})).unwrap().take, Some(3));
        let scope = json!({"query_datetimescope_column": "At", "query_datetimescope_from": "datetime(2024-01-01)"});
        let scope = read("T", scope).unwrap().scope.unwrap();
        assert_eq!((scope.column.as_str(), scope.from, scope.to), ("At", timespan::moment("2024-01-01"), None));
        assert!(read("T", json!({"servertimeout": "soon"})).unwrap_err().message.contains("servertimeout"));
    }
}
