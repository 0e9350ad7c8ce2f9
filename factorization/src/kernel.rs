//! The arithmetic of one half-step: Gramians and the normal equations of one row.
//!
//! Everything is compiled twice, for the baseline of the target and for AVX2. Lanes only ever hold independent
//! sums and nothing is fused, so both give the same bits.

use crate::als::{Als, Feedback};
use crate::nnls::NnlsSolver;

/// Ratings gathered before their products are summed up.
const BATCH: usize = 64;
/// Normal equations are summed in square tiles that fit the vector registers.
const TILE: usize = 4;

/// What all rows of a half-step share.
pub(crate) struct HalfStep<'a> {
    rank: usize,
    stride: usize,
    feedback: Feedback,
    reg_param: f64,
    nonnegative: bool,
    /// Factors of the other side.
    fixed: &'a [f32],
    /// Gramian of `fixed` (explicit: zeros), padded to `stride`.
    gram: Vec<f64>,
    avx2: bool,
}

/// What one rating adds to the equations of its row.
struct Term {
    /// Of v·vᵀ in the matrix.
    weight: f64,
    /// Of v in the right-hand side.
    target: f64,
    /// Of the objective at zero.
    constant: f64,
    /// Whether it counts for the ridge.
    counts: bool,
}

impl Term {
    #[inline(always)]
    fn of(feedback: Feedback, rating: f32) -> Term {
        let rating = f64::from(rating);
        match feedback {
            Feedback::Explicit => Term { weight: 1.0, target: rating, constant: rating * rating, counts: true },
            Feedback::Implicit { alpha } => {
                let (weight, counts) = (alpha * rating.abs(), rating > 0.0);
                let target = if counts { 1.0 + weight } else { 0.0 };
                Term { weight, target, constant: target, counts }
            }
        }
    }
}

/// Buffers of one thread.
pub(crate) struct Scratch {
    left: Vec<f64>,
    right: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
    x: Vec<f64>,
    solver: NnlsSolver,
}

impl Scratch {
    pub(crate) fn new(rank: usize) -> Self {
        let stride = padded(rank);
        Scratch {
            left: vec![0.0; BATCH * stride],
            right: vec![0.0; BATCH * stride],
            a: vec![0.0; stride * stride],
            b: vec![0.0; rank],
            x: vec![0.0; rank],
            solver: NnlsSolver::new(rank),
        }
    }
}

fn padded(rank: usize) -> usize {
    rank.next_multiple_of(TILE)
}

impl<'a> HalfStep<'a> {
    /// `partial_gramians` are [`gramian`]s of fixed chunks of `fixed`, in order; none for explicit ratings.
    pub(crate) fn new(als: &Als, fixed: &'a [f32], partial_gramians: &[Vec<f64>]) -> Self {
        let Als { rank, feedback, reg_param, nonnegative, .. } = *als;
        let stride = padded(rank);
        let mut gram = vec![0.0; stride * stride];
        for partial in partial_gramians {
            for (sum, v) in gram.iter_mut().zip(partial) {
                *sum += v;
            }
        }
        HalfStep { rank, stride, feedback, reg_param, nonnegative, fixed, gram, avx2: has_avx2() }
    }

