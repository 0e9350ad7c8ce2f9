//! Arithmetic as Kusto does it: longs wrap, `/` truncates, `%` is never negative, `bin` floors.

use std::sync::Arc;

use super::{Arguments, Function, Kind, Returns, function, rule, variadic};
use crate::{
    ast::{BinaryOp, KqlType},
    decimal::Decimal,
    rows::RowFunction,
    ticks::in_range,
    value::{Cell, Value},
};

const REAL: Returns = Returns::Is(KqlType::Real);

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["abs"], &[Kind::Measurable], 0, Returns::By(widened), |a| {
        if a.types[0] == KqlType::Decimal {
            return rule(|c| c[0].decimal().map(Decimal::abs).into());
        }
        rule(|c| match &c[0] {
            Cell::Long(value) => value.wrapping_abs().into(),
            other => other.real().map(f64::abs).into(),
        })
    }),
    function(&["sign"], &[Kind::Number], 0, REAL, |_| {
        rule(|c| real(&c[0], |x| if x == 0.0 { 0.0 } else { x.signum() }))
    }),
    function(&["round"], &[Kind::Number, Kind::Integer], 1, Returns::First, |a| {
        if a.types[0] == KqlType::Decimal { rule(round_decimal) } else { rule(round) }
    }),
    function(&["ceiling"], &[Kind::Number], 0, Returns::First, |a| {
        if a.types[0] == KqlType::Decimal {
            return rule(|c| c[0].decimal().map(|value| value.negated().floor().negated()).into());
        }
        rule(|c| whole_or(&c[0], f64::ceil))
    }),
    function(&["sqrt"], &[Kind::Number], 0, REAL, |_| rule(|c| not_below_zero(&c[0], f64::sqrt))),
    function(&["exp"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], f64::exp))),
    function(&["exp2"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], f64::exp2))),
    function(&["exp10"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], |x| 10f64.powf(x)))),
    function(&["log"], &[Kind::Number], 0, REAL, |_| rule(|c| not_below_zero(&c[0], f64::ln))),
    function(&["log2"], &[Kind::Number], 0, REAL, |_| rule(|c| not_below_zero(&c[0], f64::log2))),
    function(&["log10"], &[Kind::Number], 0, REAL, |_| rule(|c| not_below_zero(&c[0], f64::log10))),
    function(&["sin"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], f64::sin))),
    function(&["cos"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], f64::cos))),
    function(&["tan"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], f64::tan))),
    function(&["asin"], &[Kind::Number], 0, REAL, |_| rule(|c| within_one(&c[0], f64::asin))),
    function(&["acos"], &[Kind::Number], 0, REAL, |_| rule(|c| within_one(&c[0], f64::acos))),
    function(&["atan"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], f64::atan))),
    function(&["radians"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], f64::to_radians))),
    function(&["degrees"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], f64::to_degrees))),
    function(&["pi"], &[], 0, REAL, |_| rule(|_| std::f64::consts::PI.into())),
    function(&["atan2"], &[Kind::Number, Kind::Number], 0, REAL, |_| rule(|c| two(c, f64::atan2))),
    function(&["pow"], &[Kind::Number, Kind::Number], 0, REAL, |_| rule(|c| two(c, f64::powf))),
    function(&["isnan"], &[Kind::Number], 0, Returns::Is(KqlType::Bool), |_| {
        rule(|c| c[0].real().map(f64::is_nan).into())
    }),
    function(&["isinf"], &[Kind::Number], 0, Returns::Is(KqlType::Bool), |_| {
        rule(|c| c[0].real().map(f64::is_infinite).into())
    }),
    function(&["isfinite"], &[Kind::Number], 0, Returns::Is(KqlType::Bool), |_| {
        rule(|c| c[0].real().map(f64::is_finite).into())
    }),
    function(&["cot"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], |x| 1.0 / x.tan()))),
    function(&["gamma"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], gamma))),
    function(&["loggamma"], &[Kind::Number], 0, REAL, |_| rule(|c| real(&c[0], ln_gamma))),
    function(
        &["around"],
        &[Kind::Measurable, Kind::Measurable, Kind::Measurable],
        0,
        Returns::Is(KqlType::Bool),
        around,
    ),
    variadic(&["min_of"], &[Kind::Any], 2, Returns::By(common), |a| extreme(&a.types, false)),
    variadic(&["max_of"], &[Kind::Any], 2, Returns::By(common), |a| extreme(&a.types, true)),
    function(&["bin", "floor"], &[Kind::Measurable, Kind::Measurable], 1, Returns::By(binned), |a| {
        if !bin_fits(&a.types) {
            return Err(format!("a {} cannot be rounded to a {}", a.types[0], a.types.get(1).map_or("", |t| t.name())));
        }
        if binned(&a.types) == KqlType::Decimal {
            return rule(|c| bin_decimal(&c[0], c.get(1).unwrap_or(&Cell::Long(1))));
        }
        rule(|c| bin(&c[0], c.get(1).unwrap_or(&Cell::Long(1)), None))
    }),
    function(&["bin_at"], &[Kind::Measurable, Kind::Measurable, Kind::Measurable], 0, Returns::By(binned), |_| {
        rule(|c| bin(&c[0], &c[1], Some(&c[2])))
    }),
];

