//! Scalar expressions to typed polars expressions.

use std::sync::Arc;

use polars::prelude::*;

use super::{Binder, Bound, Either, Typed, lets::Scope, not_executed};
use crate::{
    ast::{BinaryOp, Expr as Ast, ExprKind, KqlType, ListOp, Literal, TextMatch, TextOp},
    diagnostics::{Diagnostic, Span, codes},
    functions::{self, dynamic::Step, text_match},
    value::{self, Cell, Value},
};

impl Binder<'_> {
    /// Plans a scalar expression against the rows of `scope`.
    pub(crate) fn scalar(&self, expression: &Ast, scope: &Scope) -> Bound<Typed> {
        self.spend(1, &expression.span)?;
        let span = &expression.span;
        match &expression.kind {
            ExprKind::Literal(literal) => Ok(Typed::constant(value::of_literal(literal), literal.kql_type())),
            ExprKind::HostScalar(name) => self.host_scalar(name, span),
            ExprKind::Member { base, .. } if super::is_remote(base) => {
                Err(Diagnostic::new(codes::TYPE, span.clone(), "a scalar is needed here, this is a table"))
            }
            ExprKind::Member { .. } | ExprKind::Index { .. } => self.path(expression, scope),
            ExprKind::Negate(operand) => self.negated(operand, span, scope),
            ExprKind::And(operands) => Ok(conjunction(self.conditions(operands, scope)?)),
            ExprKind::Or(operands) => Ok(disjunction(self.conditions(&merged_terms(operands), scope)?)),
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right, span, scope),
            ExprKind::Between { negated, value, low, high } => self.between(*negated, value, low, high, scope),
            ExprKind::List { op, value, items } => self.list(*op, value, items, span, scope),
            ExprKind::Star => Err(Diagnostic::new(
                codes::SYNTAX,
                span.clone(),
                "`*` stands for columns only in count(*), arg_max(x, *) and project-like operators",
            )),
            ExprKind::Error => Err(Diagnostic::new(codes::SYNTAX, span.clone(), "this is not an expression")),
            ExprKind::Lambda { .. } => {
                Err(Diagnostic::new(codes::SYNTAX, span.clone(), "a function can only be bound with `let`"))
            }
            _ => match self.either(expression, scope)? {
                Either::Scalar(value) => Ok(value),
                Either::Table(_) => {
                    Err(Diagnostic::new(codes::TYPE, span.clone(), "a scalar is needed here, this is a table")
                        .with_hint("use toscalar(...) for its first value"))
                }
            },
        }
    }

    /// A scalar that must be a bool.
    pub(crate) fn condition(&self, expression: &Ast, scope: &Scope) -> Bound<Typed> {
        let value = self.scalar(expression, scope)?;
        match value.kql_type {
            KqlType::Bool => Ok(value),
            KqlType::Dynamic => Ok(value.converted(KqlType::Bool)),
            other => Err(Diagnostic::new(
                codes::TYPE,
                expression.span.clone(),
                format!("a condition must be a bool, this is a {other}"),
            )
            .with_hint(match other {
                KqlType::String => "compare it, or ask isnotempty() of it",
                _ => "compare it, or ask isnotnull() of it",
            })),
        }
    }

    fn conditions(&self, operands: &[Ast], scope: &Scope) -> Bound<Vec<Typed>> {
        operands.iter().map(|operand| self.condition(operand, scope)).collect()
    }

    fn host_scalar(&self, name: &str, span: &Span) -> Bound<Typed> {
        match self.host_value(name) {
            Some(literal) => Ok(Typed::constant(value::of_literal(&literal), literal.kql_type())),
            None => Err(Diagnostic::new(
                codes::UNKNOWN_COLUMN,
                span.clone(),
                format!("the session has no value `{name}` for `${{{name}}}`"),
            )),
        }
    }

    fn negated(&self, operand: &Ast, span: &Span, scope: &Scope) -> Bound<Typed> {
        let value = self.scalar(operand, scope)?;
        let kql_type = match value.kql_type {
            KqlType::Int | KqlType::Long | KqlType::Dynamic => KqlType::Long,
            KqlType::Real | KqlType::Timespan | KqlType::Decimal => value.kql_type,
            other => {
                return Err(Diagnostic::new(codes::TYPE, span.clone(), format!("`-` is not defined for a {other}")));
            }
        };
        let value = if value.kql_type == KqlType::Dynamic { value.converted(KqlType::Long) } else { value };
        Ok(Typed::apply(
            vec![value],
            kql_type,
            Arc::new(|cells| match &cells[0] {
                Cell::Long(value) => value.wrapping_neg().into(),
                Cell::Real(value) => (-value).into(),
                other => other.decimal().map(crate::decimal::Decimal::negated).into(),
            }),
        ))
    }

    fn binary(&self, op: BinaryOp, left: &Ast, right: &Ast, span: &Span, scope: &Scope) -> Bound<Typed> {
        match op {
            BinaryOp::Text(text) => self.text_operator(text, left, right, span, scope),
            BinaryOp::MatchesRegex { negated } => {
                let hit = self.matches_regex(left, right, span, scope)?;
                Ok(if negated { not(hit) } else { hit })
            }
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => {
                let (left, right) = (self.scalar(left, scope)?, self.scalar(right, scope)?);
                arithmetic(op, left, right, span)
            }
            _ => self.comparison(op, left, right, span, scope),
        }
    }

    fn text_operator(&self, op: TextOp, left: &Ast, right: &Ast, span: &Span, scope: &Scope) -> Bound<Typed> {
        if matches!(left.kind, ExprKind::Star) {
            return self.any_column(op, right, span, scope);
        }
        let text = self.text_operand(left, &op.symbol(), scope)?;
        let needle = self.text_operand(right, &op.symbol(), scope)?;
        Ok(match &needle.constant {
            Some(constant) => text.tested(text_match::test(op, constant.text())),
            None => Typed::apply(vec![text, needle], KqlType::Bool, functions::string::text_predicate(op)),
        })
    }

    /// `* has "x"`: true if any string column matches.
    fn any_column(&self, op: TextOp, right: &Ast, span: &Span, scope: &Scope) -> Bound<Typed> {
        let needle = self.text_operand(right, &op.symbol(), scope)?;
        let test = needle.constant.as_ref().map(|needle| text_match::test(op, needle.text()));
        let texts =
            scope.columns().iter().filter(|column| matches!(column.kql_type, KqlType::String | KqlType::Dynamic));
        let hits: Vec<Typed> = texts
            .map(|column| {
                let text = Typed::column(column).converted(KqlType::String);
                match &test {
                    Some(test) => text.tested(test.clone()),
                    None => {
                        let function = functions::string::text_predicate(op);
                        Typed::apply(vec![text, needle.clone()], KqlType::Bool, function)
                    }
                }
            })
            .collect();
        if hits.is_empty() {
            return Err(Diagnostic::new(codes::TYPE, span.clone(), "there is no string column to search"));
        }
        Ok(disjunction(hits))
    }

    /// An operand of a string operator: text, or a dynamic read as text.
    fn text_operand(&self, operand: &Ast, symbol: &str, scope: &Scope) -> Bound<Typed> {
        let value = self.scalar(operand, scope)?;
        match value.kql_type {
            KqlType::String => Ok(value),
            KqlType::Dynamic => Ok(value.converted(KqlType::String)),
            other => Err(Diagnostic::new(
                codes::TYPE,
                operand.span.clone(),
                format!("`{symbol}` needs a string, this is a {other}"),
            )
            .with_hint("convert it with tostring()")),
        }
    }

    fn matches_regex(&self, left: &Ast, right: &Ast, _span: &Span, scope: &Scope) -> Bound<Typed> {
        let text = self.text_operand(left, "matches regex", scope)?;
        let pattern = self.text_operand(right, "matches regex", scope)?;
        let Some(constant) = &pattern.constant else {
            return Err(Diagnostic::new(
                codes::VALUE,
                right.span.clone(),
                "the pattern of `matches regex` must be a constant",
            ));
        };
        if self.checking {
            return Ok(super::unexecuted::placeholder(KqlType::Bool));
        }
        let regex = functions::string::compile(constant.text())
            .map_err(|problem| Diagnostic::new(codes::VALUE, right.span.clone(), problem))?;
        Ok(text.tested(Arc::new(move |text| regex.is_match(text))))
    }

    // ---- lists -------------------------------------------------------------------------------

    fn list(&self, op: ListOp, value: &Ast, items: &[Ast], span: &Span, scope: &Scope) -> Bound<Typed> {
        let value_span = &value.span;
        let value = match op {
            ListOp::In { .. } => self.scalar(value, scope)?,
            _ => self.text_operand(value, op.symbol(), scope)?,
        };
        let mut constants = Vec::new();
        let mut computed = Vec::new();
        for item in items {
            match self.list_item(item, scope)? {
                Item::Values(values, kql_type) => {
                    self.comparable_items(op, &value, kql_type, value_span)?;
                    constants.extend(values.into_iter().map(|value| (value, kql_type)));
                }
                Item::Computed(item) => computed.push(*item),
            }
        }
        match op {
            ListOp::In { negated, case_sensitive } => {
                let hit = self.membership(value, constants, computed, case_sensitive, span)?;
                Ok(if negated { not(hit) } else { hit })
            }
            ListOp::HasAny | ListOp::HasAll => self.has_list(op == ListOp::HasAll, value, constants, computed),
        }
    }

    fn comparable_items(&self, op: ListOp, value: &Typed, item: KqlType, span: &Span) -> Bound<()> {
        let text = |t| matches!(t, KqlType::String | KqlType::Dynamic | KqlType::Guid);
        let number =
            |t| matches!(t, KqlType::Int | KqlType::Long | KqlType::Real | KqlType::Decimal | KqlType::Dynamic);
        let fits = value.kql_type == item
            || text(value.kql_type) && text(item)
            || number(value.kql_type) && number(item)
            || item == KqlType::String && matches!(value.kql_type, KqlType::Datetime | KqlType::Timespan)
            || item == KqlType::Dynamic
            || value.kql_type == KqlType::Dynamic;
        if fits || self.checking {
            return Ok(());
        }
        let message = format!("`{}` cannot look for a {item} among values of type {}", op.symbol(), value.kql_type);
        Err(Diagnostic::new(codes::TYPE, span.clone(), message)
            .with_hint(format!("convert one side, for example with to{item}()")))
    }

    /// One item of a list: a scalar, the elements of a dynamic array, or a subquery's first column.
    fn list_item(&self, item: &Ast, scope: &Scope) -> Bound<Item> {
        match self.either(item, scope)? {
            Either::Table(table) => {
                let (values, kql_type) = self.first_column(table, &item.span)?;
                let values = match kql_type {
                    KqlType::Dynamic => {
                        values.iter().flat_map(|value| elements(functions::dynamic::json(value))).collect()
                    }
                    _ => values,
                };
                Ok(Item::Values(values, kql_type))
            }
            Either::Scalar(value) => match &value.constant {
                Some(constant) if value.kql_type == KqlType::Dynamic => {
                    Ok(Item::Values(elements(functions::dynamic::json(constant)), KqlType::Dynamic))
                }
                Some(constant) => Ok(Item::Values(vec![constant.clone()], value.kql_type)),
                None => Ok(Item::Computed(Box::new(value))),
            },
        }
    }

    fn membership(
        &self,
        value: Typed,
        constants: Vec<(Value, KqlType)>,
        computed: Vec<Typed>,
        case_sensitive: bool,
        span: &Span,
    ) -> Bound<Typed> {
        let target = if value.kql_type == KqlType::Dynamic {
            let all_numbers = !constants.is_empty()
                && constants.iter().all(|(_, t)| matches!(t, KqlType::Int | KqlType::Long | KqlType::Real));
            if all_numbers { KqlType::Real } else { KqlType::String }
        } else if value.kql_type == KqlType::Int {
            KqlType::Long
        } else {
            value.kql_type
        };
        let folds = !case_sensitive && target == KqlType::String;
        let known: Vec<Value> = constants
            .into_iter()
            .map(|(value, kql_type)| Typed::constant(value, kql_type).converted(target))
            .filter_map(|item| item.constant)
            .collect();
        let value = value.converted(target);
        let mut hits = vec![known_member(&value, known, folds)];
        for item in computed {
            // Arrays in columns: look inside, row by row.
            if item.kql_type == KqlType::Dynamic {
                hits.push(Typed::apply(
                    vec![value.clone().converted(KqlType::Dynamic), item],
                    KqlType::Bool,
                    Arc::new(|cells| {
                        let wanted = functions::dynamic::json(&cells[0]);
                        holds(&functions::dynamic::json(&cells[1]), &wanted).into()
                    }),
                ));
            } else {
                hits.push(super::compare::compare(BinaryOp::Equal, value.clone(), item, span)?);
            }
        }
        Ok(disjunction(hits))
    }

    fn has_list(&self, all: bool, text: Typed, constants: Vec<(Value, KqlType)>, computed: Vec<Typed>) -> Bound<Typed> {
        let as_text = |item: Typed| match item.kql_type {
            KqlType::Dynamic => item,
            _ => item.converted(KqlType::String),
        };
        let computed: Vec<Typed> = computed.into_iter().map(as_text).collect();
        // A null term is the empty term, and every text has that.
        let terms: Vec<String> = constants
            .into_iter()
            .map(|(value, kql_type)| functions::conversion::text_of(&value, kql_type).into_owned())
            .collect();
        let known = text.tested(if all { text_match::has_all(&terms) } else { text_match::has_any(&terms) });
        if computed.is_empty() {
            return Ok(known);
        }
        let mut inputs = vec![text];
        let kinds: Vec<KqlType> = computed.iter().map(|item| item.kql_type).collect();
        inputs.extend(computed);
        let function = move |cells: &[Cell<'_>]| -> Value {
            let text = functions::string::lowered(cells[0].text());
            let mut more = cells[1..].iter().zip(&kinds).flat_map(|(cell, kind)| lowered_terms(cell, *kind));
            let has = |needle: String| functions::string::has_lowered(&text, &needle);
            if all { more.all(has) } else { more.any(has) }.into()
        };
        let looked_up = Typed::apply(inputs, KqlType::Bool, Arc::new(function));
        Ok(if all { conjunction(vec![known, looked_up]) } else { disjunction(vec![known, looked_up]) })
    }

    // ---- paths -------------------------------------------------------------------------------

    /// `d.a["b"][0]` as one walk over the JSON.
    fn path(&self, expression: &Ast, scope: &Scope) -> Bound<Typed> {
        let mut steps = Vec::new();
        let mut computed = Vec::new();
        let mut base = expression;
        loop {
            match &base.kind {
                ExprKind::Member { base: inner, member } => {
                    steps.push(Step::Key(member.text.clone()));
                    base = inner;
                }
                ExprKind::Index { base: inner, index } => {
                    let at = self.scalar(index, scope)?;
                    match (&at.constant, at.kql_type) {
                        (Some(Cell::Long(at)), KqlType::Int | KqlType::Long) => steps.push(Step::Index(*at)),
                        (Some(Cell::Str(key)), KqlType::String) => steps.push(Step::Key(key.to_string())),
                        (_, KqlType::Int | KqlType::Long | KqlType::String | KqlType::Dynamic) => {
                            let at = if at.kql_type == KqlType::Dynamic { at.converted(KqlType::String) } else { at };
                            steps.push(Step::Computed);
                            computed.push(at);
                        }
                        (_, other) => {
                            return Err(Diagnostic::new(
                                codes::TYPE,
                                index.span.clone(),
                                format!("an index must be a number or a string, this is a {other}"),
                            ));
                        }
                    }
                    base = inner;
                }
                _ => break,
            }
        }
        steps.reverse();
        computed.reverse();
        let value = self.scalar(base, scope)?;
        if value.kql_type == KqlType::String && self.checking {
            // The binder of the real engine lets this pass; only running it tells.
            return Ok(super::unexecuted::placeholder(KqlType::Dynamic));
        }
        if value.kql_type != KqlType::Dynamic {
            let message = format!("a {} has no members", value.kql_type);
            let diagnostic = Diagnostic::new(codes::TYPE, expression.span.clone(), message);
            return Err(if value.kql_type == KqlType::String {
                diagnostic.with_hint("parse it first: parse_json(...)")
            } else {
                diagnostic
            });
        }
        let mut inputs = vec![value];
        inputs.extend(computed);
        Ok(Typed::apply(inputs, KqlType::Dynamic, functions::dynamic::path(steps)))
    }

    /// A constant of an integer type, for `take`, `top` and the like.
    pub(crate) fn constant_count(&self, expression: &Ast, what: &str, scope: &Scope) -> Bound<i64> {
        let value = self.scalar(expression, &scope.without_rows())?;
        match (&value.constant, value.kql_type) {
            (Some(Cell::Long(count)), KqlType::Int | KqlType::Long) => Ok(*count),
            (None, KqlType::Int | KqlType::Long) if self.checking => Ok(0),
            (None, KqlType::Int | KqlType::Long) => {
                Err(not_executed(expression.span.clone(), format!("a computed count in `{what}`")))
            }
            (_, other) => Err(Diagnostic::new(
                codes::TYPE,
                expression.span.clone(),
                format!("`{what}` needs a whole number, this is a {other}"),
            )),
        }
    }
}

