//! What a user of the detector relies on.

mod support;

use huntbook_factorization::{Access, AccessAnomaly, AccessAnomalyModel, AccessColumns, Error};
use std::collections::BTreeSet;
use support::{StopAfter, Table, auc, departments, mean, std};

fn fit(detector: &AccessAnomaly, train: &Table) -> AccessAnomalyModel {
    train.with(|c| detector.fit(c, &train.likelihood, &())).unwrap()
}

fn finite(model: &AccessAnomalyModel, table: &Table) -> Vec<f64> {
    let scores = table.with(|c| model.score(c)).unwrap();
    scores.into_iter().map(|s| s.expect("a score")).collect()
}

fn of_tenant(scores: &[f64], table: &Table, tenant: &str) -> Vec<f64> {
    let rows = scores.iter().zip(&table.tenant);
    rows.filter(|(_, t)| *t == tenant).map(|(s, _)| *s).collect()
}

#[test]
fn training_scores_are_standardised_per_tenant_and_anomalies_stand_out() {
    let (train, intra, inter) = departments(&["t0", "t1"], true, 1);
    let model = fit(&AccessAnomaly::new().max_iter(10), &train);

    let keys = |names: &[String]| -> BTreeSet<(String, String)> {
        train.tenant.iter().cloned().zip(names.iter().cloned()).collect()
    };
    let listed: BTreeSet<_> = model.user_vectors().map(|v| (v.tenant.to_owned(), v.name.to_owned())).collect();
    assert_eq!(listed, keys(&train.user));
    let listed: BTreeSet<_> = model.res_vectors().map(|v| (v.tenant.to_owned(), v.name.to_owned())).collect();
    assert_eq!(listed, keys(&train.res));

    let scores = finite(&model, &train);
    assert_eq!(scores.len(), train.len());
    let (intra_scores, inter_scores) = (finite(&model, &intra), finite(&model, &inter));
    for tenant in ["t0", "t1"] {
        let own = of_tenant(&scores, &train, tenant);
        assert!(mean(&own).abs() < 1e-9 && (std(&own) - 1.0).abs() < 1e-9);
        assert!(own.iter().any(|s| *s < -1e-3) && own.iter().any(|s| *s > 1e-3));
        let normal = of_tenant(&intra_scores, &intra, tenant);
        let anomalous = of_tenant(&inter_scores, &inter, tenant);
        let gap = mean(&anomalous) - mean(&normal);
        let auc = auc(&normal, &anomalous);
        assert!(gap >= 2.0 && auc >= 0.95, "{tenant}: gap {gap}, AUC {auc}");
    }
}

#[test]
fn components_follow_the_access_graph() {
    for (shared, per_tenant) in [(true, 1), (false, 3)] {
        let (train, _, inter) = departments(&["t0", "t1"], shared, 2);
        let model = fit(&AccessAnomaly::new().max_iter(3), &train);
        let users: BTreeSet<u32> = model.user_components().map(|c| c.component).collect();
        let resources: BTreeSet<u32> = model.res_components().map(|c| c.component).collect();
        assert_eq!(users.len(), 2 * per_tenant);
        assert_eq!(users, resources);
        let scores = finite(&model, &inter);
        assert!(scores.iter().all(|s| s.is_infinite() != shared && *s != f64::NEG_INFINITY));
        assert!(!scores.iter().any(|s| s.is_nan()));
    }
}

#[test]
fn unknown_and_null_keys_score_null_and_the_order_is_kept() {
    let (train, _, _) = departments(&["t0"], true, 3);
    let model = fit(&AccessAnomaly::new().max_iter(3), &train);
    let scores = model
        .score(AccessColumns {
            tenant: &[Some("t0"), Some("t0"), Some("t9"), None, Some("t0"), Some("t0"), Some("t0")],
            user: &[
                Some("hr_user_0"),
                Some("ghost"),
                Some("hr_user_0"),
                Some("hr_user_0"),
                None,
                Some("hr_user_0"),
                Some("eng_user_1"),
            ],
            res: &[Some("ffa"), Some("ffa"), Some("ffa"), Some("ffa"), Some("ffa"), None, Some("ffa")],
        })
        .unwrap();
    let known: Vec<bool> = scores.iter().map(Option::is_some).collect();
    assert_eq!(known, [true, false, false, false, false, false, true]);
    assert_eq!(scores[0], model.score_one("t0", "hr_user_0", "ffa"));
    assert_eq!(scores[6], model.score_one("t0", "eng_user_1", "ffa"));
}

