//! Answers of the services, as recorded and documented, through the public decoder.

use huntbook_azure::decode::{DecodeError, Partial, decode};
use huntbook_azure::table::{Answer, ColumnType, TableKind, Values};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(text: &str) -> Result<Answer, DecodeError> {
    decode(text.as_bytes(), Partial::Refuse, &|| false)
}

fn texts(values: &Values) -> Vec<Option<String>> {
    match values {
        Values::String(column) | Values::Guid(column) | Values::Decimal(column) | Values::Dynamic(column) => {
            column.iter().map(|text| text.map(str::to_owned)).collect()
        }
        other => panic!("{other:?} is not text"),
    }
}

#[test]
fn log_analytics_types_stay_exact() {
    let answer = read(
        r#"{"tables":[{"name":"PrimaryResult","columns":[{"name":"b","type":"bool"},{"name":"i","type":"int"},
        {"name":"l","type":"long"},{"name":"r","type":"real"},{"name":"d","type":"decimal"},{"name":"s","type":"string"},
        {"name":"t","type":"datetime"},{"name":"p","type":"timespan"},{"name":"g","type":"guid"},{"name":"y","type":"dynamic"}],
        "rows":[[true,-5,9223372036854775807,0.1,"12345678901234567890.1234567890","x\n\u00e9","2026-01-02T03:04:05.1234567Z",
        "-1.02:03:04.0000001","11111111-2222-3333-4444-555555555555","{\"n\":1.10, \"big\":123456789012345678901234567890}"],
        [null,null,null,"NaN",null,null,null,null,null,null],
        [false,0,-9223372036854775808,"-Infinity","1E-7","","0001-01-01T00:00:00Z","00:00:00","","not json"]]}],
        "statistics":{"query":{"executionTime":0.5}},"render":{"visualization":"barchart","title":"T","by":null}}"#,
    )
    .unwrap();
    let table = &answer.tables[0];
    assert_eq!((table.rows, table.kind), (3, TableKind::Primary));
    let column = |name: &str| table.column(name).unwrap().values.clone();
    assert_eq!(column("b"), Values::Bool(vec![Some(true), None, Some(false)]));
    assert_eq!(column("i"), Values::Int(vec![Some(-5), None, Some(0)]));
    assert_eq!(column("l"), Values::Long(vec![Some(i64::MAX), None, Some(i64::MIN)]));
    let Values::Real(reals) = column("r") else { panic!() };
    assert_eq!((reals[0], reals[2]), (Some(0.1), Some(f64::NEG_INFINITY)));
    assert!(reals[1].unwrap().is_nan());
    assert_eq!(texts(&column("d")), [Some("12345678901234567890.1234567890".into()), None, Some("1E-7".into())]);
    assert_eq!(texts(&column("s")), [Some("x\né".into()), Some(String::new()), Some(String::new())]);
    assert_eq!(column("t"), Values::DateTime(vec![Some(639_029_198_451_234_567), None, Some(0)]));
    assert_eq!(column("p"), Values::TimeSpan(vec![Some(-937_840_000_001), None, Some(0)]));
    assert_eq!(texts(&column("g"))[1..], [None, None]);
    assert_eq!(
        texts(&column("y")),
        [Some(r#"{"n":1.10, "big":123456789012345678901234567890}"#.into()), None, Some("\"not json\"".into())]
    );
    let render = answer.render.unwrap();
    assert_eq!((render.visualization.as_str(), &render.properties["title"]), ("barchart", &json!("T")));
    assert_eq!(answer.statistics.unwrap()["query"]["executionTime"], json!(0.5));
}

const KUSTO: &str = r#"[{"FrameType":"DataSetHeader","IsProgressive":false,"Version":"v2.0"},
 {"FrameType":"DataTable","TableId":0,"TableKind":"QueryProperties","TableName":"@ExtendedProperties","Columns":[
  {"ColumnName":"TableId","ColumnType":"int"},{"ColumnName":"Key","ColumnType":"string"},{"ColumnName":"Value","ColumnType":"dynamic"}],
  "Rows":[[1,"Visualization","{\"Visualization\":\"piechart\",\"Title\":\"T\"}"]]},
 {"FrameType":"DataTable","TableId":1,"TableKind":"PrimaryResult","TableName":"PrimaryResult","Columns":[
  {"ColumnName":"n","ColumnType":"long"},{"ColumnName":"y","ColumnType":"dynamic"}],"Rows":[ROWS]},
 {"FrameType":"DataTable","TableId":2,"TableKind":"QueryCompletionInformation","TableName":"QueryCompletionInformation","Columns":[
  {"ColumnName":"Level","ColumnType":"int"},{"ColumnName":"Payload","ColumnType":"string"}],"Rows":[[LEVEL,"{\"Text\":\"said\"}"]]},
 {"FrameType":"DataSetCompletion","HasErrors":ERRORS,"Cancelled":false}]"#;

