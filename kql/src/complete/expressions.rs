//! Inside an expression: is an operand wanted at the cursor, or an operator?

use std::ops::Range;

use super::{cursor::Cursor, situation::Situation};
use crate::ast::KqlType;

/// What an expression goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Operand,
    /// Behind an operand, of this type if it is known; the flag says that it is compared already.
    Operator(Option<KqlType>, bool),
}

/// Words behind which an operand follows.
const BEFORE_OPERANDS: &str = "and or not by on of in in~ !in !in~ has_any has_all between !between has !has has_cs \
    !has_cs contains !contains contains_cs !contains_cs startswith !startswith startswith_cs !startswith_cs endswith \
    !endswith endswith_cs !endswith_cs hasprefix !hasprefix hassuffix !hassuffix regex from to step with where limit \
    default";

const COMPARISONS: &str = "== != <> < > <= >= =~ !~ has !has has_cs !has_cs contains !contains contains_cs !contains_cs \
    startswith !startswith startswith_cs !startswith_cs endswith !endswith endswith_cs !endswith_cs hasprefix !hasprefix \
    hassuffix !hassuffix regex in in~ !in !in~ has_any has_all between !between";

fn is_of(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|known| known == word)
}

/// What is wanted behind the tokens of `range`, the cursor's operator without its name.
pub(super) fn wanted(cursor: &Cursor<'_>, range: Range<usize>, situation: &Situation<'_>) -> Wanted {
    let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else { return Wanted::Operand };
    let ends_operand = match cursor.name(last) {
        Some(word) => !is_of(BEFORE_OPERANDS, word),
        None => cursor.is_literal(last) || matches!(cursor.symbol(last), Some(")" | "]" | "}" | "*")),
    };
    if !ends_operand {
        return Wanted::Operand;
    }
    let start = operand_start(cursor, last, range.start);
    let before = start.checked_sub(1).filter(|before| *before >= range.start);
    let word = |at: usize| cursor.name(at).or_else(|| cursor.symbol(at)).unwrap_or("");
    let is_compared = before.is_some_and(|before| is_of(COMPARISONS, word(before)));
    if is_compared {
        return Wanted::Operator(Some(KqlType::Bool), true);
    }
    Wanted::Operator(situation.type_of(cursor.slice(start..last + 1)), false)
}

/// Where the operand begins that ends with the token `last`: `a.b[0]` and `f(x).y` are one.
pub(super) fn operand_start(cursor: &Cursor<'_>, last: usize, least: usize) -> usize {
    let mut at = last;
    loop {
        while let (Some("]"), Some(open)) = (cursor.symbol(at), cursor.partner(at)) {
            // `['name']` stands alone; `a[0]` has a base.
            let has_base = open > least
                && (cursor.name(open - 1).is_some_and(|word| !is_of(BEFORE_OPERANDS, word))
                    || matches!(cursor.symbol(open - 1), Some(")" | "]")));
            at = open;
            if !has_base {
                break;
            }
            at -= 1;
        }
        if let (Some(")"), Some(open)) = (cursor.symbol(at), cursor.partner(at)) {
            let is_call = open > least && cursor.name(open - 1).is_some_and(|word| !is_of(BEFORE_OPERANDS, word));
            at = if is_call { open - 1 } else { open };
        }
        if at < least + 2 || cursor.symbol(at - 1) != Some(".") {
            return at.max(least);
        }
        at -= 2;
    }
}