/// `x has "a" or x has_any ("b", "c")` as `x has_any ("a", "b", "c")`: the text is searched once.
fn merged_terms(operands: &[Ast]) -> Vec<Ast> {
    let mut merged: Vec<Ast> = Vec::with_capacity(operands.len());
    for operand in operands {
        let earlier = literal_terms(operand).and_then(|(column, terms)| {
            let (at, known) = merged.iter().enumerate().find_map(|(at, known)| {
                let (other, terms) = literal_terms(known)?;
                (other == column).then_some((at, terms))
            })?;
            Some((at, column.to_string(), [known, terms].concat()))
        });
        match earlier {
            Some((at, column, items)) => {
                let value = Ast { kind: ExprKind::Name(column), span: operand.span.clone() };
                merged[at].kind = ExprKind::List { op: ListOp::HasAny, value: Box::new(value), items };
            }
            None => merged.push(operand.clone()),
        }
    }
    merged
}

/// The column and the literal terms of `column has "a"` or `column has_any ("a", "b")`.
fn literal_terms(condition: &Ast) -> Option<(&str, Vec<Ast>)> {
    let is_text = |item: &Ast| matches!(item.kind, ExprKind::Literal(Literal::String(_)));
    let has = TextOp { how: TextMatch::Has, negated: false, case_sensitive: false };
    match &condition.kind {
        ExprKind::Binary { op: BinaryOp::Text(op), left, right } if *op == has && is_text(right) => {
            let ExprKind::Name(column) = &left.kind else { return None };
            Some((column, vec![(**right).clone()]))
        }
        ExprKind::List { op: ListOp::HasAny, value, items } if items.iter().all(is_text) => {
            let ExprKind::Name(column) = &value.kind else { return None };
            Some((column, items.clone()))
        }
        _ => None,
    }
}

