//! Sums of v·vᵀ in register tiles.
//!
//! A symmetric matrix of `rank` rows is held in `8·octets` columns, row by row, a register for eight columns. Only the
//! registers from the diagonal on are filled; the one on the diagonal holds both sides of it.

use super::Table;
use wide::f32x8;

/// Ratings whose vectors are gathered before their products are summed up: 16 KiB at rank 64, half of an L1 cache.
pub(super) const BATCH: usize = 64;

/// The vectors of a batch, octet by octet: register `octet·BATCH + j` has eight factors of rating `j`. Tiles read
/// along `j`, so that what they read lies together.
pub(super) struct Panel(Vec<f32x8>);

impl Panel {
    pub(super) fn new(octets: usize) -> Self {
        Panel(vec![f32x8::ZERO; octets * BATCH])
    }

    /// Gathers `scale·v` of every column and adds `target·v` to `b`. `O` is the number of octets, or 0 for any.
    #[inline(always)]
    pub(super) fn gather<const O: usize>(
        &mut self,
        from: &Table,
        columns: &[u32],
        scale: &[f32; BATCH],
        target: &[f32; BATCH],
        b: &mut [f32x8],
    ) {
        let octets = if O == 0 { from.octets() } else { O };
        let (b, panel, table) = (&mut b[..octets], &mut self.0[..octets * BATCH], from.registers());
        for (j, ((&column, &scale), &target)) in columns.iter().zip(scale).zip(target).enumerate() {
            let vector = &table[column as usize * octets..][..octets];
            let (scale, target) = (f32x8::splat(scale), f32x8::splat(target));
            for o in 0..octets {
                panel[o * BATCH + j] = vector[o] * scale;
                b[o] = vector[o].mul_add(target, b[o]);
            }
        }
    }

    /// `a += Σ v·vᵀ` over the first `n` vectors.
    #[inline(always)]
    pub(super) fn add_products<const O: usize>(&self, n: usize, rank: usize, a: &mut [f32x8]) {
        let octets = if O == 0 { rank.div_ceil(8) } else { O };
        let of = |o: usize| &self.0[o * BATCH..][..n];
        for o in 0..octets {
            let rows = &mut a[8 * o * octets..];
            let (left, mut at) = (of(o), o);
            if (octets - o) % 2 == 1 {
                if rank - 8 * o <= 4 {
                    tile::<0, 4, 1>(left, [left], &mut rows[at..], octets);
                } else {
                    tile::<0, 8, 1>(left, [left], &mut rows[at..], octets);
                }
                at += 1;
            }
            while at < octets {
                let right = [of(at), of(at + 1)];
                tile::<0, 4, 2>(left, right, &mut rows[at..], octets);
                tile::<4, 4, 2>(left, right, &mut rows[4 * octets + at..], octets);
                at += 2;
            }
        }
    }
}

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
    for batch in rows.chunks(BATCH * octets) {
        for (j, vector) in batch.chunks_exact(octets).enumerate() {
            for (o, &register) in vector.iter().enumerate() {
                panel.0[o * BATCH + j] = register;
            }
        }
        panel.add_products::<0>(batch.len() / octets, rank, &mut a);
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
