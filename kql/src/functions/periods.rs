//! Periods of a series: found, confirmed, and the pattern that repeats in them.
//!
//! Kusto documents what these functions give and not how. A period is looked for where the
//! spectrum has a peak, and confirmed by the autocorrelation at its shift; the score is that
//! correlation, less where few periods fit into the series. This reproduces the documented examples.

use serde_json::Value as Json;

use super::{
    Arguments, Function, Kind, Returns, fourier, function, rule,
    series::{mean, numbers, series},
    tuples::columns,
    variadic,
};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    value::{Cell, Value},
};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);

/// Shorter periods cannot be told from noise, as Kusto has it.
const SHORTEST: usize = 4;

/// Seasonality is found from this score on.
pub(super) const SEASONAL_SCORE: f64 = 0.6;

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        &["series_periods_detect"],
        &[Kind::Dynamic, Kind::Number, Kind::Number, Kind::Integer],
        0,
        DYNAMIC,
        |_| rule(detect),
    ),
    variadic(&["series_periods_validate"], &[Kind::Dynamic, Kind::Number], 2, DYNAMIC, validate),
    function(&["series_seasonal"], &[Kind::Dynamic, Kind::Integer], 1, DYNAMIC, |_| rule(seasonal)),
];

/// Periods of the series with their scores, the best first.
pub(super) fn found(values: &[f64], least: f64, most: f64) -> Vec<(usize, f64)> {
    let count = values.len();
    if count < 2 * SHORTEST || values.iter().any(|value| !value.is_finite()) {
        return Vec::new();
    }
    let power = fourier::periodogram(values);
    let noise = mean(&power[1..]);
    let correlation = fourier::autocorrelation(values);
    let mut periods: Vec<(usize, f64)> = Vec::new();
    for frequency in 2..=count / SHORTEST {
        let is_peak = power[frequency] > noise
            && power[frequency] >= power[frequency - 1]
            && power.get(frequency + 1).is_none_or(|next| power[frequency] >= *next);
        if !is_peak {
            continue;
        }
        // A frequency is coarse for long periods: the autocorrelation tells the exact one.
        let from = count.div_ceil(frequency + 1).max(SHORTEST);
        let to = (count / (frequency - 1)).min(count / 2);
        let Some(period) = (from..=to).max_by(|a, b| correlation[*a].total_cmp(&correlation[*b])) else { continue };
        let score = score(&correlation, period);
        let is_wanted = (least..=most).contains(&(period as f64));
        if score > 0.0 && is_wanted && !periods.iter().any(|(known, _)| *known == period) {
            periods.push((period, score));
        }
    }
    periods.sort_by(|a, b| b.1.total_cmp(&a.1));
    periods
}

/// The series must agree with itself best at the period, compared with shifts nearby.
fn score(correlation: &[f64], period: usize) -> f64 {
    let count = correlation.len();
    if period < SHORTEST || period > count / 2 {
        return 0.0;
    }
    let (from, to) = (period - period / 4, (period + period / 4).min(count - 1));
    if (from..=to).any(|shift| correlation[shift] > correlation[period]) {
        return 0.0;
    }
    let room = ((count - period) as f64 / count as f64).sqrt();
    (correlation[period] * room).clamp(0.0, 1.0)
}

/// The numbers of a series for the search of periods; gaps are filled with the mean.
pub(super) fn without_gaps(values: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let centre = if known.is_empty() { 0.0 } else { mean(&known) };
    values.iter().map(|value| value.unwrap_or(centre)).collect()
}

