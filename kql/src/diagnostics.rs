//! What went wrong, where, and what the hunter can do about it.

use std::{fmt, ops::Range, sync::Arc};

/// Half-open byte range in the query text.
pub type Span = Range<usize>;

/// Stable codes, so that documentation and tests can name a diagnostic.
pub mod codes {
    /// Text that no token starts with, or a literal that does not end.
    pub const LEXICAL: &str = "KH0001";
    /// Tokens in an order the language does not have.
    pub const SYNTAX: &str = "KH0002";
    /// A pipe operator that KQL does not have.
    pub const UNKNOWN_OPERATOR: &str = "KH0003";
    /// Nesting or length beyond what the parser follows.
    pub const TOO_DEEP: &str = "KH0004";
    /// A name in table position that the catalog does not have.
    pub const UNKNOWN_TABLE: &str = "KH0101";
    /// A name in column position that the operator's input does not have.
    pub const UNKNOWN_COLUMN: &str = "KH0102";
    /// A function that KQL does not have.
    pub const UNKNOWN_FUNCTION: &str = "KH0103";
    /// Operand or argument types that the operator or function does not take.
    pub const TYPE: &str = "KH0104";
    /// Too few or too many arguments.
    pub const ARGUMENTS: &str = "KH0105";
    /// The same column named twice in one operator.
    pub const DUPLICATE: &str = "KH0106";
    /// A value that is well typed but not allowed here.
    pub const VALUE: &str = "KH0107";
    /// A table that exists but cannot be read.
    pub const UNREADABLE_TABLE: &str = "KH0108";
    /// Well-formed KQL that the embedded engine does not run yet.
    pub const NOT_EXECUTED: &str = "KH0201";
    /// The plan failed while it ran.
    pub const EXECUTION: &str = "KH0301";
    /// The query was cancelled.
    pub const CANCELLED: &str = "KH0302";
    /// The query went beyond a limit on rows, time or memory.
    pub const LIMIT: &str = "KH0303";
}

/// KQL text that is not the query's own: the file of a stored function.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// What to call it in messages.
    pub name: String,
    /// The KQL in it.
    pub text: String,
    /// Lines of the file in front of `text`.
    pub lines_before: usize,
    /// Characters in front of each line of `text` in the file.
    pub indent: usize,
}

/// One error in a query. `line` and `column` count from 1, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// One of [`codes`].
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to try instead.
    pub hint: Option<String>,
    /// Line of the first offending character.
    pub line: usize,
    /// Column of the first offending character.
    pub column: usize,
    /// Offending bytes of the query.
    pub span: Span,
    /// The text that the span belongs to, if it is not the query's.
    pub source: Option<Arc<SourceText>>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KQL error {} {}: {}", self.code, self.place(), self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl Diagnostic {
    /// A diagnostic whose line and column are filled in later by [`Diagnostic::located`].
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, line: 0, column: 0, span, source: None }
    }

    /// Adds advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds ``did you mean `x`?`` when some candidate is close to `wanted`.
    #[must_use]
    pub fn with_nearest<'a>(self, wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        // What is there under this very name was refused for another reason.
        match nearest(wanted, candidates.into_iter().filter(|candidate| *candidate != wanted)) {
            Some(name) => self.with_hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Says that the span is one of another text; the innermost text counts.
    #[must_use]
    pub fn within(mut self, source: Option<&Arc<SourceText>>) -> Self {
        if self.source.is_none() {
            self.source = source.cloned();
        }
        self
    }

    fn place(&self) -> String {
        let file = self.source.as_ref().map(|source| format!("in {} ", source.name)).unwrap_or_default();
        format!("{file}at line {}, column {}", self.line, self.column)
    }

    /// Computes line and column from the span.
    #[must_use]
    pub fn located(mut self, source: &str) -> Self {
        let (line, column) = self.line_and_column(source);
        let (lines_before, indent) = self.source.as_ref().map_or((0, 0), |own| (own.lines_before, own.indent));
        (self.line, self.column) = (line + lines_before, column + indent);
        self
    }

    /// In the text alone.
    fn line_and_column(&self, source: &str) -> (usize, usize) {
        let source = self.source.as_ref().map_or(source, |own| &own.text);
        let start = floor_char_boundary(source, self.span.start);
        let before = &source[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The message, the offending line and a caret under the offending text.
    pub fn render(&self, source: &str) -> String {
        let here = self.clone().located(source);
        let (line, column) = self.line_and_column(source);
        let source = self.source.as_ref().map_or(source, |own| &own.text);
        let line_text = source.lines().nth(line - 1).unwrap_or("");
        let gutter = format!(" {} | ", here.line);
        let start = floor_char_boundary(source, self.span.start);
        let end = floor_char_boundary(source, self.span.end.max(start));
        let rest_of_line = line_text.chars().count().saturating_sub(column - 1);
        let marked = source[start..end].lines().next().unwrap_or("").chars().count();
        let carets = "^".repeat(marked.min(rest_of_line).max(1));
        // Tabs stay tabs so that the caret lines up in a terminal.
        let indent: String = line_text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let (line_text, indent) = clip(line_text, &indent);
        let hint = self.hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
        format!(
            "KQL error {} {}: {}\n{gutter}{line_text}\n{}{indent}{carets}{hint}",
            self.code,
            here.place(),
            self.message,
            " ".repeat(gutter.len() - 2) + "| ",
        )
    }
}

/// Keeps a megabyte-long line out of the notebook: shows a window around the caret.
fn clip(line: &str, indent: &str) -> (String, String) {
    const WINDOW: usize = 160;
    let at = indent.chars().count();
    if line.chars().count() <= WINDOW {
        return (line.to_string(), indent.to_string());
    }
    let skip = at.saturating_sub(WINDOW / 2);
    (line.chars().skip(skip).take(WINDOW).collect(), indent.chars().skip(skip).collect())
}

fn floor_char_boundary(source: &str, mut at: usize) -> usize {
    at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The candidate a typing slip away from `wanted`, if there is one.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.chars().count() > 80 {
        return None;
    }
    let lowered = wanted.to_lowercase();
    let allowed = (wanted.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(wanted.len()) <= 8)
        .map(|candidate| (edit_distance(&lowered, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_offending_word() {
        let source = "SigninLogs\n| where Acount == \"x\"";
        let at = source.find("Acount").unwrap();
        let shown = Diagnostic::new(codes::UNKNOWN_COLUMN, at..at + 6, "unknown column `Acount`")
            .with_nearest("Acount", ["Account", "City"])
            .render(source);
        assert_eq!(
            shown,
            "KQL error KH0102 at line 2, column 9: unknown column `Acount`\n 2 | | where Acount == \"x\"\n   |         ^^^^^^ did you mean `Account`?"
        );
    }

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(nearest("Foo", ["Account", "City"]), None);
        assert_eq!(nearest("TimeGenerate", ["TimeGenerated", "City"]), Some("TimeGenerated"));
    }
}
