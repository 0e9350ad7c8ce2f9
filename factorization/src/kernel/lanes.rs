//! Eight rows at a time through the solver.

use super::careful::Careful;
use super::cholesky::{block, element, factorize, solve};
use super::gram::{Ahead, BATCH, Panel, Terms};
use super::table::{numbers, write};
use super::{HalfStep, Objective, Precision};
use crate::als::{Csr, Ridge};
use std::ops::Range;
use wide::f32x8;

/// Batches summed in `f32` before their sum is moved to `f64`: rows with millions of ratings stay exact.
const BATCHES: usize = 64;
/// Below this share of a diagonal element left by the elimination, `f32` may lose more than three of seven digits.
const ILL_CONDITIONED: f32 = 1e-3;
/// Rounds of exchanging signs before a row is handed to the method that always ends. Most rows need one.
const ROUNDS: usize = 12;

/// The equations of one row.
struct Slot {
    /// The row they belong to; none if the slot is free.
    row: Option<usize>,
    a: Vec<f32x8>,
    b: Vec<f32x8>,
    ridge: f32,
    /// The objective at zero.
    constant: f64,
    /// Components that are not held at zero, ascending.
    passive: Vec<usize>,
    rounds: usize,
}

/// The memory of one thread.
pub(super) struct Lanes {
    rank: usize,
    octets: usize,
    terms: Terms,
    panel: Panel,
    slots: Vec<Slot>,
    /// Eight factors; see [`super::cholesky`].
    u: Vec<f32x8>,
    /// Eight right-hand sides and solutions.
    x: Vec<f32x8>,
    /// Where the columns of the factors start.
    columns: Vec<usize>,
    /// Whether only passive components are in the factors.
    compact: bool,
    /// The solution of one row.
    one: Vec<f32x8>,
    /// `a·one`.
    product: Vec<f32x8>,
    passive: Vec<usize>,
    /// Sums of rows with very many ratings.
    long: Vec<f64>,
    careful: Careful,
}

impl Lanes {
    pub(super) fn new(rank: usize) -> Self {
        let octets = rank.div_ceil(8);
        let slot = || Slot {
            row: None,
            a: vec![f32x8::ZERO; 8 * octets * octets],
            b: vec![f32x8::ZERO; octets],
            ridge: 0.0,
            constant: 0.0,
            passive: Vec::with_capacity(rank),
            rounds: 0,
        };
        Lanes {
            rank,
            octets,
            terms: Terms::new(),
            panel: Panel::new(octets),
            slots: (0..8).map(|_| slot()).collect(),
            u: vec![f32x8::ZERO; block(2 * octets)],
            x: vec![f32x8::ZERO; 8 * octets],
            columns: (0..8 * octets).map(|q| element(0, q)).collect(),
            compact: false,
            one: vec![f32x8::ZERO; octets],
            product: vec![f32x8::ZERO; octets],
            passive: Vec::with_capacity(rank),
            long: Vec::new(),
            careful: Careful::new(rank),
        }
    }

    /// Solves rows into `target`, which starts at the first of them and has their previous solutions. `shared` is the
    /// part of the equations that all rows have.
    pub(super) fn solve(
        &mut self,
        step: &HalfStep<'_>,
        shared: &[f32x8],
        ratings: &Csr,
        rows: Range<usize>,
        target: &mut [f32x8],
    ) -> Objective {
        if step.precision == Precision::Double {
            let mut sum = Objective::default();
            for (row, x) in rows.zip(target.chunks_exact_mut(self.octets)) {
                sum += self.careful.solve(step, ratings.row(row), x);
            }
            return sum;
        }
        // The number of registers is a constant for the usual ranks.
        match self.octets {
            1 => self.solve_rows::<1>(step, shared, ratings, rows, target),
            2 => self.solve_rows::<2>(step, shared, ratings, rows, target),
            4 => self.solve_rows::<4>(step, shared, ratings, rows, target),
            8 => self.solve_rows::<8>(step, shared, ratings, rows, target),
            _ => self.solve_rows::<0>(step, shared, ratings, rows, target),
        }
    }