/// Arithmetic on an `int` gives a `long`.
fn widened(types: &[KqlType]) -> KqlType {
    if types[0] == KqlType::Int { KqlType::Long } else { types[0] }
}

/// The type that numbers meet in.
pub(crate) fn common(types: &[KqlType]) -> KqlType {
    let first = types.first().copied().unwrap_or(KqlType::Long);
    types.iter().copied().fold(first, |left, right| match (left, right) {
        _ if left == right => left,
        (KqlType::Decimal, _) | (_, KqlType::Decimal) => KqlType::Decimal,
        (KqlType::Real, _) | (_, KqlType::Real) => KqlType::Real,
        (KqlType::Int | KqlType::Long, KqlType::Int | KqlType::Long) => KqlType::Long,
        _ => left,
    })
}

fn binned(types: &[KqlType]) -> KqlType {
    match types {
        [KqlType::Datetime | KqlType::Timespan, ..] => types[0],
        [first, second, ..] => widened(&[common(&[*first, *second])]),
        [first] => widened(&[*first]),
        [] => KqlType::Long,
    }
}

fn bin_fits(types: &[KqlType]) -> bool {
    use KqlType::{Datetime, Int, Long, Real, Timespan};
    match types {
        [Datetime, step] | [Timespan, step] => *step == Timespan,
        [_, step] => matches!(step, Int | Long | Real | KqlType::Decimal),
        _ => !matches!(types, [Datetime | Timespan]),
    }
}

fn real(cell: &Cell<'_>, function: impl Fn(f64) -> f64) -> Value {
    cell.real().map(function).into()
}

/// Outside -1..1 the result is null, not NaN.
fn within_one(cell: &Cell<'_>, function: impl Fn(f64) -> f64) -> Value {
    cell.real().filter(|x| x.is_nan() || x.abs() <= 1.0).map(function).into()
}

/// Roots and logarithms of negative numbers are null, not NaN.
fn not_below_zero(cell: &Cell<'_>, function: impl Fn(f64) -> f64) -> Value {
    cell.real().filter(|x| x.is_nan() || *x >= 0.0).map(function).into()
}

fn two(c: &[Cell<'_>], function: impl Fn(f64, f64) -> f64) -> Value {
    c[0].real().zip(c[1].real()).map(|(x, y)| function(x, y)).into()
}

/// Lanczos' approximation, good to fifteen digits; factorials are exact.
fn gamma(x: f64) -> f64 {
    if x.fract() == 0.0 && (1.0..=171.0).contains(&x) {
        return (1..x as u64).map(|factor| factor as f64).product();
    }
    if x < 0.5 {
        return std::f64::consts::PI / ((std::f64::consts::PI * x).sin() * gamma(1.0 - x));
    }
    let (sum, t) = lanczos(x - 1.0);
    (2.0 * std::f64::consts::PI).sqrt() * t.powf(x - 0.5) * (-t).exp() * sum
}

pub(super) fn ln_gamma(x: f64) -> f64 {
    if x < 0.5 {
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin().abs()).ln() - ln_gamma(1.0 - x);
    }
    let (sum, t) = lanczos(x - 1.0);
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x - 0.5) * t.ln() - t + sum.ln()
}

