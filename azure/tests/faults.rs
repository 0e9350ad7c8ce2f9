//! The clients against a server that does everything wrong: no hang, no token elsewhere, nothing partial as whole.

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use huntbook_azure::credential::{AccessToken, Credential, CredentialError, GivenToken, TokenSource};
use huntbook_azure::decode::Partial;
use huntbook_azure::http::{Auth, Endpoint, Transport, TransportOptions, Trust};
use huntbook_azure::log_analytics::{LogAnalytics, Query, Reply, Resource};
use huntbook_azure::secret::Secret;
use huntbook_azure::{Error, TransportKind};
use serde_json::{Value, json};
use support::{Act, Certificate, Server, json, options, run, status, transport, transport_trusting};

const TOKEN: &str = "planted-token-abcdefghijklmnop";

fn answer() -> Value {
    json!({"tables": [{"name": "PrimaryResult", "columns": [{"name": "n", "type": "long"}], "rows": [[1], [2]]}]})
}

fn given() -> Auth {
    Auth::Token(TokenSource::new(GivenToken::new(Secret::new(TOKEN))))
}

fn ask_with(transport: Transport, endpoint: &Endpoint, auth: Auth, query: &Query) -> Result<Reply, Error> {
    let service = LogAnalytics::at(transport, endpoint, auth, "https://api.loganalytics.io/.default")?;
    let workspace = Resource::workspace("11111111-2222-3333-4444-555555555555")?;
    let result = run(service.query(&workspace, query));
    if let Err(error) = &result {
        assert!(!format!("{error} {error:?} {service:?}").contains("planted"), "{error:?}");
    }
    result
}

fn ask(server: &Server) -> Result<Reply, Error> {
    let query = Query { wait: Duration::from_secs(1), ..Query::new("T") };
    ask_with(transport(), &server.endpoint(), given(), &query)
}

fn rows(reply: &Reply) -> usize {
    reply.answer.results().map(|table| table.rows).sum()
}

