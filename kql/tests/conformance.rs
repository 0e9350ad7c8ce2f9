//! Kusto's rules as cases: `tests/kql/*.test`, one file per topic. Run one topic with
//! `cargo test --workspace --locked --test conformance joins`.
//!
//! ```text
//! # Lines in front of the first `##` are comments.
//!
//! ## table Logins                        a table that the cases below can name
//! Account: string, Attempts: int
//! ["ann", 3]
//!
//! ## a condition that is null drops the row        what the case shows
//! Logins                                           the query, in as many lines as it needs
//! | where Attempts > int(null)
//! ----                                             what it gives: columns with types, then the rows
//! Account: string, Attempts: int
//!
//! ## the mistake is named
//! Logins | where Acount == "ann"
//! ---- error KH0102 1:16                           code, line and column
//! did you mean `Account`?                          part of the message
//! ```
//!
//! Rows are JSON in the encoding of `huntbook kql --jsonl` (`batch`). Reals may differ by a billionth.
//! Behind `----` may stand `any order` for rows without an order, and `columns` for rows that do not matter.
//! `now()` is 2024-03-15T12:00:00Z.

use std::{fmt::Write, fs, path::Path};

use huntbook_kql::{Engine, KqlType, batch, catalogs::Frames};
use serde_json::{Value, json};

/// One test per file, so that a topic can be run alone.
macro_rules! topics {
    ($($topic:ident)*) => {
        $(#[test] fn $topic() { run_file(stringify!($topic)); })*

        #[test]
        fn every_file_is_run() {
            let listed = [$(stringify!($topic)),*];
            for entry in fs::read_dir(folder()).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap();
                assert!(listed.contains(&name), "{} is in no test: list it in conformance.rs", path.display());
            }
        }
    };
}

topics! {
    aggregates bin booleans datetime dynamic errors functions joins lets lists make_series mv_expand names
    nulls numbers parse render scope serialize set_functions sort strings summarize terms text_functions
    timespan types union windows
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kql")
}

struct Block<'t> {
    line: usize,
    title: &'t str,
    body: Vec<&'t str>,
}

fn run_file(topic: &str) {
    let path = folder().join(format!("{topic}.test"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tables = Frames::new();
    let mut failures = String::new();
    let mut cases = 0;
    let blocks = blocks(&text);
    for block in blocks.iter().filter(|block| block.title.starts_with("table ")) {
        tables = with_table(tables, block);
    }
    let now = chrono::DateTime::parse_from_rfc3339("2024-03-15T12:00:00Z").unwrap().to_utc();
    let engine = Engine::new(tables).with_now(now);
    for block in blocks.iter().filter(|block| !block.title.starts_with("table ")) {
        cases += 1;
        if let Err(problem) = run_case(&engine, block) {
            writeln!(failures, "tests/kql/{topic}.test:{}: {}\n{problem}\n", block.line, block.title).unwrap();
        }
    }
    assert!(cases > 0, "{topic}.test has no case");
    assert!(failures.is_empty(), "\n{failures}");
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("## "), blocks.last_mut()) {
            (Some(title), _) => blocks.push(Block { line: at + 1, title, body: Vec::new() }),
            (None, Some(block)) => block.body.push(line),
            (None, None) => {}
        }
    }
    blocks
}

/// `name: type` pairs
fn header(line: &str) -> Vec<(String, KqlType)> {
    let column = |part: &str| {
        let (name, kql_type) = part.rsplit_once(": ").unwrap_or_else(|| panic!("`{part}` is not `name: type`"));
        let kql_type = KqlType::from_name(kql_type).unwrap_or_else(|| panic!("`{kql_type}` is not a type"));
        (name.to_string(), kql_type)
    };
    line.split(", ").map(column).collect()
}

fn json_rows(lines: &[&str]) -> Vec<Vec<Value>> {
    let lines = lines.iter().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("`{line}`: {error}"))).collect()
}

