//! A baseline that needs no training: do the people with the same habits access this too?
//!
//! Two users are alike if they access the same resources, where a shared resource counts the less the more users
//! access it (`1 / users`, normalised like a cosine). The affinity of a user to a resource is the share of that
//! likeness which lies with the users of the resource; the pair itself never counts as its own evidence. The score is
//! `−(affinity − mean) / std` over the tenant's training pairs. Because every training pair is judged as if it had not
//! happened, training scores are what unseen normal accesses score, and p-values come for free.

use crate::access_anomaly::{mean_std, required};
use crate::als::Csr;
use crate::detector::{AnomalyDetector, AnomalyModel};
use crate::indexer::{Lookup, Names, index_names, index_tenants};
use crate::model::{Pairs, Scored, ranks, tenant_lookup};
use crate::{AccessColumns, Error, FitObserver};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Resources with more users than this do not make users alike; it bounds the work per user.
pub const DEFAULT_MOST_USERS: usize = 5_000;

/// Parameters of the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerShare {
    /// A resource with more users than this tells nothing about who is alike; 5000 by default.
    pub most_users: usize,
}

impl Default for PeerShare {
    fn default() -> Self {
        PeerShare { most_users: DEFAULT_MOST_USERS }
    }
}

/// Who accessed what, ready to be asked.
#[derive(Debug, Clone)]
pub struct PeerShareModel {
    pub(crate) parameters: PeerShare,
    pub(crate) tenant_names: Vec<Arc<str>>,
    pub(crate) users: Names,
    #[cfg_attr(not(feature = "frames"), allow(dead_code))]
    pub(crate) resources: Names,
    pub(crate) of_user: Pairs,
    of_res: Pairs,
    /// Σ 1/users over the resources of a user.
    size: Vec<f64>,
    mean_std: Vec<(f64, f64)>,
    /// Ascending scores of the training pairs, per tenant.
    known: Vec<Vec<f64>>,
    tenants: HashMap<Arc<str>, u32>,
    find_user: Lookup,
    find_res: Lookup,
}

/// Likeness of one user to all others.
struct Likeness {
    to: Vec<f64>,
    touched: Vec<u32>,
}

impl PeerShare {
    /// Learns from the accesses; their likelihood plays no role.
    ///
    /// # Errors
    /// [`Error::EmptyInput`], [`Error::ColumnLength`], [`Error::NullKey`], or [`Error::Cancelled`].
    pub fn fit(&self, accesses: AccessColumns<'_>, observer: &dyn FitObserver) -> Result<PeerShareModel, Error> {
        if accesses.rows()? == 0 {
            return Err(Error::EmptyInput);
        }
        let tenant = required("tenant", accesses.tenant)?;
        let (user, res) = (required("user", accesses.user)?, required("res", accesses.res)?);
        let (tenant_names, codes) = index_tenants(&tenant);
        let n = tenant_names.len();
        let (users, user_ids) = index_names("users", n, &codes, &user)?;
        let (resources, res_ids) = index_names("resources", n, &codes, &res)?;
        let ones = vec![1.0; user_ids.len()];
        let matrix = Csr::from_triplets(users.len(), resources.len(), &user_ids, &res_ids, &ones)?;
        let mut model = PeerShareModel::empty(self.clone(), tenant_names, users, resources, &matrix);
        model.learn();
        match observer.iteration(1, 1, 0.0).is_break() {
            true => Err(Error::Cancelled { done: 1, of: 1 }),
            false => Ok(model),
        }
    }
}

impl PeerShareModel {
    fn empty(
        parameters: PeerShare,
        tenant_names: Vec<Arc<str>>,
        users: Names,
        resources: Names,
        matrix: &Csr,
    ) -> PeerShareModel {
        let (of_user, of_res) = (Pairs::of(matrix), Pairs::of(&matrix.transposed()));
        let mut model = PeerShareModel {
            size: Vec::new(),
            mean_std: Vec::new(),
            known: Vec::new(),
            tenants: tenant_lookup(&tenant_names),
            find_user: Lookup::new(&users),
            find_res: Lookup::new(&resources),
            parameters,
            tenant_names,
            users,
            resources,
            of_user,
            of_res,
        };
        model.size = (0..model.users.len()).map(|u| model.size_of(u)).collect();
        model
    }

