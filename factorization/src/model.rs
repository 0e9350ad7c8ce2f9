use crate::history::{History, HistoryLookup};
use crate::indexer::{Lookup, Names};
use crate::{AccessColumns, Error};
use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::HashMap;
use std::sync::Arc;

/// What a model was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Training rows.
    pub rows: usize,
    /// Training rows that repeat an earlier *(tenant, user, resource)*.
    pub duplicate_rows: usize,
    /// Distinct tenants.
    pub tenants: usize,
    /// Distinct (tenant, user) pairs.
    pub users: usize,
    /// Distinct (tenant, resource) pairs.
    pub resources: usize,
    /// Latent factors.
    pub rank: usize,
    /// ALS iterations.
    pub iterations: usize,
    /// Ridge per rating.
    #[serde(with = "crate::exact")]
    pub reg_param: f64,
    /// Confidence per unit of likelihood.
    #[serde(with = "crate::exact")]
    pub alpha: f64,
    /// The range likelihoods were scaled to.
    #[serde(with = "crate::exact::range")]
    pub scale: Option<(f64, f64)>,
    /// The seed, or `None` if the start was injected.
    pub seed: Option<u64>,
    /// The objective after the last iteration.
    #[serde(with = "crate::exact")]
    pub loss: f64,
}

/// One tenant of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TenantSummary {
    /// Its name.
    pub name: String,
    /// Its training rows.
    pub rows: usize,
    /// Its users.
    pub users: usize,
    /// Its resources.
    pub resources: usize,
    /// Mean of the predicted affinity over its training rows.
    #[serde(with = "crate::exact")]
    pub mean: f64,
    /// Population standard deviation of the same; 1 if there is no spread.
    #[serde(with = "crate::exact")]
    pub std: f64,
}

/// A vector of a user or a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NamedVector<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The user or resource.
    pub name: &'a str,
    /// rank + 2 numbers; the score is the dot product of a user's and a resource's.
    pub vector: &'a [f64],
}

/// A node of the access graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedComponent<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The user or resource.
    pub name: &'a str,
    /// The component: the rank (by tenant, then name, over all tenants) of its first user.
    pub component: u32,
}

/// Users or resources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) names: Names,
    #[serde(with = "crate::exact::vector")]
    pub(crate) vectors: Vec<f64>,
    pub(crate) components: Vec<Option<u32>>,
}

/// Everything that is saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelData {
    pub(crate) summary: Summary,
    pub(crate) tenants: Vec<TenantSummary>,
    pub(crate) users: Side,
    pub(crate) resources: Side,
    pub(crate) history: Option<History>,
}

/// A fitted detector. Save it with any [serde] format: floats are written as text, so that a model that was read back
/// scores bit for bit the same.
///
/// ```
/// # use huntbook_factorization::*;
/// # let (t, u, r) = ([Some("t"); 2], [Some("a"), Some("b")], [Some("x"), Some("y")]);
/// # let accesses = AccessColumns { tenant: &t, user: &u, res: &r };
/// let model = AccessAnomaly::new().rank(2).fit(accesses, &[Some(1.0), Some(2.0)], &())?;
/// let json = serde_json::to_string(&model).unwrap();
/// let again: AccessAnomalyModel = serde_json::from_str(&json).unwrap();
/// assert_eq!(again.score(accesses)?, model.score(accesses)?);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AccessAnomalyModel {
    data: ModelData,
    tenants: HashMap<Arc<str>, u32>,
    users: Lookup,
    resources: Lookup,
    history: Option<HistoryLookup>,
}

pub(crate) fn tenant_lookup(names: &[Arc<str>]) -> HashMap<Arc<str>, u32> {
    names.iter().cloned().zip(0..).collect()
}

impl AccessAnomalyModel {
    pub(crate) fn new(data: ModelData) -> Result<Self, Error> {
        data.check().map_err(|reason| Error::InvalidModel { reason })?;
        let names: Vec<Arc<str>> = data.tenants.iter().map(|t| Arc::from(&*t.name)).collect();
        Ok(AccessAnomalyModel {
            tenants: tenant_lookup(&names),
            users: Lookup::new(&data.users.names),
            resources: Lookup::new(&data.resources.names),
            history: data.history.as_ref().map(HistoryLookup::new),
            data,
        })
    }

