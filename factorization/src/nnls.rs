//! Exact non-negative least squares: the `x ≥ 0` that minimises `½·xᵀA·x − bᵀx` for a small symmetric
//! positive definite `A`.
//!
//! The method is block principal pivoting (Kim & Park, 2011): guess which components are positive, solve the
//! linear system of those by Cholesky, exchange the components that violate the optimality conditions, repeat.
//! When exchanging blocks stops making progress, Murty's single exchange takes over, which always terminates.
//! Started from the positive components of a nearby solution it usually needs one or two factorizations, so a
//! solve costs about `n³/3 + O(n²)`.

use crate::Error;

/// Solves systems of up to a fixed size without allocating.
///
/// ```
/// use huntbook_factorization::nnls::NnlsSolver;
/// let mut x = [0.0; 2];
/// NnlsSolver::new(2).solve(&[2.0, 1.0, 1.0, 2.0], &[2.0, -1.0], &mut x)?;
/// assert!((x[0] - 1.0).abs() < 1e-12 && x[1] == 0.0);
/// # Ok::<(), huntbook_factorization::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NnlsSolver {
    passive: Vec<bool>,
    index: Vec<usize>,
    factor: Vec<f64>,
    value: Vec<f64>,
    gradient: Vec<f64>,
}

impl NnlsSolver {
    /// A solver for systems with up to `n` unknowns; holds `8·n² + 25·n` bytes.
    pub fn new(n: usize) -> Self {
        NnlsSolver {
            passive: vec![false; n],
            index: Vec::with_capacity(n),
            factor: vec![0.0; n * n],
            value: vec![0.0; n],
            gradient: vec![0.0; n],
        }
    }

    /// Solves for `x`. On entry the positive components of `x` are the guess to start from (any content is
    /// fine, zeros mean "no idea"); the result does not depend on it beyond rounding.
    ///
    /// `a` is row-major and symmetric positive definite; an `a` that is only semidefinite gets a tiny ridge.
    ///
    /// # Errors
    /// [`Error::InvalidSystem`] for sizes that do not match, more unknowns than the solver was made for,
    /// numbers that are not finite, or a diagonal that is not positive.
    pub fn solve(&mut self, a: &[f64], b: &[f64], x: &mut [f64]) -> Result<(), Error> {
        let n = b.len();
        let reason = if n > self.passive.len() {
            "it has more unknowns than the solver was made for"
        } else if a.len() != n * n || x.len() != n {
            "a must have n·n numbers, b and x must have n"
        } else if !a.iter().chain(b).all(|v| v.is_finite()) {
            "it has numbers that are not finite"
        } else if (0..n).any(|i| a[i * n + i] <= 0.0) {
            "the diagonal must be positive, because a must be positive definite"
        } else {
            self.solve_strided(a, n, b, x);
            return Ok(());
        };
        Err(Error::InvalidSystem { reason })
    }

    /// As `solve`, unchecked, for a matrix whose rows are `stride` apart.
    #[inline(always)]
    pub(crate) fn solve_strided(&mut self, a: &[f64], stride: usize, b: &[f64], x: &mut [f64]) {
        let n = b.len();
        if b.iter().all(|&v| v <= 0.0) {
            x.fill(0.0);
            return;
        }
        let cold = x.iter().all(|&v| v <= 0.0 || v.is_nan());
        for (passive, &v) in self.passive.iter_mut().zip(x.iter()) {
            *passive = cold || v > 0.0;
        }
        // Below this a gradient is rounding noise, not a violation.
        let noise = b.iter().fold(0.0, |m: f64, v| m.max(v.abs())) * 1e-13;
        let (mut best, mut patience) = (n + 1, 3);
        for _ in 0..(100 + 20 * n) {
            self.solve_passive(a, stride, b);
            self.gradient_of_active(a, stride, b);
            let violated = |s: &Self, i: usize| {
                if s.passive[i] { s.value[i] < 0.0 } else { s.gradient[i] < -noise }
            };
            let mut count = 0;
            let mut last = 0;
            for i in 0..n {
                if violated(self, i) {
                    count += 1;
                    last = i;
                }
            }
            if count == 0 {
                x.copy_from_slice(&self.value[..n]);
                return;
            }
            if count < best || patience > 0 {
                if count < best {
                    (best, patience) = (count, 3);
                } else {
                    patience -= 1;
                }
                for i in 0..n {
                    if violated(self, i) {
                        self.passive[i] = !self.passive[i];
                    }
                }
            } else {
                self.passive[last] = !self.passive[last];
            }
        }
        // Only reached when `a` is so badly conditioned that signs are rounding noise.
        for (x, v) in x.iter_mut().zip(&self.value) {
            *x = v.max(0.0);
        }
        coordinate_descent(a, stride, b, x);
    }

