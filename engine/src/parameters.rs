//! Values of the session in the text of a query: `${name}` and `let x = name;`.
//!
//! Here they become KQL literals. The local engine binds them as values; a query that goes to a service carries them as
//! literals whose text cannot end early, whatever is in it.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::LazyLock;

use huntbook_kql::{Literal, ticks};
use regex::Regex;

use crate::{Error, Result};

static SCALAR: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\{([A-Za-z_]\w*)\}"));
static LET: LazyLock<Regex> = LazyLock::new(|| pattern(r"\blet\s+([A-Za-z_]\w*)\s*=\s*([A-Za-z_]\w*)\s*(?:;|\z)"));
static LET_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"\blet\s+([A-Za-z_]\w*)\s*="));

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|error| unreachable!("a pattern of ours: {error}"))
}

/// A value that a query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    /// Where it stands in the query
    pub place: Range<usize>,
    /// `${name}`: it must be there. Else it is the right side of a `let`, which may be a table as well.
    pub required: bool,
}

/// The values that a query asks for, in order. Text and comments of the query ask for nothing.
pub fn wanted(query: &str) -> Vec<Wanted> {
    let code = code_only(query);
    let mut found: Vec<Wanted> = SCALAR
        .captures_iter(&code)
        .filter_map(|captures| {
            let place = captures.get(0)?.range();
            Some(Wanted { name: captures.get(1)?.as_str().to_owned(), place, required: true })
        })
        .collect();
    let defined: Vec<&str> = LET_NAME.captures_iter(&code).filter_map(|found| Some(found.get(1)?.as_str())).collect();
    found.extend(LET.captures_iter(&code).filter_map(|captures| {
        let value = captures.get(2)?;
        let is_free = !defined.contains(&value.as_str()) && !matches!(value.as_str(), "true" | "false");
        is_free.then(|| Wanted { name: value.as_str().to_owned(), place: value.range(), required: false })
    }));
    found.sort_by_key(|wanted| wanted.place.start);
    found
}

/// The query with literals in place of the values it asks for.
///
/// Errors: a `${name}` that has no value.
pub(crate) fn substituted(query: &str, value: impl Fn(&str) -> Option<Literal>) -> Result<String> {
    let mut out = String::with_capacity(query.len());
    let mut at = 0;
    for wanted in wanted(query) {
        let Some(value) = value(&wanted.name) else {
            if wanted.required {
                return Err(unknown(&wanted.name));
            }
            continue;
        };
        out.push_str(&query[at..wanted.place.start]);
        out.push_str(&literal_text(&value));
        at = wanted.place.end;
    }
    out.push_str(&query[at..]);
    Ok(out)
}

/// The query with `${name}` for the names in `let x = name;` that have a value: the local engine knows no others.
pub(crate) fn with_let_values(query: &str, has_value: impl Fn(&str) -> bool) -> String {
    let mut out = query.to_owned();
    for wanted in wanted(query).into_iter().rev().filter(|wanted| !wanted.required && has_value(&wanted.name)) {
        out.replace_range(wanted.place, &format!("${{{}}}", wanted.name));
    }
    out
}

fn unknown(name: &str) -> Error {
    Error::new(
        "KqlError",
        format!(
            "`${{{name}}}` has no value: define it in a Rust cell (`let {name} = ...;`, a number, text or Boolean), or give it with `-p {name}=VALUE`"
        ),
    )
}

/// A value as KQL.
pub(crate) fn literal_text(value: &Literal) -> String {
    match value {
        Literal::Bool(Some(value)) => value.to_string(),
        Literal::Bool(None) => "bool(null)".into(),
        Literal::Int(value) => optional("int", value),
        Literal::Long(value) => optional("long", value),
        Literal::Real(None) => "real(null)".into(),
        Literal::Real(Some(value)) if value.is_nan() => "real(nan)".into(),
        Literal::Real(Some(value)) if value.is_infinite() => {
            if *value > 0.0 {
                "real(+inf)".into()
            } else {
                "real(-inf)".into()
            }
        }
        // `{:?}` reads back as the same number.
        Literal::Real(Some(value)) => format!("real({value:?})"),
        Literal::Decimal(value) => optional("decimal", value),
        Literal::String(text) => string_text(text),
        Literal::Datetime(Some(value)) => format!("datetime({})", ticks::format_datetime(*value)),
        Literal::Datetime(None) => "datetime(null)".into(),
        Literal::Timespan(Some(value)) => format!("time({})", ticks::format_timespan(*value)),
        Literal::Timespan(None) => "time(null)".into(),
        Literal::Guid(value) => optional("guid", value),
        // The JSON is a string of its own, so that nothing in it is read as KQL.
        Literal::Dynamic(value) => format!("parse_json({})", string_text(&value.to_string())),
    }
}

