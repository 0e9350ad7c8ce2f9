//! Functions on dynamic arrays.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{
    Arguments, Function, Kind, Returns, conversion,
    dynamic::{array, json},
    function, rule, variadic,
};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    ticks,
    value::{Cell, Value},
};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);
const LONG: Returns = Returns::Is(KqlType::Long);
const TEXT: Returns = Returns::Is(KqlType::String);

/// `range()` gives no longer arrays than this.
const MAX_RANGE: usize = 1_048_576;

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["array_length", "arraylength"], &[Kind::Dynamic], 0, LONG, |_| {
        rule(|c| array(&c[0]).map(|items| items.len() as i64).into())
    }),
    variadic(&["pack_array"], &[Kind::Any], 1, DYNAMIC, |a| {
        let types = a.types.clone();
        rule(move |c| {
            Json::Array(c.iter().zip(&types).map(|(cell, kind)| conversion::to_json(cell, *kind)).collect()).into()
        })
    }),
    function(&["strcat_array", "array_strcat"], &[Kind::Dynamic, Kind::Any], 0, TEXT, |a| {
        let kind = a.types[1];
        rule(move |c| {
            let Some(items) = array(&c[0]) else { return "".into() };
            let delimiter = conversion::text_of(&c[1], kind);
            items.iter().map(conversion::json_text).collect::<Vec<_>>().join(&delimiter).into()
        })
    }),
    variadic(&["array_concat"], &[Kind::Dynamic], 1, DYNAMIC, |_| {
        rule(|c| {
            let arrays: Vec<Vec<Json>> = c.iter().filter_map(array).collect();
            if arrays.is_empty() { Cell::Null } else { Json::Array(arrays.concat()).into() }
        })
    }),
    function(&["array_slice"], &[Kind::Dynamic, Kind::Integer, Kind::Integer], 0, DYNAMIC, |_| rule(slice)),
    function(&["array_split"], &[Kind::Dynamic, Kind::Any], 0, DYNAMIC, |a| {
        let kind = a.types[1];
        rule(move |c| split(&c[0], &c[1], kind))
    }),
    function(&["array_reverse"], &[Kind::Dynamic], 0, DYNAMIC, |_| rule(|c| reordered(&c[0], |items| items.reverse()))),
    function(
        &["array_index_of"],
        &[Kind::Dynamic, Kind::Any, Kind::Integer, Kind::Integer, Kind::Integer],
        3,
        LONG,
        |a| {
            let kind = a.types[1];
            rule(move |c| index_of(c, kind))
        },
    ),
    function(&["array_sum"], &[Kind::Dynamic], 0, Returns::Is(KqlType::Real), |_| {
        rule(|c| {
            let numbers = array(&c[0]).and_then(|items| items.iter().map(Json::as_f64).collect::<Option<Vec<_>>>());
            numbers.map(|numbers| numbers.iter().sum::<f64>()).into()
        })
    }),
    function(&["array_rotate_left"], &[Kind::Dynamic, Kind::Integer], 0, DYNAMIC, |_| rule(|c| rotate(c, 1))),
    function(&["array_rotate_right"], &[Kind::Dynamic, Kind::Integer], 0, DYNAMIC, |_| rule(|c| rotate(c, -1))),
    function(&["array_shift_left"], &[Kind::Dynamic, Kind::Integer, Kind::Any], 1, DYNAMIC, |a| shift(a, 1)),
    function(&["array_shift_right"], &[Kind::Dynamic, Kind::Integer, Kind::Any], 1, DYNAMIC, |a| shift(a, -1)),
    function(&["array_iff", "array_iif"], &[Kind::Dynamic, Kind::Any, Kind::Any], 0, DYNAMIC, |a| {
        let kinds = (a.types[1], a.types[2]);
        rule(move |c| choose(c, kinds))
    }),
    variadic(&["zip"], &[Kind::Dynamic], 2, DYNAMIC, |_| rule(zip)),
    function(&["repeat"], &[Kind::Any, Kind::Integer], 0, DYNAMIC, |a| {
        let kind = a.types[0];
        rule(move |c| match c[1].long() {
            Some(times) if times >= 0 => {
                let times = usize::try_from(times).unwrap_or(MAX_RANGE).min(MAX_RANGE);
                Json::Array(vec![conversion::to_json(&c[0], kind); times]).into()
            }
            _ => Cell::Null,
        })
    }),
    function(&["range"], &[Kind::Measurable, Kind::Measurable, Kind::Measurable], 1, DYNAMIC, range),
];

/// Sorted arrays, ascending or descending: `[array sorted, others in the same order]`. Nulls come last
/// unless `nulls_last` is false.
pub(crate) fn sorted(arrays: &[Vec<Json>], descending: bool, nulls_last: bool) -> Vec<Json> {
    let first = &arrays[0];
    let mut order: Vec<usize> = (0..first.len()).collect();
    order.sort_by(|left, right| {
        let (left, right) = (&first[*left], &first[*right]);
        match (left.is_null(), right.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if nulls_last => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, true) if nulls_last => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ if descending => order_of(right, left),
            _ => order_of(left, right),
        }
    });
    arrays
        .iter()
        .map(|items| {
            // An array of another length cannot follow the first.
            if items.len() != first.len() {
                return Json::Null;
            }
            Json::Array(order.iter().map(|at| items[*at].clone()).collect())
        })
        .collect()
}

