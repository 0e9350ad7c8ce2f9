mod explain;
mod normalize;
mod score;

pub use explain::{Explanation, Neighbour};
pub use normalize::{ModelParts, Named, NamedComponents};
pub use score::Scored;
pub(crate) use score::ranks;

use crate::als::Csr;
use crate::calibration::Calibration;
use crate::history::{History, HistoryLookup};
use crate::indexer::{Lookup, Names};
use crate::{Error, Parameters};
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
    /// Sampled accesses that did not happen; explicit feedback only.
    pub complement_rows: usize,
    /// Distinct tenants.
    pub tenants: usize,
    /// Distinct (tenant, user) pairs.
    pub users: usize,
    /// Distinct (tenant, resource) pairs.
    pub resources: usize,
    /// Latent factors.
    pub rank: usize,
    /// ALS iterations; with several factorizations the most of any.
    pub iterations: usize,
    /// The objective after the last iteration, over all factorizations.
    #[serde(with = "crate::exact")]
    pub loss: f64,
    /// Whether the start was drawn from the seed, not given.
    pub drawn_start: bool,
    /// What was set.
    pub parameters: Parameters,
}

/// One tenant of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TenantSummary {
    /// Its name.
    pub name: String,
    /// Its training rows.
    pub rows: usize,
    /// Its sampled accesses that did not happen; explicit feedback only.
    pub complement_rows: usize,
    /// Its users.
    pub users: usize,
    /// Its resources.
    pub resources: usize,
    /// Mean of the predicted affinity over its training rows and complement.
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
    /// Without them, no score is infinite.
    pub(crate) has_components: bool,
    pub(crate) preserve_history: bool,
    pub(crate) history: Option<History>,
    /// Who accessed what in training, to explain scores with.
    pub(crate) accesses: Option<Pairs>,
    pub(crate) calibration: Option<Calibration>,
}

/// Distinct (user id, resource id), by user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pairs {
    pub(crate) offsets: Vec<usize>,
    pub(crate) resources: Vec<u32>,
}

impl Pairs {
    pub(crate) fn of(ratings: &Csr) -> Self {
        let (mut offsets, mut resources) = (vec![0], Vec::with_capacity(ratings.nnz()));
        for u in 0..ratings.n_rows() {
            resources.extend(ratings.row(u).0.chunk_by(|a, b| a == b).map(|same| same[0]));
            offsets.push(resources.len());
        }
        Pairs { offsets, resources }
    }

    /// The resources of a user, ascending.
    pub(crate) fn of_user(&self, user: usize) -> &[u32] {
        &self.resources[self.offsets[user]..self.offsets[user + 1]]
    }

    fn check(&self, users: &Names, resources: &Names) -> Result<(), String> {
        let fits = self.offsets.len() == users.len() + 1
            && self.offsets.first() == Some(&0)
            && self.offsets.last() == Some(&self.resources.len())
            && self.offsets.is_sorted();
        let inside = |t: usize| {
            let known = resources.range(t);
            users.range(t).all(|u| {
                let own = self.of_user(u);
                own.is_sorted_by(|a, b| a < b) && own.iter().all(|&r| known.contains(&(r as usize)))
            })
        };
        if fits && (0..users.offsets.len() - 1).all(inside) {
            Ok(())
        } else {
            Err("the training accesses do not fit the names".to_owned())
        }
    }
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

    #[cfg_attr(not(feature = "frames"), allow(dead_code))]
    pub(crate) fn data(&self) -> &ModelData {
        &self.data
    }

    /// Whether there are p-values.
    pub fn is_calibrated(&self) -> bool {
        self.data.calibration.is_some()
    }

    /// Names of the columns of frames to score.
    #[must_use]
    pub fn with_columns(mut self, tenant: &str, user: &str, res: &str, output: &str) -> Self {
        let p = &mut self.data.summary.parameters;
        (p.tenant_col, p.user_col) = (tenant.to_owned(), user.to_owned());
        (p.res_col, p.output_col) = (res.to_owned(), output.to_owned());
        self
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

    /// Whether accesses of the history score 0 (the default).
    pub fn preserves_history(&self) -> bool {
        self.data.preserve_history
    }

    /// Sets whether accesses of the history score 0, or what the vectors say.
    #[must_use]
    pub fn preserve_history(mut self, preserve: bool) -> Self {
        self.data.preserve_history = preserve;
        self
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
        let shown = if self.data.has_components { names.len() } else { 0 };
        names.iter().enumerate().take(shown).filter_map(move |(id, (t, name))| {
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
        if !self.tenants.is_sorted_by(|a, b| a.name < b.name) {
            return Err("the tenants are not sorted and distinct".to_owned());
        }
        if let Some(accesses) = &self.accesses {
            accesses.check(&self.users.names, &self.resources.names)?;
        }
        if let Some(calibration) = &self.calibration {
            calibration.check(self.tenants.len())?;
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
