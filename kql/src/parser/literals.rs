//! Literals that take more than one token: joined strings, words, `dynamic(...)`.

use nom::{
    Parser,
    branch::alt,
    combinator::{map, opt},
    multi::separated_list0,
};
use serde_json::{Map, Number, Value};

use super::{
    Parsed,
    tokens::{Tokens, name, nested, punct, required, string},
};
use crate::{
    ast::{ExprKind, Literal},
    lexer::TokenKind,
    ticks,
};

/// A literal token; adjacent strings are one string.
pub(super) fn literal(input: Tokens<'_>) -> Parsed<'_, ExprKind> {
    if let Ok((rest, text)) = string(input) {
        return Ok((rest, ExprKind::Literal(Literal::String(text))));
    }
    match input.first().map(|token| &token.kind) {
        Some(TokenKind::Literal(literal)) => Ok((input.behind(), ExprKind::Literal(literal.clone()))),
        _ => input.expected("a literal"),
    }
}

/// `true`, `false`, `null`
pub(super) fn constant_word(input: Tokens<'_>) -> Parsed<'_, ExprKind> {
    let literal = match input.word() {
        Some("true" | "True" | "TRUE") => Literal::Bool(Some(true)),
        Some("false" | "False" | "FALSE") => Literal::Bool(Some(false)),
        Some("null") => Literal::Dynamic(Value::Null),
        _ => return input.expected("a literal"),
    };
    Ok((input.behind(), ExprKind::Literal(literal)))
}

/// `dynamic(value)`
pub(super) fn dynamic(input: Tokens<'_>) -> Parsed<'_, ExprKind> {
    let (rest, value) = nested(punct("("), json, punct(")"))(input.behind())?;
    Ok((rest, ExprKind::Literal(Literal::Dynamic(value))))
}

fn json(input: Tokens<'_>) -> Parsed<'_, Value> {
    match input.symbol() {
        Some("[") => array(input),
        Some("{") => object(input),
        Some("-") => required(json_atom, input.behind()).map(|(rest, value)| (rest, negated(value))),
        _ => json_atom(input),
    }
}

fn array(input: Tokens<'_>) -> Parsed<'_, Value> {
    let items = (separated_list0(punct(","), json), opt(punct(",")));
    let (rest, (items, _)) = nested(punct("["), items, punct("]"))(input)?;
    Ok((rest, Value::Array(items)))
}

fn object(input: Tokens<'_>) -> Parsed<'_, Value> {
    let items = (separated_list0(punct(","), entry), opt(punct(",")));
    let (rest, (entries, _)) = nested(punct("{"), items, punct("}"))(input)?;
    Ok((rest, Value::Object(entries.into_iter().collect::<Map<_, _>>())))
}

fn entry(input: Tokens<'_>) -> Parsed<'_, (String, Value)> {
    let key = alt((string, map(name, |name| name.text)));
    let (rest, (key, (), value)) = (key, punct(":"), json).parse(input)?;
    Ok((rest, (key, value)))
}

fn json_atom(input: Tokens<'_>) -> Parsed<'_, Value> {
    if let Ok((rest, text)) = string(input) {
        return Ok((rest, Value::String(text)));
    }
    match input.first().map(|token| &token.kind) {
        Some(TokenKind::Literal(literal)) => Ok((input.behind(), json_of(literal))),
        Some(TokenKind::Name(word)) => match word.as_str() {
            "true" => Ok((input.behind(), Value::Bool(true))),
            "false" => Ok((input.behind(), Value::Bool(false))),
            "null" => Ok((input.behind(), Value::Null)),
            "dynamic" => nested(punct("("), json, punct(")"))(input.behind()),
            _ => input.expected("a JSON value"),
        },
        _ => input.expected("a JSON value"),
    }
}

fn negated(value: Value) -> Value {
    match &value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.checked_neg().map_or(value, Value::from),
            (None, Some(real)) => Value::from(-real),
            _ => value,
        },
        _ => value,
    }
}

/// What a literal becomes inside a dynamic: timespans become tick counts, datetimes text.
fn json_of(literal: &Literal) -> Value {
    match literal {
        Literal::Bool(Some(value)) => Value::Bool(*value),
        Literal::Int(Some(value)) => Value::from(*value),
        Literal::Long(Some(value)) | Literal::Timespan(Some(value)) => Value::from(*value),
        Literal::Real(Some(value)) => {
            Number::from_f64(*value).map_or_else(|| Value::String(non_finite(*value)), Value::Number)
        }
        Literal::Decimal(Some(text)) | Literal::Guid(Some(text)) | Literal::String(text) => Value::String(text.clone()),
        Literal::Datetime(Some(value)) => Value::String(ticks::format_datetime(*value)),
        Literal::Dynamic(value) => value.clone(),
        _ => Value::Null,
    }
}

fn non_finite(value: f64) -> String {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
    .to_string()
}