fn lanczos(x: f64) -> (f64, f64) {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let sum =
        TERMS.iter().enumerate().fold(0.999_999_999_999_809_9, |sum, (at, term)| sum + term / (x + at as f64 + 1.0));
    (sum, x + 7.5)
}

/// Whether a value lies within `delta` of a centre, the edges included.
fn around(a: &Arguments) -> Result<RowFunction, String> {
    use KqlType::{Datetime, Int, Long, Real, Timespan};
    let number = |t| matches!(t, Int | Long | Real | KqlType::Decimal);
    let fits = match a.types[..] {
        [Datetime, Datetime, Timespan] | [Timespan, Timespan, Timespan] => true,
        [value, centre, delta] => number(value) && number(centre) && number(delta),
        _ => false,
    };
    if !fits {
        return Err("the value, the centre and the delta must go together".into());
    }
    rule(|c| {
        let inside = match (&c[0], &c[1], &c[2]) {
            (Cell::Long(value), Cell::Long(centre), Cell::Long(delta)) => {
                Some((i128::from(*value) - i128::from(*centre)).abs() <= i128::from(*delta))
            }
            (value, centre, delta) => match (value.real(), centre.real(), delta.real()) {
                (Some(value), Some(centre), Some(delta)) => Some((value - centre).abs() <= delta),
                _ => None,
            },
        };
        inside.into()
    })
}

fn whole_or(cell: &Cell<'_>, function: impl Fn(f64) -> f64) -> Value {
    match cell {
        Cell::Long(value) => (*value).into(),
        other => real(other, function),
    }
}

