//! ALS matrix factorization on integer triplets: explicit ratings (ALS-WR; Zhou et al., 2008) and implicit
//! feedback (Hu, Koren & Volinsky, 2008), with free or non-negative factors.
//!
//! With row vectors `x`, column vectors `y` and ratings `r`, the factors minimise
//!
//! ```text
//! explicit:  Σ over the ratings  (r − x·y)²                            +  ridge
//! implicit:  Σ over all pairs    confidence · (preference − x·y)²      +  ridge
//! ridge:     reg_param · (Σ nₓ·|x|² + Σ n_y·|y|²)          or, per vector, with all n = 1
//! ```
//!
//! * In implicit mode a rating says how sure we are that a row *prefers* a column: confidence `1 + alpha·|r|`,
//!   preference 1 if `r > 0` and 0 otherwise; a pair without a rating has confidence 1 and preference 0.
//! * `n` is the number of ratings of a row or column (implicit: of the positive ones), as in Spark; with
//!   [`Ridge::PerVector`] it is 1, as in most other libraries.
//! * Entries that repeat a pair are separate ratings.
//!
//! One iteration solves every column given the rows, then every row given the columns, each exactly (Cholesky, or
//! block principal pivoting if non-negative), so the objective never rises after the first iteration beyond rounding.
//! Factors are `f32`. Normal equations are summed and solved in `f32`, eight rows at a time, and repeated in `f64`
//! where they are ill-conditioned; small data (at rank 10 up to about 35,000 ratings) is solved in `f64` throughout.
//! The loss is a by-product of the solves, with `f32` right to about six digits of the loss
//! at zero.
//!
//! Time per iteration: `O(nnz·k² + (rows + columns)·k³)`. Memory: the matrix twice (`16·nnz` bytes), `4·k·(rows +
//! columns)` with `k` rounded up to a multiple of 8, and `50·k²` bytes per thread.
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

use crate::kernel::{HalfStep, Precision, Side, Table, Workers};
use crate::{Error, FitObserver};

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

/// What [`Als::reg_param`] is multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ridge {
    /// The number of ratings of the row or column (ALS-WR), as Spark does.
    #[default]
    PerRating,
    /// Nothing: the same ridge for every row and column.
    PerVector,
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
    /// Strength of the ridge, above 0; 1.0 by default.
    pub reg_param: f64,
    /// What the strength of the ridge is multiplied by; the number of ratings by default.
    pub ridge: Ridge,
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
            ridge: Ridge::PerRating,
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
        let (row_side, column_side) = (Side::new(ratings, self.rank), Side::new(&by_column, self.rank));
        let mut workers = Workers::new(self.rank, [&row_side, &column_side]);
        let precision = Precision::of(ratings, self.rank);
        let mut rows = Table::of(&start);
        drop(start);
        let mut columns = Table::zeros(ratings.n_cols(), self.rank);
        let mut losses: Vec<f64> = Vec::with_capacity(self.max_iter.min(10_000));
        let mut converged = false;
        for iteration in 1..=self.max_iter {
            let of_columns = HalfStep::new(self, &rows, precision).run(&column_side, &mut columns, &mut workers);
            let of_rows = HalfStep::new(self, &columns, precision).run(&row_side, &mut rows, &mut workers);
            let loss = of_rows.all + of_columns.ridge;
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
        let (rows, columns) = (rows.to_factors(), columns.to_factors());
        Ok(Factorization { rows, columns, losses, converged, known_rows, known_columns })
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
