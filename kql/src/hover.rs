//! What is known about the word under the cursor.

use std::fmt::Write;

use crate::{
    Engine, Span,
    complete::{cursor::Cursor, situation::Situation},
    descriptions::{self, Description},
    lexer::{self, Token, TokenKind},
};

/// The answer to [`Engine::hover`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// Bytes of the text that it is about.
    pub span: Span,
    /// A signature or type, and what there is to say about it.
    pub markdown: String,
}

/// Columns of a table that are listed.
const MAX_COLUMNS: usize = 60;

impl Engine {
    /// What is known about the word at `cursor`, a byte of `text`: signatures of functions and
    /// operators, types of columns and `let` names, columns of tables. Reads no rows.
    pub fn hover(&self, text: &str, cursor: usize) -> Option<Hover> {
        hover(text, cursor, self)
    }
}

fn hover(text: &str, cursor: usize, engine: &Engine) -> Option<Hover> {
    let (tokens, _) = lexer::tokenize(text);
    // Right behind a word is still at it: `count|(`.
    let is_word = |token: &Token| token.span.end == cursor && matches!(token.kind, TokenKind::Name(_));
    let is_at = |token: &Token| token.span.contains(&cursor);
    let named = tokens.iter().position(|token| is_at(token) && matches!(token.kind, TokenKind::Name(_)));
    let at = named.or_else(|| tokens.iter().position(is_word)).or_else(|| tokens.iter().position(is_at))?;
    let word = Word { tokens: &tokens, at, text };
    if let Some((span, description)) = word.operator() {
        return Some(Hover { span, markdown: described(&description) });
    }
    let span = tokens[at].span.clone();
    if let TokenKind::Punct(symbol) = tokens[at].kind {
        let (_, text) = descriptions::infix(None).find(|(known, _)| *known == symbol)?;
        return Some(Hover {
            span,
            markdown: described(&Description { signature: symbol.to_string(), text: Some(text) }),
        });
    }
    let TokenKind::Name(name) = &tokens[at].kind else { return None };
    let front = Cursor::new(text, span.end);
    let situation = Situation::new(&front, engine);
    let markdown =
        situation.named(&front, name, word.is_called(), engine.catalog.as_ref()).or_else(|| word.known(name))?;
    Some(Hover { span, markdown })
}

/// `**signature**` in code font, then the line about it.
pub(crate) fn described(description: &Description) -> String {
    match description.text {
        Some(text) => format!("`{}`\n\n{text}", description.signature),
        None => format!("`{}`", description.signature),
    }
}

/// A table as its columns and their types.
pub(crate) fn table(name: &str, what: &str, columns: &[(String, Option<&str>)]) -> String {
    let mut markdown = format!("`{name}`: {what}, {} columns\n", columns.len());
    if columns.len() == 1 {
        markdown = format!("`{name}`: {what}, 1 column\n");
    }
    for (column, kql_type) in columns.iter().take(MAX_COLUMNS) {
        // Writing to a string cannot fail.
        let _ = write!(markdown, "\n- `{column}`: {}", kql_type.unwrap_or("known when it runs"));
    }
    if columns.len() > MAX_COLUMNS {
        let _ = write!(markdown, "\n- and {} more", columns.len() - MAX_COLUMNS);
    }
    markdown
}

/// A token among its neighbours.
struct Word<'t> {
    tokens: &'t [Token],
    at: usize,
    text: &'t str,
}

impl Word<'_> {
    fn is_called(&self) -> bool {
        matches!(self.tokens.get(self.at + 1).map(|token| &token.kind), Some(TokenKind::Punct("(")))
    }

    fn is_dash(&self, at: usize) -> bool {
        matches!(self.tokens.get(at).map(|token| &token.kind), Some(TokenKind::Punct("-")))
    }

    fn touch(&self, left: usize) -> bool {
        self.tokens.get(left + 1).is_some_and(|right| right.span.start == self.tokens[left].span.end)
    }

    /// The operator whose name this token is part of: `project-away` is three tokens.
    fn operator(&self) -> Option<(Span, Description)> {
        let (mut first, mut last) = (self.at, self.at);
        while first > 0 && self.touch(first - 1) && (self.is_dash(first - 1) || self.is_dash(first)) {
            first -= 1;
        }
        while last + 1 < self.tokens.len() && self.touch(last) && (self.is_dash(last + 1) || self.is_dash(last)) {
            last += 1;
        }
        let previous = first.checked_sub(1).map(|before| &self.tokens[before].kind);
        let span = self.tokens[first].span.start..self.tokens[last].span.end;
        let name = &self.text[span.clone()];
        let is_behind_pipe = matches!(previous, Some(TokenKind::Punct("|")));
        // The body of `mv-apply` and a piped query begin with an operator.
        let begins_body = matches!(previous, None | Some(TokenKind::Punct("("))) && !self.is_called();
        let begins_source = matches!(previous, None | Some(TokenKind::Punct("(" | ";" | "=" | "{")));
        let is_followed = self.tokens.get(last + 1).is_some();
        let source = if begins_source && is_followed { descriptions::source(name) } else { None };
        let description = match is_behind_pipe {
            true => descriptions::operator(name),
            false => source.or_else(|| if begins_body && is_followed { descriptions::operator(name) } else { None }),
        };
        description.map(|description| (span, description))
    }

    /// What the language knows under this name.
    fn known(&self, name: &str) -> Option<String> {
        if self.is_called() {
            let is_plugin = matches!(self.at.checked_sub(1).map(|before| &self.tokens[before].kind), Some(TokenKind::Name(word)) if word == "evaluate");
            let call = if is_plugin { descriptions::plugin(name) } else { None };
            if let Some(description) =
                call.or_else(|| descriptions::aggregate(name)).or_else(|| descriptions::function(name))
            {
                return Some(described(&description));
            }
        }
        // `matches regex` is two words.
        let name = if matches!(name, "matches" | "regex") { "matches regex" } else { name };
        let words = descriptions::infix(None).chain(descriptions::join_kinds().iter().copied());
        let (_, text) = words.chain(descriptions::render_kinds().iter().copied()).find(|(known, _)| *known == name)?;
        Some(described(&Description { signature: name.to_string(), text: Some(text) }))
    }
}
