//! Implicit-feedback ALS (Hu, Koren & Volinsky, 2008) with non-negative factors, on integer triplets.
//!
//! A rating `r` says how sure we are that a row *prefers* a column: confidence `1 + alpha·|r|`, preference 1
//! if `r > 0` and 0 otherwise; a pair without a rating has confidence 1 and preference 0. The factors minimise
//!
//! ```text
//! Σ over all pairs  confidence · (preference − x·y)²  +  reg_param · (Σ nₓ·|x|² + Σ n_y·|y|²),   x, y ≥ 0
//! ```
//!
//! where `n` is the number of positive ratings of a row or column (the "weighted-λ" ridge of Zhou et al.,
//! which Spark uses). Entries that repeat a pair are separate ratings.
//!
//! One iteration solves every column given the rows, then every row given the columns, each exactly
//! ([`crate::nnls`]), so the objective never rises after the first iteration. Factors are stored as `f32`;
//! normal equations are summed and solved in `f64`.
//!
//! Time per iteration: `O(nnz·k² + (rows + columns)·k³)`. Memory: the matrix twice (`16·nnz` bytes) and
//! `4·k·(rows + columns)`.
//!
//! ```
//! use huntbook_factorization::als::{Csr, ImplicitAls};
//!
//! let ratings = Csr::from_triplets(3, 2, &[0, 1, 1, 2], &[0, 0, 1, 1], &[5.0, 3.0, 4.0, 5.0])?;
//! let fit = ImplicitAls { rank: 2, ..ImplicitAls::default() }.fit(&ratings, &())?;
//! assert_eq!(fit.rows.len(), 3);
//! assert!(fit.predict(0, 0) > fit.predict(0, 1));
//! # Ok::<(), huntbook_factorization::Error>(())
//! ```

pub use crate::csr::Csr;

use crate::kernel::{HalfStep, Scratch, gramian};
use crate::{Error, FitObserver};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Rows handled, and objective terms summed, as one unit; fixed, so that sums do not depend on threads.
const CHUNK: usize = 64;
/// Rows per partial Gramian.
const GRAM_CHUNK: usize = 4096;
/// Largest rank accepted.
pub const MAX_RANK: usize = 512;

/// Parameters of a factorization; [`Default`] has the usual ones.
#[derive(Debug, Clone, PartialEq)]
pub struct ImplicitAls {
    /// Number of latent factors, `1..=`[`MAX_RANK`]; 10 by default.
    pub rank: usize,
    /// Number of iterations, at least 1; 25 by default.
    pub max_iter: usize,
    /// Ridge per positive rating, above 0; 1.0 by default.
    pub reg_param: f64,
    /// How fast confidence grows with a rating, at least 0; 1.0 by default.
    pub alpha: f64,
    /// Seed of the random start; 0 by default.
    pub seed: u64,
}

impl Default for ImplicitAls {
    fn default() -> Self {
        ImplicitAls { rank: 10, max_iter: 25, reg_param: 1.0, alpha: 1.0, seed: 0 }
    }
}

/// Vectors of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    rank: usize,
    data: Vec<f32>,
}

impl Factors {
    /// Wraps vectors laid out one after the other.
    ///
    /// # Errors
    /// [`Error::InvalidStart`] if the length is no multiple of `rank` or a number is not finite.
    pub fn from_flat(rank: usize, data: Vec<f32>) -> Result<Self, Error> {
        if rank == 0 || !data.len().is_multiple_of(rank) || !data.iter().all(|v| v.is_finite()) {
            return Err(Error::InvalidStart { whose: "the flat factors".to_owned(), rank });
        }
        Ok(Factors { rank, data })
    }

    /// `n` unit vectors in random directions, as Spark starts its ALS.
    pub fn random_directions(n: usize, rank: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut data = Vec::with_capacity(n * rank);
        let mut vector = vec![0.0f64; rank];
        for _ in 0..n {
            vector.fill_with(|| normal(&mut rng));
            let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
            data.extend(vector.iter().map(|v| (v / norm.max(1e-30)) as f32));
        }
        Factors { rank, data }
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.rank).unwrap_or(0)
    }

    /// Whether there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Length of each vector.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Vector `i`.
    ///
    /// # Panics
    /// If `i >= len()`, as slice indexing does.
    pub fn get(&self, i: usize) -> &[f32] {
        &self.data[i * self.rank..(i + 1) * self.rank]
    }
}

/// Standard normal by the polar method.
fn normal(rng: &mut impl Rng) -> f64 {
    loop {
        let (u, v) = (rng.random::<f64>() * 2.0 - 1.0, rng.random::<f64>() * 2.0 - 1.0);
        let s = u * u + v * v;
        if s > 0.0 && s < 1.0 {
            return u * (-2.0 * s.ln() / s).sqrt();
        }
    }
}