    /// Solves `a·x = b` without a sign constraint.
    #[inline(always)]
    pub(crate) fn solve_free(&mut self, a: &[f64], stride: usize, b: &[f64], x: &mut [f64]) {
        self.passive[..b.len()].fill(true);
        self.solve_passive(a, stride, b);
        x.copy_from_slice(&self.value[..b.len()]);
    }

    /// Solves the system of the passive components into `value`; the others become 0.
    #[inline(always)]
    fn solve_passive(&mut self, a: &[f64], stride: usize, b: &[f64]) {
        let n = b.len();
        self.index.clear();
        for i in 0..n {
            if self.passive[i] {
                self.index.push(i);
            }
        }
        let m = self.index.len();
        let u = &mut self.factor[..m * m];
        let mut largest = 0.0f64;
        for (p, &i) in self.index.iter().enumerate() {
            let from = &a[i * stride..i * stride + n];
            let to = &mut u[p * m..(p + 1) * m];
            for (slot, &j) in to[p..].iter_mut().zip(&self.index[p..]) {
                *slot = from[j];
            }
            largest = largest.max(to[p]);
        }
        let floor = (largest * f64::EPSILON * n as f64).max(f64::MIN_POSITIVE);
        // Upper Cholesky, right-looking: rows are contiguous. `gradient` holds the right-hand side.
        let rhs = &mut self.gradient[..m];
        for (slot, &i) in rhs.iter_mut().zip(&self.index) {
            *slot = b[i];
        }
        for p in 0..m {
            let (above, below) = u.split_at_mut((p + 1) * m);
            let row = &mut above[p * m..];
            let inverse = 1.0 / row[p].max(floor).sqrt();
            row[p] = inverse;
            for v in &mut row[p + 1..] {
                *v *= inverse;
            }
            let z = rhs[p] * inverse;
            rhs[p] = z;
            for (v, r) in rhs[p + 1..].iter_mut().zip(&row[p + 1..]) {
                *v -= z * r;
            }
            for (q, target) in below.chunks_exact_mut(m).enumerate() {
                let q = p + 1 + q;
                let weight = row[q];
                for (t, r) in target[q..].iter_mut().zip(&row[q..]) {
                    *t -= weight * r;
                }
            }
        }
        for p in (0..m).rev() {
            let row = &u[p * m..(p + 1) * m];
            let mut sum = rhs[p];
            for (r, v) in row[p + 1..].iter().zip(&rhs[p + 1..]) {
                sum -= r * v;
            }
            rhs[p] = sum * row[p];
        }
        self.value[..n].fill(0.0);
        for (&i, &v) in self.index.iter().zip(rhs.iter()) {
            self.value[i] = v;
        }
    }

    #[inline(always)]
    fn gradient_of_active(&mut self, a: &[f64], stride: usize, b: &[f64]) {
        let n = b.len();
        for i in 0..n {
            if !self.passive[i] {
                let row = &a[i * stride..i * stride + n];
                let mut sum = -b[i];
                for (r, v) in row.iter().zip(&self.value) {
                    sum += r * v;
                }
                self.gradient[i] = sum;
            }
        }
    }
}

/// Cyclic coordinate descent from a feasible `x`.
fn coordinate_descent(a: &[f64], stride: usize, b: &[f64], x: &mut [f64]) {
    for _ in 0..10_000 {
        let (mut moved, mut size) = (0.0f64, 0.0f64);
        for i in 0..b.len() {
            let row = &a[i * stride..i * stride + b.len()];
            let gradient: f64 = row.iter().zip(x.iter()).map(|(r, v)| r * v).sum::<f64>() - b[i];
            let old = x[i];
            if row[i] > 0.0 {
                x[i] = (old - gradient / row[i]).max(0.0);
            }
            moved = moved.max((x[i] - old).abs());
            size = size.max(x[i]);
        }
        if moved <= size * 1e-15 {
            break;
        }
    }
}

#[cfg(test)]
mod tests;
