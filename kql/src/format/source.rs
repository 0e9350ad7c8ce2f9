//! Tokens with the comments around them: what the syntax tree leaves out and a formatter must keep.

use crate::lexer::{self, Token, TokenKind};

/// A comment on a line of its own.
pub(super) struct Comment<'q> {
    pub(super) text: &'q str,
    /// An empty line stands before it.
    pub(super) after_blank: bool,
}

/// A token as it is written.
pub(super) struct Piece<'q> {
    pub(super) text: &'q str,
    pub(super) kind: TokenKind,
    /// Comments on lines of their own before it
    pub(super) comments: Vec<Comment<'q>>,
    /// The comment behind it on its line
    pub(super) trailing: Option<&'q str>,
    /// An empty line stands between it and what is before.
    pub(super) after_blank: bool,
    /// Nothing stands between it and the token before.
    pub(super) touches: bool,
    /// For an opening bracket, where it is closed
    pub(super) close: Option<usize>,
    /// For a closing bracket, where it is opened
    pub(super) open: Option<usize>,
}

impl Piece<'_> {
    pub(super) fn word(&self) -> Option<&str> {
        match &self.kind {
            TokenKind::Name(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn symbol(&self) -> Option<&'static str> {
        match &self.kind {
            TokenKind::Punct(symbol) => Some(symbol),
            _ => None,
        }
    }

    pub(super) fn is_literal(&self) -> bool {
        matches!(self.kind, TokenKind::Literal(_) | TokenKind::HostScalar(_))
    }
}

/// The pieces of a text, and the comments behind the last.
pub(super) fn pieces(source: &str) -> (Vec<Piece<'_>>, Vec<Comment<'_>>) {
    let (tokens, _) = lexer::tokenize(source);
    let mut pieces: Vec<Piece<'_>> = Vec::with_capacity(tokens.len());
    let mut end = 0;
    for Token { kind, span } in tokens {
        let gap = gap(&source[end..span.start], pieces.is_empty());
        if let Some(previous) = pieces.last_mut() {
            previous.trailing = gap.trailing;
        }
        pieces.push(Piece {
            text: &source[span.clone()],
            kind,
            comments: gap.comments,
            trailing: None,
            after_blank: gap.ends_blank,
            touches: end > 0 && end == span.start,
            close: None,
            open: None,
        });
        end = span.end;
    }
    let gap = gap(&source[end..], pieces.is_empty());
    if let Some(previous) = pieces.last_mut() {
        previous.trailing = gap.trailing;
    }
    match_brackets(&mut pieces);
    (pieces, gap.comments)
}

struct Gap<'q> {
    trailing: Option<&'q str>,
    comments: Vec<Comment<'q>>,
    ends_blank: bool,
}

/// What stands between two tokens: blanks and comments.
fn gap(text: &str, is_first: bool) -> Gap<'_> {
    let mut found = Gap { trailing: None, comments: Vec::new(), ends_blank: false };
    // The start of the text is the start of a line.
    let mut newlines = usize::from(is_first);
    let mut rest = text;
    while let Some(at) = rest.find("//") {
        newlines += rest[..at].matches('\n').count();
        let end = rest[at..].find('\n').map_or(rest.len(), |length| at + length);
        let comment = rest[at..end].trim_end();
        if newlines == 0 {
            found.trailing = Some(comment);
        } else {
            found.comments.push(Comment { text: comment, after_blank: newlines > 1 });
        }
        newlines = 0;
        rest = &rest[end..];
    }
    newlines += rest.matches('\n').count();
    found.ends_blank = newlines > 1;
    found
}

fn match_brackets(pieces: &mut [Piece<'_>]) {
    let mut open = Vec::new();
    for at in 0..pieces.len() {
        match pieces[at].symbol() {
            Some("(" | "[" | "{") => open.push(at),
            Some(")" | "]" | "}") => {
                if let Some(opened) = open.pop() {
                    pieces[opened].close = Some(at);
                    pieces[at].open = Some(opened);
                }
            }
            _ => {}
        }
    }
}
