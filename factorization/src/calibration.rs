//! What do *unseen normal* accesses score? Answered by fits that each leave out a share of the accesses.

use crate::access_anomaly::{Parameters, Progress, Replay, Training, factorize, pairs, stream_of};
use crate::als::{Csr, dot};
use crate::components::bipartite_components;
use crate::history::History;
use crate::{Error, access_anomaly::history_components};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Held-out scores per tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    /// Ascending, per tenant; infinite where leaving the access out cut the access graph.
    #[serde(with = "crate::exact::vectors")]
    pub(crate) held_out: Vec<Vec<f64>>,
}

impl Calibration {
    /// Share of unseen normal accesses of the tenant that score at least this much; never 0, as in every
    /// permutation test. `None` if nothing could be held out.
    pub(crate) fn p_value(&self, tenant: usize, score: f64) -> Option<f64> {
        let held_out = self.held_out.get(tenant).filter(|h| !h.is_empty())?;
        let below = held_out.partition_point(|&h| h < score);
        Some((1 + held_out.len() - below) as f64 / (1 + held_out.len()) as f64)
    }

    /// The lowest score with a p-value below `p`.
    pub(crate) fn score_at(&self, tenant: usize, p: f64) -> Option<f64> {
        let held_out = self.held_out.get(tenant).filter(|h| !h.is_empty())?;
        // Every score above `held_out[i]` has a p-value of at most (n - i) / (n + 1).
        let n = held_out.len();
        let i = (0..n).find(|&i| (n - i) as f64 / ((n + 1) as f64) < p)?;
        Some(held_out[i].next_up())
    }

    pub(crate) fn check(&self, tenants: usize) -> Result<(), String> {
        let good = self.held_out.iter().all(|h| h.is_sorted() && !h.iter().any(|v| v.is_nan()));
        if self.held_out.len() == tenants && good {
            Ok(())
        } else {
            Err("the calibration does not fit the tenants".to_owned())
        }
    }
}

/// Fits once per fold on the accesses of all other folds and scores those of the fold. The scores of the model
/// itself are not touched.
pub(crate) fn calibrate(
    training: &Training,
    history: Option<&History>,
    p: &Parameters,
    progress: &Progress<'_>,
) -> Result<Calibration, Error> {
    let folds = folds(training, p);
    let mut held_out = vec![Vec::new(); training.tenants.len()];
    for fold in 0..p.calibration_folds {
        let (kept, left_out) = split(training, &folds, fold as u32);
        let fitted = factorize(training, &kept, p, &Replay::new(), progress)?;
        let (user_components, res_components) = match history {
            Some(history) => history_components(history, &training.tenants, &training.users, &training.resources),
            None => {
                let (left, right) = bipartite_components(kept.n_rows(), kept.n_cols(), pairs(&kept));
                (left.into_iter().map(Some).collect(), right)
            }
        };
        for (t, u, r) in left_out {
            let (a, b) = (user_components[u as usize], res_components[r as usize]);
            // With a history, what it does not know is not scored.
            let (Some(a), Some(b)) = (a, b) else { continue };
            let tenant = &fitted.tenants[t];
            let affinity = dot(fitted.x.get(u as usize), fitted.y.get(r as usize));
            let score = if a == b { -(affinity - tenant.mean) / tenant.std } else { f64::INFINITY };
            held_out[t].push(score);
        }
    }
    held_out.iter_mut().for_each(|h| h.sort_unstable_by(f64::total_cmp));
    Ok(Calibration { held_out })
}

/// The fold of every entry of the ratings; repeats of a pair stay together.
fn folds(training: &Training, p: &Parameters) -> Vec<u32> {
    let mut folds = Vec::with_capacity(training.ratings.nnz());
    for (t, tenant) in training.tenants.iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(p.seed);
        rng.set_stream(stream_of(tenant) ^ 0x6361_6c69_6272_6174);
        // Dealt like cards, so that folds are of equal size.
        let mut deck: Vec<u32> = Vec::new();
        for u in training.users.range(t) {
            let columns = training.ratings.row(u).0;
            for (i, column) in columns.iter().enumerate() {
                let repeated = i > 0 && columns[i - 1] == *column;
                if !repeated && deck.is_empty() {
                    deck.extend(0..p.calibration_folds as u32);
                    deck.shuffle(&mut rng);
                }
                let fold = match folds.last() {
                    Some(&last) if repeated => last,
                    _ => deck.pop().unwrap_or_else(|| rng.random_range(0..p.calibration_folds as u32)),
                };
                folds.push(fold);
            }
        }
    }
    folds
}

/// The ratings without those of the fold, and (tenant, user, resource) of what was left out. Every user and every
/// resource keeps at least one access, or there would be nothing known about it.
fn split(training: &Training, folds: &[u32], fold: u32) -> (Csr, Vec<(usize, u32, u32)>) {
    let ratings = &training.ratings;
    let mut of_res = vec![0usize; ratings.n_cols()];
    pairs(ratings).for_each(|(_, r)| of_res[r as usize] += 1);
    let (mut rows, mut columns, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut left_out = Vec::new();
    let mut entry = 0;
    for t in 0..training.tenants.len() {
        for u in training.users.range(t) {
            let (of_user, likelihoods) = ratings.row(u);
            let mut left = of_user.len();
            let mut start = 0;
            for pair in of_user.chunk_by(|a, b| a == b) {
                let (r, n) = (pair[0] as usize, pair.len());
                if folds[entry + start] == fold && left > n && of_res[r] > n {
                    left -= n;
                    of_res[r] -= n;
                    left_out.push((t, u as u32, pair[0]));
                } else {
                    rows.extend(std::iter::repeat_n(u as u32, n));
                    columns.extend_from_slice(pair);
                    values.extend_from_slice(&likelihoods[start..start + n]);
                }
                start += n;
            }
            entry += of_user.len();
        }
    }
    (ratings.rebuilt(&rows, &columns, &values), left_out)
}
