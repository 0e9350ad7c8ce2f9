//! Queries and management commands to Azure Data Explorer, and to what speaks its protocol.
//!
//! Source: "Query/management HTTP request" and "Query v2 HTTP response" of the Kusto documentation.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::decode::Partial;
use crate::error::Error;
use crate::http::{Auth, Endpoint, Request, Retry, Transport};
pub use crate::reply::{Reply, TableSchema};
use crate::table::{ColumnType, Table};

/// What Kusto itself takes for a query when nothing is said.
pub const USUAL_WAIT: Duration = Duration::from_secs(240);

/// A query and how it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub text: String,
    /// Request properties: `notruncation`, `truncationmaxrecords`, `query_datetimescope_from`, ...
    pub options: Map<String, Value>,
    /// Values for `declare query_parameters`, as KQL literals.
    pub parameters: Map<String, Value>,
    /// How long the service may work on it.
    pub wait: Duration,
    pub partial: Partial,
}

impl Query {
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            options: Map::new(),
            parameters: Map::new(),
            wait: USUAL_WAIT,
            partial: Partial::Refuse,
        }
    }
}

/// A cluster.
#[derive(Debug, Clone)]
pub struct Kusto {
    transport: Transport,
    endpoint: Endpoint,
    auth: Auth,
    scope: String,
}

impl Kusto {
    /// `endpoint` is the cluster's address. Its scope is its own address, unless `scope` is given.
    pub fn new(transport: Transport, endpoint: Endpoint, auth: Auth, scope: Option<String>) -> Self {
        let scope = scope.unwrap_or_else(|| format!("https://{}/.default", endpoint.domain()));
        Self { transport, endpoint, auth, scope }
    }

    /// Runs a query. Errors as for [`LogAnalytics::query`](crate::log_analytics::LogAnalytics::query).
    pub async fn query(&self, database: &str, query: &Query) -> Result<Reply, Error> {
        let mut options = query.options.clone();
        options.entry("servertimeout").or_insert_with(|| json!(timespan(query.wait)));
        // Rows in pieces that replace each other are for screens, not for frames.
        options.insert("results_progressive_enabled".to_owned(), json!(false));
        let properties = json!({"Options": options, "Parameters": query.parameters});
        let body = body(database, &query.text, &properties);
        self.post("/v2/rest/query", &body, query.wait, Retry::Costly, query.partial).await
    }

    /// Runs a management command, which begins with a dot. A command that does not start with `.show` is sent once.
    pub async fn mgmt(&self, database: &str, command: &str) -> Result<Reply, Error> {
        let reads = command.trim_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case(".show"));
        let retry = if reads { Retry::Harmless } else { Retry::Never };
        let wait = Duration::from_secs(600);
        let properties = json!({"Options": {"servertimeout": timespan(wait)}});
        self.post("/v1/rest/mgmt", &body(database, command, &properties), wait, retry, Partial::Refuse).await
    }

    /// The tables of a database with their columns, for completion.
    pub async fn schema(&self, database: &str) -> Result<Vec<TableSchema>, Error> {
        let name = format!("['{}']", database.replace('\\', "\\\\").replace('\'', "\\'"));
        let reply = self.mgmt(database, &format!(".show database {name} schema")).await?;
        let table = reply.answer.results().next();
        table.and_then(tables).ok_or_else(|| Error::Answer {
            host: self.endpoint.host(),
            what: "the schema has no columns TableName, ColumnName and ColumnType".to_owned(),
        })
    }

    /// Where queries go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn post(
        &self,
        path: &str,
        body: &Value,
        wait: Duration,
        retry: Retry,
        partial: Partial,
    ) -> Result<Reply, Error> {
        let start = Instant::now();
        let id = format!("huntbook;{}", Uuid::new_v4());
        let mut request = Request::new(Method::POST, &self.endpoint, path).json(body);
        request.headers.extend([
            ("accept", "application/json".to_owned()),
            ("x-ms-client-request-id", id.clone()),
            ("x-ms-version", "2024-12-12".to_owned()),
            ("x-ms-app", "huntbook".to_owned()),
        ]);
        (request.auth, request.scope, request.retry) = (&self.auth, &self.scope, retry);
        request.patience = self.transport.patience(wait);
        crate::reply::read(self.transport.send(request).await?, partial, start, &id).await
    }
}

/// The protocol wants the properties as text within the JSON.
fn body(database: &str, text: &str, properties: &Value) -> Value {
    json!({"db": database, "csl": text, "properties": properties.to_string()})
}

/// Kusto's spelling of a duration: `00:04:00`.
fn timespan(wait: Duration) -> String {
    let seconds = wait.as_secs().clamp(1, 3600);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `.show database schema` has a row per database, table and column; those of tables and databases have no column.
fn tables(table: &Table) -> Option<Vec<TableSchema>> {
    let (names, columns, types) = (table.texts("TableName")?, table.texts("ColumnName")?, table.texts("ColumnType")?);
    let mut tables: Vec<TableSchema> = Vec::new();
    for row in 0..table.rows {
        let Some(name) = names.get(row).filter(|name| !name.is_empty()) else { continue };
        if tables.last().is_none_or(|last| last.name != name) {
            tables.push(TableSchema { name: name.to_owned(), columns: Vec::new() });
        }
        if let (Some(column), Some(last)) = (columns.get(row).filter(|column| !column.is_empty()), tables.last_mut()) {
            let kind = types.get(row).unwrap_or_default();
            let kind = ColumnType::from_name(kind).map_or(kind, |known| known.name());
            last.columns.push((column.to_owned(), kind.to_owned()));
        }
    }
    Some(tables)
}
