//! Scalar expressions by precedence:
//! `or` < `and` < comparison, string operators, `in`, `between` < `+ -` < `* / %` < sign < path and call.

use nom::{Parser, branch::alt, combinator::opt, multi::separated_list0};

use super::{
    Parsed, literals,
    tokens::{Tokens, bracketed_name, deeper, keyword, name, nested, punct, required},
};
use crate::{
    ast::{Argument, BinaryOp, Expr, ExprKind, ListOp, Literal, Name, TextMatch, TextOp},
    lexer::TokenKind,
};

pub(crate) fn expression(input: Tokens<'_>) -> Parsed<'_, Expr> {
    super::measured(disjunction, input)
}

fn disjunction(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (rest, operands) = chained("or", conjunction, input)?;
    Ok((rest, flat(operands, ExprKind::Or)))
}

fn conjunction(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (rest, operands) = chained("and", comparison, input)?;
    Ok((rest, flat(operands, ExprKind::And)))
}

fn chained<'t>(
    word: &'static str,
    operand: impl Fn(Tokens<'t>) -> Parsed<'t, Expr>,
    input: Tokens<'t>,
) -> Parsed<'t, Vec<Expr>> {
    let (mut rest, first) = super::measured(&operand, input)?;
    let mut operands = vec![first];
    while let Ok((after, ())) = keyword(word)(rest) {
        let (after, next) = super::measured(|input| required(&operand, input), after)?;
        operands.push(next);
        rest = after;
    }
    Ok((rest, operands))
}

fn flat(mut operands: Vec<Expr>, join: fn(Vec<Expr>) -> ExprKind) -> Expr {
    if operands.len() == 1 {
        return operands.swap_remove(0);
    }
    let span = operands[0].span.start..operands[operands.len() - 1].span.end;
    Expr { kind: join(operands), span }
}

fn comparison(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (mut rest, mut left) = sum(input)?;
    loop {
        (rest, left) = if let Some(op) = comparison_operator(rest) {
            binary(left, op, rest)?
        } else if let Some(op) = list_operator(rest) {
            list(left, op, rest)?
        } else if let Some(negated) = between_operator(rest) {
            between(left, negated, rest)?
        } else if let Some((rest, term)) = term_in_column(&left, rest) {
            (rest, term)
        } else {
            return Ok((rest, left));
        };
        super::grow(rest)?;
    }
}

/// `column:"term"`, as `search` has it.
fn term_in_column<'t>(left: &Expr, input: Tokens<'t>) -> Option<(Tokens<'t>, Expr)> {
    let ExprKind::Name(column) = &left.kind else { return None };
    let (rest, ()) = punct(":")(input).ok()?;
    let (rest, kind) = literals::literal(rest).ok()?;
    let value_span = input.behind().here().start..rest.previous_end();
    let column = Some(Name { text: column.clone(), span: left.span.clone() });
    let value = Box::new(Expr { kind, span: value_span.clone() });
    Some((rest, Expr { kind: ExprKind::Term { column, value }, span: left.span.start..value_span.end }))
}

/// The operator and how many tokens it takes.
fn comparison_operator(input: Tokens<'_>) -> Option<(BinaryOp, usize)> {
    if let Some(symbol) = input.symbol() {
        let op = match symbol {
            "==" => BinaryOp::Equal,
            "!=" | "<>" => BinaryOp::NotEqual,
            "<" => BinaryOp::Less,
            "<=" => BinaryOp::LessOrEqual,
            ">" => BinaryOp::Greater,
            ">=" => BinaryOp::GreaterOrEqual,
            "=~" => equals_ignoring_case(false),
            "!~" => equals_ignoring_case(true),
            // A host that writes `a = b` in a predicate means `==`; the binder cannot guess that.
            _ => return None,
        };
        return Some((op, 1));
    }
    let word = input.word()?;
    if matches!(word, "matches" | "!matches") && input.behind().word() == Some("regex") {
        return Some((BinaryOp::MatchesRegex { negated: word.starts_with('!') }, 2));
    }
    text_operator(word).map(|op| (BinaryOp::Text(op), 1))
}

fn equals_ignoring_case(negated: bool) -> BinaryOp {
    BinaryOp::Text(TextOp { how: TextMatch::Equals, negated, case_sensitive: false })
}

