//! Checking: names and types without rows.

use huntbook_kql::{Check, Engine, SchemaCatalog, batch};

const SCHEMAS: &str = r#"{
    "tables": {
        "Events": {"columns": {"Time": "datetime", "Account": "string", "Id": "guid", "Code": "int", "Data": "dynamic"}},
        "Hosts": {"columns": {"Name": "string", "Code": "long"}}
    },
    "functions": {
        "_GetWatchlist": {"parameters": [["watchlist", "string"]], "columns": {"SearchKey": "string"}}
    }
}"#;

fn engine() -> Engine {
    Engine::new(SchemaCatalog::from_json(SCHEMAS).unwrap())
}

fn checked(query: &str) -> Check {
    engine().check(query)
}

/// `name:type` of every column; `?` where only rows tell the type.
fn columns(query: &str) -> String {
    let check = checked(query);
    assert!(check.bound, "{query}: {:?}", check.diagnostics);
    let columns = check.columns.unwrap_or_default();
    let column = |column: &huntbook_kql::CheckedColumn| {
        format!("{}:{}", column.name, column.kql_type.map_or("?", huntbook_kql::KqlType::name))
    };
    columns.iter().map(column).collect::<Vec<_>>().join(" ")
}

macro_rules! schemas {
    ($($name:ident: $query:expr => $columns:expr;)*) => {
        $(#[test] fn $name() { assert_eq!(columns($query), $columns, "{}", $query); })*
    };
}

schemas! {
    declared_types_are_kept: "Events | project Time, Id, Code, Data" => "Time:datetime Id:guid Code:int Data:dynamic";
    functions_that_do_not_run_bind: "Events | project s = series_fir(Data, Data), n = geo_distance_2points(1, 2, 3, 4)" => "s:dynamic n:real";
    subqueries_are_not_run: "Events | where Code > toscalar(Hosts | summarize max(Code)) and Account in (Hosts) | project Code" => "Code:int";
    host_functions_need_no_arguments: "_GetWatchlist('x') | union _GetWatchlist | project SearchKey" => "SearchKey:string";
    unpacked_columns_are_unknown: "Events | evaluate bag_unpack(Data) | project Account, x" => "Account:string x:?";
    what_is_computed_from_unknowns_is_known: "Events | evaluate bag_unpack(Data) | summarize n = dcount(x) by y, Account" => "y:dynamic Account:string n:long";
    tuples_spread: "Events | project (a, b) = series_decompose_anomalies(Data)" => "a:dynamic b:dynamic series_decompose_anomalies_Data_baseline:dynamic";
    fuzzy_unions_forgive_missing_tables: "union isfuzzy=true (Nothing | project a), (Hosts) | project Name" => "Name:string";
    computed_tables_are_open: "let f = (t:string) { table(t) | where Code > 1 }; f('Hosts')" => "Name:string Code:long";
    series_are_dynamic: "Events | make-series n = count() on Time step 1h by Account" => "Account:string n:dynamic Time:dynamic";
    mv_apply_keeps_the_left: "Hosts | extend d = dynamic([1]) | mv-apply e = d to typeof(long) on (summarize s = sum(e))" => "Name:string Code:long d:dynamic s:long";
    join_renames_the_right: "Events | project Account, n = Code | join kind=inner (Hosts | project Account = Name, n = 1.5) on Account" => "Account:string n:int Account1:string n1:real";
    search_adds_the_table: "Hosts | search 'x'" => "$table:string Name:string Code:long";
    top_nested_names_its_measures: "Hosts | top-nested 2 of Name by count(), top-nested 1 of Code by m = max(Code)" => "Name:string aggregated_Name:long Code:long m:long";
}

#[test]
fn unpacking_opens_the_schema() {
    assert!(checked("Events | evaluate bag_unpack(Data)").open);
    assert!(!checked("Events").open);
}

#[test]
fn mistakes_are_placed() {
    let check = checked("Events\n| where Acount == 'x'");
    assert!(check.parsed && !check.bound);
    let first = &check.diagnostics[0];
    assert_eq!((first.line, first.column, first.code), (2, 9, "KH0102"));
    assert_eq!(first.hint.as_deref(), Some("did you mean `Account`?"));

    let check = checked("Events | where");
    assert!(!check.parsed && !check.bound);
    assert!(!checked("Nothing | count").bound);
}

#[test]
fn the_whole_language_parses() {
    for query in [
        "let a = 1;\n\n// a comment\nprint a // another\n| extend b = 2",
        "Events | scan declare (n:long = 0) with (step s output=all: Code > 1 => n = s.n + 1; step t: true;)",
        "Events | make-series dcount(Account) default=0 on Time in range(ago(7d), now(), 1d) by Code",
        "Events | partition hint.strategy=native by Account (top 1 by Time)",
        "Events | facet by Account with (take 1)",
        "Events | where Account !matches regex 'x' and not(Account has_all ('a', 'b'))",
        "Events | project-reorder * asc | project-away *1",
        "alias database d = cluster('c').database('d'); restrict access to (Events); set notruncation; Events | count",
        "find withsource=S in (Ev*, Hosts) where Code > 1 project Code, pack(*)",
        "search kind=case_sensitive in (Events, H*) Account:'x' and (Code > 1 or 'foo*')",
        "Events | graph-match (a)-[e]->(b) where a.x == 1 project a.x",
        "externaldata(a:string, b:int) [@'https://x/y.csv', h'z'] with (format='csv', ignoreFirstRecord=true)",
        "Events | render timechart with (title='x', xcolumn=Time)",
        "print a = ```many\nlines```, b = 'x' \"y\", c = h@'z', d = 1.5h, e = 0xFF, f = datetime(2020-01-01)",
    ] {
        let check = checked(query);
        assert!(check.parsed, "{query}: {:?}", check.diagnostics);
    }
}

#[test]
fn batches_answer_every_line() {
    let input = "{\"id\": 1, \"query\": \"Hosts | project Name\"}\n\n{\"id\": \"b\", \"query\": \"Hosts | wher x\"}\n";
    let mut output = Vec::new();
    batch::check_jsonl(input.as_bytes(), &mut output, &engine()).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["columns"], serde_json::json!([["Name", "string"]]));
    assert_eq!((&lines[1]["id"], &lines[1]["parse"]), (&serde_json::json!("b"), &serde_json::json!(false)));
    let error = &lines[1]["error"];
    assert_eq!((&error["code"], &error["line"], &error["column"]), (&"KH0003".into(), &1.into(), &9.into()));

    let mut output = Vec::new();
    batch::run_jsonl("{\"id\": 1, \"query\": \"print a = 1s, b = real(nan)\"}".as_bytes(), &mut output, &engine())
        .unwrap();
    let line: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(line["rows"], serde_json::json!([["00:00:01", "NaN"]]));
    assert_eq!(line["types"], serde_json::json!(["timespan", "real"]));
}