enum Item {
    Values(Vec<Value>, KqlType),
    Computed(Box<Typed>),
}

/// The lower-cased terms of a needle cell; arrays give several.
fn lowered_terms(cell: &Cell<'_>, kql_type: KqlType) -> Vec<String> {
    let lowered = |text: &str| text.to_lowercase();
    if kql_type != KqlType::Dynamic {
        return vec![lowered(cell.text())];
    }
    match functions::dynamic::json(cell) {
        serde_json::Value::Array(items) => {
            items.iter().map(|item| lowered(&functions::conversion::json_text(item))).collect()
        }
        serde_json::Value::Null => Vec::new(),
        other => vec![lowered(&functions::conversion::json_text(&other))],
    }
}

/// What `in` looks for: the elements of an array and of the arrays in it, or the value itself; none for null.
fn elements(value: serde_json::Value) -> Vec<Value> {
    match value {
        serde_json::Value::Array(items) => {
            items.into_iter().flat_map(|item| if item.is_null() { vec![Cell::Null] } else { elements(item) }).collect()
        }
        serde_json::Value::Null => Vec::new(),
        other => vec![other.to_string().into()],
    }
}

/// The same row by row: whether the value is, or is among the elements of, what is not null.
fn holds(list: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    match list {
        serde_json::Value::Array(items) => items.iter().any(|item| item == wanted || holds(item, wanted)),
        other => !other.is_null() && other == wanted,
    }
}

