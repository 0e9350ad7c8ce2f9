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
    placeholder: "T" => "";
}
