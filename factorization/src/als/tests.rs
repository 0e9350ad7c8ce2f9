use super::*;
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

/// The objective from its definition, over all pairs.
fn objective(als: &ImplicitAls, m: &Csr, fit: &Factorization) -> f64 {
    let mut loss = 0.0;
    let mut column_counts = vec![0.0; m.n_cols()];
    for r in 0..m.n_rows() {
        for c in 0..m.n_cols() {
            loss += fit.predict(r, c).powi(2);
        }
        let (columns, values) = m.row(r);
        let mut count = 0.0;
        for (&c, &v) in columns.iter().zip(values) {
            let p = fit.predict(r, c as usize);
            let confidence = 1.0 + als.alpha * f64::from(v.abs());
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

#[test]
fn loss_is_the_objective_and_never_rises() {
    let ratings = sample(60, 40, 500);
    for (rank, reg_param, alpha) in [(1, 1.0, 1.0), (5, 0.1, 10.0), (10, 0.5, 0.0)] {
        let als = ImplicitAls { rank, reg_param, alpha, ..Default::default() };
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
    let als = ImplicitAls { rank: 6, max_iter: 3, seed: 11, ..Default::default() };
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
    let other = ImplicitAls { seed: 12, ..als }.fit(&ratings, &()).unwrap();
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
    let fit = ImplicitAls::default().fit(&ratings, &()).unwrap();
    for i in [1, 2] {
        assert!(fit.rows.get(i).iter().all(|v| *v == 0.0));
        assert!(fit.columns.get(i).iter().all(|v| *v == 0.0));
    }
    assert!(fit.predict(0, 0) > 0.1);
}

#[test]
fn progress_and_cancellation() {
    let ratings = sample(20, 20, 100);
    let seen = Mutex::new(vec![]);
    let observer = |done: usize, of: usize, loss: f64| {
        seen.lock().unwrap().push((done, of, loss));
        if done == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let result = ImplicitAls::default().fit(&ratings, &observer);
    assert_eq!(result, Err(Error::Cancelled { done: 3, of: 25 }));
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|s| s.1 == 25 && s.2.is_finite()));
}

#[test]
fn bad_parameters_are_errors() {
    let ratings = sample(5, 5, 10);
    let d = ImplicitAls::default;
    for (name, als) in [
        ("rank", ImplicitAls { rank: 0, ..d() }),
        ("rank", ImplicitAls { rank: 513, ..d() }),
        ("max_iter", ImplicitAls { max_iter: 0, ..d() }),
        ("reg_param", ImplicitAls { reg_param: 0.0, ..d() }),
        ("reg_param", ImplicitAls { reg_param: f64::NAN, ..d() }),
        ("alpha", ImplicitAls { alpha: -1.0, ..d() }),
    ] {
        match als.fit(&ratings, &()) {
            Err(Error::InvalidParameter { name: found, .. }) => assert_eq!(found, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn bad_data_is_an_error() {
    let als = ImplicitAls::default();
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
        let als = ImplicitAls { alpha, reg_param: 1e-300, ..Default::default() };
        match als.fit(&huge, &()) {
            Ok(fit) => assert!(fit.predict(0, 0).is_finite()),
            Err(e) => assert!(matches!(e, Error::NotFinite { .. }), "{e}"),
        }
    }
}
