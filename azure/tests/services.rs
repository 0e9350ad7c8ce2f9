//! Kusto, ingestion, the Data Collector and the management plane against a scripted server.

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use huntbook_azure::arm::{Arm, ResourcePath};
use huntbook_azure::cloud::Cloud;
use huntbook_azure::credential::{GivenToken, TokenSource};
use huntbook_azure::data_collector::{DataCollector, LogType, signature};
use huntbook_azure::http::Auth;
use huntbook_azure::ingestion::{LogsIngestion, Target, UploadOptions, UploadReport};
use huntbook_azure::kusto::{Kusto, Query, TableSchema};
use huntbook_azure::log_analytics::{LogAnalytics, Resource};
use huntbook_azure::secret::Secret;
use huntbook_azure::{Error, TransportKind};
use serde_json::{Value, json};
use support::{Act, Received, Server, json, run, status, transport};

fn auth() -> Auth {
    Auth::Token(TokenSource::new(GivenToken::new(Secret::new("planted-token-abcdefgh"))))
}

#[test]
fn kusto_queries_and_schema() {
    let server = Server::start(|request, _| {
        let column = |name: &str| json!({"ColumnName": name, "DataType": "String", "ColumnType": "string"});
        if request.target == "/v1/rest/mgmt" {
            let columns: Vec<Value> = ["DatabaseName", "TableName", "ColumnName", "ColumnType"].map(column).into();
            let rows = json!([
                ["hunt", "", "", ""],
                ["hunt", "T", "", ""],
                ["hunt", "T", "n", "System.Int64"],
                ["hunt", "U", "", ""]
            ]);
            return json(200, &json!({"Tables": [{"TableName": "Table_0", "Columns": columns, "Rows": rows}]}));
        }
        json(
            200,
            &json!([
            {"FrameType": "DataSetHeader", "IsProgressive": false, "Version": "v2.0"},
            {"FrameType": "DataTable", "TableId": 0, "TableKind": "PrimaryResult", "TableName": "PrimaryResult",
             "Columns": [{"ColumnName": "n", "ColumnType": "long"}], "Rows": [[1]]},
            {"FrameType": "DataSetCompletion", "HasErrors": false, "Cancelled": false}]),
        )
    });
    let cluster = Kusto::new(transport(), server.endpoint(), auth(), None);
    let query = Query {
        parameters: [("p".to_owned(), json!("datetime(2026-01-01)"))].into_iter().collect(),
        wait: Duration::from_secs(90),
        ..Query::new("T | take 1")
    };
    let reply = run(cluster.query("hunt", &query)).unwrap();
    assert_eq!(reply.answer.results().next().unwrap().rows, 1);
    let sent = server.received()[0].json();
    assert_eq!((&sent["db"], &sent["csl"]), (&json!("hunt"), &json!("T | take 1")));
    let properties: Value = serde_json::from_str(sent["properties"].as_str().unwrap()).unwrap();
    assert_eq!(properties["Options"], json!({"servertimeout": "00:01:30", "results_progressive_enabled": false}));
    assert_eq!(properties["Parameters"], json!({"p": "datetime(2026-01-01)"}));

    let schema = run(cluster.schema("hu'nt")).unwrap();
    assert_eq!(server.received()[1].json()["csl"], json!(".show database ['hu\\'nt'] schema"));
    let table = |name: &str, columns: &[(&str, &str)]| TableSchema {
        name: name.into(),
        columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect(),
    };
    assert_eq!(schema, [table("T", &[("n", "long")]), table("U", &[])]);
}

#[test]
fn kusto_says_why_and_a_command_is_sent_once() {
    let server = Server::start(|_, _| {
        json(503, &json!({"error": {"code": "ServiceUnavailable", "message": "m", "@message": "the engine restarts"}}))
    });
    let cluster = Kusto::new(transport(), server.endpoint(), auth(), None);
    let error = run(cluster.mgmt("hunt", ".drop table T")).unwrap_err();
    assert!(error.to_string().contains("the engine restarts"), "{error}");
    assert_eq!(server.received().len(), 1);
    run(cluster.mgmt("hunt", ".show tables")).unwrap_err();
    assert_eq!(server.received().len(), 4);
}