    fn solve_rows<const O: usize>(
        &mut self,
        step: &HalfStep<'_>,
        shared: &[f32x8],
        ratings: &Csr,
        rows: Range<usize>,
        target: &mut [f32x8],
    ) -> Objective {
        let octets = self.octets;
        let first = rows.start;
        let of = |row: usize| (row - first) * octets..(row - first + 1) * octets;
        let mut waiting = rows;
        let mut sum = Objective::default();
        loop {
            // Finished rows make room for the next ones, so that no lane idles while another one changes signs.
            for lane in 0..8 {
                while self.slots[lane].row.is_none()
                    && let Some(row) = waiting.next()
                {
                    let x = &mut target[of(row)];
                    if self.set_up::<O>(step, shared, ratings, row, lane, x) {
                        self.slots[lane].row = Some(row);
                    } else {
                        // Nothing pulls the vector away from 0; without a Gramian its equations are even singular.
                        x.fill(f32x8::ZERO);
                        sum.all += self.slots[lane].constant;
                    }
                }
            }
            if self.slots.iter().all(|s| s.row.is_none()) {
                return sum;
            }
            let (least, size) = self.solve_slots();
            for lane in 0..8 {
                let Some(row) = self.slots[lane].row else { continue };
                let x = &mut target[of(row)];
                let (least, size) = (least.as_array()[lane], size.as_array()[lane]);
                self.take_solution(lane);
                let usable = least >= ILL_CONDITIONED && size.is_finite();
                let solved = usable && (!step.nonnegative || self.exchange_signs(lane));
                if !solved && usable && self.slots[lane].rounds < ROUNDS {
                    self.slots[lane].rounds += 1;
                    continue;
                }
                let slot = &mut self.slots[lane];
                sum += if solved {
                    x.copy_from_slice(&self.one);
                    let ridge = f64::from(slot.ridge) * numbers(x).map(|v| f64::from(v).powi(2)).sum::<f64>();
                    // At the minimum xᵀAx − 2bᵀx is −bᵀA⁻¹b.
                    Objective { all: slot.constant - f64::from(size), ridge }
                } else {
                    self.careful.solve(step, ratings.row(row), x)
                };
                slot.row = None;
            }
        }
    }

    /// Sums up the equations of a row. False if no rating counts.
    #[inline(always)]
    fn set_up<const O: usize>(
        &mut self,
        step: &HalfStep<'_>,
        shared: &[f32x8],
        ratings: &Csr,
        row: usize,
        lane: usize,
        before: &[f32x8],
    ) -> bool {
        let (columns, values) = ratings.row(row);
        let following = ratings.columns_from(row);
        let slot = &mut self.slots[lane];
        slot.a.copy_from_slice(shared);
        slot.b.fill(f32x8::ZERO);
        slot.constant = 0.0;
        slot.rounds = 0;
        let is_long = columns.len() > BATCH * BATCHES;
        let mut counted = 0;
        for (i, (columns, values)) in columns.chunks(BATCH).zip(values.chunks(BATCH)).enumerate() {
            let (counts, constant) = self.terms.set(step.feedback, values);
            counted += counts;
            slot.constant += constant;
            self.panel.gather::<O>(step.fixed, columns, &self.terms, &mut slot.b);
            let soon = following.get((i + 1) * BATCH..).unwrap_or_default();
            let ahead = Ahead { table: step.fixed, columns: &soon[..soon.len().min(columns.len())] };
            self.panel.add_products::<O>(columns.len(), self.rank, &mut slot.a, ahead);
            if is_long && (i + 1) % BATCHES == 0 {
                move_to(&mut self.long, slot);
            }
        }
        if is_long {
            move_to(&mut self.long, slot);
            let (a, b) = self.long.split_at(8 * slot.a.len());
            write(&mut slot.a, a.iter().map(|&v| v as f32));
            write(&mut slot.b, b.iter().map(|&v| v as f32));
            self.long.clear();
        }
        let count = match step.ridge {
            Ridge::PerRating => counted as f64,
            Ridge::PerVector => 1.0,
        };
        slot.ridge = (step.reg_param * count) as f32;
        slot.passive.clear();
        if step.nonnegative {
            for (octet, numbers) in before.iter().enumerate() {
                let mut positive = numbers.simd_gt(f32x8::ZERO).to_bitmask();
                while positive != 0 {
                    slot.passive.push(8 * octet + positive.trailing_zeros() as usize);
                    positive &= positive - 1;
                }
            }
        }
        if slot.passive.is_empty() {
            slot.passive.extend(0..self.rank);
        }
        counted > 0
    }

