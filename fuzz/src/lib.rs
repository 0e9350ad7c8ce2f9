//! What the fuzz targets do with a text. Run them with `fuzz/run.sh TARGET SECONDS`.

use std::sync::LazyLock;

use huntbook_kql::{Engine, SchemaCatalog, format, parse, tables_mentioned};

/// Tables for the binder, with the types that expressions need.
const SCHEMAS: &str = r#"{
    "tables": {
        "T": {"columns": {"a": "long", "b": "string", "TimeGenerated": "datetime", "d": "dynamic"}},
        "SigninLogs": {"columns": {"Account": "string", "TimeGenerated": "datetime", "x": "real", "Id": "guid"}},
        "Events": {"columns": {"Time": "datetime", "Account": "string", "Code": "int", "Span": "timespan"}}
    },
    "functions": {"_GetWatchlist": {"parameters": [["watchlist", "string"]], "columns": {"SearchKey": "string"}}}
}"#;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(SchemaCatalog::from_json(SCHEMAS).unwrap_or_default()));

/// Parses; every mistake can be shown.
pub fn parser(text: &str) {
    let (_, diagnostics) = parse(text);
    for diagnostic in &diagnostics {
        assert!(diagnostic.line > 0 && diagnostic.column > 0, "{diagnostic:?}");
        diagnostic.render(text);
    }
    tables_mentioned(text);
}

/// Parses, checks, formats and completes. The first two bytes say where the cursor is.
///
/// # Panics
/// If formatting changes what a query means, or does something when done again.
pub fn binder(data: &[u8]) {
    let (place, text) = data.split_at(data.len().min(2));
    let text = String::from_utf8_lossy(text);
    let checked = ENGINE.check(&text);
    for diagnostic in &checked.diagnostics {
        diagnostic.render(&text);
    }
    round_trip(&text);
    let place = place.iter().fold(0usize, |place, byte| place * 256 + usize::from(*byte));
    let cursor = place % (text.len() + 2);
    let found = ENGINE.complete(&text, cursor);
    assert!(text.get(found.replace.clone()).is_some(), "{:?} is no part of {text:?}", found.replace);
    ENGINE.hover(&text, cursor);
}

fn round_trip(text: &str) {
    let before = parse(text);
    if !before.1.is_empty() {
        return;
    }
    let formatted = match format(text) {
        Ok(formatted) => formatted,
        Err(problems) => panic!("{text:?} cannot be formatted: {problems:?}"),
    };
    let after = parse(&formatted);
    assert_eq!(without_spans(&format!("{:?}", before.0)), without_spans(&format!("{:?}", after.0)), "{text:?}");
    assert_eq!(format(&formatted).ok().as_ref(), Some(&formatted), "formatted again, {text:?} changes");
}

/// The debug text of a tree without its places.
fn without_spans(tree: &str) -> String {
    let mut kept = String::with_capacity(tree.len());
    let mut rest = tree;
    while let Some(at) = rest.find("span: ") {
        kept.push_str(&rest[..at]);
        rest = rest[at + 6..].trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_read() {
        for query in ["T | where a > 1", "SigninLogs | where x > 1", "Events | where Code > 1"] {
            assert!(ENGINE.check(query).bound, "{query}");
        }
    }

    #[test]
    fn the_targets_take_queries_and_noise() {
        for text in ["T | where a == 1 // c\n| count", "T | wher", "((((", "'", "\u{feff}T|é", ""] {
            parser(text);
            for place in 0..=text.len() + 2 {
                binder(format!("\0{}{text}", char::from(u8::try_from(place).unwrap_or(0) & 0x7f)).as_bytes());
            }
        }
    }

    #[test]
    fn spans_are_left_out() {
        assert_eq!(without_spans("Name { span: 1..22 }, span: 3..4"), "Name {  }, ");
    }
}