#[test]
fn a_history_of_everything_scores_zero() {
    let (train, _, _) = departments(&["t0"], true, 4);
    let all = train.user.iter().zip(&train.res).map(|(u, r)| Access::new("t0", u, r));
    let model = fit(&AccessAnomaly::new().max_iter(3).history(all), &train);
    assert!(finite(&model, &train).iter().all(|s| *s == 0.0));
}

#[test]
fn same_bits_for_a_seed_whatever_the_threads_and_the_row_order() {
    let (train, intra, _) = departments(&["t0", "t1", "t2"], true, 5);
    let detector = AccessAnomaly::new().max_iter(4).seed(99);
    let one = fit(&detector, &train);
    for threads in [1, 3, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (model, scores) = pool.install(|| {
            let model = fit(&detector, &train);
            let scores = finite(&model, &intra);
            (model, scores)
        });
        assert!(model == one);
        assert_eq!(scores, finite(&one, &intra));
    }
    let mut reversed = train.clone();
    reversed.tenant.reverse();
    reversed.user.reverse();
    reversed.res.reverse();
    reversed.likelihood.reverse();
    assert!(fit(&detector, &reversed) == one);
    assert!(fit(&detector.clone().seed(100), &train) != one);
}

#[test]
fn a_reloaded_model_scores_bit_for_bit() {
    let (train, intra, inter) = departments(&["t0", "t1"], true, 6);
    for history in [None, Some([Access::new("t0", "hr_user_0", "ffa")])] {
        let mut detector = AccessAnomaly::new().max_iter(3);
        if let Some(history) = history {
            detector = detector.history(history);
        }
        let model = fit(&detector, &train);
        let json = serde_json::to_string(&model).unwrap();
        let again: AccessAnomalyModel = serde_json::from_str(&json).unwrap();
        assert!(again == model);
        for table in [&train, &intra, &inter] {
            let bits = |m: &AccessAnomalyModel| -> Vec<Option<u64>> {
                let scores = table.with(|c| m.score(c)).unwrap();
                scores.into_iter().map(|s| s.map(f64::to_bits)).collect()
            };
            assert_eq!(bits(&again), bits(&model));
        }
    }
}

#[test]
fn a_damaged_model_is_an_error() {
    let (train, _, _) = departments(&["t0"], true, 7);
    let history = [Access::new("t0", "hr_user_0", "ffa")];
    let model = fit(&AccessAnomaly::new().max_iter(1).history(history), &train);
    let good = serde_json::to_value(&model).unwrap();
    let damage: [fn(&mut serde_json::Value); 5] = [
        |v| v["summary"]["rank"] = 11.into(),
        |v| v["summary"]["rank"] = u64::MAX.into(),
        |v| v["users"]["names"]["offsets"][1] = 0.into(),
        |v| v["resources"]["components"] = serde_json::json!([]),
        |v| v["history"]["user_components"] = serde_json::json!([]),
    ];
    for damage in damage {
        let mut bad = good.clone();
        damage(&mut bad);
        let error = serde_json::from_value::<AccessAnomalyModel>(bad).unwrap_err();
        assert!(error.to_string().contains("cannot be used"), "{error}");
    }
}

#[test]
fn a_fit_can_be_cancelled() {
    let (train, _, _) = departments(&["t0"], true, 8);
    let detector = AccessAnomaly::new();
    let result = train.with(|c| detector.fit(c, &train.likelihood, &StopAfter(2)));
    assert_eq!(result, Err(Error::Cancelled { done: 2, of: 25 }));
}
