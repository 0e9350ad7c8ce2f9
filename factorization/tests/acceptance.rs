//! The facts every implementation of the detector must show, restated from the reference.

mod support;

use huntbook_factorization::components::bipartite_components;
use huntbook_factorization::{
    Access, AccessAnomaly, AccessAnomalyModel, AccessColumns, Error, ModelParts, Parameters, Replay,
};
use huntbook_sample_data::{DataFactory, FactoryConfig};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use support::{Table, company, mean, std};

fn fit(detector: &AccessAnomaly, train: &Table) -> AccessAnomalyModel {
    train.with(|c| detector.fit(c, &train.likelihood, &())).unwrap()
}

fn scores(model: &AccessAnomalyModel, table: &Table) -> Vec<f64> {
    let scores = table.with(|c| model.score(c)).unwrap();
    scores.into_iter().map(|s| s.expect("a score")).collect()
}

fn of_tenant(scores: &[f64], table: &Table, tenant: &str) -> Vec<f64> {
    scores.iter().zip(&table.tenant).filter(|(_, t)| *t == tenant).map(|(s, _)| *s).collect()
}

fn named<const N: usize>(prefix: &str, vectors: [Vec<f64>; N]) -> Vec<(String, String, Vec<f64>)> {
    let name = |(i, v)| ("t".to_owned(), format!("{prefix}{i}"), v);
    vectors.into_iter().enumerate().map(name).collect()
}

#[test]
fn normaliser_adds_the_bias_into_the_slot_that_is_there() {
    let users = named("u", [vec![1.0, 1.0, 0.0, 1.0]]);
    let resources = named("r", [vec![2.0, 2.0, 1.0, 0.0], vec![4.0, 4.0, 1.0, 0.0]]);
    let model = AccessAnomalyModel::from_parts(ModelParts { users, resources, ..ModelParts::default() }).unwrap();
    let accesses = AccessColumns {
        tenant: &[Some("t"), Some("t")],
        user: &[Some("u0"), Some("u0")],
        res: &[Some("r0"), Some("r1")],
    };
    let model = model.renormalized(accesses).unwrap();
    let user: Vec<Vec<f64>> = model.user_vectors().map(|v| v.vector.to_vec()).collect();
    assert_eq!(user, [[-0.5, -0.5, 3.0, -0.5]]);
    let resources: Vec<Vec<f64>> = model.res_vectors().map(|v| v.vector.to_vec()).collect();
    assert_eq!(resources, [[2.0, 2.0, 1.0, 0.0], [4.0, 4.0, 1.0, 0.0]]);
    assert_eq!(model.score(accesses).unwrap(), [Some(1.0), Some(-1.0)]);
}

#[test]
fn normaliser_standardises_and_history_scores_zero() {
    let user = |i: usize| vec![(i % 10) as f64, ((i + 1) % 5) as f64, 0.0, 1.0];
    let res = |i: usize| vec![(i % 10) as f64, ((i + 1) % 25) as f64 / 2.0, 1.0, 0.0];
    let users: Vec<_> = (0..10).map(|i| ("t".to_owned(), format!("u{i}"), user(i))).collect();
    let resources: Vec<_> = (0..25).map(|i| ("t".to_owned(), format!("r{i}"), res(i))).collect();
    let mut all = Table::default();
    for (_, u, _) in &users {
        resources.iter().for_each(|(_, r, _)| all.push("t", u, r, 1.0));
    }
    let history = all.user.iter().zip(&all.res).map(|(u, r)| Access::new("t", u, r)).collect();
    let component = |named: &[(String, String, Vec<f64>)]| {
        named.iter().map(|(t, n, _)| (t.clone(), n.clone(), 0)).collect::<Vec<_>>()
    };
    let components = Some((component(&users), component(&resources)));
    let parts = ModelParts { users, resources, components, history: Some(history) };
    let model = AccessAnomalyModel::from_parts(parts).unwrap();
    let model = all.with(|c| model.renormalized(c)).unwrap();
    assert_eq!((model.user_vectors().count(), model.res_vectors().count()), (10, 25));
    assert!(scores(&model, &all).iter().all(|s| *s == 0.0));
    let model = model.preserve_history(false);
    let scores = scores(&model, &all);
    assert_eq!(scores.len(), 250);
    assert!(scores.iter().any(|s| *s < -1e-3) && scores.iter().any(|s| *s > 1e-3));
    assert!(mean(&scores).abs() < 1e-9 && (std(&scores) - 1.0).abs() < 1e-9);
}

