//! Values into bins: the same edges for every series, so that their bars can be compared.

use super::HistogramSeries;
use crate::{PlotError, axis::with_extent};

const CHOSEN_BINS: (usize, usize) = (5, 80);
const ASKED_BINS: (usize, usize) = (1, 400);

/// Counts per series and bin.
#[derive(Debug, PartialEq)]
pub(super) struct Bins {
    pub(super) start: f64,
    /// The width of one bin, above zero.
    pub(super) width: f64,
    /// One vector of counts per series.
    pub(super) counts: Vec<Vec<usize>>,
}

impl Bins {
    /// Bins the finite values; `None` if there are none.
    pub(super) fn of(series: &[HistogramSeries], asked: Option<usize>) -> Result<Option<Bins>, PlotError> {
        let mut sorted: Vec<f64> =
            series.iter().flat_map(|series| &series.values).copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else {
            return Ok(None);
        };
        let (start, end) = with_extent(min, max);
        if !(end - start).is_finite() {
            return Err(PlotError::RangeTooWide { min, max });
        }
        let bins = match asked {
            Some(asked) => asked.clamp(ASKED_BINS.0, ASKED_BINS.1),
            None => freedman_diaconis(&sorted),
        };
        let width = ((end - start) / bins as f64).max(f64::MIN_POSITIVE);
        let counts = series.iter().map(|series| count(&series.values, start, width, bins)).collect();
        Ok(Some(Bins { start, width, counts }))
    }

    pub(super) fn bins(&self) -> usize {
        self.counts.first().map_or(0, Vec::len)
    }

    pub(super) fn edge(&self, bin: usize) -> f64 {
        self.start + self.width * bin as f64
    }

    pub(super) fn end(&self) -> f64 {
        self.edge(self.bins())
    }

    pub(super) fn highest(&self) -> usize {
        self.counts.iter().flatten().copied().max().unwrap_or(0)
    }
}

fn count(values: &[f64], start: f64, width: f64, bins: usize) -> Vec<usize> {
    let mut counts = vec![0; bins];
    for value in values.iter().filter(|value| value.is_finite()) {
        // The cast saturates, and the largest value belongs into the last bin, not behind it.
        let bin = ((value - start) / width) as usize;
        counts[bin.min(bins - 1)] += 1;
    }
    counts
}

/// Freedman and Diaconis: a bin is twice the inter-quartile range over the cube root of n. Where half of the values
/// are equal that is no width at all, and Sturges' rule steps in.
fn freedman_diaconis(sorted: &[f64]) -> usize {
    let n = sorted.len() as f64;
    let extent = sorted[sorted.len() - 1] - sorted[0];
    let bin = 2.0 * (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / n.cbrt();
    let bins = if bin > 0.0 { (extent / bin).ceil() } else { n.log2().ceil() + 1.0 };
    (bins as usize).clamp(CHOSEN_BINS.0, CHOSEN_BINS.1)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = sorted[position.floor() as usize];
    let above = sorted[position.ceil() as usize];
    below + (above - below) * position.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> HistogramSeries {
        HistogramSeries { name: "s".into(), values: values.to_vec() }
    }

    #[test]
    fn every_finite_value_is_counted_once() {
        let odd = [
            vec![0.0, 1.0, 2.0, f64::NAN, f64::INFINITY],
            vec![7.0],
            vec![5e-324, 0.0],
            vec![1e16, 1e16 + 2.0, 1e16 + 4.0],
            vec![-1e300, 1e300, 0.0],
            vec![0.0; 1_000],
        ];
        for values in odd {
            for asked in [None, Some(0), Some(1), Some(7), Some(usize::MAX)] {
                let bins = Bins::of(&[series(&values)], asked).unwrap().unwrap();
                let finite = values.iter().filter(|value| value.is_finite()).count();
                assert_eq!(bins.counts[0].iter().sum::<usize>(), finite, "{values:?} in {asked:?}");
            }
        }
    }

    #[test]
    fn the_largest_value_is_in_the_last_bin() {
        let bins = Bins::of(&[series(&[0.0, 1.0, 2.0, 3.0, 4.0])], Some(4)).unwrap().unwrap();
        assert_eq!(bins.counts[0], [1, 1, 1, 2]);
        assert_eq!(bins.end(), 4.0);
    }

    #[test]
    fn the_rule_of_freedman_and_diaconis() {
        let uniform: Vec<f64> = (0..1_000).map(f64::from).collect();
        // Inter-quartile range 499.5, so bins are 99.9 wide: exactly ten.
        assert_eq!(freedman_diaconis(&uniform), 10);
        assert_eq!(freedman_diaconis(&[1.0; 64]), 7);
    }

    #[test]
    fn nothing_finite_is_no_data_and_too_wide_is_an_error() {
        assert_eq!(Bins::of(&[series(&[f64::NAN])], None).unwrap(), None);
        assert_eq!(Bins::of(&[], None).unwrap(), None);
        assert!(matches!(Bins::of(&[series(&[f64::MIN, f64::MAX])], None), Err(PlotError::RangeTooWide { .. })));
    }
}
