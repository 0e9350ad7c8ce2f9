//! Comparisons. Kusto's `==` and `!=` are total where one side is null; polars' are not.

use polars::prelude::*;

use crate::rows::named;

use super::{Binder, Bound, Typed, lets::Scope};
use crate::{
    ast::{BinaryOp, Expr as Ast, KqlType},
    diagnostics::{Diagnostic, Span, codes},
    functions,
    ticks::UNIX_EPOCH,
    value::{Cell, Value},
};

impl Binder<'_> {
    pub(super) fn comparison(&self, op: BinaryOp, left: &Ast, right: &Ast, span: &Span, scope: &Scope) -> Bound<Typed> {
        let (left, right) = (self.scalar(left, scope)?, self.scalar(right, scope)?);
        compare(op, left, right, span)
    }

    pub(super) fn between(&self, negated: bool, value: &Ast, low: &Ast, high: &Ast, scope: &Scope) -> Bound<Typed> {
        let bound = self.scalar(value, scope)?;
        let low_bound = self.scalar(low, scope)?;
        let mut high_bound = self.scalar(high, scope)?;
        // `between (start .. 1d)` is a span from the start.
        if bound.kql_type == KqlType::Datetime && high_bound.kql_type == KqlType::Timespan {
            high_bound = super::scalar::arithmetic(BinaryOp::Add, low_bound.clone(), high_bound, &high.span)?;
        }
        let above = compare(BinaryOp::GreaterOrEqual, bound.clone(), low_bound, &low.span)?;
        let below = compare(BinaryOp::LessOrEqual, bound, high_bound, &high.span)?;
        let inside = super::scalar::conjunction(vec![above, below]);
        Ok(if negated { super::scalar::not(inside) } else { inside })
    }
}

/// Compares two values after bringing them to one type.
pub(super) fn compare(op: BinaryOp, left: Typed, right: Typed, span: &Span) -> Bound<Typed> {
    let (left, right) = aligned(op, left, right, span)?;
    if let Some(native) = on_scanned(op, &left, &right).or_else(|| on_scanned(mirrored(op), &right, &left)) {
        return Ok(Typed::computed(native, KqlType::Bool));
    }
    if left.constant.is_some() && right.constant.is_some()
        || left.kql_type == KqlType::Real
        || matches!(left.kql_type, KqlType::Dynamic | KqlType::Decimal)
    {
        let decimals = left.kql_type == KqlType::Decimal;
        return Ok(Typed::apply(
            vec![left, right],
            KqlType::Bool,
            std::sync::Arc::new(move |cells| match (decimals, cells[0].decimal(), cells[1].decimal()) {
                // The order of decimals is not that of their text.
                (true, Some(left), Some(right)) => {
                    compare_cells(op, &Cell::Long(left.cmp(&right) as i64), &Cell::Long(0))
                }
                _ => compare_cells(op, &cells[0], &cells[1]),
            }),
        ));
    }
    let never_both_null = left.kql_type == KqlType::String || is_present(&left) || is_present(&right);
    let (l, r) = (left.expression, right.expression);
    let native = match op {
        BinaryOp::Less => l.lt(r),
        BinaryOp::LessOrEqual => l.lt_eq(r),
        BinaryOp::Greater => l.gt(r),
        BinaryOp::GreaterOrEqual => l.gt_eq(r),
        _ => {
            let both_null = l.clone().is_null().and(r.clone().is_null());
            let equal = l.eq_missing(r);
            let result = if op == BinaryOp::Equal { equal } else { equal.not() };
            if never_both_null {
                result
            } else {
                when(both_null).then(crate::rows::literal(&Cell::Null, KqlType::Bool)).otherwise(result)
            }
        }
    };
    Ok(Typed::computed(native, KqlType::Bool))
}

fn is_present(value: &Typed) -> bool {
    value.constant.as_ref().is_some_and(|constant| !constant.is_null())
}

/// The same comparison with its sides exchanged.
fn mirrored(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessOrEqual => BinaryOp::GreaterOrEqual,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterOrEqual => BinaryOp::LessOrEqual,
        other => other,
    }
}