#[test]
fn there_are_17_parameters_and_each_can_be_set() {
    let names: Vec<&str> = AccessAnomaly::new().explain_params().iter().map(|p| p.name).collect();
    let expected = "tenantCol userCol resCol likelihoodCol outputCol rankParam maxIter regParam numBlocks \
                    separateTenants lowValue highValue applyImplicitCf alphaParam complementsetFactor negScore \
                    historyAccessDf";
    assert_eq!(names.join(" "), expected);
    assert!(AccessAnomaly::new().explain_params().iter().all(|p| p.value == p.default && !p.doc.is_empty()));
    let changed = AccessAnomaly::new()
        .columns("t", "u", "r", "l")
        .output_col("o")
        .rank(3)
        .max_iter(4)
        .reg_param(0.5)
        .num_blocks(Some(2))
        .separate_tenants(true)
        .low_value(Some(2.0))
        .high_value(Some(3.0))
        .apply_implicit_cf(false)
        .alpha(7.0)
        .complementset_factor(4)
        .neg_score(0.25)
        .history([Access::new("t", "u", "r")]);
    let values: Vec<String> = changed.explain_params().into_iter().map(|p| p.value).collect();
    let expected = "t u r l o 3 4 0.5 2 true 2.0 3.0 false 7.0 4 0.25 1 accesses";
    assert_eq!(values.join(" "), expected);
    assert!(changed.explain_params().iter().all(|p| p.value != p.default));
    let p: &Parameters = changed.parameters();
    assert_eq!((p.rank, p.max_iter, p.alpha, p.neg_score), (3, 4, Some(7.0), Some(0.25)));
}

