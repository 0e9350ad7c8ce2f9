//! Where rows come from in the text: `print`, `range`, `datatable`, `search` and their kin, and the
//! declarations of columns and parameters that they share.

use nom::{
    Parser,
    combinator::{map, opt},
    multi::separated_list0,
};

use super::{
    Parsed,
    expr::expression,
    operators::{named_expressions, union_clause},
    tabular,
    tokens::{Tokens, keyword, name, nested, punct, required},
};
use crate::ast::*;

/// `print a = 1, 2`
pub(super) fn print(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (rest, values) = required(named_expressions, input.behind())?;
    Ok((rest, Expr { kind: ExprKind::Print(values), span: input.here().start..rest.previous_end() }))
}

/// `range x from 1 to 10 step 1`
pub(super) fn range(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let bounds = (name, keyword("from"), expression, keyword("to"), expression, keyword("step"), expression);
    let (rest, (column, (), from, (), to, (), step)) = required(bounds, input.behind())?;
    let kind = ExprKind::Range { column, from: Box::new(from), to: Box::new(to), step: Box::new(step) };
    Ok((rest, Expr { kind, span: input.here().start..rest.previous_end() }))
}

/// `union T1, T2` without a left side
pub(super) fn union_source(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (rest, union) = required(union_clause, input.behind())?;
    Ok((rest, Expr { kind: ExprKind::Union(union), span: input.here().start..rest.previous_end() }))
}

/// `datatable(name: type, ...) [value, ...]`
pub(super) fn datatable(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let values = nested(
        punct("["),
        nom::sequence::terminated(separated_list0(punct(","), datatable_value), opt(punct(","))),
        punct("]"),
    );
    let (rest, (columns, values)) = required((declared_columns, values), input.behind())?;
    Ok((rest, Expr { kind: ExprKind::Datatable { columns, values }, span: input.here().start..rest.previous_end() }))
}

/// A value, or the hole that a comma too many leaves; the binder reports it.
fn datatable_value(input: Tokens<'_>) -> Parsed<'_, Expr> {
    if input.symbol() == Some(",") {
        return Ok((input, Expr { kind: ExprKind::Error, span: input.here() }));
    }
    expression(input)
}

/// `(name: type, ...)`, perhaps with a comma behind the last.
pub(super) fn declared_columns(input: Tokens<'_>) -> Parsed<'_, Vec<(Name, KqlType)>> {
    let list = nom::sequence::terminated(separated_list0(punct(","), declared_column), opt(punct(",")));
    nested(punct("("), list, punct(")"))(input)
}

/// As [`column_declaration`], where nothing else may stand: what follows the colon must be a type.
fn declared_column(input: Tokens<'_>) -> Parsed<'_, (Name, KqlType)> {
    let (rest, (name, ())) = (name, punct(":")).parse(input)?;
    let (rest, kql_type) = required(kql_type, rest)?;
    Ok((rest, (name, kql_type)))
}

pub(super) fn column_declaration(input: Tokens<'_>) -> Parsed<'_, (Name, KqlType)> {
    let (rest, (name, (), kql_type)) = (name, punct(":"), kql_type).parse(input)?;
    Ok((rest, (name, kql_type)))
}

pub(super) fn kql_type(input: Tokens<'_>) -> Parsed<'_, KqlType> {
    match input.word().and_then(KqlType::from_name) {
        Some(kql_type) => Ok((input.behind(), kql_type)),
        None => input.expected("a type such as `string` or `long`"),
    }
}

/// `search "x"` without a left side
pub(super) fn search_source(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (rest, search) = required(tabular::search, input.behind())?;
    Ok((rest, Expr { kind: ExprKind::Search(search), span: input.here().start..rest.previous_end() }))
}

/// `find where x == 1`
pub(super) fn find_source(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (rest, find) = required(tabular::find, input.behind())?;
    Ok((rest, Expr { kind: ExprKind::Find(find), span: input.here().start..rest.previous_end() }))
}

/// A source that the engine recognises and refuses; its text is skipped.
pub(super) fn unsupported_source<'t>(input: Tokens<'t>, word: &str) -> Parsed<'t, Expr> {
    let rest = input.skip_to(&["|", ";"]);
    Ok((rest, Expr { kind: ExprKind::UnsupportedSource(word.to_string()), span: input.here() }))
}

/// `name: type [= default]`, `name: (column: type, ...)` or `name: (*)`
pub(super) fn parameter(input: Tokens<'_>) -> Parsed<'_, Parameter> {
    let (rest, (name, ())) = (name, punct(":")).parse(input)?;
    if rest.symbol() == Some("(") {
        // `(a: string, *)` says what must be there and lets the rest through.
        let star = opt((opt(punct(",")), punct("*")));
        let columns = map((separated_list0(punct(","), column_declaration), star), |(columns, _)| columns);
        let (rest, columns) = nested(punct("("), columns, punct(")"))(rest)?;
        return Ok((rest, Parameter { name, scalar_type: None, columns, default: None }));
    }
    let (rest, kql_type) = required(kql_type, rest)?;
    let (rest, default) = opt(nom::sequence::preceded(punct("="), expression)).parse(rest)?;
    Ok((rest, Parameter { name, scalar_type: Some(kql_type), columns: Vec::new(), default }))
}
