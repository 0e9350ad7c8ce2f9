//! The token slice as a nom input, and the smallest parsers over it.

use nom::Parser;

use super::{Context, MAX_DEPTH, Parsed};
use crate::{
    ast::{Literal, Name},
    diagnostics::{Diagnostic, Span, codes},
    lexer::{Token, TokenKind},
};

/// What is left to parse. Copying it is how nom backtracks.
#[derive(Clone, Copy)]
pub(crate) struct Tokens<'t> {
    all: &'t [Token],
    at: usize,
    source_end: usize,
    depth: u16,
    context: &'t Context,
}

/// Where a parser stopped and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyntaxError(pub(crate) Diagnostic);

impl From<Diagnostic> for SyntaxError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(diagnostic)
    }
}

impl<'t> nom::error::ParseError<Tokens<'t>> for SyntaxError {
    fn from_error_kind(input: Tokens<'t>, _: nom::error::ErrorKind) -> Self {
        Self(input.unexpected("something else"))
    }

    fn append(_: Tokens<'t>, _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }

    /// The alternative that came furthest knows best what was meant.
    fn or(self, other: Self) -> Self {
        if self.0.span.start > other.0.span.start { self } else { other }
    }
}

/// The diagnostic inside a nom error.
pub(super) fn syntax_error(error: nom::Err<SyntaxError>) -> Diagnostic {
    match error {
        nom::Err::Error(SyntaxError(diagnostic)) | nom::Err::Failure(SyntaxError(diagnostic)) => diagnostic,
        nom::Err::Incomplete(_) => Diagnostic::new(codes::SYNTAX, 0..0, "the query is incomplete"),
    }
}

impl<'t> Tokens<'t> {
    pub(super) fn new(all: &'t [Token], source_end: usize, context: &'t Context) -> Self {
        Self { all, at: 0, source_end, depth: 0, context }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.all.len()
    }

    pub(super) fn remaining(&self) -> usize {
        self.all.len() - self.at
    }

    pub(super) fn first(&self) -> Option<&'t Token> {
        self.all.get(self.at)
    }

    /// Span of the next token, or the end of the text.
    pub(super) fn here(&self) -> Span {
        self.first().map_or(self.source_end..self.source_end, |token| token.span.clone())
    }

    /// Where the last consumed token ends.
    pub(super) fn previous_end(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.all.get(at)).map_or(0, |token| token.span.end)
    }

    /// The same input without its first token.
    pub(super) fn behind(mut self) -> Self {
        self.at = (self.at + 1).min(self.all.len());
        self
    }

    /// The next token as identifier text.
    pub(super) fn word(&self) -> Option<&'t str> {
        match self.first().map(|token| &token.kind) {
            Some(TokenKind::Name(word)) => Some(word),
            _ => None,
        }
    }

    /// The next token as punctuation.
    pub(super) fn symbol(&self) -> Option<&'static str> {
        match self.first().map(|token| &token.kind) {
            Some(TokenKind::Punct(symbol)) => Some(symbol),
            _ => None,
        }
    }

    /// Whether an operand could begin here, so that a word before it is a keyword and not a name.
    pub(super) fn starts_operand(&self) -> bool {
        match self.first().map(|token| &token.kind) {
            Some(TokenKind::Punct(symbol)) => matches!(*symbol, "(" | "[" | "-" | "*"),
            Some(TokenKind::Stray(_)) | None => false,
            Some(_) => true,
        }
    }

    /// Whether a pipe operator may end here.
    pub(super) fn ends_operator(&self) -> bool {
        self.is_empty() || matches!(self.symbol(), Some("|" | ";" | ")" | "}" | "," | "]"))
    }

    /// Whether the next two tokens touch, as in `project-away`.
    pub(super) fn touches_previous(&self) -> bool {
        self.at > 0 && self.first().is_some_and(|token| token.span.start == self.all[self.at - 1].span.end)
    }

    /// Skips to the first of `stops` outside any bracket, or to a bracket that closes an outer one.
    pub(super) fn skip_to(mut self, stops: &[&str]) -> Self {
        let mut open = 0usize;
        while let Some(token) = self.first() {
            if let TokenKind::Punct(symbol) = token.kind {
                match symbol {
                    _ if open == 0 && stops.contains(&symbol) => return self,
                    "(" | "[" | "{" => open += 1,
                    ")" | "]" | "}" if open == 0 => return self,
                    ")" | "]" | "}" => open -= 1,
                    _ => {}
                }
            }
            self.at += 1;
        }
        self
    }

    pub(super) fn context(&self) -> &'t Context {
        self.context
    }

    pub(super) fn report(&self, diagnostic: Diagnostic) {
        self.context.report(diagnostic);
    }

    /// "expected `x`, found `y`" at the next token.
    pub(super) fn unexpected(&self, wanted: &str) -> Diagnostic {
        let found = match self.first().map(|token| &token.kind) {
            None => "the end of the query".to_string(),
            Some(TokenKind::Name(word)) => format!("`{}`", short(word)),
            Some(TokenKind::Punct(symbol)) => format!("`{symbol}`"),
            Some(TokenKind::Stray(character)) => format!("`{}`", character.escape_debug()),
            Some(TokenKind::HostScalar(word)) => format!("`${{{}}}`", short(word)),
            Some(TokenKind::Literal(Literal::String(_))) => "a string".to_string(),
            Some(TokenKind::Literal(literal)) => format!("a {} literal", literal.kql_type()),
        };
        Diagnostic::new(codes::SYNTAX, self.here(), format!("expected {wanted}, found {found}"))
    }

    /// Fails with [`Tokens::unexpected`], leaving other alternatives open.
    pub(super) fn expected<T>(&self, wanted: &str) -> Parsed<'t, T> {
        Err(nom::Err::Error(self.unexpected(wanted).into()))
    }

    fn deeper(mut self) -> Result<Self, nom::Err<SyntaxError>> {
        if self.depth >= MAX_DEPTH {
            return Err(nom::Err::Failure(super::too_deep(self).into()));
        }
        self.depth += 1;
        Ok(self)
    }

    fn shallower(mut self) -> Self {
        self.depth = self.depth.saturating_sub(1);
        self
    }
}