    fn size_of(&self, user: usize) -> f64 {
        self.of_user.of_user(user).iter().map(|&r| self.weight(r as usize)).sum()
    }

    /// What sharing the resource says about likeness.
    fn weight(&self, res: usize) -> f64 {
        let users = self.of_res.of_user(res).len();
        if users <= self.parameters.most_users { 1.0 / users as f64 } else { 0.0 }
    }

    /// Mean, deviation and scores of the training pairs.
    fn learn(&mut self) {
        let of_user = |likeness: &mut Likeness, user: usize| -> Vec<f64> {
            self.liken(user, likeness);
            let own = self.of_user.of_user(user);
            own.iter().map(|&r| self.affinity(user, r as usize, likeness)).collect()
        };
        let affinities: Vec<Vec<f64>> =
            (0..self.users.len()).into_par_iter().map_init(|| Likeness::new(self.users.len()), of_user).collect();
        for t in 0..self.tenant_names.len() {
            let mut of_tenant = affinities[self.users.range(t)].concat();
            // All affinities are 0 if nobody shares anything.
            let (mean, std) = mean_std(&of_tenant);
            of_tenant.iter_mut().for_each(|a| *a = -(*a - mean) / std);
            of_tenant.sort_unstable_by(f64::total_cmp);
            self.mean_std.push((mean, std));
            self.known.push(of_tenant);
        }
    }

    fn liken(&self, user: usize, likeness: &mut Likeness) {
        likeness.clear();
        for &r in self.of_user.of_user(user) {
            let weight = self.weight(r as usize);
            if weight == 0.0 {
                continue;
            }
            for &other in self.of_res.of_user(r as usize) {
                likeness.add(other, weight);
            }
        }
        let size = self.size[user];
        for &other in &likeness.touched {
            likeness.to[other as usize] /= (size * self.size[other as usize]).sqrt();
        }
        likeness.to[user] = 0.0;
    }

    /// The share of the likeness that lies with users of the resource; between 0 and 1.
    fn affinity(&self, user: usize, res: usize, likeness: &Likeness) -> f64 {
        let seen = self.of_user.of_user(user).binary_search(&(res as u32)).is_ok();
        let weight = if seen { self.weight(res) } else { 0.0 };
        let (mut with, mut evidence) = (0.0, 0.0);
        for &other in self.of_res.of_user(res) {
            if other as usize != user {
                with += likeness.to[other as usize];
                let norm = (self.size[user] * self.size[other as usize]).sqrt();
                evidence += if norm > 0.0 { weight / norm } else { 0.0 };
            }
        }
        let all: f64 = likeness.touched.iter().map(|&other| likeness.to[other as usize]).sum();
        // The pair itself made its users alike; that is not evidence for it.
        let (with, all) = ((with - evidence).max(0.0), (all - evidence).max(0.0));
        if with <= 1e-12 || all <= 1e-12 { 0.0 } else { (with / all).min(1.0) }
    }

    fn find(&self, tenant: &str, user: &str, res: &str) -> Option<(usize, usize, usize)> {
        let tenant = *self.tenants.get(tenant)? as usize;
        let user = self.find_user.get(tenant, user)?;
        Some((tenant, user as usize, self.find_res.get(tenant, res)? as usize))
    }

    /// Scores every row: `None` for a null or unknown key; see the module for the rest. p-values are always given.
    ///
    /// # Errors
    /// [`Error::ColumnLength`].
    pub fn score_all(&self, accesses: AccessColumns<'_>) -> Result<Scored, Error> {
        let rows = accesses.rows()?;
        let find = |i: usize| self.find(accesses.tenant[i]?, accesses.user[i]?, accesses.res[i]?);
        let found: Vec<Option<(usize, usize, usize)>> = (0..rows).map(find).collect();
        // Row by row of a user, so that likeness is found once.
        let mut order: Vec<usize> = (0..rows).filter(|&i| found[i].is_some()).collect();
        let user_of = |i: &usize| found[*i].map_or(0, |f| f.1);
        order.sort_by_key(user_of);
        let groups: Vec<&[usize]> = order.chunk_by(|a, b| user_of(a) == user_of(b)).collect();
        let of_group = |likeness: &mut Likeness, group: &&[usize]| -> Vec<(usize, f64)> {
            self.liken(user_of(&group[0]), likeness);
            let one = |&i: &usize| {
                let (tenant, user, res) = found[i]?;
                Some((i, self.score_of(tenant, self.affinity(user, res, likeness))))
            };
            group.iter().filter_map(one).collect()
        };
        let scored: Vec<Vec<(usize, f64)>> =
            groups.par_iter().map_init(|| Likeness::new(self.users.len()), of_group).collect();
        let mut score = vec![None; rows];
        scored.into_iter().flatten().for_each(|(i, s)| score[i] = Some(s));
        let p_value =
            |(row, score): (&Option<(usize, usize, usize)>, &Option<f64>)| Some(self.p_value((*row)?.0, (*score)?));
        let p_value = found.iter().zip(&score).map(p_value).collect();
        let rank_in_tenant = ranks(accesses.tenant, &score);
        Ok(Scored { score, p_value, rank_in_tenant })
    }

