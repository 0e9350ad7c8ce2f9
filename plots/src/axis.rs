//! Axes: round numbers at even distances, and pixels for values.

mod log;
pub(crate) mod time;

use crate::{number, svg::TextStyle};

/// A mark on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
    /// A second line below the label: the day of an hour, the year of a month.
    pub(crate) context: Option<String>,
}

impl Tick {
    fn new(value: f64, label: String) -> Tick {
        Tick { value, label, context: None }
    }
}

/// A stretch of values mapped onto a stretch of pixels.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) pixels: (f64, f64),
    pub(crate) ticks: Vec<Tick>,
    is_log: bool,
}

impl Axis {
    /// An axis over `start..end` with at most `most_ticks` ticks that `fit`.
    pub(crate) fn new(
        (start, end): (f64, f64),
        pixels: (f64, f64),
        most_ticks: usize,
        fit: impl Fn(&[Tick]) -> bool,
    ) -> Axis {
        let ticks = fitting(most_ticks, fit, |most| ticks(start, end, most));
        Axis { start, end, pixels, ticks, is_log: false }
    }

    /// The axis of counts, from zero to a tick at or above `highest`: whole numbers only.
    pub(crate) fn of_counts(highest: usize, pixels: (f64, f64), most_ticks: usize) -> Axis {
        let highest = highest.max(1) as f64;
        let step = round_step(highest / most_ticks.max(1) as f64).max(1.0);
        let end = (highest / step).ceil() * step;
        Axis { start: 0.0, end, pixels, ticks: ticks_with(0.0, end, step), is_log: false }
    }

    /// An axis that is stretched to round ends, except those that are `fixed`.
    pub(crate) fn rounded(
        (start, end): (f64, f64),
        fixed: (bool, bool),
        pixels: (f64, f64),
        most_ticks: usize,
    ) -> Axis {
        let (start, end) = with_extent(start, end);
        let step = round_step((end - start) / most_ticks.max(1) as f64);
        let start = if fixed.0 { start } else { (start / step + 1e-9).floor() * step };
        let end = if fixed.1 { end } else { (end / step - 1e-9).ceil() * step };
        Axis { start, end, pixels, ticks: ticks_with(start, end, step), is_log: false }
    }

    /// Powers of ten at even distances; both ends must be above zero.
    pub(crate) fn log((start, end): (f64, f64), fixed: (bool, bool), pixels: (f64, f64), most_ticks: usize) -> Axis {
        let (start, end) = log::extent(start, end, fixed);
        Axis { start, end, pixels, ticks: log::ticks(start, end, most_ticks), is_log: true }
    }

    /// Moments, in microseconds since 1970.
    pub(crate) fn time((start, end): (f64, f64), pixels: (f64, f64), fit: impl Fn(&[Tick]) -> bool) -> Axis {
        let most = ((pixels.1 - pixels.0).abs() / 44.0) as usize;
        let ticks = fitting(most, fit, |most| time::ticks(start, end, most));
        Axis { start, end, pixels, ticks, is_log: false }
    }

