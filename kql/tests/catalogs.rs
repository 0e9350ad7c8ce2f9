//! The ready catalogs: files, function folders, watchlists, host functions, layers.

mod common;

use std::{fs, path::Path, sync::Arc};

use common::rows_of;
use huntbook_kql::{
    Column, Engine, KqlType, Literal, TableFunction,
    catalogs::{FileFormat, Files, Frames, FunctionFolder, HostFunctions, Layered, Watchlists},
};
use polars::prelude::*;
use serde_json::{Value, json};

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn rows(engine: &Engine, query: &str) -> Value {
    rows_of(&engine.run(query).unwrap_or_else(|error| panic!("{}", error.render(query))))
}

fn types(engine: &Engine, table: &str) -> Vec<String> {
    let result = engine.run(table).unwrap_or_else(|error| panic!("{}", error.render(table)));
    result.schema.iter().map(|column| format!("{}:{}", column.name, column.kql_type)).collect()
}

// ---- files -------------------------------------------------------------------------------------

#[test]
fn text_files_get_the_types_that_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "t.csv",
        "When,Code,Ratio,Id,Ok,Bag,Text\n\
         2024-01-02T03:04:05.123456Z,5,1.5,007,true,\"{\"\"a\"\":1}\",x\n\
         0001-01-01T00:00:00Z,-3,2,010,false,\"[1,2]\",\"a,b\"\n\
         ,,,,,,\n",
    );
    let engine = Engine::new(Files::new().with("T", folder.path().join("t.csv")));
    assert_eq!(
        types(&engine, "T"),
        ["When:datetime", "Code:long", "Ratio:real", "Id:string", "Ok:bool", "Bag:dynamic", "Text:string"]
    );
    assert_eq!(
        rows(&engine, "T | where Code == 5 | project When, Id, Bag.a"),
        json!([["2024-01-02T03:04:05.1234560Z", "007", 1]])
    );
    assert_eq!(
        rows(&engine, "T | where When < datetime(1900-01-01) | project When"),
        json!([["0001-01-01T00:00:00.0000000Z"]])
    );
    assert_eq!(rows(&engine, "T | where isnull(When) and Id == '' | count"), json!([[1]]));
}

#[test]
fn json_lines_keep_their_objects() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "t.jsonl",
        "{\"t\":\"2024-01-02T03:04:05.1234567Z\",\"n\":1,\"d\":{\"a\":1}}\n\
         {\"n\":2.5,\"d\":{\"b\":[true,null]},\"mixed\":\"x\"}\n\n\
         {\"mixed\":7}\n",
    );
    let engine = Engine::new(Files::new().with("T", folder.path().join("t.jsonl")));
    assert_eq!(types(&engine, "T"), ["t:datetime", "n:real", "d:dynamic", "mixed:dynamic"]);
    assert_eq!(
        rows(&engine, "T"),
        json!([
            ["2024-01-02T03:04:05.1234567Z", 1.0, {"a": 1}, null],
            [null, 2.5, {"b": [true, null]}, "x"],
            [null, null, null, 7]
        ])
    );
    assert_eq!(rows(&engine, "T | summarize n = count(), k = sum(n)"), json!([[3, 3.5]]));
}

#[test]
fn filters_and_columns_reach_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let mut frame = df!("a" => [1i64, 2, 3], "b" => ["x", "y", "z"], "c" => [1.0, 2.0, 3.0]).unwrap();
    ParquetWriter::new(fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let engine = Engine::new(Files::new().with("T", &path));
    let query = "T | where a > 1 | project b";
    let plan = engine.explain(query).unwrap();
    assert!(plan.contains("SELECTION:") && plan.contains("PROJECT 2/3 COLUMNS"), "{plan}");
    let result = engine.run(query).unwrap();
    assert_eq!((rows_of(&result), result.stats.scanned_rows), (json!([["y"], ["z"]]), 2));
    assert_eq!(rows(&engine, "T | count"), json!([[3]]));
    assert_eq!(rows(&engine, "T | summarize n = count() by k = a % 2 | sort by k asc"), json!([[0, 1], [1, 2]]));
    assert_eq!(rows(&engine, "T | take 1 | project a"), json!([[1]]));
}

#[test]
fn a_folder_is_one_table() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "one.csv", "a,b\n1,x\n");
    write(folder.path(), "deep/two.csv", "a,c\n2.5,2024-01-01\n");
    let engine = Engine::new(Files::new().with("T", folder.path()));
    assert_eq!(types(&engine, "T | project-reorder * asc"), ["a:real", "b:string", "c:datetime"]);
    assert_eq!(
        rows(&engine, "T | project a, b, c | sort by a asc"),
        json!([[1.0, "x", null], [2.5, "", "2024-01-01T00:00:00.0000000Z"]])
    );
}

