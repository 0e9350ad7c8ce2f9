//! Answers, and the services' shapes of errors.

use std::io::Write;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::service::{Mistake, QueryFailure};

/// An answer before it is sent.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON, or nothing
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn bytes(body: Vec<u8>) -> Reply {
        Reply { status: StatusCode::OK, headers: Vec::new(), body }
    }

    pub(crate) fn json(status: StatusCode, body: &Value) -> Reply {
        Reply { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Reply {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

/// Why a request is not served, before it is put into a service's shape.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// The service's innermost error
    pub(crate) inner: Option<Value>,
    pub(crate) retry_after: bool,
    /// Nothing more is read from this connection.
    pub(crate) close: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into(), inner: None, retry_after: false, close: false }
    }

    pub(crate) fn bad_argument(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "BadArgumentError", message)
    }

    pub(crate) fn closing(self) -> Refusal {
        Refusal { close: true, ..self }
    }

    pub(crate) fn unsupported_type() -> Refusal {
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "The body must be application/json.")
    }

    pub(crate) fn not_found(path: &str) -> Refusal {
        let shown: String = path.chars().take(200).collect();
        Refusal::new(StatusCode::NOT_FOUND, "PathNotFoundError", format!("The requested path '{shown}' does not exist"))
    }

    pub(crate) fn busy() -> Refusal {
        let message = "Too many queries: 5 run at once, 200 wait for up to 3 minutes. Try again later.";
        Refusal { retry_after: true, ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "ThrottledError", message) }
    }

    pub(crate) fn timed_out(seconds: u64) -> Refusal {
        let message =
            format!("The query ran longer than {seconds} s and was cancelled. Narrow it, or ask for a longer wait.");
        Refusal::new(StatusCode::GATEWAY_TIMEOUT, "GatewayTimeout", message)
    }

    pub(crate) fn crashed() -> Refusal {
        let message = "The query crashed inside the engine; its data is unharmed. Please report the query.";
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
    }

    pub(crate) fn storage(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
    }
}

/// How a service words its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Log Analytics and Logs Ingestion
    Azure,
    Kusto,
    Collector,
}

impl Dialect {
    pub(crate) fn refuse(self, refusal: Refusal) -> Reply {
        let body = match self {
            Dialect::Azure => azure_error(&refusal),
            Dialect::Kusto => kusto_error(&refusal),
            Dialect::Collector => json!({"Error": refusal.code, "Message": refusal.message}),
        };
        let mut reply = Reply::json(refusal.status, &body);
        if refusal.status == StatusCode::UNAUTHORIZED {
            reply = reply.with(header::WWW_AUTHENTICATE, "Bearer");
        }
        if refusal.retry_after {
            reply = reply.with(header::RETRY_AFTER, "5");
        }
        if refusal.close {
            reply = reply.with(header::CONNECTION, "close");
        }
        reply
    }
}

fn azure_error(refusal: &Refusal) -> Value {
    let mut error = json!({
        "message": refusal.message,
        "code": refusal.code,
        "correlationId": uuid::Uuid::new_v4().to_string(),
    });
    if let Some(inner) = &refusal.inner {
        error["innererror"] = inner.clone();
    }
    json!({ "error": error })
}

fn kusto_error(refusal: &Refusal) -> Value {
    let (code, kind) = match refusal.code {
        "BadArgumentError" => ("General_BadRequest", "Kusto.Data.Exceptions.KustoBadRequestException"),
        "GatewayTimeout" => ("GatewayTimeout", "Kusto.DataNode.Exceptions.KustoRequestTimeoutException"),
        "ThrottledError" => ("TooManyRequests", "Kusto.Data.Exceptions.KustoRequestThrottledException"),
        other => (other, "Kusto.Data.Exceptions.KustoServiceException"),
    };
    let bad = code == "General_BadRequest";
    let message = if bad { "Request is invalid and cannot be executed." } else { &refusal.message };
    let detail = if bad {
        format!("Request is invalid and cannot be processed: {}", refusal.message)
    } else {
        refusal.message.clone()
    };
    let mut error = json!({
        "code": code,
        "message": message,
        "@type": kind,
        "@message": detail,
        "@context": {
            "timestamp": super::clock::now(),
            "serviceAlias": "HUNTBOOK",
            "clientRequestId": null,
            "activityId": uuid::Uuid::new_v4().to_string(),
        },
        "@permanent": refusal.status.is_client_error() && refusal.status != StatusCode::TOO_MANY_REQUESTS,
    });
    if let Some(inner) = &refusal.inner {
        error["innererror"] = inner.clone();
    }
    json!({ "error": error })
}

/// A failed query in a service's words.
pub(crate) fn failed_query(dialect: Dialect, failure: QueryFailure) -> Refusal {
    match failure {
        QueryFailure::Syntax(mistake) => {
            mistaken(dialect, "SyntaxError", "A recognition error occurred in the query.", mistake)
        }
        QueryFailure::Semantic(mistake) => mistaken(dialect, "SemanticError", "A semantic error occurred.", mistake),
        QueryFailure::Execution(message) => match dialect {
            Dialect::Kusto => Refusal::bad_argument(format!("Query execution failed: {message}")),
            _ => Refusal {
                inner: Some(json!({"code": "EngineError", "message": message})),
                ..Refusal::bad_argument("Something went wrong processing your query on the server.")
            },
        },
        QueryFailure::Cancelled => Refusal::timed_out(0),
    }
}

fn mistaken(dialect: Dialect, code: &str, message: &str, mistake: Mistake) -> Refusal {
    let mut innermost = json!({
        "code": mistake.code,
        "message": mistake.message,
        "line": mistake.line,
        "pos": mistake.position,
        "token": mistake.token,
    });
    if dialect == Dialect::Kusto {
        let kind = if code == "SyntaxError" { "Syntax error" } else { "Semantic error" };
        innermost["@permanent"] = true.into();
        return Refusal {
            inner: Some(innermost),
            ..Refusal::bad_argument(format!("{kind}: {}: {}", mistake.code, mistake.message))
        };
    }
    let inner = json!({"code": code, "message": message, "innererror": innermost});
    Refusal { inner: Some(inner), ..Refusal::bad_argument("The request had some invalid properties") }
}

/// Bodies below this gain nothing from compression.
const WORTH_COMPRESSING: usize = 1024;

/// The body gzipped, if the client takes that and it is worth it.
pub(crate) fn gzipped(body: &[u8], asked: &HeaderMap) -> Option<Vec<u8>> {
    let takes = asked
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (name.eq_ignore_ascii_case("gzip") || name == "*") && !refused
        });
    if !takes || body.len() < WORTH_COMPRESSING {
        return None;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).ok()
}