/// One rule for constants, reals and dynamics.
pub(super) fn compare_cells(op: BinaryOp, left: &Cell<'_>, right: &Cell<'_>) -> Value {
    match (left.is_null(), right.is_null(), op) {
        (true, true, _) => return Cell::Null,
        (true, _, BinaryOp::Equal) | (_, true, BinaryOp::Equal) => return false.into(),
        (true, _, BinaryOp::NotEqual) | (_, true, BinaryOp::NotEqual) => return true.into(),
        (true, ..) | (_, true, _) => return Cell::Null,
        _ => {}
    }
    let order = match (left, right) {
        (Cell::Str(left), Cell::Str(right)) => Some(left.cmp(right)),
        (Cell::Bool(left), Cell::Bool(right)) => Some(left.cmp(right)),
        (Cell::Long(left), Cell::Long(right)) => Some(left.cmp(right)),
        _ => left.real().zip(right.real()).and_then(|(left, right)| left.partial_cmp(&right)),
    };
    match op {
        BinaryOp::Equal => order.is_some_and(|order| order.is_eq()),
        BinaryOp::NotEqual => !order.is_some_and(|order| order.is_eq()),
        BinaryOp::Less => order.is_some_and(|order| order.is_lt()),
        BinaryOp::LessOrEqual => order.is_some_and(|order| order.is_le()),
        BinaryOp::Greater => order.is_some_and(|order| order.is_gt()),
        _ => order.is_some_and(|order| order.is_ge()),
    }
    .into()
}

/// Brings both sides to one type, or says that they cannot be compared.
fn aligned(op: BinaryOp, left: Typed, right: Typed, span: &Span) -> Bound<(Typed, Typed)> {
    use KqlType::*;
    let is_equality = matches!(op, BinaryOp::Equal | BinaryOp::NotEqual);
    let number = |t| matches!(t, Int | Long | Real | Decimal);
    let widest = |t| if t == Int { Long } else { t };
    let refused = || {
        let message = format!("`{}` cannot compare {} with {}", op.symbol(), left.kql_type, right.kql_type);
        let diagnostic = Diagnostic::new(codes::TYPE, span.clone(), message);
        match (left.kql_type, right.kql_type) {
            (Dynamic, Dynamic) => diagnostic.with_hint("convert both sides, for example with tostring()"),
            (String, other) | (other, String) => {
                diagnostic.with_hint(format!("convert one side, for example with to{other}()"))
            }
            (Datetime, _) | (_, Datetime) => diagnostic.with_hint("write a moment: datetime(2024-01-31), or ago(7d)"),
            (Timespan, _) | (_, Timespan) => diagnostic.with_hint("write a number with its unit: 7d, 12h, 30m"),
            _ => diagnostic,
        }
    };
    let to = match (left.kql_type, right.kql_type) {
        // A bare `null` compares with anything.
        (Dynamic, other) | (other, Dynamic) if other != Dynamic => widest(other),
        (Dynamic, Dynamic)
            if left.constant.as_ref().is_some_and(Cell::is_null)
                || right.constant.as_ref().is_some_and(Cell::is_null) =>
        {
            Dynamic
        }
        (Dynamic, Dynamic) => return Err(refused()),
        (l, r) if l == r => l,
        (l, r) if number(l) && number(r) => functions::math::common(&[l, r]),
        // A constant such as "4625" becomes the number, so that the column is compared as it is.
        (String, other) if is_equality && number(other) && left.constant.is_some() => widest(other),
        (other, String) if is_equality && number(other) && right.constant.is_some() => widest(other),
        // Guids are written in any case, with or without braces.
        (String, Guid) | (Guid, String) if is_equality => Guid,
        (String, other) | (other, String) if is_equality && (number(other) || other == Bool) => String,
        // Here the text is what gets converted.
        (String, other) | (other, String) if is_equality && matches!(other, Datetime | Timespan) => other,
        (Bool, other) | (other, Bool) if is_equality && matches!(other, Int | Long) => Bool,
        _ => return Err(refused()),
    };
    // An int column against a whole number stays an int column, so that the comparison reaches the file.
    if let (Long, Some((left, right))) = (to, as_ints(&left, &right)) {
        return Ok((left, right));
    }
    let widen = |side: Typed| match (side.kql_type, to, &side.constant) {
        (Int, Long, None) => Typed { expression: side.expression.cast(DataType::Int64), kql_type: Long, ..side },
        _ => side.converted(to),
    };
    Ok((widen(left), widen(right)))
}

