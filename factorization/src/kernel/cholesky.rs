//! Cholesky factorization of eight systems at once: lane `l` of every register belongs to system `l`.
//!
//! The upper factor `U` of `A = UᵀU` is stored by column blocks of four: block `J` has the rows `0..4J + 4` of the
//! columns `4J..4J + 4`, row after row, so that all inner loops read along memory. The diagonal holds inverses.
//!
//! Every sum runs in the order of the unknowns, whatever block they are in. So equations `1·x = 0` between or after the
//! others change no bit of the result, and a row may share the lanes with longer ones.

use wide::f32x8;

type Row = [f32x8; 4];

/// Where column block `j` starts.
pub(super) fn block(j: usize) -> usize {
    8 * j * (j + 1)
}

/// Where the element in row `p` and column `q >= p` is.
pub(super) fn element(p: usize, q: usize) -> usize {
    block(q / 4) + 4 * p + q % 4
}

/// Factorizes in place. Returns, per lane, the least share of a diagonal element that was left at its turn: below
/// about 1e-7 times the size of the system nothing but rounding is left, and numbers that are not finite come out.
pub(super) fn factorize(u: &mut [f32x8], blocks: usize) -> f32x8 {
    let mut least = f32x8::ONE;
    for j in 0..blocks {
        let (done, column) = u[..block(j + 1)].split_at_mut(block(j));
        let (column, _) = column.as_chunks_mut::<4>();
        for i in 0..j {
            let (left, _) = done[block(i)..block(i + 1)].as_chunks::<4>();
            let (above, rest) = column.split_at_mut(4 * i);
            let (left, diagonal) = left.split_at(4 * i);
            let target = &mut rest[..4];
            subtract::<0>(left, above, target);
            subtract::<2>(left, above, target);
            for r in 0..4 {
                let mut row = target[r];
                for s in 0..r {
                    for c in 0..4 {
                        row[c] = diagonal[s][r].mul_neg_add(target[s][c], row[c]);
                    }
                }
                target[r] = row.map(|v| v * diagonal[r][r]);
            }
        }
        let (above, diagonal) = column.split_at_mut(4 * j);
        let before: Row = std::array::from_fn(|p| diagonal[p][p]);
        subtract::<0>(above, above, diagonal);
        subtract::<2>(above, above, diagonal);
        for p in 0..4 {
            least = least.min(diagonal[p][p] / before[p]);
            let inverse = f32x8::ONE / diagonal[p][p].sqrt();
            diagonal[p][p] = inverse;
            diagonal[p][p + 1..].iter_mut().for_each(|value| *value *= inverse);
            for q in p + 1..4 {
                for c in q..4 {
                    diagonal[q][c] = diagonal[p][q].mul_neg_add(diagonal[p][c], diagonal[q][c]);
                }
            }
        }
    }
    least
}

/// Rows `FROM` and `FROM + 1` of `target − leftᵀ·right`.
#[inline(always)]
fn subtract<const FROM: usize>(left: &[Row], right: &[Row], target: &mut [Row]) {
    let mut sums: [Row; 2] = [target[FROM], target[FROM + 1]];
    for (left, right) in left.iter().zip(right) {
        for r in 0..2 {
            for c in 0..4 {
                sums[r][c] = left[FROM + r].mul_neg_add(right[c], sums[r][c]);
            }
        }
    }
    [target[FROM], target[FROM + 1]] = sums;
}

/// Solves `A·x = b` with the factor; `x` has `b` on entry. Returns `bᵀA⁻¹b` per lane.
pub(super) fn solve(u: &[f32x8], blocks: usize, x: &mut [f32x8]) -> f32x8 {
    let (x, _) = x[..4 * blocks].as_chunks_mut::<4>();
    let mut size = f32x8::ZERO;
    for j in 0..blocks {
        let (column, _) = u[block(j)..block(j + 1)].as_chunks::<4>();
        let (above, diagonal) = column.split_at(4 * j);
        let (known, rest) = x.split_at_mut(j);
        let z = &mut rest[0];
        for (rows, known) in above.as_chunks::<4>().0.iter().zip(known) {
            for (row, &known) in rows.iter().zip(known.iter()) {
                for c in 0..4 {
                    z[c] = row[c].mul_neg_add(known, z[c]);
                }
            }
        }
        for p in 0..4 {
            let value = z[p] * diagonal[p][p];
            z[p] = value;
            size = value.mul_add(value, size);
            for c in p + 1..4 {
                z[c] = diagonal[p][c].mul_neg_add(value, z[c]);
            }
        }
    }
    for j in (0..blocks).rev() {
        let (column, _) = u[block(j)..block(j + 1)].as_chunks::<4>();
        let (above, diagonal) = column.split_at(4 * j);
        let (unknown, rest) = x.split_at_mut(j);
        let own = &mut rest[0];
        for p in (0..4).rev() {
            let mut value = own[p];
            for c in (p + 1..4).rev() {
                value = diagonal[p][c].mul_neg_add(own[c], value);
            }
            own[p] = value * diagonal[p][p];
        }
        let own = *own;
        for (rows, unknown) in above.as_chunks::<4>().0.iter().zip(unknown) {
            for (row, unknown) in rows.iter().zip(unknown.iter_mut()) {
                for c in (0..4).rev() {
                    *unknown = row[c].mul_neg_add(own[c], *unknown);
                }
            }
        }
    }
    size
}