#[test]
fn the_schema_of_a_workspace() {
    let server = Server::start(|_, _| {
        json(
            200,
            &json!({"tables": [{"name": "T", "columns": [{"name": "n", "type": "long"}], "x": 1}], "functions": []}),
        )
    });
    let service = LogAnalytics::at(transport(), &server.endpoint(), auth(), "s").unwrap();
    let workspace = Resource::azure("/subscriptions/s/resourceGroups/r g/providers/p/workspaces/w").unwrap();
    let tables = run(service.metadata(&workspace)).unwrap();
    assert_eq!(tables, [TableSchema { name: "T".into(), columns: vec![("n".into(), "long".into())] }]);
    assert_eq!(
        server.received()[0].target,
        "/v1/subscriptions/s/resourceGroups/r%20g/providers/p/workspaces/w/metadata"
    );
    for wrong in ["", "/subscriptions", "subscriptions/../x", "/resourceGroups/a"] {
        assert!(Resource::azure(wrong).is_err(), "{wrong}");
    }
}

fn rows(count: usize) -> Vec<String> {
    (0..count).map(|row| json!({"id": row, "text": format!("é\"{}", "x".repeat(990))}).to_string()).collect()
}

fn unpacked(request: &Received) -> Vec<Value> {
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(request.body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.len() <= 1_000_000 && request.body.len() <= 1_048_576);
    serde_json::from_str(&text).unwrap()
}

