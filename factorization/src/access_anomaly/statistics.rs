//! Mean and deviation per tenant, folded into the vectors.

use crate::als::{Csr, Factors, dot};
use crate::indexer::Names;
use crate::model::TenantSummary;
use rayon::prelude::*;
use std::sync::Arc;

/// Mean and population deviation of the prediction over the rows of each tenant that ALS saw.
pub(crate) fn tenant_summaries(
    tenants: &[Arc<str>],
    users: &Names,
    resources: &Names,
    training: &Csr,
    enriched: &Csr,
    x: &Factors,
    y: &Factors,
) -> Vec<TenantSummary> {
    let sum_per_user = |term: &(dyn Fn(usize, f64) -> f64 + Sync)| -> Vec<f64> {
        let of_user = |u: usize| {
            let predictions = enriched.row(u).0.iter().map(|&r| dot(x.get(u), y.get(r as usize)));
            predictions.map(|p| term(u, p)).sum()
        };
        (0..users.len()).into_par_iter().map(of_user).collect()
    };
    let rows_of = |m: &Csr, t: usize| -> usize { users.range(t).map(|u| m.row(u).0.len()).sum() };
    let mean_of = |sums: &[f64], t: usize| sums[users.range(t)].iter().sum::<f64>() / rows_of(enriched, t) as f64;

    let sums = sum_per_user(&|_, p| p);
    let means: Vec<f64> = (0..tenants.len()).map(|t| mean_of(&sums, t)).collect();
    let mut tenant_of = vec![0; users.len()];
    for t in 0..tenants.len() {
        tenant_of[users.range(t)].fill(t);
    }
    let squares = sum_per_user(&|u, p| (p - means[tenant_of[u]]).powi(2));
    let summary = |(t, name): (usize, &Arc<str>)| {
        let rows = rows_of(training, t);
        TenantSummary {
            name: name.to_string(),
            rows,
            complement_rows: rows_of(enriched, t) - rows,
            users: users.range(t).len(),
            resources: resources.range(t).len(),
            mean: means[t],
            std: spread(means[t], mean_of(&squares, t).sqrt()),
        }
    };
    tenants.iter().enumerate().map(summary).collect()
}

/// Equal predictions have no spread; what is left then is rounding.
pub(crate) fn spread(mean: f64, std: f64) -> f64 {
    if std <= 1e-12 * mean.abs() { 1.0 } else { std }
}

/// Mean and [`spread`] of values that are all at hand; the spread is 1 where all of them are 0.
pub(crate) fn mean_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let std = spread(mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt());
    (mean, if std > 0.0 { std } else { 1.0 })
}

/// `−[x, −mean, 1] / std`. An `x` that already has `rank + 2` numbers keeps its last one, and `−mean` is added to
/// the one before it.
pub(crate) fn augmented(x: impl Iterator<Item = f64>, rank: usize, mean: f64, std: f64) -> Vec<f64> {
    let mut vector: Vec<f64> = x.collect();
    if vector.len() == rank {
        vector.extend([0.0, 1.0]);
    }
    vector[rank] -= mean;
    let coefficient = -1.0 / std;
    vector.iter_mut().for_each(|v| *v *= coefficient);
    vector
}

/// [`augmented`] for every user.
pub(crate) fn user_vectors(x: &Factors, users: &Names, tenants: &[TenantSummary], rank: usize) -> Vec<f64> {
    let of_user = |(u, (t, _)): (usize, (usize, &str))| {
        let TenantSummary { mean, std, .. } = tenants[t];
        augmented(x.get(u).iter().map(|&v| f64::from(v)), rank, mean, std)
    };
    users.iter().enumerate().flat_map(of_user).collect()
}

/// `[y, 1, 0]` per resource.
pub(crate) fn res_vectors(y: &Factors, rank: usize) -> Vec<f64> {
    let mut vectors = Vec::with_capacity(y.len() * (rank + 2));
    for r in 0..y.len() {
        vectors.extend(y.get(r).iter().map(|&v| f64::from(v)).chain([1.0, 0.0]));
    }
    vectors
}
