//! Is the text a whole cell? For consoles, which run a cell at Enter.

/// `complete` or `incomplete`: open brackets, strings and comments want more; a `%%` magic ends with a blank line.
pub(crate) fn status(code: &str) -> &'static str {
    let trimmed = code.trim_start();
    if trimmed.starts_with("%%") {
        return if code.contains('\n') && code.ends_with("\n\n") || !trimmed.starts_with("%%kql") {
            "complete"
        } else {
            "incomplete"
        };
    }
    if trimmed.starts_with('%') || trimmed.is_empty() {
        return "complete";
    }
    match scan(code) {
        Scan::Balanced => "complete",
        Scan::Open => "incomplete",
        Scan::Mismatched => "invalid",
    }
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
        for code in ["fn f() {", "let x = vec![1,", "let s = \"abc", "/* x", "let r = r#\"a\"", "%%kql\nT"] {
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
        ] {
            assert_eq!(status(code), "complete", "{code}");
        }
        assert_eq!(status("fn }"), "invalid");
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
