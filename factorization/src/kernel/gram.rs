//! Sums of v·vᵀ in register tiles.
//!
//! A symmetric matrix of `rank` rows is held in `8·octets` columns, row by row, a register for eight columns. Only the
//! registers from the diagonal on are filled; the one on the diagonal holds both sides of it.

use super::Table;
use crate::als::Feedback;
use wide::f32x8;

/// Ratings whose vectors are gathered before their products are summed up: 16 KiB at rank 64, half of an L1 cache.
pub(super) const BATCH: usize = 64;

/// What the ratings of a batch add to the equations of their row.
pub(super) struct Terms {
    /// Square root of the weight of v·vᵀ.
    scale: [f32; BATCH],
    /// Weight of v in the right-hand side.
    target: [f32; BATCH],
}

impl Terms {
    pub(super) fn new() -> Self {
        Terms { scale: [0.0; BATCH], target: [0.0; BATCH] }
    }

    /// Takes the ratings of a batch; returns how many count for the ridge, and their objective at zero.
    #[inline(always)]
    pub(super) fn set(&mut self, feedback: Feedback, ratings: &[f32]) -> (usize, f64) {
        let mut padded = [0.0; BATCH];
        padded[..ratings.len()].copy_from_slice(ratings);
        let used = ratings.len().div_ceil(8);
        let rows = padded.as_chunks::<8>().0.iter().take(used);
        let rows = rows.zip(self.scale.as_chunks_mut::<8>().0).zip(self.target.as_chunks_mut::<8>().0);
        let (mut counted, mut constant) = (0, 0.0);
        match feedback {
            Feedback::Explicit => {
                for ((&ratings, scale), target) in rows {
                    let ratings = f32x8::new(ratings);
                    *scale = [1.0; 8];
                    *target = ratings.to_array();
                    constant += f64::from((ratings * ratings).reduce_add());
                }
                counted = ratings.len();
            }
            Feedback::Implicit { alpha } => {
                let alpha = f32x8::splat(alpha as f32);
                for ((&ratings, scale), target) in rows {
                    let ratings = f32x8::new(ratings);
                    let weights = alpha * ratings.abs();
                    let positive = ratings.simd_gt(f32x8::ZERO);
                    let targets = positive & (f32x8::ONE + weights);
                    *scale = weights.sqrt().to_array();
                    *target = targets.to_array();
                    counted += positive.to_bitmask().count_ones() as usize;
                    constant += f64::from(targets.reduce_add());
                }
            }
        }
        (counted, constant)
    }
}

/// The vectors of a batch, octet by octet: register `octet·BATCH + j` has eight factors of rating `j`. Tiles read
/// along `j`, so that what they read lies together.
pub(super) struct Panel(Vec<f32x8>);

impl Panel {
    pub(super) fn new(octets: usize) -> Self {
        Panel(vec![f32x8::ZERO; octets * BATCH])
    }

    /// Gathers `scale·v` of every column and adds `target·v` to `b`. `O` is the number of octets, or 0 for any.
    #[inline(always)]
    pub(super) fn gather<const O: usize>(&mut self, from: &Table, columns: &[u32], terms: &Terms, b: &mut [f32x8]) {
        let octets = if O == 0 { from.octets() } else { O };
        let (panel, table) = (&mut self.0[..octets * BATCH], from.registers());
        let terms = terms.scale.iter().zip(&terms.target);
        let ratings = columns.iter().zip(terms).enumerate();
        let ratings = ratings.map(|(j, (&column, (&scale, &target)))| {
            (j, &table[column as usize * octets..][..octets], f32x8::splat(scale), f32x8::splat(target))
        });
        if O == 0 {
            for (j, vector, scale, target) in ratings {
                for o in 0..octets {
                    panel[o * BATCH + j] = vector[o] * scale;
                    b[o] = vector[o].mul_add(target, b[o]);
                }
            }
        } else {
            // In registers: through memory every sum would wait for the store of the one before.
            let mut sums = [f32x8::ZERO; O];
            for (j, vector, scale, target) in ratings {
                for o in 0..O {
                    panel[o * BATCH + j] = vector[o] * scale;
                    sums[o] = vector[o].mul_add(target, sums[o]);
                }
            }
            b.iter_mut().zip(sums).for_each(|(b, sum)| *b += sum);
        }
    }

