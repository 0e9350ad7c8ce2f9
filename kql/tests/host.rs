//! What the engine relies on: host tables, host values, piped frames, pushdown.

mod common;

use common::{Host, error, logins, rows, rows_of};
use huntbook_kql::{Engine, tables_mentioned};
use polars::prelude::*;
use serde_json::json;

#[test]
fn host_columns_follow_kusto_rules() {
    assert_eq!(rows("Logins | where Account != 'ann' | project Account, Attempts"), json!([["bob", 2], ["", 3]]));
    assert_eq!(rows("Logins | where Details.ip == '10.0.0.1' | project Account"), json!([["ann"]]));
    assert_eq!(
        rows("Logins | where TimeGenerated > datetime(2020-01-02) | project TimeGenerated"),
        json!([["2020-01-03T00:00:00.0000010Z"]])
    );
    assert_eq!(rows("Logins | project Elapsed"), json!([["00:00:01.5000000"], ["00:00:00"], ["-00:00:00.0000010"]]));
    assert_eq!(rows("Logins | where Attempts > ${threshold} | count"), json!([[1]]));
    assert_eq!(
        rows("union withsource=T Logins* | summarize count() by T | sort by T asc"),
        json!([["Logins", 3], ["LoginsOld", 3]])
    );
}

#[test]
fn host_problems_are_diagnostics() {
    assert!(error("Broken | take 1").contains("the file is truncated"));
    assert!(error("Login | take 1").contains("did you mean `Logins`?"));
    assert!(error("print ${nothing}").contains("the session has no value `nothing`"));
}

#[test]
fn piped_frames_begin_with_an_operator() {
    let engine = Engine::new(Host).with_piped_input(logins().lazy());
    for query in
        ["where Attempts > 1 | count", "| where Attempts > 1 | count", "summarize Count = countif(Attempts > 1)"]
    {
        let result = engine.run(query).unwrap_or_else(|error| panic!("{}", error.render(query)));
        assert_eq!(rows_of(&result), json!([[2]]), "{query}");
    }
}

#[test]
fn now_is_one_moment_that_the_host_may_set() {
    let now = chrono::DateTime::parse_from_rfc3339("2020-01-03T00:00:00Z").unwrap().to_utc();
    let result = Engine::new(Host).with_now(now).run("Logins | where TimeGenerated > ago(36h) | count").unwrap();
    assert_eq!(rows_of(&result), json!([[2]]));
}

#[test]
fn free_table_names_are_listed() {
    let query = "let a = 5; let f = (t:(*)) { t | take 1 }; let s = SigninLogs | where x in ((Watch | project y)); s | join (DeviceEvents) on k | union Audit*, f(X)";
    assert_eq!(tables_mentioned(query), ["Audit*", "DeviceEvents", "SigninLogs", "Watch"]);
}

#[test]
fn predicates_reach_parquet() {
    let path = std::env::temp_dir().join(format!("huntbook-kql-{}.parquet", std::process::id()));
    let mut frame = logins();
    ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let scan = LazyFrame::scan_parquet(PlRefPath::new(path.to_str().unwrap()), ScanArgsParquet::default()).unwrap();
    let plan = Engine::new(Host)
        .with_piped_input(scan)
        .explain("where TimeGenerated > datetime(2020-01-02) and Account == 'bob' | project Account")
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(plan.contains("SELECTION:") && !plan.contains("FILTER"), "{plan}");
    assert!(plan.contains("PROJECT 2/5 COLUMNS"), "{plan}");
}
