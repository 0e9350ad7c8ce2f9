//! The formatter: one layout, the same tree, comments where they were.

#[path = "common/grammar.rs"]
mod grammar;

use std::path::Path;

use huntbook_kql::{format, parse};
use proptest::prelude::*;

/// The tree of a query without its spans.
fn tree(query: &str) -> String {
    let (tree, diagnostics) = parse(query);
    assert_eq!(diagnostics, vec![], "{query}");
    regex::Regex::new(r"span: \d+\.\.\d+").unwrap().replace_all(&format!("{tree:?}"), "").into_owned()
}

fn comments(query: &str) -> Vec<String> {
    // Only for queries whose strings hold no slashes.
    query.lines().filter_map(|line| line.find("//").map(|at| line[at..].trim_end().to_string())).collect()
}

/// Formats, and checks what must hold for every query.
fn formatted(query: &str) -> String {
    let formatted = format(query).unwrap_or_else(|problems| panic!("{query}\n{problems:?}"));
    assert_eq!(tree(query), tree(&formatted), "\n{query}\n---\n{formatted}");
    assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "formatting again changes it:\n{formatted}");
    assert!(formatted.lines().all(|line| line.trim_end() == line) || formatted.contains("```"), "{formatted}");
    formatted
}

macro_rules! layouts {
    ($($name:ident: $query:expr => $layout:expr;)*) => {
        $(#[test] fn $name() { assert_eq!(formatted($query), $layout); })*
    };
}

layouts! {
    operators_have_lines: "T|where a==1 and b has 'x'|summarize n=count() by Account|top 5 by n desc" => "\
T
| where a == 1 and b has 'x'
| summarize n = count() by Account
| top 5 by n desc";
    lets_are_indented: "let limit=5;let bad=T|where x>limit|distinct Account;\n\nbad|count" => "\
let limit = 5;
let bad = T
    | where x > limit
    | distinct Account;

bad
| count";
    subqueries_are_indented: "T|join kind=inner(U|where a==1|project a,b)on a,$left.x==$right.y|where c in((V|project c))" => "\
T
| join kind=inner (
    U
    | where a == 1
    | project a, b
) on a, $left.x == $right.y
| where c in ((V | project c))";
    functions_have_bodies: "let f=(t:(*),n:long=5){let y=n*2;t|where a>y};T|invoke f(1)" => "\
let f = (t:(*), n:long = 5) {
    let y = n * 2;
    t
    | where a > y
};
T
| invoke f(1)";
    short_functions_stay_short: "let f=(x:long){x+1};print f(1)" => "let f = (x:long) { x + 1 };\nprint f(1)";
    rows_have_lines: "datatable(name:string,n:long)['ann',1,'bob',-2]" => "\
datatable(name:string, n:long) [
    'ann', 1,
    'bob', -2
]";
    long_lists_fill_lines: "T | where Process in~ ('powershell.exe','pwsh.exe','cmd.exe','wscript.exe','cscript.exe','mshta.exe','rundll32.exe','regsvr32.exe')" => "\
T
| where Process in~ (
    'powershell.exe', 'pwsh.exe', 'cmd.exe', 'wscript.exe', 'cscript.exe', 'mshta.exe',
    'rundll32.exe', 'regsvr32.exe'
)";
    long_summaries_wrap: "T | summarize StartTime=min(TimeGenerated), EndTime=max(TimeGenerated), Hosts=make_set(Computer, 100) by Account, bin(TimeGenerated, 1h)" => "\
T
| summarize
    StartTime = min(TimeGenerated),
    EndTime = max(TimeGenerated),
    Hosts = make_set(Computer, 100)
    by Account, bin(TimeGenerated, 1h)";
    long_conditions_wrap: "T | where EventID == 4625 and Account !endswith '$' and (Computer startswith 'srv' or Computer startswith 'dc') and LogonType in (3, 10)" => "\
T
| where EventID == 4625
    and Account !endswith '$'
    and (Computer startswith 'srv' or Computer startswith 'dc')
    and LogonType in (3, 10)";
    long_calls_wrap: "T | extend Kind = case(EventID == 4624, 'a successful logon of somebody', EventID == 4625, 'a failed logon of somebody', 'other')" => "\
T
| extend Kind = case(
    EventID == 4624,
    'a successful logon of somebody',
    EventID == 4625,
    'a failed logon of somebody',
    'other'
)";
    comments_stay: "// head\nlet a = 1; // one\n\n// about T\nT // the table\n// only failures\n| where x == 1 // why\n  and y == 2\n| take 5\n// end" => "\
// head
let a = 1; // one

