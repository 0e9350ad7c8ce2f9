use crate::Error;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Vectors of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    rank: usize,
    pub(crate) data: Vec<f32>,
}

impl Factors {
    /// Wraps vectors laid out one after the other.
    ///
    /// # Errors
    /// [`Error::InvalidStart`] if the length is no multiple of `rank` or a number is not finite.
    pub fn from_flat(rank: usize, data: Vec<f32>) -> Result<Self, Error> {
        if rank == 0 || !data.len().is_multiple_of(rank) || !data.iter().all(|v| v.is_finite()) {
            return Err(Error::InvalidStart { whose: "the flat factors".to_owned(), rank });
        }
        Ok(Factors { rank, data })
    }

    /// `n` unit vectors in random directions, as Spark starts its ALS.
    pub fn random_directions(n: usize, rank: usize, seed: u64) -> Self {
        Self::random_directions_of(n, rank, seed, 0)
    }

    /// As `random_directions`, from one of many independent streams of the seed.
    pub(crate) fn random_directions_of(n: usize, rank: usize, seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let mut data = Vec::with_capacity(n * rank);
        let mut vector = vec![0.0f64; rank];
        for _ in 0..n {
            vector.fill_with(|| normal(&mut rng));
            let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
            data.extend(vector.iter().map(|v| (v / norm.max(1e-30)) as f32));
        }
        Factors { rank, data }
    }

    /// Wraps vectors that are known to fit.
    pub(crate) fn trusted(rank: usize, data: Vec<f32>) -> Self {
        Factors { rank, data }
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.rank).unwrap_or(0)
    }

    /// Whether there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Length of each vector.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Vector `i`.
    ///
    /// # Panics
    /// If `i >= len()`, as slice indexing does.
    pub fn get(&self, i: usize) -> &[f32] {
        &self.data[i * self.rank..(i + 1) * self.rank]
    }
}

/// Standard normal by the polar method.
fn normal(rng: &mut impl Rng) -> f64 {
    loop {
        let (u, v) = (rng.random::<f64>() * 2.0 - 1.0, rng.random::<f64>() * 2.0 - 1.0);
        let s = u * u + v * v;
        if s > 0.0 && s < 1.0 {
            return u * (-2.0 * s.ln() / s).sqrt();
        }
    }
}
