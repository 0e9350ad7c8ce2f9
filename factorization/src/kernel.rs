//! The arithmetic of half-steps: given the vectors of one side, every row of the other side is a small least-squares
//! problem `A·x = b`, with or without `x ≥ 0`.
//!
//! * [`gram`] sums `A` and `b` over the ratings of a row, in `f32` register tiles.
//! * [`cholesky`] solves eight rows at once, one per SIMD lane.
//! * [`lanes`] feeds rows to the lanes and moves signs until every row is optimal.
//! * [`careful`] repeats a row in `f64` if its equations are too ill-conditioned for `f32`, and does all rows of small
//!   data.
//!
//! Lanes never mix and sums run in a fixed order over fixed pieces, so a result does not depend on the number of
//! threads. It does depend on whether the build target has fused multiply-add.

mod careful;
mod cholesky;
mod gram;
mod lanes;
mod table;

pub(crate) use careful::Careful;
pub(crate) use table::Table;

use crate::als::{Als, Csr, Feedback, Ridge};
use lanes::Lanes;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Mutex;
use wide::f32x8;

/// Rows per partial Gramian.
const GRAM_CHUNK: usize = 4096;
/// A half-step is cut into about so many chunks of equal work, whatever the number of threads.
const CHUNKS: usize = 256;
/// Fewer rows than this are not worth a chunk.
const LEAST_CHUNK: usize = 64;

/// Up to so many multiplications per iteration everything is done in `f64`, which takes a few milliseconds then. An
/// iteration that starts far from the optimum can make a hundred times more of a rounding error, and small data is
/// where people compare results digit by digit.
const SMALL: usize = 4_000_000;

/// In what equations are summed and solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// `f32`, and `f64` for rows that are ill-conditioned.
    Single,
    /// `f64`.
    Double,
}

impl Precision {
    /// What a matrix of this size is factorized in.
    pub(crate) fn of(ratings: &Csr, rank: usize) -> Self {
        let solves = (ratings.n_rows() + ratings.n_cols()).saturating_mul(rank.pow(3) / 3);
        let work = ratings.nnz().saturating_mul(rank * rank).saturating_add(solves);
        if work <= SMALL { Precision::Double } else { Precision::Single }
    }
}

/// What all rows of a half-step share.
pub(crate) struct HalfStep<'a> {
    rank: usize,
    feedback: Feedback,
    reg_param: f64,
    ridge: Ridge,
    nonnegative: bool,
    precision: Precision,
    /// Factors of the other side.
    fixed: &'a Table,
    /// Gramian of `fixed` for implicit feedback, `rank` by `rank`; otherwise zeros.
    gramian: Vec<f64>,
}

/// A sum over the rows of a half-step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Objective {
    /// Data terms and ridge of the rows.
    pub(crate) all: f64,
    /// The ridge alone.
    pub(crate) ridge: f64,
}

impl std::ops::AddAssign for Objective {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.ridge += other.ridge;
    }
}

/// A matrix whose rows are solved, cut into chunks of similar work.
pub(crate) struct Side<'a> {
    ratings: &'a Csr,
    chunks: Vec<Range<usize>>,
}

impl<'a> Side<'a> {
    pub(crate) fn new(ratings: &'a Csr, rank: usize) -> Self {
        // In units of what one rating costs; a solve costs about rank / 3 of it.
        let work = |row: usize| ratings.row(row).0.len() + rank / 3 + 8;
        let total = ratings.nnz() + ratings.n_rows() * (rank / 3 + 8);
        let (mut chunks, mut start, mut sum) = (Vec::new(), 0, 0);
        for row in 0..ratings.n_rows() {
            sum += work(row);
            let end = row + 1;
            if end == ratings.n_rows() || (sum > total / CHUNKS && end - start >= LEAST_CHUNK) {
                chunks.push(start..end);
                (start, sum) = (end, 0);
            }
        }
        Side { ratings, chunks }
    }
}

/// The memory of all threads, made once per fit.
pub(crate) struct Workers(Vec<Lanes>);

impl Workers {
    /// For matrices cut into at most so many chunks.
    pub(crate) fn new(rank: usize, sides: [&Side<'_>; 2]) -> Self {
        let chunks = sides.map(|s| s.chunks.len()).into_iter().max().unwrap_or_default();
        Workers((0..rayon::current_num_threads().min(chunks)).map(|_| Lanes::new(rank)).collect())
    }
}

struct Job<'a> {
    rows: Range<usize>,
    target: &'a mut [f32x8],
    objective: &'a mut Objective,
}

impl<'a> HalfStep<'a> {
    pub(crate) fn new(als: &Als, fixed: &'a Table, precision: Precision) -> Self {
        let Als { rank, feedback, reg_param, ridge, nonnegative, .. } = *als;
        let gramian = match feedback {
            Feedback::Explicit => vec![0.0; rank * rank],
            Feedback::Implicit { .. } => gramian(fixed, rank, precision),
        };
        HalfStep { rank, feedback, reg_param, ridge, nonnegative, precision, fixed, gramian }
    }

    /// Solves every row into `target`, which has the previous solutions.
    pub(crate) fn run(&self, side: &Side<'_>, target: &mut Table, workers: &mut Workers) -> Objective {
        let octets = target.octets();
        let mut objectives = vec![Objective::default(); side.chunks.len()];
        let mut rest = target.registers_mut();
        let mut jobs = Vec::with_capacity(side.chunks.len());
        for (rows, objective) in side.chunks.iter().zip(&mut objectives) {
            let (own, others) = rest.split_at_mut(rows.len() * octets);
            jobs.push(Job { rows: rows.clone(), target: own, objective });
            rest = others;
        }
        let jobs = Mutex::new(jobs.into_iter());
        let next = || jobs.lock().ok()?.next();
        let shared = gram::padded(&self.gramian, self.rank, octets);
        workers.0.par_iter_mut().for_each(|lanes| {
            while let Some(job) = next() {
                *job.objective = lanes.solve(self, &shared, side.ratings, job.rows, job.target);
            }
        });
        let mut sum = Objective::default();
        objectives.into_iter().for_each(|o| sum += o);
        sum
    }
}

/// Sum of v·vᵀ over all rows of a table, `rank` by `rank`; in `f32` over chunks, whose sums are added up in `f64`.
fn gramian(factors: &Table, rank: usize, precision: Precision) -> Vec<f64> {
    let octets = factors.octets();
    let mut sum = vec![0.0; rank * rank];
    if precision == Precision::Double {
        for row in factors.registers().chunks_exact(octets) {
            for (i, left) in table::numbers(row).take(rank).enumerate() {
                for (sum, right) in sum[i * rank..(i + 1) * rank].iter_mut().zip(table::numbers(row)) {
                    *sum += f64::from(left) * f64::from(right);
                }
            }
        }
        return sum;
    }
    let chunks = factors.registers().par_chunks(GRAM_CHUNK * octets);
    let partial: Vec<Vec<f32x8>> = chunks.map(|rows| gram::of_rows(rows, octets, rank)).collect();
    for partial in &partial {
        for i in 0..rank {
            for j in i..rank {
                sum[i * rank + j] += f64::from(partial[i * octets + j / 8].as_array()[j % 8]);
            }
        }
    }
    for i in 0..rank {
        for j in 0..i {
            sum[i * rank + j] = sum[j * rank + i];
        }
    }
    sum
}

#[cfg(test)]
mod tests;
