//! Completion and hover: what is offered is what may stand at the cursor.

#[path = "common/grammar.rs"]
mod grammar;

use huntbook_kql::{Completion, CompletionKind, Completions, Engine, SchemaCatalog};
use proptest::prelude::*;

const SCHEMAS: &str = r#"{
    "tables": {
        "SigninLogs": {"columns": {"TimeGenerated": "datetime", "UserPrincipalName": "string", "IPAddress": "string",
            "ResultType": "string", "RiskScore": "real", "DeviceDetail": "dynamic", "odd name": "long"}},
        "SecurityEvent": {"columns": {"TimeGenerated": "datetime", "Account": "string", "EventID": "int", "Computer": "string"}},
        "SecurityAlert": {"columns": {"TimeGenerated": "datetime", "Entities": "string"}}
    },
    "functions": {"_GetWatchlist": {"parameters": [["watchlist", "string"]], "columns": {"SearchKey": "string"}}}
}"#;

fn engine() -> Engine {
    Engine::new(SchemaCatalog::from_json(SCHEMAS).unwrap())
}

/// Completes at the mark `‸`.
fn at(marked: &str) -> Completions {
    let cursor = marked.find('‸').expect("a cursor");
    engine().complete(&marked.replace('‸', ""), cursor)
}

fn labels(marked: &str) -> Vec<String> {
    at(marked).items.into_iter().map(|item| item.label).collect()
}

fn first(marked: &str, number: usize) -> String {
    labels(marked).into_iter().take(number).collect::<Vec<_>>().join(" ")
}

fn of_kind(marked: &str, kind: CompletionKind) -> String {
    let items = at(marked).items.into_iter().filter(|item| item.kind == kind);
    items.map(|item| item.label).collect::<Vec<_>>().join(" ")
}

fn columns(marked: &str) -> String {
    of_kind(marked, CompletionKind::Column)
}

fn item(marked: &str, label: &str) -> Completion {
    let found = at(marked).items.into_iter().find(|item| item.label == label);
    found.unwrap_or_else(|| panic!("no `{label}` at {marked}: {:?}", labels(marked)))
}

const ALL: &str = "TimeGenerated Account EventID Computer";

