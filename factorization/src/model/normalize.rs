//! Models from vectors made elsewhere, and mean and deviation folded into vectors anew.

use super::{AccessAnomalyModel, ModelData, Side, Summary, TenantSummary};
use crate::access_anomaly::{augmented, spread};
use crate::history::History;
use crate::indexer::{index_names, index_tenants};
use crate::{Access, AccessColumns, Error, Parameters};
use std::collections::HashMap;

/// A tenant, a name in it, and a value.
pub type Named<T> = (String, String, T);

/// Components of the users and of the resources.
pub type NamedComponents = (Vec<Named<u32>>, Vec<Named<u32>>);

/// What a model consists of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelParts {
    /// rank + 2 numbers per (tenant, user).
    pub users: Vec<Named<Vec<f64>>>,
    /// rank + 2 numbers per (tenant, resource).
    pub resources: Vec<Named<Vec<f64>>>,
    /// The component of every (tenant, user) and (tenant, resource) of the access graph. Without it no score is
    /// infinite.
    pub components: Option<NamedComponents>,
    /// Accesses known to be fine.
    pub history: Option<Vec<Access>>,
}

impl AccessAnomalyModel {
    /// A model of given vectors. What a fit knows beyond them (rows, loss, accesses) is empty.
    ///
    /// # Errors
    /// [`Error::InvalidModel`] for no vectors, vectors of different length or fewer than 3 numbers, repeated names,
    /// or numbers that are not finite; [`Error::EmptyHistory`].
    pub fn from_parts(parts: ModelParts) -> Result<Self, Error> {
        let ModelParts { users, resources, components, history } = parts;
        let width = users.first().or(resources.first()).map_or(0, |(_, _, v)| v.len());
        if width < 3 {
            return Err(invalid("there are no vectors of at least 3 numbers".to_owned()));
        }
        if users.iter().chain(&resources).any(|(_, _, v)| v.len() != width) {
            return Err(invalid("its vectors differ in length".to_owned()));
        }
        let history = history.as_deref().map(History::new).transpose()?;
        let names: Vec<&str> = users.iter().chain(&resources).map(|(t, _, _)| &**t).collect();
        let (tenants, codes) = index_tenants(&names);
        let has_components = components.is_some();
        let (of_users, of_resources) = components.map_or((None, None), |(u, r)| (Some(u), Some(r)));
        let (user_codes, res_codes) = codes.split_at(users.len());
        let users = side("users", tenants.len(), user_codes, users, of_users)?;
        let resources = side("resources", tenants.len(), res_codes, resources, of_resources)?;
        let summary = |(t, name): (usize, &std::sync::Arc<str>)| {
            // −[x, −mean, 1] / std
            let first = users.names.range(t).start;
            let tail = users.vectors.get(first * width + width - 2..(first + 1) * width).unwrap_or(&[0.0, -1.0]);
            TenantSummary {
                name: name.to_string(),
                rows: 0,
                complement_rows: 0,
                users: users.names.range(t).len(),
                resources: resources.names.range(t).len(),
                mean: if tail[1] == 0.0 { 0.0 } else { -tail[0] / tail[1] },
                std: if tail[1] == 0.0 { 1.0 } else { -1.0 / tail[1] },
            }
        };
        let tenants: Vec<TenantSummary> = tenants.iter().enumerate().map(summary).collect();
        let summary = Summary {
            rows: 0,
            duplicate_rows: 0,
            complement_rows: 0,
            tenants: tenants.len(),
            users: users.names.len(),
            resources: resources.names.len(),
            rank: width - 2,
            iterations: 0,
            loss: 0.0,
            drawn_start: false,
            parameters: Parameters { rank: width - 2, ..Parameters::default() },
        };
        AccessAnomalyModel::new(ModelData {
            summary,
            tenants,
            users,
            resources,
            has_components,
            preserve_history: true,
            history,
            accesses: None,
            calibration: None,
        })
    }

    /// The model with mean 0 and standard deviation 1 per tenant over the given accesses: the user vectors become
    /// `−[x, c − mean, d] / std`, where `mean` and `std` are those of the present dot products. Accesses whose user
    /// or resource has no vector do not count; tenants without accesses stay as they are. Calibration is dropped: it
    /// was for other scores.
    ///
    /// # Errors
    /// [`Error::ColumnLength`].
    pub fn renormalized(&self, accesses: AccessColumns<'_>) -> Result<Self, Error> {
        let mut products: HashMap<usize, Vec<f64>> = HashMap::new();
        let (users, resources) = (&self.data.users, &self.data.resources);
        for row in 0..accesses.rows()? {
            let product = || {
                let tenant = *self.tenants.get(accesses.tenant[row]?)? as usize;
                let u = self.users.get(tenant, accesses.user[row]?)? as usize;
                let r = self.resources.get(tenant, accesses.res[row]?)? as usize;
                let (u, r) = (self.vector(users, u), self.vector(resources, r));
                Some((tenant, u.iter().zip(r).map(|(a, b)| a * b).sum()))
            };
            if let Some((tenant, product)) = product() {
                products.entry(tenant).or_default().push(product);
            }
        }
        let mut data = self.data.clone();
        let rank = data.summary.rank;
        let width = rank + 2;
        for (t, products) in products {
            let n = products.len() as f64;
            let mean = products.iter().sum::<f64>() / n;
            let std = spread(mean, (products.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / n).sqrt());
            (data.tenants[t].mean, data.tenants[t].std) = (mean, std);
            for u in data.users.names.range(t) {
                let vector = &mut data.users.vectors[u * width..(u + 1) * width];
                let new = augmented(vector.iter().copied(), rank, mean, std);
                vector.copy_from_slice(&new);
            }
        }
        data.calibration = None;
        Self::new(data)
    }
}

fn invalid(reason: String) -> Error {
    Error::InvalidModel { reason }
}

fn side(
    what: &'static str,
    tenants: usize,
    codes: &[u32],
    named: Vec<Named<Vec<f64>>>,
    components: Option<Vec<Named<u32>>>,
) -> Result<Side, Error> {
    let labels: Vec<&str> = named.iter().map(|(_, name, _)| &**name).collect();
    let (names, ids) = index_names(what, tenants, codes, &labels)?;
    if names.len() != named.len() {
        return Err(invalid(format!("it has repeated {what}")));
    }
    let mut order = vec![0; ids.len()];
    ids.iter().enumerate().for_each(|(row, &id)| order[id as usize] = row);
    let vectors = order.iter().flat_map(|&row| named[row].2.iter().copied()).collect();
    let components = match components {
        None => vec![Some(0); named.len()],
        Some(components) => {
            let of: HashMap<(String, String), u32> = components.into_iter().map(|(t, n, c)| ((t, n), c)).collect();
            let component = |&row: &usize| of.get(&(named[row].0.clone(), named[row].1.clone())).copied();
            order.iter().map(component).collect()
        }
    };
    Ok(Side { names, vectors, components })
}
