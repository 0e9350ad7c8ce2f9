//! Functions on numeric arrays, element by element and over the whole series.

use serde_json::Value as Json;

use super::{Arguments, Function, Kind, Returns, conversion, dynamic::array, function, rule};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    value::{Cell, Value},
};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);
const REAL: Returns = Returns::Is(KqlType::Real);
const ONE: &[Kind] = &[Kind::Dynamic];
const TWO: &[Kind] = &[Kind::Dynamic, Kind::Dynamic];

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["series_abs"], ONE, 0, DYNAMIC, |_| each(f64::abs)),
    function(&["series_sign"], ONE, 0, DYNAMIC, |_| each(|x| if x == 0.0 { 0.0 } else { x.signum() })),
    function(&["series_ceiling"], ONE, 0, DYNAMIC, |_| each(f64::ceil)),
    function(&["series_floor"], ONE, 0, DYNAMIC, |_| each(f64::floor)),
    function(&["series_exp"], ONE, 0, DYNAMIC, |_| each(f64::exp)),
    function(&["series_log"], ONE, 0, DYNAMIC, |_| each(f64::ln)),
    function(&["series_sin"], ONE, 0, DYNAMIC, |_| each(f64::sin)),
    function(&["series_cos"], ONE, 0, DYNAMIC, |_| each(f64::cos)),
    function(&["series_tan"], ONE, 0, DYNAMIC, |_| each(f64::tan)),
    function(&["series_asin"], ONE, 0, DYNAMIC, |_| each(f64::asin)),
    function(&["series_acos"], ONE, 0, DYNAMIC, |_| each(f64::acos)),
    function(&["series_atan"], ONE, 0, DYNAMIC, |_| each(f64::atan)),
    function(&["series_add"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| number(x + y))),
    function(&["series_subtract"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| number(x - y))),
    function(&["series_multiply"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| number(x * y))),
    function(&["series_divide"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| number(x / y))),
    function(&["series_pow"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| number(x.powf(y)))),
    function(&["series_equals"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| Json::Bool(x == y))),
    function(&["series_not_equals"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| Json::Bool(x != y))),
    function(&["series_greater"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| Json::Bool(x > y))),
    function(&["series_greater_equals"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| Json::Bool(x >= y))),
    function(&["series_less"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| Json::Bool(x < y))),
    function(&["series_less_equals"], TWO, 0, DYNAMIC, |_| pairwise(|x, y| Json::Bool(x <= y))),
    function(&["series_sum"], ONE, 0, REAL, |_| whole(|values| Some(values.iter().sum()))),
    function(&["series_product"], ONE, 0, REAL, |_| whole(|values| Some(values.iter().product()))),
    function(&["series_magnitude"], ONE, 0, REAL, |_| whole(|values| Some(dot(values, values).sqrt()))),
    function(&["series_dot_product"], TWO, 0, REAL, |_| two_series(|x, y| Some(dot(x, y)))),
    function(&["series_cosine_similarity"], TWO, 0, REAL, |_| {
        two_series(|x, y| Some(dot(x, y) / (dot(x, x).sqrt() * dot(y, y).sqrt())))
    }),
    function(&["series_pearson_correlation"], TWO, 0, REAL, |_| two_series(pearson)),
    function(&["series_fill_const"], &[Kind::Dynamic, Kind::Any, Kind::Any], 1, DYNAMIC, fill_const),
    function(&["series_fill_forward"], &[Kind::Dynamic, Kind::Any], 1, DYNAMIC, |a| fill_along(a, false)),
    function(&["series_fill_backward"], &[Kind::Dynamic, Kind::Any], 1, DYNAMIC, |a| fill_along(a, true)),
    function(&["series_fill_linear"], &[Kind::Dynamic, Kind::Any, Kind::Any, Kind::Any], 3, DYNAMIC, fill_linear),
    function(&["series_fir"], &[Kind::Dynamic, Kind::Dynamic, Kind::Any, Kind::Any], 2, DYNAMIC, |_| rule(fir)),
    function(&["series_iir"], &[Kind::Dynamic, Kind::Dynamic, Kind::Dynamic], 0, DYNAMIC, |_| rule(iir)),
];

/// The numbers of an array; everything else is missing.
pub(crate) fn numbers(cell: &Cell<'_>) -> Option<Vec<Option<f64>>> {
    Some(array(cell)?.iter().map(as_number).collect())
}