fn text_operator(word: &str) -> Option<TextOp> {
    let (negated, word) = match word.strip_prefix('!') {
        Some(word) => (true, word),
        None => (false, word),
    };
    let (case_sensitive, word) = match word.strip_suffix("_cs") {
        Some(word) => (true, word),
        None => (false, word),
    };
    let how = match word {
        "has" => TextMatch::Has,
        "hasprefix" => TextMatch::HasPrefix,
        "hassuffix" => TextMatch::HasSuffix,
        "contains" => TextMatch::Contains,
        "startswith" => TextMatch::StartsWith,
        "endswith" => TextMatch::EndsWith,
        // Spellings of the first KQL versions that old detections still use.
        "notcontains" => return Some(TextOp { how: TextMatch::Contains, negated: true, case_sensitive }),
        "containscs" => return Some(TextOp { how: TextMatch::Contains, negated, case_sensitive: true }),
        _ => return None,
    };
    Some(TextOp { how, negated, case_sensitive })
}

fn list_operator(input: Tokens<'_>) -> Option<ListOp> {
    Some(match input.word()? {
        "in" => ListOp::In { negated: false, case_sensitive: true },
        "in~" => ListOp::In { negated: false, case_sensitive: false },
        "!in" => ListOp::In { negated: true, case_sensitive: true },
        "!in~" => ListOp::In { negated: true, case_sensitive: false },
        "has_any" => ListOp::HasAny,
        "has_all" => ListOp::HasAll,
        _ => return None,
    })
}

fn between_operator(input: Tokens<'_>) -> Option<bool> {
    match input.word()? {
        "between" => Some(false),
        "!between" => Some(true),
        _ => None,
    }
}

fn binary<'t>(left: Expr, (op, width): (BinaryOp, usize), input: Tokens<'t>) -> Parsed<'t, Expr> {
    let operand = (0..width).fold(input, |input, _| input.behind());
    let (rest, right) = required(sum, operand)?;
    Ok((rest, joined(left, op, right)))
}

fn joined(left: Expr, op: BinaryOp, right: Expr) -> Expr {
    let span = left.span.start..right.span.end;
    Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span }
}

fn list<'t>(value: Expr, op: ListOp, input: Tokens<'t>) -> Parsed<'t, Expr> {
    let items = separated_list0(punct(","), super::tabular_expression);
    let (rest, items) = required(nested(punct("("), items, punct(")")), input.behind())?;
    let span = value.span.start..rest.previous_end();
    Ok((rest, Expr { kind: ExprKind::List { op, value: Box::new(value), items }, span }))
}

fn between<'t>(value: Expr, negated: bool, input: Tokens<'t>) -> Parsed<'t, Expr> {
    let bounds = (expression, punct(".."), expression);
    let (rest, (low, (), high)) = required(nested(punct("("), bounds, punct(")")), input.behind())?;
    let span = value.span.start..rest.previous_end();
    Ok((
        rest,
        Expr {
            kind: ExprKind::Between { negated, value: Box::new(value), low: Box::new(low), high: Box::new(high) },
            span,
        },
    ))
}

pub(super) fn sum(input: Tokens<'_>) -> Parsed<'_, Expr> {
    arithmetic(product, &[("+", BinaryOp::Add), ("-", BinaryOp::Subtract)], input)
}

fn product(input: Tokens<'_>) -> Parsed<'_, Expr> {
    arithmetic(signed, &[("*", BinaryOp::Multiply), ("/", BinaryOp::Divide), ("%", BinaryOp::Modulo)], input)
}

fn arithmetic<'t>(
    operand: fn(Tokens<'t>) -> Parsed<'t, Expr>,
    operators: &[(&str, BinaryOp)],
    input: Tokens<'t>,
) -> Parsed<'t, Expr> {
    let (mut rest, mut left) = operand(input)?;
    loop {
        let Some((_, op)) = operators.iter().find(|(symbol, _)| rest.symbol() == Some(symbol)) else {
            return Ok((rest, left));
        };
        let (after, right) = super::measured(|input| required(operand, input), rest.behind())?;
        super::grow(after)?;
        left = joined(left, *op, right);
        rest = after;
    }
}

fn signed(input: Tokens<'_>) -> Parsed<'_, Expr> {
    match input.symbol() {
        Some("-") => {
            let (rest, operand) = deeper(signed, input.behind())?;
            let span = input.here().start..operand.span.end;
            Ok((rest, Expr { kind: ExprKind::Negate(Box::new(operand)), span }))
        }
        Some("+") => deeper(signed, input.behind()),
        _ => postfix(input),
    }
}

/// A primary with its `.member`s and `[index]`es.
pub(super) fn postfix(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let (mut rest, mut base) = primary(input)?;
    loop {
        let start = base.span.start;
        if matches!(rest.symbol(), Some("." | "[")) {
            super::grow(rest)?;
        }
        if let Ok((after, ())) = punct(".")(rest) {
            // `a.[0]` is `a[0]`.
            if let Ok((after, index)) = nested(punct("["), expression, punct("]"))(after)
                && !matches!(index.kind, ExprKind::Literal(Literal::String(_)))
            {
                base = Expr {
                    kind: ExprKind::Index { base: Box::new(base), index: Box::new(index) },
                    span: start..after.previous_end(),
                };
                rest = after;
                continue;
            }
            let (after, kind) = member(base, after)?;
            base = Expr { kind, span: start..after.previous_end() };
            rest = after;
        } else if rest.symbol() == Some("[") {
            let (after, index) = nested(punct("["), expression, punct("]"))(rest)?;
            base = Expr {
                kind: ExprKind::Index { base: Box::new(base), index: Box::new(index) },
                span: start..after.previous_end(),
            };
            rest = after;
        } else {
            return Ok((rest, base));
        }
    }
}

/// `.name`, `.["name"]` or `.function(...)`
fn member<'t>(base: Expr, input: Tokens<'t>) -> Parsed<'t, ExprKind> {
    let (rest, member) = required(alt((bracketed_name, name)), input)?;
    if rest.symbol() == Some("(") {
        let (rest, arguments) = nested(punct("("), separated_list0(punct(","), argument), punct(")"))(rest)?;
        return Ok((rest, ExprKind::Method { base: Box::new(base), name: member, arguments }));
    }
    Ok((rest, ExprKind::Member { base: Box::new(base), member }))
}