/// Whether a value is among constants of its type. Null is found only where null is listed; strings
/// have none.
fn known_member(value: &Typed, mut known: Vec<Value>, folds: bool) -> Typed {
    let kql_type = value.kql_type;
    let has_null = kql_type != KqlType::String && known.iter().any(Cell::is_null);
    known.retain(|item| !item.is_null());
    if kql_type == KqlType::String {
        return value.tested(among(known, folds));
    }
    if value.constant.is_some() || matches!(kql_type, KqlType::Decimal | KqlType::Real) {
        let equal = move |cells: &[Cell<'_>]| -> Value {
            let same = |item: &Value| super::compare::compare_cells(BinaryOp::Equal, &cells[0], item) == true.into();
            if cells[0].is_null() { has_null.into() } else { known.iter().any(same).into() }
        };
        return Typed::apply(vec![value.clone()], KqlType::Bool, Arc::new(equal));
    }
    let items = crate::rows::build("".into(), kql_type, known.into_iter());
    let found = value.expression.clone().is_in(lit(items).implode(true), false);
    Typed::computed(found.fill_null(lit(has_null)), KqlType::Bool)
}

/// Whether a text is one of `items`.
fn among(items: Vec<Value>, folds: bool) -> text_match::TextTest {
    let text = |item: Value| if folds { item.text().to_lowercase() } else { item.text().to_string() };
    let items: std::collections::HashSet<String> = items.into_iter().map(text).collect();
    let longest = items.iter().map(String::len).max().unwrap_or(0);
    if !folds {
        return Arc::new(move |text| text.len() <= longest && items.contains(text));
    }
    // Letters may change their length with their case, but not in ASCII: most rows are too long to match.
    Arc::new(move |text| {
        (text.len() <= longest || !text.is_ascii()) && items.contains(&*functions::string::lowered(text))
    })
}

