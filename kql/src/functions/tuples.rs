//! Functions that give several columns at once: statistics and fits of series, sorted arrays.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    Arguments, Kind, arrays, dynamic,
    series::{mean, numbers, series, variance},
};
use crate::{
    ast::KqlType,
    value::{Cell, Value},
};

/// Cells of one row to one cell per column.
pub(crate) type TupleRule = Arc<dyn Fn(&[Cell<'_>]) -> Vec<Value> + Send + Sync>;

/// A function with several result columns.
pub(crate) struct Tuple {
    pub(crate) name: &'static str,
    pub(crate) kinds: &'static [Kind],
    pub(crate) required: usize,
    /// The last kind repeats.
    pub(crate) variadic: bool,
    /// Name suffixes and types; `None` where the arguments decide.
    pub(crate) columns: &'static [(&'static str, KqlType)],
    pub(crate) build: fn(&Arguments) -> Result<TupleRule, String>,
}

const STATS: &[(&str, KqlType)] = &[
    ("min", KqlType::Real),
    ("min_idx", KqlType::Long),
    ("max", KqlType::Real),
    ("max_idx", KqlType::Long),
    ("avg", KqlType::Real),
    ("stdev", KqlType::Real),
    ("variance", KqlType::Real),
];

const LINE: &[(&str, KqlType)] = &[
    ("rsquare", KqlType::Real),
    ("slope", KqlType::Real),
    ("variance", KqlType::Real),
    ("rvariance", KqlType::Real),
    ("interception", KqlType::Real),
    ("line_fit", KqlType::Dynamic),
];

pub(crate) const TUPLES: &[Tuple] = &[
    Tuple {
        name: "series_stats",
        kinds: &[Kind::Dynamic, Kind::Bool],
        required: 1,
        variadic: false,
        columns: STATS,
        build: |_| Ok(Arc::new(stats)),
    },
    Tuple {
        name: "series_fit_line",
        kinds: &[Kind::Dynamic],
        required: 1,
        variadic: false,
        columns: LINE,
        build: |_| Ok(Arc::new(fit_line)),
    },
    Tuple {
        name: "array_sort_asc",
        kinds: &[Kind::Dynamic, Kind::Any],
        required: 1,
        variadic: true,
        columns: &[],
        build: |a| sort(a, false),
    },
    Tuple {
        name: "array_sort_desc",
        kinds: &[Kind::Dynamic, Kind::Any],
        required: 1,
        variadic: true,
        columns: &[],
        build: |a| sort(a, true),
    },
];

pub(crate) fn find(name: &str) -> Option<&'static Tuple> {
    TUPLES.iter().find(|tuple| tuple.name == name)
}

fn nulls(columns: &[(&str, KqlType)]) -> Vec<Value> {
    vec![Cell::Null; columns.len()]
}

/// Smallest, largest, average and spread. Something that is no number spoils the result unless
/// non-finite values are to be ignored.
fn stats(c: &[Cell<'_>]) -> Vec<Value> {
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
        smallest.1.into(),
        (smallest.0 as i64).into(),
        largest.1.into(),
        (largest.0 as i64).into(),
        mean(&values).into(),
        spread.sqrt().into(),
        spread.into(),
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

    /// The line at a position counted from zero.
    pub(crate) fn at(&self, position: usize) -> f64 {
        self.interception + self.slope * (position as f64 + 1.0)
    }
}

fn fit_line(c: &[Cell<'_>]) -> Vec<Value> {
    let Some(values) = super::series::complete(&c[0]) else { return nulls(LINE) };
    let Some(line) = Line::through(&values) else { return nulls(LINE) };
    vec![
        line.rsquare.into(),
        line.slope.into(),
        line.variance.into(),
        line.residual_variance.into(),
        line.interception.into(),
        series((0..values.len()).map(|at| line.at(at))).into(),
    ]
}

/// `array_sort_asc(array, followers..., nulls_last)`
fn sort(a: &Arguments, descending: bool) -> Result<TupleRule, String> {
    let flag = a.types.last().is_some_and(|kind| *kind == KqlType::Bool);
    let arrays = a.types.len() - usize::from(flag && a.types.len() > 1);
    if let Some(other) = a.types[..arrays].iter().find(|kind| **kind != KqlType::Dynamic) {
        return Err(format!("arrays are sorted, this is a {other}"));
    }
    Ok(Arc::new(move |c| {
        let nulls_last = if flag { c.last().and_then(Cell::boolean).unwrap_or(true) } else { true };
        let items: Vec<Vec<Json>> = c[..arrays]
            .iter()
            .map(|cell| match dynamic::json(cell) {
                Json::Array(items) => items,
                _ => Vec::new(),
            })
            .collect();
        if !super::series::is_array(&c[0]) {
            return vec![Cell::Null; arrays];
        }
        arrays::sorted(&items, descending, nulls_last).into_iter().map(Value::from).collect()
    }))
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
