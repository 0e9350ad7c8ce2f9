//! Vectors padded to whole registers.

use crate::als::Factors;
use wide::f32x8;

/// Vectors of equal length, padded with zeros to a multiple of eight, so that they are read without masks.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    rank: usize,
    octets: usize,
    /// Where the vectors start: at a cache line, so that one of 16 numbers is in one line and not in two.
    start: usize,
    length: usize,
    memory: Vec<f32x8>,
}

const CACHE_LINE: usize = 64;

impl Table {
    pub(crate) fn zeros(n: usize, rank: usize) -> Self {
        let octets = rank.div_ceil(8);
        let length = n * octets;
        let memory = vec![f32x8::ZERO; length + 1];
        let start = usize::from(!memory.as_ptr().addr().is_multiple_of(CACHE_LINE));
        Table { rank, octets, start, length, memory }
    }

    pub(crate) fn of(factors: &Factors) -> Self {
        let mut table = Self::zeros(factors.len(), factors.rank());
        let octets = table.octets;
        for (i, row) in table.registers_mut().chunks_exact_mut(octets).enumerate() {
            write(row, factors.get(i).iter().copied());
        }
        table
    }

    pub(crate) fn to_factors(&self) -> Factors {
        let mut data = Vec::with_capacity(self.registers().len() / self.octets * self.rank);
        for row in self.registers().chunks_exact(self.octets) {
            data.extend(numbers(row).take(self.rank));
        }
        Factors::trusted(self.rank, data)
    }

    /// Registers per vector.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    pub(crate) fn registers(&self) -> &[f32x8] {
        &self.memory[self.start..self.start + self.length]
    }

    pub(crate) fn registers_mut(&mut self) -> &mut [f32x8] {
        &mut self.memory[self.start..self.start + self.length]
    }

    /// The numbers of vector `i`, with its padding.
    pub(crate) fn numbers(&self, i: usize) -> impl Iterator<Item = f32> + '_ {
        numbers(&self.registers()[i * self.octets..(i + 1) * self.octets])
    }
}

/// The numbers in registers, in order.
pub(super) fn numbers(registers: &[f32x8]) -> impl Iterator<Item = f32> + '_ {
    registers.iter().flat_map(|r| r.to_array())
}

/// Writes numbers into registers, in order.
pub(super) fn write(registers: &mut [f32x8], numbers: impl Iterator<Item = f32>) {
    for (i, number) in numbers.enumerate() {
        registers[i / 8].as_mut_array()[i % 8] = number;
    }
}
