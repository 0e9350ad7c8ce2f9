//! Names to dense ids and back, per tenant.

use crate::access_anomaly::required;
use crate::model::tenant_lookup;
use crate::{AccessColumns, Error};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers the users and resources of accesses. The id of a name is its rank among the distinct (tenant, name) pairs, sorted
/// by the bytes of their UTF-8: the same names always get the same ids, whatever the order of the rows.
///
/// ```
/// use huntbook_factorization::{AccessColumns, indexer::AccessIndexer};
/// let accesses = AccessColumns {
///     tenant: &[Some("t2"), Some("t1"), Some("t2")],
///     user: &[Some("bob"), Some("eve"), Some("ann")],
///     res: &[Some("wiki"); 3],
/// };
/// let indexer = AccessIndexer::fit(accesses)?;
/// assert_eq!((indexer.users(), indexer.resources()), (3, 2));
/// assert_eq!(indexer.user_id("t2", "bob"), Some(2));
/// assert_eq!(indexer.user(2), Some(("t2", "bob")));
/// assert_eq!(indexer.user_within_tenant(2), Some(1));
/// # Ok::<(), huntbook_factorization::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AccessIndexer {
    pub(crate) parts: AccessNames,
    codes: HashMap<Arc<str>, u32>,
    find_user: Lookup,
    find_res: Lookup,
}

/// Everything of an indexer that is saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccessNames {
    pub(crate) tenants: Vec<Arc<str>>,
    pub(crate) users: Names,
    pub(crate) resources: Names,
}

/// (tenant code, user id, resource id)
pub(crate) type Ids = (u32, u32, u32);

impl AccessIndexer {
    /// Numbers everything in the accesses.
    ///
    /// # Errors
    /// [`Error::EmptyInput`], [`Error::ColumnLength`], [`Error::NullKey`] or [`Error::TooMany`].
    pub fn fit(accesses: AccessColumns<'_>) -> Result<Self, Error> {
        if accesses.rows()? == 0 {
            return Err(Error::EmptyInput);
        }
        let tenant = required("tenant", accesses.tenant)?;
        let (user, res) = (required("user", accesses.user)?, required("res", accesses.res)?);
        let (tenants, codes) = index_tenants(&tenant);
        let (users, _) = index_names("users", tenants.len(), &codes, &user)?;
        let (resources, _) = index_names("resources", tenants.len(), &codes, &res)?;
        Ok(Self::of(AccessNames { tenants, users, resources }))
    }

    pub(crate) fn of(parts: AccessNames) -> Self {
        AccessIndexer {
            codes: tenant_lookup(&parts.tenants),
            find_user: Lookup::new(&parts.users),
            find_res: Lookup::new(&parts.resources),
            parts,
        }
    }

    /// Number of distinct (tenant, user) pairs.
    pub fn users(&self) -> usize {
        self.parts.users.len()
    }

    /// Number of distinct (tenant, resource) pairs.
    pub fn resources(&self) -> usize {
        self.parts.resources.len()
    }

    /// The id of a user, counted from 0 over all tenants; `None` if it was not there.
    pub fn user_id(&self, tenant: &str, user: &str) -> Option<u32> {
        self.find_user.get(*self.codes.get(tenant)? as usize, user)
    }

    /// The id of a resource, counted from 0 over all tenants; `None` if it was not there.
    pub fn resource_id(&self, tenant: &str, res: &str) -> Option<u32> {
        self.find_res.get(*self.codes.get(tenant)? as usize, res)
    }

    /// (tenant, user) of an id.
    pub fn user(&self, id: u32) -> Option<(&str, &str)> {
        self.parts.named(&self.parts.users, id)
    }

    /// (tenant, resource) of an id.
    pub fn resource(&self, id: u32) -> Option<(&str, &str)> {
        self.parts.named(&self.parts.resources, id)
    }

    /// The place of a user among those of its tenant, counted from 0.
    pub fn user_within_tenant(&self, id: u32) -> Option<u32> {
        self.parts.users.within_tenant(id)
    }

    /// The place of a resource among those of its tenant, counted from 0.
    pub fn resource_within_tenant(&self, id: u32) -> Option<u32> {
        self.parts.resources.within_tenant(id)
    }

    #[cfg_attr(not(feature = "onnx"), allow(dead_code))]
    pub(crate) fn ids(&self, tenant: &str, user: &str, res: &str) -> Option<Ids> {
        let code = *self.codes.get(tenant)?;
        Some((code, self.find_user.get(code as usize, user)?, self.find_res.get(code as usize, res)?))
    }
}

