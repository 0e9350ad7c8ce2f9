use crate::als::{Csr, Factorization, Factors, ImplicitAls, dot};
use crate::components::bipartite_components;
use crate::history::{History, HistoryLookup};
use crate::indexer::{Names, index_names, index_tenants};
use crate::model::{ModelData, Side, TenantSummary};
use crate::scaler::min_max_per_group;
use crate::{AccessAnomalyModel, Error, FitObserver, Summary};
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Columns of equal length; null is `None`.
#[derive(Debug, Clone, Copy)]
pub struct AccessColumns<'a> {
    /// Isolates users and resources from those of other tenants; use one constant if not needed.
    pub tenant: &'a [Option<&'a str>],
    /// Who.
    pub user: &'a [Option<&'a str>],
    /// What was accessed.
    pub res: &'a [Option<&'a str>],
}

impl AccessColumns<'_> {
    pub(crate) fn rows(&self) -> Result<usize, Error> {
        let expected = self.tenant.len();
        for (column, found) in [("user", self.user.len()), ("res", self.res.len())] {
            if found != expected {
                return Err(Error::ColumnLength { column, expected, found });
            }
        }
        Ok(expected)
    }
}

/// One access of the history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Access {
    /// The tenant.
    pub tenant: String,
    /// Who.
    pub user: String,
    /// What was accessed.
    pub res: String,
}

impl Access {
    /// An access of `user` to `res`.
    pub fn new(tenant: impl Into<String>, user: impl Into<String>, res: impl Into<String>) -> Self {
        Access { tenant: tenant.into(), user: user.into(), res: res.into() }
    }
}

/// Start vectors of the users, to repeat a fit made elsewhere exactly.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InitialFactors(HashMap<String, HashMap<String, Vec<f32>>>);

impl InitialFactors {
    /// No vectors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the start vector of a user; it must have as many numbers as the rank. Users that are not in the
    /// training data are ignored by the fit.
    pub fn insert(&mut self, tenant: impl Into<String>, user: impl Into<String>, vector: Vec<f32>) {
        self.0.entry(tenant.into()).or_default().insert(user.into(), vector);
    }

    fn flatten(&self, tenants: &[Arc<str>], users: &Names, rank: usize) -> Result<Factors, Error> {
        let mut data = Vec::with_capacity(users.len() * rank);
        for (t, user) in users.iter() {
            let tenant = &tenants[t];
            let vector = self.0.get(&**tenant).and_then(|of| of.get(user));
            let Some(vector) = vector else {
                return Err(Error::MissingStart { tenant: tenant.to_string(), user: user.to_owned() });
            };
            if vector.len() != rank || !vector.iter().all(|v| v.is_finite()) {
                return Err(Error::InvalidStart { whose: format!("user `{user}` of tenant `{tenant}`"), rank });
            }
            data.extend_from_slice(vector);
        }
        Factors::from_flat(rank, data)
    }
}

/// A detector of anomalous resource access, to be fitted.
///
/// All tenants are factorized together (they share the rank); scaling, normalisation and the access graph are
/// per tenant, and the same user name in two tenants is two users.
///
/// * **Likelihood**: how natural the access is, for example a count. It is scaled per tenant to
///   [`scale`](Self::scale).
/// * **Duplicates**: a row that repeats a *(tenant, user, resource)* is one more observation of it: it adds to
///   the confidence, to the ridge, and to the tenant's mean and deviation. [`Summary::duplicate_rows`] counts
///   them. Aggregate first if repeats are an artefact of the log. The order of rows does not matter, except
///   for the rounding of repeated rows.
/// * **Nulls**: a null key or likelihood in training is an error that names the row; in scoring a null key
///   scores `None`.
///
/// ```
/// use huntbook_factorization::AccessAnomaly;
/// let detector = AccessAnomaly::new().rank(10).max_iter(25).alpha(1.0).scale(Some((5.0, 10.0))).seed(42);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "call `fit` to get a model"]
pub struct AccessAnomaly {
    als: ImplicitAls,
    scale: Option<(f64, f64)>,
    history: Option<Vec<Access>>,
}

impl Default for AccessAnomaly {
    fn default() -> Self {
        Self::new()
    }
}

impl AccessAnomaly {
    /// The defaults: rank 10, 25 iterations, reg_param 1.0, alpha 1.0, likelihood scaled to 5..10, seed 0, no
    /// history.
    pub fn new() -> Self {
        AccessAnomaly { als: ImplicitAls::default(), scale: Some((5.0, 10.0)), history: None }
    }

    /// Number of latent factors, 1 to 512. More factors tell more groups of users apart, and cost `rank²`.
    pub fn rank(mut self, rank: usize) -> Self {
        self.als.rank = rank;
        self
    }

