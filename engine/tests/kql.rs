//! What queries find in a workspace folder.

use std::fs;
use std::path::Path;

use huntbook_engine::{Engine, KqlLiteral, Limits, QueryFormat, Settings};
use polars::prelude::*;

fn engine(folder: &Path) -> Engine {
    let settings =
        Settings { workspace: folder.join("workspace"), base: folder.to_owned(), transfer: folder.join("transfer") };
    Engine::new(settings).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The first cell of the result as text.
fn cell(engine: &Engine, query: &str) -> String {
    let answer = engine.kql(query).unwrap_or_else(|error| panic!("{error}"));
    answer.frame.columns()[0].get(0).unwrap().str_value().to_string()
}

fn written(query: &str, format: QueryFormat) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut output = Vec::new();
    engine(folder.path()).kql_to(query, format, &mut output).unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8(output).unwrap()
}

const EVERY_TYPE: &str = r#"print t = datetime(2024-03-01T00:01:00.1234567Z), s = 1h, d = 1d + 2h + 1tick, x = real(nan),
    y = real(-inf), r = 0.1 + 0.2, bag = dynamic({"a": [1, null]}), word = dynamic("a b"), b = true, n = long(null),
    text = 'a,"b"', i = guid(74be27de-1e4e-49d9-b579-fe0b331d3642), m = decimal(1.25)"#;

#[test]
fn csv_holds_the_text_of_kusto() {
    assert_eq!(
        written(EVERY_TYPE, QueryFormat::Csv),
        "t,s,d,x,y,r,bag,word,b,n,text,i,m\n\
         2024-03-01T00:01:00.1234567Z,01:00:00,1.02:00:00.0000001,NaN,-Infinity,0.30000000000000004,\
         \"{\"\"a\"\":[1,null]}\",a b,true,,\"a,\"\"b\"\"\",74be27de-1e4e-49d9-b579-fe0b331d3642,1.25\n"
    );
    assert_eq!(written("print a = 1, b = 'x' | where a > 1", QueryFormat::Csv), "a,b\n");
    let many = written("range n from 1 to 120000 step 1 | extend t = n * 1s", QueryFormat::Csv);
    assert_eq!((many.lines().count(), many.lines().last()), (120_001, Some("120000,1.09:20:00")));
}

#[test]
fn tables_hold_the_text_of_kusto() {
    let table = written(EVERY_TYPE, QueryFormat::Table { line: None });
    for text in [
        "2024-03-01T00:01:00.1234567Z",
        " 01:00:00",
        "1.02:00:00.0000001",
        "-Infinity",
        "0.30000000000000004",
        r#"{"a":[1,null]}"#,
        " a b ",
        "null",
        " 1.25",
    ] {
        assert!(table.contains(text), "{text} is not in:\n{table}");
    }
    let long = "print a = strcat_array(repeat('ab', 100), '')";
    assert!(written(long, QueryFormat::Table { line: None }).contains(&"ab".repeat(100)));
    let cut = written(long, QueryFormat::Table { line: Some(80) });
    assert!(cut.contains('…') && cut.lines().all(|line| line.chars().count() <= 80), "{cut}");
}

#[test]
fn a_pattern_attaches_files() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    write(folder.path(), "logs/a.csv", "n\n1\n");
    write(folder.path(), "logs/b.csv", "n\n2\n");
    engine.attach_file("Events", Path::new("logs/*.csv")).unwrap();
    assert_eq!(cell(&engine, "Events | summarize sum(n)"), "3");
    let error = engine.attach_file("Gone", Path::new("logs/*.tsv")).unwrap_err();
    assert!(error.message.contains("no file there matches `*.tsv`"), "{error}");
}

#[test]
fn functions_and_watchlists_lie_beside_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    engine.workspace().append("Logins", df!("Account" => ["ann", "bob"]).unwrap()).unwrap();
    write(
        folder.path(),
        "workspace/functions/Vips.kql",
        "Logins | where Account in ((_GetWatchlist('vip') | project User))",
    );
    write(folder.path(), "workspace/watchlists/vip.csv", "User\nbob\n");
    assert_eq!(cell(&engine, "Vips | project Account"), "bob");
    // A changed file is read again.
    write(folder.path(), "workspace/functions/Vips.kql", "Logins | where Account == 'ann' // another");
    assert_eq!(cell(&engine, "Vips | project Account"), "ann");
    write(folder.path(), "workspace/functions/Wrong.kql", "Logins | where Acount == 'ann'");
    let error = engine.kql("Wrong").err().unwrap();
    assert!(error.message.contains("in Wrong.kql at line 1, column 16"), "{error}");
}

#[test]
fn dynamic_columns_of_the_workspace_are_dynamic() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    write(
        folder.path(),
        "workspace/tables/Events/schema.json",
        r#"{"version":1,"columns":[{"name":"Details","type":"dynamic"},{"name":"Id","type":"guid"}]}"#,
    );
    let id = "74be27de-1e4e-49d9-b579-fe0b331d3642";
    let rows = df!("Details" => [Some(r#"{"ip":"10.0.0.1"}"#), None], "Id" => [id, id]).unwrap();
    engine.workspace().append("Events", rows).unwrap();
    assert_eq!(cell(&engine, "Events | where Details.ip == '10.0.0.1' | summarize count()"), "1");
    assert_eq!(cell(&engine, "Events | getschema | summarize make_list(ColumnType)"), r#"["dynamic","guid"]"#);
    let refused = engine.workspace().append("Events", df!("Details" => ["not JSON"]).unwrap());
    assert!(refused.unwrap_err().to_string().contains("`not JSON`"));
}

#[test]
fn attached_files_and_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    write(folder.path(), "events.csv", "Account,Code\nann,1\nbob,2\n");
    engine.attach_file("Events", Path::new("events.csv")).unwrap();
    engine.bind_parameter("low", KqlLiteral::from(1));
    assert_eq!(
        cell(&engine, "declare query_parameters(low: long); Events | where Code > low | project Account"),
        "bob"
    );
    assert!(engine.attach_file("Gone", Path::new("gone.csv")).is_err());
    engine.limit_queries(Limits { rows: Some(1), ..Limits::default() });
    let error = engine.kql("Events").err().unwrap();
    assert!(error.kind == "KqlError" && error.message.contains("more than 1 rows"), "{error}");
}

#[test]
fn external_data_comes_from_local_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    write(folder.path(), "iocs.csv", "10.0.0.1\n");
    assert_eq!(cell(&engine, "externaldata(ip: string) ['iocs.csv']"), "10.0.0.1");
    let error = engine.kql("externaldata(ip: string) ['https://example.org/x.csv?sig=secret']").err().unwrap();
    assert!(error.message.contains("download the file"), "{error}");
    let report = error.message.lines().next().unwrap_or_default();
    assert!(!report.contains("secret"), "{error}");
}
