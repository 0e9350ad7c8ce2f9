//! The discrete Fourier transform of a series of any length, and what is computed with it.

use std::f64::consts::PI;

use serde_json::Value as Json;

use super::{
    Function, Kind, Returns, function, rule,
    series::{complete, series},
    tuples::columns,
};
use crate::{ast::KqlType, rows::RowFunction, value::Cell};

/// A complex number: real and imaginary part.
type Complex = (f64, f64);

const SERIES: &[Kind] = &[Kind::Dynamic, Kind::Dynamic];

/// Each gives an array of two: real and imaginary parts.
pub(super) const FUNCTIONS: &[Function] = &[
    function(&["series_fft"], SERIES, 1, Returns::Is(KqlType::Dynamic), |_| transform(false)),
    function(&["series_ifft"], SERIES, 1, Returns::Is(KqlType::Dynamic), |_| transform(true)),
];

fn transform(inverse: bool) -> Result<RowFunction, String> {
    rule(move |c| {
        let nothing = || columns(vec![Json::Null, Json::Null]);
        let Some(real) = complete(&c[0]) else { return nothing() };
        let imaginary = match c.get(1) {
            Some(Cell::Null) | None => vec![0.0; real.len()],
            Some(given) => match complete(given) {
                Some(values) if values.len() == real.len() => values,
                _ => return nothing(),
            },
        };
        let input: Vec<Complex> = real.into_iter().zip(imaginary).collect();
        let output = if inverse { inverted(&input) } else { transformed(&input) };
        let (real, imaginary): (Vec<f64>, Vec<f64>) = output.into_iter().unzip();
        columns(vec![series(real), series(imaginary)])
    })
}

fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

/// `X[k] = sum of x[j] * exp(-2 pi i j k / n)`
pub(crate) fn transformed(values: &[Complex]) -> Vec<Complex> {
    let length = values.len();
    if length < 2 {
        return values.to_vec();
    }
    if length.is_power_of_two() {
        let mut values = values.to_vec();
        in_halves(&mut values);
        return values;
    }
    by_convolution(values)
}

/// The inverse of [`transformed`].
pub(crate) fn inverted(values: &[Complex]) -> Vec<Complex> {
    let mirrored: Vec<Complex> = values.iter().map(|(re, im)| (*re, -im)).collect();
    let count = values.len() as f64;
    transformed(&mirrored).into_iter().map(|(re, im)| (re / count, -im / count)).collect()
}

/// Cooley and Tukey's method for powers of two, in place.
fn in_halves(values: &mut [Complex]) {
    let length = values.len();
    let bits = length.trailing_zeros();
    for at in 0..length {
        let mirror = at.reverse_bits() >> (usize::BITS - bits);
        if at < mirror {
            values.swap(at, mirror);
        }
    }
    let mut width = 2;
    while width <= length {
        for block in values.chunks_mut(width) {
            let (low, high) = block.split_at_mut(width / 2);
            for (at, (even, odd)) in low.iter_mut().zip(high).enumerate() {
                // Each factor from its angle: multiplying them up would gather errors.
                let angle = -2.0 * PI * at as f64 / width as f64;
                let turned = times(*odd, (angle.cos(), angle.sin()));
                *odd = (even.0 - turned.0, even.1 - turned.1);
                *even = (even.0 + turned.0, even.1 + turned.1);
            }
        }
        width *= 2;
    }
}

