//! Completion and help at the cursor, for the magics of a cell. Rust is not ours to answer for.

use std::ops::Range;

use huntbook_engine::Engine;

use crate::blob_options::{COMMANDS, known};
use crate::words::binding;
use crate::{NAMES, Segment, help, kql, split};

/// One way to go on at the cursor.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// What takes the place of [`Completions::replace`].
    pub text: String,
    /// One word: `column`, `function`, `magic`, ...
    pub kind: &'static str,
    /// A type or a signature.
    pub signature: Option<String>,
}

/// Best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Completions {
    /// Bytes of the cell.
    pub replace: Range<usize>,
    pub items: Vec<Completion>,
}

/// What may stand at `cursor`, a byte of the cell; `None` where the cell is Rust.
pub fn complete(cell: &str, cursor: usize, engine: &Engine) -> Option<Completions> {
    let magic = magic_at(cell, cursor)?;
    let at = cursor - magic.start;
    if at <= magic.name.end {
        let typed = magic.text.get(magic.name.start..at)?;
        let items = NAMES.iter().filter(|name| name.starts_with(typed));
        let items = items.map(|name| Completion { text: (*name).to_owned(), kind: "magic", signature: None }).collect();
        return Some(Completions { replace: magic.in_cell(magic.name.clone()), items });
    }
    let nothing = Completions { replace: cursor..cursor, items: Vec::new() };
    if &magic.text[magic.name.clone()] == "blob" {
        return Some(blob_words(&magic, at, engine));
    }
    if &magic.text[magic.name.clone()] != "kql" {
        return Some(nothing);
    }
    let Some(query) = kql::query_start(&magic.text[magic.name.end..]).map(|start| magic.name.end + start) else {
        return Some(nothing);
    };
    if at < query {
        return Some(nothing);
    }
    let found = engine.kql_completions(&magic.text[query..], at - query);
    let items = found.items.into_iter().map(|item| Completion {
        text: item.insert,
        kind: item.kind.name(),
        signature: item.detail,
    });
    Some(Completions {
        replace: magic.in_cell(query + found.replace.start..query + found.replace.end),
        items: items.collect(),
    })
}

/// Commands of `%blob`, then options of the command, and frames for `write`.
fn blob_words(magic: &Place<'_>, at: usize, engine: &Engine) -> Completions {
    let text = &magic.text[magic.name.end..at];
    let typed = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let rest = binding(&text[..text.len() - typed.len()]).1;
    let command = rest.split_whitespace().next();
    let item = |text: &str, kind| Completion { text: text.to_owned(), kind, signature: None };
    let mut items: Vec<Completion> = match command.map(known) {
        None => COMMANDS.iter().map(|known| item(known.command, "command")).collect(),
        Some(None) => Vec::new(),
        Some(Some(known)) => known.all().map(|option| item(option.trim_end_matches('='), "option")).collect(),
    };
    if command == Some("write") {
        items.extend(engine.names().iter().map(|(name, _, _)| item(name, "frame")));
    }
    items.retain(|item| item.text.starts_with(typed));
    Completions { replace: magic.in_cell(at - typed.len()..at), items }
}

/// What is known about the word at `cursor`, a byte of the cell, as Markdown.
pub fn inspect(cell: &str, cursor: usize, engine: &Engine) -> Option<String> {
    let magic = magic_at(cell, cursor)?;
    let at = cursor - magic.start;
    let name = &magic.text[magic.name.clone()];
    if at <= magic.name.end {
        return help::text(name).map(|text| format!("```text\n{text}\n```"));
    }
    if name != "kql" {
        return None;
    }
    let query = magic.name.end + kql::query_start(&magic.text[magic.name.end..])?;
    engine.kql_hover(&magic.text[query..], at.checked_sub(query)?).map(|hover| hover.markdown)
}

/// A magic in its cell.
struct Place<'c> {
    /// Where it begins in the cell.
    start: usize,
    text: &'c str,
    /// Its name, in `text`.
    name: Range<usize>,
}

impl Place<'_> {
    fn in_cell(&self, range: Range<usize>) -> Range<usize> {
        self.start + range.start..self.start + range.end
    }
}

fn magic_at(cell: &str, cursor: usize) -> Option<Place<'_>> {
    split(cell).into_iter().find_map(|segment| {
        let Segment::Magic { text, .. } = segment else { return None };
        // A segment is a slice of its cell.
        let start = text.as_ptr() as usize - cell.as_ptr() as usize;
        if !(start..=start + text.len()).contains(&cursor) {
            return None;
        }
        let sign = text.len() - text.trim_start().trim_start_matches('%').len();
        let end = text[sign..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(text.len(), |at| sign + at);
        Some(Place { start, text, name: sign..end })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magic_at_the_cursor_is_found() {
        let cell = "let a = 1;\n%kql T | take 5\nlet b = 2;";
        let magic = magic_at(cell, 15).unwrap();
        assert_eq!((magic.start, magic.text, &magic.text[magic.name.clone()]), (11, "%kql T | take 5", "kql"));
        assert!(magic_at(cell, 3).is_none() && magic_at(cell, 30).is_none());
        assert!(magic_at("%%kql\nT\n| where ", 16).is_some());
    }
}