    /// Number of ALS iterations, at least 1.
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.als.max_iter = max_iter;
        self
    }

    /// Ridge per rating, above 0.
    pub fn reg_param(mut self, reg_param: f64) -> Self {
        self.als.reg_param = reg_param;
        self
    }

    /// How fast confidence grows with the (scaled) likelihood, at least 0.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.als.alpha = alpha;
        self
    }

    /// The range `(low, high)` the likelihood of each tenant is scaled to, with `1 ≤ low < high`; a tenant
    /// whose likelihoods are all equal gets the midpoint. `None` uses the likelihood as it is: a value ≤ 0
    /// then says "known *not* to be preferred", and tenants should be on the same scale.
    pub fn scale(mut self, scale: Option<(f64, f64)>) -> Self {
        self.scale = scale;
        self
    }

    /// Seed of the random start. The same data, parameters and seed give the same model, bit for bit.
    pub fn seed(mut self, seed: u64) -> Self {
        self.als.seed = seed;
        self
    }

    /// Accesses known to be fine: exactly these score 0. They also *replace* the training data as the access
    /// graph: components are those of the history, and a trained user or resource that is not in it scores
    /// `None`. Repeated accesses are counted once.
    pub fn history(mut self, history: impl IntoIterator<Item = Access>) -> Self {
        self.history = Some(history.into_iter().collect());
        self
    }

    /// Learns who normally accesses what, from a random start drawn from the seed.
    ///
    /// # Errors
    /// See [`Error`]: parameters out of range, no rows, columns of different length, nulls, likelihoods that
    /// are not finite, an empty history, or [`Error::Cancelled`] by the observer.
    pub fn fit(
        &self,
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        observer: &dyn FitObserver,
    ) -> Result<AccessAnomalyModel, Error> {
        self.run(accesses, likelihood, None, observer)
    }

    /// As [`fit`](Self::fit), from given user vectors; the seed is not used.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`Error::MissingStart`] or [`Error::InvalidStart`].
    pub fn fit_from(
        &self,
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        start: &InitialFactors,
        observer: &dyn FitObserver,
    ) -> Result<AccessAnomalyModel, Error> {
        self.run(accesses, likelihood, Some(start), observer)
    }

    fn validate(&self) -> Result<(), Error> {
        self.als.validate()?;
        if let Some((low, high)) = self.scale
            && !(low >= 1.0 && high > low && high <= f64::from(f32::MAX))
        {
            return Err(Error::parameter(
                "scale (low_value, high_value)",
                (low, high),
                "1 <= low_value < high_value, both finite (5 and 10 are usual), or None not to scale",
            ));
        }
        Ok(())
    }

    fn run(
        &self,
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        start: Option<&InitialFactors>,
        observer: &dyn FitObserver,
    ) -> Result<AccessAnomalyModel, Error> {
        self.validate()?;
        let rows = accesses.rows()?;
        if likelihood.len() != rows {
            return Err(Error::ColumnLength { column: "likelihood", expected: rows, found: likelihood.len() });
        }
        if rows == 0 {
            return Err(Error::EmptyInput);
        }
        let history = self.history.as_deref().map(History::new).transpose()?;

        let (tenants, codes) = index_tenants(&required("tenant", accesses.tenant)?);
        let n = tenants.len();
        let (users, resources) = rayon::join(
            || index_names("users", n, &codes, &required("user", accesses.user)?),
            || index_names("resources", n, &codes, &required("res", accesses.res)?),
        );
        let ((users, user_ids), (resources, res_ids)) = (users?, resources?);
        let ratings = self.ratings(&codes, n, likelihood)?;
        let matrix = Csr::from_triplets(users.len(), resources.len(), &user_ids, &res_ids, &ratings)?;
        drop((user_ids, res_ids, ratings));

        let fit = match start {
            None => self.als.fit(&matrix, observer)?,
            Some(start) => {
                let start = start.flatten(&tenants, &users, self.als.rank)?;
                self.als.fit_from(&matrix, start, observer)?
            }
        };
        let tenants = tenant_summaries(&tenants, &users, &resources, &matrix, &fit);
        let (user_components, res_components) = match &history {
            None => {
                let (left, right) = bipartite_components(users.len(), resources.len(), pairs(&matrix));
                (left.into_iter().map(Some).collect(), right)
            }
            Some(history) => history_components(history, &tenants, &users, &resources),
        };
        let summary = Summary {
            rows,
            duplicate_rows: duplicates(&matrix),
            tenants: n,
            users: users.len(),
            resources: resources.len(),
            rank: self.als.rank,
            iterations: fit.losses.len(),
            reg_param: self.als.reg_param,
            alpha: self.als.alpha,
            scale: self.scale,
            seed: start.is_none().then_some(self.als.seed),
            loss: fit.losses.last().copied().unwrap_or_default(),
        };
        let rank = self.als.rank;
        let users =
            Side { vectors: user_vectors(&fit, &users, &tenants, rank), names: users, components: user_components };
        let resources = Side { vectors: res_vectors(&fit, rank), names: resources, components: res_components };
        AccessAnomalyModel::new(ModelData { summary, tenants, users, resources, history })
    }

    /// The ratings ALS sees.
    fn ratings(&self, codes: &[u32], n_tenants: usize, likelihood: &[Option<f64>]) -> Result<Vec<f32>, Error> {
        let mut values = Vec::with_capacity(likelihood.len());
        for (row, value) in likelihood.iter().enumerate() {
            match *value {
                None => return Err(Error::NullLikelihood { row }),
                Some(value) if !value.is_finite() => {
                    return Err(Error::InvalidLikelihood { row, value });
                }
                Some(value) => values.push(value),
            }
        }
        if let Some((low, high)) = self.scale {
            values = min_max_per_group(codes, n_tenants, &values, low, high);
        }
        let narrow = |(row, &value): (usize, &f64)| {
            let rating = value as f32;
            if rating.is_finite() { Ok(rating) } else { Err(Error::InvalidLikelihood { row, value }) }
        };
        values.iter().enumerate().map(narrow).collect()
    }
}

