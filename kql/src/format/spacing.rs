//! Whether two tokens side by side have a blank between them.

use super::{
    layout::{Around, Layout},
    source::Piece,
};
use crate::parser;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Spacing {
    None,
    Blank,
}

/// Parameters that stand right behind an operator's name.
pub(super) const PARAMETERS: &[&str] = &[
    "kind",
    "withsource",
    "with_source",
    "isfuzzy",
    "bagexpansion",
    "with_itemindex",
    "datascope",
    "flags",
    "with_match_id",
    "decodeblocks",
];

/// Operators that have them.
pub(super) const WITH_PARAMETERS: &[&str] = &[
    "find",
    "join",
    "lookup",
    "make-series",
    "mv-apply",
    "mv-expand",
    "mvapply",
    "mvexpand",
    "parse",
    "parse-where",
    "reduce",
    "scan",
    "search",
    "union",
];

/// Words that are not functions when brackets follow.
const KEYWORDS: &str = "!between !contains !contains_cs !endswith !endswith_cs !has !has_cs !hasprefix !hasprefix_cs \
    !hassuffix !hassuffix_cs !in !in~ !startswith !startswith_cs and as asc between by contains \
    contains_cs declare desc distinct endswith endswith_cs evaluate extend filter find from has has_all \
    has_any has_cs hasprefix hasprefix_cs hassuffix hassuffix_cs in in~ invoke join let limit lookup of \
    on or order parse partition print project regex sample scan search serialize sort startswith \
    startswith_cs step summarize take to top union view where with";

fn is_keyword(word: &str) -> bool {
    KEYWORDS.split(' ').any(|keyword| keyword == word)
}

/// Dashed words in the middle of an operator.
const DASHED: &[&str] = &["granny-asc", "granny-desc", "project-smart"];

/// Marks the dashes and words of `project-away` and the like: they must touch.
pub(super) fn joined(pieces: &[Piece<'_>]) -> Vec<bool> {
    let mut joined = vec![false; pieces.len()];
    let mut at = 0;
    while at < pieces.len() {
        let Some(first) = pieces[at].word() else {
            at += 1;
            continue;
        };
        let mut text = first.to_string();
        let (mut end, mut known_end) = (at + 1, at + 1);
        while end + 1 < pieces.len()
            && pieces[end].symbol() == Some("-")
            && pieces[end].touches
            && pieces[end + 1].touches
            && let Some(word) = pieces[end + 1].word()
        {
            text = format!("{text}-{word}");
            end += 2;
            if parser::known_operators().any(|known| known == text) || DASHED.contains(&text.as_str()) {
                known_end = end;
            }
            // No operator has more dashes.
            if text.len() > 30 {
                break;
            }
        }
        joined[at + 1..known_end].fill(true);
        at = known_end.max(at + 1);
    }
    joined
}

/// Whether a blank stands before the token at `at`.
pub(super) fn before(layout: &Layout<'_, '_>, at: usize, around: Around) -> Spacing {
    let (previous, current) = (&layout.pieces[at - 1], &layout.pieces[at]);
    if layout.joined[at] {
        return Spacing::None;
    }
    let (left, right) = (previous.symbol(), current.symbol());
    let is_tight = match (left, right) {
        _ if around.patterns && (left == Some("*") || right == Some("*")) => current.touches,
        (_, Some("," | ";" | ")" | "]" | "}")) | (Some("(" | "[" | "{"), _) => true,
        // `5 .x` would not be the same number without its blank.
        (_, Some(".")) => !previous.is_literal(),
        (Some("."), _) => true,
        (_, Some(":")) => around.json || left != Some(")"),
        (Some(":"), _) => !around.json && !is_step(layout, at - 1) && !is_behind_bracket(layout, at - 1),
        (_, Some("=")) | (Some("="), _) if around.properties => true,
        (_, Some("=")) => is_default_of_series(layout, at),
        (Some("="), _) => is_default_of_series(layout, at - 1),
        (Some("-" | "+"), _) => is_sign(layout, at - 1),
        (_, Some("(")) => match previous.word() {
            Some(word) => !is_keyword(word) && !layout.joined[at - 1],
            None => false,
        },
        (_, Some("[")) => match previous.word() {
            Some(word) => !is_keyword(word) && !layout.joined[at - 1],
            None => {
                let declares = layout
                    .declaring_word(at)
                    .is_some_and(|(word, _)| matches!(word, "datatable" | "externaldata" | "external_data"));
                matches!(left, Some(")" | "]")) && !declares
            }
        },
        _ => false,
    };
    if is_tight { Spacing::None } else { Spacing::Blank }
}

/// The `-` of `-1`, not of `a - 1`.
fn is_sign(layout: &Layout<'_, '_>, at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return true };
    match &layout.pieces[before] {
        piece if piece.word().is_some_and(is_keyword) => true,
        piece if piece.word().is_some() || piece.is_literal() => false,
        piece => !matches!(piece.symbol(), Some(")" | "]" | "}")),
    }
}

/// `default=0` of `make-series`.
fn is_default_of_series(layout: &Layout<'_, '_>, equals: usize) -> bool {
    equals >= 2 && layout.word(equals - 1) == Some("default") && layout.symbol(equals - 2) == Some(")")
}

/// The colon of `step name: condition`
fn is_step(layout: &Layout<'_, '_>, colon: usize) -> bool {
    let before = colon.saturating_sub(12)..colon;
    before
        .rev()
        .take_while(|at| !matches!(layout.symbol(*at), Some(";" | "(" | ",")))
        .any(|at| layout.word(at) == Some("step"))
}

/// The colon of `evaluate plugin() : (schema)`
fn is_behind_bracket(layout: &Layout<'_, '_>, colon: usize) -> bool {
    colon > 0 && layout.symbol(colon - 1) == Some(")")
}