    fn score_of(&self, tenant: usize, affinity: f64) -> f64 {
        let (mean, std) = self.mean_std[tenant];
        -(affinity - mean) / std
    }

    fn p_value(&self, tenant: usize, score: f64) -> f64 {
        let known = &self.known[tenant];
        let below = known.partition_point(|&s| s < score);
        (1 + known.len() - below) as f64 / (1 + known.len()) as f64
    }

    /// The score of one access in words.
    pub fn explain(&self, tenant: &str, user: &str, res: &str) -> String {
        let Some((t, u, r)) = self.find(tenant, user, res) else {
            return format!("{user} -> {res} (tenant {tenant}) has no score: not both are known from training.");
        };
        let mut likeness = Likeness::new(self.users.len());
        self.liken(u, &mut likeness);
        let affinity = self.affinity(u, r, &likeness);
        let score = self.score_of(t, affinity);
        let users = self.of_res.of_user(r);
        let mut peers: Vec<(f64, u32)> = likeness.touched.iter().map(|&o| (likeness.to[o as usize], o)).collect();
        peers.retain(|(like, other)| *like > 0.0 && *other as usize != u);
        peers.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let having = peers.iter().take(10).filter(|(_, o)| users.binary_search(o).is_ok()).count();
        let name = |(like, o): &(f64, u32)| format!("{} ({like:.2})", self.users.names[*o as usize]);
        let listed: Vec<String> = peers.iter().take(5).map(name).collect();
        format!(
            "{user} -> {res} (tenant {tenant}) scores {score:.2}: of the users with the same habits {:.1} % by weight \
             access {res}. Of unseen but normal accesses, {:.2} % score this high. {} of {} users access {res}; of the \
             {} users most like {user}, {having} do: {}.",
            100.0 * affinity,
            100.0 * self.p_value(t, score),
            users.len(),
            self.users.range(t).len(),
            peers.len().min(10),
            if listed.is_empty() { "nobody is".to_owned() } else { listed.join(", ") },
        )
    }
}

impl Likeness {
    fn new(users: usize) -> Self {
        Likeness { to: vec![0.0; users], touched: Vec::new() }
    }

    fn clear(&mut self) {
        self.touched.drain(..).for_each(|u| self.to[u as usize] = 0.0);
    }

    fn add(&mut self, user: u32, weight: f64) {
        if self.to[user as usize] == 0.0 {
            self.touched.push(user);
        }
        self.to[user as usize] += weight;
    }
}

impl AnomalyDetector for PeerShare {
    fn fit(
        &self,
        accesses: AccessColumns<'_>,
        _likelihood: &[Option<f64>],
        observer: &dyn FitObserver,
    ) -> Result<Box<dyn AnomalyModel>, Error> {
        Ok(Box::new(PeerShare::fit(self, accesses, observer)?))
    }
}

impl AnomalyModel for PeerShareModel {
    fn name(&self) -> &'static str {
        "peer_share"
    }

    fn score_all(&self, accesses: AccessColumns<'_>) -> Result<Scored, Error> {
        PeerShareModel::score_all(self, accesses)
    }

    fn explain(&self, tenant: &str, user: &str, res: &str) -> String {
        PeerShareModel::explain(self, tenant, user, res)
    }

    #[cfg(feature = "frames")]
    fn save(&self, folder: &std::path::Path) -> Result<(), Error> {
        PeerShareModel::save(self, folder)
    }
}