fn required<'a>(column: &'static str, values: &[Option<&'a str>]) -> Result<Vec<&'a str>, Error> {
    let some = |(row, value): (usize, &Option<&'a str>)| value.ok_or(Error::NullKey { column, row });
    values.iter().enumerate().map(some).collect()
}

fn pairs(matrix: &Csr) -> impl Iterator<Item = (u32, u32)> {
    (0..matrix.n_rows()).flat_map(|u| matrix.row(u).0.iter().map(move |&r| (u as u32, r)))
}

/// Rows beyond the first of each pair; the columns of a row are sorted.
fn duplicates(matrix: &Csr) -> usize {
    let repeated = |u| matrix.row(u).0.windows(2).filter(|w| w[0] == w[1]).count();
    (0..matrix.n_rows()).map(repeated).sum()
}

/// Mean and population deviation of the prediction over the training rows of each tenant.
fn tenant_summaries(
    tenants: &[Arc<str>],
    users: &Names,
    resources: &Names,
    matrix: &Csr,
    fit: &Factorization,
) -> Vec<TenantSummary> {
    let sum_per_user = |term: &(dyn Fn(usize, f64) -> f64 + Sync)| -> Vec<f64> {
        let of_user = |u: usize| {
            let x = fit.rows.get(u);
            let predictions = matrix.row(u).0.iter().map(|&r| dot(x, fit.columns.get(r as usize)));
            predictions.map(|p| term(u, p)).sum()
        };
        (0..users.len()).into_par_iter().map(of_user).collect()
    };
    let rows_of = |t: usize| -> usize { users.range(t).map(|u| matrix.row(u).0.len()).sum() };
    let mean_of = |sums: &[f64], t: usize| sums[users.range(t)].iter().sum::<f64>() / rows_of(t) as f64;

    let sums = sum_per_user(&|_, p| p);
    let means: Vec<f64> = (0..tenants.len()).map(|t| mean_of(&sums, t)).collect();
    let mut tenant_of = vec![0; users.len()];
    for t in 0..tenants.len() {
        tenant_of[users.range(t)].fill(t);
    }
    let squares = sum_per_user(&|u, p| (p - means[tenant_of[u]]).powi(2));
    let summary = |(t, name): (usize, &Arc<str>)| {
        let (mean, std) = (means[t], mean_of(&squares, t).sqrt());
        // Equal predictions have no spread; what is left then is rounding.
        let std = if std <= 1e-12 * mean.abs() { 1.0 } else { std };
        TenantSummary {
            name: name.to_string(),
            rows: rows_of(t),
            users: users.range(t).len(),
            resources: resources.range(t).len(),
            mean,
            std,
        }
    };
    tenants.iter().enumerate().map(summary).collect()
}

/// `−[x, −mean, 1] / std` per user.
fn user_vectors(fit: &Factorization, users: &Names, tenants: &[TenantSummary], rank: usize) -> Vec<f64> {
    let mut vectors = Vec::with_capacity(users.len() * (rank + 2));
    for (u, (t, _)) in users.iter().enumerate() {
        let TenantSummary { mean, std, .. } = tenants[t];
        let coefficient = -1.0 / std;
        let grown = fit.rows.get(u).iter().map(|&v| f64::from(v)).chain([-mean, 1.0]);
        vectors.extend(grown.map(|v| coefficient * v));
    }
    vectors
}

/// `[y, 1, 0]` per resource.
fn res_vectors(fit: &Factorization, rank: usize) -> Vec<f64> {
    let mut vectors = Vec::with_capacity(fit.columns.len() * (rank + 2));
    for r in 0..fit.columns.len() {
        let y = fit.columns.get(r).iter().map(|&v| f64::from(v));
        vectors.extend(y.chain([1.0, 0.0]));
    }
    vectors
}

type Components = Vec<Option<u32>>;

/// Components of the trained users and resources in the graph of the history.
fn history_components(
    history: &History,
    tenants: &[TenantSummary],
    users: &Names,
    resources: &Names,
) -> (Components, Components) {
    let lookup = HistoryLookup::new(history);
    let of_user = |(t, name): (usize, &str)| {
        let id = lookup.user(&tenants[t].name, name)?;
        Some(history.user_components[id as usize])
    };
    let of_res = |(t, name): (usize, &str)| {
        let id = lookup.resource(&tenants[t].name, name)?;
        Some(history.res_components[id as usize])
    };
    (users.iter().map(of_user).collect(), resources.iter().map(of_res).collect())
}

#[cfg(test)]
mod tests;