fn ids(request: &Received) -> Vec<u64> {
    unpacked(request).iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

fn upload(server: &Server, rows: Vec<String>, options: &UploadOptions<'_>) -> UploadReport {
    let service = LogsIngestion::new(transport(), server.endpoint(), Cloud::Public, auth());
    let target = Target::new("dcr-0123456789abcdef", "Custom-Hits_CL").unwrap();
    let report = run(async { Ok(service.upload(&target, rows, options).await) }).unwrap();
    assert!(!format!("{report:?}").contains("planted"));
    let lost: u64 = report.not_written.iter().map(|lost| lost.rows.end - lost.rows.start).sum();
    assert_eq!(report.accepted + lost, report.rows, "{report:?}");
    report
}

#[test]
fn every_row_arrives_once_in_posts_of_the_right_size() {
    let server = Server::start(|_, _| status(204, &[]));
    let progress = AtomicUsize::new(0);
    let tell = |done: u64| progress.store(usize::try_from(done).unwrap(), Ordering::SeqCst);
    let report = upload(&server, rows(3000), &UploadOptions { progress: &tell, ..UploadOptions::default() });
    assert!(report.is_complete() && report.perhaps_twice.is_empty() && report.error.is_none(), "{report:?}");
    assert_eq!((report.accepted, progress.load(Ordering::SeqCst)), (3000, 3000));
    let received = server.received();
    assert_eq!(received.len() as u64, report.posts);
    assert!(report.posts >= 3);
    assert_eq!(
        received[0].target,
        "/dataCollectionRules/dcr-0123456789abcdef/streams/Custom-Hits_CL?api-version=2023-01-01"
    );
    let mut all: Vec<u64> = received.iter().flat_map(ids).collect();
    all.sort_unstable();
    assert_eq!(all, (0..3000).collect::<Vec<_>>());
    assert_eq!(report.wire_bytes, received.iter().map(|request| request.body.len() as u64).sum::<u64>());
}

#[test]
fn what_a_service_refuses_is_told_by_rows() {
    // The post with row 0 is not valid, the others are.
    let server = Server::start(|request, _| {
        if ids(request).contains(&0) {
            json(400, &json!({"error": {"code": "InvalidPayload", "message": "no"}}))
        } else {
            status(204, &[])
        }
    });
    let report = upload(&server, rows(3000), &UploadOptions::default());
    let lost = &report.not_written[0];
    assert_eq!((report.not_written.len(), lost.rows.start, lost.perhaps_written), (1, 0, false));
    assert!(lost.reason.contains("InvalidPayload") && report.error.as_ref().unwrap().contains("InvalidPayload"));

    let server =
        Server::start(|_, _| json(403, &json!({"error": {"code": "OperationFailed", "message": "no access"}})));
    let report = upload(&server, rows(9000), &UploadOptions { parallel: 1, ..UploadOptions::default() });
    assert_eq!((report.accepted, report.rows, server.received().len()), (0, 9000, 1));
    assert!(report.error.unwrap().contains("Monitoring Metrics Publisher"));
    assert!(report.not_written.last().unwrap().reason.contains("not sent"));
}

#[test]
fn a_post_that_is_too_large_after_all_is_halved() {
    let server =
        Server::start(|request, _| if unpacked(request).len() > 300 { status(413, &[]) } else { status(204, &[]) });
    let report = upload(&server, rows(1500), &UploadOptions::default());
    assert!(report.is_complete(), "{report:?}");
    let mut counted = BTreeMap::new();
    for id in server.received().iter().filter(|request| unpacked(request).len() <= 300).flat_map(ids) {
        *counted.entry(id).or_insert(0) += 1;
    }
    assert!(counted.len() == 1500 && counted.values().all(|times| *times == 1));
    let server = Server::start(|_, _| status(413, &[]));
    let report = upload(&server, rows(2), &UploadOptions::default());
    assert_eq!((report.accepted, report.not_written.len()), (0, 2));
}

#[test]
fn what_may_have_been_written_twice_or_after_all_is_said() {
    let server = Server::start(|_, number| if number == 0 { status(500, &[]) } else { status(204, &[]) });
    let report = upload(&server, rows(10), &UploadOptions::default());
    assert_eq!((report.accepted, report.perhaps_twice.len(), report.perhaps_twice.first()), (10, 1, Some(&(0..10))));

    let server =
        Server::start(|_, number| if number == 0 { status(429, &[("retry-after", "0")]) } else { status(204, &[]) });
    let report = upload(&server, rows(10), &UploadOptions::default());
    assert_eq!((report.accepted, report.perhaps_twice), (10, vec![]));

    let server = Server::start(|_, _| Act::Drop);
    let report = upload(&server, rows(10), &UploadOptions::default());
    assert_eq!(report.accepted, 0);
    assert!(report.not_written[0].perhaps_written, "{report:?}");

    let server = Server::start(|_, _| status(200, &[]));
    let report = upload(&server, rows(10), &UploadOptions::default());
    assert!(report.accepted == 0 && report.error.unwrap().contains("does not say that the rows are stored"));
}

#[test]
fn an_upload_that_is_stopped_keeps_its_account() {
    let server = Server::start(|_, _| status(204, &[]));
    let asked = AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, Ordering::SeqCst) >= 2;
    let report = upload(&server, rows(5000), &UploadOptions { parallel: 1, stop: &stop, ..UploadOptions::default() });
    assert_eq!((report.rows, server.received().len()), (5000, 2));
    assert!(report.accepted > 0 && report.not_written.last().unwrap().reason.contains("interrupted"), "{report:?}");
}

#[test]
fn targets_are_checked() {
    for (rule, stream) in
        [("x", "Custom-T"), ("dcr-1/../x", "Custom-T"), ("dcr-1", "T_CL"), ("dcr-1", "Custom-a/b"), ("", "")]
    {
        assert!(matches!(Target::new(rule, stream), Err(Error::Config(_))), "{rule} {stream}");
    }
}

