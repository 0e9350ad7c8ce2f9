//! The set of accesses that are known to be fine, and the graph they make.

use crate::access_anomaly::Access;
use crate::components::bipartite_components;
use crate::indexer::{Lookup, Names, index_names, index_tenants};
use crate::{Error, model::tenant_lookup};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) tenants: Vec<Arc<str>>,
    pub(crate) users: Names,
    pub(crate) resources: Names,
    pub(crate) user_components: Vec<u32>,
    pub(crate) res_components: Vec<u32>,
    /// Distinct (user id, resource id), sorted; ids already tell the tenant.
    pub(crate) accesses: Vec<(u32, u32)>,
}

impl History {
    pub(crate) fn new(accesses: &[Access]) -> Result<Self, Error> {
        if accesses.is_empty() {
            return Err(Error::EmptyHistory);
        }
        let column = |of: fn(&Access) -> &str| accesses.iter().map(of).collect::<Vec<&str>>();
        let (tenants, codes) = index_tenants(&column(|a| &a.tenant));
        let n = tenants.len();
        let (users, user_ids) = index_names("users in the history", n, &codes, &column(|a| &a.user))?;
        let (resources, res_ids) = index_names("resources in the history", n, &codes, &column(|a| &a.res))?;
        let mut accesses: Vec<(u32, u32)> = user_ids.into_iter().zip(res_ids).collect();
        accesses.sort_unstable();
        accesses.dedup();
        let (user_components, res_components) =
            bipartite_components(users.len(), resources.len(), accesses.iter().copied());
        Ok(History {
            tenants,
            users,
            resources,
            user_components,
            // Every resource of the history was accessed by someone.
            res_components: res_components.into_iter().flatten().collect(),
            accesses,
        })
    }

    /// The distinct accesses.
    #[cfg_attr(not(feature = "frames"), allow(dead_code))]
    pub(crate) fn listed(&self) -> Vec<Access> {
        let users: Vec<(usize, &str)> = self.users.iter().collect();
        let access = |&(u, r): &(u32, u32)| {
            let (t, user) = users[u as usize];
            Access::new(&*self.tenants[t], user, &*self.resources.names[r as usize])
        };
        self.accesses.iter().map(access).collect()
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.users.check(self.tenants.len())?;
        self.resources.check(self.tenants.len())?;
        if self.user_components.len() != self.users.len() || self.res_components.len() != self.resources.len() {
            return Err("the components of the history do not fit its names".to_owned());
        }
        let inside = |&(u, r): &(u32, u32)| (u as usize) < self.users.len() && (r as usize) < self.resources.len();
        if !self.accesses.iter().all(inside) {
            return Err("an access of the history is not among its names".to_owned());
        }
        if !self.accesses.is_sorted_by(|a, b| a < b) {
            return Err("the accesses of the history are not sorted".to_owned());
        }
        Ok(())
    }
}

/// Answers questions about a [`History`].
#[derive(Debug, Clone)]
pub(crate) struct HistoryLookup {
    tenants: HashMap<Arc<str>, u32>,
    users: Lookup,
    resources: Lookup,
}

impl HistoryLookup {
    pub(crate) fn new(history: &History) -> Self {
        HistoryLookup {
            tenants: tenant_lookup(&history.tenants),
            users: Lookup::new(&history.users),
            resources: Lookup::new(&history.resources),
        }
    }

    pub(crate) fn user(&self, tenant: &str, user: &str) -> Option<u32> {
        self.users.get(*self.tenants.get(tenant)? as usize, user)
    }

    pub(crate) fn resource(&self, tenant: &str, res: &str) -> Option<u32> {
        self.resources.get(*self.tenants.get(tenant)? as usize, res)
    }

    pub(crate) fn contains(&self, history: &History, tenant: &str, user: &str, res: &str) -> bool {
        match (self.user(tenant, user), self.resource(tenant, res)) {
            (Some(u), Some(r)) => history.accesses.binary_search(&(u, r)).is_ok(),
            _ => false,
        }
    }
}