/// Bluestein's method for every other length: the transform as a convolution with a chirp.
fn by_convolution(values: &[Complex]) -> Vec<Complex> {
    let length = values.len();
    let padded = (2 * length - 1).next_power_of_two();
    let chirp = |at: usize| -> Complex {
        // The square modulo twice the length keeps the angle small and exact.
        let square = (at as u128 * at as u128 % (2 * length as u128)) as f64;
        let angle = -PI * square / length as f64;
        (angle.cos(), angle.sin())
    };
    let mut left = vec![(0.0, 0.0); padded];
    let mut right = vec![(0.0, 0.0); padded];
    for (at, value) in values.iter().enumerate() {
        let (re, im) = chirp(at);
        left[at] = times(*value, (re, im));
        right[at] = (re, -im);
        right[(padded - at) % padded] = (re, -im);
    }
    in_halves(&mut left);
    in_halves(&mut right);
    let product: Vec<Complex> = left.into_iter().zip(right).map(|(a, b)| times(a, b)).collect();
    let folded = inverted(&product);
    (0..length).map(|at| times(folded[at], chirp(at))).collect()
}

/// The power at each frequency from 0 to half the length, the mean taken off.
pub(crate) fn periodogram(values: &[f64]) -> Vec<f64> {
    let centre = super::series::mean(values);
    let input: Vec<Complex> = values.iter().map(|value| (value - centre, 0.0)).collect();
    let spectrum = transformed(&input);
    spectrum[..values.len() / 2 + 1].iter().map(|(re, im)| (re * re + im * im) / values.len() as f64).collect()
}

/// How the series correlates with itself, shifted by 0, 1, 2, ...; each shift is averaged over the
/// points that it leaves. All zero if the series does not vary.
pub(crate) fn autocorrelation(values: &[f64]) -> Vec<f64> {
    let count = values.len();
    let centre = super::series::mean(values);
    let variance = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / count as f64;
    if variance <= f64::EPSILON * centre * centre || !variance.is_finite() {
        return vec![0.0; count];
    }
    // Zeros behind the series keep its end from meeting its start.
    let mut padded: Vec<Complex> = values.iter().map(|value| (value - centre, 0.0)).collect();
    padded.resize((2 * count).next_power_of_two(), (0.0, 0.0));
    let power: Vec<Complex> = transformed(&padded).into_iter().map(|(re, im)| (re * re + im * im, 0.0)).collect();
    let sums = inverted(&power);
    (0..count).map(|shift| sums[shift].0 / (count - shift) as f64 / variance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(values: &[f64]) -> Vec<Complex> {
        let count = values.len() as f64;
        let term = |at: usize, k: usize, value: f64| {
            let angle = -2.0 * PI * at as f64 * k as f64 / count;
            (value * angle.cos(), value * angle.sin())
        };
        (0..values.len())
            .map(|k| {
                values.iter().enumerate().fold((0.0, 0.0), |sum, (at, value)| {
                    let term = term(at, k, *value);
                    (sum.0 + term.0, sum.1 + term.1)
                })
            })
            .collect()
    }

    #[test]
    fn fast_transforms_agree_with_the_definition_and_go_back() {
        for length in [1, 2, 3, 4, 7, 8, 12, 60, 97] {
            let values: Vec<f64> = (0..length).map(|at| ((at * at * 7 + 3 * at) % 11) as f64).collect();
            let input: Vec<Complex> = values.iter().map(|value| (*value, 0.0)).collect();
            let fast = transformed(&input);
            for ((re, im), (wanted_re, wanted_im)) in fast.iter().zip(plain(&values)) {
                assert!((re - wanted_re).abs() < 1e-9 && (im - wanted_im).abs() < 1e-9, "length {length}");
            }
            for ((re, im), value) in inverted(&fast).iter().zip(&values) {
                assert!((re - value).abs() < 1e-9 && im.abs() < 1e-9, "length {length}");
            }
        }
    }

    #[test]
    fn a_series_correlates_with_itself_at_its_period() {
        let values: Vec<f64> = (0..40).map(|at| f64::from(at % 5)).collect();
        let correlation = autocorrelation(&values);
        assert!((correlation[0] - 1.0).abs() < 1e-9 && (correlation[5] - 1.0).abs() < 1e-9);
        assert!(correlation[2] < 0.0);
        assert_eq!(autocorrelation(&[3.0; 8]), vec![0.0; 8]);
    }
}
