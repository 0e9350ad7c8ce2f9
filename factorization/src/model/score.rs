use super::AccessAnomalyModel;
use crate::{AccessColumns, Error};
use rayon::prelude::*;
use std::collections::HashMap;

/// Scores and what they mean, one value per row.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Scored {
    /// The score; see [`AccessAnomalyModel::score`].
    pub score: Vec<Option<f64>>,
    /// The share of unseen *normal* accesses of the tenant that score at least as much, above 0 and at most 1; of a
    /// batch of normal new accesses about this share gets no higher value. `None` without a score or without
    /// [calibration](crate::AccessAnomaly::calibration_folds).
    pub p_value: Vec<Option<f64>>,
    /// 1 is the most anomalous of the rows of its tenant in this batch; equal scores share the best rank.
    pub rank_in_tenant: Vec<Option<u32>>,
}

impl AccessAnomalyModel {
    /// Scores every row, in order and in parallel. In this order:
    ///
    /// 1. the exact access is in the history → `Some(0.0)`;
    /// 2. a key is null, or the user or the resource was not in training (or, with a history, not in the
    ///    history) → `None`: nothing is known about it;
    /// 3. user and resource are in different components of the access graph → `Some(+inf)`: no chain of
    ///    accesses links them;
    /// 4. otherwise the score: 0 is a typical training access, 1 is one standard deviation less expected.
    ///
    /// Over the rows of a tenant that the fit saw (training and, with explicit feedback, the complement) the scores
    /// of rule 4 have mean 0 and standard deviation 1. Accesses that did not happen in training score higher on
    /// average even if they are normal, above all in small, dense tenants: rank the results, or use the p-values of
    /// [`score_all`](Self::score_all), rather than trust a fixed threshold.
    ///
    /// # Errors
    /// [`Error::ColumnLength`] if the columns differ in length.
    pub fn score(&self, accesses: AccessColumns<'_>) -> Result<Vec<Option<f64>>, Error> {
        let rows = accesses.rows()?;
        let one = |i: usize| self.score_one(accesses.tenant[i]?, accesses.user[i]?, accesses.res[i]?);
        Ok((0..rows).into_par_iter().with_min_len(256).map(one).collect())
    }

    /// Scores one access; see [`score`](Self::score) for the rules.
    pub fn score_one(&self, tenant: &str, user: &str, res: &str) -> Option<f64> {
        if self.is_known_fine(tenant, user, res) {
            return Some(0.0);
        }
        let tenant = *self.tenants.get(tenant)? as usize;
        let user = self.users.get(tenant, user)? as usize;
        let res = self.resources.get(tenant, res)? as usize;
        let (users, resources) = (&self.data.users, &self.data.resources);
        if users.components[user]? != resources.components[res]? {
            return Some(f64::INFINITY);
        }
        let (u, r) = (self.vector(users, user), self.vector(resources, res));
        Some(u.iter().zip(r).map(|(a, b)| a * b).sum())
    }

    /// As [`score`](Self::score), with p-values and ranks.
    ///
    /// # Errors
    /// [`Error::ColumnLength`] if the columns differ in length.
    pub fn score_all(&self, accesses: AccessColumns<'_>) -> Result<Scored, Error> {
        let score = self.score(accesses)?;
        let p_value = |(i, score): (usize, &Option<f64>)| {
            let (tenant, user, res) = (accesses.tenant[i]?, accesses.user[i]?, accesses.res[i]?);
            self.p_value_of(tenant, user, res, (*score)?)
        };
        let p_value = score.par_iter().enumerate().with_min_len(256).map(p_value).collect();
        let rank_in_tenant = ranks(accesses.tenant, &score);
        Ok(Scored { score, p_value, rank_in_tenant })
    }

    /// The share of unseen normal accesses of the tenant that score at least `score`. `None` for an unknown tenant or
    /// without calibration.
    pub fn p_value(&self, tenant: &str, score: f64) -> Option<f64> {
        let tenant = *self.tenants.get(tenant)? as usize;
        self.data.calibration.as_ref()?.p_value(tenant, score)
    }

    /// The score from which on the p-value is below `p`: of so many unseen normal accesses a day, a share of `p` is
    /// expected to be flagged. `None` for an unknown tenant, without calibration, or if the tenant has too few
    /// accesses to tell (about `1 / p` are needed).
    pub fn threshold(&self, tenant: &str, p: f64) -> Option<f64> {
        let tenant = *self.tenants.get(tenant)? as usize;
        self.data.calibration.as_ref()?.score_at(tenant, p)
    }

    /// Number of held-out accesses the p-values of a tenant rest on.
    pub fn held_out(&self, tenant: &str) -> usize {
        let of = |t: &u32| self.data.calibration.as_ref()?.held_out.get(*t as usize).map(Vec::len);
        self.tenants.get(tenant).and_then(of).unwrap_or(0)
    }

    pub(super) fn p_value_of(&self, tenant: &str, user: &str, res: &str, score: f64) -> Option<f64> {
        self.data.calibration.as_ref()?;
        if self.is_known_fine(tenant, user, res) { Some(1.0) } else { self.p_value(tenant, score) }
    }

    pub(super) fn is_known_fine(&self, tenant: &str, user: &str, res: &str) -> bool {
        match (&self.data.history, &self.history) {
            (Some(history), Some(lookup)) if self.data.preserve_history => lookup.contains(history, tenant, user, res),
            _ => false,
        }
    }
}

pub(crate) fn ranks(tenants: &[Option<&str>], scores: &[Option<f64>]) -> Vec<Option<u32>> {
    let mut of_tenant: HashMap<&str, Vec<(usize, f64)>> = HashMap::new();
    for (i, (tenant, score)) in tenants.iter().zip(scores).enumerate() {
        if let (Some(tenant), Some(score)) = (tenant, score) {
            of_tenant.entry(tenant).or_default().push((i, *score));
        }
    }
    let mut ranks = vec![None; scores.len()];
    for mut rows in of_tenant.into_values() {
        rows.par_sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
        let mut rank = 0u32;
        let mut last = f64::NAN;
        for (place, (row, score)) in (1u32..).zip(rows) {
            if score != last {
                (rank, last) = (place, score);
            }
            ranks[row] = Some(rank);
        }
    }
    ranks
}
