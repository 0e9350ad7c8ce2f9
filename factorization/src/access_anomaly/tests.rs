use super::*;

fn some<const N: usize>(values: [&str; N]) -> [Option<&str>; N] {
    values.map(Some)
}

const LIKELIHOOD: [Option<f64>; 4] = [Some(1.0), Some(2.0), Some(3.0), Some(4.0)];

/// t: a–x, a–y, b–y; u: a–x.
fn fit(detector: &AccessAnomaly) -> Result<AccessAnomalyModel, Error> {
    let columns = AccessColumns {
        tenant: &some(["t", "t", "t", "u"]),
        user: &some(["a", "a", "b", "a"]),
        res: &some(["x", "y", "y", "x"]),
    };
    detector.fit(columns, &LIKELIHOOD, &())
}

fn small() -> AccessAnomaly {
    AccessAnomaly::new().rank(2).max_iter(5)
}

#[test]
fn vectors_have_the_documented_layout() {
    let model = fit(&small()).unwrap();
    let listed: Vec<_> = model.user_vectors().map(|v| (v.tenant, v.name)).collect();
    assert_eq!(listed, [("t", "a"), ("t", "b"), ("u", "a")]);
    for v in model.user_vectors() {
        let tenant = model.tenants().iter().find(|t| t.name == v.tenant).unwrap();
        assert_eq!(v.vector.len(), 4);
        assert_eq!(v.vector[3], -1.0 / tenant.std);
        assert_eq!(v.vector[2], tenant.mean * (1.0 / tenant.std));
    }
    for v in model.res_vectors() {
        assert_eq!(v.vector[2..], [1.0, 0.0]);
        assert!(v.vector[..2].iter().all(|x| *x >= 0.0));
    }
}

#[test]
fn a_tenant_with_one_row_scores_it_zero() {
    let model = fit(&small()).unwrap();
    let tenant = &model.tenants()[1];
    assert_eq!((&*tenant.name, tenant.rows, tenant.std), ("u", 1, 1.0));
    let score = model.score_one("u", "a", "x").unwrap();
    assert!(score.abs() < 1e-12, "{score}");
}

#[test]
fn summary_counts() {
    let columns = AccessColumns {
        tenant: &some(["t", "t", "t", "u"]),
        user: &some(["a", "a", "a", "a"]),
        res: &some(["x", "y", "x", "x"]),
    };
    let s = small().seed(9).fit(columns, &LIKELIHOOD, &()).unwrap();
    let s = s.summary();
    assert_eq!((s.rows, s.duplicate_rows, s.tenants), (4, 1, 2));
    assert_eq!((s.users, s.resources, s.rank, s.iterations), (2, 3, 2, 5));
    assert_eq!((s.parameters.seed, s.parameters.scale()), (9, Some((5.0, 10.0))));
    assert!(s.loss.is_finite() && s.loss > 0.0);
}

#[test]
fn unscaled_likelihood_is_used_as_it_is() {
    let scaled = fit(&small()).unwrap();
    let plain = fit(&small().scale(None)).unwrap();
    assert_ne!(scaled, plain);
    assert!(plain.score_one("t", "a", "x").is_some_and(f64::is_finite));
}

#[test]
fn history_rules_in_order() {
    let model = fit(&small().history([
        Access::new("t", "a", "x"),
        Access::new("t", "a", "x"),
        Access::new("t", "b", "y"),
        Access::new("t", "ghost", "only"),
    ]))
    .unwrap();
    // Seen, even with ids that were never trained.
    assert_eq!(model.score_one("t", "a", "x"), Some(0.0));
    assert_eq!(model.score_one("t", "ghost", "only"), Some(0.0));
    // Trained, but not in the history; in the history, but not trained; unknown tenant.
    assert_eq!(model.score_one("u", "a", "x"), None);
    assert_eq!(model.score_one("t", "ghost", "x"), None);
    assert_eq!(model.score_one("v", "a", "x"), None);
    // The history has two components, although training links them.
    assert_eq!(model.score_one("t", "a", "y"), Some(f64::INFINITY));
    let users: Vec<_> = model.user_components().map(|c| (c.name, c.component)).collect();
    assert_eq!(users, [("a", 0), ("b", 1), ("ghost", 2)]);
    let resources: Vec<_> = model.res_components().map(|c| (c.name, c.component)).collect();
    assert_eq!(resources, [("only", 2), ("x", 0), ("y", 1)]);
}

#[test]
fn nulls_and_bad_likelihoods_name_the_row() {
    let full = some(["t", "t", "t", "u"]);
    let mut holed = full;
    holed[2] = None;
    for column in ["tenant", "user", "res"] {
        let pick = |name: &str| if name == column { &holed } else { &full };
        let columns = AccessColumns { tenant: pick("tenant"), user: pick("user"), res: pick("res") };
        let error = small().fit(columns, &LIKELIHOOD, &()).unwrap_err();
        assert_eq!(error, Error::NullKey { column, row: 2 });
        assert!(error.to_string().starts_with("training row 2: "), "{error}");
    }
    let columns = AccessColumns { tenant: &full, user: &full, res: &full };
    let with = |v| small().scale(None).fit(columns, &[Some(1.0), v, Some(1.0), Some(1.0)], &());
    assert_eq!(with(None), Err(Error::NullLikelihood { row: 1 }));
    for v in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        assert!(matches!(with(Some(v)), Err(Error::InvalidLikelihood { row: 1, .. })));
    }
}

#[test]
fn shapes_and_parameters_are_checked() {
    let none = AccessColumns { tenant: &[], user: &[], res: &[] };
    assert_eq!(small().fit(none, &[], &()), Err(Error::EmptyInput));
    let short = AccessColumns { tenant: &some(["t", "t"]), user: &some(["a", "b"]), res: &some(["x"]) };
    let expected = Error::ColumnLength { column: "res", expected: 2, found: 1 };
    assert_eq!(small().fit(short, &[None, None], &()), Err(expected.clone()));
    assert_eq!(fit(&small()).unwrap().score(short), Err(expected));
    assert_eq!(fit(&small().history([])), Err(Error::EmptyHistory));
    for (low, high) in [(0.5, 2.0), (5.0, 5.0), (5.0, f64::INFINITY), (f64::NAN, 9.0), (5.0, f64::NAN)] {
        assert!(matches!(fit(&small().scale(Some((low, high)))), Err(Error::InvalidParameter { .. })));
    }
    assert!(matches!(fit(&small().rank(0)), Err(Error::InvalidParameter { name: "rank", .. })));
}

#[test]
fn injected_starts_are_checked() {
    let columns = AccessColumns { tenant: &some(["t"]), user: &some(["a"]), res: &some(["x"]) };
    let run = |start: &Replay| small().fit_replaying(columns, &[Some(1.0)], start, &());
    let mut start = Replay::new();
    start.insert("t", "b", vec![1.0, 0.0]);
    assert!(matches!(run(&start), Err(Error::MissingStart { .. })));
    for bad in [vec![1.0], vec![1.0, f32::NAN]] {
        start.insert("t", "a", bad);
        assert!(matches!(run(&start), Err(Error::InvalidStart { .. })));
    }
    start.insert("t", "a", vec![0.6, 0.8]);
    assert!(!run(&start).unwrap().summary().drawn_start);
}