// about T
T // the table
// only failures
| where x == 1 // why
    and y == 2
| take 5
// end";
    comments_in_lists_stay: "T | where a in (\n'x', // first\n// then\n'y')" => "\
T
| where a in (
    'x', // first
    // then
    'y'
)";
    literals_are_as_written: "print a=@'c:\\x', b=h\"s\", c=datetime( 2020-01-01 ), d='x'  \"y\", e=dynamic({'k':[1,-2]}), f=1.5H" => "\
print
    a = @'c:\\x',
    b = h\"s\",
    c = datetime( 2020-01-01 ),
    d = 'x' \"y\",
    e = dynamic({'k': [1, -2]}),
    f = 1.5H";
    dashes_keep_their_meaning: "T | project-away x*, *y | project a-b, -c | project-reorder * granny-asc" => "\
T
| project-away x*, *y
| project a - b, -c
| project-reorder * granny-asc";
    what_is_not_read_is_left_alone: "T | make-graph a-->b with N on id|graph-match (a)-[e]->(b) where a.x==1 project a.x" => "\
T
| make-graph a-->b with N on id
| graph-match (a)-[e]->(b) where a.x==1 project a.x";
    unions_have_lines: "union isfuzzy=true (A|where x==1|project x), (B|take 5), Device*" => "\
union isfuzzy=true
    (
        A
        | where x == 1
        | project x
    ),
    (B | take 5),
    Device*";
    series_have_clauses: "T | make-series n=count() default=0 on TimeGenerated from ago(30d) to now() step 1d by UserPrincipalName, AppDisplayName" => "\
T
| make-series n = count() default=0
    on TimeGenerated from ago(30d) to now() step 1d
    by UserPrincipalName, AppDisplayName";
}

#[test]
fn a_query_that_does_not_parse_is_not_touched() {
    let problems = format("T\n| wher x == 1").unwrap_err();
    assert_eq!((problems[0].code, problems[0].line, problems[0].column), ("KH0003", 2, 3));
}

#[test]
fn nothing_but_comments() {
    assert_eq!(format("\n\n  // a\n\n\n// b\n").unwrap(), "// a\n\n// b");
    assert_eq!(format(" ").unwrap(), "");
}

#[test]
fn a_piped_query_has_no_source() {
    assert_eq!(format("where a==1|count").unwrap(), "where a == 1\n| count");
    assert_eq!(format("| where a==1|count").unwrap(), "| where a == 1\n| count");
}

#[test]
fn queries_of_all_tests_keep_their_trees() {
    let queries = grammar::literals_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let parsed: Vec<&String> = queries.iter().filter(|query| parse(query).1.is_empty()).collect();
    assert!(parsed.len() > 300, "{} queries", parsed.len());
    for query in parsed {
        formatted(query);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_query_keeps_its_tree_and_comments(query in grammar::query()) {
        // Only what the grammar is sure of: the generator knows no types, the parser needs none.
        if parse(&query).1.is_empty() {
            let formatted = formatted(&query);
            if !query.contains("\"//") && !query.contains("```") {
                prop_assert_eq!(comments(&query), comments(&formatted));
            }
        }
    }

    #[test]
    fn the_generator_writes_queries(query in grammar::query()) {
        let (_, problems) = parse(&query);
        prop_assert!(problems.is_empty(), "{}\n{:?}", query, problems);
    }
}
