//! Scalar expressions to typed polars expressions.

use std::sync::Arc;

use polars::prelude::*;

use super::{Binder, Bound, Either, Typed, lets::Scope, not_executed};
use crate::{
    ast::{BinaryOp, Expr as Ast, ExprKind, KqlType, ListOp, TextOp},
    diagnostics::{Diagnostic, Span, codes},
    functions::{self, dynamic::Step},
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
            ExprKind::Or(operands) => Ok(disjunction(self.conditions(operands, scope)?)),
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
        match self.catalog.scalar(name) {
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
        let constant = needle.constant.as_ref().map(|needle| needle.text().to_string());
        let function = functions::string::text_predicate(op, constant.as_deref());
        Ok(Typed::apply(vec![text, needle], KqlType::Bool, function))
    }

    /// `* has "x"`: true if any string column matches.
    fn any_column(&self, op: TextOp, right: &Ast, span: &Span, scope: &Scope) -> Bound<Typed> {
        let needle = self.text_operand(right, &op.symbol(), scope)?;
        let constant = needle.constant.as_ref().map(|needle| needle.text().to_string());
        let function = functions::string::text_predicate(op, constant.as_deref());
        let texts =
            scope.columns().iter().filter(|column| matches!(column.kql_type, KqlType::String | KqlType::Dynamic));
        let hits: Vec<Typed> = texts
            .map(|column| {
                Typed::apply(
                    vec![Typed::column(column).converted(KqlType::String), needle.clone()],
                    KqlType::Bool,
                    function.clone(),
                )
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
        Ok(Typed::apply(vec![text], KqlType::Bool, Arc::new(move |cells| regex.is_match(cells[0].text()).into())))
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
                Ok(Item::Values(values, kql_type))
            }
            Either::Scalar(value) => match &value.constant {
                Some(constant) if value.kql_type == KqlType::Dynamic => Ok(match functions::dynamic::json(constant) {
                    serde_json::Value::Array(items) => Item::Values(
                        items
                            .into_iter()
                            .map(|item| if item.is_null() { Cell::Null } else { item.to_string().into() })
                            .collect(),
                        KqlType::Dynamic,
                    ),
                    serde_json::Value::Null => Item::Values(Vec::new(), KqlType::Dynamic),
                    _ => Item::Values(vec![constant.clone()], KqlType::Dynamic),
                }),
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
        let key = move |cell: &Cell<'_>| key_of(cell, folds);
        let has_null = constants.iter().any(|(value, _)| value.is_null()) && target != KqlType::String;
        let known: std::collections::HashSet<String> = constants
            .into_iter()
            .map(|(value, kql_type)| Typed::constant(value, kql_type).converted(target))
            .filter_map(|item| item.constant.filter(|value| !value.is_null()))
            .map(|value| key(&value))
            .collect();
        let value = value.converted(target);
        let mut hits = vec![Typed::apply(
            vec![value.clone()],
            KqlType::Bool,
            Arc::new(
                move |cells| if cells[0].is_null() { has_null.into() } else { known.contains(&key(&cells[0])).into() },
            ),
        )];
        for item in computed {
            // Arrays in columns: look inside, row by row.
            if item.kql_type == KqlType::Dynamic {
                hits.push(Typed::apply(
                    vec![value.clone().converted(KqlType::Dynamic), item],
                    KqlType::Bool,
                    Arc::new(|cells| match functions::dynamic::json(&cells[1]) {
                        serde_json::Value::Array(items) => items.contains(&functions::dynamic::json(&cells[0])).into(),
                        other => (!other.is_null() && other == functions::dynamic::json(&cells[0])).into(),
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
        let needles: Vec<String> = constants
            .into_iter()
            .map(|(value, kql_type)| functions::conversion::text_of(&value, kql_type).to_lowercase())
            .collect();
        let mut inputs = vec![text];
        let kinds: Vec<KqlType> = computed.iter().map(|item| item.kql_type).collect();
        inputs.extend(computed);
        let function = move |cells: &[Cell<'_>]| -> Value {
            let text = functions::string::lowered(cells[0].text());
            let has = |needle: &str| functions::string::has_lowered(&text, needle);
            let more = cells[1..].iter().zip(&kinds).flat_map(|(cell, kind)| terms(cell, *kind));
            if all {
                needles.iter().all(|n| has(n)) && more.into_iter().all(|n| has(&n))
            } else {
                needles.iter().any(|n| has(n)) || more.into_iter().any(|n| has(&n))
            }
            .into()
        };
        Ok(Typed::apply(inputs, KqlType::Bool, Arc::new(function)))
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

enum Item {
    Values(Vec<Value>, KqlType),
    Computed(Box<Typed>),
}

/// The lower-cased terms of a needle cell; arrays give several.
fn terms(cell: &Cell<'_>, kql_type: KqlType) -> Vec<String> {
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

/// Text under which equal cells are equal.
fn key_of(cell: &Cell<'_>, folds: bool) -> String {
    match cell {
        Cell::Str(text) if folds => text.to_lowercase(),
        Cell::Str(text) => text.to_string(),
        Cell::Long(value) => value.to_string(),
        Cell::Real(value) => format!("{value}"),
        Cell::Bool(value) => value.to_string(),
        Cell::Null => String::new(),
    }
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
