//! Fits of a series beyond one line: two lines, and polynomials.

use serde_json::{Value as Json, json};

use super::{
    Arguments, Function, Kind, Returns, function, rule,
    series::{complete, mean, number, series, variance},
    tuples::{Line, columns},
};
use crate::{ast::KqlType, rows::RowFunction, value::Cell};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);

/// A polynomial of a higher degree follows noise, and its numbers are worthless.
const MAX_DEGREE: usize = 32;

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["series_fit_2lines"], &[Kind::Dynamic], 0, DYNAMIC, |_| {
        rule(|c| columns(two_lines(c).map_or(vec![Json::Null; 15], |fit| fit.columns())))
    }),
    function(&["series_fit_2lines_dynamic"], &[Kind::Dynamic], 0, DYNAMIC, |_| {
        rule(|c| two_lines(c).map_or(Json::Null, |fit| fit.bag()).into())
    }),
    function(&["series_fit_poly"], &[Kind::Dynamic, Kind::Any, Kind::Integer], 2, DYNAMIC, polynomial),
];

/// The best pair of lines; the right one begins at `split`.
struct TwoLines {
    left: Line,
    right: Line,
    split: usize,
    rsquare: f64,
    variance: f64,
    residual_variance: f64,
    fit: Vec<f64>,
}

/// Sums that give the error of a line through any stretch of the series at once.
struct Sums(Vec<[f64; 3]>);

impl Sums {
    fn of(values: &[f64]) -> Self {
        // Around the mean, so that large values do not swallow small differences.
        let centre = mean(values);
        let mut running = [0.0; 3];
        let mut sums = vec![running];
        for (at, value) in values.iter().enumerate() {
            let (x, y) = (at as f64, value - centre);
            running = [running[0] + y, running[1] + y * y, running[2] + x * y];
            sums.push(running);
        }
        Sums(sums)
    }

    /// The squared error of the best line through the points `from..to`.
    fn error(&self, from: usize, to: usize) -> f64 {
        let [y, yy, xy] = std::array::from_fn(|at| self.0[to][at] - self.0[from][at]);
        let count = (to - from) as f64;
        let middle = (from + to - 1) as f64 / 2.0;
        let spread_x = count * (count * count - 1.0) / 12.0;
        let both = xy - middle * y;
        (yy - y * y / count - both * both / spread_x).max(0.0)
    }
}

