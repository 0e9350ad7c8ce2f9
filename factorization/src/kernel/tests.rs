use super::*;
use crate::als::Factors;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const RANKS: [usize; 11] = [1, 3, 4, 7, 8, 10, 13, 17, 31, 64, 70];

fn factors(n: usize, rank: usize, seed: u64) -> Factors {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Factors::from_flat(rank, (0..n * rank).map(|_| rng.random_range(-1.0..1.0f32)).collect()).unwrap()
}

/// Rows of 0 to 150 ratings, one with 10,000, some of them negative.
fn ratings(rows: usize, columns: usize) -> Csr {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut r, mut c, mut v) = (vec![], vec![], vec![]);
    for row in 0..rows {
        let n = if row == 3 { 10_000 } else { rng.random_range(0..150) };
        for _ in 0..n {
            r.push(row as u32);
            c.push(rng.random_range(0..columns as u32));
            v.push(rng.random_range(-1.0..9.0f32));
        }
    }
    Csr::from_triplets(rows, columns, &r, &c, &v).unwrap()
}

fn settings(rank: usize) -> Vec<Als> {
    let mut all = Vec::new();
    for base in [Als::explicit(), Als::implicit()] {
        for ridge in [Ridge::PerRating, Ridge::PerVector] {
            all.push(Als { rank, ridge, ..base.clone() });
            all.push(Als { rank, ridge, nonnegative: true, ..base.clone() });
        }
    }
    all
}

#[test]
fn gramians_sum_outer_products() {
    for rank in RANKS {
        let factors = factors(150, rank, 1);
        let gram = gramian(&Table::of(&factors), rank, Precision::Single);
        for i in 0..rank {
            for j in 0..rank {
                let product = |v: usize| f64::from(factors.get(v)[i]) * f64::from(factors.get(v)[j]);
                let expected: f64 = (0..150).map(product).sum();
                assert!((gram[i * rank + j] - expected).abs() < 1e-4, "rank {rank}, {i} {j}");
            }
        }
    }
}

fn objective_at_zero(als: &Als, ratings: &[f32]) -> f64 {
    let of = |&rating: &f32| match als.feedback {
        Feedback::Explicit => f64::from(rating).powi(2),
        Feedback::Implicit { alpha } if rating > 0.0 => 1.0 + alpha * f64::from(rating),
        Feedback::Implicit { .. } => 0.0,
    };
    ratings.iter().map(of).sum()
}

/// The lanes against the same row in `f64`.
#[test]
fn rows_are_solved_as_in_double_precision() {
    for rank in RANKS {
        let (fixed, ratings) = (Table::of(&factors(90, rank, 2)), ratings(40, 90));
        for als in settings(rank) {
            let step = HalfStep::new(&als, &fixed, Precision::Single);
            let side = Side::new(&ratings, rank);
            let mut solved = Table::of(&factors(40, rank, 3));
            let before = solved.clone();
            let sum = step.run(&side, &mut solved, &mut Workers::new(rank, [&side, &side]));
            let (mut expected_sum, mut careful) = (Objective::default(), Careful::new(rank));
            let octets = fixed.octets();
            for row in 0..40 {
                let mut expected = before.registers()[row * octets..(row + 1) * octets].to_vec();
                expected_sum += careful.solve(&step, ratings.row(row), &mut expected);
                let expected: Vec<f32> = table::numbers(&expected).collect();
                let size = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                for (found, wanted) in solved.numbers(row).zip(&expected) {
                    assert!((found - wanted).abs() <= 2e-4 * (0.1 + size), "{als:?}, row {row}: {found} {wanted}");
                }
                assert!(!als.nonnegative || solved.numbers(row).all(|v| v >= 0.0));
            }
            // The objective is a small difference where the ratings are fitted well.
            let at_zero: f64 = (0..40).map(|row| objective_at_zero(&als, ratings.row(row).1)).sum();
            assert!((sum.all - expected_sum.all).abs() <= 1e-6 * at_zero, "{als:?}: {sum:?} {expected_sum:?}");
            assert!((sum.ridge - expected_sum.ridge).abs() <= 1e-5 * expected_sum.ridge, "{als:?}");
        }
    }
}

/// Which rows share the lanes and how the work is cut makes no difference in any bit.
#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    for rank in [5, 10, 64] {
        let (fixed, ratings) = (Table::of(&factors(90, rank, 2)), ratings(40, 90));
        for als in settings(rank) {
            let step = HalfStep::new(&als, &fixed, Precision::Single);
            let together = Side::new(&ratings, rank);
            let mut alone = Side::new(&ratings, rank);
            alone.chunks = (0..40).map(|row| row..row + 1).collect();
            let start = Table::of(&factors(40, rank, 3));
            let (mut a, mut b) = (start.clone(), start);
            step.run(&together, &mut a, &mut Workers::new(rank, [&together, &together]));
            step.run(&alone, &mut b, &mut Workers::new(rank, [&alone, &alone]));
            assert_eq!(a.to_factors(), b.to_factors(), "{als:?}");
        }
    }
}

/// Fewer ratings than factors and next to no ridge: `f32` alone would give anything.
#[test]
fn ill_conditioned_rows_are_solved_carefully() {
    let rank = 12;
    let fixed = Table::of(&factors(6, rank, 4));
    let ratings = Csr::from_triplets(1, 6, &[0; 3], &[0, 2, 5], &[4.0, -1.0, 2.0]).unwrap();
    let als = Als { rank, reg_param: 1e-9, ..Als::explicit() };
    let side = Side::new(&ratings, rank);
    let mut solved = Table::zeros(1, rank);
    HalfStep::new(&als, &fixed, Precision::Single).run(&side, &mut solved, &mut Workers::new(rank, [&side, &side]));
    for (column, rating) in [(0, 4.0), (2, -1.0), (5, 2.0)] {
        let predicted: f32 = solved.numbers(0).zip(fixed.numbers(column)).map(|(a, b)| a * b).sum();
        assert!((predicted - rating).abs() < 1e-4, "{predicted} for {rating}");
    }
}

#[test]
fn a_row_without_positive_ratings_is_zero() {
    let fixed = Table::of(&factors(10, 2, 4));
    let ratings = Csr::from_triplets(1, 10, &[0, 0], &[1, 2], &[0.0, -3.0]).unwrap();
    for als in settings(2).into_iter().filter(|als| als.feedback != Feedback::Explicit) {
        let side = Side::new(&ratings, 2);
        let mut solved = Table::of(&factors(1, 2, 5));
        HalfStep::new(&als, &fixed, Precision::Single).run(&side, &mut solved, &mut Workers::new(2, [&side, &side]));
        assert!(solved.numbers(0).all(|v| v == 0.0));
    }
}