fn with_table(tables: Frames, block: &Block<'_>) -> Frames {
    let name = block.title.trim_start_matches("table ");
    let columns = header(block.body[0]);
    let literal = |value: &Value, kql_type: KqlType| match (value, kql_type) {
        (Value::String(text), KqlType::String) => json!(text).to_string(),
        (Value::String(text), _) => format!("{kql_type}({text})"),
        (value, _) => format!("{kql_type}({value})"),
    };
    let cells: Vec<String> = json_rows(&block.body[1..])
        .iter()
        .flat_map(|row| row.iter().zip(&columns).map(|(value, (_, kql_type))| literal(value, *kql_type)))
        .collect();
    let declared: Vec<String> = columns.iter().map(|(name, kql_type)| format!("['{name}']: {kql_type}")).collect();
    let query = format!("datatable({}) [{}]", declared.join(", "), cells.join(", "));
    let made = Engine::new(Frames::new()).run(&query).unwrap_or_else(|error| panic!("{}", error.render(&query)));
    let tables = tables.with(name, made.frame);
    columns.iter().fold(tables, |tables, (column, kql_type)| tables.with_type(name, column, *kql_type))
}

fn run_case(engine: &Engine, block: &Block<'_>) -> Result<(), String> {
    let divider = block.body.iter().position(|line| line.starts_with("----"));
    let divider = divider.ok_or("there is no `----` behind the query")?;
    let query = block.body[..divider].join("\n");
    let wanted = block.body[divider].trim_start_matches('-').trim();
    let expected: Vec<&str> = block.body[divider + 1..].iter().copied().filter(|line| !line.is_empty()).collect();
    let result = engine.run(&query);
    if let Some(wanted) = wanted.strip_prefix("error ") {
        return wrong(result, wanted, &expected);
    }
    let result = result.map_err(|error| error.render(&query))?;
    let found = batch::encoded(&Value::Null, &result);
    let columns = header(expected.first().ok_or("the expected columns are missing")?);
    let names: Vec<Value> = columns.iter().map(|(name, _)| json!(name)).collect();
    let types: Vec<Value> = columns.iter().map(|(_, kql_type)| json!(kql_type.name())).collect();
    if found["columns"] != json!(names) || found["types"] != json!(types) {
        return Err(format!("expected {names:?} {types:?}\n   found {} {}", found["columns"], found["types"]));
    }
    if wanted == "columns" {
        return Ok(());
    }
    let mut rows: Vec<Vec<Value>> = serde_json::from_value(found["rows"].clone()).map_err(|error| error.to_string())?;
    let mut wanted_rows = json_rows(&expected[1..]);
    if wanted == "any order" {
        let key = |row: &Vec<Value>| serde_json::to_string(row).unwrap_or_default();
        rows.sort_by_key(key);
        wanted_rows.sort_by_key(key);
    }
    let same =
        rows.len() == wanted_rows.len() && rows.iter().zip(&wanted_rows).all(|(row, wanted)| same_row(row, wanted));
    let listed = |rows: &[Vec<Value>]| rows.iter().map(|row| format!("  {}\n", json!(row))).collect::<String>();
    if same { Ok(()) } else { Err(format!("expected\n{}found\n{}", listed(&wanted_rows), listed(&rows))) }
}

fn same_row(row: &[Value], wanted: &[Value]) -> bool {
    row.len() == wanted.len() && row.iter().zip(wanted).all(|(value, wanted)| same(value, wanted))
}

fn same(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Number(value), Value::Number(wanted)) if value.is_f64() || wanted.is_f64() => {
            let (value, wanted) = (value.as_f64().unwrap_or(f64::NAN), wanted.as_f64().unwrap_or(f64::NAN));
            (value - wanted).abs() <= 1e-9 * wanted.abs().max(1e-3)
        }
        (Value::Array(values), Value::Array(wanted)) => same_row(values, wanted),
        (Value::Object(values), Value::Object(wanted)) => {
            values.len() == wanted.len()
                && wanted.iter().all(|(key, wanted)| values.get(key).is_some_and(|value| same(value, wanted)))
        }
        _ => value == wanted,
    }
}

fn wrong(
    result: Result<huntbook_kql::KqlTable, huntbook_kql::QueryError>,
    wanted: &str,
    message: &[&str],
) -> Result<(), String> {
    let error = match result {
        Ok(result) => return Err(format!("expected an error, found\n{}", result.frame)),
        Err(error) => batch::error(&error),
    };
    let found = format!("{} {}:{}", error["code"].as_str().unwrap_or_default(), error["line"], error["column"]);
    let text = error["message"].as_str().unwrap_or_default();
    let tells = message.iter().all(|part| text.contains(part.trim()));
    if found == wanted && tells {
        Ok(())
    } else {
        Err(format!("expected {wanted}: {message:?}\n   found {found}: {text}"))
    }
}
