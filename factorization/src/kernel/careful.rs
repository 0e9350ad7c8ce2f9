//! One row in `f64`, for equations that `f32` cannot solve well and for rows that were not in training.

use super::{HalfStep, Objective};
use crate::als::{Feedback, Ridge};
use crate::nnls::NnlsSolver;
use wide::f32x8;

/// Buffers for one row.
pub(crate) struct Careful {
    a: Vec<f64>,
    b: Vec<f64>,
    x: Vec<f64>,
    vector: Vec<f64>,
    solver: NnlsSolver,
}

impl Careful {
    pub(crate) fn new(rank: usize) -> Self {
        Careful {
            a: Vec::new(),
            b: vec![0.0; rank],
            x: vec![0.0; rank],
            vector: vec![0.0; rank],
            solver: NnlsSolver::new(rank),
        }
    }

    /// Solves a row into `x`, which has the previous solution.
    pub(crate) fn solve(
        &mut self,
        step: &HalfStep<'_>,
        (columns, ratings): (&[u32], &[f32]),
        x: &mut [f32x8],
    ) -> Objective {
        let rank = step.rank;
        self.a.clone_from(&step.gramian);
        self.b.fill(0.0);
        let (mut counted, mut constant) = (0usize, 0.0);
        for (&column, &rating) in columns.iter().zip(ratings) {
            for (wide, narrow) in self.vector.iter_mut().zip(step.fixed.numbers(column as usize)) {
                *wide = f64::from(narrow);
            }
            let rating = f64::from(rating);
            let (weight, target, at_zero, counts) = match step.feedback {
                Feedback::Explicit => (1.0, rating, rating * rating, true),
                Feedback::Implicit { alpha } if rating > 0.0 => {
                    let confidence = 1.0 + alpha * rating;
                    (alpha * rating, confidence, confidence, true)
                }
                Feedback::Implicit { alpha } => (alpha * rating.abs(), 0.0, 0.0, false),
            };
            counted += usize::from(counts);
            constant += at_zero;
            for (i, row) in self.a.chunks_exact_mut(rank).enumerate() {
                let left = weight * self.vector[i];
                self.b[i] += target * self.vector[i];
                for (a, right) in row.iter_mut().zip(&self.vector) {
                    *a += left * right;
                }
            }
        }
        if counted == 0 {
            x.fill(f32x8::ZERO);
            return Objective { all: constant, ridge: 0.0 };
        }
        let ridge = step.reg_param
            * match step.ridge {
                Ridge::PerRating => counted as f64,
                Ridge::PerVector => 1.0,
            };
        for i in 0..rank {
            self.a[i * rank + i] += ridge;
        }
        for (wide, narrow) in self.x.iter_mut().zip(super::table::numbers(x)) {
            *wide = f64::from(narrow);
        }
        if step.nonnegative {
            self.solver.solve_strided(&self.a, rank, &self.b, &mut self.x);
        } else {
            self.solver.solve_free(&self.a, rank, &self.b, &mut self.x);
        }
        super::table::write(x, self.x.iter().map(|&v| v as f32));
        // xᵀAx − 2bᵀx at what is stored.
        let mut objective = Objective { all: constant, ridge: 0.0 };
        for (wide, narrow) in self.x.iter_mut().zip(super::table::numbers(x)) {
            *wide = f64::from(narrow);
        }
        for (i, row) in self.a.chunks_exact(rank).enumerate() {
            let product: f64 = row.iter().zip(&self.x).map(|(a, x)| a * x).sum();
            objective.all += self.x[i] * (product - 2.0 * self.b[i]);
            objective.ridge += ridge * self.x[i] * self.x[i];
        }
        objective
    }
}