fn kusto(rows: &str, level: &str, errors: &str) -> String {
    KUSTO.replace("ROWS", rows).replace("LEVEL", level).replace("ERRORS", errors)
}

#[test]
fn kusto_v2_frames_with_native_dynamics() {
    let answer =
        read(&kusto(r#"[1,{"a": 1.50}],[9007199254740993,"text"],[3,[1,2]],[null,null]"#, "4", "false")).unwrap();
    let results: Vec<_> = answer.results().collect();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].columns[0].values, Values::Long(vec![Some(1), Some(9_007_199_254_740_993), Some(3), None]));
    assert_eq!(
        texts(&results[0].columns[1].values),
        [Some("{\"a\": 1.50}".into()), Some("\"text\"".into()), Some("[1,2]".into()), None]
    );
    assert_eq!(answer.render.unwrap().visualization, "piechart");
    assert!(answer.warnings.is_empty());
    let warned = read(&kusto("[1,1]", "3", "false")).unwrap();
    assert_eq!(warned.warnings[0].message, "said");
}

#[test]
fn what_is_not_whole_is_an_error_unless_allowed() {
    let among_rows = r#"[1,1],{"OneApiErrors":[{"error":{"code":"LimitsExceeded","message":"m","@message":"Query exceeded limits (80DA0003)"}}]}"#;
    for text in [
        kusto(among_rows, "4", "true"),
        kusto("[1,1]", "4", "true"),
        kusto("[1,1]", "2", "false"),
        r#"{"tables":[{"name":"P","columns":[{"name":"a","type":"long"}],"rows":[[1]]}],"error":{"code":"PartialError","message":"m",
          "details":[{"code":"EngineError","innererror":{"code":"-1","message":"exceed the set limit of 64000000 bytes","severity":2}}]}}"#.to_owned(),
        r#"{"Tables":[{"TableName":"T","Columns":[{"ColumnName":"a","DataType":"Int64"}],"Rows":[[1],{"Exceptions":["Query limits"]}]}]}"#.to_owned(),
    ] {
        assert!(matches!(read(&text), Err(DecodeError::Partial(_))), "{text}");
        let allowed = decode(text.as_bytes(), Partial::Allow, &|| false).unwrap();
        assert_eq!(allowed.partial.len(), 1, "{:?}", allowed.partial);
        assert_eq!(allowed.results().map(|table| table.rows).sum::<usize>(), 1);
    }
    let warning =
        r#"{"tables":[],"error":{"code":"PartialError","details":[{"innererror":{"message":"fuzzy","severity":3}}]}}"#;
    assert_eq!(read(warning).unwrap().warnings[0].message, "fuzzy");
}