impl AccessNames {
    fn named<'a>(&'a self, names: &'a Names, id: u32) -> Option<(&'a str, &'a str)> {
        Some((&*self.tenants[names.tenant_of(id)?], &**names.names.get(id as usize)?))
    }

    /// Whether the tables fit each other.
    #[cfg_attr(not(feature = "onnx"), allow(dead_code))]
    pub(crate) fn check(&self) -> Result<(), String> {
        let tenants = self.tenants.len();
        if !self.tenants.is_sorted_by(|a, b| a < b) {
            return Err("the tenants are not sorted and distinct".to_owned());
        }
        self.users.check(tenants).and_then(|()| self.resources.check(tenants))
    }
}

/// Distinct (tenant, name) pairs, sorted: id `offsets[t]..offsets[t + 1]` are the names of tenant `t`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Names {
    pub(crate) offsets: Vec<u32>,
    pub(crate) names: Vec<Arc<str>>,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn range(&self, tenant: usize) -> std::ops::Range<usize> {
        self.offsets[tenant] as usize..self.offsets[tenant + 1] as usize
    }

    fn tenant_of(&self, id: u32) -> Option<usize> {
        ((id as usize) < self.len()).then(|| self.offsets.partition_point(|&offset| offset <= id) - 1)
    }

    fn within_tenant(&self, id: u32) -> Option<u32> {
        Some(id - self.offsets[self.tenant_of(id)?])
    }

    /// (tenant id, name) of every id, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        let tenants = self.offsets.len() - 1;
        (0..tenants).flat_map(move |t| self.names[self.range(t)].iter().map(move |n| (t, &**n)))
    }

    /// Whether this is a well-formed table for `tenants` tenants.
    pub(crate) fn check(&self, tenants: usize) -> Result<(), String> {
        if self.offsets.len() != tenants + 1
            || self.offsets.first() != Some(&0)
            || self.offsets.last().map(|&n| n as usize) != Some(self.names.len())
            || !self.offsets.is_sorted()
        {
            return Err("the name offsets do not fit the tenants".to_owned());
        }
        let sorted = (0..tenants).all(|t| self.names[self.range(t)].is_sorted_by(|a, b| a < b));
        if sorted { Ok(()) } else { Err("the names of a tenant are not sorted and distinct".to_owned()) }
    }
}

/// Finds ids of names.
#[derive(Debug, Clone)]
pub(crate) struct Lookup(Vec<HashMap<Arc<str>, u32>>);

impl Lookup {
    pub(crate) fn new(names: &Names) -> Self {
        let table = |t: usize| {
            let range = names.range(t);
            let ids = range.clone().map(|id| id as u32);
            names.names[range].iter().cloned().zip(ids).collect()
        };
        Lookup((0..names.offsets.len() - 1).map(table).collect())
    }

    pub(crate) fn get(&self, tenant: usize, name: &str) -> Option<u32> {
        self.0.get(tenant)?.get(name).copied()
    }
}

/// Distinct values, sorted, and the code of every row.
pub(crate) fn index_tenants(values: &[&str]) -> (Vec<Arc<str>>, Vec<u32>) {
    let (names, codes) = intern(values.iter().map(|&v| (0, v)), 1);
    let (names, remap) = sort(names);
    (names.names, remapped(codes, &remap))
}

/// Ids of every row's value, given its tenant code; consecutive over all tenants.
pub(crate) fn index_names(
    what: &'static str,
    n_tenants: usize,
    tenants: &[u32],
    values: &[&str],
) -> Result<(Names, Vec<u32>), Error> {
    let pairs = tenants.iter().zip(values).map(|(&t, &v)| (t, v));
    let (names, codes) = intern(pairs, n_tenants);
    let count = names.iter().map(Vec::len).sum();
    // Users and resources together are the nodes of one graph.
    if count > (u32::MAX / 2) as usize {
        return Err(Error::TooMany { what, count });
    }
    let (names, remap) = sort(names);
    Ok((names, remapped(codes, &remap)))
}