fn detect(c: &[Cell<'_>]) -> Value {
    let (Some(values), Some(least), Some(most), Some(count)) = (numbers(&c[0]), c[1].real(), c[2].real(), c[3].long())
    else {
        return columns(vec![Json::Null, Json::Null]);
    };
    let count = usize::try_from(count).unwrap_or(0).min(values.len());
    let mut periods: Vec<(f64, f64)> =
        found(&without_gaps(&values), least, most).into_iter().map(|(period, score)| (period as f64, score)).collect();
    periods.resize(count, (0.0, 0.0));
    let (periods, scores): (Vec<f64>, Vec<f64>) = periods.into_iter().unzip();
    columns(vec![series(periods), series(scores)])
}

fn validate(a: &Arguments) -> Result<RowFunction, String> {
    if a.types.len() > 17 {
        return Err("at most 16 periods can be validated".into());
    }
    rule(|c| {
        let Some(values) = numbers(&c[0]) else { return columns(vec![Json::Null, Json::Null]) };
        let correlation =
            if values.len() < 2 * SHORTEST { Vec::new() } else { fourier::autocorrelation(&without_gaps(&values)) };
        let periods: Vec<f64> = c[1..].iter().map(|period| period.real().unwrap_or(f64::NAN)).collect();
        let scores = periods.iter().map(|period| {
            if period.is_nan() || *period < SHORTEST as f64 {
                0.0
            } else {
                score(&correlation, period.round() as usize)
            }
        });
        let scores: Vec<f64> = scores.collect();
        columns(vec![series(periods), series(scores)])
    })
}

/// `series_seasonal(series[, period])`
fn seasonal(c: &[Cell<'_>]) -> Value {
    let Some(values) = numbers(&c[0]) else { return Cell::Null };
    let period = period(&values, c.get(1).and_then(Cell::long), SEASONAL_SCORE);
    series(season(&values, period, values.len())).into()
}

/// The period that was asked for; -1 or nothing asks for the best that is found.
pub(super) fn period(values: &[Option<f64>], wanted: Option<i64>, threshold: f64) -> Option<usize> {
    match wanted.unwrap_or(-1) {
        -1 => {
            let best = found(&without_gaps(values), 0.0, f64::INFINITY).into_iter().next();
            best.filter(|(_, score)| *score >= threshold).map(|(period, _)| period)
        }
        wanted => usize::try_from(wanted).ok().filter(|period| *period > 0),
    }
}

/// The median of the values at each phase of the period, repeated over `length` points. Zero
/// everywhere without a period.
pub(super) fn season(values: &[Option<f64>], period: Option<usize>, length: usize) -> Vec<f64> {
    let Some(period) = period else { return vec![0.0; length] };
    let phases: Vec<f64> = (0..period.min(length))
        .map(|phase| median(values.iter().skip(phase).step_by(period).copied().flatten().collect()).unwrap_or(0.0))
        .collect();
    (0..length).map(|at| phases[at % period]).collect()
}

pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The series of Kusto's page on `series_periods_detect`: traffic of a month, twice a day.
    const TRAFFIC: [f64; 60] = [
        80.0, 139.0, 87.0, 110.0, 68.0, 54.0, 50.0, 51.0, 53.0, 133.0, 86.0, 141.0, 97.0, 156.0, 94.0, 149.0, 95.0,
        140.0, 77.0, 61.0, 50.0, 54.0, 47.0, 133.0, 72.0, 152.0, 94.0, 148.0, 105.0, 162.0, 101.0, 160.0, 87.0, 63.0,
        53.0, 55.0, 54.0, 151.0, 103.0, 189.0, 108.0, 183.0, 113.0, 175.0, 113.0, 178.0, 90.0, 71.0, 62.0, 62.0, 65.0,
        165.0, 109.0, 181.0, 115.0, 182.0, 121.0, 178.0, 114.0, 170.0,
    ];

    #[test]
    fn the_documented_week_is_found() {
        let periods = found(&TRAFFIC, 0.0, 50.0);
        assert_eq!(periods.iter().map(|(period, _)| *period).collect::<Vec<_>>(), [14]);
        assert_eq!((periods[0].1 * 100.0).round(), 84.0);
        assert_eq!(score(&fourier::autocorrelation(&TRAFFIC), 10), 0.0);
    }

    #[test]
    fn a_line_and_chance_have_no_season() {
        let line: Vec<Option<f64>> = (0..100).map(|at| Some(f64::from(at))).collect();
        assert_eq!(period(&line, None, SEASONAL_SCORE), None);
        assert_eq!(period(&line, Some(7), SEASONAL_SCORE), Some(7));
        assert_eq!(
            season(&[Some(1.0), Some(3.0), Some(5.0), Some(1.0), None, Some(7.0)], Some(3), 7),
            [1.0, 3.0, 6.0, 1.0, 3.0, 6.0, 1.0]
        );
    }

    #[test]
    fn short_and_broken_series_have_no_periods() {
        for values in [vec![], vec![1.0], vec![1.0; 30], vec![f64::NAN; 30], vec![f64::INFINITY; 30]] {
            assert_eq!(found(&values, 0.0, 50.0), []);
        }
    }
}
