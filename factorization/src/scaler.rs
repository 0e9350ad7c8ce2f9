//! Scaling per group.

use crate::access_anomaly::spread;

/// Scales `values` to `low..=high` within each group, where `groups[i] < n_groups` is the group of
/// `values[i]`. A group whose values are all equal becomes the midpoint. One pass for the ranges, one for the
/// values; `O(values)` time, 16 bytes per group.
///
/// Values must be finite. Ranges wider than `f64::MAX` are handled.
///
/// # Panics
/// If a group is `>= n_groups`.
///
/// ```
/// use huntbook_factorization::scaler::min_max_per_group;
/// let scaled = min_max_per_group(&[0, 0, 1], 2, &[1.0, 3.0, 42.0], 1.0, 2.0);
/// assert_eq!(scaled, [1.0, 2.0, 1.5]);
/// ```
pub fn min_max_per_group(groups: &[u32], n_groups: usize, values: &[f64], low: f64, high: f64) -> Vec<f64> {
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); n_groups];
    for (&g, &v) in groups.iter().zip(values) {
        let (min, max) = &mut ranges[g as usize];
        *min = min.min(v);
        *max = max.max(v);
    }
    let scale = |(&g, &v): (&u32, &f64)| {
        let (min, max) = ranges[g as usize];
        if min == max {
            return (low + high) / 2.0;
        }
        let mut share = (v - min) / (max - min);
        if !(max - min).is_finite() {
            share = (v / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0);
        }
        low + (high - low) * share
    };
    groups.iter().zip(values).map(scale).collect()
}

/// Scales `values` to mean 0 and population standard deviation 1 within each group, where `groups[i] < n_groups` is the
/// group of `values[i]`. A group whose values are all equal becomes 0. Three passes; `O(values)` time, 24 bytes per group.
///
/// Values must be finite, and their squares too.
///
/// # Panics
/// If a group is `>= n_groups`.
///
/// ```
/// use huntbook_factorization::scaler::standard_per_group;
/// assert_eq!(standard_per_group(&[0, 0, 1], 2, &[1.0, 3.0, 42.0]), [-1.0, 1.0, 0.0]);
/// ```
pub fn standard_per_group(groups: &[u32], n_groups: usize, values: &[f64]) -> Vec<f64> {
    let means = means_per_group(groups, n_groups, values.iter().copied());
    let deviation = |(&g, &v): (&u32, &f64)| v - means[g as usize];
    let deviations: Vec<f64> = groups.iter().zip(values).map(deviation).collect();
    let variances = means_per_group(groups, n_groups, deviations.iter().map(|d| d * d));
    let scale = |(&g, d): (&u32, f64)| {
        let std = spread(means[g as usize], variances[g as usize].sqrt());
        if d == 0.0 { 0.0 } else { d / std }
    };
    groups.iter().zip(deviations).map(scale).collect()
}

fn means_per_group(groups: &[u32], n_groups: usize, values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sums = vec![(0.0, 0usize); n_groups];
    for (&g, v) in groups.iter().zip(values) {
        let (sum, count) = &mut sums[g as usize];
        *sum += v;
        *count += 1;
    }
    sums.into_iter().map(|(sum, count)| if count > 0 { sum / count as f64 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_group() {
        let values = [500.0, 600.0, 700.0, 900.0];
        let scaled = min_max_per_group(&[0; 4], 1, &values, 5.0, 9.0);
        assert_eq!(scaled, [5.0, 6.0, 7.0, 9.0]);
    }

    #[test]
    fn groups_are_independent_and_constants_become_the_midpoint() {
        let scaled = min_max_per_group(&[0, 1, 0, 2], 3, &[10.0, -1.0, 20.0, 7.0], 1.0, 2.0);
        assert_eq!(scaled, [1.0, 1.5, 2.0, 1.5]);
    }

    #[test]
    fn standard_scores_have_mean_0_and_deviation_1() {
        let values = [500.0, 600.0, 700.0, 900.0];
        let scaled = standard_per_group(&[0; 4], 1, &values);
        let (mean, square) = (scaled.iter().sum::<f64>() / 4.0, scaled.iter().map(|v| v * v).sum::<f64>() / 4.0);
        assert!(mean.abs() < 1e-12 && (square - 1.0).abs() < 1e-12, "{scaled:?}");
        // Pairs become -1 and 1, what is alone and what is constant becomes 0, also where rounding leaves a rest.
        let groups = [0, 1, 0, 2, 1, 3, 3, 3];
        let scaled = standard_per_group(&groups, 5, &[10.0, -1.0, 20.0, 7.0, -3.0, 0.1, 0.1, 0.1]);
        assert_eq!(scaled[..5], [-1.0, 1.0, 1.0, 0.0, -1.0]);
        assert!(scaled[5..].iter().all(|v| v.abs() < 1e-12), "{scaled:?}");
    }

    #[test]
    fn extreme_ranges_stay_inside() {
        for values in [[f64::MIN, 0.0, f64::MAX], [0.0, f64::from_bits(1), f64::from_bits(2)]] {
            let scaled = min_max_per_group(&[0; 3], 1, &values, 5.0, 10.0);
            assert_eq!(scaled, [5.0, 7.5, 10.0]);
        }
    }
}
