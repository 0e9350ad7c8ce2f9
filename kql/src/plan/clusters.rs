//! The search behind `evaluate autocluster`: a few large patterns that say much.
//!
//! Kusto describes its seed-expand search in words; this is one of the same kind. Patterns are
//! scored as documented: the weighted geometric mean of how many rows they cover and how much they
//! tell of them.

use super::frequent::{Attributes, Pattern};

/// So many patterns make `autocluster` a summary.
const MAX_CLUSTERS: usize = 10;

/// Smaller parts of the rows are no cluster.
const LEAST_CLUSTER: f64 = 0.02;

/// Of more distinct rows than this, `autocluster` looks at a sample while it searches.
const MAX_SEARCHED: usize = 20_000;

impl Attributes {
    /// A few patterns that are large and say much, each found among the rows that the ones before
    /// left over. From several rows, columns are fixed and freed as long as that improves the pattern.
    pub(super) fn clusters(&self, size_weight: f64, seeds: usize) -> Vec<Pattern> {
        let total = self.total();
        if total <= 0.0 || self.values.is_empty() {
            return Vec::new();
        }
        let information: Vec<f64> = (0..self.values.len()).map(|column| self.information(column)).collect();
        let all: f64 = information.iter().sum();
        let searched = self.sample(MAX_SEARCHED);
        let mut left: Vec<f64> = self.weights.clone();
        let mut chosen: Vec<Pattern> = Vec::new();
        while chosen.len() < MAX_CLUSTERS {
            let there: f64 = searched.iter().map(|row| left[*row]).sum();
            let score = |weight: f64, fixed: &[bool]| -> f64 {
                let says: f64 = information.iter().zip(fixed).filter(|(_, fixed)| **fixed).map(|(bits, _)| bits).sum();
                let says = if all > 0.0 { says / all } else { 1.0 };
                (weight / there).powf(size_weight) * says.powf(1.0 - size_weight)
            };
            let search = Search { attributes: self, rows: &searched, weights: &left, score: &score };
            let climbs =
                search.seeds(seeds).into_iter().flat_map(|seed| [search.climb(seed, false), search.climb(seed, true)]);
            let best = climbs.filter(|found| found.fixed.contains(&true)).max_by(|a, b| a.score.total_cmp(&b.score));
            let Some(best) = best.filter(|_| there > 0.0) else { break };
            let rows: Vec<u32> = (0..self.rows.len() as u32).filter(|row| best.holds(self, *row as usize)).collect();
            let own: f64 = rows.iter().map(|row| left[*row as usize]).sum();
            if own < LEAST_CLUSTER * total {
                break;
            }
            rows.iter().for_each(|row| left[*row as usize] = 0.0);
            chosen.push(self.shared(rows));
        }
        chosen.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        chosen
    }

    /// About so many distinct rows, always the same ones. Scattered, because rows at even distances
    /// would see only some values of anything that comes in turns.
    fn sample(&self, count: usize) -> Vec<usize> {
        let share = u64::MAX / self.rows.len().div_ceil(count).max(1) as u64;
        let scattered = |row: &usize| (*row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) <= share;
        (0..self.rows.len()).filter(scattered).collect()
    }

    /// Bits that a value of the column tells on average.
    fn information(&self, column: usize) -> f64 {
        let total = self.total();
        let shares = self.value_weights(column).into_iter().map(|weight| weight / total).filter(|share| *share > 0.0);
        shares.map(|share| -share * share.log2()).sum()
    }
}

/// The search for one cluster.
struct Search<'a> {
    attributes: &'a Attributes,
    /// The rows that are looked at
    rows: &'a [usize],
    /// What each row still weighs
    weights: &'a [f64],
    score: &'a dyn Fn(f64, &[bool]) -> f64,
}

/// The columns of a row that make a pattern.
struct Found {
    seed: usize,
    fixed: Vec<bool>,
    score: f64,
}

impl Found {
    fn holds(&self, attributes: &Attributes, row: usize) -> bool {
        let (row, seed) = (&attributes.rows[row], &attributes.rows[self.seed]);
        self.fixed.iter().enumerate().all(|(column, fixed)| !fixed || row[column] == seed[column])
    }
}

impl Search<'_> {
    /// The heaviest rows that are left, and others spread evenly over the table.
    fn seeds(&self, count: usize) -> Vec<usize> {
        let mut left: Vec<usize> = self.rows.iter().copied().filter(|row| self.weights[*row] > 0.0).collect();
        let heavy = count.div_ceil(2);
        let step = (left.len() / (count - heavy).max(1)).max(1);
        let mut seeds: Vec<usize> = left.iter().copied().step_by(step).take(count - heavy).collect();
        left.sort_by(|a, b| self.weights[*b].total_cmp(&self.weights[*a]));
        seeds.extend(left.into_iter().take(heavy));
        seeds
    }

    /// From nothing fixed, or from every value fixed that other rows share, fixes or frees one
    /// column at a time, whichever improves the score most.
    fn climb(&self, seed: usize, from_fixed: bool) -> Found {
        let rows = &self.attributes.rows;
        let width = self.attributes.values.len();
        let differs = |row: usize, column: usize| rows[row][column] != rows[seed][column];
        let is_shared = |column: usize| {
            self.rows.iter().any(|row| *row != seed && self.weights[*row] > 0.0 && !differs(*row, column))
        };
        let mut fixed: Vec<bool> = (0..width).map(|column| from_fixed && is_shared(column)).collect();
        // In how many of the fixed columns each row differs; with zero the pattern holds in it.
        let mut misses: Vec<u32> = self
            .rows
            .iter()
            .map(|row| (0..width).filter(|column| fixed[*column] && differs(*row, *column)).count() as u32)
            .collect();
        let weight_with = |misses: &[u32], change: Option<(usize, bool)>| -> f64 {
            let holds = |(row, misses): (&usize, &u32)| match change {
                None => *misses == 0,
                Some((column, true)) => *misses == 0 && !differs(*row, column),
                Some((column, false)) => *misses == u32::from(differs(*row, column)),
            };
            self.rows.iter().zip(misses).filter(|pair| holds(*pair)).map(|(row, _)| self.weights[*row]).sum()
        };
        let mut best = (self.score)(weight_with(&misses, None), &fixed);
        loop {
            let mut step: Option<(f64, usize)> = None;
            for column in 0..width {
                fixed[column] = !fixed[column];
                let value = (self.score)(weight_with(&misses, Some((column, fixed[column]))), &fixed);
                fixed[column] = !fixed[column];
                if value > step.map_or(best, |(known, _)| known) * (1.0 + 1e-12) {
                    step = Some((value, column));
                }
            }
            let Some((value, column)) = step else { break };
            fixed[column] = !fixed[column];
            for (row, missed) in self.rows.iter().zip(&mut misses) {
                if differs(*row, column) {
                    *missed = if fixed[column] { *missed + 1 } else { *missed - 1 };
                }
            }
            best = value;
        }
        Found { seed, fixed, score: best }
    }
}
