//! The engine: parameters, limits, cancelling, statistics.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use common::{Host, rows_of};
use huntbook_kql::{CancelToken, Engine, Literal, QueryError, Stopped, catalogs::Frames};
use polars::prelude::*;
use serde_json::json;

fn engine() -> Engine {
    Engine::new(Host)
}

fn stopped(result: Result<huntbook_kql::KqlTable, QueryError>) -> Stopped {
    match result {
        Err(QueryError::Stopped(stopped)) => stopped,
        other => panic!("it should have been stopped, gave {other:?}"),
    }
}

#[test]
fn parameters_are_values_and_never_text() {
    let hostile = "x\" | union Secrets //";
    let result = engine().with_parameter("who", hostile).run("declare query_parameters(who: string); print a = who");
    assert_eq!(rows_of(&result.unwrap()), json!([[hostile]]));
    let result = engine().with_parameter("low", 1).run("Logins | where Attempts > ${low} | count").unwrap();
    assert_eq!(rows_of(&result), json!([[2]]));
    // A parameter goes before the catalog's value of that name.
    let result = engine().with_parameter("threshold", 0).run("Logins | where Attempts > ${threshold} | count").unwrap();
    assert_eq!(rows_of(&result), json!([[3]]));
}

#[test]
fn parameters_have_the_declared_type() {
    let query = "declare query_parameters(low: long = 5);\nprint a = low";
    assert_eq!(rows_of(&engine().run(query).unwrap()), json!([[5]]));
    let error = engine().with_parameter("low", "five").run(query).unwrap_err();
    assert_eq!(error.code(), "KH0104");
    assert!(error.to_string().contains("`low` is a long, the value given is a string"), "{error}");
    let error = engine().run("declare query_parameters(low: long); print low").unwrap_err().to_string();
    assert!(error.contains("has no value"), "{error}");
    let moment = chrono::DateTime::parse_from_rfc3339("2024-03-15T12:00:00Z").unwrap().to_utc();
    let result = engine()
        .with_parameter("since", moment)
        .with_parameter("list", Literal::Dynamic(json!(["ann"])))
        .run("declare query_parameters(since: datetime, list: dynamic); print since, 'ann' in (list)");
    assert_eq!(rows_of(&result.unwrap()), json!([["2024-03-15T12:00:00.0000000Z", true]]));
}

#[test]
fn more_rows_than_the_limit_are_an_error() {
    let limited = engine().with_row_limit(2);
    let error = stopped(limited.run("Logins"));
    assert_eq!(error, Stopped::Rows(2));
    assert!(error.to_string().contains("more than 2 rows") && error.to_string().contains("| take 2"), "{error}");
    // Rows in the middle do not count.
    assert_eq!(limited.run("Logins | take 2").unwrap().frame.height(), 2);
    assert_eq!(limited.run("range x from 1 to 1000 step 1 | summarize n = count()").unwrap().frame.height(), 1);
}

#[test]
fn more_bytes_than_the_limit_are_an_error() {
    let limited = engine().with_memory_limit(1_000_000);
    let wide = "range x from 1 to 100000 step 1 | extend s = strcat('a long text in every row ', x)";
    assert_eq!(stopped(limited.run(wide)), Stopped::Memory(1_000_000));
    assert!(limited.run(&format!("{wide} | summarize count()")).is_ok());
    // Rows that a subquery holds count too.
    let held = format!("print n = 1 | where n in (({wide} | project s)) == false");
    assert!(matches!(limited.run(&held), Err(QueryError::Stopped(Stopped::Memory(_)) | QueryError::Diagnostics(_))));
    let held = format!("let d = {wide} | extend b = bag_pack('k', s); d | evaluate bag_unpack(b) | count");
    assert_eq!(stopped(limited.run(&held)), Stopped::Memory(1_000_000));
}

#[test]
fn a_cancelled_engine_does_not_begin() {
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(stopped(engine().with_cancel_token(token).run("Logins | count")), Stopped::Cancelled);
}