macro_rules! cases {
    ($($name:ident: $got:expr => $wanted:expr;)*) => {
        $(#[test] fn $name() { assert_eq!($got, $wanted); })*
    };
}

cases! {
    a_query_begins_with_tables: first("‸", 3) => "SecurityAlert SecurityEvent SigninLogs";
    tables_by_prefix: first("Sec‸", 2) => "SecurityAlert SecurityEvent";
    tables_in_any_case: first("signin‸", 1) => "SigninLogs";
    tables_by_letters: first("sevent‸", 1) => "SecurityEvent";
    tables_in_a_union: first("union isfuzzy=true SecurityEvent, Sec‸", 2) => "SecurityAlert SecurityEvent";
    tables_in_a_join: first("SecurityEvent | join kind=inner (Sig‸", 1) => "SigninLogs";
    tables_by_function: labels("table(\"Sig‸\")").join(" ") => "SigninLogs";
    host_functions_are_tables: item("_Get‸", "_GetWatchlist").detail.unwrap() => "_GetWatchlist(watchlist: string)";
    a_let_is_a_table: first("let mine = SecurityEvent | take 5; mi‸", 1) => "mine";
    a_let_shows_its_columns: item("let mine = SecurityEvent | project Account; ‸", "mine").detail.unwrap() => "Account";
    operators_behind_a_pipe: first("SecurityEvent | ‸", 3) => "where summarize extend";
    operators_by_prefix: first("SecurityEvent | s‸", 2) => "summarize sort";
    operators_with_dashes: first("SecurityEvent | project-a‸", 1) => "project-away";
    a_dash_is_part_of_an_operator: labels("SecurityEvent | project-‸").contains(&"project-rename".to_string()) => true;
    operators_in_the_next_line: first("SecurityEvent\n| where EventID == 1\n| pro‸", 1) => "project";
    behind_a_table_comes_a_pipe: first("SecurityEvent ‸", 2) => "| where | summarize";
    columns_of_the_table: columns("SecurityEvent | where ‸") => ALL;
    columns_after_extend: columns("SecurityEvent | extend Day = bin(TimeGenerated, 1d) | where ‸") => format!("{ALL} Day");
    columns_after_project: columns("SecurityEvent | project Account, n = EventID + 1 | extend x = ‸") => "Account n";
    columns_after_summarize: columns("SecurityEvent | summarize count(), last = max(TimeGenerated) by Account | sort by ‸") => "Account count_ last";
    columns_after_a_join: columns("SecurityEvent | join kind=inner (SigninLogs | project Account = UserPrincipalName, IPAddress) on Account | where ‸") => format!("{ALL} Account1 IPAddress");
    columns_of_the_inner_pipeline: columns("SecurityEvent | join (SigninLogs | project IPAddress, ResultType | where ‸") => "IPAddress ResultType";
    columns_inside_calls: columns("SecurityEvent | extend x = strcat(Account, tostring(‸") => ALL;
    columns_of_a_let: columns("let a = SecurityEvent | project Account, EventID;\na | where ‸") => "Account EventID";
    columns_inside_a_function: columns("let f = (t:(Id:long, Name:string), n:long) { t | where ‸") => "Id Name";
    columns_of_mv_apply: columns("SigninLogs | project DeviceDetail | mv-apply d = DeviceDetail on (where ‸") => "DeviceDetail d";
    columns_behind_mistakes: columns("SecurityEvent | where Nothing > | extend x = nothing(1) | project Account | where ‸") => "Account";
    columns_behind_a_forgotten_bracket: columns("SecurityEvent | where ((EventID > | extend x = strcat(Acc‸") => "Account";
    columns_of_subqueries: columns("SecurityEvent | where Account in ((SigninLogs | project ‸") => "TimeGenerated UserPrincipalName IPAddress ResultType RiskScore DeviceDetail odd name";
    odd_names_are_bracketed: item("SigninLogs | where odd‸", "odd name").insert => "['odd name']";
    columns_say_their_type: item("SecurityEvent | where Ev‸", "EventID").detail.unwrap() => "int";
    prefixes_come_before_parts: first("SecurityEvent | where Co‸", 1) => "Computer";
    scalars_of_lets: of_kind("let threshold = 5; SecurityEvent | where EventID > thr‸", CompletionKind::Variable) => "threshold";
    parameters_of_functions: of_kind("let f = (n:long, who:string) { SecurityEvent | where Account == w‸", CompletionKind::Variable) => "who";
    functions_have_signatures: item("SecurityEvent | where TimeGenerated > ag‸", "ago").detail.unwrap() => "ago(timespan) -> datetime";
    functions_open_their_bracket: item("SecurityEvent | where TimeGenerated > ag‸", "ago").insert => "ago(";
    functions_keep_the_bracket_that_is_there: item("SecurityEvent | where TimeGenerated > ag‸(1d)", "ago").insert => "ago";
    functions_without_arguments_are_called: item("SecurityEvent | summarize cou‸", "count").insert => "count()";
    aggregates_in_summarize: first("SecurityEvent | summarize dc‸", 2) => "dcount dcountif";
    no_aggregates_in_where: of_kind("SecurityEvent | where ‸", CompletionKind::Aggregate) => "";
    keys_behind_by: first("SecurityEvent | summarize count() by ‸", 4) => ALL;
    bin_behind_by: first("SecurityEvent | summarize count() by bi‸", 1) => "bin";
    by_behind_aggregates: first("SecurityEvent | summarize count() b‸", 1) => "by";
    texts_have_text_operators: first("SecurityEvent | where Account ‸", 5) => "== has =~ contains in";
    text_operators_by_prefix: first("SecurityEvent | where Account ha‸", 2) => "has has_any";
    negated_operators: labels("SecurityEvent | where Account !h‸")[..2].join(" ") => "!has !hasprefix";
    numbers_have_number_operators: labels("SecurityEvent | where EventID ‸").iter().any(|label| label == "has") => false;
    numbers_are_compared: labels("SecurityEvent | where EventID ‸").iter().any(|label| label == "between") => true;
    the_type_of_a_call_counts: first("SecurityEvent | where tolower(Account) st‸", 1) => "startswith";
    conditions_are_joined: first("SecurityEvent | where Account == 'x' ‸", 2) => "and or";
    join_kinds: first("SecurityEvent | join kind=‸", 3) => "inner leftouter leftanti";
    join_kinds_by_prefix: first("SecurityEvent | join kind=left‸ (SigninLogs) on x", 2) => "leftouter leftanti";
    join_parameters: of_kind("SecurityEvent | join ‸", CompletionKind::Parameter) => "kind= hint.strategy= hint.remote= hint.shufflekey=";
    on_behind_the_right_side: first("SecurityEvent | join (SigninLogs) ‸", 1) => "on";
    keys_of_both_sides: columns("SecurityEvent | join (SigninLogs) on ‸") => "TimeGenerated";
    left_columns: columns("SecurityEvent | join (SigninLogs) on $left.‸") => ALL;
    right_columns: columns("SecurityEvent | join (SigninLogs | project Ip = IPAddress) on $left.Account == $right.‸") => "Ip";
    sides_by_their_sign: first("SecurityEvent | join (SigninLogs) on $l‸", 1) => "$left";
    charts: first("SecurityEvent | render ti‸", 2) => "timechart timepivot";
    plugins: first("SecurityEvent | evaluate bag‸", 1) => "bag_unpack";
    types: first("print x = extract('a', 1, 'b', typeof(lo‸", 1) => "long";
    types_of_parameters: first("let f = (x: str‸", 1) => "string";
    nothing_in_a_dynamic: labels("print dynamic([‸").len() => 0;
    nothing_behind_a_path: labels("SigninLogs | where DeviceDetail.‸").len() => 0;
    nothing_in_comments: labels("SecurityEvent // wh‸").len() => 0;
    nothing_in_strings: labels("SecurityEvent | where Account == 'Sec‸'").len() => 0;
    nothing_in_numbers: labels("SecurityEvent | take 1‸").len() => 0;
    sort_directions: first("SecurityEvent | sort by Account ‸", 2) => "asc desc";
    sort_has_by: first("SecurityEvent | sort ‸", 1) => "by";
    mv_expand_takes_dynamics_first: first("SigninLogs | mv-expand ‸", 1) => "DeviceDetail";
    series_have_an_axis: first("SecurityEvent | make-series count() o‸", 1) => "on";
    let_stands_at_the_start: first("le‸", 1) => "let";
}

#[test]
fn the_whole_word_is_replaced() {
    assert_eq!(at("SecurityEvent | where Acc‸").replace, 22..25);
    assert_eq!(at("SecurityEvent | where Acc‸ount == 'x'").replace, 22..29);
    assert_eq!(at("SecurityEvent | project-aw‸").replace, 16..26);
    assert_eq!(at("SecurityEvent | where ‸Account").replace, 22..22);
}

#[test]
fn a_thousand_tables_take_milliseconds() {
    let tables: Vec<String> = (0..1000)
        .map(|table| {
            let columns: Vec<String> = (0..40).map(|column| format!("\"Column{column}\": \"string\"")).collect();
            format!("\"Table{table}\": {{\"columns\": {{{}}}}}", columns.join(", "))
        })
        .collect();
    let engine = Engine::new(SchemaCatalog::from_json(&format!("{{\"tables\": {{{}}}}}", tables.join(", "))).unwrap());
    for (text, wanted) in
        [("Table99", "Table99"), ("Table5 | where Column1 has 'x' | summarize count() by Col", "Column0")]
    {
        let found = engine.complete(text, text.len());
        assert_eq!(found.items[0].label, wanted);
    }
}

// ---- hover -----------------------------------------------------------------------------------

fn hovered(marked: &str) -> Option<String> {
    let cursor = marked.find('‸').expect("a cursor");
    engine().hover(&marked.replace('‸', ""), cursor).map(|hover| hover.markdown)
}

#[test]
fn hover_says_what_a_word_is() {
    for (marked, wanted) in [
        ("SecurityEvent | wh‸ere EventID == 1", "`where condition`"),
        ("SecurityEvent | project-‸away EventID", "`project-away"),
        ("SecurityEvent | where Eve‸ntID == 1", "`EventID`: column, int"),
        ("SecurityEvent | where Account h‸as 'x'", "Contains the word"),
        ("SecurityEvent | where Account =‸~ 'x'", "Equal, in any case."),
        ("SecurityEvent | where TimeGenerated > a‸go(1d)", "`ago(timespan) -> datetime`"),
        ("SecurityEvent | summarize dcou‸nt(Account)", "`dcount(value[, accuracy]) -> long`"),
        ("SecurityEvent | summarize n = count() by Account | where n‸ > 1", "`n`: column, long"),
        ("Security‸Event | take 5", "- `EventID`: int"),
        ("let t = SecurityEvent | project Account; t‸ | take 1", "- `Account`: string"),
        ("let limit = 5; SecurityEvent | take lim‸it", "`limit`: long, from `let`"),
        ("let f = (n:long) { n + 1 }; print f‸(1)", "`f(n: long)`"),
        ("SecurityEvent | evaluate bag_un‸pack(Account)", "`bag_unpack("),
        ("SecurityEvent | join kind=leftan‸ti (SigninLogs) on TimeGenerated", "whose key the right does not have"),
        ("_GetWatch‸list('x')", "- `SearchKey`: string"),
    ] {
        let shown = hovered(marked).unwrap_or_else(|| panic!("nothing at {marked}"));
        assert!(shown.contains(wanted), "{marked}: {shown}");
    }
    for marked in ["SecurityEvent | where x == 'te‸xt'", "SecurityEvent | take ‸ 5", "‸", "SecurityEvent // no‸te"]
    {
        assert_eq!(hovered(marked), None, "{marked}");
    }
}

#[test]
fn a_hover_covers_its_word() {
    let text = "SecurityEvent | project-away EventID";
    assert_eq!(engine().hover(text, 25).unwrap().span, 16..28);
}

// ---- any text, any cursor --------------------------------------------------------------------

fn survives(text: &str, cursor: usize) {
    let engine = engine();
    let found = engine.complete(text, cursor);
    assert!(text.get(found.replace.clone()).is_some(), "{:?} in {text:?}", found.replace);
    engine.hover(text, cursor);
}

#[test]
fn long_and_deep_texts() {
    for text in
        ["(".repeat(100_000), "T | join (".repeat(2_000), "let f = (x:long) {".repeat(2_000), "a.".repeat(10_000)]
    {
        survives(&text, text.len());
        survives(&text, text.len() / 2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_cursor_in_any_query(query in grammar::query(), place in any::<prop::sample::Index>()) {
        survives(&query, place.index(query.len() + 3));
    }

    #[test]
    fn any_cursor_in_any_text(text in ".{0,80}", place in 0usize..100) {
        survives(&text, place);
    }
}