fn order_of(left: &Json, right: &Json) -> Ordering {
    match (left, right) {
        (Json::Number(l), Json::Number(r)) => match (l.as_i64(), r.as_i64()) {
            (Some(l), Some(r)) => l.cmp(&r),
            _ => l.as_f64().unwrap_or(f64::NAN).total_cmp(&r.as_f64().unwrap_or(f64::NAN)),
        },
        (Json::String(l), Json::String(r)) => l.cmp(r),
        (Json::Bool(l), Json::Bool(r)) => l.cmp(r),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Json) -> u8 {
    match value {
        Json::Bool(_) => 0,
        Json::Number(_) => 1,
        Json::String(_) => 2,
        Json::Array(_) => 3,
        Json::Object(_) => 4,
        Json::Null => 5,
    }
}

fn reordered(cell: &Cell<'_>, change: impl Fn(&mut Vec<Json>)) -> Value {
    let Some(mut items) = array(cell) else { return Cell::Null };
    change(&mut items);
    Json::Array(items).into()
}

fn slice(c: &[Cell<'_>]) -> Value {
    let (Some(items), Some(start), Some(end)) = (array(&c[0]), c[1].long(), c[2].long()) else { return Cell::Null };
    let length = items.len() as i64;
    let place = |at: i64| if at < 0 { length.saturating_add(at) } else { at };
    let (start, end) = (place(start).max(0), place(end).min(length - 1));
    if start > end {
        return Json::Array(Vec::new()).into();
    }
    Json::Array(items[start as usize..=end as usize].to_vec()).into()
}

/// Cut before one position or before each of several; negative positions count from the end.
fn split(cell: &Cell<'_>, at: &Cell<'_>, kind: KqlType) -> Value {
    let Some(items) = array(cell) else { return Cell::Null };
    let positions = match (kind, at) {
        (KqlType::Dynamic, _) => match json(at) {
            Json::Array(positions) => positions.iter().map(Json::as_i64).collect::<Option<Vec<_>>>(),
            single => single.as_i64().map(|at| vec![at]),
        },
        (_, Cell::Long(at)) => Some(vec![*at]),
        _ => None,
    };
    let Some(positions) = positions else { return Cell::Null };
    let length = items.len() as i64;
    let mut parts = Vec::new();
    let mut from = 0;
    for at in positions {
        let at = if at < 0 { length.saturating_add(at) } else { at };
        let at = (at.clamp(0, length) as usize).max(from);
        parts.push(Json::Array(items[from..at].to_vec()));
        from = at;
    }
    parts.push(Json::Array(items[from..].to_vec()));
    Json::Array(parts).into()
}

/// Position of the `occurrence`th match among `length` items from `start`, or -1.
fn index_of(c: &[Cell<'_>], kind: KqlType) -> Value {
    let Some(items) = array(&c[0]) else { return Cell::Null };
    let wanted = conversion::to_json(&c[1], kind);
    let total = items.len() as i64;
    let start = c.get(2).and_then(Cell::long).unwrap_or(0);
    let start = if start < 0 { total.saturating_add(start).max(0) } else { start.min(total) };
    let length = c.get(3).and_then(Cell::long).unwrap_or(-1);
    let end = if length < 0 { total } else { start.saturating_add(length).min(total) };
    let occurrence = c.get(4).and_then(Cell::long).unwrap_or(1);
    if occurrence < 1 {
        return Cell::Null;
    }
    let hits = items[start as usize..end as usize].iter().enumerate().filter(|(_, item)| same(item, &wanted));
    hits.map(|(at, _)| start + at as i64).nth(occurrence as usize - 1).unwrap_or(-1).into()
}

/// Equality of dynamic values: 1 and 1.0 are the same number.
pub(crate) fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(l), Json::Number(r)) => l == r || l.as_f64() == r.as_f64(),
        _ => left == right,
    }
}