/// An int column and a constant that an int holds, both as ints.
fn as_ints(left: &Typed, right: &Typed) -> Option<(Typed, Typed)> {
    let narrow = |column: &Typed, constant: &Typed| {
        let fits = matches!(constant.constant, Some(Cell::Long(value)) if i32::try_from(value).is_ok());
        let is_whole = matches!(constant.kql_type, KqlType::Int | KqlType::Long);
        (column.kql_type == KqlType::Int && column.constant.is_none() && is_whole && fits)
            .then(|| Typed::constant(constant.constant.clone().unwrap_or(Cell::Null), KqlType::Int))
    };
    if let Some(constant) = narrow(left, right) {
        return Some((left.clone(), constant));
    }
    narrow(right, left).map(|constant| (constant, right.clone()))
}

/// A column still as scanned against a constant: the comparison stays in the column's own type,
/// so that it reaches the file's statistics.
fn on_scanned(op: BinaryOp, column: &Typed, constant: &Typed) -> Option<Expr> {
    let (name, dtype) = column.scanned.as_ref()?;
    let value = constant.constant.as_ref().filter(|value| !value.is_null())?;
    let column = named(name.as_str());
    match (dtype, value) {
        (DataType::Datetime(unit, zone), Cell::Long(ticks)) => {
            let (op, at) = in_unit(op, ticks - UNIX_EPOCH, *unit)?;
            let literal = Scalar::new(DataType::Datetime(*unit, zone.clone()), AnyValue::Datetime(at, *unit, None));
            let literal = match zone {
                None => Expr::Literal(LiteralValue::Scalar(literal)),
                Some(_) => Expr::Literal(LiteralValue::Scalar(Scalar::new(
                    DataType::Datetime(*unit, None),
                    AnyValue::Datetime(at, *unit, None),
                )))
                .cast(dtype.clone()),
            };
            ordered(op, column, literal)
        }
        (DataType::String, Cell::Str(text)) if !text.is_empty() => match op {
            BinaryOp::Equal => Some(column.eq_missing(constant.expression.clone())),
            BinaryOp::NotEqual => Some(column.neq_missing(constant.expression.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn ordered(op: BinaryOp, left: Expr, right: Expr) -> Option<Expr> {
    Some(match op {
        BinaryOp::Less => left.lt(right),
        BinaryOp::LessOrEqual => left.lt_eq(right),
        BinaryOp::Greater => left.gt(right),
        BinaryOp::GreaterOrEqual => left.gt_eq(right),
        BinaryOp::Equal => left.eq_missing(right),
        BinaryOp::NotEqual => left.neq_missing(right),
        _ => return None,
    })
}

/// Ticks since 1970 in the column's unit, if the comparison can be said exactly there.
fn in_unit(op: BinaryOp, ticks: i64, unit: TimeUnit) -> Option<(BinaryOp, i64)> {
    let per = match unit {
        // Digits below a tick do not count, so the bounds are whole ticks.
        TimeUnit::Nanoseconds => {
            return match op {
                BinaryOp::Greater => Some((BinaryOp::GreaterOrEqual, ticks.checked_add(1)?.checked_mul(100)?)),
                BinaryOp::LessOrEqual => Some((BinaryOp::Less, ticks.checked_add(1)?.checked_mul(100)?)),
                BinaryOp::GreaterOrEqual | BinaryOp::Less => Some((op, ticks.checked_mul(100)?)),
                _ => None,
            };
        }
        TimeUnit::Microseconds => 10,
        TimeUnit::Milliseconds => 10_000,
    };
    let exact = ticks.rem_euclid(per) == 0;
    let floor = ticks.div_euclid(per);
    match op {
        _ if exact => Some((op, floor)),
        // Between two units, "after" and "not before" say the same.
        BinaryOp::Greater | BinaryOp::GreaterOrEqual => Some((BinaryOp::Greater, floor)),
        BinaryOp::Less | BinaryOp::LessOrEqual => Some((BinaryOp::LessOrEqual, floor)),
        _ => None,
    }
}
