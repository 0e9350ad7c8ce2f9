//! The mistakes hunters make most: where they are, what is said, what to try.

use huntbook_kql::{QueryOptions, SchemaCatalog, check};

const SCHEMAS: &str = r#"{"tables": {
    "SigninLogs": {"columns": {"TimeGenerated": "datetime", "UserPrincipalName": "string", "IPAddress": "string",
        "ResultType": "string", "DeviceDetail": "dynamic", "Attempts": "long"}},
    "SecurityEvent": {"columns": {"TimeGenerated": "datetime", "Account": "string", "EventID": "int", "Computer": "string"}}
}}"#;

/// `line:column code message | suggestion` of the first mistake.
fn mistake(query: &str) -> String {
    let catalog = SchemaCatalog::from_json(SCHEMAS).unwrap();
    let check = check(query, &catalog, &QueryOptions::default());
    let Some(first) = check.diagnostics.first() else { panic!("no mistake in {query}") };
    assert!(query.get(first.span.clone()).is_some(), "{first:?} is no part of {query}");
    let hint = first.hint.as_ref().map_or(String::new(), |hint| format!(" | {hint}"));
    format!("{}:{} {} {}{hint}", first.line, first.column, first.code, first.message)
}

macro_rules! mistakes {
    ($($name:ident: $query:expr => $shown:expr;)*) => {
        $(#[test] fn $name() { assert_eq!(mistake($query), $shown); })*
    };
}

mistakes! {
    a_column_with_a_typo: "SigninLogs\n| where IPAdress == '1.2.3.4'" => "";
    a_column_in_other_case: "SigninLogs | project userprincipalname" => "";
    a_column_that_is_gone: "SigninLogs | project IPAddress | where ResultType == '0'" => "";
    a_table_with_a_typo: "SignLogs | take 5" => "";
    a_table_in_other_case: "signinlogs | take 5" => "";
    a_function_with_a_typo: "SigninLogs | extend x = tostrng(Attempts)" => "";
    a_function_in_other_case: "SigninLogs | extend x = ToLower(ResultType)" => "";
    an_operator_with_a_typo: "SigninLogs | wher Attempts > 1" => "";
    an_operator_in_other_case: "SigninLogs | Where Attempts > 1" => "";
    an_operator_of_sql: "SigninLogs | select IPAddress" => "";
    an_operator_of_splunk: "SigninLogs | stats count() by IPAddress" => "";
    no_closing_quote: "SigninLogs | where IPAddress == \"1.2.3.4\n| take 5" => "";
    a_backslash_in_a_string: "SigninLogs | where IPAddress == 'C:\\Windows'" => "";
    no_closing_bracket: "SigninLogs\n| where (Attempts > 1 and ResultType == '0'\n| take 5" => "";
    no_closing_bracket_of_a_call: "SigninLogs | extend x = strcat(ResultType, '-'" => "";
    a_bracket_too_many: "SigninLogs | where (Attempts > 1))" => "";
    one_equals_sign: "SigninLogs | where ResultType = '0'" => "";
    one_equals_sign_in_a_call: "SigninLogs | summarize countif(ResultType = '0')" => "";
    sort_without_by: "SigninLogs | sort TimeGenerated" => "";
    top_without_by: "SigninLogs | top 5 TimeGenerated" => "";
    summarize_without_aggregate: "SigninLogs | summarize IPAddress by ResultType" => "";
    an_aggregate_in_where: "SigninLogs | where count() > 5" => "";
    a_missing_by: "SigninLogs | summarize count() IPAddress" => "";
    join_without_on: "SigninLogs | join kind=inner (SecurityEvent)" => "";
    an_unknown_join_kind: "SigninLogs | join kind=outer (SecurityEvent) on TimeGenerated" => "";
    a_join_key_of_one_side: "SigninLogs | join (SecurityEvent) on Account" => "";
    too_many_arguments: "SigninLogs | extend x = strlen(ResultType, 1)" => "";
    too_few_arguments: "SigninLogs | extend x = split(ResultType)" => "";
    an_argument_of_another_type: "SigninLogs | where TimeGenerated > ago(7)" => "";
    a_number_as_text: "SigninLogs | where ResultType == 0" => "";
    a_text_operator_on_a_number: "SigninLogs | where Attempts has '1'" => "";
    text_plus_text: "SigninLogs | extend x = ResultType + IPAddress" => "";
    a_missing_pipe: "SigninLogs where Attempts > 1" => "";
    a_missing_pipe_in_the_next_line: "SigninLogs\n| where Attempts > 1\nproject IPAddress" => "";
    a_missing_semicolon: "let limit = 5\nSigninLogs | take limit" => "";
    a_missing_comma: "SigninLogs | project IPAddress ResultType" => "";
    and_in_capitals: "SigninLogs | where Attempts > 1 AND ResultType == '0'" => "";
    like: "SigninLogs | where UserPrincipalName like '%admin%'" => "";
    double_ampersand: "SigninLogs | where Attempts > 1 && ResultType == '0'" => "";
    double_bar: "SigninLogs | where Attempts > 1 || ResultType == '0'" => "";
    a_misspelt_text_operator: "SigninLogs | where UserPrincipalName contians 'admin'" => "";
    in_without_brackets: "SigninLogs | where ResultType in '0', '1'" => "";
    has_with_a_list: "SigninLogs | where UserPrincipalName has ('a', 'b')" => "";
    between_without_brackets: "SigninLogs | where Attempts between 1 and 5" => "";
    a_comma_in_where: "SigninLogs | where Attempts > 1, ResultType == '0'" => "";
    a_dangling_operator: "SigninLogs | where Attempts >" => "";
    a_dangling_pipe: "SigninLogs | where Attempts > 1 |" => "";
    curly_quotes: "SigninLogs | where ResultType == “0”" => "";
    a_comment_of_sql: "SigninLogs -- all of them\n| take 5" => "";
    a_comment_of_python: "SigninLogs # all of them\n| take 5" => "";
    an_unknown_type: "SigninLogs | mv-expand DeviceDetail to typeof(str)" => "";
    grouping_by_a_dynamic: "SigninLogs | summarize count() by DeviceDetail" => "";
    a_member_of_a_text: "SigninLogs | extend x = ResultType.code" => "";
    a_scalar_that_is_a_table: "SigninLogs | where Attempts > SecurityEvent" => "";
    a_condition_that_is_none: "SigninLogs | where Attempts" => "";
    a_column_named_twice: "SigninLogs | project a = 1, a = 2" => "";
    an_unknown_plugin: "SigninLogs | evaluate bag_unpak(DeviceDetail)" => "";
    a_regex_that_is_none: "SigninLogs | where ResultType matches regex '('" => "";
    a_let_without_a_query: "let a = 5;" => "";
}
