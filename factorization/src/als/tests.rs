use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;
use std::sync::Mutex;

fn sample(n_rows: u32, n_cols: u32, entries: u32) -> Csr {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (mut r, mut c, mut v) = (vec![], vec![], vec![]);
    for _ in 0..entries {
        r.push(rng.random_range(0..n_rows));
        c.push(rng.random_range(0..n_cols));
        v.push(rng.random_range(-1.0..10.0f32));
    }
    Csr::from_triplets(n_rows as usize, n_cols as usize, &r, &c, &v).unwrap()
}

fn implicit() -> Als {
    Als { nonnegative: true, ..Als::implicit() }
}

/// The objective from its definition, over all pairs.
fn objective(als: &Als, m: &Csr, fit: &Factorization) -> f64 {
    let Feedback::Implicit { alpha } = als.feedback else { return explicit_objective(als, m, fit) };
    let predict = |r: usize, c: usize| dot(fit.rows.get(r), fit.columns.get(c));
    let mut loss = 0.0;
    let mut column_counts = vec![0.0; m.n_cols()];
    for r in 0..m.n_rows() {
        for c in 0..m.n_cols() {
            loss += predict(r, c).powi(2);
        }
        let (columns, values) = m.row(r);
        let mut count = 0.0;
        for (&c, &v) in columns.iter().zip(values) {
            let p = predict(r, c as usize);
            let confidence = 1.0 + alpha * f64::from(v.abs());
            let preference = if v > 0.0 { 1.0 } else { 0.0 };
            loss += confidence * (preference - p).powi(2) - p * p;
            count += preference;
            column_counts[c as usize] += preference;
        }
        loss += als.reg_param * count * dot(fit.rows.get(r), fit.rows.get(r));
    }
    for (c, n) in column_counts.iter().enumerate() {
        loss += als.reg_param * n * dot(fit.columns.get(c), fit.columns.get(c));
    }
    loss
}

fn explicit_objective(als: &Als, m: &Csr, fit: &Factorization) -> f64 {
    let mut loss = 0.0;
    for r in 0..m.n_rows() {
        let (columns, values) = m.row(r);
        for (&c, &v) in columns.iter().zip(values) {
            let (x, y) = (fit.rows.get(r), fit.columns.get(c as usize));
            loss += (f64::from(v) - dot(x, y)).powi(2) + als.reg_param * (dot(x, x) + dot(y, y));
        }
    }
    loss
}

#[test]
fn every_mode_lowers_its_own_objective() {
    let ratings = sample(60, 40, 500);
    for base in [Als::explicit(), Als { nonnegative: true, ..Als::explicit() }, Als::implicit()] {
        for (rank, reg_param) in [(1, 1.0), (5, 0.1), (10, 0.5)] {
            let als = Als { rank, reg_param, ..base.clone() };
            let fit = als.run(&ratings, Factors::random_directions(60, rank, 0), &()).unwrap();
            let expected = objective(&als, &ratings, &fit);
            let last = fit.losses[24];
            assert!((last - expected).abs() <= 1e-9 * expected, "{als:?}: {last} {expected}");
            assert!(fit.losses.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-6)), "{als:?}: {:?}", fit.losses);
            let negative = fit.rows.data.iter().chain(&fit.columns.data).any(|v| *v < 0.0);
            assert!(!(negative && als.nonnegative) && (negative || als.nonnegative || rank == 1), "{als:?}");
        }
    }
}

/// At the end of a row's half-step the gradient of its objective is 0.
#[test]
fn free_rows_solve_their_normal_equations() {
    let ratings = sample(30, 20, 200);
    let als = Als { rank: 4, reg_param: 0.3, max_iter: 3, ..Als::explicit() };
    let fit = als.fit(&ratings, &()).unwrap();
    for r in 0..30 {
        let (columns, values) = ratings.row(r);
        let x = fit.rows.get(r);
        for (i, &component) in x.iter().enumerate() {
            let mut gradient = als.reg_param * columns.len() as f64 * f64::from(component);
            for (&c, &v) in columns.iter().zip(values) {
                let y = fit.columns.get(c as usize);
                gradient += (dot(x, y) - f64::from(v)) * f64::from(y[i]);
            }
            assert!(gradient.abs() < 1e-4, "row {r}: {gradient}");
        }
    }
}