fn round(c: &[Cell<'_>]) -> Value {
    let digits = c.get(1).map_or(Some(0), Cell::long);
    match (&c[0], digits) {
        (Cell::Long(value), Some(digits)) if digits >= 0 => (*value).into(),
        (Cell::Long(value), Some(digits)) => {
            let unit = 10f64.powi(digits.unsigned_abs().min(18) as i32);
            (((*value as f64) / unit).round() * unit).round().into_long()
        }
        (Cell::Real(value), Some(digits)) => {
            let unit = 10f64.powi(digits.clamp(-300, 300) as i32);
            let scaled = value * unit;
            (if scaled.is_finite() { round_half_even(scaled) / unit } else { *value }).into()
        }
        _ => Cell::Null,
    }
}

fn round_decimal(c: &[Cell<'_>]) -> Value {
    let digits = c.get(1).map_or(Some(0), Cell::long).and_then(|digits| u32::try_from(digits).ok());
    c[0].decimal().zip(digits).map(|(value, digits)| value.rounded(digits)).into()
}

fn bin_decimal(value: &Cell<'_>, step: &Cell<'_>) -> Value {
    let (Some(value), Some(step)) = (value.decimal(), step.decimal()) else { return Cell::Null };
    if step <= Decimal::whole(0) {
        return Cell::Null;
    }
    value.divided_by(step).and_then(|share| share.floor().times(step)).into()
}

fn round_half_even(value: f64) -> f64 {
    value.round_ties_even()
}

trait IntoLong {
    fn into_long(self) -> Value;
}

impl IntoLong for f64 {
    fn into_long(self) -> Value {
        (self as i64).into()
    }
}

fn extreme(types: &[KqlType], largest: bool) -> Result<RowFunction, String> {
    let comparable = types.iter().all(|t| matches!(t, KqlType::Int | KqlType::Long | KqlType::Real | KqlType::Decimal))
        || types.windows(2).all(|w| w[0] == w[1]);
    if !comparable {
        return Err("the arguments must all be numbers, or all of one type".into());
    }
    if let Some(kind) = types.iter().find(|kind| matches!(kind, KqlType::Dynamic | KqlType::Guid)) {
        return Err(format!("a {kind} has no order: convert it first"));
    }
    if types[0] == KqlType::String {
        return rule(move |c| {
            let texts = c.iter().map(Cell::text);
            if largest { texts.max() } else { texts.min() }.unwrap_or("").into()
        });
    }
    if types[0] == KqlType::Bool {
        return rule(move |c| {
            let flags = c.iter().filter_map(Cell::boolean);
            if largest { flags.max() } else { flags.min() }.into()
        });
    }
    if types.contains(&KqlType::Decimal) {
        return rule(move |c| {
            let values = c.iter().filter_map(Cell::decimal);
            if largest { values.max() } else { values.min() }.into()
        });
    }
    let as_real = types.contains(&KqlType::Real);
    rule(move |c| {
        if as_real {
            return c.iter().filter_map(Cell::real).reduce(|x, y| if (y > x) == largest { y } else { x }).into();
        }
        let values = c.iter().filter_map(Cell::long);
        if largest { values.max() } else { values.min() }.into()
    })
}

/// Floors to a multiple of `step`, counted from `origin` or zero: for datetimes that is
/// 0001-01-01, a Monday, which is why weekly bins start on Mondays.
fn bin(value: &Cell<'_>, step: &Cell<'_>, origin: Option<&Cell<'_>>) -> Value {
    match (value, step, origin) {
        (Cell::Long(value), Cell::Long(step), None | Some(Cell::Long(_))) => {
            let origin = origin.and_then(Cell::long).unwrap_or(0);
            if *step <= 0 {
                return Cell::Null;
            }
            value.wrapping_sub(origin).div_euclid(*step).wrapping_mul(*step).wrapping_add(origin).into()
        }
        _ => match (value.real(), step.real()) {
            (Some(value), Some(step)) if step > 0.0 => {
                let origin = origin.and_then(Cell::real).unwrap_or(0.0);
                (((value - origin) / step).floor() * step + origin).into()
            }
            _ => Cell::Null,
        },
    }
}

/// The rule of an arithmetic operator on cells of the given types, and its result type.
pub(crate) fn arithmetic(op: BinaryOp, left: KqlType, right: KqlType) -> Option<(KqlType, RowFunction)> {
    use KqlType::{Datetime, Int, Long, Real, Timespan};
    let number = |t| matches!(t, Int | Long | Real | KqlType::Decimal);
    let rule = |kql_type, function: fn(&[Cell<'_>]) -> Value| Some((kql_type, Arc::new(function) as RowFunction));
    match (op, left, right) {
        (BinaryOp::Add, Datetime, Timespan) | (BinaryOp::Add, Timespan, Datetime) => {
            rule(Datetime, |c| longs(c, |x, y| x.checked_add(y).and_then(in_range)))
        }
        (BinaryOp::Subtract, Datetime, Timespan) => {
            rule(Datetime, |c| longs(c, |x, y| x.checked_sub(y).and_then(in_range)))
        }
        (BinaryOp::Subtract, Datetime, Datetime) => rule(Timespan, |c| longs(c, i64::checked_sub)),
        (BinaryOp::Add, Timespan, Timespan) => rule(Timespan, |c| longs(c, i64::checked_add)),
        (BinaryOp::Subtract, Timespan, Timespan) => rule(Timespan, |c| longs(c, i64::checked_sub)),
        (BinaryOp::Divide, Timespan, Timespan) => rule(Real, |c| two(c, |x, y| x / y)),
        (BinaryOp::Modulo, Timespan, Timespan) => rule(Timespan, |c| longs(c, modulo)),
        (BinaryOp::Modulo, Datetime, Timespan) => rule(Timespan, |c| longs(c, modulo)),
        (BinaryOp::Multiply, Timespan, Int | Long) | (BinaryOp::Multiply, Int | Long, Timespan) => {
            rule(Timespan, |c| longs(c, i64::checked_mul))
        }
        (BinaryOp::Multiply, Timespan, Real) | (BinaryOp::Multiply, Real, Timespan) => {
            rule(Timespan, |c| scaled(c, |x, y| x * y))
        }
        (BinaryOp::Divide, Timespan, Int | Long | Real) => rule(Timespan, |c| scaled(c, |x, y| x / y)),
        (_, left, right) if number(left) && number(right) => {
            let kql_type = widened(&[common(&[left, right])]);
            if kql_type == KqlType::Decimal {
                return Some((kql_type, decimal_rule(op)?));
            }
            Some((kql_type, number_rule(op, kql_type == Long)?))
        }
        _ => None,
    }
}

fn number_rule(op: BinaryOp, whole: bool) -> Option<RowFunction> {
    let function: fn(&[Cell<'_>]) -> Value = match (op, whole) {
        (BinaryOp::Add, true) => |c| longs(c, |x, y| Some(x.wrapping_add(y))),
        (BinaryOp::Subtract, true) => |c| longs(c, |x, y| Some(x.wrapping_sub(y))),
        (BinaryOp::Multiply, true) => |c| longs(c, |x, y| Some(x.wrapping_mul(y))),
        (BinaryOp::Divide, true) => |c| longs(c, |x, y| if y == 0 { None } else { Some(x.wrapping_div(y)) }),
        (BinaryOp::Modulo, true) => |c| longs(c, modulo),
        (BinaryOp::Add, false) => |c| two(c, |x, y| x + y),
        (BinaryOp::Subtract, false) => |c| two(c, |x, y| x - y),
        (BinaryOp::Multiply, false) => |c| two(c, |x, y| x * y),
        (BinaryOp::Divide, false) => |c| two(c, |x, y| x / y),
        (BinaryOp::Modulo, false) => |c| two(c, |x, y| x.rem_euclid(y)),
        _ => return None,
    };
    Some(Arc::new(function))
}

fn decimal_rule(op: BinaryOp) -> Option<RowFunction> {
    let function = match op {
        BinaryOp::Add => Decimal::plus,
        BinaryOp::Subtract => Decimal::minus,
        BinaryOp::Multiply => Decimal::times,
        BinaryOp::Divide => Decimal::divided_by,
        BinaryOp::Modulo => Decimal::modulo,
        _ => return None,
    };
    Some(Arc::new(move |c| c[0].decimal().zip(c[1].decimal()).and_then(|(x, y)| function(x, y)).into()))
}

fn longs(c: &[Cell<'_>], function: impl Fn(i64, i64) -> Option<i64>) -> Value {
    c[0].long().zip(c[1].long()).and_then(|(x, y)| function(x, y)).into()
}

fn scaled(c: &[Cell<'_>], function: impl Fn(f64, f64) -> f64) -> Value {
    let product = c[0].real().zip(c[1].real()).map(|(x, y)| function(x, y));
    product.filter(|p| p.abs() < 9.2e18).map(|p| p as i64).into()
}

/// Never negative, whatever the signs.
fn modulo(x: i64, y: i64) -> Option<i64> {
    if y == 0 { None } else { Some(x.wrapping_rem_euclid(y)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(op: BinaryOp, x: i64, y: i64) -> Value {
        arithmetic(op, KqlType::Long, KqlType::Long).unwrap().1(&[Cell::Long(x), Cell::Long(y)])
    }

    #[test]
    fn whole_numbers_divide_like_kusto() {
        assert_eq!(run(BinaryOp::Divide, -7, 2), Cell::Long(-3));
        assert_eq!(run(BinaryOp::Divide, 1, 0), Cell::Null);
        assert_eq!(run(BinaryOp::Modulo, -14, 12), Cell::Long(10));
        assert_eq!(run(BinaryOp::Modulo, 14, -12), Cell::Long(2));
        assert_eq!(run(BinaryOp::Add, i64::MAX, 1), Cell::Long(i64::MIN));
    }

    #[test]
    fn bins_floor() {
        assert_eq!(bin(&Cell::Long(-7), &Cell::Long(5), None), Cell::Long(-10));
        assert_eq!(bin(&Cell::Long(7), &Cell::Long(0), None), Cell::Null);
        assert_eq!(bin(&Cell::Real(4.5), &Cell::Long(1), None), Cell::Real(4.0));
    }
}
