//! The pretty-printer: one layout for every query.

mod doc;
mod layout;
mod source;
mod spacing;

use crate::{
    diagnostics::{Diagnostic, codes},
    lexer, parser,
};

/// Lays a query out: one operator per line, brackets indented, long lists wrapped at about 100
/// columns. Comments stay with the token they stand at, literals and names as they are written.
/// The result parses to the same tree, and formatting it again changes nothing.
///
/// Errors: a text that does not parse is not touched; the diagnostics say why.
pub fn format(query: &str) -> Result<String, Vec<Diagnostic>> {
    // Only a piped query may begin with an operator; its layout is the same.
    let (_, mut diagnostics) = parser::parse(query, false);
    if !diagnostics.is_empty() && parser::parse(query, true).1.is_empty() {
        diagnostics.clear();
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let (pieces, end) = source::pieces(query);
    let formatted = doc::print(&layout::Layout::new(&pieces).query(&end));
    if !has_same_tokens(query, &formatted) {
        // A formatter must never change what a query means.
        let diagnostic =
            Diagnostic::new(codes::SYNTAX, 0..query.len(), "this query cannot be formatted without changing it")
                .with_hint("leave it as it is, and report it as a mistake of huntbook");
        return Err(vec![diagnostic.located(query)]);
    }
    Ok(formatted)
}

fn has_same_tokens(left: &str, right: &str) -> bool {
    let (left, right) = (lexer::tokenize(left).0, lexer::tokenize(right).0);
    // NaN differs from itself, its name does not.
    let is_same = |(left, right): (&lexer::Token, &lexer::Token)| {
        left.kind == right.kind || format!("{:?}", left.kind) == format!("{:?}", right.kind)
    };
    left.len() == right.len() && left.iter().zip(&right).all(is_same)
}
