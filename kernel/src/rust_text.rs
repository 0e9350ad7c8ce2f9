//! The Rust in a cell, for those who look at it without running it.

use std::ops::Range;

use huntbook_magics::{Segment, split};

/// The cell with magics and evcxr's commands blanked out: every position means what it meant.
pub(crate) fn only_rust(cell: &str) -> String {
    let mut rust = cell.to_owned();
    for segment in split(cell) {
        if let Segment::Magic { text, .. } = segment {
            // A segment is a slice of its cell.
            let start = text.as_ptr() as usize - cell.as_ptr() as usize;
            blank(&mut rust, start..start + text.len());
        }
    }
    let mut at = 0;
    while let Some(line) = rust[at..].split_inclusive('\n').next() {
        let end = at + line.len();
        let is_command = line.trim_start().starts_with(':') && !line.trim_start().starts_with("::");
        if !is_command && !line.trim().is_empty() {
            break;
        }
        if is_command {
            blank(&mut rust, at..end);
        }
        at = end;
    }
    rust
}

fn blank(text: &mut String, range: Range<usize>) {
    let blanks: String = text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(range, &blanks);
}

/// The identifier that `cursor` is in or at the end of.
pub(crate) fn word_at(code: &str, cursor: usize) -> Option<Range<usize>> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let (before, after) = code.split_at_checked(cursor)?;
    let start = before.trim_end_matches(is_word).len();
    let end = code.len() - after.trim_start_matches(is_word).len();
    let is_name = start < end && !code[start..].starts_with(|first: char| first.is_ascii_digit());
    is_name.then_some(start..end)
}

/// Is the identifier that begins at `start` a name of its own, no field, method or item of a path?
pub(crate) fn stands_alone(code: &str, start: usize) -> bool {
    let before = code[..start].trim_end();
    !before.ends_with('.') && !before.ends_with("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rust_keeps_every_position() {
        let cell = ":dep regex\nlet a = 1;\n%kql Größe << T\n::std::process::id()";
        let rust = only_rust(cell);
        assert_eq!(rust.len(), cell.len());
        assert_eq!(rust.split_whitespace().collect::<Vec<_>>(), ["let", "a", "=", "1;", "::std::process::id()"]);
        assert_eq!(rust.find("::std"), cell.find("::std"));
        assert_eq!(only_rust("%%kql\nT").trim(), "");
        assert_eq!(only_rust(":opt"), "    ");
    }

    #[test]
    fn words_are_found_from_within_and_from_their_end() {
        let code = "let größe = x.y2;";
        assert_eq!(word_at(code, 6).map(|word| &code[word]), Some("größe"));
        let dot = code.find('.').unwrap();
        assert_eq!(word_at(code, dot + 3), Some(dot + 1..dot + 3));
        assert!(!stands_alone(code, dot + 1) && stands_alone(code, 4));
        assert_eq!((word_at("1 + 22", 6), word_at("a  ", 3), word_at("a", 9)), (None, None, None));
    }
}
