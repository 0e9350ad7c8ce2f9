//! `parse` and `parse-where`: every text is matched once, and gives all columns.

use memchr::memmem;
use polars::prelude::*;
use regex::Regex;

use super::{Binder, Bound, ColumnInfo, Table, lets::Scope};
use crate::{
    ast::{Expr as Ast, ExprKind, KqlType, Literal, Operator, OperatorParameter, ParsePart},
    diagnostics::{Diagnostic, codes},
    functions::{conversion, string},
    rows::{self, RowFunction, named},
    value::{Cell, Value},
};

impl Binder<'_> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn parse(
        &self,
        table: Table,
        parameters: &[OperatorParameter],
        value: &Ast,
        pattern: &[ParsePart],
        only_matches: bool,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let rows = scope.with_rows(&table.columns);
        let text = self.scalar(value, &rows)?.converted(KqlType::String);
        let kind = word(parameters, "kind").unwrap_or_else(|| "simple".to_string());
        let flags = word(parameters, "flags").unwrap_or_default();
        let source = match kind.as_str() {
            "simple" | "relaxed" => anchored_pattern(pattern),
            "regex" => free_pattern(pattern, &flags),
            other => {
                return Err(Diagnostic::new(
                    codes::VALUE,
                    operator.span.clone(),
                    format!("`parse` has the kinds simple, relaxed and regex, not `{other}`"),
                ));
            }
        };
        if kind != "regex" && open_string(pattern) {
            let message = "a string column right before `*` has no end: put a text between them";
            return Err(Diagnostic::new(codes::VALUE, operator.span.clone(), message));
        }
        let pieces = if kind == "regex" { None } else { Pieces::of(pattern) };
        let matcher = match pieces {
            Some(pieces) => Matcher::Pieces(pieces),
            None => Matcher::Regex(
                string::compile(&source)
                    .map_err(|problem| Diagnostic::new(codes::VALUE, operator.span.clone(), problem))?,
            ),
        };
        let targets: Vec<(String, KqlType)> = pattern
            .iter()
            .filter_map(|part| match part {
                ParsePart::Column { name, kql_type } => Some((name.text.clone(), *kql_type)),
                _ => None,
            })
            .collect();
        let types = targets.iter().map(|(_, kql_type)| *kql_type);
        let rule = Rule {
            matcher,
            targets: types
                .map(|kql_type| Target { kql_type, convert: conversion::converter(KqlType::String, kql_type) })
                .collect(),
            all_or_nothing: kind == "simple",
        };

        let mut columns = table.columns.clone();
        let mut expressions = Vec::new();
        for (at, (name, kql_type)) in targets.iter().enumerate() {
            let part = named(PARSED).struct_().field_by_name(&part_name(at));
            expressions.push(part.alias(name.as_str()));
            let column = ColumnInfo::new(name, *kql_type);
            match columns.iter_mut().find(|known| known.name == *name) {
                Some(known) => *known = column,
                None => columns.push(column),
            }
        }
        let parsed = parsed(text.expression, rule).alias(PARSED);
        let mut frame = table.frame.clone().with_columns([parsed]);
        if only_matches {
            frame = frame.filter(named(PARSED).struct_().field_by_name(MATCHES));
        }
        let kept: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
        Ok(table.with(frame.with_columns(expressions).select(kept), columns))
    }
}

fn open_string(pattern: &[ParsePart]) -> bool {
    pattern
        .windows(2)
        .any(|pair| matches!(pair, [ParsePart::Column { kql_type: KqlType::String, .. }, ParsePart::Star]))
}

/// The column that holds all parts of a row until they have names, and the flag among them that says
/// whether the pattern matched.
const PARSED: &str = "\0parsed";
const MATCHES: &str = "matches";

fn part_name(at: usize) -> String {
    format!("part {at}")
}

/// Matches every text once. Gives a struct: the parts, and the flag that says whether there are any.
fn parsed(text: Expr, rule: Rule) -> Expr {
    let fields = rule
        .targets
        .iter()
        .enumerate()
        .map(|(at, target)| Field::new(part_name(at).into(), rows::physical(target.kql_type)));
    let dtype = DataType::Struct(fields.chain([Field::new(MATCHES.into(), DataType::Boolean)]).collect());
    let run = move |column: Column| -> PolarsResult<Column> {
        let texts = column.str()?;
        let mut parts: Vec<Part> = rule.targets.iter().map(|target| Part::new(target.kql_type, texts.len())).collect();
        let mut matches = Vec::with_capacity(texts.len());
        let mut captures = Vec::with_capacity(parts.len());
        for text in texts.iter() {
            matches.push(rule.take_apart(text.unwrap_or_default(), &mut captures, &mut parts));
        }
        let mut series: Vec<Series> = parts
            .into_iter()
            .zip(&rule.targets)
            .enumerate()
            .map(|(at, (part, target))| part.finish(part_name(at).into(), target.kql_type))
            .collect();
        series.push(Series::new(MATCHES.into(), matches));
        Ok(StructChunked::from_series(column.name().clone(), column.len(), series.iter())?.into_column())
    };
    text.map(run, move |_, field| Ok(Field::new(field.name().clone(), dtype.clone())))
}

