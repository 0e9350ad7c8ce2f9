//! What must hold for any detector: order and nulls, ranks and p-values, words, and, with `frames`, exact files.

mod support;

use huntbook_factorization::{
    AccessAnomaly, AccessColumns, AnomalyDetector, AnomalyModel, DETECTORS, Error, PeerShare, detector,
};
use huntbook_sample_data::FactoryConfig;
use support::{Table, auc, company};

fn all() -> Vec<(String, Box<dyn AnomalyDetector>)> {
    let mut all: Vec<(String, Box<dyn AnomalyDetector>)> =
        DETECTORS.iter().map(|name| (name.to_string(), detector(name).unwrap())).collect();
    all.push(("calibrated".to_owned(), Box::new(AccessAnomaly::new().max_iter(8).calibration_folds(5))));
    all.push(("explicit".to_owned(), Box::new(AccessAnomaly::new().max_iter(8).explicit())));
    all.push(("few".to_owned(), Box::new(PeerShare { most_users: 3 })));
    all
}

fn fit(detector: &dyn AnomalyDetector, train: &Table) -> Box<dyn AnomalyModel> {
    train.with(|c| detector.fit(c, &train.likelihood, &())).unwrap()
}

#[test]
fn scores_keep_the_order_and_unknown_keys_score_null() {
    let (train, intra, inter) = company(&["t0", "t1"], FactoryConfig::default(), 0.25, true);
    for (name, detector) in all() {
        let model = fit(&*detector, &train);
        let scores = |t: &Table| t.with(|c| model.score_all(c)).unwrap();
        let flat = |t: &Table| -> Vec<f64> { scores(t).score.into_iter().map(|s| s.expect("a score")).collect() };
        let auc = auc(&flat(&intra), &flat(&inter));
        assert!(auc > 0.85, "{name}: {auc}");

        // A batch in another order gives the same scores in that order.
        let order: Vec<usize> = (0..inter.len()).rev().collect();
        let mut turned = Table::default();
        order.iter().for_each(|&i| turned.push(&inter.tenant[i], &inter.user[i], &inter.res[i], 1.0));
        let mut back = scores(&turned).score;
        back.reverse();
        assert_eq!(back, scores(&inter).score);

        let columns = AccessColumns {
            tenant: &[Some("t0"), Some("t0"), Some("t9"), None, Some("t0")],
            user: &[Some("hr_user_0"), Some("ghost"), Some("hr_user_0"), Some("hr_user_0"), None],
            res: &[Some("ffa"); 5],
        };
        let scored = model.score_all(columns).unwrap();
        let known: Vec<bool> = scored.score.iter().map(Option::is_some).collect();
        assert_eq!(known, [true, false, false, false, false], "{name}");
        assert_eq!(scored.rank_in_tenant, [Some(1), None, None, None, None]);
        let short = AccessColumns { res: &[], ..columns };
        assert!(matches!(model.score_all(short), Err(Error::ColumnLength { .. })));
    }
}

#[test]
fn ranks_and_p_values_follow_the_scores() {
    let (train, intra, _) = company(&["t0", "t1"], FactoryConfig::default(), 0.25, true);
    for (name, detector) in all() {
        let model = fit(&*detector, &train);
        let scored = intra.with(|c| model.score_all(c)).unwrap();
        for i in 0..intra.len() {
            let mine = scored.score[i].unwrap();
            let higher = (0..intra.len())
                .filter(|&j| intra.tenant[j] == intra.tenant[i] && scored.score[j].unwrap() > mine)
                .count();
            assert_eq!(scored.rank_in_tenant[i], Some(1 + higher as u32), "{name}");
        }
        let calibrated = ["calibrated", "peer_share", "few"].contains(&&*name);
        assert!(scored.p_value.iter().all(|p| p.is_some() == calibrated), "{name}");
        let mut pairs: Vec<(f64, f64)> =
            scored.score.iter().zip(&scored.p_value).filter_map(|(s, p)| Some(((*s)?, (*p)?))).collect();
        // Within a tenant a higher score has no higher p-value; both tenants are equal here but for their seeds.
        pairs.truncate(intra.len() / 2);
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(pairs.windows(2).all(|w| w[0].1 >= w[1].1), "{name}");
        assert!(pairs.iter().all(|(_, p)| *p > 0.0 && *p <= 1.0), "{name}");
    }
}

#[test]
fn thresholds_have_the_p_value_they_are_asked_for() {
    let (train, _, _) = company(&["t0"], FactoryConfig::default(), 0.25, true);
    let detector = AccessAnomaly::new().max_iter(8).calibration_folds(5);
    let model = train.with(|c| detector.fit(c, &train.likelihood, &())).unwrap();
    assert!(model.held_out("t0") > 250, "{}", model.held_out("t0"));
    for p in [0.01, 0.05, 0.5] {
        let threshold = model.threshold("t0", p).unwrap();
        assert!(model.p_value("t0", threshold).unwrap() < p);
        assert!(model.p_value("t0", threshold.next_down()).unwrap() >= p);
    }
    assert_eq!(model.threshold("t0", 1e-6), None); // too few accesses to tell
    assert_eq!((model.threshold("t9", 0.5), model.held_out("t9")), (None, 0));
}

#[test]
fn explanations_name_the_peers() {
    let (train, _, inter) = company(&["t0"], FactoryConfig::default(), 0.25, true);
    for (name, detector) in all() {
        let model = fit(&*detector, &train);
        let words = model.explain("t0", &inter.user[0], &inter.res[0]);
        assert!(words.contains(&inter.user[0]) && words.contains(&inter.res[0]), "{name}: {words}");
        assert!(words.contains("users most like") || words.contains("Users most like"), "{name}: {words}");
        let unknown = model.explain("t0", "ghost", "ffa");
        assert!(unknown.contains("ghost") && unknown.contains("no score"), "{name}: {unknown}");
    }
}

/// The peers of an access are of the user's department, the users of the resource of the other's.
#[test]
fn explanation_of_an_access_across_departments() {
    let (train, _, inter) = company(&["t0"], FactoryConfig::default(), 0.25, true);
    let detector = AccessAnomaly::new().calibration_folds(5);
    let model = train.with(|c| detector.fit(c, &train.likelihood, &())).unwrap();
    let row = (0..inter.len()).find(|&i| inter.user[i].starts_with("hr") && inter.res[i].starts_with("eng")).unwrap();
    let (user, res) = (&*inter.user[row], &*inter.res[row]);
    let e = model.explain("t0", user, res);
    assert!(e.known_user && e.known_res && !e.in_training && !e.in_history);
    assert_eq!(e.score, model.score_one("t0", user, res));
    assert!(e.peers.iter().take(4).all(|p| p.name.starts_with("hr") && p.name != user && !p.accessed), "{:?}", e.peers);
    assert!(e.nearest_users_of_res.iter().all(|p| p.name.starts_with("eng") && p.accessed));
    assert!(!e.nearest_users_of_res.is_empty() && e.users_of_res.1 == 22);
    assert!(e.like_this.iter().all(|r| train.res.contains(&r.name)) && !e.like_this.is_empty());
    assert_eq!(e.usual.len(), 5);
    let p = e.p_value.unwrap();
    assert!(e.to_string().contains(&format!("{:.2} %", 100.0 * p)), "{e}");
}
