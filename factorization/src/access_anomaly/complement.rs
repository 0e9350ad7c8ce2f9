//! Accesses that did not happen, sampled.
//!
//! As many as the original would get on average from its uniform draws, but dealt like cards: every user and every
//! resource gets a share in proportion to what it did not access. Left to chance, some resource of every company is
//! hardly ever drawn, and nothing then says that strangers do not access it. `tests/quality.rs` shows what it is worth.

use crate::Error;
use crate::als::Csr;
use crate::indexer::Names;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// More draws than this per tenant are surely a mistake in the factor (8 bytes each).
const MOST_DRAWS: usize = 1 << 31;

/// A number that tells the random streams of tenants apart, whatever other tenants there are (FNV-1a).
pub(crate) fn stream_of(tenant: &str) -> u64 {
    tenant.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Per tenant: pairs of its users and resources that are not in `training`, as many as `factor` uniform draws per row
/// of `training` would find on average, spread evenly. Sorted.
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
        Ok(deal(training, users, resources, draws, &mut rng))
    };
    let parts: Vec<Vec<(u32, u32)>> = (0..tenants.len()).into_par_iter().map(of_tenant).collect::<Result<_, _>>()?;
    Ok(parts.concat())
}

fn deal(
    training: &Csr,
    users: Range<usize>,
    resources: Range<usize>,
    draws: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<(u32, u32)> {
    let mut free_of_user = Vec::with_capacity(users.len());
    let mut free_of_res = vec![users.len(); resources.len()];
    for u in users.clone() {
        let distinct = distinct(training.row(u).0);
        let mut accessed = 0;
        for r in distinct {
            accessed += 1;
            free_of_res[r as usize - resources.start] -= 1;
        }
        free_of_user.push(resources.len() - accessed);
    }
    let free: usize = free_of_user.iter().sum();
    let all = users.len() as f64 * resources.len() as f64;
    // Of so many draws from all pairs this share meets a given pair at least once.
    let share = -(draws as f64 * (-1.0 / all).ln_1p()).exp_m1();
    let wanted = ((free as f64 * share).round() as usize).min(free);
    // If most pairs are wanted, those that are not are dealt, which leaves room to deal.
    let inverse = wanted > free / 2;
    let dealt = if inverse { free - wanted } else { wanted };
    let hands = quotas(&free_of_user, free, dealt, rng);
    let mut deck: Vec<u32> = Vec::with_capacity(dealt);
    for (r, n) in quotas(&free_of_res, free, dealt, rng).into_iter().enumerate() {
        deck.extend(std::iter::repeat_n(r as u32, n));
    }
    deck.shuffle(rng);

    // Users come up in random order, so that it is not always the last ones who get what is left.
    let mut order: Vec<usize> = (0..users.len()).collect();
    order.shuffle(rng);
    let mut taken = vec![usize::MAX; resources.len()];
    let mut aside = Vec::new();
    let mut pairs = Vec::with_capacity(wanted);
    for i in order {
        let u = users.start + i;
        for &r in training.row(u).0 {
            taken[r as usize - resources.start] = i;
        }
        let mut missing = hands[i];
        while missing > 0
            && let Some(r) = deck.pop()
        {
            if taken[r as usize] == i {
                aside.push(r);
            } else {
                taken[r as usize] = i;
                missing -= 1;
                if !inverse {
                    pairs.push((u as u32, resources.start as u32 + r));
                }
            }
        }
        // The deck has nothing left for this user: any pair that is free does.
        while missing > 0 {
            let r = rng.random_range(0..resources.len());
            if taken[r] != i {
                taken[r] = i;
                missing -= 1;
                if !inverse {
                    pairs.push((u as u32, (resources.start + r) as u32));
                }
            }
        }
        // What this user could not take is offered to the next one.
        deck.append(&mut aside);
        if inverse {
            let left = (0..resources.len()).filter(|&r| taken[r] != i);
            pairs.extend(left.map(|r| (u as u32, (resources.start + r) as u32)));
        }
    }
    pairs.par_sort_unstable();
    pairs
}

/// The columns of a row without repeats.
fn distinct(columns: &[u32]) -> impl Iterator<Item = u32> + '_ {
    columns.chunk_by(|a, b| a == b).map(|same| same[0])
}

/// Shares of `dealt` in proportion to `free`, whose sum is `of`; rounded so that they add up, at random places.
fn quotas(free: &[usize], of: usize, dealt: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let offset: f64 = rng.random();
    let mut before = 0usize;
    let up_to = |sum: usize| match sum == of {
        true => dealt,
        false => ((sum as f64 * dealt as f64 / of as f64 + offset) as usize).min(dealt),
    };
    let mut given = 0;
    let share = |&n: &usize| {
        before += n;
        let now = up_to(before);
        let own = (now - given).min(n);
        given = now;
        own
    };
    free.iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(users: usize, resources: usize, draws: usize, seed: u64) -> (Csr, Vec<(u32, u32)>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut rows, mut columns) = (vec![], vec![]);
        for u in 0..users as u32 {
            // Everybody accesses the first resource, and the first user nearly everything.
            for r in 0..resources as u32 {
                if r == 0 || rng.random_bool(if u == 0 { 0.9 } else { 0.1 }) {
                    rows.push(u);
                    columns.push(r);
                }
            }
        }
        let training = Csr::from_triplets(users, resources, &rows, &columns, &vec![1.0; rows.len()]).unwrap();
        let pairs = deal(&training, 0..users, 0..resources, draws, &mut rng);
        (training, pairs)
    }

    #[test]
    fn shares_are_even_and_disjoint_from_training() {
        for seed in 0..20 {
            let (users, resources) = (40, 60);
            let draws = [100, 700, 2_000, 9_000][seed as usize % 4];
            let (training, pairs) = dealt(users, resources, draws, seed);
            let free = (users * resources - training.nnz()) as f64;
            let share = 1.0 - (1.0 - 1.0 / (users * resources) as f64).powi(draws as i32);
            assert!((pairs.len() as f64 - free * share).abs() <= 1.5, "{} of {free}, {share}", pairs.len());
            assert!(pairs.is_sorted_by(|a, b| a < b));
            assert!(pairs.iter().all(|&(u, r)| !training.contains(u as usize, r as usize)));
            for u in 0..users {
                let found = pairs.iter().filter(|p| p.0 as usize == u).count() as f64;
                let expected = (resources - training.row(u).0.len()) as f64 * share;
                assert!((found - expected).abs() <= 1.5, "user {u}: {found} of {expected}");
            }
            for r in 0..resources {
                let found = pairs.iter().filter(|p| p.1 as usize == r).count() as f64;
                let accessed = (0..users).filter(|&u| training.contains(u, r)).count();
                let expected = (users - accessed) as f64 * share;
                assert!((found - expected).abs() <= 5.0, "resource {r}: {found} of {expected}");
            }
        }
    }

    #[test]
    fn nothing_free_or_nothing_drawn_is_nothing() {
        let full = Csr::from_triplets(2, 2, &[0, 0, 1, 1], &[0, 1, 0, 1], &[1.0; 4]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!(deal(&full, 0..2, 0..2, 100, &mut rng).is_empty());
        let half = Csr::from_triplets(2, 2, &[0, 1], &[0, 1], &[1.0; 2]).unwrap();
        assert!(deal(&half, 0..2, 0..2, 0, &mut rng).is_empty());
        assert_eq!(deal(&half, 0..2, 0..2, 1_000, &mut rng), [(0, 1), (1, 0)]);
    }
}
