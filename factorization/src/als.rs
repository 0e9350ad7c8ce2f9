//! ALS matrix factorization on integer triplets: explicit ratings (ALS-WR; Zhou et al., 2008) and implicit
//! feedback (Hu, Koren & Volinsky, 2008), with free or non-negative factors.
//!
//! With row vectors `x`, column vectors `y` and ratings `r`, the factors minimise
//!
//! ```text
//! explicit:  Σ over the ratings  (r − x·y)²                            +  ridge
//! implicit:  Σ over all pairs    confidence · (preference − x·y)²      +  ridge
//! ridge:     reg_param · (Σ nₓ·|x|² + Σ n_y·|y|²)
//! ```
//!
//! * In implicit mode a rating says how sure we are that a row *prefers* a column: confidence `1 + alpha·|r|`,
//!   preference 1 if `r > 0` and 0 otherwise; a pair without a rating has confidence 1 and preference 0.
//! * `n` is the number of ratings of a row or column (implicit: of the positive ones), as in Spark.
//! * Entries that repeat a pair are separate ratings.
//!
//! One iteration solves every column given the rows, then every row given the columns, each exactly (Cholesky,
//! or [`crate::nnls`] if non-negative), so the objective never rises after the first iteration. Factors are
//! stored as `f32`; normal equations are summed and solved in `f64`.
//!
//! Time per iteration: `O(nnz·k² + (rows + columns)·k³)`. Memory: the matrix twice (`16·nnz` bytes) and
//! `4·k·(rows + columns)`.
//!
//! ```
//! use huntbook_factorization::als::{Als, Csr};
//!
//! // Three viewers, four films; the ratings are stars.
//! let viewers = [0, 0, 1, 1, 2, 2];
//! let films = [0, 1, 0, 2, 1, 3];
//! let stars = [5.0, 4.0, 5.0, 1.0, 4.0, 2.0];
//! let ratings = Csr::from_triplets(3, 4, &viewers, &films, &stars)?;
//!
//! let fit = Als { rank: 2, reg_param: 0.05, ..Als::explicit() }.fit(&ratings, &())?;
//! let guess = fit.predict(1, 1).expect("both have ratings");
//! assert!((3.0..6.0).contains(&guess));
//! assert_eq!(fit.predict(7, 0), None); // never rated anything
//! let best = fit.recommend(1, 2, |film| !ratings.contains(1, film)); // (column, prediction), best first
//! assert_eq!(best[0].0, 1);
//! # Ok::<(), huntbook_factorization::Error>(())
//! ```

mod factors;
mod query;

pub use crate::csr::Csr;
pub use factors::Factors;

use crate::kernel::{HalfStep, Scratch, gramian};
use crate::{Error, FitObserver};
use rayon::prelude::*;

/// Rows handled, and objective terms summed, as one unit; fixed, so that sums do not depend on threads.
const CHUNK: usize = 64;
/// Rows per partial Gramian.
const GRAM_CHUNK: usize = 4096;
/// Largest rank accepted.
pub const MAX_RANK: usize = 512;

/// What a rating means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Feedback {
    /// A score to be predicted; pairs without one are unknown.
    Explicit,
    /// Evidence of interest; pairs without one are weak evidence against it.
    Implicit {
        /// How fast confidence grows with a rating, at least 0.
        alpha: f64,
    },
}

/// Parameters of a factorization. [`Als::implicit`] and [`Als::explicit`] have the usual ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Als {
    /// What a rating means.
    pub feedback: Feedback,
    /// Number of latent factors, `1..=`[`MAX_RANK`]; 10 by default.
    pub rank: usize,
    /// Number of iterations, at least 1; 25 by default.
    pub max_iter: usize,
    /// Ridge per rating, above 0; 1.0 by default.
    pub reg_param: f64,
    /// Whether factors must not be negative; false by default. Explicit ratings must not be negative then.
    pub nonnegative: bool,
    /// Stops when an iteration lowers the loss by no more than this share of it; 0 (the default) never stops
    /// early.
    pub tol: f64,
    /// Seed of the random start; 0 by default.
    pub seed: u64,
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
    /// Whether `tol` was reached before `max_iter`.
    pub converged: bool,
    known_rows: Vec<bool>,
    known_columns: Vec<bool>,
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