fn primary(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let start = input.here().start;
    let (rest, kind) = match input.first().map(|token| &token.kind) {
        Some(TokenKind::Literal(_)) => literals::literal(input)?,
        Some(TokenKind::HostScalar(host)) => (input.behind(), ExprKind::HostScalar(host.clone())),
        Some(TokenKind::Punct("(")) => {
            let (rest, inner) = nested(punct("("), super::tabular_expression, punct(")"))(input)?;
            // The brackets belong to the span, so that a caret under the operand covers them.
            return Ok((rest, Expr { kind: inner.kind, span: start..rest.previous_end() }));
        }
        Some(TokenKind::Punct("*")) => (input.behind(), ExprKind::Star),
        Some(TokenKind::Punct("[")) => bracketed_name(input).map(|(rest, name)| (rest, ExprKind::Name(name.text)))?,
        Some(TokenKind::Name(_)) => named(input)?,
        _ => return input.expected("an expression"),
    };
    Ok((rest, Expr { kind, span: start..rest.previous_end() }))
}

/// A constant word, `dynamic(...)`, a call, or a name.
fn named(input: Tokens<'_>) -> Parsed<'_, ExprKind> {
    let word = input.word().unwrap_or("");
    let calls = input.behind().symbol() == Some("(");
    match word {
        "true" | "false" | "null" | "True" | "False" | "TRUE" | "FALSE" if !calls => literals::constant_word(input),
        "dynamic" if calls => literals::dynamic(input),
        "datatable" if input.behind().starts_operand() => {
            super::sources::datatable(input).map(|(rest, table)| (rest, table.kind))
        }
        "externaldata" if calls => super::tabular::external_data(input).map(|(rest, table)| (rest, table.kind)),
        _ if word.starts_with('!') => input.expected("an expression"),
        _ if calls => call(input),
        // `$left` and `$right` are names only here.
        _ => Ok((input.behind(), ExprKind::Name(word.to_string()))),
    }
}

/// A table as `union`, `search in` and `find in` take it: perhaps with `*` in its name.
pub(super) fn table_reference(input: Tokens<'_>) -> Parsed<'_, Expr> {
    let start = input.here().start;
    let mut pattern = String::new();
    let mut rest = input;
    while let Some(part) = rest.word().or_else(|| rest.symbol().filter(|symbol| *symbol == "*")) {
        if !pattern.is_empty() && !rest.touches_previous() {
            break;
        }
        pattern.push_str(part);
        rest = rest.behind();
    }
    if pattern.contains('*') && (rest.ends_operator() || rest.word().is_some()) {
        return Ok((rest, Expr { kind: ExprKind::Wildcard(pattern), span: start..rest.previous_end() }));
    }
    postfix(input)
}

pub(super) fn call(input: Tokens<'_>) -> Parsed<'_, ExprKind> {
    let (rest, name) = name(input)?;
    let (rest, arguments) = nested(punct("("), separated_list0(punct(","), argument), punct(")"))(rest)?;
    Ok((rest, ExprKind::Call { name, arguments }))
}

fn argument(input: Tokens<'_>) -> Parsed<'_, Argument> {
    let (rest, name) = opt((name, punct("="))).parse(input)?;
    let (rest, value) = super::tabular_expression(rest)?;
    Ok((rest, Argument { name: name.map(|(name, ())| name), value }))
}