#[test]
fn tol_stops_when_the_loss_hardly_falls() {
    let ratings = sample(60, 40, 500);
    let als = Als { max_iter: 500, tol: 1e-3, ..Als::explicit() };
    let fit = als.fit(&ratings, &()).unwrap();
    let n = fit.losses.len();
    assert!(fit.converged && n < 500);
    let fall = |i: usize| (fit.losses[i - 1] - fit.losses[i]) / fit.losses[i - 1];
    assert!(fall(n - 1) <= 1e-3 && (1..n - 1).all(|i| fall(i) > 1e-3));
    assert!(!Als { tol: 0.0, max_iter: 30, ..als }.fit(&ratings, &()).unwrap().converged);
}

#[test]
fn negative_ratings_need_free_factors() {
    let ratings = Csr::from_triplets(2, 2, &[0, 1], &[1, 0], &[3.0, -2.0]).unwrap();
    let als = Als { rank: 1, nonnegative: true, ..Als::explicit() };
    assert_eq!(als.fit(&ratings, &()), Err(Error::NegativeRating { row: 1, column: 0, value: -2.0 }));
    let free = Als { nonnegative: false, reg_param: 0.01, ..als }.fit(&ratings, &()).unwrap();
    assert!(free.predict(1, 0).unwrap() < -1.0);
}

#[test]
fn cold_rows_and_columns_have_no_prediction_until_folded_in() {
    let ratings = Csr::from_triplets(4, 4, &[0, 0, 1, 2], &[0, 1, 0, 1], &[5.0, 1.0, 4.0, 2.0]).unwrap();
    for als in [Als { rank: 2, reg_param: 0.1, ..Als::explicit() }, Als { rank: 2, ..implicit() }] {
        let fit = als.fit(&ratings, &()).unwrap();
        for (row, column) in [(3, 0), (0, 3), (4, 0), (0, 4), (usize::MAX, usize::MAX)] {
            assert_eq!(fit.predict(row, column), None);
        }
        assert!(fit.recommend(3, 5, |_| true).is_empty() && fit.similar_rows(9, 5).is_empty());
        // A new row with the ratings of a known one gets its vector.
        let (columns, values) = ratings.row(0);
        let folded = als.fold_in(&fit, columns, values).unwrap();
        for (a, b) in folded.iter().zip(fit.rows.get(0)) {
            assert!((a - b).abs() < 1e-5);
        }
        assert!(matches!(als.fold_in(&fit, &[4], &[1.0]), Err(Error::IndexOutOfRange { .. })));
        assert!(matches!(als.fold_in(&fit, &[0], &[f32::NAN]), Err(Error::InvalidLikelihood { .. })));
        assert_eq!(als.fold_in(&fit, &[], &[]), Ok(vec![0.0; 2]));
    }
}

#[test]
fn recommendations_and_similar_rows_are_ordered() {
    let ratings = sample(30, 20, 200);
    let fit = Als { rank: 4, ..Als::explicit() }.fit(&ratings, &()).unwrap();
    let all = fit.recommend(0, 100, |_| true);
    assert_eq!(all.len(), 20);
    assert!(all.windows(2).all(|w| w[0].1 >= w[1].1));
    assert!(all.iter().all(|&(c, p)| fit.predict(0, c) == Some(p)));
    assert_eq!(fit.recommend(0, 3, |c| c != all[0].0)[..], all[1..4]);
    let similar = fit.similar_columns(2, 5);
    assert_eq!(similar.len(), 5);
    assert!(similar.iter().all(|&(c, s)| c != 2 && s.abs() <= 1.0 + 1e-9));
    assert!(similar.windows(2).all(|w| w[0].1 >= w[1].1));
}

#[test]
fn loss_is_the_objective_and_never_rises() {
    let ratings = sample(60, 40, 500);
    for (rank, reg_param, alpha) in [(1, 1.0, 1.0), (5, 0.1, 10.0), (10, 0.5, 0.0)] {
        let als = Als { rank, reg_param, feedback: Feedback::Implicit { alpha }, ..implicit() };
        let fit = als.fit(&ratings, &()).unwrap();
        assert_eq!(fit.losses.len(), 25);
        let expected = objective(&als, &ratings, &fit);
        let last = fit.losses[24];
        assert!((last - expected).abs() <= 1e-9 * expected, "{last} {expected}");
        assert!(fit.losses.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-6)), "{:?}", fit.losses);
        assert!(fit.rows.data.iter().chain(&fit.columns.data).all(|v| *v >= 0.0));
    }
}

