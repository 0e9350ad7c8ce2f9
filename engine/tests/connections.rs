//! Where queries go, on this machine.

use std::fs;
use std::path::Path;

use huntbook_engine::{CacheUse, Engine, QueryRequest, Settings, Split, TimeRange, WriteRequest};

fn engine(folder: &Path) -> Engine {
    let settings =
        Settings { workspace: folder.join("workspace"), base: folder.to_owned(), transfer: folder.join("transfer") };
    Engine::new(settings).unwrap()
}

fn at(place: &str, query: &str) -> QueryRequest {
    QueryRequest { connection: Some(place.to_owned()), ..QueryRequest::new(query) }
}

fn rows(engine: &Engine, request: &QueryRequest) -> usize {
    engine.query(request).unwrap_or_else(|error| panic!("{error}")).frame.height()
}

#[test]
fn folders_are_places() {
    let folder = tempfile::tempdir().unwrap();
    let exports = folder.path().join("exports");
    fs::create_dir(&exports).unwrap();
    fs::write(exports.join("logins-2026.csv"), "TimeGenerated,n\n2026-03-01T00:00:00Z,1\n2026-03-02T00:00:00Z,2\n")
        .unwrap();
    let engine = engine(folder.path());
    let request = at("file://exports", "logins_2026 | where n > 0");
    assert_eq!(rows(&engine, &request), 2);
    let day = TimeRange::of_options(Some("2026-03-01"), Some("2026-03-02"), None, 0).unwrap();
    assert_eq!(rows(&engine, &QueryRequest { range: day, ..request.clone() }), 1);
    assert!(engine.connect("file://exports").unwrap().contains("tables"));
    assert_eq!(rows(&engine, &QueryRequest::new("logins_2026")), 2, "it is current now");
    engine.connect("local").unwrap();
    assert_eq!(engine.query(&QueryRequest::new("logins_2026")).err().unwrap().kind, "KqlError");
    assert!(engine.query(&at("file://nowhere", "T")).err().unwrap().message.contains("nowhere"));
    for wrong in [
        QueryRequest { split: Split::Every(1), ..request.clone() },
        QueryRequest { cache: Some(CacheUse { name: "c".into(), replay: false, ttl: None }), ..request.clone() },
        QueryRequest { properties: vec![("notruncation".into(), "true".into())], ..request },
    ] {
        assert_eq!(engine.query(&wrong).err().unwrap().kind, "MagicError");
    }
}

#[test]
fn a_name_that_nothing_has_is_told_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("huntbook.toml"),
        "[connections.prod]\nkind = \"loganalytics\"\nworkspace = \"11111111-2222-3333-4444-555555555555\"\n",
    )
    .unwrap();
    let engine = engine(folder.path());
    let error = engine.query(&at("prd", "T")).err().unwrap();
    assert!(error.kind == "ConnectionError" && error.message.contains("prod"), "{error}");
    assert!(engine.connections_text().unwrap().contains("prod: workspace 11111111"));
    fs::write(folder.path().join("huntbook.toml"), "[connections.prod]\nkind = 5\n").unwrap();
    assert!(engine.connections_text().unwrap_err().message.contains("huntbook.toml"));
}

#[test]
fn the_last_result_is_a_table_until_a_query_fails() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let first = engine.query(&QueryRequest::new("range n from 1 to 3 step 1")).unwrap();
    engine.keep_answer(&first, None);
    assert_eq!(rows(&engine, &QueryRequest::new("_ | where n > 1")), 2);
    assert!(engine.names().is_empty() && engine.query(&QueryRequest::new("Nowhere")).is_err());
    assert!(engine.query(&QueryRequest::new("_ | count")).is_err());
}

#[test]
fn dynamics_stay_what_they_are_in_frames_and_tables() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let bags = engine.query(&QueryRequest::new(r#"print n = 1, bag = dynamic({"a": [1, {"b": "it's"}]})"#)).unwrap();
    engine.keep_answer(&bags, Some("bags"));
    assert_eq!(rows(&engine, &QueryRequest::new("bags | where bag.a[1].b == \"it's\"")), 1);
    let request = WriteRequest { table: "Bags".into(), dry_run: true, ..WriteRequest::default() };
    let plan = engine.write_named("bags", &request).unwrap();
    assert!(plan.contains("+ bag: dynamic") && engine.workspace().table_names().unwrap().is_empty(), "{plan}");
    engine.write_named("bags", &WriteRequest { dry_run: false, ..request }).unwrap();
    assert_eq!(rows(&engine, &QueryRequest::new("Bags_CL | where tostring(bag.a[0]) == '1' and Type == 'Bags_CL'")), 1);
}

#[test]
fn several_places_are_asked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (name, n) in [("a", 1), ("b", 2)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("t.csv"), format!("n\n{n}\n")).unwrap();
    }
    let engine = engine(folder.path());
    let across = vec!["file://a".to_owned(), "file://b".to_owned()];
    let answer = engine.query(&QueryRequest { across, ..QueryRequest::new("t") }).unwrap();
    assert_eq!((answer.frame.height(), answer.types.last().map(String::as_str)), (2, Some("string")));
    let across = vec!["file://a".to_owned(), "file://c".to_owned()];
    let error = engine.query(&QueryRequest { across, ..QueryRequest::new("t") }).err().unwrap();
    assert!(error.message.contains("at file://c"), "{error}");
}