/// Whether a value of one type may stand where another is wanted.
pub(super) fn widens(from: KqlType, to: KqlType) -> bool {
    use KqlType::*;
    matches!((from, to), (Int, Long) | (Int | Long, Real) | (Int | Long | Real, Decimal) | (Long, Int))
}

/// Arithmetic on two typed values.
pub(super) fn arithmetic(op: BinaryOp, left: Typed, right: Typed, span: &Span) -> Bound<Typed> {
    let (left_type, right_type) = (left.kql_type, right.kql_type);
    // A dynamic takes the other side's type.
    let (left, right) = match (left_type, right_type) {
        (KqlType::Dynamic, KqlType::Dynamic) => return Ok(dynamic_arithmetic(op, left, right)),
        (KqlType::Dynamic, other) if other != KqlType::String => (left.converted(widened(other)), right),
        (other, KqlType::Dynamic) if other != KqlType::String => (left, right.converted(widened(other))),
        _ => (left, right),
    };
    let Some((kql_type, function)) = functions::math::arithmetic(op, left.kql_type, right.kql_type) else {
        let message = format!("`{}` is not defined for {left_type} and {right_type}", op.symbol());
        let diagnostic = Diagnostic::new(codes::TYPE, span.clone(), message);
        let texts = op == BinaryOp::Add && (left_type == KqlType::String || right_type == KqlType::String);
        return Err(if texts { diagnostic.with_hint("strings are joined with strcat()") } else { diagnostic });
    };
    if left.constant.is_none() || right.constant.is_none() {
        let both_numbers = |t: KqlType| matches!(t, KqlType::Int | KqlType::Long | KqlType::Real);
        if both_numbers(left.kql_type) && both_numbers(right.kql_type) {
            let wide = crate::rows::physical(kql_type);
            let (l, r) = (left.expression.clone().cast(wide.clone()), right.expression.clone().cast(wide));
            // Polars agrees with Kusto on these three: wrapping longs, IEEE reals, nulls stay null.
            let native = match op {
                BinaryOp::Add => Some(l + r),
                BinaryOp::Subtract => Some(l - r),
                BinaryOp::Multiply => Some(l * r),
                _ => None,
            };
            if let Some(expression) = native {
                return Ok(Typed::computed(expression, kql_type));
            }
        }
    }
    Ok(Typed::apply(vec![left, right], kql_type, function))
}

