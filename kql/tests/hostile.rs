//! Whatever the text is, the answer is a result or a diagnostic: no panic, no overflow, no hang.

mod common;

use common::Host;
use huntbook_kql::{Engine, format, parse, tables_mentioned};
use proptest::prelude::*;

fn survives(query: &str) {
    let (_, diagnostics) = parse(query);
    for diagnostic in &diagnostics {
        diagnostic.render(query);
    }
    tables_mentioned(query);
    if diagnostics.is_empty() {
        let formatted = format(query).expect("what parses can be formatted");
        assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "formatting {query:?} again");
    }
    let engine = Engine::new(Host);
    engine.complete(query, query.len());
    engine.hover(query, query.len() / 2);
    if let Err(error) = engine.run(query) {
        let shown = error.render(query);
        assert!(!shown.contains("crashed"), "{shown}");
    }
}

#[test]
fn deep_and_long_queries() {
    for query in [
        "(".repeat(1_000_000),
        format!("print {}1", "a+".repeat(100_000)),
        format!("print {}1", "1+".repeat(200)),
        format!("print {}1", "-".repeat(100_000)),
        format!("print {}a{}", "(".repeat(50), "+a".repeat(300) + &")".repeat(50)),
        format!("print d{}", ".a".repeat(100_000)),
        format!("print d{}", "[0]".repeat(100_000)),
        format!("Logins{}", "| where Attempts > 1".repeat(400)),
        format!("Logins{}", "| where Attempts > 1".repeat(50_000)),
        format!("Logins | where {}", vec!["Attempts == 1"; 3_000].join(" or ")),
        "print f(".repeat(1_000),
        "let a=".repeat(10_000),
        format!("print dynamic({}", "[".repeat(100_000)),
        format!("Logins{}", "| extend x = {".repeat(100)),
        "'".repeat(100_001),
        "\"".repeat(100_001),
        "let f = (x:long) { f(x) }; print f(1)".to_string(),
        (0..10_000).map(|at| format!("let a{at} = {at};")).collect::<String>() + "print a9999",
        "let f = (x:long) { ".repeat(10_000),
        format!("Logins | graph-match {}", "(".repeat(100_000)),
        format!("set x = {}", "[".repeat(100_000)),
        format!("Logins | where Account in ({})", vec!["'x'"; 100_000].join(", ")),
        format!("print {}", "long(".repeat(50_000)),
        format!("Logins {}", "// note\n".repeat(100_000)),
    ] {
        survives(&query);
    }
}

/// Texts that once broke something; the fuzz targets found them.
#[test]
fn texts_that_fuzzing_found() {
    for query in [
        "print datetime(2024-02-03T10:00:00- \u{2038})",
        "print datetime(2024-02-03T10:00:00-1\u{e9}1)",
        "print datetime(202\u{2038}03)",
        "print todatetime('202\u{2038}03'), todatetime('2024-02-03T10:00-\u{2038}1')",
    ] {
        survives(query);
    }
}

#[test]
fn doubling_lets_are_refused() {
    let mut query = "let t0 = Logins;\n".to_string();
    for at in 1..60 {
        query += &format!("let t{at} = union t{0}, t{0};\n", at - 1);
    }
    query += "t59 | count";
    let error = Engine::new(Host).run(&query).unwrap_err().to_string();
    assert!(error.contains("KH0004"), "{error}");

    let mut query = "let f0 = (x:long) { x + 1 };\n".to_string();
    for at in 1..60 {
        query += &format!("let f{at} = (x:long) {{ f{0}(x) + f{0}(x) }};\n", at - 1);
    }
    query += "print f59(1)";
    survives(&query);
}

/// Pieces of real queries, so that random text gets past the lexer.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "Logins",
        "| where ",
        "| extend ",
        "| summarize ",
        " by ",
        "| join kind=",
        "inner ",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "Account",
        "Attempts",
        " == ",
        " has ",
        " in ",
        " !in~ ",
        " between ",
        "..",
        ",",
        ";",
        "let x = ",
        "datatable(",
        "a:long",
        "1d",
        "5",
        "'x'",
        "\"",
        "dynamic(",
        ".",
        "$left",
        " and ",
        " or ",
        "not(",
        "| mv-expand ",
        "| parse ",
        " with ",
        "*",
        "-",
        "@",
        "ago(",
        "bin(",
        "count()",
        "arg_max(",
        "| project-away ",
        "| render ",
        "| union ",
        "| top ",
        "| sort by ",
        " desc",
        " nulls ",
        "print ",
        "range x from ",
        " to ",
        " step ",
        "\n",
        "//",
        "é",
        "\u{0}",
        "${threshold}",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_text(query in ".{0,200}") {
        survives(&query);
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_queries(query in pieces()) {
        survives(&query);
    }
}