fn rotate(c: &[Cell<'_>], direction: i64) -> Value {
    let Some(count) = c[1].long() else { return Cell::Null };
    reordered(&c[0], |items| {
        if !items.is_empty() {
            let by = (direction * (count % items.len() as i64)).rem_euclid(items.len() as i64);
            items.rotate_left(by as usize);
        }
    })
}

/// Like rotating, but what leaves is lost and what enters is the filler, by default null.
fn shift(a: &Arguments, direction: i64) -> Result<RowFunction, String> {
    let kind = a.types.get(2).copied();
    rule(move |c| {
        let Some(count) = c[1].long() else { return Cell::Null };
        let filler = match (c.get(2), kind) {
            (Some(cell), Some(kind)) => conversion::to_json(cell, kind),
            _ => Json::Null,
        };
        reordered(&c[0], |items| {
            let length = items.len() as i64;
            let by = count.saturating_mul(direction).clamp(-length, length);
            *items = (0..length)
                .map(|at| usize::try_from(at + by).ok().and_then(|from| items.get(from)).unwrap_or(&filler).clone())
                .collect();
        })
    })
}

/// Element by element `iff`; what is neither a bool nor a number chooses nothing.
fn choose(c: &[Cell<'_>], kinds: (KqlType, KqlType)) -> Value {
    let Some(conditions) = array(&c[0]) else { return Cell::Null };
    let side = |cell: &Cell<'_>, kind| match conversion::to_json(cell, kind) {
        Json::Array(items) => (items, None),
        single => (Vec::new(), Some(single)),
    };
    let (yes, no) = (side(&c[1], kinds.0), side(&c[2], kinds.1));
    let pick = |(items, single): &(Vec<Json>, Option<Json>), at: usize| {
        single.clone().or_else(|| items.get(at).cloned()).unwrap_or(Json::Null)
    };
    let chosen = conditions.iter().enumerate().map(|(at, condition)| match condition {
        Json::Bool(true) => pick(&yes, at),
        Json::Bool(false) => pick(&no, at),
        Json::Number(number) => pick(if number.as_f64() == Some(0.0) { &no } else { &yes }, at),
        _ => Json::Null,
    });
    Json::Array(chosen.collect()).into()
}

/// Rows of the elements at each position; shorter arrays give null.
fn zip(c: &[Cell<'_>]) -> Value {
    let arrays: Vec<Vec<Json>> = c
        .iter()
        .map(|cell| match json(cell) {
            Json::Array(items) => items,
            Json::Null => Vec::new(),
            single => vec![single],
        })
        .collect();
    let longest = arrays.iter().map(Vec::len).max().unwrap_or(0);
    let row =
        |at: usize| Json::Array(arrays.iter().map(|items| items.get(at).cloned().unwrap_or(Json::Null)).collect());
    Json::Array((0..longest).map(row).collect()).into()
}

/// `range(start, stop, step)` includes the end; without a step it is one, or one hour for times.
fn range(a: &Arguments) -> Result<RowFunction, String> {
    use KqlType::*;
    let kind = match (a.types[0], a.types.get(2)) {
        (Datetime, None | Some(Timespan)) => Datetime,
        (Timespan, None | Some(Timespan)) => Timespan,
        (Datetime | Timespan, Some(step)) => return Err(format!("a {} cannot be stepped by a {step}", a.types[0])),
        (start, step) if start == Real || step == Some(&Real) || a.types[1] == Real => Real,
        _ => Long,
    };
    rule(move |c| {
        let step = match c.get(2) {
            Some(step) => step.clone().into_owned(),
            None if matches!(kind, Datetime | Timespan) => ticks::HOUR.into(),
            None => 1i64.into(),
        };
        let items = if kind == Real {
            let (Some(from), Some(to), Some(step)) = (c[0].real(), c[1].real(), step.real()) else { return Cell::Null };
            reals(from, to, step)
        } else {
            let (Some(from), Some(to), Some(step)) = (c[0].long(), c[1].long(), step.long()) else { return Cell::Null };
            longs(from, to, step)
        };
        match items {
            Some(items) => Json::Array(items.iter().map(|item| conversion::to_json(item, kind)).collect()).into(),
            None => Cell::Null,
        }
    })
}

fn longs(from: i64, to: i64, step: i64) -> Option<Vec<Value>> {
    let (from, to, step) = (i128::from(from), i128::from(to), i128::from(step));
    let count = if step == 0 { return None } else { (to - from) / step + 1 };
    if (to - from) * step.signum() < 0 {
        return Some(Vec::new());
    }
    let count = usize::try_from(count).unwrap_or(MAX_RANGE).min(MAX_RANGE);
    Some((0..count as i128).map(|at| ((from + at * step) as i64).into()).collect())
}

fn reals(from: f64, to: f64, step: f64) -> Option<Vec<Value>> {
    let count = ((to - from) / step).floor() + 1.0;
    if !count.is_finite() {
        return None;
    }
    let count = (count.max(0.0) as usize).min(MAX_RANGE);
    Some((0..count).map(|at| (from + at as f64 * step).into()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sorting_carries_the_other_arrays_along() {
        let arrays = [vec![json!(2), json!(null), json!(1)], vec![json!("b"), json!("n"), json!("a")]];
        assert_eq!(sorted(&arrays, false, true), [json!([1, 2, null]), json!(["a", "b", "n"])]);
        assert_eq!(sorted(&arrays[..1], true, false), [json!([null, 2, 1])]);
    }

    #[test]
    fn ranges_include_their_end_and_end() {
        assert_eq!(longs(1, 7, 3).map(|items| items.len()), Some(3));
        assert_eq!(longs(1, 0, 1).map(|items| items.len()), Some(0));
        assert_eq!(longs(0, i64::MAX, 1).map(|items| items.len()), Some(MAX_RANGE));
        assert_eq!(longs(0, 1, 0), None);
    }
}