/// Of two dynamics: longs if both hold whole numbers, reals if both hold numbers, else null.
fn dynamic_arithmetic(op: BinaryOp, left: Typed, right: Typed) -> Typed {
    let function = move |cells: &[Cell<'_>]| -> Value {
        let [left, right] = [0, 1].map(|at: usize| functions::dynamic::json(&cells[at]));
        let cell = |number: &serde_json::Value, whole: bool| -> Value {
            if whole { number.as_i64().into() } else { number.as_f64().into() }
        };
        let whole = left.is_i64() && right.is_i64();
        let kind = if whole { KqlType::Long } else { KqlType::Real };
        match functions::math::arithmetic(op, kind, kind) {
            Some((kql_type, rule)) => {
                let result = rule(&[cell(&left, whole), cell(&right, whole)]);
                functions::conversion::to_json(&result, kql_type).into()
            }
            None => Cell::Null,
        }
    };
    Typed::apply(vec![left, right], KqlType::Dynamic, Arc::new(function))
}

fn widened(kql_type: KqlType) -> KqlType {
    if kql_type == KqlType::Int { KqlType::Long } else { kql_type }
}

/// `and` over any number of conditions.
pub(super) fn conjunction(conditions: Vec<Typed>) -> Typed {
    combined(
        conditions,
        |left, right| left.and(right),
        |left, right| match (left, right) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
    )
}