/// The result of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Factorization {
    /// A vector per row; zeros for a row without ratings.
    pub rows: Factors,
    /// A vector per column; zeros for a column without ratings.
    pub columns: Factors,
    /// The objective after each iteration.
    pub losses: Vec<f64>,
}

impl Factorization {
    /// The predicted preference of `row` for `column`.
    ///
    /// # Panics
    /// If either is outside the matrix.
    pub fn predict(&self, row: usize, column: usize) -> f64 {
        dot(self.rows.get(row), self.columns.get(column))
    }
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

impl ImplicitAls {
    /// Factorizes from a random start drawn from [`seed`](Self::seed).
    ///
    /// # Errors
    /// [`Error::InvalidParameter`], [`Error::EmptyInput`] (no entries), [`Error::Cancelled`], or
    /// [`Error::NotFinite`] if the ratings are too large for the ridge.
    pub fn fit(&self, ratings: &Csr, observer: &dyn FitObserver) -> Result<Factorization, Error> {
        self.validate()?;
        let start = Factors::random_directions(ratings.n_rows(), self.rank, self.seed);
        self.fit_from(ratings, start, observer)
    }

    /// Factorizes from given row vectors; the seed is not used. Columns are solved first, so they need no
    /// start.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`Error::InvalidStart`] if `start` does not fit the matrix and the rank.
    pub fn fit_from(&self, ratings: &Csr, start: Factors, observer: &dyn FitObserver) -> Result<Factorization, Error> {
        self.validate()?;
        if ratings.nnz() == 0 {
            return Err(Error::EmptyInput);
        }
        if start.rank != self.rank || start.len() != ratings.n_rows() {
            return Err(Error::InvalidStart {
                whose: format!("{} rows for {}", start.len(), ratings.n_rows()),
                rank: self.rank,
            });
        }
        let by_column = ratings.transposed();
        let mut rows = start;
        let mut columns = Factors { rank: self.rank, data: vec![0.0; ratings.n_cols() * self.rank] };
        let column_counts: Vec<usize> =
            (0..by_column.n_rows()).map(|c| by_column.row(c).1.iter().filter(|&&r| r > 0.0).count()).collect();
        let mut losses = Vec::with_capacity(self.max_iter.min(10_000));
        for iteration in 1..=self.max_iter {
            self.half_step(&by_column, &rows, &mut columns);
            let data_loss = self.half_step(ratings, &columns, &mut rows);
            let column_ridge: f64 =
                (0..columns.len()).map(|c| column_counts[c] as f64 * dot(columns.get(c), columns.get(c))).sum();
            let loss = data_loss + self.reg_param * column_ridge;
            // Overflow in either side ends up here: the objective has every factor in it.
            if !loss.is_finite() {
                return Err(Error::NotFinite { iteration });
            }
            losses.push(loss);
            if observer.iteration(iteration, self.max_iter, loss).is_break() {
                return Err(Error::Cancelled { done: iteration, of: self.max_iter });
            }
        }
        Ok(Factorization { rows, columns, losses })
    }

    /// Solves `target` given `fixed`; returns the objective without the ridge of `fixed`.
    fn half_step(&self, ratings: &Csr, fixed: &Factors, target: &mut Factors) -> f64 {
        let rank = self.rank;
        let gramians: Vec<Vec<f64>> =
            fixed.data.par_chunks(GRAM_CHUNK * rank).map(|chunk| gramian(chunk, rank)).collect();
        let step = HalfStep::new(rank, self.alpha, self.reg_param, &fixed.data, &gramians);
        let losses: Vec<f64> = target
            .data
            .par_chunks_mut(CHUNK * rank)
            .enumerate()
            .map_init(
                || Scratch::new(rank),
                |scratch, (chunk, vectors)| {
                    let mut loss = 0.0;
                    for (i, x) in vectors.chunks_exact_mut(rank).enumerate() {
                        let (columns, values) = ratings.row(chunk * CHUNK + i);
                        loss += step.solve(columns, values, x, scratch);
                    }
                    loss
                },
            )
            .collect();
        losses.iter().sum()
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if !(1..=MAX_RANK).contains(&self.rank) {
            return Err(Error::parameter("rank", self.rank, "between 1 and 512 (10 is a good start)"));
        }
        if self.max_iter == 0 {
            return Err(Error::parameter("max_iter", self.max_iter, "at least 1 (25 is a good start)"));
        }
        if !(self.reg_param.is_finite() && self.reg_param > 0.0) {
            return Err(Error::parameter(
                "reg_param",
                self.reg_param,
                "finite and above 0, or a row's equations may have no unique solution",
            ));
        }
        if !(self.alpha.is_finite() && self.alpha >= 0.0) {
            return Err(Error::parameter("alpha", self.alpha, "finite and at least 0"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
