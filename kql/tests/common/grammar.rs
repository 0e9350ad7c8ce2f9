//! Random queries by the grammar of the language, and the queries that stand in the tests.
#![allow(dead_code, unreachable_pub)]

use std::path::Path;

use proptest::prelude::*;

fn pick(words: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    prop::sample::select(words).prop_map(str::to_string)
}

fn column() -> impl Strategy<Value = String> + Clone {
    pick(&["a", "b", "Account", "TimeGenerated", "['two\u{a0}words']", "kind", "count_", "x1"])
}

fn table() -> impl Strategy<Value = String> + Clone {
    pick(&["T", "SigninLogs", "['my\u{a0}table']", "t1"])
}

fn literal() -> impl Strategy<Value = String> + Clone {
    pick(&[
        "1",
        "0",
        "2.5",
        "1e-3",
        "0x1F",
        "1d",
        "5.5h",
        "\"text\"",
        "'a\\'b'",
        "@\"c:\\dir\"",
        "@'it''s'",
        "h'secret'",
        "\"two\" 'parts'",
        "```many\n//lines```",
        "\"//no-comment\"",
        "true",
        "false",
        "datetime(2024-02-03)",
        "datetime(2024-02-03T10:00:00Z)",
        "timespan(1.02:03:04)",
        "int(-5)",
        "long(null)",
        "real(nan)",
        "decimal(1.5)",
        "guid(01234567-89ab-cdef-0123-456789abcdef)",
        "dynamic( [ 1 , \"a\" , { \"k\" : [ -1.5 , null ] } ] )",
        "dynamic( { } )",
        "dynamic( null )",
        "${limit}",
    ])
}

fn infix() -> impl Strategy<Value = String> + Clone {
    pick(&[
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
        "=~",
        "!~",
        "has",
        "!has",
        "has_cs",
        "contains",
        "!contains_cs",
        "startswith",
        "endswith",
        "hasprefix",
        "matches regex",
        "and",
        "or",
    ])
}

/// A scalar expression. Blanks stand wherever tokens may be apart.
pub fn expression() -> impl Strategy<Value = String> + Clone {
    let leaf = prop_oneof![column(), literal()];
    leaf.prop_recursive(4, 20, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..12).prop_map(|items| items.join(" , "));
        prop_oneof![
            3 => (inner.clone(), infix(), inner.clone()).prop_map(|(l, op, r)| format!("{l} {op} {r}")),
            1 => inner.clone().prop_map(|x| format!("( {x} )")),
            1 => inner.clone().prop_map(|x| format!("- {x}")),
            1 => inner.clone().prop_map(|x| format!("not( {x} )")),
            2 => (pick(&["strcat", "iff", "f", "bin", "tostring", "case"]), list.clone()).prop_map(|(f, x)| format!("{f} ( {x} )")),
            1 => (inner.clone(), pick(&["in", "!in", "in~", "!in~", "has_any", "has_all"]), list)
                .prop_map(|(x, op, items)| format!("( {x} {op} ( {items} ) )")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(x, l, h)| format!("( ( {x} ) between ( {l} .. {h} ) )")),
            1 => column().prop_map(|c| format!("{c} . part . ['other\u{a0}part'] [ 0 ] [ \"k\" ]")),
            1 => (table(), inner.clone()).prop_map(|(t, x)| format!("toscalar( {t} | where {x} | count )")),
            1 => (column(), table()).prop_map(|(c, t)| format!("( {c} in ( ( {t} | project a ) ) )")),
        ]
    })
}

fn named() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        2 => (column(), expression()).prop_map(|(name, value)| format!("{name} = {value}")),
        1 => expression(),
        1 => (column(), column()).prop_map(|(a, b)| format!("( {a} , {b} ) = f ( )")),
    ]
}

fn listed(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 1..7).prop_map(|items| items.join(" , "))
}

fn columns() -> impl Strategy<Value = String> {
    listed(column())
}

fn patterns() -> impl Strategy<Value = String> {
    listed(prop_oneof![column(), pick(&["a*", "*b", "a*b", "*", "*1"])])
}