/// A column that is being captured; texts are copied once.
enum Part {
    Texts(StringChunkedBuilder),
    Cells(Vec<Value>),
}

impl Part {
    fn new(kql_type: KqlType, height: usize) -> Self {
        match kql_type {
            KqlType::String => Part::Texts(StringChunkedBuilder::new(PlSmallStr::EMPTY, height)),
            _ => Part::Cells(Vec::with_capacity(height)),
        }
    }

    fn push_nothing(&mut self) {
        match self {
            Part::Texts(texts) => texts.append_value(""),
            Part::Cells(cells) => cells.push(Cell::Null),
        }
    }

    fn finish(self, name: PlSmallStr, kql_type: KqlType) -> Series {
        match self {
            Part::Texts(texts) => texts.finish().with_name(name).into_series(),
            Part::Cells(cells) => rows::build(name, kql_type, cells.into_iter()),
        }
    }
}

/// How a text is taken apart.
struct Rule {
    matcher: Matcher,
    targets: Vec<Target>,
    /// `simple`: one value that does not convert makes the whole text no match.
    all_or_nothing: bool,
}

struct Target {
    kql_type: KqlType,
    convert: RowFunction,
}

enum Matcher {
    Regex(Regex),
    Pieces(Pieces),
}

impl Matcher {
    fn captures<'t>(&self, text: &'t str, captures: &mut Vec<&'t str>) -> bool {
        captures.clear();
        match self {
            Matcher::Pieces(pieces) => pieces.captures(text, captures),
            Matcher::Regex(regex) => match regex.captures(text) {
                Some(hit) => {
                    captures.extend(hit.iter().skip(1).map(|part| part.map_or("", |part| part.as_str())));
                    true
                }
                None => false,
            },
        }
    }
}

impl Rule {
    /// Adds one value to every part, an empty one if the text does not match.
    fn take_apart<'t>(&self, text: &'t str, captures: &mut Vec<&'t str>, parts: &mut [Part]) -> bool {
        let mut matches = self.matcher.captures(text, captures);
        let mut cells = Vec::new();
        if matches {
            for (target, capture) in self.targets.iter().zip(captures.iter()) {
                if target.kql_type != KqlType::String {
                    let cell = (target.convert)(&[Cell::Str((*capture).into())]);
                    matches &= !(self.all_or_nothing && cell.is_null());
                    cells.push(cell);
                }
            }
        }
        if !matches {
            parts.iter_mut().for_each(Part::push_nothing);
            return false;
        }
        let mut cells = cells.into_iter();
        for (part, capture) in parts.iter_mut().zip(captures.iter()) {
            match part {
                Part::Texts(texts) => texts.append_value(capture),
                Part::Cells(column) => column.extend(cells.next()),
            }
        }
        true
    }
}

/// The common pattern, texts with columns or stars between them, without a regular expression: each
/// text is looked for from where the last one ended. The first place is always right, since a later
/// one leaves less for what follows; only a text at the end of the pattern stands at the end.
struct Pieces {
    /// The text in front of the first gap
    head: String,
    /// The gaps, each with the text behind it
    gaps: Vec<Gap>,
    /// The last gap has no text behind it.
    open_end: bool,
}

struct Gap {
    captured: bool,
    behind: memmem::Finder<'static>,
}

impl Pieces {
    /// `None` for patterns in which gaps touch.
    fn of(pattern: &[ParsePart]) -> Option<Self> {
        let mut texts = vec![String::new()];
        let mut captured = Vec::new();
        let mut after_gap = false;
        for part in pattern {
            match part {
                ParsePart::Text(text) => {
                    texts.last_mut()?.push_str(text);
                    after_gap &= text.is_empty();
                }
                ParsePart::Star | ParsePart::Column { .. } if after_gap => return None,
                gap => {
                    captured.push(matches!(gap, ParsePart::Column { .. }));
                    texts.push(String::new());
                    after_gap = true;
                }
            }
        }
        let mut texts = texts.into_iter();
        let head = texts.next()?;
        let gaps = captured
            .into_iter()
            .zip(texts)
            .map(|(captured, text)| Gap { captured, behind: memmem::Finder::new(&text).into_owned() })
            .collect();
        Some(Self { head, gaps, open_end: after_gap })
    }

