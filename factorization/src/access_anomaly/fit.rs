//! From rows to a model.

use super::complement::{sample, stream_of};
use super::progress::Progress;
use super::statistics::{res_vectors, tenant_summaries, user_vectors};
use super::{AccessAnomaly, AccessColumns, Parameters, Replay};
use crate::als::{Csr, Factors};
use crate::calibration::calibrate;
use crate::components::bipartite_components;
use crate::history::{History, HistoryLookup};
use crate::indexer::{Names, index_names, index_tenants};
use crate::model::{ModelData, Pairs, Side, TenantSummary};
use crate::scaler::min_max_per_group;
use crate::{AccessAnomalyModel, Error, FitObserver, Summary};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// The rows by integer ids; ids of a tenant are consecutive.
pub(crate) struct Training {
    pub(crate) tenants: Vec<Arc<str>>,
    pub(crate) users: Names,
    pub(crate) resources: Names,
    /// Users by resources; the values are scaled likelihoods.
    pub(crate) ratings: Csr,
}

/// A factorization of all tenants.
pub(crate) struct Fitted {
    pub(crate) x: Factors,
    pub(crate) y: Factors,
    pub(crate) tenants: Vec<TenantSummary>,
    pub(crate) complement_rows: usize,
    pub(crate) iterations: usize,
    pub(crate) loss: f64,
}

impl AccessAnomaly {
    pub(super) fn run(
        &self,
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        replay: &Replay,
        observer: &dyn FitObserver,
    ) -> Result<AccessAnomalyModel, Error> {
        let p = &self.parameters;
        let history = self.history.as_deref().map(History::new).transpose()?;
        let training = Training::new(accesses, likelihood, p)?;

        let groups = groups(p, training.tenants.len()).len();
        let iterations = groups.saturating_mul(p.max_iter).saturating_mul(1 + p.calibration_folds);
        let progress = Progress::new(observer, iterations);
        let fitted = factorize(&training, &training.ratings, p, replay, &progress)?;
        let calibration = match p.calibration_folds {
            0 => None,
            _ => Some(calibrate(&training, history.as_ref(), p, &progress)?),
        };

        let Training { tenants, users, resources, ratings } = training;
        let (user_components, res_components) = match &history {
            None => training_components(&ratings),
            Some(history) => history_components(history, &tenants, &users, &resources),
        };
        let summary = Summary {
            rows: ratings.nnz(),
            duplicate_rows: duplicates(&ratings),
            complement_rows: fitted.complement_rows,
            tenants: tenants.len(),
            users: users.len(),
            resources: resources.len(),
            rank: p.rank,
            iterations: fitted.iterations,
            loss: fitted.loss,
            drawn_start: !replay.has_start(),
            parameters: p.clone(),
        };
        let side = |names, vectors, components| Side { names, vectors, components };
        AccessAnomalyModel::new(ModelData {
            summary,
            users: side(users.clone(), user_vectors(&fitted.x, &users, &fitted.tenants, p.rank), user_components),
            resources: side(resources, res_vectors(&fitted.y, p.rank), res_components),
            tenants: fitted.tenants,
            has_components: true,
            preserve_history: true,
            history,
            accesses: Some(Pairs::of(&ratings)),
            calibration,
        })
    }
}

impl Training {
    pub(crate) fn new(
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        parameters: &Parameters,
    ) -> Result<Self, Error> {
        let rows = accesses.rows()?;
        if likelihood.len() != rows {
            return Err(Error::ColumnLength { column: "likelihood", expected: rows, found: likelihood.len() });
        }
        if rows == 0 {
            return Err(Error::EmptyInput);
        }
        let (tenants, codes) = index_tenants(&required("tenant", accesses.tenant)?);
        let n = tenants.len();
        let (users, resources) = rayon::join(
            || index_names("users", n, &codes, &required("user", accesses.user)?),
            || index_names("resources", n, &codes, &required("res", accesses.res)?),
        );
        let ((users, user_ids), (resources, res_ids)) = (users?, resources?);
        let ratings = scaled(parameters, &codes, n, likelihood)?;
        let ratings = Csr::from_triplets(users.len(), resources.len(), &user_ids, &res_ids, &ratings)?;
        Ok(Training { tenants, users, resources, ratings })
    }
}

/// The ratings ALS sees.
fn scaled(p: &Parameters, codes: &[u32], n_tenants: usize, likelihood: &[Option<f64>]) -> Result<Vec<f32>, Error> {
    // A rating of what did happen must say more than that of what did not.
    let floor = p.complement().filter(|_| p.scale().is_none()).map(|(_, neg_score)| neg_score);
    let mut values = Vec::with_capacity(likelihood.len());
    for (row, value) in likelihood.iter().enumerate() {
        match *value {
            None => return Err(Error::NullLikelihood { row }),
            Some(value) if !value.is_finite() => return Err(Error::InvalidLikelihood { row, value }),
            Some(value) if floor.is_some_and(|floor| value <= floor) => {
                return Err(Error::LikelihoodBelowNegScore { row, value, neg_score: floor.unwrap_or_default() });
            }
            Some(value) => values.push(value),
        }
    }
    if let Some((low, high)) = p.scale() {
        values = min_max_per_group(codes, n_tenants, &values, low, high);
    }
    let narrow = |(row, &value): (usize, &f64)| {
        let rating = value as f32;
        if rating.is_finite() { Ok(rating) } else { Err(Error::InvalidLikelihood { row, value }) }
    };
    values.iter().enumerate().map(narrow).collect()
}