    /// Solves the equations of all slots for their passive components.
    fn solve_slots(&mut self) -> (f32x8, f32x8) {
        let used = self.slots.iter().filter(|s| s.row.is_some());
        let most = used.map(|s| s.passive.len()).max().unwrap_or_default();
        // Moving numbers one by one pays where that makes the systems much smaller. Either way gives the same bits:
        // zeros in between change no sum.
        self.compact = 4 * most < 3 * self.rank;
        let blocks = if self.compact { most } else { self.rank }.div_ceil(4);
        if self.compact {
            self.pack_passive(blocks);
        } else {
            self.pack_all(blocks);
            self.hold_others(blocks);
        }
        let least = factorize(&mut self.u, blocks);
        (least, solve(&self.u, blocks, &mut self.x))
    }

    /// All components of all slots, by transposing.
    fn pack_all(&mut self, blocks: usize) {
        let (rank, octets) = (self.rank, self.octets);
        for i in 0..rank {
            for c in i / 8..octets {
                let lanes = f32x8::transpose(std::array::from_fn(|l| self.slots[l].a[i * octets + c]));
                for j in (2 * c).max(i / 4)..(2 * c + 2).min(blocks) {
                    let from = 4 * (j % 2);
                    self.u[element(i, 4 * j)..][..4].copy_from_slice(&lanes[from..from + 4]);
                }
            }
        }
        for c in 0..octets {
            let lanes = f32x8::transpose(std::array::from_fn(|l| self.slots[l].b[c]));
            let end = (4 * blocks).min(8 * c + 8);
            self.x[8 * c..end].copy_from_slice(&lanes[..end - 8 * c]);
        }
        let ridge = f32x8::new(std::array::from_fn(|l| self.slots[l].ridge));
        for i in 0..rank {
            self.u[element(i, i)] += ridge;
        }
        for i in rank..4 * blocks {
            self.u[element(i, i)..element(i, 4 * blocks - 1) + 1].fill(f32x8::ZERO);
            self.u[element(i, i)] = f32x8::ONE;
        }
    }

    /// Puts equations `1·x = 0` for components that are not passive.
    fn hold_others(&mut self, blocks: usize) {
        for (lane, slot) in self.slots.iter().enumerate() {
            if slot.row.is_none() || slot.passive.len() == self.rank {
                continue;
            }
            let mut passive = slot.passive.iter().peekable();
            for i in 0..self.rank {
                if passive.next_if_eq(&&i).is_some() {
                    continue;
                }
                for p in 0..i {
                    self.u[element(p, i)].as_mut_array()[lane] = 0.0;
                }
                for q in i + 1..4 * blocks {
                    self.u[element(i, q)].as_mut_array()[lane] = 0.0;
                }
                self.u[element(i, i)].as_mut_array()[lane] = 1.0;
                self.x[i].as_mut_array()[lane] = 0.0;
            }
        }
    }

    /// The passive components of each slot, close together, and equations `1·x = 0` after them.
    fn pack_passive(&mut self, blocks: usize) {
        let octets = self.octets;
        self.u[..block(blocks)].fill(f32x8::ZERO);
        self.x[..4 * blocks].fill(f32x8::ZERO);
        for (lane, slot) in self.slots.iter().enumerate().filter(|(_, s)| s.row.is_some()) {
            for (p, &i) in slot.passive.iter().enumerate() {
                let row = &slot.a[i * octets..(i + 1) * octets];
                for (&j, &column) in slot.passive.iter().zip(&self.columns).skip(p) {
                    self.u[column + 4 * p].as_mut_array()[lane] = row[j / 8].as_array()[j % 8];
                }
                self.u[element(p, p)].as_mut_array()[lane] += slot.ridge;
                self.x[p].as_mut_array()[lane] = slot.b[i / 8].as_array()[i % 8];
            }
            for p in slot.passive.len()..4 * blocks {
                self.u[element(p, p)].as_mut_array()[lane] = 1.0;
            }
        }
    }