/// A table of three million rows that says how many have been read, and does `at_each` with each batch of them.
fn counted(at_each: impl Fn() + Send + Sync + 'static) -> (Frames, Arc<AtomicU64>) {
    let rows: Vec<i64> = (0..3_000_000).collect();
    let frame = DataFrame::new(rows.len(), vec![Column::new("n".into(), rows)]).unwrap();
    let read = Arc::new(AtomicU64::new(0));
    let counter = read.clone();
    let count = move |batch: DataFrame| {
        counter.fetch_add(batch.height() as u64, Ordering::SeqCst);
        at_each();
        Ok(batch)
    };
    (Frames::new().with("Many", frame.lazy().map(count, AllowedOptimizations::STREAMING, None, Some("counted"))), read)
}

#[test]
fn cancelling_stops_the_work() {
    let token = CancelToken::new();
    let canceller = token.clone();
    let (frames, read) = counted(move || canceller.cancel());
    let engine = Engine::new(frames).with_cancel_token(token);
    let query = "Many | where hash_sha256(strcat('x', n)) startswith 'zz' | summarize count() by n % 10";
    assert_eq!(stopped(engine.run(query)), Stopped::Cancelled);
    let read = read.load(Ordering::SeqCst);
    assert!(read > 0 && read < 2_000_000, "{read} rows were read");
}

#[test]
fn a_query_out_of_time_is_stopped() {
    let limit = Duration::from_millis(200);
    let (frames, read) = counted(move || std::thread::sleep(limit / 2));
    let error = stopped(Engine::new(frames).with_time_limit(limit).run("Many | summarize s = sum(n) by k = n % 7"));
    assert_eq!(error, Stopped::Time(limit));
    assert!(error.to_string().contains("time limit"), "{error}");
    let read = read.load(Ordering::SeqCst);
    assert!(read > 0 && read < 2_000_000, "{read} rows were read");
}

#[test]
fn statistics_tell_what_it_took() {
    let began = Instant::now();
    let result = engine().run("Logins | where Attempts > 1 | project Account").unwrap();
    let took = began.elapsed();
    assert_eq!((result.stats.rows, result.frame.height()), (2, 2));
    assert!(result.stats.scanned_rows >= 2 && result.stats.scanned_rows <= 3, "{:?}", result.stats);
    assert!(result.stats.planning + result.stats.running <= took);
}

#[test]
fn failures_while_running_have_a_code() {
    let frames = Frames::new().with("T", df!("t" => ["2024-01-01", "not a time"]).unwrap()).with_type(
        "T",
        "t",
        huntbook_kql::KqlType::Datetime,
    );
    let error = Engine::new(frames).run("T").unwrap_err();
    assert_eq!(error.code(), "KH0301");
    assert!(error.to_string().contains("`t` of `T` holds `not a time`, which is no datetime"), "{error}");
}

#[test]
fn a_timespan_hides_what_lies_outside() {
    let rows = df!("TimeGenerated" => [0i64, 10, 20, 30], "n" => [0i64, 1, 2, 3]).unwrap();
    let unit = DataType::Datetime(TimeUnit::Milliseconds, None);
    let rows = rows.lazy().with_column(col("TimeGenerated").cast(unit)).collect().unwrap();
    let timeless = df!("n" => [7i64]).unwrap();
    let engine = Engine::new(Frames::new().with("T", rows).with("Timeless", timeless));
    let at = |milliseconds: i64| chrono::DateTime::from_timestamp_millis(milliseconds).unwrap();
    let within = |query: &str| rows_of(&engine.clone().with_timespan(at(10)..at(30)).run(query).unwrap());
    assert_eq!(within("T | project n"), json!([[1], [2]]));
    assert_eq!(within("union T, Timeless | summarize sum(n)"), json!([[10]]));
    assert_eq!(within("Timeless | join kind=inner (T | extend n = n + 5) on n | count"), json!([[1]]));
    assert_eq!(within("print n = toscalar(T | count)"), json!([[2]]));
    assert_eq!(rows_of(&engine.run("T | count").unwrap()), json!([[4]]));
}
