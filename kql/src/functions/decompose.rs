//! Decomposition of a series into season, trend and residual, and anomalies by Tukey's fences.
//!
//! The method is the one on Kusto's pages: the season is the median of each phase, the trend is
//! the average or the line of what is left, the baseline is both, the residual is the rest.

use serde_json::Value as Json;

use super::{
    Arguments, Function, Kind, Returns, function, periods, rule,
    series::{mean, number, numbers, series},
    tuples::{Line, columns},
};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    value::{Cell, Value},
};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        &["series_decompose"],
        &[Kind::Dynamic, Kind::Integer, Kind::Text, Kind::Integer, Kind::Number],
        4,
        DYNAMIC,
        |a| {
            trend_of(a, 2)?;
            rule(|c| parts(Parts::of(&c[0], c.get(1), c.get(2), c.get(3), c.get(4))))
        },
    ),
    function(
        &["series_decompose_forecast"],
        &[Kind::Dynamic, Kind::Integer, Kind::Integer, Kind::Text, Kind::Number],
        3,
        DYNAMIC,
        |a| {
            trend_of(a, 3)?;
            rule(|c| parts(Parts::of(&c[0], c.get(2), c.get(3), c.get(1), c.get(4))))
        },
    ),
    function(
        &["series_decompose_anomalies"],
        &[Kind::Dynamic, Kind::Number, Kind::Integer, Kind::Text, Kind::Integer, Kind::Text, Kind::Number],
        6,
        DYNAMIC,
        anomalies,
    ),
    function(
        &["series_outliers"],
        &[Kind::Dynamic, Kind::Text, Kind::Number, Kind::Number, Kind::Number],
        4,
        DYNAMIC,
        outliers,
    ),
];

/// What a series is made of. The residual is missing where the series is.
struct Parts {
    seasonal: Vec<f64>,
    trend: Vec<f64>,
    residual: Vec<Option<f64>>,
}

impl Parts {
    /// Points at the end that are only tested are predicted from the others.
    fn of(
        values: &Cell<'_>,
        seasonality: Option<&Cell<'_>>,
        trend: Option<&Cell<'_>>,
        test_points: Option<&Cell<'_>>,
        threshold: Option<&Cell<'_>>,
    ) -> Option<Parts> {
        let values = numbers(values)?;
        let tested = test_points.and_then(Cell::long).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        let learned = &values[..values.len().saturating_sub(tested)];
        let threshold = threshold.and_then(Cell::real).unwrap_or(periods::SEASONAL_SCORE);
        let period = periods::period(learned, seasonality.and_then(Cell::long), threshold);
        let seasonal = periods::season(learned, period, values.len());
        let deseasonal: Vec<Option<f64>> =
            learned.iter().zip(&seasonal).map(|(value, season)| value.map(|value| value - season)).collect();
        let trend = trend_line(&deseasonal, trend.map_or("avg", Cell::text), values.len());
        // What differs by rounding only is the same: otherwise the fences would see outliers in it.
        let size = values.iter().flatten().fold(0.0, |size: f64, value| size.max(value.abs()));
        let residual = (0..values.len())
            .map(|at| {
                let rest = values[at]? - (seasonal[at] + trend[at]);
                Some(if rest.abs() <= size * 1e-12 { 0.0 } else { rest })
            })
            .collect();
        Some(Parts { seasonal, trend, residual })
    }

    fn baseline(&self) -> Json {
        series(self.seasonal.iter().zip(&self.trend).map(|(season, trend)| season + trend))
    }
}

fn trend_line(deseasonal: &[Option<f64>], kind: &str, length: usize) -> Vec<f64> {
    let known: Vec<(f64, f64)> =
        deseasonal.iter().enumerate().filter_map(|(at, value)| value.map(|value| (at as f64, value))).collect();
    let average = || if known.is_empty() { 0.0 } else { mean(&known.iter().map(|(_, y)| *y).collect::<Vec<_>>()) };
    match kind {
        "none" => vec![0.0; length],
        "linefit" => match Line::through_points(&known) {
            Some((slope, start)) => (0..length).map(|at| start + slope * at as f64).collect(),
            None => vec![average(); length],
        },
        _ => vec![average(); length],
    }
}

/// Refuses a trend that Kusto does not know, where it can be seen before the query runs.
fn trend_of(a: &Arguments, at: usize) -> Result<(), String> {
    match a.constant_text(at) {
        None | Some("avg" | "linefit" | "none") => Ok(()),
        Some(other) => Err(format!("the trend is 'avg', 'linefit' or 'none', not '{other}'")),
    }
}

fn parts(found: Option<Parts>) -> Value {
    let Some(parts) = found else { return columns(vec![Json::Null; 4]) };
    let residual = parts.residual.iter().map(|rest| rest.map_or(Json::Null, number)).collect();
    columns(vec![parts.baseline(), series(parts.seasonal), series(parts.trend), Json::Array(residual)])
}

/// `series_decompose_anomalies(series, threshold, seasonality, trend, test points, method, score)`
fn anomalies(a: &Arguments) -> Result<RowFunction, String> {
    trend_of(a, 3)?;
    method_of(a, 5)?;
    rule(|c| {
        let Some(parts) = Parts::of(&c[0], c.get(2), c.get(3), c.get(4), c.get(6)) else {
            return columns(vec![Json::Null; 3]);
        };
        let threshold = c.get(1).and_then(Cell::real).unwrap_or(1.5);
        let fences = match c.get(5).map(Cell::text) {
            Some("tukey") => Fences::quartiles(&parts.residual),
            _ => Fences::trimmed(&parts.residual, 10.0, 90.0),
        };
        let scores: Vec<f64> = parts.residual.iter().map(|rest| fences.score(*rest)).collect();
        let flag = |score: &f64| match score {
            score if *score > threshold => 1.0,
            score if *score < -threshold => -1.0,
            _ => 0.0,
        };
        columns(vec![series(scores.iter().map(flag)), series(scores.iter().copied()), parts.baseline()])
    })
}