#[test]
fn a_query_as_the_service_wants_it() {
    let server = Server::start(|_, _| {
        let Act::Reply(status, mut headers, body) = json(200, &answer()) else { unreachable!() };
        headers.push(("x-ms-activity-id", "activity-7".into()));
        Act::Reply(status, headers, body)
    });
    let query = Query {
        timespan: Some("PT1H".into()),
        workspaces: vec!["other".into()],
        statistics: true,
        ..Query::new("T | where x == 'é\"'")
    };
    let reply = ask_with(transport(), &server.endpoint(), given(), &query).unwrap();
    assert_eq!((rows(&reply), reply.request_id.as_str(), reply.attempts), (2, "activity-7", 1));
    let request = &server.received()[0];
    assert_eq!(request.target, "/v1/workspaces/11111111-2222-3333-4444-555555555555/query");
    assert_eq!(request.json(), json!({"query": "T | where x == 'é\"'", "timespan": "PT1H", "workspaces": ["other"]}));
    assert_eq!(request.header("prefer"), Some("wait=180,include-statistics=true,include-render=true"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("huntbook/"));
}

#[test]
fn a_busy_service_is_asked_again_when_it_says() {
    let server = Server::start(|_, number| match number {
        0 => status(429, &[("retry-after", "1")]),
        1 => status(503, &[]),
        _ => json(200, &answer()),
    });
    let start = Instant::now();
    let reply = ask(&server).unwrap();
    assert_eq!((rows(&reply), reply.attempts), (2, 3));
    assert!(start.elapsed() >= Duration::from_secs(1));

    let server = Server::start(|_, _| status(429, &[("retry-after", "9999")]));
    let error = ask(&server).unwrap_err();
    assert_eq!((error.kind(), server.received().len()), ("Throttled", 1));
    assert!(error.to_string().contains("wait 9999 s"), "{error}");

    let server = Server::start(|_, _| status(503, &[("retry-after", "0")]));
    let error = ask(&server).unwrap_err();
    assert!(error.to_string().contains("after 3 attempts"), "{error}");
}

#[test]
fn a_query_that_ran_out_of_time_is_not_repeated() {
    let server = Server::start(|_, _| json(504, &json!({"error": {"code": "GatewayTimeout", "message": "too long"}})));
    let error = ask(&server).unwrap_err();
    assert_eq!((error.kind(), server.received().len()), ("ServiceTimeout", 1));
    assert!(error.to_string().contains("shorter time range"), "{error}");
}

#[test]
fn latency_is_no_fault() {
    let server = Server::start(|_, _| Act::After(Duration::from_millis(300), Box::new(json(200, &answer()))));
    assert_eq!(rows(&ask(&server).unwrap()), 2);
}

#[test]
fn nothing_where_something_was_expected() {
    let reply = ask(&Server::start(|_, _| status(204, &[]))).unwrap();
    assert_eq!((reply.answer.tables.len(), reply.answer.warnings.len()), (0, 1));
    let error = ask(&Server::start(|_, _| status(200, &[("content-type", "application/json")]))).unwrap_err();
    assert_eq!(error.kind(), "BadAnswer");
    assert!(error.to_string().contains("empty"), "{error}");
}

#[test]
fn an_answer_cut_on_the_way_is_never_an_answer() {
    let body = answer().to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(body.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let cut = &body[..body.len() - 9];
    let mut gzip = format!("{head}content-encoding: gzip\r\nconnection: close\r\n\r\n").into_bytes();
    gzip.extend_from_slice(&packed[..packed.len() - 12]);
    for raw in [
        format!("{head}content-length: {}\r\n\r\n{cut}", body.len()).into_bytes(),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{cut}\r\n", cut.len()).into_bytes(),
        format!("{head}connection: close\r\n\r\n{cut}").into_bytes(),
        gzip,
    ] {
        let server = Server::start(move |_, _| Act::Raw(raw.clone()));
        let query = Query { partial: Partial::Allow, ..Query::new("T") };
        let error = ask_with(transport(), &server.endpoint(), given(), &query).unwrap_err();
        assert!(matches!(error.kind(), "ConnectionError" | "BadAnswer"), "{error:?}");
    }
    // The same, whole.
    let mut gzip = format!("{head}content-encoding: gzip\r\nconnection: close\r\n\r\n").into_bytes();
    gzip.extend_from_slice(&packed);
    assert_eq!(rows(&ask(&Server::start(move |_, _| Act::Raw(gzip.clone()))).unwrap()), 2);
}

#[test]
fn a_page_instead_of_json() {
    let page = || Act::Reply(200, vec![("content-type", "text/html".into())], b"<html>Sign in planted</html>".to_vec());
    let error = ask(&Server::start(move |_, _| page())).unwrap_err();
    assert!(error.to_string().contains("text/html instead of JSON"), "{error}");
    let lies = || Act::Reply(200, vec![("content-type", "application/json".into())], b"<html>".to_vec());
    assert_eq!(ask(&Server::start(move |_, _| lies())).unwrap_err().kind(), "BadAnswer");
}

#[test]
fn a_redirect_takes_no_token_along() {
    let thief = Server::start(|_, _| json(200, &answer()));
    for code in [301, 302, 307, 308] {
        let target = format!("{}/v1/steal?sig=planted", thief.address());
        let server = Server::start(move |_, _| status(code, &[("location", &target)]));
        let error = ask(&server).unwrap_err();
        assert!(
            matches!(error, Error::Redirect { .. }) && error.to_string().contains(&thief.port.to_string()),
            "{error}"
        );
    }
    assert!(thief.received().is_empty());
}

#[test]
fn a_service_that_drips_or_falls_silent_is_left() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n".to_vec();
    for act in [
        Act::Drip(head.clone(), vec![b' '; 5000], Duration::from_millis(50)),
        Act::Drip(Vec::new(), head, Duration::from_millis(200)),
        Act::Hang,
    ] {
        let server = Server::start(move |_, _| act.clone());
        let error = ask(&server).unwrap_err();
        assert!(matches!(error, Error::Transport { kind: TransportKind::Broken, .. }), "{error:?}");
        assert_eq!(server.received().len(), 1, "a query is not repeated when nobody knows what became of it");
    }
}

#[test]
fn a_host_that_is_not_there() {
    let port = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{port}"), Trust::Config).unwrap();
    let error = ask_with(transport(), &endpoint, given(), &Query::new("T")).unwrap_err();
    assert!(matches!(error, Error::Transport { kind: TransportKind::Connect, .. }), "{error:?}");
}

#[test]
fn tls_needs_a_ca_that_is_known() {
    let certificate = Certificate::new();
    let server = Server::with_tls(&certificate, |_, _| json(200, &answer()));
    let error = ask(&server).unwrap_err();
    assert!(error.to_string().contains("not trusted") && error.to_string().contains("ca_file"), "{error}");
    assert!(server.received().is_empty());
    let reply =
        ask_with(transport_trusting(&certificate.ca_file), &server.endpoint(), given(), &Query::new("T")).unwrap();
    assert_eq!(rows(&reply), 2);
    let missing = TransportOptions { ca_file: Some("/no/such/ca.pem".into()), ..options() };
    assert!(Transport::new(missing).unwrap_err().to_string().contains("/no/such/ca.pem"));
}

#[test]
fn an_interrupt_closes_the_connection() {
    let server = Server::start(|_, _| Act::Hang);
    let cancelled = AtomicBool::new(false);
    let service = LogAnalytics::at(transport(), &server.endpoint(), given(), "s").unwrap();
    let workspace = Resource::workspace("11111111-2222-3333-4444-555555555555").unwrap();
    let query = Query { wait: Duration::from_secs(600), ..Query::new("T") };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while server.received().is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            cancelled.store(true, Ordering::SeqCst);
        });
        let result = huntbook_azure::run(&|| cancelled.load(Ordering::SeqCst), service.query(&workspace, &query));
        assert!(result.unwrap_err().is_cancelled());
    });
    let start = Instant::now();
    while server.left() == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "the service does not hear of it");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_answer_without_end_is_left() {
    let body = vec![b' '; 3 << 20];
    let server =
        Server::start(move |_, _| Act::Reply(200, vec![("content-type", "application/json".into())], body.clone()));
    let small = Transport::new(TransportOptions { largest: 1 << 20, ..options() }).unwrap();
    let error = ask_with(small, &server.endpoint(), given(), &Query::new("T")).unwrap_err();
    assert!(error.to_string().contains("larger than 1 MB"), "{error}");
}

