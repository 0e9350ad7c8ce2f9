//! Cells into magic and Rust segments.

/// A piece of a cell, with the number of its first line (0-based).
#[derive(Clone, Debug, PartialEq)]
pub enum Segment<'a> {
    Rust { line: usize, text: &'a str },
    Magic { line: usize, text: &'a str },
}

/// Splits a cell. `%%name` as the first thing makes the whole cell one magic (blank lines and `#` or `//` comment
/// lines may stand before it); elsewhere a line that begins with `%name` is a magic if it is not inside Rust's
/// brackets, strings or comments. So is a line `!command` where a statement may begin. `%%time` is only its own line: the
/// rest is a cell.
pub fn split(cell: &str) -> Vec<Segment<'_>> {
    if let Some((line, offset)) = cell_magic(cell) {
        let text = &cell[offset..];
        return if is_timing(text) { timed(line, text) } else { vec![Segment::Magic { line, text }] };
    }
    let mut segments = Vec::new();
    let mut scanner = Scanner::default();
    let (mut rust_start, mut rust_line) = (0, 0);
    let mut offset = 0;
    for (number, line) in cell.split_inclusive('\n').enumerate() {
        if scanner.at_top_level() && (is_magic_line(line) || scanner.at_statement() && is_shell_line(line)) {
            push_rust(&mut segments, rust_line, &cell[rust_start..offset]);
            segments.push(Segment::Magic { line: number, text: line.trim_end_matches(['\n', '\r']) });
            rust_start = offset + line.len();
            rust_line = number + 1;
            scanner.last = None;
        } else {
            scanner.line(line);
        }
        offset += line.len();
    }
    push_rust(&mut segments, rust_line, &cell[rust_start..]);
    segments
}

fn is_timing(text: &str) -> bool {
    text.strip_prefix("%%time").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

fn timed(line: usize, text: &str) -> Vec<Segment<'_>> {
    let (head, rest) = text.split_once('\n').unwrap_or((text, ""));
    let below = |segment| match segment {
        Segment::Rust { line: own, text } => Segment::Rust { line: line + 1 + own, text },
        Segment::Magic { line: own, text } => Segment::Magic { line: line + 1 + own, text },
    };
    let head = Segment::Magic { line, text: head.trim_end() };
    [head].into_iter().chain(split(rest).into_iter().map(below)).collect()
}

fn push_rust<'a>(segments: &mut Vec<Segment<'a>>, line: usize, text: &'a str) {
    if !text.trim().is_empty() {
        segments.push(Segment::Rust { line, text });
    }
}

fn cell_magic(cell: &str) -> Option<(usize, usize)> {
    let mut offset = 0;
    for (number, line) in cell.split_inclusive('\n').enumerate() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("%%") {
            return Some((number, offset + line.len() - trimmed.len()));
        }
        let comment = trimmed.is_empty()
            || (trimmed.starts_with('#') && !trimmed.starts_with("#[") && !trimmed.starts_with("#!"))
            || trimmed.starts_with("//");
        if !comment {
            return None;
        }
        offset += line.len();
    }
    None
}

fn is_magic_line(line: &str) -> bool {
    let Some(name) = line.trim_start().strip_prefix('%') else { return false };
    // `% x` and `%= x` continue an expression; `%kql` begins a magic.
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// `!ls -l` is for the shell; `!found`, of which the session knows whether it is a variable, is taken for a command
/// here; `!found.is_empty()`, `!f(x)`, `!a[0]`, `!path::f()` and `!x;` can only be Rust.
fn is_shell_line(line: &str) -> bool {
    let Some(command) = line.trim().strip_prefix('!') else { return false };
    if command.starts_with(['/', '.', '~', '$']) {
        return true;
    }
    let word = command.len() - command.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    if word == 0 || command.starts_with(|first: char| first.is_ascii_digit()) {
        return false;
    }
    let after = &command[word..];
    let is_method = after.starts_with('.') && after[1..].starts_with(|c: char| c.is_alphabetic() || c == '_');
    let is_rust = is_method && after.contains('(') || after.starts_with(['(', '[', ';', ',', '?', '!']);
    !(is_rust || after.starts_with("::"))
}

/// Just enough of Rust's lexis to know whether a line begins inside brackets, a string or a comment.
#[derive(Default)]
struct Scanner {
    depth: usize,
    state: State,
    /// The last character of code that is no blank: whether a statement has ended.
    last: Option<u8>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum State {
    #[default]
    Code,
    BlockComment(usize),
    Text,
    RawText(usize),
}

impl Scanner {
    fn at_top_level(&self) -> bool {
        self.depth == 0 && self.state == State::Code
    }

    fn at_statement(&self) -> bool {
        matches!(self.last, None | Some(b';' | b'}'))
    }

    fn line(&mut self, line: &str) {
        let bytes = line.as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            let is_comment = bytes[index..].starts_with(b"//") || bytes[index..].starts_with(b"/*");
            if self.state == State::Code && !is_comment && !bytes[index].is_ascii_whitespace() {
                self.last = Some(bytes[index]);
            }
            index += self.step(&bytes[index..], index.checked_sub(1).map(|before| bytes[before]));
        }
    }

    /// Consumes one token's worth of bytes and says how many.
    fn step(&mut self, rest: &[u8], before: Option<u8>) -> usize {
        match self.state {
            State::Code => self.code(rest, before),
            State::BlockComment(depth) if rest.starts_with(b"*/") => {
                self.state = if depth == 1 { State::Code } else { State::BlockComment(depth - 1) };
                2
            }
            State::BlockComment(depth) if rest.starts_with(b"/*") => {
                self.state = State::BlockComment(depth + 1);
                2
            }
            State::Text if rest[0] == b'\\' => 2,
            State::Text if rest[0] == b'"' => {
                self.state = State::Code;
                1
            }
            State::RawText(hashes)
                if rest[0] == b'"' && rest[1..].iter().take(hashes).filter(|byte| **byte == b'#').count() == hashes =>
            {
                self.state = State::Code;
                1 + hashes
            }
            _ => 1,
        }
    }

    fn code(&mut self, rest: &[u8], before: Option<u8>) -> usize {
        match rest[0] {
            b'/' if rest.starts_with(b"//") => rest.len(),
            b'/' if rest.starts_with(b"/*") => {
                self.state = State::BlockComment(1);
                2
            }
            b'"' => {
                self.state = State::Text;
                1
            }
            b'r' if !before.is_some_and(|byte| byte.is_ascii_alphanumeric() && byte != b'b' || byte == b'_') => {
                let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
                if rest.get(1 + hashes) == Some(&b'"') {
                    self.state = State::RawText(hashes);
                    return 2 + hashes;
                }
                1
            }
            b'\'' => character_literal(rest),
            b'(' | b'[' | b'{' => {
                self.depth += 1;
                1
            }
            b')' | b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                1
            }
            _ => 1,
        }
    }
}