fn two_lines(c: &[Cell<'_>]) -> Option<TwoLines> {
    let values = complete(&c[0])?;
    // Two points on either side make a line.
    if values.len() < 4 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let sums = Sums::of(&values);
    let error = |split: usize| sums.error(0, split) + sums.error(split, values.len());
    let split = (2..=values.len() - 2).min_by(|a, b| error(*a).total_cmp(&error(*b)))?;
    let (left, right) = (Line::through(&values[..split])?, Line::through(&values[split..])?);
    let fit: Vec<f64> =
        (0..values.len()).map(|at| if at < split { left.at(at) } else { right.at(at - split) }).collect();
    let quality = Quality::of(&values, &fit);
    Some(TwoLines {
        left,
        right,
        split,
        rsquare: quality.rsquare,
        variance: quality.variance,
        residual_variance: quality.residual_variance,
        fit,
    })
}

impl TwoLines {
    fn columns(&self) -> Vec<Json> {
        let side = |line: &Line| {
            [line.rsquare, line.slope, line.interception, line.variance, line.residual_variance].map(number)
        };
        let mut columns = vec![
            number(self.rsquare),
            Json::from(self.split),
            number(self.variance),
            number(self.residual_variance),
            series(self.fit.iter().copied()),
        ];
        columns.extend(side(&self.right));
        columns.extend(side(&self.left));
        columns
    }

    fn bag(&self) -> Json {
        let side = |line: &Line| {
            json!({
                "rsquare": number(line.rsquare),
                "slope": number(line.slope),
                "interception": number(line.interception),
                "variance": number(line.variance),
                "rvariance": number(line.residual_variance),
            })
        };
        json!({
            "rsquare": number(self.rsquare),
            "split_idx": self.split,
            "variance": number(self.variance),
            "rvariance": number(self.residual_variance),
            "line_fit": series(self.fit.iter().copied()),
            "right": side(&self.right),
            "left": side(&self.left),
        })
    }
}

/// How well a fit follows the values.
struct Quality {
    rsquare: f64,
    variance: f64,
    residual_variance: f64,
}

impl Quality {
    fn of(values: &[f64], fit: &[f64]) -> Self {
        let rest: f64 = values.iter().zip(fit).map(|(value, fit)| (value - fit).powi(2)).sum();
        let variance = if values.len() > 1 { variance(values) } else { 0.0 };
        let free = (values.len() as f64 - 1.0).max(1.0);
        let rsquare = if variance == 0.0 { 1.0 } else { 1.0 - rest / free / variance };
        Quality { rsquare, variance, residual_variance: rest / free }
    }
}

/// `series_fit_poly(y[, x, degree])`: the positions are 1, 2, ... and the degree is 1 if not given.
fn polynomial(a: &Arguments) -> Result<RowFunction, String> {
    if !matches!(a.types.get(1), None | Some(KqlType::Dynamic)) {
        return Err("the second argument of `series_fit_poly` is the array of positions: \
                    series_fit_poly(y, x, degree)"
            .into());
    }
    let degree = match a.types.len() {
        3 => a.constant(2).and_then(Cell::long).ok_or("the degree must be a constant")?,
        _ => 1,
    };
    let degree = usize::try_from(degree).ok().filter(|degree| (1..=MAX_DEGREE).contains(degree));
    let degree = degree.ok_or_else(|| format!("the degree lies between 1 and {MAX_DEGREE}"))?;
    rule(move |c| {
        let nothing = || columns(vec![Json::Null; 5]);
        let Some(y) = complete(&c[0]) else { return nothing() };
        let x = match c.get(1) {
            Some(given) if !given.is_null() => complete(given),
            _ => Some((1..=y.len()).map(|at| at as f64).collect()),
        };
        let Some(fit) = x.and_then(|x| Polynomial::through(&x, &y, degree).map(|fit| (x, fit))) else {
            return nothing();
        };
        let (x, polynomial) = fit;
        let fit: Vec<f64> = x.iter().map(|x| polynomial.at(*x)).collect();
        let quality = Quality::of(&y, &fit);
        columns(vec![
            number(quality.rsquare),
            series(polynomial.coefficients()),
            number(quality.variance),
            number(quality.residual_variance),
            series(fit),
        ])
    })
}

/// A polynomial in `(x - centre) / width`, lowest power first: in that form the fit is stable.
struct Polynomial {
    centre: f64,
    width: f64,
    terms: Vec<f64>,
}

impl Polynomial {
    /// Least squares by orthogonal columns. `None` if the points do not determine it.
    fn through(x: &[f64], y: &[f64], degree: usize) -> Option<Self> {
        if x.len() != y.len() || x.len() <= degree || x.iter().chain(y).any(|value| !value.is_finite()) {
            return None;
        }
        let least = x.iter().copied().fold(f64::INFINITY, f64::min);
        let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (centre, width) = ((least + most) / 2.0, (most - least) / 2.0);
        if width == 0.0 {
            return None;
        }
        let mut orthogonal: Vec<Vec<f64>> = Vec::new();
        let mut factors: Vec<Vec<f64>> = Vec::new();
        for power in 0..=degree {
            let mut column: Vec<f64> = x.iter().map(|x| ((x - centre) / width).powi(power as i32)).collect();
            let size = dot(&column, &column).sqrt();
            let mut above = vec![0.0; degree + 1];
            // Twice is enough: the second pass removes what rounding left in the first.
            for _ in 0..2 {
                for (at, known) in orthogonal.iter().enumerate() {
                    let share = dot(known, &column);
                    above[at] += share;
                    column.iter_mut().zip(known).for_each(|(value, known)| *value -= share * known);
                }
            }
            let length = dot(&column, &column).sqrt();
            if length <= size * 1e-12 {
                return None;
            }
            column.iter_mut().for_each(|value| *value /= length);
            above[power] = length;
            orthogonal.push(column);
            factors.push(above);
        }
        let mut terms: Vec<f64> = orthogonal.iter().map(|column| dot(column, y)).collect();
        for power in (0..=degree).rev() {
            let known: f64 = (power + 1..=degree).map(|higher| factors[higher][power] * terms[higher]).sum();
            terms[power] = (terms[power] - known) / factors[power][power];
        }
        Some(Polynomial { centre, width, terms })
    }

    fn at(&self, x: f64) -> f64 {
        let scaled = (x - self.centre) / self.width;
        self.terms.iter().rev().fold(0.0, |sum, term| sum * scaled + term)
    }

    /// The coefficients of the powers of x, the highest first.
    fn coefficients(&self) -> Vec<f64> {
        let mut plain = vec![0.0; self.terms.len()];
        // Horner's rule on polynomials: multiply by (x - centre) / width, add the next term.
        for term in self.terms.iter().rev() {
            let mut next = vec![0.0; plain.len()];
            for (power, value) in plain.iter().enumerate() {
                next[power] -= value * self.centre / self.width;
                if power + 1 < next.len() {
                    next[power + 1] += value / self.width;
                }
            }
            next[0] += term;
            plain = next;
        }
        plain.reverse();
        plain
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bend_is_found_where_it_is() {
        let values: Json = (0..20).map(|at| if at < 8 { at as f64 } else { 100.0 - 2.0 * at as f64 }).collect();
        let fit = two_lines(&[values.into()]).unwrap();
        assert_eq!((fit.split, fit.left.slope.round(), fit.right.slope.round()), (8, 1.0, -2.0));
        assert!((fit.rsquare - 1.0).abs() < 1e-9);
        assert!(two_lines(&[json!([1, 2, 3]).into()]).is_none());
    }

    #[test]
    fn polynomials_are_recovered() {
        let x: Vec<f64> = (1..=12).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| 2.0 * x * x * x - x + 5.0).collect();
        let coefficients = Polynomial::through(&x, &y, 3).unwrap().coefficients();
        for (found, wanted) in coefficients.iter().zip([2.0, 0.0, -1.0, 5.0]) {
            assert!((found - wanted).abs() < 1e-7, "{coefficients:?}");
        }
        assert!(Polynomial::through(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0], 1).is_none());
        assert!(Polynomial::through(&x, &y, 12).is_none());
    }
}
