//! Is the text a whole cell? For consoles, which run a cell at Enter.

use huntbook_magics::{Magic, Segment, split};
use ra_ap_syntax::{Edition, SourceFile, TextSize};

use crate::rust_text::only_rust;

/// Longer text is not parsed: a console's cell is typed by hand.
const MAX_PARSED: usize = 64 << 10;
/// The parser calls itself for each operator and bracket; so much holds for [`MAX_PARSED`] of them. The system gives
/// the memory only where it is used.
const PARSER_STACK: usize = 256 << 20;

/// `complete`, `incomplete`, or `invalid`: a mistake that no further line can mend. A cell magic ends with a blank
/// line, other magics with their line.
pub(crate) fn status(code: &str) -> &'static str {
    let segments = split(code);
    if let Some(Segment::Magic { text, .. }) = segments.first()
        && text.starts_with("%%")
    {
        let has_body = ["%%kql", "%%bash", "%%sh", "%%time"].iter().any(|name| text.starts_with(name));
        return if has_body && !code.ends_with("\n\n") { "incomplete" } else { "complete" };
    }
    let is_broken = |segment: &Segment| matches!(segment, Segment::Magic { text, .. } if Magic::parse(text).is_err());
    if segments.iter().any(is_broken) {
        return "invalid";
    }
    let rust = only_rust(code);
    match scan(&rust) {
        Scan::Balanced => parsed(rust),
        Scan::Open => "incomplete",
        Scan::Mismatched => "invalid",
    }
}

/// What the parser says of text whose brackets are balanced.
fn parsed(rust: String) -> &'static str {
    if rust.len() > MAX_PARSED {
        return "complete";
    }
    let parser = std::thread::Builder::new().name("is-complete".into()).stack_size(PARSER_STACK);
    match parser.spawn(move || parse(&rust)).map(|parsing| parsing.join()) {
        Ok(Ok(status)) => status,
        // Running the cell will say more.
        _ => "complete",
    }
}

fn parse(rust: &str) -> &'static str {
    const BEFORE: &str = "fn cell() {";
    let file = SourceFile::parse(&format!("{BEFORE}{rust}\n}}"), Edition::LATEST);
    let mistakes = file.errors();
    if mistakes.is_empty() {
        return "complete";
    }
    // The end of the last word that is no blank and no comment: what is missing there, the next line may bring.
    let code_end = TextSize::of(BEFORE) + TextSize::of(rust);
    let last_word = file
        .syntax_node()
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia() && token.text_range().end() <= code_end)
        .map(|token| token.text_range().end())
        .max();
    let mendable = mistakes.iter().all(|mistake| Some(mistake.range().start()) >= last_word);
    if mendable { "incomplete" } else { "invalid" }
}

enum Scan {
    Balanced,
    Open,
    Mismatched,
}

fn scan(code: &str) -> Scan {
    let mut open = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let (length, closed) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), true)
        } else if rest.starts_with("/*") {
            delimited(rest, 2, "*/", false)
        } else if let Some(hashes) = raw_string(rest) {
            delimited(rest, hashes + 2, &format!("\"{}", "#".repeat(hashes)), false)
        } else if first == '"' {
            delimited(rest, 1, "\"", true)
        } else if first == '\'' {
            (character(rest), true)
        } else {
            (first.len_utf8(), true)
        };
        if !closed {
            return Scan::Open;
        }
        match first {
            '(' | '[' | '{' if length == 1 => open.push(first),
            ')' | ']' | '}' => {
                let expected = match first {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop() != Some(expected) {
                    return Scan::Mismatched;
                }
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    if open.is_empty() { Scan::Balanced } else { Scan::Open }
}

/// Number of `#` when a raw string begins here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Length up to and with the end mark, and whether there is one.
fn delimited(rest: &str, start: usize, end: &str, escapes: bool) -> (usize, bool) {
    let mut index = start;
    while index < rest.len() {
        if rest[index..].starts_with(end) {
            return (index + end.len(), true);
        }
        let width = |at: usize| rest[at..].chars().next().map_or(1, char::len_utf8);
        let escaped = escapes && rest[index..].starts_with('\\');
        index += width(index);
        if escaped && index < rest.len() {
            index += width(index);
        }
    }
    (rest.len(), false)
}

/// Length of a character literal; 1 for a lifetime.
fn character(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some(_)) => rest[3..].find('\'').map_or(1, |end| end + 4),
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_things_want_more() {
        for code in [
            "fn f() {",
            "let x = vec![1,",
            "let s = \"abc",
            "/* x",
            "let r = r#\"a\"",
            "%%kql\nT",
            "let x =",
            "let x = 1 + // one more",
            "%kql a << T\nlet n = a.",
        ] {
            assert_eq!(status(code), "incomplete", "{code}");
        }
        for code in [
            "1",
            "let c = '{';",
            "let c = '\\'';",
            "// {",
            "\"}\"",
            "fn f<'a>(x: &'a str) {}",
            "%kql T | take 1",
            "",
            "%%kql\nT\n\n",
            ":dep regex = \"1\"\nlet x = 1;",
            "let n = 1; // of them\n%kql T | take 1\nn",
            "use std::fmt; #[derive(Debug)] struct P { x: i64 }",
        ] {
            assert_eq!(status(code), "complete", "{code}");
        }
    }

    #[test]
    fn no_further_line_mends_a_mistake() {
        for code in ["fn }", "let = 7q;", "let x = 1 2;", "fn 3() {}", "%no_such_magic x", "%kql --popup T"] {
            assert_eq!(status(code), "invalid", "{code}");
        }
    }

    #[test]
    fn deep_nesting_is_survived() {
        let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
        for code in [deep("(", ")"), deep("!", ""), "(".repeat(100_000)] {
            assert!(["complete", "incomplete"].contains(&status(&code)));
        }
    }

    #[test]
    fn any_prefix_of_hostile_text_is_survived() {
        let code = "let é = r##\"\\\"#'\\u{1F600}'/*\u{301}*/ [(})] \u{1b}\\";
        for (end, _) in code.char_indices() {
            status(&code[..end]);
            status(&code[end..]);
        }
    }
}