/// Length of `'x'` or `'\n'`; 1 for a lifetime.
fn character_literal(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|byte| *byte == b'\'').map_or(1, |end| end + 4);
    }
    let text = String::from_utf8_lossy(&rest[1..]);
    match text.chars().next() {
        Some(character) if rest.get(1 + character.len_utf8()) == Some(&b'\'') => 2 + character.len_utf8(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(cell: &str) -> Vec<(char, usize, &str)> {
        let kind = |segment| match segment {
            Segment::Rust { line, text } => ('r', line, text),
            Segment::Magic { line, text } => ('m', line, text),
        };
        split(cell).into_iter().map(kind).collect()
    }

    #[test]
    fn rust_and_magic_lines_mix() {
        let cell = "let a = 1;\n%kql T | take 1\nlet b = a;\n";
        assert_eq!(kinds(cell), [('r', 0, "let a = 1;\n"), ('m', 1, "%kql T | take 1"), ('r', 2, "let b = a;\n")]);
    }

    #[test]
    fn a_percent_inside_rust_is_not_a_magic() {
        for cell in [
            "let x = (7\n%kql);",
            "let s = \"\n%kql T\n\";",
            "/*\n%kql T\n*/",
            "let y = 7\n % 2;",
            "let r = r#\"\n%kql \" T\n\"#;",
        ] {
            assert_eq!(kinds(cell), [('r', 0, cell)], "{cell}");
        }
    }

    #[test]
    fn quotes_and_lifetimes_do_not_confuse_it() {
        let cell = "fn f<'a>(x: &'a str) -> char { '\"' }\nlet c = '\\'';\n%kql T";
        assert_eq!(kinds(cell).last(), Some(&('m', 2, "%kql T")));
    }

    #[test]
    fn a_cell_magic_takes_the_cell_with_its_blank_lines() {
        let cell = "# a note\n\n%%kql hits <<\nT\n\n| take 5";
        assert_eq!(kinds(cell), [('m', 2, "%%kql hits <<\nT\n\n| take 5")]);
    }

    #[test]
    fn shell_lines_begin_where_statements_do() {
        let cell = "!ls -l\nlet a = 1;\n  !./run.sh | wc\n%kql T\n!pip install x\nif a { }\n!git status";
        let found = [
            ('m', 0, "!ls -l"),
            ('r', 1, "let a = 1;\n"),
            ('m', 2, "  !./run.sh | wc"),
            ('m', 3, "%kql T"),
            ('m', 4, "!pip install x"),
            ('r', 5, "if a { }\n"),
            ('m', 6, "!git status"),
        ];
        assert_eq!(kinds(cell), found);
        assert_eq!(kinds("!python3.11 -V").len(), 1);
        assert_eq!(kinds("!python3.11 -V")[0].0, 'm');
        assert_eq!(kinds("!tool.sh")[0].0, 'm');
    }

    #[test]
    fn negation_stays_rust() {
        for cell in [
            "!names.is_empty()",
            "!f(x)",
            "!a[0]",
            "!std::path::Path::new(\"x\").exists()",
            "!matches!(a, 1)",
            "!5",
            "!(a && b)",
            "let x = a ||\n!b",
            "f(\n!ls\n);",
            "!x;",
            "\"\n!ls\n\"",
        ] {
            assert_eq!(kinds(cell), [('r', 0, cell)], "{cell}");
        }
    }

    #[test]
    fn what_is_timed_is_a_cell_of_its_own() {
        assert_eq!(
            kinds("%%time -v\nlet a = 1;\n%kql T"),
            [('m', 0, "%%time -v"), ('r', 1, "let a = 1;\n"), ('m', 2, "%kql T")]
        );
        assert_eq!(kinds("\n%%time\n%%kql\nT\n\n| take 5"), [('m', 1, "%%time"), ('m', 2, "%%kql\nT\n\n| take 5")]);
        assert_eq!(kinds("%%timeit\n1"), [('m', 0, "%%timeit\n1")]);
        assert_eq!(kinds("%%time"), [('m', 0, "%%time")]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_panics(cell in "[ -~\n\"'/*{}()r#%k!\\\\é]{0,80}") {
            let total: usize = split(&cell).iter().map(|segment| match segment {
                Segment::Rust { text, .. } | Segment::Magic { text, .. } => text.len(),
            }).sum();
            prop_assert!(total <= cell.len());
        }
    }
}
