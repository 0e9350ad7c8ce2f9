//! One request: who may ask, what for, and the answer with its headers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::auth::{self, Caller};
use super::body::Upload;
use super::reply::{Dialect, Refusal, Reply, gzipped};
use super::route::{Route, route};
use super::{Shared, collector, ingestion, kusto, log_analytics, management};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const ACTIVITY_ID: HeaderName = HeaderName::from_static("x-ms-activity-id");
/// Larger bodies are compressed away from the threads that serve connections.
const LARGE: usize = 64 << 10;

/// Answers a request. When its client goes away this future is dropped, which cancels its query.
pub(crate) async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut upload = Upload::new(&parts.headers, Body::new(body));
    let route = route(&parts.method, parts.uri.path());
    let reply = match answer(&shared, &route, &parts, &mut upload).await {
        Ok(reply) => reply,
        Err(refusal) => route.dialect().refuse(refusal),
    };
    drop(upload);
    finish(reply, &parts.headers).await
}

async fn answer(shared: &Arc<Shared>, route: &Route, parts: &Parts, upload: &mut Upload) -> Result<Reply, Refusal> {
    if !is_our_host(parts, shared.exposed) {
        let message = "This server answers to localhost, 127.0.0.1, [::1] and *.localhost only.";
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "MisdirectedRequest", message));
    }
    let headers = &parts.headers;
    let parameters: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let caller = || auth::caller(headers, &shared.token, shared.anonymous);
    match route {
        Route::AuthMetadata => Ok(kusto::auth_metadata(&shared.url)),
        Route::Query(target) => {
            let caller = caller().map_err(auth::Stranger::azure)?;
            let body = match parts.method {
                Method::GET => None,
                _ => Some(log_analytics::read(headers, upload).await?),
            };
            log_analytics::query(shared, caller, target, headers, &parameters, body.as_deref()).await
        }
        Route::Metadata(target) => {
            caller().map_err(auth::Stranger::azure)?;
            log_analytics::metadata(shared, target)
        }
        Route::Batch => {
            let caller = caller().map_err(auth::Stranger::azure)?;
            let body = log_analytics::read(headers, upload).await?;
            log_analytics::batch(shared, caller, &body).await
        }
        Route::KustoQuery(version) => {
            let caller = caller().map_err(auth::Stranger::kusto)?;
            let body = log_analytics::read(headers, upload).await?;
            kusto::query(shared, caller, *version, headers, &body).await
        }
        Route::KustoManagement => {
            let caller = caller().map_err(auth::Stranger::kusto)?;
            let body = log_analytics::read(headers, upload).await?;
            management::command(shared, caller, &body).await
        }
        Route::KustoIngest { database, table } => {
            if caller().map_err(auth::Stranger::kusto)? == Caller::Anonymous {
                return Err(auth::Stranger::Missing.kusto());
            }
            ingestion::stream_into(shared, database, table, headers, &parameters, upload).await
        }
        Route::Ingestion { rule, stream } => {
            caller().map_err(auth::Stranger::azure)?;
            ingestion::ingest(shared, rule, stream, headers, &parameters, upload).await
        }
        Route::Collector => collector::collect(shared, headers, &parameters, upload).await,
        Route::Unknown => Err(Refusal::not_found(parts.uri.path())),
    }
}

/// A page of another site that has its name resolve to us sends its own name as the host.
fn is_our_host(parts: &Parts, exposed: Option<IpAddr>) -> bool {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let named = |host: &str| is_local_name(host, exposed);
    host.to_str().is_ok_and(named) && parts.uri.authority().is_none_or(|authority| named(authority.as_str()))
}

fn is_local_name(host: &str, exposed: Option<IpAddr>) -> bool {
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, port)) => (name, port),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let right_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.to_ascii_lowercase();
    let local = matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1")
        || name.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
        || exposed.is_some_and(|address| name == address.to_string());
    right_port && local
}

async fn finish(reply: Reply, asked: &HeaderMap) -> Response<Body> {
    let Reply { status, headers, body } = reply;
    let (body, packed) = match compressed(body, asked).await {
        Ok(done) => done,
        // The thread that compressed it is gone: nothing is left to send.
        Err(_) => return finish_plain(Dialect::Azure.refuse(Refusal::crashed()), asked),
    };
    let mut response = finish_plain(Reply { status, headers, body }, asked);
    if packed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

async fn compressed(body: Vec<u8>, asked: &HeaderMap) -> Result<(Vec<u8>, bool), tokio::task::JoinError> {
    if body.len() < LARGE {
        return Ok(gzipped(&body, asked).map_or((body, false), |packed| (packed, true)));
    }
    let asked = asked.clone();
    let compress = move || gzipped(&body, &asked).map_or((body, false), |packed| (packed, true));
    tokio::task::spawn_blocking(compress).await
}

fn finish_plain(reply: Reply, asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    let has_body = reply.status != StatusCode::NO_CONTENT;
    if has_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert(ACTIVITY_ID, id);
    }
    if let Some(id) = asked.get(&REQUEST_ID) {
        headers.insert(REQUEST_ID, id.clone());
    }
    for (name, value) in reply.headers {
        headers.insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_names_are_ours() {
        let local = [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8799",
            "[::1]",
            "[::1]:80",
            "a.localhost:1",
            "11111111-2222-3333-4444-555555555555.localhost",
        ];
        for host in local {
            assert!(is_local_name(host, None), "{host}");
        }
        let foreign = [
            "",
            "evil.com",
            "localhost.evil.com",
            "127.0.0.1.evil.com",
            "127.0.0.2",
            ".localhost",
            "localhost:80@evil.com",
            "[::2]",
            "10.0.0.1",
        ];
        for host in foreign {
            assert!(!is_local_name(host, None), "{host}");
        }
        assert!(is_local_name("10.0.0.1:443", Some("10.0.0.1".parse().unwrap())));
    }
}
