//! The text in front of the cursor, cut into tokens: which word is being typed, and inside what.

use std::ops::Range;

use crate::{
    ast::Literal,
    lexer::{self, Token, TokenKind},
};

/// What kind of text the cursor stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Code,
    Comment,
    /// A string that is not closed yet; its text begins at this byte.
    Text(usize),
}

/// The tokens in front of the cursor without the word that is being typed.
pub(crate) struct Cursor<'q> {
    pub(super) text: &'q str,
    pub(super) tokens: Vec<Token>,
    /// The word that is being typed; empty between words.
    pub(super) word: Range<usize>,
    /// What a completion takes the place of: the word, with its rest behind the cursor.
    pub(super) replaced: Range<usize>,
    pub(super) inside: Inside,
    /// For every closing bracket among the tokens, its opening one, and the other way round.
    partner: Vec<Option<usize>>,
}

impl<'q> Cursor<'q> {
    /// `at` is a byte of `text`, taken back to the start of a character and to the end of the text.
    pub(crate) fn new(text: &'q str, at: usize) -> Self {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let front = &text[..at];
        let (mut tokens, diagnostics) = lexer::tokenize(front);
        let last_end = tokens.last().map_or(0, |token| token.span.end);
        let unclosed = tokens.last().filter(|token| {
            token.span.end == at
                && matches!(token.kind, TokenKind::Literal(Literal::String(_)))
                && diagnostics.iter().any(|problem| problem.span == token.span)
        });
        let inside = match unclosed {
            Some(token) => {
                let quote =
                    front[token.span.clone()].find(['"', '\'']).map_or(token.span.end, |q| token.span.start + q + 1);
                Inside::Text(quote)
            }
            None if front[last_end..].rsplit('\n').next().unwrap_or("").contains("//") => Inside::Comment,
            None => Inside::Code,
        };
        let typed = tokens.last().filter(|token| {
            token.span.end == at && matches!(token.kind, TokenKind::Name(_) | TokenKind::Stray('!' | '$'))
        });
        let word = typed.map_or(at..at, |token| token.span.clone());
        if typed.is_some() {
            tokens.pop();
        }
        let behind =
            if word.is_empty() { 0 } else { text[at..].find(|c: char| !is_word(c)).unwrap_or(text.len() - at) };
        let partner = partners(&tokens);
        Self { text, tokens, replaced: word.start..at + behind, word, inside, partner }
    }

    pub(super) fn typed(&self) -> &'q str {
        &self.text[self.word.clone()]
    }

    pub(super) fn end(&self) -> usize {
        self.tokens.len()
    }

    /// The token as an identifier.
    pub(super) fn name(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at).map(|token| &token.kind) {
            Some(TokenKind::Name(name)) => Some(name),
            _ => None,
        }
    }

    pub(super) fn symbol(&self, at: usize) -> Option<&'static str> {
        match self.tokens.get(at).map(|token| &token.kind) {
            Some(TokenKind::Punct(symbol)) => Some(symbol),
            _ => None,
        }
    }

    pub(super) fn is_literal(&self, at: usize) -> bool {
        matches!(self.tokens.get(at).map(|token| &token.kind), Some(TokenKind::Literal(_) | TokenKind::HostScalar(_)))
    }

    /// The text of some tokens, with what stands between them.
    pub(super) fn slice(&self, range: Range<usize>) -> &'q str {
        match (self.tokens.get(range.start), range.end.checked_sub(1).and_then(|last| self.tokens.get(last))) {
            (Some(first), Some(last)) if range.start < range.end => &self.text[first.span.start..last.span.end],
            _ => "",
        }
    }

    /// Whether a token stands right behind the one before it.
    pub(super) fn touches(&self, at: usize) -> bool {
        let start = self.tokens.get(at).map_or(self.word.start, |token| token.span.start);
        at > 0 && self.tokens[at - 1].span.end == start
    }

    /// Whether the cursor is at the end of a number or text, to which nothing can be added.
    pub(super) fn touches_literal(&self) -> bool {
        self.end().checked_sub(1).is_some_and(|last| self.is_literal(last)) && self.touches(self.end())
    }

    pub(super) fn partner(&self, at: usize) -> Option<usize> {
        self.partner.get(at).copied().flatten()
    }

    /// Opening brackets that are not closed in front of the cursor, outermost first.
    pub(super) fn open_brackets(&self) -> Vec<usize> {
        let is_open = |at: &usize| matches!(self.symbol(*at), Some("(" | "[" | "{")) && self.partner(*at).is_none();
        (0..self.end()).filter(is_open).collect()
    }

    /// Places in the range that are in no bracket within it.
    pub(super) fn outside_brackets(&self, range: Range<usize>) -> impl Iterator<Item = usize> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let here = at;
            at = match self.symbol(at) {
                Some("(" | "[" | "{") => self.partner(at).map_or(at, |close| close) + 1,
                _ => at + 1,
            };
            Some(here)
        })
    }
}

pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn partners(tokens: &[Token]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tokens.len()];
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Punct("(" | "[" | "{") => open.push(at),
            TokenKind::Punct(")" | "]" | "}") => {
                if let Some(opened) = open.pop() {
                    partners[opened] = Some(at);
                    partners[at] = Some(opened);
                }
            }
            _ => {}
        }
    }
    partners
}