    /// The solution of a slot, with the zeros of the components that are held there, into `one`.
    fn take_solution(&mut self, lane: usize) {
        self.one.fill(f32x8::ZERO);
        for (p, &i) in self.slots[lane].passive.iter().enumerate() {
            let at = if self.compact { p } else { i };
            self.one[i / 8].as_mut_array()[i % 8] = self.x[at].as_array()[lane];
        }
    }

    /// Whether `one` is the optimum. If not, components that are negative are now held at zero, and those that want to
    /// grow no longer are (block principal pivoting; Kim & Park, 2011).
    fn exchange_signs(&mut self, lane: usize) -> bool {
        let slot = &mut self.slots[lane];
        let one = &self.one;
        if slot.passive.len() == self.rank {
            slot.passive.retain(|&i| at(one, i) >= 0.0);
            return slot.passive.len() == self.rank;
        }
        multiply(&slot.a, one, &mut self.product);
        // Below this a pull is the rounding of its terms.
        let largest = slot.b.iter().fold(f32x8::ZERO, |most, b| most.fast_max(b.abs()));
        let noise = 2e-6 * largest.to_array().into_iter().fold(0.0, f32::max);
        // Most rows are at their optimum: no number is negative, and no zero wants to grow.
        let wrong = |((x, b), product): ((&f32x8, &f32x8), &f32x8)| {
            let grows = (*b - *product).simd_gt(f32x8::splat(noise)) & x.simd_eq(f32x8::ZERO);
            (x.simd_lt(f32x8::ZERO) | grows).any()
        };
        if !one.iter().zip(&slot.b).zip(&self.product).any(wrong) {
            return true;
        }
        let mut optimal = true;
        let mut held = slot.passive.iter().copied().peekable();
        self.passive.clear();
        for i in 0..self.rank {
            let was_passive = held.next_if_eq(&i).is_some();
            let is_passive = match was_passive {
                true => at(one, i) >= 0.0,
                false => at(&slot.b, i) - at(&self.product, i) > noise,
            };
            optimal &= is_passive == was_passive;
            if is_passive {
                self.passive.push(i);
            }
        }
        std::mem::swap(&mut slot.passive, &mut self.passive);
        optimal
    }
}

fn at(registers: &[f32x8], i: usize) -> f32 {
    registers[i / 8].as_array()[i % 8]
}

/// `a·x` for a symmetric matrix of which the registers from the diagonal on are there.
fn multiply(a: &[f32x8], x: &[f32x8], product: &mut [f32x8]) {
    let octets = x.len();
    product.fill(f32x8::ZERO);
    for (octet, rows) in a.chunks_exact(8 * octets).enumerate() {
        let (own, after) = product.split_at_mut(octet + 1);
        let mut sums = [f32x8::ZERO; 8];
        for ((row, sum), &value) in rows.chunks_exact(octets).zip(&mut sums).zip(x[octet].as_array()) {
            // What the components from its own octet on add to it.
            let terms = row[octet..].iter().zip(&x[octet..]);
            *sum = terms.fold(f32x8::ZERO, |sum, (&a, &x)| a.mul_add(x, sum));
            // What it adds to the components after its own octet.
            if value != 0.0 {
                let value = f32x8::splat(value);
                for (product, &a) in after.iter_mut().zip(&row[octet + 1..]) {
                    *product = a.mul_add(value, *product);
                }
            }
        }
        // Eight sums across, at once.
        own[octet] += f32x8::transpose(sums).into_iter().fold(f32x8::ZERO, |sum, part| sum + part);
    }
}

/// Adds the sums of a slot to those in `f64` and starts them anew.
fn move_to(long: &mut Vec<f64>, slot: &mut Slot) {
    long.resize(8 * (slot.a.len() + slot.b.len()), 0.0);
    for (sum, part) in long.iter_mut().zip(numbers(&slot.a).chain(numbers(&slot.b))) {
        *sum += f64::from(part);
    }
    slot.a.fill(f32x8::ZERO);
    slot.b.fill(f32x8::ZERO);
}
