//! String functions, and the predicates behind `has`, `contains`, `startswith` and their kin.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use regex::Regex;
use serde_json::Value as Json;

use super::{Arguments, Function, Kind, Returns, conversion, dynamic, function, rule, variadic};
use crate::{
    ast::{KqlType, TextMatch, TextOp},
    rows::RowFunction,
    value::{Cell, Value},
};

const TEXT: Returns = Returns::Is(KqlType::String);
const LONG: Returns = Returns::Is(KqlType::Long);
const BOOL: Returns = Returns::Is(KqlType::Bool);

pub(super) const FUNCTIONS: &[Function] = &[
    variadic(&["strcat"], &[Kind::Any], 1, TEXT, |a| {
        let types = a.types.clone();
        rule(move |c| {
            c.iter().zip(&types).map(|(cell, kind)| conversion::text_of(cell, *kind)).collect::<String>().into()
        })
    }),
    variadic(&["strcat_delim"], &[Kind::Any], 2, TEXT, |a| {
        let types = a.types.clone();
        rule(move |c| {
            let parts: Vec<_> = c.iter().zip(&types).map(|(cell, kind)| conversion::text_of(cell, *kind)).collect();
            parts[1..].join(&*parts[0]).into()
        })
    }),
    function(&["strlen"], &[Kind::Text], 0, LONG, |_| rule(|c| (c[0].text().chars().count() as i64).into())),
    function(&["string_size"], &[Kind::Text], 0, LONG, |_| rule(|c| (c[0].text().len() as i64).into())),
    function(&["tolower"], &[Kind::Text], 0, TEXT, |_| rule(|c| c[0].text().to_lowercase().into())),
    function(&["toupper"], &[Kind::Text], 0, TEXT, |_| rule(|c| c[0].text().to_uppercase().into())),
    function(&["reverse"], &[Kind::Text], 0, TEXT, |_| rule(|c| c[0].text().chars().rev().collect::<String>().into())),
    function(&["substring"], &[Kind::Text, Kind::Integer, Kind::Integer], 1, TEXT, |a| {
        let constants = a.constants.iter().all(Option::is_some);
        rule(move |c| substring(c, constants))
    }),
    function(&["indexof"], &[Kind::Text, Kind::Text, Kind::Integer, Kind::Integer, Kind::Integer], 3, LONG, |_| {
        rule(index_of)
    }),
    function(&["countof"], &[Kind::Text, Kind::Text, Kind::Text], 1, LONG, count_of),
    function(&["split"], &[Kind::Text, Kind::Text, Kind::Integer], 1, Returns::Is(KqlType::Dynamic), |_| rule(split)),
    function(&["trim"], &[Kind::Text, Kind::Text], 0, TEXT, |a| trim(a, true, true)),
    function(&["trim_start"], &[Kind::Text, Kind::Text], 0, TEXT, |a| trim(a, true, false)),
    function(&["trim_end"], &[Kind::Text, Kind::Text], 0, TEXT, |a| trim(a, false, true)),
    function(&["replace_string"], &[Kind::Text, Kind::Text, Kind::Text], 0, TEXT, |_| {
        rule(|c| {
            if c[1].text().is_empty() {
                c[0].text().into()
            } else {
                c[0].text().replace(c[1].text(), c[2].text()).into()
            }
        })
    }),
    function(&["replace_regex", "replace"], &[Kind::Text, Kind::Text, Kind::Text], 0, TEXT, replace_regex),
    function(&["strrep"], &[Kind::Any, Kind::Integer, Kind::Text], 1, TEXT, |a| {
        let kind = a.types[0];
        rule(move |c| {
            let times = c[1].long().unwrap_or(0).clamp(0, 1024) as usize;
            let delimiter = c.get(2).map_or("", Cell::text);
            vec![conversion::text_of(&c[0], kind); times].join(delimiter).into()
        })
    }),
    function(&["strcmp"], &[Kind::Text, Kind::Text], 0, LONG, |_| {
        rule(|c| (c[0].text().cmp(c[1].text()) as i64).into())
    }),
    function(&["translate"], &[Kind::Text, Kind::Text, Kind::Text], 0, TEXT, |_| rule(translate)),
    variadic(&["replace_strings"], &[Kind::Text, Kind::Dynamic], 3, TEXT, |a| {
        if a.types.len() == 3 { rule(replace_strings) } else { Err("it takes a text and two arrays".into()) }
    }),
    function(&["has_any_index"], &[Kind::Text, Kind::Dynamic], 0, LONG, |_| {
        rule(|c| {
            let terms = dynamic::array(&c[1]).unwrap_or_default();
            let hit =
                terms.iter().position(|term| has_folded(c[0].text(), &conversion::json_text(term).to_lowercase()));
            hit.map_or(-1, |at| at as i64).into()
        })
    }),
    function(&["extract_json", "extractjson"], &[Kind::Text, Kind::Text], 0, TEXT, |_| {
        rule(|c| extract_json(c[0].text(), c[1].text()))
    }),
    function(
        &["indexof_regex"],
        &[Kind::Text, Kind::Text, Kind::Integer, Kind::Integer, Kind::Integer],
        3,
        LONG,
        |a| {
            let regex = pattern(a, 1)?;
            rule(move |c| index_of_regex(c, regex(c[1].text())))
        },
    ),
    function(&["regex_quote"], &[Kind::Text], 0, TEXT, |_| rule(|c| regex::escape(c[0].text()).into())),
    function(&["isascii"], &[Kind::Text], 0, BOOL, |_| rule(|c| c[0].text().is_ascii().into())),
    function(&["isutf8"], &[Kind::Text], 0, BOOL, |_| rule(|_| true.into())),
    variadic(&["make_string", "unicode_codepoints_to_string"], &[Kind::Any], 1, TEXT, |a| {
        let kinds = a.types.clone();
        rule(move |c| codepoints_to_text(c, &kinds))
    }),
    function(&["unicode_codepoints_from_string", "to_utf8"], &[Kind::Text], 0, Returns::Is(KqlType::Dynamic), |_| {
        rule(|c| Json::Array(c[0].text().chars().map(|letter| Json::from(u32::from(letter))).collect()).into())
    }),
    function(&["format_bytes"], &[Kind::Number, Kind::Integer, Kind::Text, Kind::Integer], 3, TEXT, |_| {
        rule(format_bytes)
    }),
];

