//! Where things stand in a YAML file: the parser gives values without their places, and messages need lines.

/// A step from a YAML value to one inside it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'s> {
    Key(&'s str),
    Item(usize),
}

/// The lines of a file that can hold a key or an item: no blank lines, comments or lines of block texts.
#[derive(Clone, Debug)]
pub(crate) struct Lines(Vec<Line>);

#[derive(Clone, Debug)]
struct Line {
    /// From 1
    number: usize,
    indent: usize,
    text: String,
}

impl Lines {
    pub(crate) fn of(file: &str) -> Lines {
        let mut lines = Vec::new();
        // The column of the key whose block text is being passed over.
        let mut block_text: Option<usize> = None;
        for (at, line) in file.lines().enumerate() {
            let text = line.trim_start();
            let indent = line.len() - text.len();
            if text.is_empty() || block_text.is_some_and(|column| indent > column) {
                continue;
            }
            block_text = None;
            if text.starts_with('#') || text == "---" {
                continue;
            }
            if begins_block_text(text) {
                block_text = Some(key_column(indent, text));
            }
            lines.push(Line { number: at + 1, indent, text: text.trim_end().to_owned() });
        }
        Lines(lines)
    }

    /// The line of a value, or of what encloses it where it stands within a line. Line 1 where nothing is found.
    pub(crate) fn find(&self, path: &[Step<'_>]) -> usize {
        let mut block = self.0.clone();
        let mut found = 1;
        for step in path {
            let Some(base) = block.first().map(|line| line.indent) else { break };
            let Some(at) = position(&block, base, *step) else { break };
            found = block[at].number;
            block = inside(&block, at, base, *step);
        }
        found
    }

    /// Where the text of a key begins: its first line and the column of that line's first character, from 0.
    pub(crate) fn text_of(&self, file: &str, key: &str) -> (usize, usize) {
        let at = self.find(&[Step::Key(key)]);
        let is_block = self.0.iter().any(|line| line.number == at && begins_block_text(&line.text));
        let width = |line: &str| line.len() - line.trim_start().len();
        if !is_block {
            let line = file.lines().nth(at - 1).unwrap_or_default();
            let value = line.find(':').map_or(0, |colon| colon + 1 + width(&line[colon + 1..]));
            return (at, value);
        }
        let first = file.lines().skip(at).find(|line| !line.trim().is_empty()).unwrap_or_default();
        (at + 1, width(first))
    }
}

fn position(block: &[Line], base: usize, step: Step<'_>) -> Option<usize> {
    let mut at_base = block.iter().enumerate().filter(|(_, line)| line.indent == base);
    match step {
        Step::Key(key) => at_base.find(|(_, line)| is_key(&line.text, key)).map(|(at, _)| at),
        Step::Item(item) => at_base.filter(|(_, line)| is_item(&line.text)).nth(item).map(|(at, _)| at),
    }
}

fn inside(block: &[Line], at: usize, base: usize, step: Step<'_>) -> Vec<Line> {
    let rest = block[at + 1..].iter();
    match step {
        // The items of a key's list may stand as far left as the key.
        Step::Key(_) => rest
            .take_while(|line| line.indent > base || (line.indent == base && is_item(&line.text)))
            .cloned()
            .collect(),
        Step::Item(_) => {
            let own = &block[at];
            let text = own.text[1..].trim_start();
            let indent = base + own.text.len() - text.len();
            let first = Line { number: own.number, indent, text: text.to_owned() };
            let first = Some(first).filter(|line| !line.text.is_empty());
            first.into_iter().chain(rest.take_while(|line| line.indent > base).cloned()).collect()
        }
    }
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

fn is_key(text: &str, key: &str) -> bool {
    let unquoted = text.strip_prefix(['"', '\'']).unwrap_or(text);
    let Some(rest) = unquoted.strip_prefix(key) else { return false };
    let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest).trim_start();
    rest == ":" || rest.starts_with(": ") || rest.starts_with(":\t")
}

/// `key: |`, `key: >-`, `- |2`
fn begins_block_text(text: &str) -> bool {
    let text = text.split(" #").next().unwrap_or(text).trim_end();
    let header = text.trim_end_matches(|character: char| matches!(character, '-' | '+') || character.is_ascii_digit());
    let Some(before) = header.strip_suffix(['|', '>']) else { return false };
    before.ends_with(": ") || before == "- "
}

/// The column of the key of a line, behind the dash of an item.
fn key_column(indent: usize, text: &str) -> usize {
    let key = text.strip_prefix("- ").map(str::trim_start);
    match key {
        Some(key) if key.contains(':') => indent + text.len() - key.len(),
        _ => indent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# a rule
id: 1
query: |
  T
  | where a == 'entityMappings: x'

  | take 1
entityMappings:
  - entityType: Account
    fieldMappings:
      - identifier: Name
        columnName: user
      - {identifier: NTDomain, columnName: domain}
  - entityType: Host
customDetails:
  'Score': score
tactics:
- Discovery
- Collection
version: 1.0.0
";

    #[test]
    fn values_are_found() {
        let lines = Lines::of(FILE);
        let key = Step::Key;
        let item = Step::Item;
        assert_eq!(lines.find(&[key("id")]), 2);
        assert_eq!(lines.find(&[key("entityMappings")]), 8);
        assert_eq!(lines.find(&[key("entityMappings"), item(1), key("entityType")]), 14);
        let mapping = [key("entityMappings"), item(0), key("fieldMappings"), item(0), key("columnName")];
        assert_eq!(lines.find(&mapping), 12);
        // Within a line, the line.
        let flow = [key("entityMappings"), item(0), key("fieldMappings"), item(1), key("columnName")];
        assert_eq!(lines.find(&flow), 13);
        assert_eq!(lines.find(&[key("customDetails"), key("Score")]), 16);
        assert_eq!(lines.find(&[key("tactics"), item(1)]), 19);
        assert_eq!(lines.find(&[key("version")]), 20);
        assert_eq!(lines.find(&[key("nothing")]), 1);
    }

    #[test]
    fn texts_are_placed() {
        assert_eq!(Lines::of(FILE).text_of(FILE, "query"), (4, 2));
        let short = "name: x\nquery:  T | take 1\n";
        assert_eq!(Lines::of(short).text_of(short, "query"), (2, 8));
    }
}
