//! Accesses that did not happen, sampled.

use crate::Error;
use crate::als::Csr;
use crate::indexer::Names;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::Arc;

/// More draws than this per tenant are surely a mistake in the factor (8 bytes each).
const MOST_DRAWS: usize = 1 << 31;

/// A number that tells the random streams of tenants apart, whatever other tenants there are (FNV-1a).
pub(crate) fn stream_of(tenant: &str) -> u64 {
    tenant.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Per tenant: `factor` uniform draws from all pairs of its users and resources for every row of `training`, without
/// repeats and without the pairs of `training`. Sorted.
pub(crate) fn sample(
    tenants: &[Arc<str>],
    users: &Names,
    resources: &Names,
    training: &Csr,
    factor: usize,
    seed: u64,
) -> Result<Vec<(u32, u32)>, Error> {
    let of_tenant = |t: usize| -> Result<Vec<(u32, u32)>, Error> {
        let (users, resources) = (users.range(t), resources.range(t));
        let rows: usize = users.clone().map(|u| training.row(u).0.len()).sum();
        let draws = rows.checked_mul(factor).filter(|&n| n <= MOST_DRAWS);
        let Some(draws) = draws else {
            return Err(Error::parameter(
                "complementset_factor",
                factor,
                "small: times the rows of a tenant it must not exceed 2^31 (2 is usual)",
            ));
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Not the stream of the tenant's start vectors.
        rng.set_stream(stream_of(&tenants[t]) ^ 0x636f_6d70_6c65_6d65);
        let width = resources.len() as u64;
        let cells = users.len() as u64 * width;
        let mut cells: Vec<u64> = (0..draws).map(|_| rng.random_range(0..cells)).collect();
        cells.par_sort_unstable();
        cells.dedup();
        let pair = |cell: u64| {
            let (u, r) = (users.start as u64 + cell / width, resources.start as u64 + cell % width);
            (!training.contains(u as usize, r as usize)).then_some((u as u32, r as u32))
        };
        Ok(cells.into_par_iter().filter_map(pair).collect())
    };
    let parts: Vec<Vec<(u32, u32)>> = (0..tenants.len()).into_par_iter().map(of_tenant).collect::<Result<_, _>>()?;
    Ok(parts.concat())
}