    /// `a += Σ v·vᵀ` over the first `n` vectors. Between the tiles it fetches what will be gathered later.
    #[inline(always)]
    pub(super) fn add_products<const O: usize>(&self, n: usize, rank: usize, a: &mut [f32x8], mut ahead: Ahead<'_>) {
        let octets = if O == 0 { rank.div_ceil(8) } else { O };
        let tiles = octets * (octets + 1) / 2 + octets / 2;
        let share = ahead.columns.len().div_ceil(tiles);
        let of = |o: usize| &self.0[o * BATCH..][..n];
        for o in 0..octets {
            let rows = &mut a[8 * o * octets..];
            let (left, mut at) = (of(o), o);
            if (octets - o) % 2 == 1 {
                ahead.fetch::<O>(share);
                if rank - 8 * o <= 4 {
                    tile::<0, 4, 1>(left, [left], &mut rows[at..], octets);
                } else {
                    tile::<0, 8, 1>(left, [left], &mut rows[at..], octets);
                }
                at += 1;
            }
            while at < octets {
                let right = [of(at), of(at + 1)];
                ahead.fetch::<O>(share);
                tile::<0, 4, 2>(left, right, &mut rows[at..], octets);
                ahead.fetch::<O>(share);
                tile::<4, 4, 2>(left, right, &mut rows[4 * octets + at..], octets);
                at += 2;
            }
        }
    }
}

/// Vectors that will be needed soon. Gathering is a random walk through a table larger than the caches, and would
/// otherwise be a third of the time.
pub(super) struct Ahead<'a> {
    pub(super) table: &'a Table,
    pub(super) columns: &'a [u32],
}

impl Ahead<'_> {
    /// Asks for the next `n` vectors.
    #[inline(always)]
    fn fetch<const O: usize>(&mut self, n: usize) {
        let octets = if O == 0 { self.table.octets() } else { O };
        let (now, later) = self.columns.split_at(n.min(self.columns.len()));
        self.columns = later;
        for &column in now {
            // A cache line is two registers.
            for register in self.table.registers()[column as usize * octets..][..octets].iter().step_by(2) {
                prefetch(register);
            }
        }
    }
}

#[inline(always)]
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn prefetch(register: &f32x8) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    // SAFETY: a prefetch is a hint that changes no memory and no register, and the address is that of a live value.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(register).cast()) };
}

#[inline(always)]
#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_: &f32x8) {}

/// `a[r][c] += Σⱼ left[j][FROM + r] · right[c][j]`, rows of `a` being `stride` apart. All sums stay in registers.
#[inline(always)]
fn tile<const FROM: usize, const R: usize, const C: usize>(
    left: &[f32x8],
    right: [&[f32x8]; C],
    a: &mut [f32x8],
    stride: usize,
) {
    let mut sums = [[f32x8::ZERO; C]; R];
    let right = right.map(|r| &r[..left.len()]);
    for (j, left) in left.iter().enumerate() {
        let right: [f32x8; C] = std::array::from_fn(|c| right[c][j]);
        let left = left.as_array();
        for r in 0..R {
            let l = f32x8::splat(left[FROM + r]);
            for c in 0..C {
                sums[r][c] = l.mul_add(right[c], sums[r][c]);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (a, sum) in a[r * stride..][..C].iter_mut().zip(sums) {
            *a += sum;
        }
    }
}

/// Sum of v·vᵀ over vectors that lie one after the other.
pub(super) fn of_rows(rows: &[f32x8], octets: usize, rank: usize) -> Vec<f32x8> {
    let mut a = vec![f32x8::ZERO; 8 * octets * octets];
    let mut panel = Panel::new(octets);
    let nothing = Table::zeros(0, rank);
    for batch in rows.chunks(BATCH * octets) {
        for (j, vector) in batch.chunks_exact(octets).enumerate() {
            for (o, &register) in vector.iter().enumerate() {
                panel.0[o * BATCH + j] = register;
            }
        }
        panel.add_products::<0>(batch.len() / octets, rank, &mut a, Ahead { table: &nothing, columns: &[] });
    }
    a
}

/// A `rank` by `rank` matrix in registers.
pub(super) fn padded(matrix: &[f64], rank: usize, octets: usize) -> Vec<f32x8> {
    let mut a = vec![f32x8::ZERO; 8 * octets * octets];
    for (to, from) in a.chunks_exact_mut(octets).zip(matrix.chunks_exact(rank)) {
        super::table::write(to, from.iter().map(|&v| v as f32));
    }
    a
}