#[test]
fn same_bits_whatever_the_threads() {
    let ratings = sample(9000, 300, 20_000);
    let als = Als { rank: 20, max_iter: 3, seed: 11, ..implicit() };
    let run = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| als.fit(&ratings, &()).unwrap())
    };
    let one = run(1);
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
    let other = Als { seed: 12, ..als }.fit(&ratings, &()).unwrap();
    assert_ne!(other.rows, one.rows);
}

#[test]
fn start_is_unit_vectors_of_both_signs() {
    let start = Factors::random_directions(500, 7, 1);
    assert_eq!((start.len(), start.rank(), start.is_empty()), (500, 7, false));
    for i in 0..500 {
        assert!((dot(start.get(i), start.get(i)) - 1.0).abs() < 1e-6);
    }
    let negative = start.data.iter().filter(|v| **v < 0.0).count();
    assert!((1500..2000).contains(&negative), "{negative}");
    assert_eq!(start, Factors::random_directions(500, 7, 1));
}

#[test]
fn rows_without_ratings_are_zero() {
    let ratings = Csr::from_triplets(3, 3, &[0, 2], &[0, 2], &[1.0, -1.0]).unwrap();
    let fit = implicit().fit(&ratings, &()).unwrap();
    for i in [1, 2] {
        assert!(fit.rows.get(i).iter().all(|v| *v == 0.0));
        assert!(fit.columns.get(i).iter().all(|v| *v == 0.0));
    }
    assert!(fit.predict(0, 0).unwrap() > 0.1);
}

#[test]
fn progress_and_cancellation() {
    let ratings = sample(20, 20, 100);
    let seen = Mutex::new(vec![]);
    let observer = |done: usize, of: usize, loss: f64| {
        seen.lock().unwrap().push((done, of, loss));
        if done == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let result = implicit().fit(&ratings, &observer);
    assert_eq!(result, Err(Error::Cancelled { done: 3, of: 25 }));
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|s| s.1 == 25 && s.2.is_finite()));
}

#[test]
fn bad_parameters_are_errors() {
    let ratings = sample(5, 5, 10);
    let d = implicit;
    for (name, als) in [
        ("rank", Als { rank: 0, ..d() }),
        ("rank", Als { rank: 513, ..d() }),
        ("max_iter", Als { max_iter: 0, ..d() }),
        ("reg_param", Als { reg_param: 0.0, ..d() }),
        ("reg_param", Als { reg_param: f64::NAN, ..d() }),
        ("alpha", Als { feedback: Feedback::Implicit { alpha: -1.0 }, ..d() }),
        ("tol", Als { tol: -1.0, ..d() }),
        ("tol", Als { tol: f64::NAN, ..d() }),
    ] {
        match als.fit(&ratings, &()) {
            Err(Error::InvalidParameter { name: found, .. }) => assert_eq!(found, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn bad_data_is_an_error() {
    let als = implicit();
    let empty = Csr::from_triplets(2, 2, &[], &[], &[]).unwrap();
    assert_eq!(als.fit(&empty, &()), Err(Error::EmptyInput));
    let start = Factors::from_flat(10, vec![0.1; 30]).unwrap();
    assert!(matches!(als.fit_from(&sample(5, 5, 10), start, &()), Err(Error::InvalidStart { .. })));
    assert!(Factors::from_flat(3, vec![0.0; 4]).is_err());
    assert!(Factors::from_flat(1, vec![f32::NAN]).is_err());
}

#[test]
fn huge_ratings_end_in_a_result_or_an_error() {
    let huge = Csr::from_triplets(2, 2, &[0, 1], &[0, 1], &[f32::MAX, 1e-30]).unwrap();
    for alpha in [0.0, 1.0, 1e30, 1e300] {
        let als = Als { feedback: Feedback::Implicit { alpha }, reg_param: 1e-300, ..implicit() };
        match als.fit(&huge, &()) {
            Ok(fit) => assert!(fit.predict(0, 0).unwrap().is_finite()),
            Err(e) => assert!(matches!(e, Error::NotFinite { .. }), "{e}"),
        }
    }
}
