use super::Access;
use crate::Error;
use crate::als::Factors;
use crate::indexer::{Lookup, Names};
use std::collections::HashMap;
use std::sync::Arc;

/// What a fit draws at random, given instead, to repeat a fit made elsewhere exactly.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    start: Option<HashMap<String, HashMap<String, Vec<f32>>>>,
    complement: Option<Vec<Access>>,
}

impl Replay {
    /// Nothing given: everything is drawn.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the start vector of a user; it must have as many numbers as the rank. With one such vector given, all
    /// users of the training data need one. Users that are not in it are ignored by the fit.
    pub fn insert(&mut self, tenant: impl Into<String>, user: impl Into<String>, vector: Vec<f32>) {
        let start = self.start.get_or_insert_default();
        start.entry(tenant.into()).or_default().insert(user.into(), vector);
    }

    /// Sets the accesses that did not happen. Explicit feedback only.
    pub fn complement(&mut self, complement: impl IntoIterator<Item = Access>) {
        self.complement = Some(complement.into_iter().collect());
    }

    pub(crate) fn has_start(&self) -> bool {
        self.start.is_some()
    }

    /// The start vectors of all users, if given.
    pub(crate) fn start_of(&self, tenants: &[Arc<str>], users: &Names, rank: usize) -> Result<Option<Factors>, Error> {
        let Some(start) = &self.start else { return Ok(None) };
        let mut data = Vec::with_capacity(users.len() * rank);
        for (t, user) in users.iter() {
            let tenant = &tenants[t];
            let vector = start.get(&**tenant).and_then(|of| of.get(user));
            let Some(vector) = vector else {
                return Err(Error::MissingStart { tenant: tenant.to_string(), user: user.to_owned() });
            };
            if vector.len() != rank || !vector.iter().all(|v| v.is_finite()) {
                return Err(Error::InvalidStart { whose: format!("user `{user}` of tenant `{tenant}`"), rank });
            }
            data.extend_from_slice(vector);
        }
        Factors::from_flat(rank, data).map(Some)
    }

    /// The complement as (user id, resource id), if given.
    pub(crate) fn complement_of(
        &self,
        tenants: &[Arc<str>],
        users: &Names,
        resources: &Names,
    ) -> Result<Option<Vec<(u32, u32)>>, Error> {
        let Some(complement) = &self.complement else { return Ok(None) };
        let (users, resources) = (Lookup::new(users), Lookup::new(resources));
        let find = |access: &Access| {
            let tenant = tenants.binary_search_by(|t| (**t).cmp(&access.tenant)).ok()?;
            Some((users.get(tenant, &access.user)?, resources.get(tenant, &access.res)?))
        };
        let known = |access: &Access| find(access).ok_or_else(|| Error::UnknownComplement { access: access.clone() });
        complement.iter().map(known).collect::<Result<_, _>>().map(Some)
    }
}