#[test]
fn file_problems_are_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.xyz", "a\n1\n");
    write(folder.path(), "bad.jsonl", "{\"a\":1}\nnot json\n");
    let files = Files::new()
        .with("Odd", folder.path().join("t.xyz"))
        .with("Told", folder.path().join("t.xyz"))
        .with_format("Told", folder.path().join("t.xyz"), FileFormat::Csv)
        .with("Bad", folder.path().join("bad.jsonl"))
        .with("Gone", folder.path().join("gone.csv"));
    let engine = Engine::new(files);
    let error = |query: &str| engine.run(query).unwrap_err().to_string();
    assert!(error("Odd").contains("tells no format"), "{}", error("Odd"));
    assert!(error("Bad").contains("line 2"), "{}", error("Bad"));
    assert!(error("Gone").contains("gone.csv"), "{}", error("Gone"));
    assert_eq!(rows(&engine, "Told"), json!([[1]]));
}

fn error_of(path: &Path) -> String {
    Engine::new(Files::new().with("T", path)).run("T").unwrap_err().to_string()
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.jsonl", "\u{feff}{\"a\":1}\n{\"a\":2}\n");
    write(folder.path(), "t.json", "\u{feff}\n[{\"a\":1},{\"a\":2}]");
    write(folder.path(), "t.csv", "\u{feff}a\n1\n2\n");
    for name in ["t.jsonl", "t.json", "t.csv"] {
        let engine = Engine::new(Files::new().with("T", folder.path().join(name)));
        assert_eq!(rows(&engine, "T | where a > 0 | project a"), json!([[1], [2]]), "{name}");
    }
}

#[test]
fn utf_16_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let little: Vec<u8> = "a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (name, bytes) in [
        ("marked.csv", [&[0xFFu8, 0xFE][..], &little[..]].concat()),
        ("big.tsv", big),
        ("marked.jsonl", [&[0xFFu8, 0xFE][..], &little[..]].concat()),
        ("bare.csv", little),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = error_of(&path);
        assert!(error.contains("UTF-16") && error.contains(&format!("iconv -f UTF-16 -t UTF-8 {name}")), "{error}");
    }
}

#[test]
fn arrays_of_objects_are_rows() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "t.json",
        "[\n  {\n    \"t\": \"2024-01-02T03:04:05Z\",\n    \"d\": {\"a\": 1}\n  },\n  {\"n\": 7}\n]\n",
    );
    write(folder.path(), "numbers.json", "[1, 2]");
    write(folder.path(), "broken.json", "[{\"a\": 1},\n");
    write(folder.path(), "pretty.json", "{\n  \"value\": []\n}\n");
    let engine = Engine::new(Files::new().with("T", folder.path().join("t.json")));
    assert_eq!(types(&engine, "T"), ["t:datetime", "d:dynamic", "n:long"]);
    assert_eq!(rows(&engine, "T"), json!([["2024-01-02T03:04:05.0000000Z", {"a": 1}, null], [null, null, 7]]));
    assert_eq!(rows(&engine, "T | where d.a == 1 | count"), json!([[1]]));
    let error = error_of(&folder.path().join("numbers.json"));
    assert!(error.contains("element 1 of the array is no JSON object"), "{error}");
    for name in ["broken.json", "pretty.json"] {
        let error = error_of(&folder.path().join(name));
        assert!(error.contains("line ") && error.contains("jq -c"), "{error}");
    }
}

#[test]
fn a_line_with_too_many_fields_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.csv", "Account,Path\nann,x\nbob,\"a,\nb\"\ncyd,C:\\a, b\n");
    write(folder.path(), "t.tsv", "Account\tPath\nann\tx\ty\n");
    write(folder.path(), "many/one.csv", "a,b\n1,2\n");
    write(folder.path(), "many/two.csv", "a,b\n1,2\n1,2,3,4\n");
    let error = error_of(&folder.path().join("t.csv"));
    assert!(error.contains("line 5 has 3 fields, the header has 2") && error.contains("hold commas"), "{error}");
    assert!(!error.contains("truncate_ragged_lines"), "{error}");
    let error = error_of(&folder.path().join("t.tsv"));
    assert!(error.contains("line 2 has 3 fields, the header has 2") && error.contains("hold tabs"), "{error}");
    let error = error_of(&folder.path().join("many"));
    assert!(error.contains("two.csv") && error.contains("line 3 has 4 fields"), "{error}");
}