#[test]
fn schemas_of_another_shape_are_refused() {
    for text in [
        r#"{"Hosts": {"Name": "string"}}"#,
        r#"{"Hosts": [["Name", "string"]]}"#,
        r#"{"tables": {"Hosts": {"columns": {"Name": "string"}}}}"#,
    ] {
        let engine = Engine::new(SchemaCatalog::from_json(text).unwrap());
        assert!(engine.check("Hosts | project Name").bound, "{text}");
    }
    assert!(SchemaCatalog::from_json(r#"{"functions": {"f": {"columns": {"a": "long"}}}}"#).is_ok());
    for (text, why) in [
        (r#"{"tables": [{"name": "Hosts"}]}"#, "the tables are no object"),
        (r#"[{"name": "Hosts"}]"#, "the tables are no object"),
        (r#"{"Hosts": {"Name": "text"}}"#, "Hosts: `text`, for `Name`, is not a type"),
        (r#"{"Hosts": {"Name": {"type": "string"}}}"#, "the type of `Name` is no text"),
        (r#"{"Hosts": [{"name": "Name", "type": "string"}]}"#, "is no [name, type]"),
        (r#"{"Hosts": "Name"}"#, "columns are an object or an array"),
    ] {
        let error = SchemaCatalog::from_json(text).unwrap_err();
        assert!(error.contains(why) && error.contains(r#"{"Logins": {"TimeGenerated": "datetime""#), "{text}: {error}");
    }
    assert!(SchemaCatalog::from_json("Hosts").unwrap_err().contains("not JSON"));
}

#[test]
fn a_line_that_is_no_query_does_not_end_the_batch() {
    let input = "\u{feff}{\"id\": 1, \"query\": \"print a = 1\"}\nprint 2\n\n{\"id\": \"b\"}\n{\"id\": 4, \"query\": \"print a = 4\"}\n";
    type Batch = fn(&[u8], &mut Vec<u8>, &Engine) -> std::io::Result<usize>;
    let run: Batch = |input, output, engine| batch::run_jsonl(input, output, engine);
    let check: Batch = |input, output, engine| batch::check_jsonl(input, output, engine);
    for answer in [run, check] {
        let mut output = Vec::new();
        assert_eq!(answer(input.as_bytes(), &mut output, &engine()).unwrap(), 2);
        let text = String::from_utf8(output).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids: Vec<&serde_json::Value> = lines.iter().map(|line| &line["id"]).collect();
        assert_eq!(ids, [&serde_json::json!(1), &serde_json::Value::Null, &"b".into(), &4.into()], "{text}");
        let message = |at: usize| lines[at]["error"]["message"].as_str().unwrap_or_default();
        assert!(message(1).contains("line 2 of the input") && message(1).contains("not JSON"), "{text}");
        assert!(message(2).contains("line 4 of the input") && message(2).contains("`query`"), "{text}");
        assert!(lines[0]["error"].is_null() && lines[3]["error"].is_null(), "{text}");
    }
}