fn short(word: &str) -> String {
    word.chars().take(40).collect()
}

/// A nom input of tokens: just enough for `separated_list` and friends.
impl<'t> nom::Input for Tokens<'t> {
    type Item = &'t Token;
    type Iter = std::slice::Iter<'t, Token>;
    type IterIndices = std::iter::Enumerate<std::slice::Iter<'t, Token>>;

    fn input_len(&self) -> usize {
        self.remaining()
    }

    fn take(&self, index: usize) -> Self {
        Self { all: &self.all[..(self.at + index).min(self.all.len())], ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        Self { at: (self.at + index).min(self.all.len()), ..*self }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.iter_elements().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.all[self.at.min(self.all.len())..].iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, nom::Needed> {
        if count <= self.remaining() { Ok(count) } else { Err(nom::Needed::new(count - self.remaining())) }
    }
}

/// Exactly this operator or bracket.
pub(super) fn punct<'t>(wanted: &'static str) -> impl Fn(Tokens<'t>) -> Parsed<'t, ()> + Copy {
    move |input| match input.symbol() {
        Some(symbol) if symbol == wanted => Ok((input.behind(), ())),
        _ => input.expected(&format!("`{wanted}`")),
    }
}

/// Exactly this word.
pub(super) fn keyword<'t>(wanted: &'static str) -> impl Fn(Tokens<'t>) -> Parsed<'t, ()> + Copy {
    move |input| match input.word() {
        Some(word) if word == wanted => Ok((input.behind(), ())),
        _ => input.expected(&format!("`{wanted}`")),
    }
}

/// `name`, `['any text']` or `["any text"]`
pub(super) fn name(input: Tokens<'_>) -> Parsed<'_, Name> {
    if let Some(word) = input.word().filter(|word| !word.starts_with(['!', '$'])) {
        return Ok((input.behind(), Name { text: word.to_string(), span: input.here() }));
    }
    match bracketed_name(input) {
        Ok(found) => Ok(found),
        Err(_) => input.expected("a name"),
    }
}

/// `['any text']`
pub(super) fn bracketed_name(input: Tokens<'_>) -> Parsed<'_, Name> {
    let (rest, text) = nom::sequence::delimited(punct("["), string, punct("]")).parse(input)?;
    Ok((rest, Name { text, span: input.here().start..rest.previous_end() }))
}

/// A string literal, adjacent ones joined.
pub(super) fn string(input: Tokens<'_>) -> Parsed<'_, String> {
    let (mut rest, mut text) = one_string(input)?;
    while let Ok((after, more)) = one_string(rest) {
        text.push_str(&more);
        rest = after;
    }
    Ok((rest, text))
}

fn one_string(input: Tokens<'_>) -> Parsed<'_, String> {
    match input.first().map(|token| &token.kind) {
        Some(TokenKind::Literal(Literal::String(text))) => Ok((input.behind(), text.clone())),
        _ => input.expected("a string"),
    }
}

/// Turns "not this alternative" into "a mistake", once the grammar leaves no other choice.
pub(super) fn required<'t, T>(
    mut parser: impl Parser<Tokens<'t>, Output = T, Error = SyntaxError>,
    input: Tokens<'t>,
) -> Parsed<'t, T> {
    parser.parse(input).map_err(|error| match error {
        nom::Err::Error(error) => nom::Err::Failure(error),
        other => other,
    })
}

/// `open inner close`, one level deeper.
pub(super) fn nested<'t, T>(
    mut open: impl Parser<Tokens<'t>, Output = (), Error = SyntaxError>,
    mut inner: impl Parser<Tokens<'t>, Output = T, Error = SyntaxError>,
    mut close: impl Parser<Tokens<'t>, Output = (), Error = SyntaxError>,
) -> impl FnMut(Tokens<'t>) -> Parsed<'t, T> {
    move |input| {
        let (rest, ()) = open.parse(input)?;
        let (rest, value) = required(|input| inner.parse(input), rest.deeper()?)?;
        super::grow(rest)?;
        let (rest, ()) = required(|input| close.parse(input), rest)?;
        Ok((rest.shallower(), value))
    }
}

/// One level deeper without brackets, for recursion such as `- - - x`.
pub(super) fn deeper<'t, T>(parser: impl Fn(Tokens<'t>) -> Parsed<'t, T>, input: Tokens<'t>) -> Parsed<'t, T> {
    let (rest, value) = parser(input.deeper()?)?;
    super::grow(rest)?;
    Ok((rest.shallower(), value))
}