    pub(crate) fn pixel(&self, value: f64) -> f64 {
        let share = if self.is_log {
            // Zero is infinitely far away on this axis: it is drawn where the axis begins.
            let value = value.max(self.start);
            (value.log10() - self.start.log10()) / (self.end.log10() - self.start.log10())
        } else {
            // Halves: the distance of two finite numbers may be more than a float can hold.
            (value / 2.0 - self.start / 2.0) / (self.end / 2.0 - self.start / 2.0)
        };
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    pub(crate) fn widest_label(&self) -> f64 {
        widest(&self.ticks)
    }
}

pub(crate) fn widest(ticks: &[Tick]) -> f64 {
    ticks.iter().map(|tick| TextStyle::MUTED.width_of(&tick.label)).fold(0.0, f64::max)
}

/// A single distinct value gets room on both sides: half a unit, or more where floats are coarser than that.
pub(crate) fn with_extent(min: f64, max: f64) -> (f64, f64) {
    if min < max {
        return (min, max);
    }
    let room = (min.abs() * 1e-3).max(0.5);
    (min - room, max + room)
}

fn fitting(most: usize, fit: impl Fn(&[Tick]) -> bool, ticks: impl Fn(usize) -> Vec<Tick>) -> Vec<Tick> {
    let mut most = most.max(2);
    let mut found = ticks(most);
    while most > 1 && !fit(&found) {
        most -= 1;
        found = ticks(most);
    }
    found
}

fn ticks(start: f64, end: f64, most: usize) -> Vec<Tick> {
    ticks_with(start, end, round_step((end - start) / most as f64))
}

fn ticks_with(start: f64, end: f64, step: f64) -> Vec<Tick> {
    // Where floats are coarser than the step, adding it would go nowhere: count instead.
    let first = (start / step - 1e-9).ceil();
    let amount = ((end - start) / step + 1e-9).floor().clamp(0.0, 100.0) as usize + 1;
    (0..amount)
        .map(|index| (first + index as f64) * step)
        .filter(|value| *value >= start - step * 1e-9 && *value <= end + step * 1e-9)
        .map(|value| Tick::new(value, number::on_axis(value, step)))
        .collect()
}

/// The smallest of 1, 2, 5 and 10 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let step = step.max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(step.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= step * (1.0 - 1e-9));
    round.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::new((-1.3, 2.4), (0.0, 100.0), 5, |_| true);
        assert_eq!(texts(&axis), ["-1", "0", "1", "2"]);
        let axis = Axis::new((0.0, 1.0), (0.0, 100.0), 5, |_| true);
        assert_eq!(texts(&axis), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }

    #[test]
    fn ticks_that_do_not_fit_become_fewer() {
        let axis = Axis::new((0.0, 1.0), (0.0, 100.0), 10, |ticks| ticks.len() <= 3);
        assert_eq!(texts(&axis), ["0.0", "0.5", "1.0"]);
    }

    #[test]
    fn counts_have_whole_ticks_and_end_on_one() {
        assert_eq!(texts(&Axis::of_counts(1, (100.0, 0.0), 6)), ["0", "1"]);
        assert_eq!(texts(&Axis::of_counts(7, (100.0, 0.0), 5)), ["0", "2", "4", "6", "8"]);
        assert_eq!(texts(&Axis::of_counts(0, (100.0, 0.0), 5)), ["0", "1"]);
    }

    #[test]
    fn rounded_ends_are_ticks_unless_fixed() {
        let axis = Axis::rounded((0.0, 47.0), (false, false), (100.0, 0.0), 5);
        assert_eq!((axis.start, axis.end), (0.0, 50.0));
        assert_eq!(texts(&axis), ["0", "10", "20", "30", "40", "50"]);
        let axis = Axis::rounded((3.0, 47.0), (true, true), (100.0, 0.0), 5);
        assert_eq!((axis.start, axis.end), (3.0, 47.0));
        let axis = Axis::rounded((7.0, 7.0), (false, false), (100.0, 0.0), 5);
        assert!(axis.start < 7.0 && axis.end > 7.0);
    }

    #[test]
    fn powers_of_ten_are_even() {
        let axis = Axis::log((3.0, 40_000.0), (false, false), (0.0, 100.0), 8);
        assert_eq!(texts(&axis), ["1", "10", "100", "1,000", "10,000", "100,000"]);
        assert!((axis.pixel(10.0) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn odd_ranges_end() {
        for range in [(1e16, 1e16 + 2.0), (0.0, 5e-324), (-1e300, 1e300), (1e-12, 2e-12), (f64::MIN, f64::MAX)] {
            let axis = Axis::new(range, (0.0, 100.0), 8, |_| true);
            assert!(axis.ticks.len() <= 101);
            let axis = Axis::rounded(range, (false, false), (0.0, 100.0), 8);
            assert!(axis.ticks.len() <= 101);
        }
    }
}
