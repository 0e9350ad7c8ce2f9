use super::*;
use proptest::prelude::*;

/// MᵀM + ridge·I, symmetric positive definite.
fn spd(m: &[f64], n: usize, ridge: f64) -> Vec<f64> {
    let rows = m.len() / n;
    let mut a = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            a[i * n + j] = (0..rows).map(|r| m[r * n + i] * m[r * n + j]).sum();
        }
        a[i * n + i] += ridge;
    }
    a
}

fn objective(a: &[f64], b: &[f64], x: &[f64]) -> f64 {
    let n = b.len();
    (0..n)
        .map(|i| {
            let ax: f64 = (0..n).map(|j| a[i * n + j] * x[j]).sum();
            x[i] * (0.5 * ax - b[i])
        })
        .sum()
}

/// Best objective over every subset of positive components, each solved by Gaussian elimination.
fn brute_force(a: &[f64], b: &[f64]) -> f64 {
    let n = b.len();
    let mut best = 0.0f64;
    for mask in 1u32..1 << n {
        let set: Vec<usize> = (0..n).filter(|i| mask >> i & 1 == 1).collect();
        let m = set.len();
        let mut t: Vec<Vec<f64>> =
            set.iter().map(|&i| set.iter().map(|&j| a[i * n + j]).chain([b[i]]).collect::<Vec<f64>>()).collect();
        for p in 0..m {
            for q in 0..m {
                if q != p {
                    let pivot = t[p].clone();
                    let f = t[q][p] / pivot[p];
                    t[q].iter_mut().zip(&pivot).for_each(|(v, w)| *v -= f * w);
                }
            }
        }
        let mut x = vec![0.0; n];
        for (p, &i) in set.iter().enumerate() {
            x[i] = t[p][m] / t[p][p];
        }
        if x.iter().all(|&v| v >= 0.0) {
            best = best.min(objective(a, b, &x));
        }
    }
    best
}

fn system(max: usize) -> impl Strategy<Value = (Vec<f64>, Vec<f64>, Vec<f64>)> {
    (1..=max, 1usize..12).prop_flat_map(|(n, rows)| {
        let m = prop::collection::vec(-3.0..3.0f64, rows * n);
        let b = prop::collection::vec(-5.0..5.0f64, n);
        let start = prop::collection::vec(-1.0..1.0f64, n);
        (m, b, start, 0.01..2.0f64).prop_map(move |(m, b, start, ridge)| (spd(&m, n, ridge), b, start))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn satisfies_the_optimality_conditions((a, b, start) in system(24)) {
        let n = b.len();
        let mut x = start;
        NnlsSolver::new(n).solve(&a, &b, &mut x).unwrap();
        for i in 0..n {
            let gradient = (0..n).map(|j| a[i * n + j] * x[j]).sum::<f64>() - b[i];
            prop_assert!(x[i] >= 0.0);
            prop_assert!(gradient >= -1e-8, "gradient {gradient} at {i}");
            prop_assert!((x[i] * gradient).abs() <= 1e-7, "slack {} at {i}", x[i] * gradient);
        }
    }

    #[test]
    fn is_as_good_as_trying_every_subset((a, b, start) in system(6)) {
        let mut x = start;
        NnlsSolver::new(8).solve(&a, &b, &mut x).unwrap();
        let (ours, best) = (objective(&a, &b, &x), brute_force(&a, &b));
        prop_assert!((ours - best).abs() <= 1e-9 * (1.0 + best.abs()), "{ours} vs {best}");
    }

    #[test]
    fn does_not_depend_on_the_guess((a, b, start) in system(16)) {
        let mut solver = NnlsSolver::new(16);
        let (mut x, mut y) = (start, vec![0.0; b.len()]);
        solver.solve(&a, &b, &mut x).unwrap();
        solver.solve(&a, &b, &mut y).unwrap();
        for (x, y) in x.iter().zip(&y) {
            prop_assert!((x - y).abs() <= 1e-9 * (1.0 + y.abs()));
        }
    }

    #[test]
    fn coordinate_descent_agrees((a, b, _start) in system(5)) {
        let mut x = vec![0.0; b.len()];
        NnlsSolver::new(5).solve(&a, &b, &mut x).unwrap();
        let mut y = vec![0.0; b.len()];
        coordinate_descent(&a, b.len(), &b, &mut y);
        let (ours, theirs) = (objective(&a, &b, &x), objective(&a, &b, &y));
        prop_assert!((ours - theirs).abs() <= 1e-6 * (1.0 + ours.abs()), "{ours} vs {theirs}");
    }
}

#[test]
fn singular_systems_end_finite() {
    let mut x = [0.0; 3];
    NnlsSolver::new(3).solve(&[1.0; 9], &[1.0; 3], &mut x).unwrap();
    assert!(x.iter().all(|v| v.is_finite() && *v >= 0.0));
    assert!((x.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{x:?}");
}

#[test]
fn malformed_systems_are_errors() {
    let mut solver = NnlsSolver::new(2);
    let mut x = [0.0; 2];
    for (a, b) in [
        (vec![1.0; 4], vec![1.0]),
        (vec![1.0; 9], vec![1.0; 3]),
        (vec![f64::NAN, 0.0, 0.0, 1.0], vec![1.0; 2]),
        (vec![1.0, 0.0, 0.0, 0.0], vec![1.0; 2]),
    ] {
        assert!(matches!(solver.solve(&a, &b, &mut x), Err(Error::InvalidSystem { .. })));
    }
}