    /// Scores every row, in order and in parallel. In this order:
    ///
    /// 1. the exact access is in the history → `Some(0.0)`;
    /// 2. a key is null, or the user or the resource was not in training (or, with a history, not in the
    ///    history) → `None`: nothing is known about it;
    /// 3. user and resource are in different components of the access graph → `Some(+inf)`: no chain of
    ///    accesses links them;
    /// 4. otherwise the score: 0 is a typical training access, 1 is one standard deviation less expected.
    ///
    /// Over the training rows of a tenant the scores of rule 4 have mean 0 and standard deviation 1. Accesses
    /// that did not happen in training score higher on average even if they are normal, above all in small,
    /// dense tenants: rank the results rather than trust a fixed threshold.
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
        if let (Some(history), Some(lookup)) = (&self.data.history, &self.history)
            && lookup.contains(history, tenant, user, res)
        {
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

    /// Counts, parameters and the final loss.
    pub fn summary(&self) -> &Summary {
        &self.data.summary
    }

    /// The tenants, sorted by name.
    pub fn tenants(&self) -> &[TenantSummary] {
        &self.data.tenants
    }

    /// `−[x, −mean, 1] / std` for every trained user with factors `x`, sorted by tenant and name.
    pub fn user_vectors(&self) -> impl Iterator<Item = NamedVector<'_>> {
        self.vectors(&self.data.users)
    }

    /// `[y, 1, 0]` for every trained resource with factors `y`, sorted by tenant and name.
    pub fn res_vectors(&self) -> impl Iterator<Item = NamedVector<'_>> {
        self.vectors(&self.data.resources)
    }

    /// The users of the access graph (of the history if there is one), sorted by tenant and name.
    pub fn user_components(&self) -> impl Iterator<Item = NamedComponent<'_>> {
        let history = self.data.history.as_ref();
        self.components(&self.data.users, history.map(|h| (&h.users, &h.user_components[..])))
    }

    /// The resources of the access graph (of the history if there is one), sorted by tenant and name.
    pub fn res_components(&self) -> impl Iterator<Item = NamedComponent<'_>> {
        let history = self.data.history.as_ref();
        self.components(&self.data.resources, history.map(|h| (&h.resources, &h.res_components[..])))
    }

    fn vector<'a>(&self, side: &'a Side, id: usize) -> &'a [f64] {
        let width = self.data.summary.rank + 2;
        &side.vectors[id * width..(id + 1) * width]
    }

    fn vectors<'a>(&'a self, side: &'a Side) -> impl Iterator<Item = NamedVector<'a>> {
        let names = side.names.iter().enumerate();
        names.map(move |(id, (t, name))| NamedVector {
            tenant: &self.data.tenants[t].name,
            name,
            vector: self.vector(side, id),
        })
    }

    fn components<'a>(
        &'a self,
        side: &'a Side,
        history: Option<(&'a Names, &'a [u32])>,
    ) -> impl Iterator<Item = NamedComponent<'a>> {
        let names = history.map_or(&side.names, |h| h.0);
        names.iter().enumerate().filter_map(move |(id, (t, name))| {
            let (tenant, component) = match (&self.data.history, history) {
                (Some(data), Some((_, components))) => (&*data.tenants[t], components[id]),
                _ => (&*self.data.tenants[t].name, side.components[id]?),
            };
            Some(NamedComponent { tenant, name, component })
        })
    }
}

impl ModelData {
    /// Whether every index stays inside its table, so that a damaged file cannot cause a panic later.
    fn check(&self) -> Result<(), String> {
        for (what, side) in [("user", &self.users), ("resource", &self.resources)] {
            side.names.check(self.tenants.len())?;
            let n = side.names.len();
            let width = self.summary.rank.checked_add(2);
            if width.and_then(|w| w.checked_mul(n)) != Some(side.vectors.len()) {
                return Err(format!("there are not rank + 2 numbers for every {what}"));
            }
            if side.components.len() != n {
                return Err(format!("there is not one component for every {what}"));
            }
            if !side.vectors.iter().all(|v| v.is_finite()) {
                return Err(format!("a {what} vector has a number that is not finite"));
            }
        }
        self.history.as_ref().map_or(Ok(()), History::check)
    }
}

impl PartialEq for AccessAnomalyModel {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

impl Serialize for AccessAnomalyModel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.data.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AccessAnomalyModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(ModelData::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
