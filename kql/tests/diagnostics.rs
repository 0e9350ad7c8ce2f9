//! The mistakes hunters make most: where they are, what is said, what to try.

use huntbook_kql::{Engine, SchemaCatalog};

const SCHEMAS: &str = r#"{"tables": {
    "SigninLogs": {"columns": {"TimeGenerated": "datetime", "UserPrincipalName": "string", "IPAddress": "string",
        "ResultType": "string", "DeviceDetail": "dynamic", "Attempts": "long"}},
    "SecurityEvent": {"columns": {"TimeGenerated": "datetime", "Account": "string", "EventID": "int", "Computer": "string"}}
}}"#;

/// `line:column code message | suggestion` of the first mistake.
fn mistake(query: &str) -> String {
    let catalog = SchemaCatalog::from_json(SCHEMAS).unwrap();
    let check = Engine::new(catalog).check(query);
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
    a_column_with_a_typo: "SigninLogs\n| where IPAdress == '1.2.3.4'" => "2:9 KH0102 unknown column `IPAdress` | did you mean `IPAddress`?";
    a_column_in_other_case: "SigninLogs | project userprincipalname" => "1:22 KH0102 unknown column `userprincipalname` | did you mean `UserPrincipalName`?";
    a_column_that_is_gone: "SigninLogs | project IPAddress | where ResultType == '0'" => "1:40 KH0102 unknown column `ResultType` | the columns here are IPAddress";
    a_table_with_a_typo: "SignLogs | take 5" => "1:1 KH0101 unknown table `SignLogs` | did you mean `SigninLogs`?";
    a_table_in_other_case: "signinlogs | take 5" => "1:1 KH0101 unknown table `signinlogs` | did you mean `SigninLogs`?";
    a_function_with_a_typo: "SigninLogs | extend x = tostrng(Attempts)" => "1:25 KH0103 unknown function `tostrng` | did you mean `tostring`?";
    a_function_in_other_case: "SigninLogs | extend x = ToLower(ResultType)" => "1:25 KH0103 unknown function `ToLower` | did you mean `tolower`?";
    an_operator_with_a_typo: "SigninLogs | wher Attempts > 1" => "1:14 KH0003 unknown operator `wher` | did you mean `where`?";
    an_operator_in_other_case: "SigninLogs | Where Attempts > 1" => "1:14 KH0003 unknown operator `Where` | did you mean `where`?";
    an_operator_of_sql: "SigninLogs | select IPAddress" => "1:14 KH0003 unknown operator `select` | use `project` for columns, `where` for conditions";
    an_operator_of_splunk: "SigninLogs | stats count() by IPAddress" => "1:14 KH0003 unknown operator `stats` | use `summarize`";
    no_closing_quote: "SigninLogs | where IPAddress == \"1.2.3.4\n| take 5" => "1:33 KH0001 this string does not end on its line | close it with `\"`; text over several lines stands between ``` and ```";
    a_backslash_in_a_string: "SigninLogs | where IPAddress == 'C:\\Windows'" => "1:36 KH0001 `\\W` is not an escape sequence | write `\\\\` for a backslash, or a verbatim string @\"...\"";
    no_closing_bracket: "SigninLogs\n| where (Attempts > 1 and ResultType == '0'\n| take 5" => "3:9 KH0002 expected `)`, found the end of the query | the `(` at line 2, column 9 is not closed";
    no_closing_bracket_of_a_call: "SigninLogs | extend x = strcat(ResultType, '-'" => "1:47 KH0002 expected `)`, found the end of the query | the `(` at line 1, column 31 is not closed";
    a_bracket_too_many: "SigninLogs | where (Attempts > 1))" => "1:34 KH0002 expected `|` or `;`, found `)` | nothing opens this bracket";
    one_equals_sign: "SigninLogs | where ResultType = '0'" => "1:20 KH0104 a condition must be a bool, this assigns a value | compare with `==`";
    one_equals_sign_in_a_call: "SigninLogs | summarize countif(ResultType = '0')" => "1:32 KH0105 `countif` has no parameter `ResultType` | compare with `==`";
    sort_without_by: "SigninLogs | sort TimeGenerated" => "1:19 KH0002 expected `by`, found `TimeGenerated` | write `sort by TimeGenerated`";
    top_without_by: "SigninLogs | top 5 TimeGenerated" => "1:20 KH0002 expected `by`, found `TimeGenerated` | write `top 5 by TimeGenerated`";
    summarize_without_aggregate: "SigninLogs | summarize IPAddress by ResultType" => "1:24 KH0107 the column `IPAddress` has many values here: it needs an aggregate around it, or a place behind `by` | for example take_any(IPAddress), max(IPAddress) or make_set(IPAddress)";
    an_aggregate_in_where: "SigninLogs | where count() > 5" => "1:20 KH0107 `count` is an aggregate: it stands only in `summarize` | summarize first: summarize n = count() by ... | where n > 5";
    a_missing_by: "SigninLogs | summarize count() IPAddress" => "1:32 KH0002 expected `|` or the end of the operator, found `IPAddress` | put `by` or a comma in front of `IPAddress`";
    join_without_on: "SigninLogs | join kind=inner (SecurityEvent)" => "1:14 KH0002 `join` needs `on` and its keys | for example `on DeviceId`, or `on $left.Id == $right.DeviceId`";
    an_unknown_join_kind: "SigninLogs | join kind=outer (SecurityEvent) on TimeGenerated" => "1:24 KH0107 unknown join kind `outer` | the kinds are innerunique, inner, leftouter, rightouter, fullouter, leftsemi, rightsemi, leftanti and rightanti";
    a_join_key_of_one_side: "SigninLogs | join (SecurityEvent) on Account" => "1:38 KH0102 the left side of the join has no column `Account` | keys with two names are written `$left.a == $right.b`";
    too_many_arguments: "SigninLogs | extend x = strlen(ResultType, 1)" => "1:25 KH0105 `strlen` takes 1 argument, 2 given | write `strlen(text)`";
    too_few_arguments: "SigninLogs | extend x = split(ResultType)" => "1:25 KH0105 `split` takes 2 to 3 arguments, 1 given | write `split(text, separator[, index])`";
    an_argument_of_another_type: "SigninLogs | where TimeGenerated > ago(7)" => "1:40 KH0104 a timespan such as 1d is needed here, this is a long | write a number with its unit: 7d, 12h, 30m";
    a_moment_as_a_number: "SigninLogs | where TimeGenerated > 5" => "1:20 KH0104 `>` cannot compare datetime with long | write a moment: datetime(2024-01-31), or ago(7d)";
    a_text_operator_on_a_number: "SigninLogs | where Attempts has '1'" => "1:20 KH0104 `has` needs a string, this is a long | convert it with tostring()";
    text_plus_text: "SigninLogs | extend x = ResultType + IPAddress" => "1:25 KH0104 `+` is not defined for string and string | strings are joined with strcat()";
    a_missing_pipe: "SigninLogs where Attempts > 1" => "1:12 KH0002 expected `|` or `;`, found `where` | put `|` in front of `where`";
    a_missing_pipe_in_the_next_line: "SigninLogs\n| where Attempts > 1\nproject IPAddress" => "3:1 KH0002 expected `|` or the end of the operator, found `project` | put `|` in front of `project`";
    a_missing_semicolon: "let limit = 5\nSigninLogs | take limit" => "2:1 KH0002 expected `|` or `;`, found `SigninLogs` | end the `let` with `;`";
    a_missing_comma: "SigninLogs | project IPAddress ResultType" => "1:32 KH0002 expected `|` or the end of the operator, found `ResultType` | put a comma in front of `ResultType`";
    and_in_capitals: "SigninLogs | where Attempts > 1 AND ResultType == '0'" => "1:33 KH0002 expected `|` or the end of the operator, found `AND` | did you mean `and`?";
    like: "SigninLogs | where UserPrincipalName like '%admin%'" => "1:38 KH0002 expected `|` or the end of the operator, found `like` | use `has` for a word, `contains` for a part, `matches regex` for a pattern";
    double_ampersand: "SigninLogs | where Attempts > 1 && ResultType == '0'" => "1:33 KH0002 expected `|` or the end of the operator, found `&` | write `and`";
    double_bar: "SigninLogs | where Attempts > 1 || ResultType == '0'" => "1:34 KH0002 expected an operator, found `|` | write `or` for either condition; between two pipes stands an operator";
    a_misspelt_text_operator: "SigninLogs | where UserPrincipalName contians 'admin'" => "1:38 KH0002 expected `|` or the end of the operator, found `contians` | did you mean `contains`?";
    in_without_brackets: "SigninLogs | where ResultType in '0', '1'" => "1:34 KH0002 expected `(`, found a string | write the list in brackets: `in (...)`";
    has_with_a_list: "SigninLogs | where UserPrincipalName has ('a', 'b')" => "1:46 KH0002 expected `)`, found `,` | for several terms use `has_any (...)` or `has_all (...)`";
    between_without_brackets: "SigninLogs | where Attempts between 1 and 5" => "1:37 KH0002 expected `(`, found a long literal | write `between (low .. high)`";
    a_comma_in_where: "SigninLogs | where Attempts > 1, ResultType == '0'" => "1:32 KH0002 expected `|` or `;`, found `,` | join conditions with `and`";
    matches_without_regex: "SigninLogs | where IPAddress matches '10.*'" => "1:30 KH0002 expected `|` or the end of the operator, found `matches` | write `matches regex`";
    has_any_negated: "SigninLogs | where ResultType !has_any ('a')" => "1:31 KH0002 expected `|` or the end of the operator, found `!has_any` | use `not(x has_any (...))`";
    startswith_with_a_list: "SigninLogs | where ResultType startswith ('a', 'b')" => "1:46 KH0002 expected `)`, found `,` | for several texts join conditions with `or`, or use `matches regex`";
    top_with_two_keys: "SigninLogs | top 3 by ResultType, Attempts" => "1:33 KH0002 expected `|` or `;`, found `,` | `top` takes one key: `sort by a, b | take n` takes several";
    count_without_brackets: "SigninLogs | summarize count by ResultType" => "1:24 KH0102 unknown column `count` | an aggregate is called with brackets: `count()`";
    an_unknown_type_in_a_datatable: "datatable(a: lng) [5]" => "1:14 KH0002 expected a type such as `string` or `long`, found `lng` | did you mean `long`?";
    a_function_of_sql: "SigninLogs | extend x = lower(ResultType)" => "1:25 KH0103 unknown function `lower` | here it is tolower(...)";
    an_unknown_visualization: "SigninLogs | render piechrt" => "1:21 KH0107 unknown visualization `piechrt` | did you mean `piechart`?";
    a_dangling_operator: "SigninLogs | where Attempts >" => "1:30 KH0002 expected an expression, found the end of the query | something is missing behind `>`";
    a_dangling_pipe: "SigninLogs | where Attempts > 1 |" => "1:34 KH0002 expected an operator, found the end of the query | leave out the last `|`, or write an operator behind it";
    curly_quotes: "SigninLogs | where ResultType == “0”" => "1:34 KH0002 expected an expression, found `“` | write plain quotes: \" or '";
    a_comment_of_sql: "SigninLogs -- all of them\n| take 5" => "1:19 KH0002 expected `|` or `;`, found `of` | comments begin with `//`";
    a_comment_of_python: "SigninLogs # all of them\n| take 5" => "1:12 KH0002 expected `|` or `;`, found `#` | comments begin with `//`";
    an_unknown_type: "SigninLogs | mv-expand DeviceDetail to typeof(str)" => "1:47 KH0002 expected a type such as `string` or `long`, found `str` | did you mean `string`?";
    grouping_by_a_dynamic: "SigninLogs | summarize count() by DeviceDetail" => "1:35 KH0104 rows cannot be grouped by a dynamic value | group by tostring() of it";
    a_scalar_that_is_a_table: "SigninLogs | where Attempts > SecurityEvent" => "1:31 KH0104 a scalar is needed here, this is a table | use toscalar(...) for its first value";
    a_condition_that_is_none: "SigninLogs | where Attempts" => "1:20 KH0104 a condition must be a bool, this is a long | compare it, or ask isnotnull() of it";
    a_column_named_twice: "SigninLogs | project a = 1, a = 2" => "1:29 KH0106 the column `a` is named twice | give one of them another name";
    an_unknown_plugin: "SigninLogs | evaluate bag_unpak(DeviceDetail)" => "1:23 KH0103 unknown plug-in `bag_unpak` | did you mean `bag_unpack`?";
}