    fn captures<'t>(&self, text: &'t str, captures: &mut Vec<&'t str>) -> bool {
        self.whole(text, captures).is_some_and(str::is_empty)
    }

    /// What is left behind the last piece.
    fn whole<'t>(&self, text: &'t str, captures: &mut Vec<&'t str>) -> Option<&'t str> {
        let mut rest = text.strip_prefix(self.head.as_str())?;
        for (at, gap) in self.gaps.iter().enumerate() {
            let behind = gap.behind.needle();
            let end = match at + 1 == self.gaps.len() {
                true if self.open_end => rest.len(),
                true => rest.len().checked_sub(behind.len()).filter(|end| rest.as_bytes()[*end..] == *behind)?,
                false => gap.behind.find(rest.as_bytes())?,
            };
            if gap.captured {
                captures.push(&rest[..end]);
            }
            rest = &rest[end + behind.len()..];
        }
        Some(rest)
    }
}

fn word(parameters: &[OperatorParameter], name: &str) -> Option<String> {
    let parameter = parameters.iter().find(|parameter| parameter.name.text == name)?;
    match &parameter.value.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Literal(Literal::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// `simple` and `relaxed`: literal text, anchored at both ends, shortest captures.
fn anchored_pattern(pattern: &[ParsePart]) -> String {
    let parts: String = pattern
        .iter()
        .enumerate()
        .map(|(at, part)| match part {
            ParsePart::Star => ".*?".to_string(),
            ParsePart::Text(text) => regex::escape(text),
            ParsePart::Column { kql_type, .. } => match pattern.get(at + 1) {
                Some(ParsePart::Star) => typed_capture(*kql_type).to_string(),
                _ => "(.*?)".to_string(),
            },
        })
        .collect();
    format!("(?s)^{parts}$")
}

/// A capture that ends where the value of its type ends, for columns that no text follows.
fn typed_capture(kql_type: KqlType) -> &'static str {
    match kql_type {
        KqlType::Int | KqlType::Long => r"(\s*[-+]?\d+\s*)",
        KqlType::Real | KqlType::Decimal => r"(\s*[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\s*)",
        KqlType::Bool => r"(\s*(?i:true|false|[01])\s*)",
        _ => "(.*)",
    }
}

/// `kind=regex`: texts are patterns, captures are greedy, nothing is anchored.
fn free_pattern(pattern: &[ParsePart], flags: &str) -> String {
    let parts: String = pattern
        .iter()
        .map(|part| match part {
            ParsePart::Star => ".*".to_string(),
            ParsePart::Text(text) => uncaptured(text),
            ParsePart::Column { kql_type, .. } => typed_capture(*kql_type).to_string(),
        })
        .collect();
    let flags: String = flags.chars().filter(|flag| "imsU".contains(*flag)).collect();
    if flags.is_empty() { parts } else { format!("(?{flags}){parts}") }
}

/// Groups in a text piece must not shift the captures of the columns.
fn uncaptured(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        out.push(character);
        match character {
            '\\' => out.extend(rest.next()),
            '(' if rest.peek() != Some(&'?') => out.push_str("?:"),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> ParsePart {
        ParsePart::Text(text.into())
    }

    fn column() -> ParsePart {
        ParsePart::Column { name: crate::Name { text: "c".into(), span: 0..0 }, kql_type: KqlType::String }
    }

    proptest! {
        /// Looking for the pieces gives what the regular expression gives.
        #[test]
        fn pieces_are_the_regular_expression(
            subject in "[ab\u{e9}]{0,12}", head in "[ab]{0,2}", middle in "[ab]{1,2}", last in "[ab]{0,2}", shape in 0..6
        ) {
            let pattern = match shape {
                0 => vec![text(&head), column(), text(&middle), column(), text(&last)],
                1 => vec![text(&head), column(), text(&middle), column()],
                2 => vec![ParsePart::Star, text(&middle), column(), text(&last), text(&head)],
                3 => vec![column(), text(&middle), ParsePart::Star],
                4 => vec![text(&head), text(&middle)],
                _ => vec![text(&head), column(), text(&middle), column(), text(&last), column(), text(&middle)],
            };
            let Some(pieces) = Pieces::of(&pattern) else { return Ok(()) };
            let mut found = Vec::new();
            let hit = pieces.captures(&subject, &mut found);
            let regex = string::compile(&anchored_pattern(&pattern)).unwrap();
            let parts = |hit: regex::Captures<'_>| hit.iter().skip(1).flatten().map(|part| part.as_str().to_string()).collect::<Vec<_>>();
            let expected = regex.captures(&subject).map(parts);
            prop_assert_eq!(hit.then(|| found.into_iter().map(str::to_string).collect()), expected);
        }
    }
}
