//! Completion and help at the cursor, for the magics of a cell. Rust is not ours to answer for.

use std::ops::Range;

use huntbook_engine::Engine;

use crate::blob_options::{COMMANDS, known};
use crate::options::Table;
use crate::words::binding;
use crate::{Segment, connect, help, kql, la_write, names, session, split};

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
    if magic.text.trim_start().starts_with('!') {
        return Some(Completions { replace: cursor..cursor, items: Vec::new() });
    }
    if at <= magic.name.end {
        let typed = magic.text.get(magic.name.start..at)?;
        let items = names().filter(|name| name.starts_with(typed));
        let items = items.map(|name| Completion { text: name.to_owned(), kind: "magic", signature: None }).collect();
        return Some(Completions { replace: magic.in_cell(magic.name.clone()), items });
    }
    let name = &magic.text[magic.name.clone()];
    let nothing = || Completions { replace: cursor..cursor, items: Vec::new() };
    if session::NAMES.contains(&name) {
        let (length, words) = session::arguments(name, magic.text.get(magic.name.end..at)?, &engine.settings().base);
        let item = |text| Completion { text, kind: "argument", signature: None };
        return Some(Completions { replace: cursor - length..cursor, items: words.into_iter().map(item).collect() });
    }
    if name == "blob" {
        return Some(blob_words(&magic, at, engine));
    }
    if name == "kql"
        && let Some(query) = query_at(&magic, at)
    {
        let place = kql::connection(&magic.text[magic.name.end..query]);
        let found = engine.kql_completions(place.as_deref(), &magic.text[query..], at - query);
        let items = found.items.into_iter().map(|item| Completion {
            text: item.insert,
            kind: item.kind.name(),
            signature: item.detail,
        });
        return Some(Completions {
            replace: magic.in_cell(query + found.replace.start..query + found.replace.end),
            items: items.collect(),
        });
    }
    let Some(table) = option_table(name) else { return Some(nothing()) };
    let head = &magic.text[magic.name.end..at];
    let connections = engine.connection_names();
    let (length, items) = match table.complete(head, &connections) {
        Some((length, items)) => (length, items),
        None if name == "connect" => {
            let typed = head.trim_start();
            let named = connections.iter().filter(|name| name.starts_with(typed));
            (typed.len(), named.map(|name| (name.clone(), "connection")).collect())
        }
        None => return Some(nothing()),
    };
    let item = |(text, about): (String, &'static str)| match text.starts_with('-') {
        true => Completion { text, kind: "option", signature: Some(about.to_owned()) },
        false => Completion { text, kind: about, signature: None },
    };
    Some(Completions { replace: cursor - length..cursor, items: items.into_iter().map(item).collect() })
}

/// Where the query begins that the cursor is in; `None` while it is still in front of it.
fn query_at(magic: &Place<'_>, at: usize) -> Option<usize> {
    let typed = &magic.text[magic.name.end..at];
    let start = kql::query_start(typed)?;
    let is_query = if start < typed.len() {
        !typed[start..].starts_with(['-', '+'])
    } else {
        typed.ends_with(char::is_whitespace)
    };
    is_query.then_some(magic.name.end + start)
}

/// The options of a magic.
pub(crate) fn option_table(magic: &str) -> Option<&'static Table> {
    Some(match magic {
        "kql" => &kql::options::TABLE,
        "connect" => &connect::TABLE,
        "la_write" => &la_write::TABLE,
        _ => return None,
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
    let place = kql::connection(&magic.text[magic.name.end..query]);
    engine.kql_hover(place.as_deref(), &magic.text[query..], at.checked_sub(query)?).map(|hover| hover.markdown)
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