impl Als {
    /// Implicit feedback: rank 10, 25 iterations, reg_param 1.0, alpha 1.0, free signs, no early stop, seed 0.
    pub fn implicit() -> Self {
        Als {
            feedback: Feedback::Implicit { alpha: 1.0 },
            rank: 10,
            max_iter: 25,
            reg_param: 1.0,
            nonnegative: false,
            tol: 0.0,
            seed: 0,
        }
    }

    /// As [`implicit`](Self::implicit), for explicit ratings.
    pub fn explicit() -> Self {
        Als { feedback: Feedback::Explicit, ..Self::implicit() }
    }

    /// Factorizes from a random start drawn from [`seed`](Self::seed).
    ///
    /// # Errors
    /// [`Error::InvalidParameter`], [`Error::EmptyInput`] (no entries), [`Error::NegativeRating`] (explicit and
    /// non-negative), [`Error::Cancelled`], or [`Error::NotFinite`] if the ratings are too large for the ridge.
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
        if self.nonnegative && self.feedback == Feedback::Explicit {
            for row in 0..ratings.n_rows() {
                let (columns, values) = ratings.row(row);
                if let Some(i) = values.iter().position(|&v| v < 0.0) {
                    let column = columns[i] as usize;
                    return Err(Error::NegativeRating { row, column, value: f64::from(values[i]) });
                }
            }
        }
        self.run(ratings, start, observer)
    }

    /// As `fit_from`; ratings below 0 pull non-negative predictions to 0.
    pub(crate) fn run(
        &self,
        ratings: &Csr,
        start: Factors,
        observer: &dyn FitObserver,
    ) -> Result<Factorization, Error> {
        self.validate()?;
        if ratings.nnz() == 0 {
            return Err(Error::EmptyInput);
        }
        if start.rank() != self.rank || start.len() != ratings.n_rows() {
            return Err(Error::InvalidStart {
                whose: format!("{} rows for {}", start.len(), ratings.n_rows()),
                rank: self.rank,
            });
        }
        let by_column = ratings.transposed();
        let mut rows = start;
        let mut columns = Factors::zeros(ratings.n_cols(), self.rank);
        let column_counts: Vec<usize> = (0..by_column.n_rows()).map(|c| self.ridge_count(by_column.row(c).1)).collect();
        let mut losses: Vec<f64> = Vec::with_capacity(self.max_iter.min(10_000));
        let mut converged = false;
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
            let before = losses.last().copied();
            losses.push(loss);
            if observer.iteration(iteration, self.max_iter, loss).is_break() {
                return Err(Error::Cancelled { done: iteration, of: self.max_iter });
            }
            converged = self.tol > 0.0 && before.is_some_and(|before| before - loss <= self.tol * before.abs());
            if converged {
                break;
            }
        }
        let known = |m: &Csr| (0..m.n_rows()).map(|r| !m.row(r).0.is_empty()).collect();
        let (known_rows, known_columns) = (known(ratings), known(&by_column));
        Ok(Factorization { rows, columns, losses, converged, known_rows, known_columns })
    }

    /// Ratings of a row that count for its ridge.
    fn ridge_count(&self, ratings: &[f32]) -> usize {
        match self.feedback {
            Feedback::Explicit => ratings.len(),
            Feedback::Implicit { .. } => ratings.iter().filter(|&&r| r > 0.0).count(),
        }
    }

    /// What all rows of a half-step share, given the vectors of the other side.
    pub(crate) fn step<'a>(&self, fixed: &'a Factors) -> HalfStep<'a> {
        let rank = self.rank;
        let gramians: Vec<Vec<f64>> = match self.feedback {
            Feedback::Explicit => Vec::new(),
            Feedback::Implicit { .. } => {
                fixed.data.par_chunks(GRAM_CHUNK * rank).map(|chunk| gramian(chunk, rank)).collect()
            }
        };
        HalfStep::new(self, &fixed.data, &gramians)
    }

    /// Solves `target` given `fixed`; returns the objective without the ridge of `fixed`.
    fn half_step(&self, ratings: &Csr, fixed: &Factors, target: &mut Factors) -> f64 {
        let rank = self.rank;
        let step = self.step(fixed);
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
        if !(self.tol.is_finite() && self.tol >= 0.0) {
            return Err(Error::parameter("tol", self.tol, "finite and at least 0; 0 never stops early"));
        }
        match self.feedback {
            Feedback::Implicit { alpha } if !(alpha.is_finite() && alpha >= 0.0) => {
                Err(Error::parameter("alpha", alpha, "finite and at least 0"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