#[test]
fn an_answer_that_is_cut_anywhere_is_never_taken() {
    for text in [
        kusto(r#"[1,{"a":"]}"}],[2,null]"#, "4", "false"),
        r#"{"tables":[{"name":"P","columns":[{"name":"a","type":"string"}],"rows":[["xé\n"],["y"]]}],"render":{}} "#
            .trim()
            .to_owned(),
    ] {
        read(&text).unwrap();
        for end in 0..text.len() {
            let cut = decode(&text.as_bytes()[..end], Partial::Allow, &|| false);
            assert!(cut.is_err(), "{}", String::from_utf8_lossy(&text.as_bytes()[..end]));
        }
    }
}

#[test]
fn what_no_service_sends_is_refused_with_the_place() {
    let table = |kind: &str, rows: &str| {
        format!(r#"{{"tables":[{{"name":"P","columns":[{{"name":"a","type":"{kind}"}}],"rows":{rows}}}]}}"#)
    };
    let error = |text: &str| read(text).unwrap_err().to_string();
    assert!(error(&table("long", "[[1],[1.5]]")).contains("row 2 of the table `P` has 1.5 in the column `a`"));
    assert!(error(&table("int", "[[2147483648]]")).contains("no int"));
    assert!(error(&table("long", "[[9223372036854775808]]")).contains("no long"));
    assert!(error(&table("datetime", "[[\"yesterday\"]]")).contains("no datetime"));
    assert!(error(&table("real", "[[1e999]]")).contains("no real"));
    assert!(error(&table("dynamic", "[[{\"a\":}]]")).contains("no dynamic"));
    assert!(error(&table("long", "[[1,2]]")).contains("more values than its 1 columns"));
    assert!(error(&table("long", "[[]]")).contains("value 1 of 1 is expected in row 1"));
    assert!(error(&table("colour", "[]")).contains("unknown type `colour`"));
    assert!(error(&format!("{}x", table("long", "[]"))).contains("something follows"));
    assert!(error("{}").contains("no member `tables`"));
    assert_eq!(error(""), "the answer is empty");
    assert!(error("[]").contains("last frame"));
    assert!(error("<html>").contains("not JSON at byte 0"));
    assert!(matches!(decode(b"{\"a\":\"\xff\"}", Partial::Allow, &|| false), Err(DecodeError::NotUtf8 { at: 6 })));
    let failed = read(r#"{"error":{"code":"X","message":"outer","innererror":{"message":"inner"}}}"#).unwrap_err();
    assert!(matches!(failed, DecodeError::Failed(fault) if fault.message == "inner"));
    assert!(read(&format!("{}1", "[".repeat(100_000))).is_err());
}

#[test]
fn kusto_v1_with_a_table_of_contents() {
    let answer = read(
        r#"{"Tables":[
      {"TableName":"Table_0","Columns":[{"ColumnName":"b","DataType":"SByte","ColumnType":"bool"},{"ColumnName":"d","DataType":"SqlDecimal"}],"Rows":[[1,"1.5"],[0,null]]},
      {"TableName":"Table_1","Columns":[{"ColumnName":"Value","DataType":"String"}],"Rows":[["{\"Visualization\":\"table\"}"]]},
      {"TableName":"Table_2","Columns":[{"ColumnName":"Severity","DataType":"Int32"},{"ColumnName":"StatusDescription","DataType":"String"}],"Rows":[[4,"ok"],[3,"careful"]]},
      {"TableName":"Table_3","Columns":[{"ColumnName":"Ordinal","DataType":"Int64"},{"ColumnName":"Kind","DataType":"String"}],
       "Rows":[[0,"QueryResult"],[1,"QueryProperties"],[2,"QueryStatus"]]}]}"#,
    )
    .unwrap();
    let results: Vec<_> = answer.results().collect();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0].columns[0].values, Values::Bool(vec![Some(true), Some(false)]));
    assert_eq!(answer.render.unwrap().visualization, "table");
    assert_eq!(answer.warnings[0].message, "careful");
}

