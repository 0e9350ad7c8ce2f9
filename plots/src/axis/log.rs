//! Powers of ten.

use super::Tick;
use crate::number;

/// Whole decades around the values, except at ends that are fixed.
pub(super) fn extent(start: f64, end: f64, fixed: (bool, bool)) -> (f64, f64) {
    let (start, end) = (start.max(f64::MIN_POSITIVE), end.max(f64::MIN_POSITIVE));
    let lower = if fixed.0 { start } else { power(start.log10().floor()) };
    let upper = if fixed.1 { end } else { power((end.log10() - 1e-9).ceil()) };
    if lower < upper { (lower, upper) } else { (lower / 10.0, (lower * 10.0).min(f64::MAX)) }
}

pub(super) fn ticks(start: f64, end: f64, most: usize) -> Vec<Tick> {
    let (first, last) = (start.log10().floor() as i32, end.log10().ceil() as i32);
    let decades = (last - first).max(1) as usize;
    let every = decades.div_ceil(most.max(1)) as i32;
    // Within few decades, powers of ten alone would say little.
    let factors: &[f64] = if decades * 3 <= most { &[1.0, 2.0, 5.0] } else { &[1.0] };
    (first..=last)
        .filter(|exponent| (exponent - first) % every == 0)
        .flat_map(|exponent| factors.iter().map(move |factor| factor * power(f64::from(exponent))))
        .filter(|value| (start * (1.0 - 1e-9)..=end * (1.0 + 1e-9)).contains(value))
        .map(|value| Tick::new(value, number::short(value)))
        .collect()
}

fn power(exponent: f64) -> f64 {
    10_f64.powf(exponent).clamp(f64::MIN_POSITIVE, f64::MAX)
}