pub(crate) fn required<'a>(column: &'static str, values: &[Option<&'a str>]) -> Result<Vec<&'a str>, Error> {
    let some = |(row, value): (usize, &Option<&'a str>)| value.ok_or(Error::NullKey { column, row });
    values.iter().enumerate().map(some).collect()
}

/// Tenants that are factorized together. Users and resources are never shared, so tenants only meet in the Gramian
/// of implicit feedback; factorized on their own they get the same vectors without that leak.
fn groups(p: &Parameters, tenants: usize) -> Vec<Range<usize>> {
    if p.apply_implicit_cf && p.cross_tenant_zeros && !p.separate_tenants {
        std::iter::once(0..tenants).collect()
    } else {
        (0..tenants).map(|t| t..t + 1).collect()
    }
}

/// Factorizes `ratings`, which has the users and resources of `training`.
pub(crate) fn factorize(
    training: &Training,
    ratings: &Csr,
    p: &Parameters,
    replay: &Replay,
    progress: &Progress<'_>,
) -> Result<Fitted, Error> {
    let Training { tenants, users, resources, .. } = training;
    let als = p.als();
    let start = replay.start_of(tenants, users, p.rank)?;
    let enriched = enrich(training, ratings, p, replay)?;

    let fit = |group: Range<usize>| {
        let span = |names: &Names| names.range(group.start).start..names.range(group.end - 1).end;
        let (own, own_resources) = (span(users), span(resources));
        let data = match &start {
            Some(start) => start.data[own.start * p.rank..own.end * p.rank].to_vec(),
            None => group.flat_map(|t| start_vectors(p, &tenants[t], users.range(t).len())).collect(),
        };
        let block = match own.len() == users.len() {
            true => Cow::Borrowed(&*enriched),
            false => Cow::Owned(enriched.block(own, own_resources)),
        };
        als.run(&block, Factors::from_flat(p.rank, data)?, progress).map_err(|e| progress.rename(e))
    };
    let fits: Vec<_> = groups(p, tenants.len()).into_par_iter().map(fit).collect::<Result<_, _>>()?;

    let concatenated = |of: fn(&crate::als::Factorization) -> &Factors| {
        let data = fits.iter().flat_map(|f| of(f).data.iter().copied()).collect();
        Factors::from_flat(p.rank, data)
    };
    let (x, y) = (concatenated(|f| &f.rows)?, concatenated(|f| &f.columns)?);
    Ok(Fitted {
        tenants: tenant_summaries(tenants, users, resources, ratings, &enriched, &x, &y),
        complement_rows: enriched.nnz() - ratings.nnz(),
        iterations: fits.iter().map(|f| f.losses.len()).max().unwrap_or_default(),
        loss: fits.iter().filter_map(|f| f.losses.last()).sum(),
        x,
        y,
    })
}

/// The random start of a tenant; it does not depend on what other tenants there are.
fn start_vectors(p: &Parameters, tenant: &str, users: usize) -> Vec<f32> {
    Factors::random_directions_of(users, p.rank, p.seed, stream_of(tenant)).data
}

/// The ratings and, with explicit feedback, the complement.
fn enrich<'a>(training: &Training, ratings: &'a Csr, p: &Parameters, replay: &Replay) -> Result<Cow<'a, Csr>, Error> {
    let Training { tenants, users, resources, .. } = training;
    let given = replay.complement_of(tenants, users, resources)?;
    let Some((factor, neg_score)) = p.complement() else {
        return match given {
            None => Ok(Cow::Borrowed(ratings)),
            Some(_) => Err(Error::parameter(
                "complement",
                "given",
                "left out with implicit feedback: there is no complement set",
            )),
        };
    };
    let complement = match given {
        Some(given) => given,
        None => sample(tenants, users, resources, ratings, factor, p.seed)?,
    };
    let n = ratings.nnz() + complement.len();
    let (mut rows, mut columns, mut values) = (Vec::with_capacity(n), Vec::with_capacity(n), Vec::with_capacity(n));
    for u in 0..ratings.n_rows() {
        let (of_user, likelihoods) = ratings.row(u);
        rows.extend(std::iter::repeat_n(u as u32, of_user.len()));
        columns.extend_from_slice(of_user);
        values.extend_from_slice(likelihoods);
    }
    for (u, r) in complement {
        rows.push(u);
        columns.push(r);
        values.push(neg_score as f32);
    }
    Csr::from_triplets(users.len(), resources.len(), &rows, &columns, &values).map(Cow::Owned)
}

pub(crate) fn pairs(matrix: &Csr) -> impl Iterator<Item = (u32, u32)> {
    (0..matrix.n_rows()).flat_map(|u| matrix.row(u).0.iter().map(move |&r| (u as u32, r)))
}

/// Rows beyond the first of each pair; the columns of a row are sorted.
fn duplicates(matrix: &Csr) -> usize {
    let repeated = |u| matrix.row(u).0.windows(2).filter(|w| w[0] == w[1]).count();
    (0..matrix.n_rows()).map(repeated).sum()
}

type Components = Vec<Option<u32>>;

fn training_components(ratings: &Csr) -> (Components, Components) {
    let (left, right) = bipartite_components(ratings.n_rows(), ratings.n_cols(), pairs(ratings));
    (left.into_iter().map(Some).collect(), right)
}

/// Components of the trained users and resources in the graph of the history.
pub(crate) fn history_components(
    history: &History,
    tenants: &[Arc<str>],
    users: &Names,
    resources: &Names,
) -> (Components, Components) {
    let lookup = HistoryLookup::new(history);
    let of_user = |(t, name): (usize, &str)| {
        let id = lookup.user(&tenants[t], name)?;
        Some(history.user_components[id as usize])
    };
    let of_res = |(t, name): (usize, &str)| {
        let id = lookup.resource(&tenants[t], name)?;
        Some(history.res_components[id as usize])
    };
    (users.iter().map(of_user).collect(), resources.iter().map(of_res).collect())
}
