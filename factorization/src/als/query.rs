//! What a factorization is asked for: predictions, recommendations, similar rows and columns, new rows.

use super::{Als, Factorization, Factors, dot};
use crate::Error;
use crate::kernel::{Careful, HalfStep, Precision, Table};

impl Factorization {
    /// The predicted rating (implicit: preference, about 0 to 1). `None` is the cold-start rule: a row or column
    /// without any rating, or outside the matrix, has no prediction. [`Als::fold_in`] makes a vector for a new row.
    pub fn predict(&self, row: usize, column: usize) -> Option<f64> {
        let known = |of: &[bool], i: usize| of.get(i).copied().unwrap_or(false);
        (known(&self.known_rows, row) && known(&self.known_columns, column))
            .then(|| dot(self.rows.get(row), self.columns.get(column)))
    }

    /// The `n` columns with the highest predictions for `row` among those `wanted`, best first; equal predictions
    /// in column order. Empty for a row without ratings. `O(columns·(k + log columns))`.
    pub fn recommend(&self, row: usize, n: usize, wanted: impl Fn(usize) -> bool) -> Vec<(usize, f64)> {
        let scored = (0..self.columns.len()).filter(|&c| wanted(c));
        best(scored.filter_map(|c| Some((c, self.predict(row, c)?))).collect(), n)
    }

    /// The `n` rows whose vectors point most nearly in the same direction as that of `row`, with the cosine
    /// (−1 to 1). Empty for a row without ratings.
    pub fn similar_rows(&self, row: usize, n: usize) -> Vec<(usize, f64)> {
        similar(&self.rows, &self.known_rows, row, n)
    }

    /// As [`similar_rows`](Self::similar_rows), for columns.
    pub fn similar_columns(&self, column: usize, n: usize) -> Vec<(usize, f64)> {
        similar(&self.columns, &self.known_columns, column, n)
    }
}

impl Als {
    /// The vector of a new row with the given ratings, its columns' vectors kept as they are: what a row that was
    /// not in training would have got. Multiply with [`Factorization::columns`] to predict.
    ///
    /// # Errors
    /// [`Error::ColumnLength`], [`Error::IndexOutOfRange`], [`Error::InvalidLikelihood`] for a rating that is not
    /// finite, [`Error::InvalidParameter`], or [`Error::InvalidStart`] if the fit has another rank.
    pub fn fold_in(&self, fit: &Factorization, columns: &[u32], ratings: &[f32]) -> Result<Vec<f32>, Error> {
        self.validate()?;
        if fit.columns.rank() != self.rank {
            return Err(Error::InvalidStart { whose: "the fitted columns".to_owned(), rank: self.rank });
        }
        let row = super::Csr::from_triplets(1, fit.columns.len(), &vec![0; columns.len()], columns, ratings)?;
        let (fixed, mut x) = (Table::of(&fit.columns), Table::zeros(1, self.rank));
        Careful::new(self.rank).solve(&HalfStep::new(self, &fixed, Precision::Double), row.row(0), x.registers_mut());
        Ok(x.to_factors().data)
    }
}

fn similar(factors: &Factors, known: &[bool], of: usize, n: usize) -> Vec<(usize, f64)> {
    if !known.get(of).copied().unwrap_or(false) {
        return Vec::new();
    }
    let cosine = |i: usize| {
        let (a, b) = (factors.get(of), factors.get(i));
        let size = (dot(a, a) * dot(b, b)).sqrt();
        (size > 0.0).then(|| (i, dot(a, b) / size))
    };
    best((0..factors.len()).filter(|&i| i != of && known[i]).filter_map(cosine).collect(), n)
}

fn best(mut scored: Vec<(usize, f64)>, n: usize) -> Vec<(usize, f64)> {
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.truncate(n);
    scored
}