#[test]
fn a_pattern_names_files() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "logs/a1.jsonl", "{\"n\":1}\n");
    write(folder.path(), "logs/a2.jsonl", "{\"n\":2}\n");
    write(folder.path(), "logs/b1.jsonl", "{\"n\":4}\n");
    let sum = |pattern: &str| {
        let engine = Engine::new(Files::new().with("T", folder.path().join(pattern)));
        rows(&engine, "T | summarize sum(n)")
    };
    assert_eq!((sum("logs/*.jsonl"), sum("logs/a?.jsonl")), (json!([[7]]), json!([[3]])));
    let error = error_of(&folder.path().join("logs/c*.jsonl"));
    assert!(error.contains("no file there matches `c*.jsonl`"), "{error}");
}

#[test]
fn many_rows_stream_through() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..200_000).map(|at| format!("{{\"n\":{at},\"g\":\"{}\"}}\n", at % 7)).collect();
    write(folder.path(), "t.jsonl", &text);
    let engine = Engine::new(Files::new().with("T", folder.path().join("t.jsonl")));
    assert_eq!(
        rows(&engine, "T | summarize n = count(), s = sum(n), g = dcount(g)"),
        json!([[200_000, 19_999_900_000i64, 7]])
    );
}

// ---- functions ---------------------------------------------------------------------------------

fn with_functions(files: &[(&str, &str)]) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    let logins = df!("Account" => ["ann", "bob"], "Attempts" => [3i64, 7]).unwrap();
    let functions = FunctionFolder::open(folder.path()).unwrap();
    Engine::new(Layered::new().with(Frames::new().with("Logins", logins)).with(functions))
}

#[test]
fn functions_call_each_other_and_tables() {
    let engine = with_functions(&[
        ("Busy.kql", "Logins\n| where Attempts > limit()"),
        (
            "lib/helpers.kql",
            "let base = 4;\nlet limit = () { base + 1 };\nlet named = (who: string, least: long = 0) {\n    Busy | where Account == who and Attempts >= least };",
        ),
        ("Saved.kql", "declare query_parameters(low: long = 5);\nLogins | where Attempts >= low"),
    ]);
    assert_eq!(rows(&engine, "Busy | project Account"), json!([["bob"]]));
    assert_eq!(rows(&engine, "Busy() | count"), json!([[1]]));
    assert_eq!(rows(&engine, "named('bob') | count"), json!([[1]]));
    assert_eq!(rows(&engine, "named(least = 8, who = 'bob') | count"), json!([[0]]));
    assert_eq!(rows(&engine, "Saved(low = 1) | count"), json!([[2]]));
    assert_eq!(rows(&engine, "print x = limit() * 2"), json!([[10]]));
    assert_eq!(rows(&engine, "union isfuzzy=true Busy, NoSuch | count"), json!([[1]]));
    assert_eq!(rows(&engine, "let limit = () { 0 }; print x = limit()"), json!([[0]]), "a let goes first");
}

#[test]
fn a_function_may_stand_in_front_of_its_table() {
    let engine = with_functions(&[("Logins.kql", "Logins | where Account != 'ann'")]);
    assert_eq!(rows(&engine, "Logins | project Account"), json!([["bob"]]));
    let engine = with_functions(&[("Loop.kql", "Loop() | take 1")]);
    let error = engine.run("Loop").unwrap_err().to_string();
    assert!(error.contains("in Loop.kql at line 1, column 1") && error.contains("calls itself"), "{error}");
}

#[test]
fn invoke_passes_rows_to_stored_functions() {
    let engine = with_functions(&[(
        "f.kql",
        "let above = (rows: (Attempts: long), low: long) { rows | where Attempts > low };",
    )]);
    assert_eq!(rows(&engine, "Logins | invoke above(5) | project Account"), json!([["bob"]]));
    let query = "Logins | invoke abov(5)";
    let error = engine.run(query).unwrap_err().render(query);
    assert!(error.contains("did you mean `above`?"), "{error}");
}

