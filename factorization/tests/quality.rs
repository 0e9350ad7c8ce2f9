//! How well anomalies are told apart on the default company, over 12 seeds. Prints what it finds
//! (`--nocapture`), and fails below the bars.

mod support;

use huntbook_factorization::{AccessAnomaly, detector};
use huntbook_sample_data::FactoryConfig;
use support::{auc, company};

const SEEDS: u64 = 12;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

fn aucs(detector: &AccessAnomaly, of_data: impl Fn(u64) -> FactoryConfig) -> Vec<f64> {
    let one = |seed| {
        let (train, intra, inter) = company(&["t"], of_data(seed), 0.25, true);
        let detector = detector.clone().seed(seed);
        let model = train.with(|c| detector.fit(c, &train.likelihood, &())).unwrap();
        let scores = |t: &support::Table| -> Vec<f64> {
            t.with(|c| model.score(c)).unwrap().into_iter().map(|s| s.unwrap()).collect()
        };
        auc(&scores(&intra), &scores(&inter))
    };
    (0..SEEDS).map(one).collect()
}

fn report(what: &str, values: &[f64]) -> f64 {
    let middle = median(values.to_vec());
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    println!("{what}: median {middle:.4}, {least:.4} to {most:.4} over {} seeds", values.len());
    middle
}

#[test]
fn auc_over_12_seeds() {
    let default = |_| FactoryConfig::default();
    let redrawn = |seed| FactoryConfig { seed, ..FactoryConfig::default() };
    let (implicit, explicit) = (AccessAnomaly::new(), AccessAnomaly::new().explicit());
    let a = report("implicit AUC, default data", &aucs(&implicit, default));
    let b = report("explicit AUC, default data", &aucs(&explicit, default));
    let c = report("implicit AUC, data redrawn per seed", &aucs(&implicit, redrawn));
    let d = report("explicit AUC, data redrawn per seed", &aucs(&explicit, redrawn));
    assert!(a >= 0.985 && c >= 0.985, "implicit {a} {c}");
    assert!(b >= 0.99 && d >= 0.99, "explicit {b} {d}");
}

/// Share of rows with p < 0.01, over seeds.
#[test]
fn calibrated_p_values() {
    for (what, base) in [("implicit", AccessAnomaly::new()), ("explicit", AccessAnomaly::new().explicit())] {
        let (mut normal, mut anomalous) = (Vec::new(), Vec::new());
        for seed in 0..SEEDS {
            let config = FactoryConfig { seed, ..FactoryConfig::default() };
            let (train, intra, inter) = company(&["t"], config, 0.25, true);
            let plain = base.clone().seed(seed);
            let calibrated = plain.clone().calibration_folds(10);
            let model = train.with(|c| calibrated.fit(c, &train.likelihood, &())).unwrap();
            let uncalibrated = train.with(|c| plain.fit(c, &train.likelihood, &())).unwrap();
            for table in [&train, &intra, &inter] {
                let scored = table.with(|c| model.score_all(c)).unwrap();
                assert_eq!(scored.score, table.with(|c| uncalibrated.score(c)).unwrap());
            }
            let flagged = |t: &support::Table| {
                let p = t.with(|c| model.score_all(c)).unwrap().p_value;
                p.iter().filter(|p| p.unwrap() < 0.01).count() as f64 / p.len() as f64
            };
            normal.push(flagged(&intra));
            anomalous.push(flagged(&inter));
        }
        let a = report(&format!("{what}: share of normal unseen with p < 0.01"), &normal);
        let b = report(&format!("{what}: share of anomalous with p < 0.01"), &anomalous);
        assert!(a <= 0.02, "{what}: {a}");
        assert!(b >= 0.7, "{what}: {b}");
    }
}

#[test]
fn baseline_over_12_seeds() {
    let one = |seed| {
        let config = FactoryConfig { seed, ..FactoryConfig::default() };
        let (train, intra, inter) = company(&["t"], config, 0.25, true);
        let model = train.with(|c| detector("peer_share").unwrap().fit(c, &train.likelihood, &())).unwrap();
        let scored = |t: &support::Table| t.with(|c| model.score_all(c)).unwrap();
        let flagged = |t: &support::Table| {
            let p = scored(t).p_value;
            p.iter().filter(|p| p.unwrap() < 0.01).count() as f64 / p.len() as f64
        };
        let scores = |t: &support::Table| -> Vec<f64> { scored(t).score.into_iter().flatten().collect() };
        (auc(&scores(&intra), &scores(&inter)), flagged(&intra), flagged(&inter))
    };
    let all: Vec<(f64, f64, f64)> = (0..SEEDS).map(one).collect();
    let auc = report("peer share AUC", &all.iter().map(|a| a.0).collect::<Vec<_>>());
    report("peer share: normal with p < 0.01", &all.iter().map(|a| a.1).collect::<Vec<_>>());
    report("peer share: anomalous with p < 0.01", &all.iter().map(|a| a.2).collect::<Vec<_>>());
    assert!(auc >= 0.9, "{auc}");
}
