//! Rows that stream from files and rows in memory give the same answers.

mod common;

use std::fs::File;

use common::rows_of;
use huntbook_kql::{
    Engine,
    catalogs::{Files, Frames},
};
use polars::prelude::*;
use proptest::prelude::*;

const QUERIES: &[&str] = &[
    "T | summarize count() by Name | sort by Name asc",
    "T | summarize Rows = count(), Hits = countif(Hit), N = sum(Amount) by Name, Code | sort by Name asc, Code asc",
    "T | summarize First = min(When), Last = max(When), Low = min(Code), High = max(Amount) by Long | sort by Long asc",
    "T | summarize count(), Total = sum(Amount), Real = sum(Share) by Hit | project-away Real | sort by Hit asc",
    "T | summarize count(), avg(Code) by Hit | sort by Hit asc",
    "T | summarize count() by Share, Day = bin(When, 1d) | sort by Share asc, Day asc",
    "T | summarize by Name, Hit | sort by Name asc, Hit asc",
    "T | summarize count() by Kind = 'all'",
    "T | where Amount > 3 | summarize Late = maxif(When, Hit), countif(Code > 2 and Hit) by Name | sort by Name asc",
    "T | summarize Gap = max(When) - min(When) by Code | sort by Code asc",
    "T | distinct Long, Code | sort by Long asc, Code asc",
    "T | distinct Hit, Share | sort by Hit asc, Share asc",
    "T | summarize count() by Row | summarize Rows = sum(count_), Groups = count()",
    "T | distinct Row | count",
];

/// One row: every column may be null.
#[derive(Debug, Clone)]
struct Row {
    name: Option<String>,
    code: Option<i32>,
    hit: Option<bool>,
    amount: Option<i64>,
    share: Option<f64>,
    when: Option<i64>,
}

fn row() -> impl Strategy<Value = Row> {
    let name =
        prop_oneof![Just(""), Just("a"), Just("twelve bytes"), Just("more than twelve bytes"), Just("thirteen byte"),];
    let amount = prop_oneof![0i64..5, Just(i64::MAX), Just(i64::MIN)];
    let share = prop_oneof![Just(0.5), Just(f64::NAN), Just(f64::INFINITY), Just(-1.0)];
    (
        prop::option::of(name.prop_map(str::to_string)),
        prop::option::of(-1i32..4),
        prop::option::of(any::<bool>()),
        prop::option::of(amount),
        prop::option::of(share),
        prop::option::of(0i64..200_000_000_000),
    )
        .prop_map(|(name, code, hit, amount, share, when)| Row { name, code, hit, amount, share, when })
}

/// The rows over and over up to `height`, with a column that is another text in every row.
fn frame(rows: &[Row], height: usize) -> DataFrame {
    let all = || rows.iter().cycle().take(height);
    let long = |row: &Row| row.name.as_ref().map(|name| format!("C:\\Windows\\System32\\{name}"));
    let when = Int64Chunked::from_iter(all().map(|row| row.when)).into_series();
    DataFrame::new(
        height,
        vec![
            Column::new("Name".into(), all().map(|row| row.name.clone()).collect::<Vec<_>>()),
            Column::new("Long".into(), all().map(long).collect::<Vec<_>>()),
            Column::new("Code".into(), all().map(|row| row.code).collect::<Vec<_>>()),
            Column::new("Hit".into(), all().map(|row| row.hit).collect::<Vec<_>>()),
            Column::new("Amount".into(), all().map(|row| row.amount).collect::<Vec<_>>()),
            Column::new("Share".into(), all().map(|row| row.share).collect::<Vec<_>>()),
            when.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap().with_name("When".into()).into(),
            Column::new("Row".into(), (0..height).map(|row| format!("the text of row {row}")).collect::<Vec<_>>()),
        ],
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn files_answer_as_frames_do(
        rows in prop::collection::vec(row(), 1..40),
        height in prop_oneof![1usize..200, 4000usize..20_000],
        group in prop_oneof![Just(100usize), Just(50_000)],
    ) {
        let mut frame = frame(&rows, height);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        ParquetWriter::new(File::create(&path).unwrap()).with_row_group_size(Some(group)).finish(&mut frame).unwrap();
        let streamed = Engine::new(Files::new().with("T", &path));
        let in_memory = Engine::new(Frames::new().with("T", frame.lazy()));
        for query in QUERIES {
            let run = |engine: &Engine| rows_of(&engine.run(query).unwrap_or_else(|error| panic!("{}", error.render(query))));
            prop_assert_eq!(run(&streamed), run(&in_memory), "{}", query);
        }
    }
}

/// The columns of a schema are in their order, also where rows have none.
#[test]
fn a_schema_keeps_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let mut frame = df!("b" => [1i64, 2], "a" => ["x", "y"]).unwrap();
    ParquetWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let engine = Engine::new(Files::new().with("T", &path));
    let schema = engine.run("T | join kind=inner T on b | getschema | project ColumnOrdinal, ColumnName").unwrap();
    assert_eq!(rows_of(&schema), serde_json::json!([[0, "b"], [1, "a"], [2, "b1"], [3, "a1"]]));
}