#[test]
fn mistakes_in_functions_are_placed_in_their_files() {
    let engine = with_functions(&[
        ("Wrong.kql", "Logins\n| where Acount == 'x'"),
        ("Broken.kql", "Logins\n| wheer x"),
        ("Fine.kql", "let Fine = (n: long) { Logins | where Attempts > n };"),
    ]);
    let query = "print 1 | extend x = toscalar(Wrong | count)";
    let error = engine.run(query).unwrap_err();
    let shown = error.render(query);
    assert!(shown.contains("in Wrong.kql at line 2, column 9") && shown.contains("2 | | where Acount"), "{shown}");
    let line = huntbook_kql::batch::error(&error);
    assert_eq!((&line["file"], &line["line"], &line["column"]), (&json!("Wrong.kql"), &json!(2), &json!(9)));
    let shown = engine.run("Broken").unwrap_err().render("Broken");
    assert!(shown.contains("in Broken.kql at line 2, column 3"), "{shown}");
    // What the caller did wrong stands in the query.
    let shown = engine.run("Fine('x')").unwrap_err().render("Fine('x')");
    assert!(shown.contains("at line 1, column 6") && !shown.contains("Fine.kql"), "{shown}");
}

#[test]
fn one_name_in_two_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.kql", "print 1");
    write(folder.path(), "b.kql", "let a = () { print 2 };");
    let error = FunctionFolder::open(folder.path()).unwrap_err();
    assert!(error.contains("`a`") && error.contains("a.kql") && error.contains("b.kql"), "{error}");
}

const ASIM_DNS: &str = "Parser:
  Title: DNS filtering parser
  Version: '0.1'
ParserName: vimDnsTest
EquivalentBuiltInParser: _Im_Dns_Test
ParserParams:
  - Name: starttime
    Type: datetime
    Default: datetime(null)
  - Name: domain_has_any
    Type: dynamic
    Default: dynamic([])
  - Name: responsecodename
    Type: string
    Default: '*'
  - Name: disabled
    Type: bool
    Default: false
ParserQuery: |
  let parser = (starttime: datetime = datetime(null), domain_has_any: dynamic = dynamic([]), disabled: bool = false) {
    DnsLogs
    | where not(disabled)
    | where isnull(starttime) or TimeGenerated >= starttime
    | where array_length(domain_has_any) == 0 or Query has_any (domain_has_any)
    | project-rename DnsQuery = Query
  };
  parser(starttime, domain_has_any, disabled)
";

#[test]
fn asim_parsers_are_functions() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "ASimDns/vimDnsTest.yaml", ASIM_DNS);
    write(folder.path(), "ASimDns/Other.yaml", "Product:\n  Name: x\n");
    write(
        folder.path(),
        "ASimDns/imDns.yaml",
        "ParserName: imDns\nEquivalentBuiltInParser: _Im_Dns\nParserParams:\n  - Name: domain_has_any\n    Type: dynamic\n    Default: dynamic([])\nParserQuery: |\n  union isfuzzy=true vimDnsTest(domain_has_any = domain_has_any), vimDnsAbsent(domain_has_any = domain_has_any)\n",
    );
    let logs = df!("TimeGenerated" => [1i64, 2], "Query" => ["evil.example.org", "good.example.com"])
        .unwrap()
        .lazy()
        .with_column(col("TimeGenerated").cast(DataType::Datetime(TimeUnit::Microseconds, None)));
    let functions = FunctionFolder::open(folder.path()).unwrap();
    let engine =
        Engine::new(Layered::new().with(Frames::new().with("DnsLogs", logs.collect().unwrap())).with(functions));
    assert_eq!(
        rows(&engine, "_Im_Dns(domain_has_any = dynamic(['evil'])) | project DnsQuery"),
        json!([["evil.example.org"]])
    );
    assert_eq!(rows(&engine, "_Im_Dns_Test(starttime = datetime(2000-01-01)) | count"), json!([[0]]));
    assert_eq!(rows(&engine, "imDns | count"), json!([[2]]));
}

#[test]
fn mistakes_in_asim_files_have_the_line_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "p.yaml", &ASIM_DNS.replace("| where not(disabled)", "| where nott(disabled)"));
    let logs = df!("TimeGenerated" => [1i64], "Query" => ["x"]).unwrap();
    let functions = FunctionFolder::open(folder.path()).unwrap();
    let engine = Engine::new(Layered::new().with(Frames::new().with("DnsLogs", logs)).with(functions));
    let error = engine.run("vimDnsTest").unwrap_err().to_string();
    assert!(error.contains("in p.yaml at line 22, column 13"), "{error}");
}

// ---- watchlists --------------------------------------------------------------------------------