#[test]
fn the_services_own_words_with_the_place() {
    let server = Server::start(|_, _| {
        json(
            400,
            &json!({"error": {"code": "BadArgumentError", "message": "outer", "correlationId": "c-1", "innererror":
            {"code": "SyntaxError", "message": "m", "innererror": {"code": "SYN0002", "message": "Query could not be parsed at 'x' on line [1,11]",
            "line": 1, "pos": 11, "token": "x"}}}}),
        )
    });
    let error = ask(&server).unwrap_err();
    let fault = error.fault().unwrap();
    assert_eq!((fault.line, fault.pos, fault.code.as_str()), (Some(1), Some(11), "SYN0002"));
    assert!(error.to_string().contains("c-1"), "{error}");
}

#[test]
fn partial_rows_are_an_error_unless_wanted() {
    let mut partial = answer();
    partial["error"] = json!({"code": "PartialError", "message": "m", "details": [{"code": "EngineError",
        "innererror": {"code": "-1", "message": "exceed the set limit of 64000000 bytes", "severity": 2}}]});
    let server = Server::start(move |_, _| json(200, &partial));
    let error = ask(&server).unwrap_err();
    assert_eq!(error.kind(), "PartialResult");
    assert!(error.to_string().contains("64000000 bytes") && error.to_string().contains("allow partial"), "{error}");
    let query = Query { partial: Partial::Allow, ..Query::new("T") };
    let reply = ask_with(transport(), &server.endpoint(), given(), &query).unwrap();
    assert_eq!((rows(&reply), reply.answer.partial.len()), (2, 1));
}

/// A directory that gives another token each time.
struct Numbered(std::sync::atomic::AtomicU32);