fn optional<T: ToString>(kind: &str, value: &Option<T>) -> String {
    format!("{kind}({})", value.as_ref().map_or("null".to_owned(), ToString::to_string))
}

/// A string literal of KQL: every character that could end it or the line is escaped.
pub(crate) fn string_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// The query with blanks in place of its strings and comments, byte for byte.
pub(crate) fn code_only(query: &str) -> String {
    let bytes = query.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &query[at..];
        let length = match bytes[at] {
            b'/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            b'`' if rest.starts_with("```") => fenced(rest, "```"),
            b'~' if rest.starts_with("~~~") => fenced(rest, "~~~"),
            b'@' if matches!(bytes.get(at + 1), Some(b'"' | b'\'')) => verbatim(&bytes[at..]),
            b'"' | b'\'' => quoted(&bytes[at..]),
            _ => {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            }
        };
        code[at..at + length].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at += length;
    }
    // Whole characters were blanked, byte for byte.
    String::from_utf8(code).unwrap_or_else(|_| query.to_owned())
}

fn fenced(text: &str, fence: &str) -> usize {
    text[fence.len()..].find(fence).map_or(text.len(), |end| end + 2 * fence.len())
}

/// Length of `@"..."`, in which a doubled quote is one.
fn verbatim(bytes: &[u8]) -> usize {
    let quote = bytes[1];
    let mut at = 2;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    bytes.len()
}

/// Length of `"..."`, which ends with its line at the latest.
fn quoted(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\n' => return at,
            byte if byte == bytes[0] => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(query: &str) -> Vec<String> {
        wanted(query).into_iter().map(|wanted| wanted.name).collect()
    }

    #[test]
    fn text_and_comments_ask_for_nothing() {
        assert_eq!(names("T | where a > ${low} and b == '${no}' // ${no}\n| where c == ${name}"), ["low", "name"]);
        assert_eq!(names("print @'C:\\', ${a}, @\"x\"\"${no}\", ```${no}```, \"\\\"${no}\""), ["a"]);
        // A comment sign inside text hid the parameter from Kqlmagic.
        assert_eq!(names("let u = \"https://a\"; let k = v; T"), ["v"]);
    }

    #[test]
    fn only_a_free_name_behind_let_is_a_parameter() {
        assert_eq!(names("let x = y; let y = 1; T"), Vec::<String>::new());
        assert_eq!(names("let x = true; let z = f(1); let q = T | take 1; T"), Vec::<String>::new());
        assert_eq!(names("let _u=u;\nT | where a == _u"), ["u"]);
        assert_eq!(with_let_values("let a = b; T", |_| true), "let a = ${b}; T");
        assert_eq!(with_let_values("let a = SigninLogs; a", |_| false), "let a = SigninLogs; a");
    }

    #[test]
    fn a_value_cannot_end_its_literal() {
        let hostile = "x\" | union Secrets //\n\\\u{2028}";
        let text = substituted("T | where u == ${u}", |_| Some(Literal::from(hostile))).unwrap();
        assert_eq!(text, "T | where u == \"x\\\" | union Secrets //\\n\\\\\\u2028\"");
        let (tree, problems) = huntbook_kql::parse(&text);
        assert!(problems.is_empty() && tree.statements.len() == 1, "{problems:?}");
    }

    #[test]
    fn every_type_reads_back_as_itself() {
        let values = [
            Literal::Bool(Some(true)),
            Literal::Long(Some(i64::MIN)),
            Literal::Int(None),
            Literal::Real(Some(0.1)),
            Literal::Real(Some(f64::NEG_INFINITY)),
            Literal::Real(Some(1e300)),
            Literal::Decimal(Some("1.5".into())),
            Literal::Datetime(Some(ticks::UNIX_EPOCH + 1)),
            Literal::Timespan(Some(-ticks::DAY - 50)),
            Literal::Guid(Some("74be27de-1e4e-49d9-b579-fe0b331d3642".into())),
            Literal::Dynamic(serde_json::json!({"a": ["it's", "\"", {"b": null}]})),
            Literal::from("a\\b'c\"d\u{7}é\r\n"),
        ];
        let engine = huntbook_kql::Engine::new(huntbook_kql::catalogs::Frames::new());
        for value in values {
            let query = format!("print same = tostring({}) == tostring(${{v}})", literal_text(&value));
            let found = engine.clone().with_parameter("v", value.clone()).run(&query);
            let found = found.unwrap_or_else(|error| panic!("{}: {}", literal_text(&value), error.render(&query)));
            let same = found.frame.columns()[0].bool().unwrap().get(0);
            assert_eq!(same, Some(true), "{}", literal_text(&value));
        }
    }

    #[test]
    fn a_missing_value_is_named() {
        let error = substituted("T | where a == ${b}", |_| None).unwrap_err();
        assert!(error.message.contains("${b}") && error.message.contains("-p b="), "{error}");
    }
}