#[test]
fn watchlists_are_csv_files_of_text() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "VIPUsers.csv", "User,Level\nann,1\nbob,02\n");
    write(folder.path(), "Keyed.csv", "Note,SearchKey\nhello,k1\n");
    let engine = Engine::new(Watchlists::new(folder.path()));
    assert_eq!(
        types(&engine, "_GetWatchlist('VIPUsers')"),
        ["_DTItemId:string", "LastUpdatedTimeUTC:datetime", "SearchKey:string", "User:string", "Level:string"]
    );
    assert_eq!(
        rows(&engine, "_GetWatchlist('vipusers') | project SearchKey, Level"),
        json!([["ann", "1"], ["bob", "02"]])
    );
    assert_eq!(rows(&engine, "_GetWatchlist('Keyed') | project SearchKey, Note"), json!([["k1", "hello"]]));
    assert_eq!(rows(&engine, "_GetWatchlist('VIPUsers', dynamic(['bob'])) | project User"), json!([["bob"]]));
    assert_eq!(rows(&engine, "_GetWatchlistAlias | sort by WatchlistAlias asc"), json!([["Keyed"], ["VIPUsers"]]));
    assert_eq!(
        rows(&engine, "print who = 'ann' | where who in ((_GetWatchlist('VIPUsers') | project User)) | count"),
        json!([[1]])
    );
    let ids = rows(&engine, "_GetWatchlist('VIPUsers') | summarize dcount(_DTItemId)");
    assert_eq!(
        (ids.clone(), rows(&engine, "_GetWatchlist('VIPUsers') | summarize dcount(_DTItemId)")),
        (json!([[2]]), ids)
    );
}

#[test]
fn an_unknown_watchlist_names_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "VIPUsers.csv", "User\nann\n");
    let engine = Engine::new(Watchlists::new(folder.path()));
    let error = |query: &str| engine.run(query).unwrap_err().to_string();
    let shown = error("_GetWatchlist('VIPUser')");
    assert!(shown.contains("it has: VIPUsers") && shown.contains("did you mean `VIPUsers`?"), "{shown}");
    assert!(error("_GetWatchlist('../secret')").contains("there is no watchlist"));
    assert!(error("_GetWatchlist()").contains("name the watchlist"));
    let checked = engine.check("_GetWatchlist('VIPUsers') | project User, Lvel");
    assert_eq!(checked.diagnostics[0].code, "KH0102");
}

// ---- functions of the host ---------------------------------------------------------------------

fn file_profile() -> HostFunctions {
    let column = |name: &str, kql_type| Column { name: name.to_string(), kql_type };
    let function = TableFunction {
        parameters: vec![column("x", KqlType::String), column("y", KqlType::Long)],
        columns: vec![column("GlobalPrevalence", KqlType::Long)],
        takes_rows: true,
    };
    HostFunctions::new().with_step("FileProfile", function, |rows, arguments| {
        let Some((_, Literal::String(name))) = arguments.first() else { return Err("name the column".into()) };
        let lengths = rows.column(name).and_then(|column| column.str().cloned()).map_err(|error| error.to_string())?;
        let lengths: Vec<i64> = lengths.iter().map(|text| text.unwrap_or_default().len() as i64).collect();
        let mut rows = rows;
        rows.with_column(polars::prelude::Column::new("GlobalPrevalence".into(), lengths))
            .map_err(|error| error.to_string())?;
        Ok(rows.lazy())
    })
}

#[test]
fn invoke_calls_functions_of_the_host() {
    let engine = Engine::new(file_profile());
    let query = "datatable(SHA1: string, d: dynamic, t: datetime) ['abc', dynamic({'a': 1}), datetime(2024-01-01)] | invoke FileProfile(SHA1, 1000)";
    assert_eq!(rows(&engine, query), json!([["abc", {"a": 1}, "2024-01-01T00:00:00.0000000Z", 3]]));
    assert_eq!(rows(&engine, &format!("{query} | where GlobalPrevalence > 2 and d.a == 1 | count")), json!([[1]]));
    let check = engine.check(query);
    assert_eq!(check.columns.unwrap().len(), 4);
    let error = engine.run("FileProfile('x')").unwrap_err().to_string();
    assert!(error.contains("Table | invoke FileProfile"), "{error}");
    let error = engine.run("print a = 1 | invoke FileProfile(z = 1)").unwrap_err().to_string();
    assert!(error.contains("it has: x, y"), "{error}");
}

#[test]
fn upper_layers_hide_lower_ones() {
    let one = Frames::new().with("T", df!("a" => [1i64]).unwrap());
    let two = Frames::new().with("T", df!("a" => [2i64]).unwrap()).with("U", df!("b" => ["{}"]).unwrap()).with_type(
        "U",
        "b",
        KqlType::Dynamic,
    );
    let engine = Engine::new(Layered::new().with(one).with_shared(Arc::new(two)));
    assert_eq!(rows(&engine, "T"), json!([[1]]));
    assert_eq!(types(&engine, "U"), ["b:dynamic"]);
}
