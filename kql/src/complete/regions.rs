//! Which pipelines the cursor stands in, outermost first. Brackets of calls and conditions are
//! part of the pipeline around them; subqueries and function bodies are pipelines of their own.

use std::ops::Range;

use super::cursor::Cursor;

/// The parser follows brackets to depth 60; beyond this there is nothing to bind.
const MAX_BRACKETS: usize = 100;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// The whole text, or a subquery
    Pipeline,
    /// The operators of `mv-apply ... on (` and `partition by x (`; the outer operator's tokens.
    Body(Range<usize>),
    /// `{` of a `let` function; the tokens of its parameters with their brackets.
    Lambda(Range<usize>),
}

/// Tokens with a pipeline of their own. `end` is where the next region's bracket opens, or the cursor.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) kind: Kind,
    pub(super) tokens: Range<usize>,
    /// The statement that holds the cursor begins here.
    pub(super) statement: usize,
    /// Where its pipeline begins: behind `let name =`.
    pub(super) pipeline: usize,
    /// The pipe in front of the operator that holds the cursor; `None` in the source.
    pub(super) pipe: Option<usize>,
}

impl Region {
    fn new(cursor: &Cursor<'_>, kind: Kind, tokens: Range<usize>) -> Self {
        let last = |symbol: &str, from: usize| {
            cursor.outside_brackets(from..tokens.end).filter(|at| cursor.symbol(*at) == Some(symbol)).last()
        };
        let statement = last(";", tokens.start).map_or(tokens.start, |at| at + 1);
        let mut pipeline = statement;
        if cursor.name(statement) == Some("let")
            && let Some(equals) = (statement..tokens.end.min(statement + 5)).find(|at| cursor.symbol(*at) == Some("="))
        {
            pipeline = equals + 1;
        }
        let pipe = last("|", pipeline);
        Self { kind, tokens, statement, pipeline, pipe }
    }

    /// The operator that holds the cursor, or the source.
    pub(super) fn segment(&self) -> Range<usize> {
        self.pipe.map_or(self.pipeline, |pipe| pipe + 1)..self.tokens.end
    }
}

pub(super) fn regions(cursor: &Cursor<'_>) -> Vec<Region> {
    let mut found = Vec::new();
    let mut kind = Kind::Pipeline;
    let mut start = 0;
    let brackets = cursor.open_brackets();
    for open in brackets.into_iter().take(MAX_BRACKETS) {
        let outer = Region::new(cursor, kind.clone(), start..open);
        if let Some(inner) = opened(cursor, open, &outer) {
            found.push(outer);
            kind = inner;
            start = open + 1;
        }
    }
    found.push(Region::new(cursor, kind, start..cursor.end()));
    found
}

/// The pipeline that a bracket opens, if it opens one.
fn opened(cursor: &Cursor<'_>, open: usize, outer: &Region) -> Option<Kind> {
    let before = open.checked_sub(1);
    let word = before.and_then(|before| cursor.name(before)).unwrap_or("");
    if cursor.symbol(open) == Some("{") {
        let close = before.filter(|before| cursor.symbol(*before) == Some(")"))?;
        return cursor.partner(close).map(|parameters| Kind::Lambda(parameters..open));
    }
    if cursor.symbol(open) != Some("(") {
        return None;
    }
    let segment = outer.segment().start..open;
    let operator = operator_name(cursor, segment.clone()).0;
    // `join kind=inner (`, not `join f(`
    let is_direct = before.is_some_and(|before| {
        cursor.symbol(before) == Some(",")
            || cursor.name(before) == Some(operator.as_str())
            || before.checked_sub(1).is_some_and(|value| cursor.symbol(value) == Some("="))
    });
    let has = |wanted: &str| cursor.outside_brackets(segment.clone()).any(|at| cursor.name(at) == Some(wanted));
    match operator.as_str() {
        "mv-apply" | "mvapply" if word == "on" => return Some(Kind::Body(segment)),
        "partition" if has("by") => return Some(Kind::Body(segment)),
        "join" | "lookup" if is_direct && !has("on") => return Some(Kind::Pipeline),
        "union" if is_direct => return Some(Kind::Pipeline),
        _ => {}
    }
    let starts_source = outer.pipe.is_none() && open == outer.pipeline && !matches!(outer.kind, Kind::Body(_));
    let pipe = cursor.outside_brackets(open + 1..cursor.end()).find(|at| cursor.symbol(*at) == Some("|"));
    // `where ((a > | extend ...`: a bracket that was forgotten, no subquery.
    let is_compared = |at: usize| {
        matches!(cursor.symbol(at), Some("==" | "!=" | "=~" | "!~" | "<" | ">" | "<=" | ">="))
            || matches!(cursor.name(at), Some("and" | "or"))
    };
    let has_pipe = pipe.is_some_and(|pipe| !cursor.outside_brackets(open + 1..pipe).any(is_compared));
    let is_subquery = matches!(word, "toscalar" | "materialize" | "view") || starts_source || has_pipe;
    is_subquery.then_some(Kind::Pipeline)
}

/// The name of the operator at the start of the tokens, dashes and all, and where it ends.
pub(super) fn operator_name(cursor: &Cursor<'_>, segment: Range<usize>) -> (String, usize) {
    let mut text = cursor.name(segment.start).filter(|_| !segment.is_empty()).unwrap_or("").to_string();
    let mut end = segment.start + usize::from(!text.is_empty());
    while !text.is_empty()
        && end + 1 < segment.end
        && cursor.symbol(end) == Some("-")
        && cursor.touches(end)
        && cursor.touches(end + 1)
        && let Some(more) = cursor.name(end + 1)
    {
        text = format!("{text}-{more}");
        end += 2;
    }
    (text, end)
}
