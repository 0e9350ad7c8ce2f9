//! String functions, and the predicates behind `has`, `contains`, `startswith` and their kin.

use std::sync::Arc;

use regex::Regex;
use serde_json::Value as Json;

use super::{Arguments, Function, Kind, Returns, conversion, function, rule, variadic};
use crate::{
    ast::{KqlType, TextMatch, TextOp},
    rows::RowFunction,
    value::{Cell, Value},
};

const TEXT: Returns = Returns::Is(KqlType::String);
const LONG: Returns = Returns::Is(KqlType::Long);

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
    function(&["substring"], &[Kind::Text, Kind::Integer, Kind::Integer], 1, TEXT, |_| rule(substring)),
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
    function(&["url_encode"], &[Kind::Text], 0, TEXT, |_| rule(|c| url_encode(c[0].text()).replace("%20", "+").into())),
    function(&["url_encode_component"], &[Kind::Text], 0, TEXT, |_| rule(|c| url_encode(c[0].text()).into())),
    function(&["url_decode"], &[Kind::Text], 0, TEXT, |_| rule(|c| url_decode(c[0].text()).into())),
    function(&["base64_encode_tostring", "base64_encodestring"], &[Kind::Text], 0, TEXT, |_| {
        rule(|c| base64_encode(c[0].text().as_bytes()).into())
    }),
    function(&["base64_decode_tostring", "base64_decodestring"], &[Kind::Text], 0, TEXT, |_| {
        rule(|c| base64_decode(c[0].text()).and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default().into())
    }),
];

fn substring(c: &[Cell<'_>]) -> Value {
    let text = c[0].text();
    let Some(start) = c[1].long() else { return "".into() };
    let length = text.chars().count() as i64;
    let start = if start < 0 { (length + start).max(0) } else { start };
    let wanted = c.get(2).map_or(Some(i64::MAX), Cell::long).unwrap_or(0).max(0);
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

fn trim(a: &Arguments, start: bool, end: bool) -> Result<RowFunction, String> {
    let constant = a.constant_text(0).map(anchored).transpose()?;
    rule(move |c| {
        let text = c[1].text();
        let built = if constant.is_none() { anchored(c[0].text()).ok() } else { None };
        let Some((head, tail)) = constant.as_ref().or(built.as_ref()) else { return text.into() };
        let from = if start { head.find(text).map_or(0, |hit| hit.end()) } else { 0 };
        let rest = &text[from..];
        let to = if end { tail.find(rest).map_or(rest.len(), |hit| hit.start()) } else { rest.len() };
        rest[..to].into()
    })
}

fn anchored(pattern: &str) -> Result<(Regex, Regex), String> {
    Ok((compile(&format!("^(?:{pattern})"))?, compile(&format!("(?:{pattern})$"))?))
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

/// A regex compiled once when constant, per distinct text otherwise.
pub(crate) fn pattern(
    a: &Arguments,
    at: usize,
) -> Result<impl Fn(&str) -> Option<Regex> + Send + Sync + use<>, String> {
    let constant = a.constant_text(at).map(compile).transpose()?;
    Ok(move |text: &str| constant.clone().or_else(|| compile(text).ok()))
}

/// KQL's regular expressions are the regex crate's.
pub(crate) fn compile(text: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(text).size_limit(10 << 20).build().map_err(|error| {
        let reason = error.to_string();
        format!("not a regular expression: {}", reason.lines().last().unwrap_or("").trim_start_matches("error: "))
    })
}

// ---- string operators ------------------------------------------------------------------------

/// The rule of a string operator over (text, needle) cells.
pub(crate) fn text_predicate(op: TextOp, constant_needle: Option<&str>) -> RowFunction {
    let fold = move |text: &str| if op.case_sensitive { text.to_string() } else { text.to_lowercase() };
    let constant = constant_needle.map(fold);
    Arc::new(move |cells| {
        let built;
        let needle = match &constant {
            Some(needle) => needle.as_str(),
            None => {
                built = fold(cells[1].text());
                &built
            }
        };
        let text = cells[0].text();
        let hit = if op.case_sensitive { matches(op.how, text, needle) } else { matches_folded(op.how, text, needle) };
        (hit != op.negated).into()
    })
}

/// `has` on one needle, for `has_any` and `has_all`.
pub(crate) fn has_folded(text: &str, lowered_needle: &str) -> bool {
    matches_folded(TextMatch::Has, text, lowered_needle)
}

fn matches_folded(how: TextMatch, text: &str, needle: &str) -> bool {
    // Lower-casing allocates; most rows of a log cannot match by length alone.
    if text.is_ascii() && needle.len() > text.len() {
        return false;
    }
    if text.is_ascii() && !text.bytes().any(|b| b.is_ascii_uppercase()) {
        return matches(how, text, needle);
    }
    matches(how, &text.to_lowercase(), needle)
}

fn matches(how: TextMatch, text: &str, needle: &str) -> bool {
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

// ---- encodings -------------------------------------------------------------------------------

fn url_encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes().map(|byte| if keep(byte) { (byte as char).to_string() } else { format!("%{byte:02x}") }).collect()
}

fn url_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = BASE64[(group >> (18 - 6 * place)) as usize & 63] as char;
            out.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    let mut out = Vec::new();
    let (mut group, mut bits) = (0u32, 0);
    for letter in body.bytes() {
        let value = BASE64.iter().position(|known| *known == letter)? as u32;
        group = (group << 6 | value) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits) as u8);
        }
    }
    Some(out)
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
    fn base64_goes_there_and_back() {
        for text in ["", "a", "ab", "abc", "Kusto"] {
            assert_eq!(base64_decode(&base64_encode(text.as_bytes())).unwrap(), text.as_bytes());
        }
        assert_eq!(base64_encode(b"Kusto"), "S3VzdG8=");
    }

    #[test]
    fn replacements_use_backslashes() {
        assert_eq!(compile("(a)(b)").unwrap().replace_all("ab$", rust_replacement(r"\2\1")), "ba$");
    }
}