/// A null position gives nothing; among constants only, the real engine folds it to 0.
fn substring(c: &[Cell<'_>], constants: bool) -> Value {
    let text = c[0].text();
    let folded = |position: Option<i64>| position.or(constants.then_some(0));
    let Some(start) = folded(c[1].long()) else { return "".into() };
    let length = text.chars().count() as i64;
    let start = if start < 0 { (length + start).max(0) } else { start };
    let wanted = match c.get(2) {
        None => i64::MAX,
        Some(given) => folded(given.long()).unwrap_or(0).max(0),
    };
    text.chars().skip(start as usize).take(usize::try_from(wanted).unwrap_or(usize::MAX)).collect::<String>().into()
}

/// 0-based position of the `occurrence`th match from `start` within `length` characters, or -1.
fn index_of(c: &[Cell<'_>]) -> Value {
    let text: Vec<char> = c[0].text().chars().collect();
    let needle: Vec<char> = c[1].text().chars().collect();
    let total = text.len() as i64;
    let start = c.get(2).and_then(Cell::long).unwrap_or(0);
    let start = if start < 0 { (total + start).max(0) } else { start };
    let length = c.get(3).and_then(Cell::long).unwrap_or(-1);
    let occurrence = c.get(4).and_then(Cell::long).unwrap_or(1);
    let end = if length < 0 { total } else { total.min(start.saturating_add(length)) };
    if occurrence < 1 || start > end {
        return if occurrence < 1 { Cell::Null } else { (-1i64).into() };
    }
    let window = &text[start as usize..end as usize];
    if needle.is_empty() {
        return start.into();
    }
    let mut hits = window.windows(needle.len()).enumerate().filter(|(_, part)| *part == needle.as_slice());
    hits.nth(occurrence as usize - 1).map_or(-1, |(at, _)| start + at as i64).into()
}

fn count_of(a: &Arguments) -> Result<RowFunction, String> {
    if a.constant_text(2) == Some("regex") {
        let regex = pattern(a, 1)?;
        return rule(move |c| regex(c[1].text()).map(|regex| regex.find_iter(c[0].text()).count() as i64).into());
    }
    rule(|c| {
        let (text, needle) = (c[0].text(), c[1].text());
        if needle.is_empty() {
            return 0i64.into();
        }
        // Overlapping matches count.
        (text.char_indices().filter(|(at, _)| text[*at..].starts_with(needle)).count() as i64).into()
    })
}

fn split(c: &[Cell<'_>]) -> Value {
    let (text, delimiter) = (c[0].text(), c[1].text());
    let parts: Vec<Json> =
        if delimiter.is_empty() { vec![Json::from(text)] } else { text.split(delimiter).map(Json::from).collect() };
    match c.get(2) {
        None => Json::Array(parts).into(),
        Some(at) => {
            let chosen = at.long().and_then(|at| usize::try_from(at).ok()).and_then(|at| parts.get(at).cloned());
            Json::Array(chosen.into_iter().collect()).into()
        }
    }
}

/// What matches at the start or the end goes. The pattern stands in a group of its own, unguarded:
/// one with an unbalanced `)|(` reaches further, and the real engine lets it.
fn trim(a: &Arguments, start: bool, end: bool) -> Result<RowFunction, String> {
    let around = move |pattern: &str| match (start, end) {
        (true, true) => format!("(^({pattern}))|(({pattern})$)"),
        (true, false) => format!("^({pattern})"),
        _ => format!("({pattern})$"),
    };
    let constant = a.constant_text(0).map(|pattern| compile(&around(pattern))).transpose()?;
    rule(move |c| {
        let text = c[1].text();
        let built = if constant.is_none() { compile(&around(c[0].text())).ok() } else { None };
        match constant.as_ref().or(built.as_ref()) {
            Some(regex) => regex.replace_all(text, "").into_owned().into(),
            None => text.into(),
        }
    })
}

fn replace_regex(a: &Arguments) -> Result<RowFunction, String> {
    let regex = pattern(a, 1)?;
    rule(move |c| match regex(c[1].text()) {
        Some(regex) => regex.replace_all(c[0].text(), rust_replacement(c[2].text())).into_owned().into(),
        None => c[0].text().into(),
    })
}

/// KQL writes `\1` where the regex crate writes `${1}`.
fn rust_replacement(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '$' => out.push_str("$$"),
            '\\' => match rest.peek() {
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str(&format!("${{{digit}}}"));
                    rest.next();
                }
                Some('\\') => {
                    out.push('\\');
                    rest.next();
                }
                _ => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

/// Every letter of the first list becomes the letter at its place in the second; the last letter
/// of a shorter list stands for the rest, and an empty list removes.
fn translate(c: &[Cell<'_>]) -> Value {
    let from: Vec<char> = c[0].text().chars().collect();
    let to: Vec<char> = c[1].text().chars().collect();
    let moved = c[2].text().chars().filter_map(|letter| match from.iter().position(|known| *known == letter) {
        None => Some(letter),
        Some(at) => to.get(at).or(to.last()).copied(),
    });
    moved.collect::<String>().into()
}

/// All replacements in one pass, so that none sees what another wrote.
fn replace_strings(c: &[Cell<'_>]) -> Value {
    let (Some(from), Some(to)) = (dynamic::array(&c[1]), dynamic::array(&c[2])) else { return c[0].text().into() };
    let from: Vec<String> = from.iter().map(conversion::json_text).collect();
    let mut out = String::new();
    let mut rest = c[0].text();
    while let Some(letter) = rest.chars().next() {
        match from.iter().position(|old| !old.is_empty() && rest.starts_with(old.as_str())) {
            Some(at) => {
                out.push_str(&to.get(at).map(conversion::json_text).unwrap_or_default());
                rest = &rest[from[at].len()..];
            }
            None => {
                out.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    out.into()
}

/// `$.a.b[0]` or `$["a"]`: the value as text, empty if there is none.
pub(crate) fn extract_json(path: &str, text: &str) -> Value {
    let Some(mut rest) = path.trim().strip_prefix('$') else { return "".into() };
    let Ok(root) = serde_json::from_str::<Json>(text) else { return "".into() };
    let mut value = Some(&root);
    while !rest.is_empty() {
        let step;
        if let Some(after) = rest.strip_prefix('[') {
            let Some((inside, after)) = after.split_once(']') else { return "".into() };
            (step, rest) = (inside.trim(), after);
        } else {
            let after = rest.strip_prefix('.').unwrap_or(rest);
            let end = after.find(['.', '[']).unwrap_or(after.len());
            (step, rest) = (&after[..end], &after[end..]);
        }
        let key = step.trim_matches(['\'', '"']);
        value = match value {
            Some(Json::Array(items)) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
            Some(Json::Object(bag)) => bag.get(key),
            _ => None,
        };
    }
    value.map_or_else(|| "".into(), |value| conversion::json_text(value).into())
}

/// Like `indexof`, with a pattern: position of the `occurrence`th match, or -1.
fn index_of_regex(c: &[Cell<'_>], regex: Option<Arc<Regex>>) -> Value {
    let Some(regex) = regex else { return Cell::Null };
    let text = c[0].text();
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let total = places.len() as i64 - 1;
    let start = c.get(2).and_then(Cell::long).unwrap_or(0);
    let start = if start < 0 { (total + start).max(0) } else { start };
    let length = c.get(3).and_then(Cell::long).unwrap_or(-1);
    let occurrence = c.get(4).and_then(Cell::long).unwrap_or(1);
    if occurrence < 1 || length < -1 {
        return Cell::Null;
    }
    let end = if length < 0 { total } else { total.min(start.saturating_add(length)) };
    if start > end {
        return (-1i64).into();
    }
    let window = &text[places[start as usize]..places[end as usize]];
    match regex.find_iter(window).nth(occurrence as usize - 1) {
        Some(hit) => (start + window[..hit.start()].chars().count() as i64).into(),
        None => (-1i64).into(),
    }
}

/// Numbers and arrays of numbers as the letters they stand for.
fn codepoints_to_text(c: &[Cell<'_>], kinds: &[KqlType]) -> Value {
    let mut text = String::new();
    for (cell, kind) in c.iter().zip(kinds) {
        let codes = match conversion::to_json(cell, *kind) {
            Json::Array(items) => items,
            single => vec![single],
        };
        for code in codes {
            match code.as_u64().and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32) {
                Some(letter) => text.push(letter),
                None => return "".into(),
            }
        }
    }
    text.into()
}

/// `format_bytes(size, precision, units, base)`
fn format_bytes(c: &[Cell<'_>]) -> Value {
    const UNITS: [&str; 9] = ["Bytes", "KB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    let Some(size) = c[0].real() else { return "".into() };
    let precision = c.get(1).and_then(Cell::long).unwrap_or(0).clamp(0, 15) as usize;
    let base = c.get(3).and_then(Cell::long).unwrap_or(1024).max(2) as f64;
    let wanted = c.get(2).map(Cell::text).filter(|unit| !unit.is_empty());
    let power = match wanted {
        Some(unit) => UNITS.iter().position(|known| known.eq_ignore_ascii_case(unit)),
        None => (0..UNITS.len()).rev().find(|power| size.abs() >= base.powi(*power as i32)).or(Some(0)),
    };
    let Some(power) = power else { return "".into() };
    let scaled = size / base.powi(power as i32);
    let digits = format!("{scaled:.precision$}");
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    format!("{digits} {}", UNITS[power]).into()
}

/// A regex compiled once when constant; otherwise the last one is kept, as patterns from a column
/// rarely change from row to row. Shared, because a cloned `Regex` starts with cold caches.
pub(crate) fn pattern(
    a: &Arguments,
    at: usize,
) -> Result<impl Fn(&str) -> Option<Arc<Regex>> + Send + Sync + use<>, String> {
    let constant = a.constant_text(at).map(compile).transpose()?.map(Arc::new);
    let last: Mutex<Option<(String, Option<Arc<Regex>>)>> = Mutex::new(None);
    Ok(move |text: &str| {
        if constant.is_some() {
            return constant.clone();
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, regex)) if known == text => regex.clone(),
            _ => {
                let regex = compile(text).ok().map(Arc::new);
                *last = Some((text.to_string(), regex.clone()));
                regex
            }
        }
    })
}

/// KQL's regular expressions are the regex crate's.
pub(crate) fn compile(text: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(text).size_limit(10 << 20).build().map_err(|error| {
        let reason = error.to_string();
        format!("not a regular expression: {}", reason.lines().last().unwrap_or("").trim_start_matches("error: "))
    })
}

// ---- string operators ------------------------------------------------------------------------

/// The rule of a string operator over (text, needle) cells, for needles that change from row to row;
/// [`super::text_match`] has the constant ones.
pub(crate) fn text_predicate(op: TextOp) -> RowFunction {
    Arc::new(move |cells| {
        let (text, needle) = (cells[0].text(), cells[1].text());
        let hit = match op.case_sensitive {
            true => matches(op.how, text, needle),
            false => matches_folded(op.how, text, &needle.to_lowercase()),
        };
        (hit != op.negated).into()
    })
}

/// `has` on one needle.
pub(crate) fn has_folded(text: &str, lowered_needle: &str) -> bool {
    matches_folded(TextMatch::Has, text, lowered_needle)
}

/// `has` where the text is lower-cased already: once per row, however many needles there are.
pub(crate) fn has_lowered(lowered_text: &str, lowered_needle: &str) -> bool {
    matches(TextMatch::Has, lowered_text, lowered_needle)
}

/// Lower case, without a copy where there is nothing to change.
pub(crate) fn lowered(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

pub(super) fn matches_folded(how: TextMatch, text: &str, needle: &str) -> bool {
    // Lower-casing allocates; most rows of a log cannot match by length alone.
    if text.is_ascii() && needle.len() > text.len() {
        return false;
    }
    matches(how, &lowered(text), needle)
}

pub(super) fn matches(how: TextMatch, text: &str, needle: &str) -> bool {
    match how {
        TextMatch::Equals => text == needle,
        TextMatch::Contains => text.contains(needle),
        TextMatch::StartsWith => text.starts_with(needle),
        TextMatch::EndsWith => text.ends_with(needle),
        TextMatch::Has => has_term(text, needle, true, true),
        TextMatch::HasPrefix => has_term(text, needle, true, false),
        TextMatch::HasSuffix => has_term(text, needle, false, true),
    }
}

/// A term is a maximal run of letters and digits, `_` excluded. An edge of the needle needs a
/// term boundary only where the needle's own edge character belongs to a term.
fn has_term(text: &str, needle: &str, at_start: bool, at_end: bool) -> bool {
    let (Some(first), Some(last)) = (needle.chars().next(), needle.chars().next_back()) else { return true };
    let check_start = at_start && first.is_alphanumeric();
    let check_end = at_end && last.is_alphanumeric();
    let mut from = 0;
    while let Some(offset) = text[from..].find(needle) {
        let start = from + offset;
        let end = start + needle.len();
        let open = !check_start || !text[..start].chars().next_back().is_some_and(char::is_alphanumeric);
        let closed = !check_end || !text[end..].chars().next().is_some_and(char::is_alphanumeric);
        if open && closed {
            return true;
        }
        from = start + first.len_utf8();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, needle: &str) -> bool {
        has_folded(text, &needle.to_lowercase())
    }

    #[test]
    fn has_finds_whole_terms_only() {
        assert!(has("an ERROR code", "error"));
        assert!(!has("errorlog", "error"));
        assert!(has("a_error", "error"));
        assert!(has("cmd.exe /c whoami", "cmd.exe"));
        assert!(has("anything", ""));
        assert!(has("a b", "a "));
        assert!(!has("xa b", "a "));
        assert!(has("Überfall am Montag", "überfall"));
    }

    #[test]
    fn replacements_use_backslashes() {
        assert_eq!(compile("(a)(b)").unwrap().replace_all("ab$", rust_replacement(r"\2\1")), "ba$");
    }
}
