//! Distributions: the error function, the beta distribution, Welch's test.

use super::{Function, Kind, Returns, function, math::ln_gamma, rule};
use crate::{
    ast::KqlType,
    value::{Cell, Value},
};

const REAL: Returns = Returns::Is(KqlType::Real);
const THREE: &[Kind] = &[Kind::Number, Kind::Number, Kind::Number];
const SIX: &[Kind] = &[Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Number];

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["erf"], &[Kind::Number], 0, REAL, |_| rule(|c| c[0].real().map(|x| 1.0 - erfc(x)).into())),
    function(&["erfc"], &[Kind::Number], 0, REAL, |_| rule(|c| c[0].real().map(erfc).into())),
    function(&["beta_cdf"], THREE, 0, REAL, |_| rule(|c| three(c, |x, a, b| Some(beta_cdf(x, a, b))))),
    function(&["beta_pdf"], THREE, 0, REAL, |_| rule(|c| three(c, |x, a, b| Some(beta_pdf(x, a, b))))),
    function(&["beta_inv"], THREE, 0, REAL, |_| rule(|c| three(c, beta_inv))),
    function(&["welch_test"], SIX, 0, REAL, |_| rule(welch_test)),
];

fn three(c: &[Cell<'_>], function: impl Fn(f64, f64, f64) -> Option<f64>) -> Value {
    match (c[0].real(), c[1].real(), c[2].real()) {
        (Some(x), Some(alpha), Some(beta)) => function(x, alpha, beta).into(),
        _ => Cell::Null,
    }
}

/// The complementary error function: a series near zero, a continued fraction beyond.
fn erfc(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    let size = x.abs();
    let tail = if size < 2.0 {
        let (mut term, mut sum, mut n) = (size, size, 0.0);
        while term.abs() > sum.abs() * f64::EPSILON * 0.1 {
            n += 1.0;
            term *= -size * size / n;
            sum += term / (2.0 * n + 1.0);
        }
        1.0 - 2.0 / std::f64::consts::PI.sqrt() * sum
    } else {
        // From the innermost fraction outwards; a hundred levels are more than enough beyond 2.
        let fraction = (1..=100).rev().fold(size, |inner, level| size + f64::from(level) / 2.0 / inner);
        (-size * size).exp() / (std::f64::consts::PI.sqrt() * fraction)
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

/// Kusto computes the distribution for parameters up to this one.
const MOST: f64 = 10_000.0;

fn in_range(parameter: f64) -> bool {
    parameter > 0.0 && parameter <= MOST
}

fn beta_cdf(x: f64, alpha: f64, beta: f64) -> f64 {
    if !(0.0..=1.0).contains(&x) || !in_range(alpha) || !in_range(beta) {
        return f64::NAN;
    }
    incomplete_beta(x, alpha, beta)
}

fn beta_pdf(x: f64, alpha: f64, beta: f64) -> f64 {
    if !(0.0..=1.0).contains(&x) || !in_range(alpha) || !in_range(beta) {
        return f64::NAN;
    }
    let logarithm = (alpha - 1.0) * x.ln() + (beta - 1.0) * (-x).ln_1p() - ln_beta(alpha, beta);
    // 0 * infinity at the edges of a flat distribution
    if logarithm.is_nan() { (-ln_beta(alpha, beta)).exp() } else { logarithm.exp() }
}

fn ln_beta(alpha: f64, beta: f64) -> f64 {
    ln_gamma(alpha) + ln_gamma(beta) - ln_gamma(alpha + beta)
}

/// Wrong parameters give null, a probability outside 0..1 gives NaN, as on Kusto's page.
fn beta_inv(probability: f64, alpha: f64, beta: f64) -> Option<f64> {
    if !in_range(alpha) || !in_range(beta) {
        return None;
    }
    if !(probability > 0.0 && probability <= 1.0) {
        return Some(f64::NAN);
    }
    // Halving always arrives: the distribution only rises.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if middle == low || middle == high {
            break;
        }
        if incomplete_beta(middle, alpha, beta) < probability { low = middle } else { high = middle }
    }
    Some((low + high) / 2.0)
}

/// The regularised incomplete beta function, by its continued fraction.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // The fraction converges fast on one side; the other follows by symmetry.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let front = (a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b)).exp() / a;
    let step = |n: usize| {
        let m = (n / 2) as f64;
        if n == 0 {
            1.0
        } else if n.is_multiple_of(2) {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        }
    };
    const TINY: f64 = 1e-300;
    let (mut value, mut c, mut d) = (1.0, 1.0, 0.0);
    for n in 0..10_000 {
        let factor = step(n);
        d = 1.0 + factor * d;
        d = 1.0 / if d.abs() < TINY { TINY } else { d };
        c = 1.0 + factor / c;
        c = if c.abs() < TINY { TINY } else { c };
        let change = c * d;
        value *= change;
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    front * (value - 1.0)
}

/// `welch_test(mean1, variance1, count1, mean2, variance2, count2)`: the two-sided p-value.
fn welch_test(c: &[Cell<'_>]) -> Value {
    let numbers: Option<Vec<f64>> = c.iter().map(Cell::real).collect();
    let Some(&[mean1, variance1, count1, mean2, variance2, count2]) = numbers.as_deref() else { return Cell::Null };
    let (error1, error2) = (variance1 / count1, variance2 / count2);
    let error = error1 + error2;
    let t = (mean1 - mean2) / error.sqrt();
    let freedom = error * error / (error1 * error1 / (count1 - 1.0) + error2 * error2 / (count2 - 1.0));
    if !t.is_finite() || !freedom.is_finite() || freedom <= 0.0 {
        return f64::NAN.into();
    }
    incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() <= wanted.abs() * 1e-12, "{found} is not {wanted}");
    }

    #[test]
    fn distributions_have_their_published_values() {
        close(1.0 - erfc(0.5), 0.520_499_877_813_046_5);
        close(erfc(2.0), 0.004_677_734_981_047_266);
        close(erfc(3.0), 2.209_049_699_858_544e-5);
        close(erfc(-1.0), 1.842_700_792_949_715);
        close(beta_cdf(0.5, 2.0, 3.0), 0.6875);
        close(beta_pdf(0.5, 2.0, 3.0), 1.5);
        close(beta_pdf(0.0, 1.0, 1.0), 1.0);
        // Kusto's page
        assert!((beta_cdf(0.9, 10.0, 20.0) - 0.999_999_999_999_959).abs() < 1e-14);
        close((beta_inv(0.1, 10.0, 20.0).unwrap() * 1e12).round(), 226_415_022_389.0);
        assert!(beta_cdf(1.5, 10.0, 20.0).is_nan() && beta_inv(0.1, -1.0, 20.0).is_none());
    }

    #[test]
    fn welch_agrees_with_the_example_of_wikipedia() {
        // Means and variances of the 15 values each that Kusto's page takes from there.
        let numbers = [20.82, 7.867_428_571_428_573, 15.0, 22.986_666_666_666_668, 3.812_666_666_666_667_8, 15.0];
        let p = welch_test(&numbers.map(Cell::Real)).real().unwrap();
        assert!((p - 0.021).abs() < 0.001, "{p}");
    }
}