fn aggregates() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        Just("count ( )".to_string()),
        (column(), expression()).prop_map(|(name, x)| format!("{name} = dcount ( {x} )")),
        expression().prop_map(|x| format!("arg_max ( {x} , * )")),
        expression().prop_map(|x| format!("100 * countif ( {x} ) / count ( )")),
    ];
    listed(one)
}

/// A pipe operator that may hold a pipeline.
fn operator(pipeline: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = String> {
    let x = expression;
    prop_oneof![
        4 => x().prop_map(|x| format!("where {x}")),
        1 => x().prop_map(|x| format!("filter {x}")),
        2 => listed(named()).prop_map(|items| format!("extend {items}")),
        2 => listed(named()).prop_map(|items| format!("project {items}")),
        1 => patterns().prop_map(|items| format!("project-away {items}")),
        1 => patterns().prop_map(|items| format!("project-reorder {items}")),
        1 => (column(), column()).prop_map(|(a, b)| format!("project-rename {a} = {b}")),
        2 => (aggregates(), columns()).prop_map(|(items, by)| format!("summarize {items} by {by} , bin ( TimeGenerated , 1h )")),
        1 => aggregates().prop_map(|items| format!("summarize hint.strategy = shuffle {items}")),
        1 => columns().prop_map(|by| format!("summarize by {by}")),
        1 => columns().prop_map(|items| format!("sort by {items} desc nulls last")),
        1 => x().prop_map(|x| format!("top 5 by {x} asc")),
        1 => pick(&["take 10", "count", "count as n", "getschema", "serialize", "consume", "as X", "sample 5",
            "sample-distinct 5 of a", "distinct *", "render timechart", "assert-schema ( a : long , b : string )",
            "render columnchart with ( title = \"x\" , ycolumns = a , b )", "evaluate bag_unpack ( a )",
            "evaluate pivot ( a , sum ( b ) ) : ( * , c : long )", "invoke f ( 1 )", "mvexpand a",
            "graph-match (a)-[e]->(b) where a.x==1 project a.x", "fork ( where a == 1 ) ( count )",
            "partition by a ( take 1 )", "parse-kv a as ( b : long , c : string ) with ( pair_delimiter = ',' )",
            "top-nested 3 of a by count ( ) , top-nested 2 of b by sum ( c ) desc", "search a : 'x' and \"y*\"",
            "make-series n = count ( ) default = 0 , m = max ( a ) on TimeGenerated from ago ( 7d ) to now ( ) step 1h by a , b",
            "scan declare ( n : long = 0 ) with ( step s output = all : a > 1 => n = s.n + 1 ; step t : true ; )",
            "reduce by a", "project-by-names dynamic( [ 'a' ] )", "top-hitters 2 of a by b"])
            .prop_map(|text| text),
        1 => columns().prop_map(|items| format!("distinct {items}")),
        1 => (column(), pick(&["string", "long", "dynamic"]))
            .prop_map(|(c, t)| format!("mv-expand bagexpansion = array x = {c} to typeof( {t} ) , b limit 5")),
        1 => column().prop_map(|c| format!("parse kind = regex {c} with * \"a\" b : long \"c-d\" * 'e' f")),
        1 => (pick(&["inner", "leftouter", "leftanti"]), pipeline.clone(), columns())
            .prop_map(|(kind, right, on)| format!("join kind = {kind} ( {right} ) on {on} , $left . a == $right . b")),
        1 => pipeline.clone().prop_map(|right| format!("lookup ( {right} ) on a")),
        1 => (pipeline.clone(), table()).prop_map(|(p, t)| format!("union isfuzzy = true ( {p} ) , {t} , Device* , *x")),
        1 => x().prop_map(|x| format!("mv-apply e = a to typeof( long ) on ( where {x} | summarize m = max ( e ) )")),
        1 => x().prop_map(|x| format!("partition hint.strategy = native by a ( top 1 by {x} )")),
    ]
}

fn source() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => table(),
        1 => listed(named()).prop_map(|items| format!("print {items}")),
        1 => pick(&["range x from 1 to 10 step 1", "union withsource = S T , t*", "search in ( T , t* ) \"x\"",
            "find in ( T ) where a == 1 project a , b : long", "_GetWatchlist ( 'x' )", "table ( \"T\" )",
            "database ( 'd' ) . T", "externaldata ( a : string , b : long ) [ @\"x.csv\" ] with ( format = \"csv\" )"]),
        1 => prop::collection::vec(literal(), 0..5).prop_map(|values| {
            let rows: Vec<String> = values.iter().map(|value| format!("{value} , 'x'")).collect();
            format!("datatable ( a : string , b : dynamic ) [ {} ]", rows.join(" , "))
        }),
        1 => expression().prop_map(|x| format!("materialize ( T | where {x} )")),
    ]
}