#[test]
fn parameters_that_do_not_go_together_are_errors() {
    let (train, _, _) = company(&["t"], FactoryConfig::default(), 0.25, false);
    let cases = [
        ("alpha", AccessAnomaly::new().explicit().alpha(1.0)),
        ("complementset_factor", AccessAnomaly::new().complementset_factor(2)),
        ("neg_score", AccessAnomaly::new().neg_score(1.0)),
        ("neg_score", AccessAnomaly::new().explicit().neg_score(5.0)),
        ("neg_score", AccessAnomaly::new().explicit().neg_score(f64::NAN)),
        ("complementset_factor", AccessAnomaly::new().explicit().complementset_factor(usize::MAX)),
        ("scale (low_value, high_value)", AccessAnomaly::new().low_value(None)),
        ("scale (low_value, high_value)", AccessAnomaly::new().high_value(Some(f64::NAN))),
        ("num_blocks", AccessAnomaly::new().num_blocks(Some(0))),
        ("tol", AccessAnomaly::new().tol(-1.0)),
        ("calibration_folds", AccessAnomaly::new().calibration_folds(1)),
    ];
    for (name, detector) in cases {
        match train.with(|c| detector.fit(c, &train.likelihood, &())) {
            Err(Error::InvalidParameter { name: found, .. }) => assert_eq!(found, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    let unscaled = AccessAnomaly::new().explicit().scale(None).neg_score(600.0);
    let result = train.with(|c| unscaled.fit(c, &train.likelihood, &()));
    assert!(matches!(result, Err(Error::LikelihoodBelowNegScore { .. })), "{result:?}");
    let mut replay = Replay::new();
    replay.complement([Access::new("t", "nobody", "ffa")]);
    let detector = AccessAnomaly::new().explicit();
    let result = train.with(|c| detector.fit_replaying(c, &train.likelihood, &replay, &()));
    assert!(matches!(result, Err(Error::UnknownComplement { .. })), "{result:?}");
}

#[test]
fn two_identical_tenants_of_the_default_company() {
    let (train, intra, inter) = company(&["t0", "t1"], FactoryConfig::default(), 0.25, false);
    for detector in [AccessAnomaly::new().max_iter(10), AccessAnomaly::new().max_iter(10).cross_tenant_zeros(true)] {
        let model = fit(&detector, &train);
        let keys = |names: &[String]| -> BTreeSet<(String, String)> {
            train.tenant.iter().cloned().zip(names.iter().cloned()).collect()
        };
        let listed: BTreeSet<_> = model.user_vectors().map(|v| (v.tenant.to_owned(), v.name.to_owned())).collect();
        assert_eq!(listed, keys(&train.user));
        let listed: BTreeSet<_> = model.res_vectors().map(|v| (v.tenant.to_owned(), v.name.to_owned())).collect();
        assert_eq!(listed, keys(&train.res));
        let on_train = scores(&model, &train);
        assert_eq!(on_train.len(), train.len());
        let (on_intra, on_inter) = (scores(&model, &intra), scores(&model, &inter));
        for tenant in ["t0", "t1"] {
            let own = of_tenant(&on_train, &train, tenant);
            assert!(own.iter().any(|s| *s < -1e-3) && own.iter().any(|s| *s > 1e-3));
            assert!(mean(&own).abs() < 1e-9 && (std(&own) - 1.0).abs() < 1e-9);
            let gap = mean(&of_tenant(&on_inter, &inter, tenant)) - mean(&of_tenant(&on_intra, &intra, tenant));
            assert!(gap >= 2.0, "{tenant}: {gap}");
        }
    }
}

#[test]
fn components_per_tenant() {
    for (single_component, per_tenant) in [(true, 1), (false, 3)] {
        let config = FactoryConfig { single_component, ..FactoryConfig::default() };
        let (train, _, _) = company(&["t0", "t1"], config, 0.25, false);
        let model = fit(&AccessAnomaly::new().max_iter(1), &train);
        let users: BTreeSet<u32> = model.user_components().map(|c| c.component).collect();
        let resources: BTreeSet<u32> = model.res_components().map(|c| c.component).collect();
        assert_eq!((users.len(), resources.len()), (2 * per_tenant, 2 * per_tenant));
    }
}

#[test]
fn component_graph_of_the_reference() {
    let edges = [(0, 0), (1, 0), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (4, 3)];
    let (users, resources) = bipartite_components(5, 4, edges);
    assert_eq!(users, [0, 0, 0, 0, 4]);
    assert_eq!(resources, [Some(0), Some(0), Some(0), Some(4)]);
}

/// (user, resource) pairs of the complement are not visible; the numbers of rows and the statistics are.
#[test]
fn complement_has_the_expected_size_and_standardises_with_training() {
    let (train, _, _) = company(&["t0", "t1"], FactoryConfig::default(), 0.25, false);
    let cells: BTreeMap<&str, f64> = ["t0", "t1"].map(|t| (t, 22.0 * 106.0)).into();
    for factor in [0usize, 1, 2, 5] {
        let detector = AccessAnomaly::new().explicit().complementset_factor(factor).max_iter(2);
        let model = fit(&detector, &train);
        for tenant in model.tenants() {
            let of_tenant: HashSet<(&String, &String)> = (0..train.len())
                .filter(|&i| train.tenant[i] == tenant.name)
                .map(|i| (&train.user[i], &train.res[i]))
                .collect();
            let (cells, n, distinct) = (cells[&*tenant.name], tenant.rows as f64, of_tenant.len() as f64);
            let expected = (cells - distinct) * (1.0 - (1.0 - 1.0 / cells).powf(factor as f64 * n));
            let found = tenant.complement_rows as f64;
            assert!((found - expected).abs() <= 5.0 * expected.sqrt(), "factor {factor}: {found} {expected}");
        }
    }
}

#[test]
fn the_complement_of_everything_is_empty_and_saturates_otherwise() {
    let mut full = Table::default();
    for u in 0..4 {
        (0..5).for_each(|r| full.push("t", &format!("u{u}"), &format!("r{r}"), f64::from(u + r)));
    }
    let model = fit(&AccessAnomaly::new().explicit().rank(2), &full);
    assert_eq!(model.summary().complement_rows, 0);
    // Six by four diagonal pairs of the reference: distinct, disjoint from the input, within the tenant's ranges.
    let mut diagonal = Table::default();
    (0..6).for_each(|i| diagonal.push("a", &format!("u{i}"), &format!("r{i}"), 1.0));
    (0..4).for_each(|i| diagonal.push("b", &format!("u{i}"), &format!("r{i}"), 1.0));
    let model = fit(&AccessAnomaly::new().explicit().rank(2).complementset_factor(500), &diagonal);
    let sizes: Vec<usize> = model.tenants().iter().map(|t| t.complement_rows).collect();
    assert_eq!(sizes, [6 * 5, 4 * 3]);
}

/// Everything within the departments is training.
fn full_company() -> (Table, Table) {
    let factory = DataFactory::new(FactoryConfig { single_component: false, ..FactoryConfig::default() });
    let accesses = factory.training(1.0).unwrap();
    let table = |accesses: &[huntbook_sample_data::Access]| {
        let mut table = Table::default();
        accesses.iter().for_each(|a| table.push("t0", &a.user, &a.res, a.likelihood));
        table
    };
    (table(&accesses), table(&factory.inter_test(&accesses).unwrap()))
}

/// With training ratio 1, all pairs within a department are training, so the complement is exactly cross-department,
/// and explicit scores must tell the two apart.
#[test]
fn explicit_enrichment_of_a_full_training_set() {
    let (train, inter) = full_company();
    let model = fit(&AccessAnomaly::new().explicit(), &train);
    let summary = model.summary();
    assert!(summary.complement_rows > 0 && summary.duplicate_rows == 0);
    let (normal, anomalous) = (scores(&model, &train), scores(&model, &inter));
    let worst_normal = normal.iter().copied().fold(f64::MIN, f64::max);
    assert!(mean(&normal) < -0.3 && mean(&anomalous) > 0.5, "{} {}", mean(&normal), mean(&anomalous));
    let above = anomalous.iter().filter(|s| **s > worst_normal).count();
    assert!(above * 10 >= anomalous.len() * 9, "{above} of {}", anomalous.len());
}

#[test]
fn tenants_do_not_influence_each_other_unless_asked_to() {
    let (alone, test, _) = company(&["t0"], FactoryConfig::default(), 0.25, true);
    let mut next_to = alone.clone();
    for i in 0..150 {
        next_to.push("other", &format!("x{}", i % 12), &format!("y{}", i * 7 % 31), f64::from(i));
    }
    for detector in [AccessAnomaly::new(), AccessAnomaly::new().separate_tenants(true), AccessAnomaly::new().explicit()]
    {
        let detector = detector.max_iter(5);
        let (a, b) = (fit(&detector, &alone), fit(&detector, &next_to));
        assert_eq!(scores(&a, &test), scores(&b, &test));
    }
    let leaking = AccessAnomaly::new().max_iter(5).cross_tenant_zeros(true);
    assert_ne!(scores(&fit(&leaking, &alone), &test), scores(&fit(&leaking, &next_to), &test));
    // One factorization per tenant and a joint one without cross-tenant zeros are the same model.
    let vectors =
        |d: AccessAnomaly| -> Vec<Vec<f64>> { fit(&d, &next_to).user_vectors().map(|v| v.vector.to_vec()).collect() };
    assert_eq!(vectors(AccessAnomaly::new()), vectors(AccessAnomaly::new().separate_tenants(true)));
    assert_eq!(vectors(AccessAnomaly::new()), vectors(AccessAnomaly::new().num_blocks(Some(1))));
}

#[test]
fn inputs_that_kill_the_original() {
    // A chain of 10,000 users.
    let mut chain = Table::default();
    for i in 0..10_000 {
        chain.push("t", &format!("u{i}"), &format!("r{i}"), 1.0);
        chain.push("t", &format!("u{}", i + 1), &format!("r{i}"), 1.0);
    }
    let model = fit(&AccessAnomaly::new().rank(2).max_iter(2), &chain);
    let components: BTreeSet<u32> = model.user_components().map(|c| c.component).collect();
    assert_eq!(components.len(), 1);
    // 200 iterations.
    let (train, _, _) = company(&["t"], FactoryConfig::default(), 0.25, false);
    assert_eq!(fit(&AccessAnomaly::new().max_iter(200), &train).summary().iterations, 200);
    // A null user is an error that names the row, at once.
    let result = train.with(|c| {
        let mut user = c.user.to_vec();
        user[7] = None;
        AccessAnomaly::new().fit(AccessColumns { user: &user, ..c }, &train.likelihood, &())
    });
    assert_eq!(result, Err(Error::NullKey { column: "user", row: 7 }));
    // Without a range the likelihood is used as it is.
    assert!(fit(&AccessAnomaly::new().low_value(None).high_value(None), &train).summary().loss > 0.0);
    // Repeated history does not repeat output.
    let repeated = [Access::new("t", "hr_user_0", "ffa"), Access::new("t", "hr_user_0", "ffa")];
    let model = fit(&AccessAnomaly::new().max_iter(2).history(repeated), &train);
    assert_eq!(train.with(|c| model.score(c)).unwrap().len(), train.len());
}

#[test]
fn tol_ends_a_fit_early() {
    let (train, _, _) = company(&["t"], FactoryConfig::default(), 0.25, false);
    let model = fit(&AccessAnomaly::new().max_iter(1000).tol(1e-3), &train);
    assert!((2..1000).contains(&model.summary().iterations), "{}", model.summary().iterations);
}