/// `or` over any number of conditions.
pub(super) fn disjunction(conditions: Vec<Typed>) -> Typed {
    combined(
        conditions,
        |left, right| left.or(right),
        |left, right| match (left, right) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
    )
}

/// Folds pairwise, so that a thousand conditions make a tree ten levels deep.
fn combined(
    mut conditions: Vec<Typed>,
    native: fn(Expr, Expr) -> Expr,
    constant: fn(Option<bool>, Option<bool>) -> Option<bool>,
) -> Typed {
    while conditions.len() > 1 {
        let mut next = Vec::with_capacity(conditions.len().div_ceil(2));
        let mut pairs = conditions.into_iter();
        while let Some(left) = pairs.next() {
            next.push(match pairs.next() {
                None => left,
                Some(right) => match (&left.constant, &right.constant) {
                    (Some(l), Some(r)) => Typed::constant(constant(l.boolean(), r.boolean()).into(), KqlType::Bool),
                    _ => Typed::computed(native(left.expression, right.expression), KqlType::Bool),
                },
            });
        }
        conditions = next;
    }
    conditions.pop().unwrap_or_else(|| Typed::constant(true.into(), KqlType::Bool))
}

/// `not(...)`; null stays null.
pub(super) fn not(condition: Typed) -> Typed {
    match &condition.constant {
        Some(value) => Typed::constant(value.boolean().map(|value| !value).into(), KqlType::Bool),
        None => Typed::computed(condition.expression.not(), KqlType::Bool),
    }
}