fn as_number(item: &Json) -> Option<f64> {
    match item {
        Json::Number(number) => number.as_f64(),
        Json::Bool(flag) => Some(f64::from(u8::from(*flag))),
        // Reals that JSON has no number for are kept as their names.
        Json::String(name) => match name.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// Every element must be a number.
pub(crate) fn complete(cell: &Cell<'_>) -> Option<Vec<f64>> {
    numbers(cell)?.into_iter().collect()
}

/// A real as JSON; NaN and infinities become their names.
pub(crate) fn number(value: f64) -> Json {
    conversion::to_json(&Cell::Real(value), KqlType::Real)
}

pub(crate) fn series(values: impl IntoIterator<Item = f64>) -> Json {
    Json::Array(values.into_iter().map(number).collect())
}

fn each(change: fn(f64) -> f64) -> Result<RowFunction, String> {
    rule(move |c| match numbers(&c[0]) {
        // Outside the domain of asin and log there is no number.
        Some(values) => Json::Array(
            values.into_iter().map(|x| x.map(change).filter(|y| !y.is_nan()).map_or(Json::Null, number)).collect(),
        )
        .into(),
        None => Cell::Null,
    })
}

/// Element by element; where one side has no number, the result is null.
fn pairwise(combine: fn(f64, f64) -> Json) -> Result<RowFunction, String> {
    rule(move |c| {
        let (Some(left), Some(right)) = (numbers(&c[0]), numbers(&c[1])) else { return Cell::Null };
        let length = left.len().max(right.len());
        let at = |values: &[Option<f64>], at: usize| values.get(at).copied().flatten();
        let items = (0..length).map(|i| match (at(&left, i), at(&right, i)) {
            (Some(x), Some(y)) => combine(x, y),
            _ => Json::Null,
        });
        Json::Array(items.collect()).into()
    })
}

fn whole(summary: fn(&[f64]) -> Option<f64>) -> Result<RowFunction, String> {
    rule(move |c| complete(&c[0]).and_then(|values| summary(&values)).into())
}

fn two_series(summary: fn(&[f64], &[f64]) -> Option<f64>) -> Result<RowFunction, String> {
    rule(move |c| match (complete(&c[0]), complete(&c[1])) {
        (Some(x), Some(y)) if x.len() == y.len() => summary(&x, &y).into(),
        _ => Cell::Null,
    })
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.is_empty() {
        return None;
    }
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut both, mut only_x, mut only_y) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        both += (x - mean_x) * (y - mean_y);
        only_x += (x - mean_x).powi(2);
        only_y += (y - mean_y).powi(2);
    }
    Some(both / (only_x.sqrt() * only_y.sqrt()))
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sample variance.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let centre = mean(values);
    values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

// ---- filling gaps ----------------------------------------------------------------------------

/// What counts as missing: nulls, and the placeholder if there is one.
fn placeholder(a: &Arguments, c: &[Cell<'_>], at: usize) -> Json {
    match (c.get(at), a.types.get(at)) {
        (Some(cell), Some(kind)) => conversion::to_json(cell, *kind),
        _ => Json::Null,
    }
}

fn is_missing(item: &Json, placeholder: &Json) -> bool {
    item.is_null() || super::arrays::same(item, placeholder)
}

fn fill_const(a: &Arguments) -> Result<RowFunction, String> {
    let a = Arguments { types: a.types.clone(), constants: Vec::new() };
    rule(move |c| {
        let Some(items) = array(&c[0]) else { return Cell::Null };
        let (filler, missing) = (placeholder(&a, c, 1), placeholder(&a, c, 2));
        let filled = items.into_iter().map(|item| if is_missing(&item, &missing) { filler.clone() } else { item });
        Json::Array(filled.collect()).into()
    })
}

fn fill_along(a: &Arguments, backward: bool) -> Result<RowFunction, String> {
    let a = Arguments { types: a.types.clone(), constants: Vec::new() };
    rule(move |c| {
        let Some(mut items) = array(&c[0]) else { return Cell::Null };
        let missing = placeholder(&a, c, 1);
        if backward {
            items.reverse();
        }
        let mut last: Option<Json> = None;
        for item in &mut items {
            match &last {
                Some(last) if is_missing(item, &missing) => *item = last.clone(),
                _ if is_missing(item, &missing) => {}
                _ => last = Some(item.clone()),
            }
        }
        if backward {
            items.reverse();
        }
        Json::Array(items).into()
    })
}

/// Gaps become straight lines, in whole numbers where the series has only those; the edges repeat
/// the nearest value unless `fill_edges` is false.
fn fill_linear(a: &Arguments) -> Result<RowFunction, String> {
    let a = Arguments { types: a.types.clone(), constants: Vec::new() };
    rule(move |c| {
        let Some(items) = array(&c[0]) else { return Cell::Null };
        let missing = placeholder(&a, c, 1);
        let fill_edges = c.get(2).and_then(Cell::boolean).unwrap_or(true);
        let constant = if c.len() > 3 { placeholder(&a, c, 3) } else { Json::from(0) };
        let known: Vec<(usize, f64)> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| !is_missing(item, &missing))
            .filter_map(|(at, item)| as_number(item).map(|value| (at, value)))
            .collect();
        let (Some((first, head)), Some((last, tail))) = (known.first(), known.last()) else {
            return Json::Array(vec![constant; items.len()]).into();
        };
        let whole = items.iter().all(|item| is_missing(item, &missing) || item.is_i64());
        let number = |value: f64| if whole { Json::from(value as i64) } else { number(value) };
        let mut next = known.iter().peekable();
        let mut before = (*first, *head);
        let filled = items.iter().enumerate().map(|(at, item)| {
            while let Some(known) = next.next_if(|known| known.0 <= at) {
                before = *known;
            }
            if !is_missing(item, &missing) {
                return as_number(item).map_or(Json::Null, number);
            }
            match next.peek() {
                _ if at < *first && fill_edges => number(*head),
                _ if at > *last && fill_edges => number(*tail),
                _ if at < *first || at > *last => item.clone(),
                Some((to, end)) => {
                    let share = (at - before.0) as f64 / (to - before.0) as f64;
                    number(before.1 + (end - before.1) * share)
                }
                None => Json::Null,
            }
        });
        Json::Array(filled.collect()).into()
    })
}

// ---- filters ---------------------------------------------------------------------------------

/// Finite impulse response: a weighted sum of the last values. Values before the start are zero.
fn fir(c: &[Cell<'_>]) -> Value {
    let (Some(values), Some(filter)) = (complete(&c[0]), complete(&c[1])) else { return Cell::Null };
    if filter.is_empty() {
        return Cell::Null;
    }
    // Without a word on it, filters with negative weights are taken as they are.
    let normalize = c.get(2).and_then(Cell::boolean).unwrap_or_else(|| filter.iter().all(|weight| *weight >= 0.0));
    if normalize && filter.iter().any(|weight| *weight < 0.0) {
        return Cell::Null;
    }
    let centre = c.get(3).and_then(Cell::boolean).unwrap_or(false);
    let total: f64 = filter.iter().sum();
    let scale = if normalize && total != 0.0 { 1.0 / total } else { 1.0 };
    let ahead = if centre { filter.len() / 2 } else { 0 };
    let at = |position: i64| usize::try_from(position).ok().and_then(|at| values.get(at)).copied().unwrap_or(0.0);
    let smoothed = (0..values.len()).map(|i| {
        let terms = filter.iter().enumerate().map(|(lag, weight)| weight * at((i + ahead) as i64 - lag as i64));
        terms.sum::<f64>() * scale
    });
    series(smoothed).into()
}

/// Infinite impulse response: like `fir`, and each result feeds into the next ones.
fn iir(c: &[Cell<'_>]) -> Value {
    let (Some(values), Some(ahead), Some(back)) = (complete(&c[0]), complete(&c[1]), complete(&c[2])) else {
        return Cell::Null;
    };
    let Some(lead) = back.first().copied().filter(|lead| *lead != 0.0) else { return Cell::Null };
    let mut results: Vec<f64> = Vec::with_capacity(values.len());
    for i in 0..values.len() {
        let forward: f64 = ahead.iter().enumerate().take(i + 1).map(|(lag, weight)| weight * values[i - lag]).sum();
        let feedback: f64 =
            back.iter().enumerate().skip(1).take(i).map(|(lag, weight)| weight * results[i - lag]).sum();
        results.push((forward - feedback) / lead);
    }
    series(results).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cell(value: Json) -> Cell<'static> {
        value.into()
    }

    #[test]
    fn gaps_are_filled_with_lines_and_edges_with_their_neighbours() {
        let a = Arguments { types: vec![KqlType::Dynamic], constants: vec![None] };
        let filled = fill_linear(&a).unwrap()(&[cell(json!([null, 2, null, 4, null]))]);
        assert_eq!(filled, json!([2, 2, 3, 4, 4]).into());
        let filled = fill_linear(&a).unwrap()(&[cell(json!([1.0, null, 2.0]))]);
        assert_eq!(filled, json!([1.0, 1.5, 2.0]).into());
    }

    #[test]
    fn filters_sum_what_came_before() {
        assert_eq!(fir(&[cell(json!([2, 4, 6])), cell(json!([1, 1]))]), json!([1.0, 3.0, 5.0]).into());
        let sums = iir(&[cell(json!([1, 2, 3])), cell(json!([1])), cell(json!([1, -1]))]);
        assert_eq!(sums, json!([1.0, 3.0, 6.0]).into());
    }
}
