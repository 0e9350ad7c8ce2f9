//! Paths of the four services.

use axum::http::Method;
use percent_encoding::percent_decode_str;

use super::reply::Dialect;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    AuthMetadata,
    Query(Target),
    Metadata(Target),
    Batch,
    /// Version 1 or 2
    KustoQuery(u8),
    KustoManagement,
    KustoIngest {
        database: String,
        table: String,
    },
    Ingestion {
        rule: String,
        stream: String,
    },
    Collector,
    Unknown,
}

/// Whose data is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Workspace(String),
    /// An Azure resource id: the local server has the data of one workspace, whatever the resource is called.
    Resource,
}

impl Route {
    /// How this service words its errors.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Route::KustoQuery(_) | Route::KustoManagement | Route::KustoIngest { .. } => Dialect::Kusto,
            Route::Collector => Dialect::Collector,
            _ => Dialect::Azure,
        }
    }
}

/// Reads a path; repeated slashes are one.
pub(crate) fn route(method: &Method, path: &str) -> Route {
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (get, post) = (method == Method::GET, method == Method::POST);
    match parts.as_slice() {
        ["v1", "rest", "auth", "metadata"] if get => Route::AuthMetadata,
        ["v1", "rest", "query"] if post => Route::KustoQuery(1),
        ["v2", "rest", "query"] if post => Route::KustoQuery(2),
        ["v1", "rest", "mgmt"] if post => Route::KustoManagement,
        ["v1", "rest", "ingest", database, table] if post => {
            Route::KustoIngest { database: (*database).to_owned(), table: (*table).to_owned() }
        }
        ["v1", "$batch"] if post => Route::Batch,
        ["v1", "workspaces", id, "query"] if get || post => Route::Query(Target::Workspace((*id).to_owned())),
        ["v1", "workspaces", id, "metadata"] if get || post => Route::Metadata(Target::Workspace((*id).to_owned())),
        ["v1", resource @ .., "query"] if post && is_resource(resource) => Route::Query(Target::Resource),
        ["v1", resource @ .., "metadata"] if (get || post) && is_resource(resource) => {
            Route::Metadata(Target::Resource)
        }
        [rules, rule, "streams", stream] if post && rules.eq_ignore_ascii_case("dataCollectionRules") => {
            Route::Ingestion { rule: (*rule).to_owned(), stream: (*stream).to_owned() }
        }
        ["api", "logs"] if post => Route::Collector,
        _ => Route::Unknown,
    }
}

/// `subscriptions/S/resourceGroups/G/providers/P/TYPE/NAME`
fn is_resource(parts: &[&str]) -> bool {
    let word = |at: usize, word: &str| parts.get(at).is_some_and(|part| part.eq_ignore_ascii_case(word));
    parts.len() >= 8 && word(0, "subscriptions") && word(2, "resourceGroups") && word(4, "providers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_that_clients_send() {
        let resource =
            "/v1//subscriptions/s/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/w/query";
        let workspace = Target::Workspace("W".to_owned());
        let cases = [
            (Method::POST, "/v1/workspaces/W/query", Route::Query(workspace.clone())),
            (Method::GET, "/v1///workspaces//W/query", Route::Query(workspace.clone())),
            (Method::GET, "/v1/workspaces/W/metadata", Route::Metadata(workspace)),
            (Method::POST, resource, Route::Query(Target::Resource)),
            (Method::POST, "/v1/%24batch", Route::Batch),
            (Method::POST, "/v1/$batch", Route::Batch),
            (Method::POST, "/v2/rest/query", Route::KustoQuery(2)),
            (Method::POST, "/v1/rest/mgmt", Route::KustoManagement),
            (Method::GET, "/v1/rest/auth/metadata", Route::AuthMetadata),
            (
                Method::POST,
                "/v1/rest/ingest/hunt/A%20b",
                Route::KustoIngest { database: "hunt".to_owned(), table: "A b".to_owned() },
            ),
            (
                Method::POST,
                "/dataCollectionRules/dcr-1/streams/Custom-X",
                Route::Ingestion { rule: "dcr-1".to_owned(), stream: "Custom-X".to_owned() },
            ),
            (Method::POST, "/api/logs", Route::Collector),
            (Method::GET, "/api/logs", Route::Unknown),
            (Method::POST, "/v1/subscriptions/s/query", Route::Unknown),
            (Method::DELETE, "/v1/workspaces/W/query", Route::Unknown),
            (Method::GET, "/", Route::Unknown),
        ];
        for (method, path, expected) in cases {
            assert_eq!(route(&method, path), expected, "{method} {path}");
        }
    }
}