/// Per tenant: the distinct values in order of first sight with a provisional id; and the id of every row.
#[allow(clippy::type_complexity)]
fn intern<'a>(pairs: impl Iterator<Item = (u32, &'a str)>, n_tenants: usize) -> (Vec<Vec<(&'a str, u32)>>, Vec<u32>) {
    let mut seen: Vec<HashMap<&str, u32>> = vec![HashMap::new(); n_tenants];
    let mut next = 0u32;
    // Logs repeat themselves: the tenant of the row before, the user of a session.
    let mut last = None;
    let codes = pairs
        .map(|(t, value)| {
            if let Some((pair, code)) = last
                && pair == (t, value)
            {
                return code;
            }
            let code = *seen[t as usize].entry(value).or_insert_with(|| {
                next = next.wrapping_add(1);
                next.wrapping_sub(1)
            });
            last = Some(((t, value), code));
            code
        })
        .collect();
    let distinct = seen.into_iter().map(|s| s.into_iter().collect()).collect();
    (distinct, codes)
}

fn sort(mut distinct: Vec<Vec<(&str, u32)>>) -> (Names, Vec<u32>) {
    distinct.par_iter_mut().for_each(|d| d.sort_unstable());
    let total = distinct.iter().map(Vec::len).sum();
    let mut remap = vec![0u32; total];
    let mut names = Vec::with_capacity(total);
    let mut offsets = vec![0u32];
    for (name, provisional) in distinct.iter().flatten() {
        remap[*provisional as usize] = names.len() as u32;
        names.push(Arc::from(*name));
    }
    for d in &distinct {
        let last = offsets[offsets.len() - 1];
        offsets.push(last + d.len() as u32);
    }
    (Names { offsets, names }, remap)
}

fn remapped(mut codes: Vec<u32>, remap: &[u32]) -> Vec<u32> {
    codes.par_iter_mut().for_each(|c| *c = remap[*c as usize]);
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sorted_by_tenant_then_name() {
        let (tenants, codes) = index_tenants(&["t2", "t1", "t2", "t1", "t3"]);
        assert_eq!(&*tenants[0], "t1");
        assert_eq!(codes, [1, 0, 1, 0, 2]);
        let values = ["bb", "b", "aa", "a", "b"];
        let (names, ids) = index_names("users", 3, &codes, &values).unwrap();
        assert_eq!(names.offsets, [0, 2, 4, 5]);
        assert_eq!(ids, [3, 1, 2, 0, 4]);
        let listed: Vec<_> = names.iter().collect();
        assert_eq!(listed, [(0, "a"), (0, "b"), (1, "aa"), (1, "bb"), (2, "b")]);
        assert_eq!(names.check(3), Ok(()));

        let lookup = Lookup::new(&names);
        for ((&t, v), id) in codes.iter().zip(values).zip(ids) {
            assert_eq!(lookup.get(t as usize, v), Some(id));
        }
        assert_eq!(lookup.get(0, "aa"), None);
        assert_eq!(lookup.get(9, "a"), None);
    }

    #[test]
    fn accesses_are_numbered_and_back() {
        let rows = [("2", "aa", "x"), ("1", "b", "y"), ("3", "b", "x"), ("2", "bb", "x"), ("1", "a", "x")];
        let column =
            |of: fn(&(&'static str, &'static str, &'static str)) -> &'static str| rows.map(|row| Some(of(&row)));
        let (tenant, user, res) = (column(|r| r.0), column(|r| r.1), column(|r| r.2));
        let accesses = AccessColumns { tenant: &tenant, user: &user, res: &res };
        let indexer = AccessIndexer::fit(accesses).unwrap();
        assert_eq!((indexer.users(), indexer.resources()), (5, 4));
        let places = [("1", "a", 0), ("1", "b", 1), ("2", "aa", 0), ("2", "bb", 1), ("3", "b", 0)];
        for (id, (tenant, name, place)) in (0..).zip(places) {
            assert_eq!(indexer.user_id(tenant, name), Some(id));
            assert_eq!(indexer.user(id), Some((tenant, name)));
            assert_eq!(indexer.user_within_tenant(id), Some(place));
        }
        for (tenant, user, res) in rows {
            let (_, u, r) = indexer.ids(tenant, user, res).unwrap();
            assert_eq!((indexer.user(u), indexer.resource(r)), (Some((tenant, user)), Some((tenant, res))));
        }
        assert_eq!((indexer.user(5), indexer.resource(4), indexer.resource_within_tenant(4)), (None, None, None));
        assert_eq!((indexer.user_id("1", "aa"), indexer.resource_id("9", "x")), (None, None));
        assert_eq!(indexer.parts.check(), Ok(()));
        let nulls = AccessColumns { user: &[None; 5], ..accesses };
        assert!(matches!(AccessIndexer::fit(nulls), Err(Error::NullKey { column: "user", row: 0 })));
    }

    #[test]
    fn malformed_tables_are_found() {
        let names: Vec<Arc<str>> = ["b", "a"].map(Arc::from).to_vec();
        for (offsets, tenants) in
            [(vec![0, 2], 1), (vec![0, 1], 1), (vec![0, 1, 2], 1), (vec![0, 3, 2], 2), (vec![], 0)]
        {
            let table = Names { offsets, names: names.clone() };
            assert!(table.check(tenants).is_err());
        }
    }
}
