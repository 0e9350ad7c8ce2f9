//! Queries to Log Analytics and Application Insights (API v1).
//!
//! Source: "Azure Monitor Log Analytics API" (request format, response format, timeouts, errors).

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cloud::Cloud;
use crate::decode::Partial;
use crate::error::Error;
use crate::http::{Auth, Endpoint, Request, Retry, Transport, encoded};
pub use crate::reply::{Reply, TableSchema};

/// The longest time that the service takes for a query.
pub const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// What it takes when nothing is said.
pub const USUAL_WAIT: Duration = Duration::from_secs(180);

/// What a query runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource(String);

impl Resource {
    /// A workspace by its id, a GUID.
    pub fn workspace(id: &str) -> Result<Self, Error> {
        let id = Uuid::parse_str(id.trim()).map_err(|_| {
            Error::Config(format!(
                "`{id}` is no workspace id: that is a GUID, shown on the workspace's overview page in the portal"
            ))
        })?;
        Ok(Self(format!("/v1/workspaces/{id}")))
    }

    /// An Azure resource by its id, as `/subscriptions/../providers/Microsoft.OperationalInsights/workspaces/w`.
    pub fn azure(id: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = id.trim().trim_matches('/').split('/').collect();
        if parts.len() < 2 || !parts[0].eq_ignore_ascii_case("subscriptions") || !parts.iter().all(is_part) {
            return Err(Error::Config(format!("`{id}` is no resource id: that begins with /subscriptions/")));
        }
        Ok(Self(format!("/v1/{}", parts.iter().map(|part| encoded(part)).collect::<Vec<_>>().join("/"))))
    }

    /// An Application Insights application by its application id.
    pub fn application(id: &str) -> Result<Self, Error> {
        if !is_part(&id) {
            return Err(Error::Config(format!("`{id}` is no application id")));
        }
        Ok(Self(format!("/v1/apps/{}", encoded(id))))
    }
}

fn is_part(part: &&str) -> bool {
    !part.is_empty() && *part != "." && *part != ".." && !part.contains(char::is_control)
}

/// A query and how it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub text: String,
    /// ISO 8601: a duration (`PT1H`) or an interval (`start/end`); it narrows the query's own times.
    pub timespan: Option<String>,
    /// Further workspaces by name, id or resource id.
    pub workspaces: Vec<String>,
    /// How long the service may work on it: up to [`LONGEST_WAIT`].
    pub wait: Duration,
    pub partial: Partial,
    pub statistics: bool,
}

impl Query {
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            timespan: None,
            workspaces: Vec::new(),
            wait: USUAL_WAIT,
            partial: Partial::Refuse,
            statistics: false,
        }
    }
}

/// The query service of one cloud.
#[derive(Debug, Clone)]
pub struct LogAnalytics {
    transport: Transport,
    endpoint: Endpoint,
    auth: Auth,
    scope: String,
}

impl LogAnalytics {
    pub fn new(transport: Transport, cloud: Cloud, auth: Auth) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(cloud.log_analytics(), crate::http::Trust::Config)?;
        Ok(Self { transport, endpoint, auth, scope: cloud.log_analytics_scope().to_owned() })
    }

    /// At another address, with the scope that is right there (`audience/.default`).
    pub fn at(transport: Transport, endpoint: &Endpoint, auth: Auth, scope: impl Into<String>) -> Result<Self, Error> {
        // Some clients name the endpoint with its version.
        let address = endpoint.address();
        let endpoint = endpoint.moved_to(address.strip_suffix("/v1").unwrap_or(address))?;
        Ok(Self { transport, endpoint, auth, scope: scope.into() })
    }

    /// Runs a query.
    ///
    /// Errors: what the service refuses, with line and column where it names them; an answer that is not whole, unless
    /// the query allows it; an answer that cannot be read. An empty workspace is an answer without tables.
    pub async fn query(&self, on: &Resource, query: &Query) -> Result<Reply, Error> {
        let start = Instant::now();
        let wait = query.wait.clamp(Duration::from_secs(1), LONGEST_WAIT);
        let mut prefer = format!("wait={}", wait.as_secs());
        if query.statistics {
            prefer.push_str(",include-statistics=true");
        }
        prefer.push_str(",include-render=true");
        let mut body = Map::new();
        body.insert("query".to_owned(), json!(query.text));
        if let Some(timespan) = &query.timespan {
            body.insert("timespan".to_owned(), json!(timespan));
        }
        if !query.workspaces.is_empty() {
            body.insert("workspaces".to_owned(), json!(query.workspaces));
        }
        let id = Uuid::new_v4().to_string();
        let mut request =
            Request::new(Method::POST, &self.endpoint, format!("{}/query", on.0)).json(&Value::Object(body));
        request.headers.push(("prefer", prefer));
        request.headers.push(("x-ms-client-request-id", id.clone()));
        (request.auth, request.scope) = (&self.auth, &self.scope);
        request.retry = Retry::Costly;
        request.patience = self.transport.patience(wait);
        crate::reply::read(self.transport.send(request).await?, query.partial, start, &id).await
    }

    /// The tables that there are, with their columns, for completion.
    pub async fn metadata(&self, on: &Resource) -> Result<Vec<TableSchema>, Error> {
        let mut request = Request::new(Method::GET, &self.endpoint, format!("{}/metadata", on.0));
        (request.auth, request.scope) = (&self.auth, &self.scope);
        let answer = self.transport.send(request).await?.json()?;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let tables = answer
            .get("tables")
            .and_then(Value::as_array)
            .ok_or_else(|| Error::Answer { host: self.endpoint.host(), what: "the schema has no tables".to_owned() })?;
        let columns = |table: &Value| {
            let columns = table.get("columns").and_then(Value::as_array).into_iter().flatten();
            columns.filter_map(|column| Some((text(column, "name")?, text(column, "type")?))).collect()
        };
        Ok(tables
            .iter()
            .filter_map(|table| Some(TableSchema { name: text(table, "name")?, columns: columns(table) }))
            .collect())
    }

    /// Where queries go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}