#[test]
fn the_data_collector_signs_bytes_not_letters() {
    const WORKSPACE: &str = "11111111-2222-3333-4444-555555555555";
    let key =
        || Secret::new("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==");
    let server = Server::start(move |request, _| {
        let date = request.header("x-ms-date").unwrap();
        let expected = format!("SharedKey {WORKSPACE}:{}", signature(&key(), request.body.len(), date).unwrap());
        let signed = request.header("authorization") == Some(expected.as_str());
        if signed { status(200, &[]) } else { json(403, &json!({"Error": "InvalidAuthorization", "Message": "no"})) }
    });
    let send = |key: Secret| {
        let service = DataCollector::at(transport(), server.endpoint(), WORKSPACE, key).unwrap();
        let log_type = LogType::new("Hits", Some("TimeGenerated")).unwrap();
        let rows = vec![json!({"name": "Grüße 日本", "n": 1}).to_string(), json!({"name": null}).to_string()];
        let report = run(async { Ok(service.upload(&log_type, rows, &UploadOptions::default()).await) }).unwrap();
        assert!(!format!("{service:?} {report:?}").contains("MDEy"));
        report
    };
    assert!(send(key()).is_complete());
    let request = &server.received()[0];
    assert_eq!(request.target, "/api/logs?api-version=2016-04-01");
    assert_eq!(
        (request.header("log-type"), request.header("time-generated-field")),
        (Some("Hits"), Some("TimeGenerated"))
    );
    assert_eq!(request.text(), r#"[{"name":"Grüße 日本","n":1},{"name":null}]"#);
    let report = send(Secret::new("d3Jvbmcga2V5"));
    assert_eq!(report.accepted, 0);
    assert!(report.error.unwrap().contains("InvalidAuthorization"));
    let error =
        DataCollector::at(transport(), server.endpoint(), WORKSPACE, Secret::new("planted, not base64")).unwrap_err();
    assert!(!error.to_string().contains("planted"));
}

#[test]
fn the_management_plane_over_pages_and_no_further() {
    let server = Server::start(|request, _| match request.target.as_str() {
        "/a/first?api-version=1" => {
            json(200, &json!({"value": [1, 2], "nextLink": "/a/first?api-version=1&$skiptoken=x%2F"}))
        }
        "/a/first?api-version=1&$skiptoken=x%2F" => json(200, &json!({"value": [3]})),
        "/a/evil?api-version=1" => json(200, &json!({"value": [1], "nextLink": "https://evil.example/x"})),
        "/a/gone?api-version=1" => status(204, &[]),
        _ if request.method == "PUT" => json(409, &json!({"error": {"code": "Conflict", "message": "etag"}})),
        _ => json(200, &json!({"ok": request.target})),
    });
    let arm = Arm::at(transport(), server.endpoint(), Cloud::Public, auth());
    let path = |name: &str| ResourcePath::new(["a", name], "1").unwrap();
    assert_eq!(run(arm.list(&path("first"))).unwrap(), [json!(1), json!(2), json!(3)]);
    assert!(matches!(run(arm.list(&path("evil"))), Err(Error::Refused(_))));
    let filtered = path("x y").with("$filter", "a eq 'b&c'");
    assert_eq!(run(arm.get(&filtered)).unwrap()["ok"], json!("/a/x%20y?api-version=1&%24filter=a%20eq%20%27b%26c%27"));
    assert_eq!(run(arm.delete(&path("gone"))).unwrap(), Value::Null);
    let error = run(arm.put(&path("rule"), &json!({"etag": "\"1\""}))).unwrap_err();
    assert_eq!(error.fault().unwrap().code, "Conflict");
    assert!(ResourcePath::new(["a", ".."], "1").is_err());
}

#[test]
fn an_action_is_not_repeated() {
    let server = Server::start(|_, _| Act::Drop);
    let arm = Arm::at(transport(), server.endpoint(), Cloud::Public, auth());
    let path = ResourcePath::new(["incident"], "1").unwrap();
    let error = run(arm.post(&path, &json!({}))).unwrap_err();
    assert!(matches!(error, Error::Transport { kind: TransportKind::Broken, .. }));
    assert_eq!(server.received().len(), 1);
}