/// `series_outliers(series, kind, ignored value, least percentile, most percentile)`
fn outliers(a: &Arguments) -> Result<RowFunction, String> {
    method_of(a, 1)?;
    for at in [3, 4] {
        if a.constant(at).and_then(Cell::real).is_some_and(|percent| !(2.0..=98.0).contains(&percent)) {
            return Err("the percentiles of `series_outliers` lie between 2 and 98".into());
        }
    }
    rule(|c| {
        let Some(mut values) = numbers(&c[0]) else { return Cell::Null };
        if let Some(ignored) = c.get(2).and_then(Cell::real) {
            for value in &mut values {
                *value = value.filter(|value| *value != ignored);
            }
        }
        let percent = |at: usize, default: f64| c.get(at).and_then(Cell::real).unwrap_or(default);
        let fences = match c.get(1).map(Cell::text) {
            Some("tukey") => Fences::quartiles(&values),
            _ => Fences::trimmed(&values, percent(3, 10.0), percent(4, 90.0)),
        };
        series(values.into_iter().map(|value| fences.score(value))).into()
    })
}

fn method_of(a: &Arguments, at: usize) -> Result<(), String> {
    match a.constant_text(at) {
        None | Some("tukey" | "ctukey") => Ok(()),
        Some(other) => Err(format!("the method is 'tukey' or 'ctukey', not '{other}'")),
    }
}

/// Where values begin to be unusual, and by how much per unit of the score.
struct Fences {
    /// Inside, the score is zero.
    inside: (f64, f64),
    /// For low values: zero of the score, and its unit.
    low: (f64, f64),
    /// For high values
    high: (f64, f64),
}

impl Fences {
    /// Tukey's: the quartiles, and the distance between them as the unit.
    fn quartiles(values: &[Option<f64>]) -> Fences {
        let sorted = sorted(values);
        let (lower, upper) = (quantile(&sorted, 0.25), quantile(&sorted, 0.75));
        Fences { inside: (lower, upper), low: (lower, upper - lower), high: (upper, upper - lower) }
    }

    /// Kusto's own: extreme values must not widen the fence that they are measured by. Low values
    /// are measured by the quartiles of what the low end is cut off from, high values likewise.
    /// Kusto does not say so in words; this is the rule behind the numbers of its page.
    fn trimmed(values: &[Option<f64>], least: f64, most: f64) -> Fences {
        let sorted = sorted(values);
        let place = |percent: f64| ((percent / 100.0 * sorted.len() as f64).floor() as usize).min(sorted.len());
        let fence = |part: &[f64]| (quantile(part, 0.25), quantile(part, 0.75));
        let above = fence(&sorted[place(least)..]);
        let below = fence(&sorted[..place(most).max(1).min(sorted.len())]);
        Fences { inside: fence(&sorted), low: (above.0, above.1 - above.0), high: (below.1, below.1 - below.0) }
    }

    /// Above zero for high values, below zero for low ones; missing values are usual.
    fn score(&self, value: Option<f64>) -> f64 {
        let Some(value) = value else { return 0.0 };
        let (zero, unit) = if value > self.inside.1 {
            self.high
        } else if value < self.inside.0 {
            self.low
        } else {
            return 0.0;
        };
        let score = (value - zero) / unit;
        if score.is_nan() { 0.0 } else { score }
    }
}

fn sorted(values: &[Option<f64>]) -> Vec<f64> {
    let mut known: Vec<f64> = values.iter().copied().flatten().filter(|value| !value.is_nan()).collect();
    known.sort_by(f64::total_cmp);
    known
}

/// Between the two nearest values in proportion.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    sorted[below] + part * (sorted[(below + 1).min(last)] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_kustos_page() {
        let values = [30.0, 28.0, 5.0, 27.0, 31.0, 38.0, 29.0, 80.0, 25.0, 37.0, 30.0].map(Some);
        let fences = Fences::trimmed(&values, 10.0, 90.0);
        let scores = values.map(|value| fences.score(value));
        let documented = [
            0.0,
            0.0,
            -3.206_896_551_724_138,
            -0.172_413_793_103_448_3,
            0.0,
            2.666_666_666_666_666_7,
            0.0,
            16.666_666_666_666_669,
            -0.448_275_862_068_965_5,
            2.333_333_333_333_333_3,
            0.0,
        ];
        for (score, wanted) in scores.iter().zip(documented) {
            assert!((score - wanted).abs() < 1e-12, "{scores:?}");
        }
    }

    #[test]
    fn fences_of_little_data_do_not_fail() {
        for values in [vec![], vec![None], vec![Some(1.0)], vec![Some(1.0), Some(9.0)], vec![Some(f64::NAN); 4]] {
            for value in &values {
                assert!(!Fences::trimmed(&values, 2.0, 2.0).score(*value).is_nan());
                assert!(!Fences::quartiles(&values).score(*value).is_nan());
            }
        }
    }

    #[test]
    fn a_spike_in_a_steady_series_stands_out() {
        let mut values = vec![Some(4.0); 30];
        values[20] = Some(9.0);
        assert_eq!(Fences::quartiles(&values).score(values[20]), f64::INFINITY);
        assert_eq!(Fences::quartiles(&values).score(values[3]), 0.0);
    }
}