    /// Solves one row into `x` (on entry: the previous solution). Returns the row's share of the objective,
    /// without the ridge of the other side.
    pub(crate) fn solve(&self, columns: &[u32], ratings: &[f32], x: &mut [f32], s: &mut Scratch) -> f64 {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            #[target_feature(enable = "avx2")]
            fn wide(h: &HalfStep<'_>, columns: &[u32], ratings: &[f32], x: &mut [f32], s: &mut Scratch) -> f64 {
                h.solve_generic::<true>(columns, ratings, x, s)
            }
            // SAFETY: `self.avx2` is only set after the CPU was found to have it.
            return unsafe { wide(self, columns, ratings, x, s) };
        }
        self.solve_generic::<false>(columns, ratings, x, s)
    }

    #[inline(always)]
    fn solve_generic<const AVX2: bool>(&self, columns: &[u32], ratings: &[f32], x: &mut [f32], s: &mut Scratch) -> f64 {
        let (rank, stride) = (self.rank, self.stride);
        s.a.copy_from_slice(&self.gram);
        let sums = &mut s.b[..rank];
        sums.fill(0.0);
        let (mut counted, mut constant) = (0usize, 0.0);
        for (columns, ratings) in columns.chunks(BATCH).zip(ratings.chunks(BATCH)) {
            let slots = s.left.chunks_exact_mut(stride).zip(s.right.chunks_exact_mut(stride));
            for ((&column, &rating), (left, right)) in columns.iter().zip(ratings).zip(slots) {
                let from = column as usize * rank;
                let vector = &self.fixed[from..from + rank];
                let term = Term::of(self.feedback, rating);
                counted += usize::from(term.counts);
                constant += term.constant;
                let targets = left.iter_mut().zip(right).zip(sums.iter_mut());
                for (&v, ((left, right), sum)) in vector.iter().zip(targets) {
                    let v = f64::from(v);
                    *right = v;
                    *left = term.weight * v;
                    *sum += term.target * v;
                }
            }
            let used = columns.len() * stride;
            add_products::<AVX2>(&mut s.a, stride, &s.left[..used], &s.right[..used]);
        }
        if counted == 0 {
            // Nothing pulls the vector away from 0; without a Gramian its equations would even be singular.
            x.fill(0.0);
            return constant;
        }
        let ridge = self.reg_param * counted as f64;
        for i in 0..rank {
            s.a[i * stride + i] += ridge;
            for j in i + 1..rank {
                s.a[j * stride + i] = s.a[i * stride + j];
            }
        }
        for (wide, &narrow) in s.x.iter_mut().zip(x.iter()) {
            *wide = f64::from(narrow);
        }
        if self.nonnegative {
            s.solver.solve_strided(&s.a, stride, &s.b, &mut s.x);
        } else {
            s.solver.solve_free(&s.a, stride, &s.b, &mut s.x);
        }
        for (narrow, wide) in x.iter_mut().zip(&s.x) {
            *narrow = *wide as f32;
        }
        // xᵀAx − 2bᵀx at what is stored.
        let mut objective = constant;
        for i in 0..rank {
            let row = &s.a[i * stride..i * stride + rank];
            let mut sum = 0.0;
            for (a, &v) in row.iter().zip(x.iter()) {
                sum += a * f64::from(v);
            }
            objective += f64::from(x[i]) * (sum - 2.0 * s.b[i]);
        }
        objective
    }
}

/// Sum of v·vᵀ over the rows of `factors`; only the tiles on and above the diagonal are filled.
pub(crate) fn gramian(factors: &[f32], rank: usize) -> Vec<f64> {
    let stride = padded(rank);
    let mut gram = vec![0.0; stride * stride];
    let mut batch = vec![0.0; BATCH * stride];
    for rows in factors.chunks(BATCH * rank) {
        let mut used = 0;
        for (to, from) in batch.chunks_exact_mut(stride).zip(rows.chunks_exact(rank)) {
            for (wide, &narrow) in to.iter_mut().zip(from) {
                *wide = f64::from(narrow);
            }
            used += stride;
        }
        add_products::<false>(&mut gram, stride, &batch[..used], &batch[..used]);
    }
    gram
}

type Lanes = [f64; TILE];

/// `gram += Σ leftᵢ·rightᵢᵀ`, tiles on and above the diagonal. `AVX2` promises that the CPU has it.
#[inline(always)]
fn add_products<const AVX2: bool>(gram: &mut [f64], stride: usize, left: &[f64], right: &[f64]) {
    let tiles = stride / TILE;
    let (left, _) = left.as_chunks::<TILE>();
    let (right, _) = right.as_chunks::<TILE>();
    let (gram, _) = gram.as_chunks_mut::<TILE>();
    for ti in 0..tiles {
        for tj in ti..tiles {
            let rows = left.chunks_exact(tiles).zip(right.chunks_exact(tiles));
            let pairs = rows.map(|(l, r)| (&l[ti], &r[tj]));
            let sums = if AVX2 {
                // SAFETY: the caller promised AVX2.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    tile_avx2(pairs)
                }
                #[cfg(not(target_arch = "x86_64"))]
                tile(pairs)
            } else {
                tile(pairs)
            };
            for (i, sum) in sums.into_iter().enumerate() {
                let row = &mut gram[(ti * TILE + i) * tiles + tj];
                *row = add(*row, sum);
            }
        }
    }
}

