//! Functions that give several columns at once: statistics and fits of series, sorted arrays.

use serde_json::Value as Json;

use super::{
    Arguments, Function, Kind, Returns, arrays, dynamic, function, rule,
    series::{mean, number, numbers, series, variance},
    variadic,
};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    value::{Cell, Value},
};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);
const ONE: &[Kind] = &[Kind::Dynamic];

/// Each gives an array with one element per column; `project` and `extend` spread it.
pub(super) const FUNCTIONS: &[Function] = &[
    function(&["series_stats"], &[Kind::Dynamic, Kind::Bool], 1, DYNAMIC, |_| rule(|c| columns(stats(c)))),
    function(&["series_stats_dynamic"], &[Kind::Dynamic, Kind::Bool], 1, DYNAMIC, |_| rule(|c| bag(STATS, stats(c)))),
    function(&["series_fit_line"], ONE, 0, DYNAMIC, |_| rule(|c| columns(fit_line(c)))),
    function(&["series_fit_line_dynamic"], ONE, 0, DYNAMIC, |_| rule(|c| bag(LINE, fit_line(c)))),
    variadic(&["array_sort_asc"], &[Kind::Dynamic, Kind::Any], 1, DYNAMIC, |a| sort(a, false)),
    variadic(&["array_sort_desc"], &[Kind::Dynamic, Kind::Any], 1, DYNAMIC, |a| sort(a, true)),
];

pub(super) const STATS: &[&str] = &["min", "min_idx", "max", "max_idx", "avg", "stdev", "variance"];
pub(super) const LINE: &[&str] = &["rsquare", "slope", "variance", "rvariance", "interception", "line_fit"];

pub(super) fn columns(values: Vec<Json>) -> Value {
    Json::Array(values).into()
}

pub(super) fn bag(names: &[&str], values: Vec<Json>) -> Value {
    Json::Object(names.iter().map(|name| name.to_string()).zip(values).collect()).into()
}

fn nulls(names: &[&str]) -> Vec<Json> {
    vec![Json::Null; names.len()]
}

/// Smallest, largest, average and spread. Something that is no number spoils the result unless
/// non-finite values are to be ignored.
fn stats(c: &[Cell<'_>]) -> Vec<Json> {
    let ignore = c.get(1).and_then(Cell::boolean).unwrap_or(false);
    let Some(all) = numbers(&c[0]) else { return nulls(STATS) };
    let finite: Vec<(usize, f64)> = all
        .iter()
        .enumerate()
        .filter_map(|(at, value)| value.filter(|value| value.is_finite()).map(|value| (at, value)))
        .collect();
    if finite.is_empty() || !ignore && finite.len() != all.len() {
        return nulls(STATS);
    }
    let by_value = |a: &&(usize, f64), b: &&(usize, f64)| a.1.total_cmp(&b.1);
    let smallest = finite.iter().min_by(by_value).copied().unwrap_or((0, f64::NAN));
    // The first of equal values.
    let largest = finite.iter().rev().max_by(by_value).copied().unwrap_or((0, f64::NAN));
    let values: Vec<f64> = finite.iter().map(|(_, value)| *value).collect();
    let spread = if values.len() > 1 { variance(&values) } else { 0.0 };
    vec![
        number(smallest.1),
        Json::from(smallest.0),
        number(largest.1),
        Json::from(largest.0),
        number(mean(&values)),
        number(spread.sqrt()),
        number(spread),
    ]
}

/// The least-squares line through (1, y1), (2, y2), ...
pub(crate) struct Line {
    pub(crate) slope: f64,
    pub(crate) interception: f64,
    pub(crate) variance: f64,
    pub(crate) residual_variance: f64,
    pub(crate) rsquare: f64,
}

impl Line {
    pub(crate) fn through(values: &[f64]) -> Option<Line> {
        let count = values.len() as f64;
        if values.len() < 2 {
            return None;
        }
        let centre = (count + 1.0) / 2.0;
        let average = mean(values);
        let (mut both, mut square) = (0.0, 0.0);
        for (at, value) in values.iter().enumerate() {
            let x = at as f64 + 1.0 - centre;
            both += x * (value - average);
            square += x * x;
        }
        let slope = both / square;
        let interception = average - slope * centre;
        let line = Line { slope, interception, variance: 0.0, residual_variance: 0.0, rsquare: 0.0 };
        let total: f64 = values.iter().map(|value| (value - average).powi(2)).sum();
        let rest: f64 = values.iter().enumerate().map(|(at, value)| (value - line.at(at)).powi(2)).sum();
        let rsquare = if total == 0.0 { 1.0 } else { 1.0 - rest / total };
        Some(Line { variance: total / (count - 1.0), residual_variance: rest / (count - 1.0), rsquare, ..line })
    }

    /// Slope and value at zero of the line through points that need not be evenly spaced.
    pub(crate) fn through_points(points: &[(f64, f64)]) -> Option<(f64, f64)> {
        let count = points.len() as f64;
        let (centre, average) =
            (points.iter().map(|(x, _)| x).sum::<f64>() / count, points.iter().map(|(_, y)| y).sum::<f64>() / count);
        let square: f64 = points.iter().map(|(x, _)| (x - centre).powi(2)).sum();
        let both: f64 = points.iter().map(|(x, y)| (x - centre) * (y - average)).sum();
        // Fewer than two places have no slope.
        (square > 0.0).then(|| (both / square, average - both / square * centre))
    }

    /// The line at a position counted from zero.
    pub(crate) fn at(&self, position: usize) -> f64 {
        self.interception + self.slope * (position as f64 + 1.0)
    }
}

fn fit_line(c: &[Cell<'_>]) -> Vec<Json> {
    let Some(values) = super::series::complete(&c[0]) else { return nulls(LINE) };
    let Some(line) = Line::through(&values) else { return nulls(LINE) };
    vec![
        number(line.rsquare),
        number(line.slope),
        number(line.variance),
        number(line.residual_variance),
        number(line.interception),
        series((0..values.len()).map(|at| line.at(at))),
    ]
}

/// `array_sort_asc(array[, nulls_last])`, and `array_sort_asc(array, array, ...[, nulls_last])`, which
/// brings all arrays into the order of the first and gives an array of them.
fn sort(a: &Arguments, descending: bool) -> Result<RowFunction, String> {
    let flag = a.types.len() > 1 && a.types.last() == Some(&KqlType::Bool);
    let count = a.types.len() - usize::from(flag);
    if a.types[..count].iter().any(|kql_type| *kql_type != KqlType::Dynamic) {
        return Err("arrays are sorted along with arrays only".into());
    }
    if count > 1 {
        return rule(move |c| {
            let nulls_last = if flag { c[count].boolean().unwrap_or(true) } else { true };
            let items: Vec<Vec<Json>> =
                c[..count].iter().map(|cell| dynamic::array(cell).unwrap_or_default()).collect();
            // An array that has no partner for every element cannot follow.
            let length = items[0].len();
            if items.iter().any(|other| other.len() != length) {
                return Cell::Null;
            }
            columns(arrays::sorted(&items, descending, nulls_last))
        });
    }
    rule(move |c| {
        let nulls_last = if flag { c[1].boolean().unwrap_or(true) } else { true };
        match dynamic::array(&c[0]) {
            Some(items) => arrays::sorted(&[items], descending, nulls_last).swap_remove(0).into(),
            None => Cell::Null,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_from_one() {
        let line = Line::through(&[3.0, 5.0, 7.0]).unwrap();
        assert_eq!((line.slope, line.interception, line.rsquare), (2.0, 1.0, 1.0));
    }
}
