//! Times ALS alone on triplets in a file, for `benches/als/run.py`.
//!
//! `als_bench FILE RANK ITERATIONS implicit|explicit free|nonnegative per_rating|per_vector [FACTORS]`: the file has,
//! little-endian, the number of rows, columns and entries as u64, then all row indices (u32), column indices (u32) and
//! values (f32). Prints seconds of every iteration and the losses as JSON; `FACTORS` gets all row vectors, then all
//! column vectors (f32).

use huntbook_factorization::als::{Als, Csr, Factors, Ridge};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, rank, iterations, feedback, signs, ridge, rest @ ..] = &arguments[..] else {
        return Err("usage: als_bench FILE RANK ITERATIONS implicit|explicit free|nonnegative per_rating|per_vector \
                    [FACTORS]"
            .into());
    };
    let ratings = read(&std::fs::read(file)?)?;
    let als = Als {
        rank: rank.parse()?,
        max_iter: iterations.parse()?,
        nonnegative: signs == "nonnegative",
        ridge: if ridge == "per_vector" { Ridge::PerVector } else { Ridge::PerRating },
        ..if feedback == "explicit" { Als::explicit() } else { Als::implicit() }
    };
    let times = Mutex::new(vec![Instant::now()]);
    let observer = |_: usize, _: usize, _: f64| {
        match times.lock() {
            Ok(mut times) => times.push(Instant::now()),
            Err(_) => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    };
    let fit = als.fit_from(&ratings, small(ratings.n_rows(), als.rank)?, &observer)?;
    // The first one has the transposition and cold caches in it.
    let seconds: Vec<f64> = times.into_inner()?.windows(2).skip(1).map(|w| (w[1] - w[0]).as_secs_f64()).collect();
    println!("{{\"seconds\": {seconds:?}, \"losses\": {:?}}}", fit.losses);
    if let Some(path) = rest.first() {
        let vectors = |of: &Factors| (0..of.len()).flat_map(|i| of.get(i).to_vec()).collect::<Vec<f32>>();
        let numbers = [vectors(&fit.rows), vectors(&fit.columns)].concat();
        std::fs::write(path, numbers.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(())
}

/// Small squares of normal numbers, as LensKit starts: losses can be compared after the same number of iterations.
fn small(rows: usize, rank: usize) -> Result<Factors, Failure> {
    let directions = Factors::random_directions(rows, rank, 0);
    let numbers = (0..rows).flat_map(|i| directions.get(i));
    Ok(Factors::from_flat(rank, numbers.map(|v| 1e-4 * rank as f32 * v * v).collect())?)
}

fn read(bytes: &[u8]) -> Result<Csr, Failure> {
    let (header, rest) = bytes.split_at_checked(24).ok_or("the file is too short")?;
    let size =
        |i: usize| -> Result<usize, Failure> { Ok(u64::from_le_bytes(header[8 * i..8 * i + 8].try_into()?) as usize) };
    let (rows, columns, entries) = (size(0)?, size(1)?, size(2)?);
    if Some(rest.len()) != entries.checked_mul(12) {
        return Err("the file does not have 12 bytes per entry".into());
    }
    let words: Vec<[u8; 4]> = rest.as_chunks::<4>().0.to_vec();
    let ids = |words: &[[u8; 4]]| words.iter().map(|w| u32::from_le_bytes(*w)).collect::<Vec<u32>>();
    let values: Vec<f32> = words[2 * entries..].iter().map(|w| f32::from_le_bytes(*w)).collect();
    Ok(Csr::from_triplets(rows, columns, &ids(&words[..entries]), &ids(&words[entries..2 * entries]), &values)?)
}