#[inline(always)]
fn tile<'a>(pairs: impl Iterator<Item = (&'a Lanes, &'a Lanes)>) -> [Lanes; TILE] {
    let mut sums = [[0.0f64; TILE]; TILE];
    for (l, r) in pairs {
        for (sum, l) in sums.iter_mut().zip(l) {
            *sum = add(*sum, r.map(|r| l * r));
        }
    }
    sums
}

/// As [`tile`], with the same operations in the same order; the compiler does not find these by itself.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn tile_avx2<'a>(pairs: impl Iterator<Item = (&'a Lanes, &'a Lanes)>) -> [Lanes; TILE] {
    use std::arch::x86_64::*;
    let mut sums = [_mm256_setzero_pd(); TILE];
    for (l, r) in pairs {
        // SAFETY: `r` points at four numbers; the load needs no alignment.
        let r = unsafe { _mm256_loadu_pd(r.as_ptr()) };
        for (sum, &l) in sums.iter_mut().zip(l) {
            *sum = _mm256_add_pd(*sum, _mm256_mul_pd(_mm256_set1_pd(l), r));
        }
    }
    let mut result = [[0.0; TILE]; TILE];
    for (lanes, sum) in result.iter_mut().zip(sums) {
        // SAFETY: `lanes` has room for four numbers; the store needs no alignment.
        unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), sum) };
    }
    result
}

#[inline(always)]
fn add(a: Lanes, b: Lanes) -> Lanes {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
}

fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 % 101) as f32) / 50.0 - 1.0).collect()
    }

    #[test]
    fn gramian_sums_outer_products() {
        for rank in [1, 3, 4, 10] {
            let factors = values(rank * 150);
            let gram = gramian(&factors, rank);
            for i in 0..rank {
                for j in i..rank {
                    let rows = factors.chunks(rank);
                    let expected: f64 = rows.map(|v| f64::from(v[i]) * f64::from(v[j])).sum();
                    assert!((gram[i * padded(rank) + j] - expected).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn wide_and_baseline_code_agree_to_the_bit() {
        for rank in [1, 5, 10, 17] {
            let fixed = values(rank * 90);
            let columns: Vec<u32> = (0..200).map(|i| i * 7 % 90).collect();
            let ratings: Vec<f32> = (0..200).map(|i| (i % 13) as f32 - 2.0).collect();
            let mut results = Vec::new();
            let feedback = Feedback::Implicit { alpha: 2.0 };
            let als = Als { feedback, rank, reg_param: 0.3, nonnegative: true, ..Als::implicit() };
            for avx2 in [has_avx2(), false] {
                let mut step = HalfStep::new(&als, &fixed, &[gramian(&fixed, rank)]);
                step.avx2 = avx2;
                let mut x = vec![0.5f32; rank];
                let loss = step.solve(&columns, &ratings, &mut x, &mut Scratch::new(rank));
                let bits: Vec<u32> = x.iter().map(|v| v.to_bits()).collect();
                results.push((bits, loss.to_bits()));
            }
            assert_eq!(results[0], results[1]);
        }
    }

    #[test]
    fn a_row_without_positive_ratings_is_zero() {
        let fixed = values(20);
        let als = Als { rank: 2, ..Als::implicit() };
        let step = HalfStep::new(&als, &fixed, &[gramian(&fixed, 2)]);
        let mut x = [0.5f32, 0.5];
        step.solve(&[1, 2], &[0.0, -3.0], &mut x, &mut Scratch::new(2));
        assert_eq!(x, [0.0, 0.0]);
    }
}
