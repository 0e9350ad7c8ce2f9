//! Axes: round numbers at even distances, and pixels for values.

use crate::number;

/// A stretch of values mapped onto a stretch of pixels.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) pixels: (f64, f64),
    /// Position and text of each tick.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis over `start..end` with at most `most_ticks` ticks whose texts `fit`.
    pub(super) fn new(
        (start, end): (f64, f64),
        pixels: (f64, f64),
        most_ticks: usize,
        fit: impl Fn(&[(f64, String)]) -> bool,
    ) -> Axis {
        let mut wanted = most_ticks.max(2);
        let mut ticks = ticks(start, end, wanted);
        while wanted > 1 && !fit(&ticks) {
            wanted -= 1;
            ticks = self::ticks(start, end, wanted);
        }
        Axis { start, end, pixels, ticks }
    }

    /// The axis of counts, from zero to a tick at or above `highest`: whole numbers only.
    pub(super) fn of_counts(highest: usize, pixels: (f64, f64), most_ticks: usize) -> Axis {
        let highest = highest.max(1) as f64;
        let step = round_step(highest / most_ticks.max(1) as f64).max(1.0);
        let end = (highest / step).ceil() * step;
        Axis { start: 0.0, end, pixels, ticks: ticks_with(0.0, end, step) }
    }

    pub(super) fn pixel(&self, value: f64) -> f64 {
        let share = (value - self.start) / (self.end - self.start);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }
}

fn ticks(start: f64, end: f64, most: usize) -> Vec<(f64, String)> {
    ticks_with(start, end, round_step((end - start) / most as f64))
}

fn ticks_with(start: f64, end: f64, step: f64) -> Vec<(f64, String)> {
    // Where floats are coarser than the step, adding it would go nowhere: count instead.
    let first = (start / step).ceil();
    let amount = ((end - start) / step).floor().clamp(0.0, 100.0) as usize + 1;
    (0..amount)
        .map(|index| (first + index as f64) * step)
        .filter(|value| *value >= start && *value <= end + step * 1e-9)
        .map(|value| (value, number::on_axis(value, step)))
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
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
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
    fn odd_ranges_end() {
        for range in [(1e16, 1e16 + 2.0), (0.0, 5e-324), (-1e300, 1e300), (1e-12, 2e-12)] {
            let axis = Axis::new(range, (0.0, 100.0), 8, |_| true);
            assert!(axis.ticks.len() <= 101);
        }
    }
}