#[test]
fn rows_before_columns_are_read_too() {
    let answer =
        read(r#"{"tables":[{"rows":[["]"],["b"]],"name":"P","columns":[{"name":"a","type":"string"}]}]}"#).unwrap();
    assert_eq!(texts(&answer.tables[0].columns[0].values), [Some("]".into()), Some("b".into())]);
}

#[test]
fn nobody_waits_any_more() {
    let text = r#"{"tables":[{"columns":[{"name":"a","type":"long"}],"rows":[[1]]}]}"#;
    assert_eq!(decode(text.as_bytes(), Partial::Allow, &|| true), Err(DecodeError::Cancelled));
}

/// Several megabytes, so that the rows are read in parts, with texts that look like rows to whoever guesses.
#[test]
fn parts_of_an_answer_fit_together_whatever_the_texts_hold() {
    // Without quotes nothing is escaped, and each of these reads as a row.
    let bait = "],[1,2],[3,4],[5,6],[7,8],[9,10],[11,12],[13,14],[15,16],[17,18]";
    for bait_every in [1, 3, 1000, usize::MAX] {
        let rows: Vec<Value> = (0..60_000_usize)
            .map(|row| if row % bait_every == 0 { json!([row, bait]) } else { json!([row, format!("{:0>60}", row)]) })
            .collect();
        let columns = json!([{"name": "n", "type": "long"}, {"name": "s", "type": "string"}]);
        let text = json!({"tables": [{"name": "P", "columns": columns, "rows": rows}, {"name": "Q", "columns": columns, "rows": [[7, "q"]]}]});
        let answer = read(&text.to_string()).unwrap();
        assert_eq!((answer.tables[0].rows, answer.tables[1].rows), (60_000, 1));
        let expected: Vec<_> = (0..60_000).map(Some).collect();
        assert_eq!(answer.tables[0].columns[0].values, Values::Long(expected));
        let strings = texts(&answer.tables[0].columns[1].values);
        assert!(rows.iter().zip(&strings).all(|(row, text)| row[1].as_str() == text.as_deref()));
    }
}

#[test]
fn an_error_deep_in_a_large_answer_names_the_right_row() {
    let rows: Vec<Value> = (0..60_000)
        .map(|row| if row == 59_000 { json!(["x", ""]) } else { json!([row, format!("{row:0>60}")]) })
        .collect();
    let text = json!({"tables": [{"name": "P", "columns": [{"name": "n", "type": "long"}, {"name": "s", "type": "string"}], "rows": rows}]});
    assert!(matches!(read(&text.to_string()), Err(DecodeError::Cell { row: 59_001, .. })));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_comes_back(rows in prop::collection::vec(
        (prop::option::of(any::<i64>()), prop::option::of(any::<f64>()), any::<String>(), any_json(), prop::option::of(any::<bool>())), 0..20),
        spaces in any::<bool>())
    {
        let real = |value: f64| if value.is_nan() { json!("NaN") } else if value.is_infinite() {
            json!(if value > 0.0 { "Infinity" } else { "-Infinity" }) } else { json!(value) };
        let cells: Vec<Value> = rows.iter().map(|(long, value, text, dynamic, flag)| json!([long, value.map(real), text,
            if dynamic.is_null() { Value::Null } else { json!(dynamic.to_string()) }, flag])).collect();
        let names = ["long", "real", "string", "dynamic", "bool"];
        let columns: Vec<Value> = names.iter().map(|name| json!({"name": name, "type": name})).collect();
        let body = json!({"tables": [{"name": "P", "columns": columns, "rows": cells}]});
        let text = if spaces { serde_json::to_string_pretty(&body).unwrap() } else { body.to_string() };
        let answer = read(&text).unwrap();
        let table = &answer.tables[0];
        prop_assert_eq!(table.rows, rows.len());
        prop_assert_eq!(table.columns[3].kind(), ColumnType::Dynamic);
        prop_assert_eq!(&table.columns[0].values, &Values::Long(rows.iter().map(|row| row.0).collect()));
        prop_assert_eq!(&table.columns[4].values, &Values::Bool(rows.iter().map(|row| row.4).collect()));
        let Values::Real(reals) = &table.columns[1].values else { panic!() };
        for (read, row) in reals.iter().zip(&rows) {
            prop_assert!(match (read, row.1) {
                (Some(read), Some(sent)) => read.to_bits() == sent.to_bits() || (read.is_nan() && sent.is_nan()) || *read == sent,
                (None, None) => true,
                _ => false,
            }, "{:?} {:?}", read, row.1);
        }
        let strings: Vec<Option<String>> = rows.iter().map(|row| Some(row.2.clone())).collect();
        prop_assert_eq!(texts(&table.columns[2].values), strings);
        for (read, row) in texts(&table.columns[3].values).iter().zip(&rows) {
            let read: Value = read.as_ref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
            prop_assert_eq!(&read, &row.3);
        }
    }

    #[test]
    fn no_text_breaks_it(text in "[\\[\\]{}\",:0-9a-z \\\\]{0,60}", at in 0_usize..200, byte in any::<u8>()) {
        let _ = read(&text);
        let mut body = kusto("[1,{\"a\":1}]", "4", "false").into_bytes();
        let index = at * body.len() / 200;
        body[index] = byte;
        let _ = decode(&body, Partial::Allow, &|| false);
    }
}