impl Credential for Numbered {
    fn name(&self) -> String {
        "numbered".into()
    }

    fn token<'a>(
        &'a self,
        _: &'a Transport,
        _: &'a str,
    ) -> futures_util::future::BoxFuture<'a, Result<AccessToken, CredentialError>> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(AccessToken::lasting(Secret::new(format!("planted-token-{number}")), 3600)) })
    }
}

#[test]
fn a_token_that_is_refused_is_renewed_once() {
    let server = Server::start(|request, _| match request.header("authorization") {
        Some("Bearer planted-token-1") => json(200, &answer()),
        _ => json(401, &json!({"error": {"code": "AuthenticationFailed", "message": "no"}})),
    });
    let auth = Auth::Token(TokenSource::new(Numbered(0.into())));
    assert_eq!(rows(&ask_with(transport(), &server.endpoint(), auth, &Query::new("T")).unwrap()), 2);
    let server = Server::start(|_, _| json(401, &json!({"error": {"code": "AuthenticationFailed", "message": "no"}})));
    let auth = Auth::Token(TokenSource::new(Numbered(0.into())));
    let error = ask_with(transport(), &server.endpoint(), auth, &Query::new("T")).unwrap_err();
    assert_eq!((error.kind(), server.received().len()), ("AccessDenied", 2));
}

#[test]
fn an_address_from_a_notebook_gets_no_token_of_the_users() {
    let server = Server::start(|_, _| json(200, &answer()));
    let notebook = Endpoint::parse(&server.address(), Trust::Notebook).unwrap();
    let auth = Auth::Token(TokenSource::new(Numbered(0.into())));
    let error = ask_with(transport(), &notebook, auth, &Query::new("T")).unwrap_err();
    assert!(matches!(error, Error::Refused(_)) && error.to_string().contains("huntbook.toml"), "{error}");
    assert!(server.received().is_empty());
    // What the user gave for this very connection goes there.
    for auth in [given(), Auth::ApiKey(Secret::new("planted-key-123")), Auth::Anonymous] {
        assert_eq!(rows(&ask_with(transport(), &notebook, auth, &Query::new("T")).unwrap()), 2);
    }
    let keys: Vec<_> = server.received().iter().map(|request| request.header("x-api-key").map(str::to_owned)).collect();
    assert_eq!(keys, [None, Some("planted-key-123".to_owned()), None]);
}

#[test]
fn a_key_that_no_header_can_have() {
    let server = Server::start(|_, _| json(200, &answer()));
    let auth = Auth::ApiKey(Secret::new("planted\r\nx: y"));
    let error = ask_with(transport(), &server.endpoint(), auth, &Query::new("T")).unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error}");
    assert!(server.received().is_empty());
}

/// Runs one test of this file in a process of its own, with a proxy in its environment.
fn with_proxy(test: &str, proxy: &str, more: &[&str]) -> bool {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env(name, proxy);
    }
    let status = command.env_remove("NO_PROXY").env_remove("no_proxy").args(["--exact", test]).args(more).status();
    status.unwrap().success()
}

#[test]
fn this_machine_is_reached_without_the_proxy() {
    let proxy = Server::start(|_, _| Act::Drop);
    assert!(with_proxy("a_query_as_the_service_wants_it", &proxy.address(), &[]));
    assert!(proxy.received().is_empty());
}

#[test]
fn services_are_reached_through_the_proxy_without_showing_it_the_token() {
    let proxy = Server::start(|_, _| Act::Drop);
    assert!(with_proxy("asks_a_service_far_away", &proxy.address(), &["--ignored"]));
    let received = proxy.received();
    assert!(!received.is_empty());
    for request in received {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("CONNECT", "api.loganalytics.io:443"));
        assert!(!format!("{request:?}").contains("planted"));
    }
}

#[test]
#[ignore = "run by the test above, with a proxy in the environment"]
fn asks_a_service_far_away() {
    let endpoint = Endpoint::parse("https://api.loganalytics.io", Trust::Notebook).unwrap();
    ask_with(transport(), &endpoint, given(), &Query::new("T")).unwrap_err();
}