fn pipeline() -> impl Strategy<Value = String> + Clone {
    let flat = (source(), prop::collection::vec(operator(table()), 0..5));
    let flat = flat.prop_map(|(source, operators)| joined(source, operators)).boxed();
    flat.clone().prop_recursive(2, 6, 2, move |inner| {
        (source(), prop::collection::vec(operator(inner), 1..3))
            .prop_map(|(source, operators)| joined(source, operators))
    })
}

fn joined(source: String, operators: Vec<String>) -> String {
    std::iter::once(source).chain(operators).collect::<Vec<_>>().join(" | ")
}

fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        expression().prop_map(|x| format!("let x = {x} ;")),
        pipeline().prop_map(|p| format!("let ['my\u{a0}let'] = {p} ;")),
        (expression(), pipeline())
            .prop_map(|(x, p)| format!("let f = ( t : ( * ) , n : long = 5 ) {{ let y = {x} ; {p} }} ;")),
        expression().prop_map(|x| format!("let g = view ( ) {{ {x} }} ;")),
        Just("set notruncation ;".to_string()),
        Just("declare query_parameters ( a : string , b : long = 1 ) ;".to_string()),
        Just("alias database d = cluster ( 'c' ) ;".to_string()),
    ]
}

/// What may stand where a blank is.
fn blanks() -> impl Strategy<Value = Vec<&'static str>> {
    let blank = prop_oneof![
        8 => Just(" "),
        1 => Just("\n"),
        1 => Just("\t"),
        1 => Just(" // why | not\n"),
        1 => Just("\n\n// a line (\n"),
        1 => Just("\n//\n\n\n  // two\r\n"),
    ];
    prop::collection::vec(blank, 1..40)
}

/// Whole queries, with comments and odd blanks between tokens.
pub fn query() -> impl Strategy<Value = String> {
    let statements = prop::collection::vec(statement(), 0..3);
    (statements, pipeline(), blanks()).prop_map(|(statements, last, blanks)| {
        let text = format!("{} {last}", statements.join(" "));
        let mut blanks = blanks.into_iter().cycle();
        text.split(' ').collect::<Vec<_>>().into_iter().fold(String::new(), |text, piece| {
            if text.is_empty() { piece.to_string() } else { text + blanks.next().unwrap_or(" ") + piece }
        })
    })
}

/// All string literals of the files in `folder`: most of those in tests are queries.
pub fn literals_of(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let literal = regex::Regex::new(r##"(?s)r#"(.*?)"#|"((?:[^"\\]|\\.)*)""##).expect("a valid pattern");
    for entry in std::fs::read_dir(folder).expect("the folder of the tests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source file");
        for hit in literal.captures_iter(&source) {
            match (hit.get(1), hit.get(2)) {
                (Some(raw), _) => found.push(raw.as_str().to_string()),
                (None, Some(escaped)) => found.push(unescaped(escaped.as_str())),
                _ => {}
            }
        }
    }
    found
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek().copied()) {
            ('\\', Some('\n')) => while characters.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', Some(letter)) => {
                characters.next();
                plain.push(match letter {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    '0' => '\0',
                    other => other,
                });
            }
            _ => plain.push(character),
        }
    }
    plain
}
