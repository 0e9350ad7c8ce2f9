//! Compares with vectors recorded from the reference implementation, if `HUNTBOOK_CONFORMANCE` names the
//! folder that has them (`factorization/<case>/…`).

mod support;

use huntbook_factorization::scaler::min_max_per_group;
use huntbook_factorization::{Access, AccessAnomaly, AccessAnomalyModel, NamedComponent, NamedVector, Replay};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use support::{Table, auc, mean, std};

type Key = (String, String);

struct Csv {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Csv {
    fn read(path: &Path) -> Csv {
        let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let header = lines.next().expect("a header");
        Csv { header, rows: lines.collect() }
    }

    fn column(&self, name: &str) -> Vec<String> {
        let i = self.header.iter().position(|h| h == name);
        let i = i.unwrap_or_else(|| panic!("no column {name}"));
        self.rows.iter().map(|r| r[i].clone()).collect()
    }

    /// (tenant, name) → the numbers after them.
    fn vectors(&self) -> HashMap<Key, Vec<f64>> {
        let numbers = |r: &[String]| r[2..].iter().map(|v| v.parse().unwrap()).collect();
        let keyed = |r: &Vec<String>| ((r[0].clone(), r[1].clone()), numbers(r));
        self.rows.iter().map(keyed).collect()
    }
}

fn table(csv: &Csv, likelihood: Option<&str>) -> Table {
    let rows = csv.rows.len();
    Table {
        tenant: csv.column("tenant"),
        user: csv.column("user"),
        res: csv.column("res"),
        likelihood: match likelihood {
            Some(name) => csv.column(name).iter().map(|v| v.parse().ok()).collect(),
            None => vec![None; rows],
        },
    }
}

struct Case {
    dir: PathBuf,
    implicit: bool,
    default_parameters: bool,
    range: (f64, f64),
    train: Table,
    detector: AccessAnomaly,
    tenants: usize,
}

/// The folders with recorded vectors.
fn cases() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("HUNTBOOK_CONFORMANCE") else {
        eprintln!("skipped: HUNTBOOK_CONFORMANCE is not set to the folder with the recorded vectors");
        return Vec::new();
    };
    let root = Path::new(&root).join("factorization");
    let listed = std::fs::read_dir(&root);
    let listed = listed.unwrap_or_else(|e| panic!("HUNTBOOK_CONFORMANCE: folder {}: {e}", root.display()));
    let mut cases: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.join("params.json").exists());
    cases.sort();
    assert!(!cases.is_empty(), "no vectors in {}", root.display());
    cases
}

fn load(dir: PathBuf) -> Case {
    let json = std::fs::read_to_string(dir.join("params.json")).expect("params.json");
    let json: serde_json::Value = serde_json::from_str(&json).expect("params.json");
    let p = &json["params"];
    let number = |key: &str| p[key].as_f64().unwrap_or_else(|| panic!("no {key}"));
    let mut detector = AccessAnomaly::new()
        .rank(number("rank") as usize)
        .max_iter(number("maxIter") as usize)
        .reg_param(number("regParam"))
        .scale(Some((number("lowValue"), number("highValue"))))
        .separate_tenants(p["separateTenants"] == true)
        // As the reference: joint tenants are zeros for each other.
        .cross_tenant_zeros(true);
    detector = if p["implicit"] == true {
        detector.alpha(number("alpha"))
    } else {
        let factor = number("complementsetFactor") as usize;
        detector.explicit().complementset_factor(factor).neg_score(number("negScore"))
    };
    if p["history"] == true {
        let h = table(&Csv::read(&dir.join("history.csv")), None);
        let rows = h.tenant.iter().zip(&h.user).zip(&h.res);
        detector = detector.history(rows.map(|((t, u), r)| Access::new(t, u, r)));
    }
    let train = table(&Csv::read(&dir.join("train.csv")), Some("likelihood"));
    let mut tenants = train.tenant.clone();
    tenants.sort();
    tenants.dedup();
    let (implicit, range) = (p["implicit"] == true, (number("lowValue"), number("highValue")));
    let defaults = [("rank", 10.0), ("maxIter", 25.0), ("regParam", 1.0), ("alpha", 1.0)];
    let defaults = defaults.into_iter().chain([("complementsetFactor", 2.0), ("negScore", 1.0)]);
    let default_parameters = defaults.into_iter().all(|(key, value)| p[key].as_f64().is_none_or(|v| v == value));
    Case { tenants: tenants.len(), dir, implicit, default_parameters, range, train, detector }
}

fn worst_vectors<'a>(
    got: impl Iterator<Item = NamedVector<'a>>,
    expected: &HashMap<Key, Vec<f64>>,
    raw: impl Fn(&NamedVector<'a>) -> Vec<f64>,
) -> f64 {
    let (mut count, mut worst) = (0, 0.0f64);
    for v in got {
        let wanted = &expected[&(v.tenant.to_owned(), v.name.to_owned())];
        let raw = raw(&v);
        assert_eq!(raw.len(), wanted.len());
        count += 1;
        for (a, b) in raw.iter().zip(wanted) {
            worst = worst.max((a - b).abs());
        }
    }
    assert_eq!(count, expected.len());
    worst
}

fn check_components<'a>(got: impl Iterator<Item = NamedComponent<'a>>, path: &Path) {
    let expected: Vec<Vec<String>> = Csv::read(path).rows;
    let got: Vec<Vec<String>> =
        got.map(|c| vec![c.tenant.to_owned(), c.name.to_owned(), c.component.to_string()]).collect();
    assert_eq!(got, expected, "{}", path.display());
}

fn recorded_scores(csv: &Csv, rows: usize) -> Vec<Option<f64>> {
    let mut scores: Vec<Option<Option<f64>>> = vec![None; rows];
    // The reference repeats a row whose pair is repeated in the history.
    for (row, score) in csv.column("row").iter().zip(csv.column("anomaly_score")) {
        let row: usize = row.parse().unwrap();
        scores[row] = Some((score != "null").then(|| score.parse().unwrap()));
    }
    let known = |(row, score): (usize, Option<_>)| score.unwrap_or_else(|| panic!("row {row} is not in the vectors"));
    scores.into_iter().enumerate().map(known).collect()
}

/// Largest difference; fails on any other pattern of null, inf and history zeros.
fn worst_score(model: &AccessAnomalyModel, input: &Table, expected: &Csv) -> f64 {
    let scores = input.with(|c| model.score(c)).unwrap();
    assert_eq!(scores.len(), input.len());
    let wanted = recorded_scores(expected, scores.len());
    let mut worst = 0.0f64;
    for (row, (got, wanted)) in scores.iter().zip(wanted).enumerate() {
        match (*got, wanted) {
            (None, None) => {}
            (Some(g), Some(w)) if w == f64::INFINITY || w == 0.0 => assert_eq!(g, w, "row {row}"),
            (Some(g), Some(w)) => {
                let unit = if w.abs() > 10.0 { w.abs() } else { 1.0 };
                worst = worst.max((g - w).abs() / unit);
            }
            other => panic!("row {row}: {other:?}"),
        }
    }
    worst
}

fn check(dir: PathBuf) {
    let name = dir.file_name().unwrap().to_string_lossy().into_owned();
    let case = load(dir);
    let file = |f: &str| case.dir.join(f);
    let csv = |f: &str| Csv::read(&file(f));

    // Scaled likelihoods, per access.
    let (happened, complement) = enriched(&csv("enriched.csv"));
    let codes: Vec<u32> = {
        let mut names = case.train.tenant.clone();
        names.sort();
        names.dedup();
        let code = |t: &String| names.binary_search(t).unwrap() as u32;
        case.train.tenant.iter().map(code).collect()
    };
    let plain: Vec<f64> = case.train.likelihood.iter().flatten().copied().collect();
    let scaled = min_max_per_group(&codes, case.tenants, &plain, case.range.0, case.range.1);
    let keyed = |t: &Table, values: &[f64]| {
        let rows = t.tenant.iter().zip(&t.user).zip(&t.res).zip(values);
        let mut rows: Vec<_> = rows.map(|(((t, u), r), &v)| (t.clone(), u.clone(), r.clone(), v)).collect();
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows
    };
    let theirs: Vec<f64> = happened.likelihood.iter().flatten().copied().collect();
    let (ours, theirs) = (keyed(&case.train, &scaled), keyed(&happened, &theirs));
    assert_eq!(ours.len(), theirs.len());
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!((&a.0, &a.1, &a.2), (&b.0, &b.1, &b.2));
        assert!((a.3 - b.3).abs() <= 1e-12, "{a:?} {b:?}");
    }

    // The deterministic path.
    let mut start = Replay::new();
    if !case.implicit {
        start.complement(complement.clone());
    }
    for ((tenant, user), vector) in csv("init_user_factors.csv").vectors() {
        start.insert(tenant, user, vector.iter().map(|&v| v as f32).collect());
    }
    let model = case.train.with(|c| case.detector.fit_replaying(c, &case.train.likelihood, &start, &())).unwrap();
    let stds: HashMap<&str, f64> = model.tenants().iter().map(|t| (&*t.name, t.std)).collect();
    let rank = model.summary().rank;
    let users = worst_vectors(model.user_vectors(), &csv("als_user_factors.csv").vectors(), |v| {
        v.vector[..rank].iter().map(|x| -x * stds[v.tenant]).collect()
    });
    let resources = worst_vectors(model.res_vectors(), &csv("als_res_factors.csv").vectors(), |v| {
        assert_eq!(v.vector[rank..], [1.0, 0.0]);
        v.vector[..rank].to_vec()
    });
    let layout = worst_vectors(model.user_vectors(), &csv("model_user_vectors.csv").vectors(), |v| v.vector.to_vec());
    check_components(model.user_components(), &file("user_components.csv"));
    check_components(model.res_components(), &file("res_components.csv"));
    let test = csv("test.csv");
    let on_test = worst_score(&model, &table(&test, None), &csv("scores_test.csv"));
    let on_train = worst_score(&model, &case.train, &csv("scores_train.csv"));
    if !case.dir.join("history.csv").exists() {
        standardised(&model, &happened, &complement);
    }
    println!(
        "{name}: max difference users {users:.1e}, resources {resources:.1e}, model vectors {layout:.1e}, \
         test scores {on_test:.1e}, training scores {on_train:.1e}"
    );
    assert!(users <= 5e-5 && resources <= 5e-5, "factors {users} {resources}");
    assert!(on_test <= 1e-4 && on_train <= 1e-4, "scores {on_test} {on_train}");

    own_seeds(&name, &case, &test, complement.len());
}

/// Over all rows that ALS saw, a tenant's scores have mean 0 and standard deviation 1; infinite ones have none.
fn standardised(model: &AccessAnomalyModel, happened: &Table, complement: &[Access]) {
    let mut all = happened.clone();
    complement.iter().for_each(|a| all.push(&a.tenant, &a.user, &a.res, 1.0));
    let scores = all.with(|c| model.score(c)).unwrap();
    for tenant in model.tenants() {
        let own = scores.iter().zip(&all.tenant).filter(|(_, t)| **t == tenant.name);
        let own: Vec<f64> = own.map(|(s, _)| s.unwrap()).collect();
        assert_eq!(own.len(), tenant.rows + tenant.complement_rows);
        if own.iter().all(|s| s.is_finite()) {
            assert!(mean(&own).abs() < 1e-9 && (std(&own) - 1.0).abs() < 1e-9, "{}", tenant.name);
        }
    }
}

/// The rows that happened, and those that were sampled.
fn enriched(csv: &Csv) -> (Table, Vec<Access>) {
    let rows = table(csv, Some("scaled_likelihood"));
    let (mut happened, mut complement) = (Table::default(), Vec::new());
    for (i, sampled) in csv.column("is_complement").iter().enumerate() {
        let (tenant, user, res) = (&rows.tenant[i], &rows.user[i], &rows.res[i]);
        match sampled.as_str() {
            "0" => happened.push(tenant, user, res, rows.likelihood[i].unwrap()),
            _ => complement.push(Access::new(tenant, user, res)),
        }
    }
    (happened, complement)
}

/// What must hold for our own starts. With the default parameters every start must be good; other parameters (few
/// factors, large alpha) have poor local optima, so that their median counts.
fn own_seeds(name: &str, case: &Case, test: &Csv, recorded_complement: usize) {
    let kinds = test.column("kind");
    let input = table(test, None);
    let recorded = recorded_scores(&Csv::read(&case.dir.join("scores_test.csv")), input.len());
    let (mut aucs, mut gaps, mut correlations) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..12 {
        let train = &case.train;
        let detector = case.detector.clone().seed(seed);
        let model = train.with(|c| detector.fit(c, &train.likelihood, &())).unwrap();
        if case.implicit && !case.dir.join("history.csv").exists() {
            let scores = train.with(|c| model.score(c)).unwrap();
            for tenant in model.tenants() {
                let of_tenant = scores.iter().zip(&train.tenant);
                let of_tenant = of_tenant.filter(|(_, t)| **t == tenant.name);
                let of_tenant: Vec<f64> = of_tenant.map(|(s, _)| s.unwrap()).collect();
                assert!(mean(&of_tenant).abs() < 1e-9);
                assert!((std(&of_tenant) - 1.0).abs() < 1e-9);
            }
        }
        let drawn = model.summary().complement_rows as f64;
        // Both are draws of one distribution, whose deviation is below the root of its mean.
        let difference = (drawn - recorded_complement as f64).abs();
        assert!(difference <= 7.1 * (recorded_complement as f64).sqrt(), "{name}: {drawn} {recorded_complement}");
        let scores = input.with(|c| model.score(c)).unwrap();
        let of_kind = |wanted: &str| -> Vec<f64> {
            let rows = scores.iter().zip(&kinds).filter(|(_, k)| *k == wanted);
            rows.filter_map(|(s, _)| *s).collect()
        };
        let (intra, inter) = (of_kind("intra"), of_kind("inter"));
        if intra.is_empty() || inter.is_empty() {
            return;
        }
        let both = scores.iter().zip(&recorded).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
        let both: Vec<(f64, f64)> = both.filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
        correlations.push(spearman(&both));
        aucs.push(auc(&intra, &inter));
        gaps.push(mean(&inter) - mean(&intra));
    }
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    println!(
        "{name}: 12 own seeds, AUC least {:.4} median {:.4}, least inter - intra {:.2}, rank correlation with the \
         recorded scores least {:.3} median {:.3}",
        least(&aucs),
        median(&aucs),
        least(&gaps),
        least(&correlations),
        median(&correlations)
    );
    let gap = if case.implicit { 2.0 } else { 1.0 };
    let infinite = recorded.iter().flatten().any(|s| s.is_infinite());
    let bar = |values: &[f64]| if case.default_parameters { least(values) } else { median(values) };
    assert!(bar(&aucs) >= 0.95 && least(&gaps) >= gap, "{aucs:?} {gaps:?}");
    assert!(!case.default_parameters || infinite || least(&correlations) >= 0.75, "{correlations:?}");
}

fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let ranks = |of: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        order.sort_by(|&a, &b| of(&pairs[a]).total_cmp(&of(&pairs[b])));
        let mut ranks = vec![0.0; pairs.len()];
        order.into_iter().enumerate().for_each(|(rank, i)| ranks[i] = rank as f64);
        ranks
    };
    let (a, b) = (ranks(|p| p.0), ranks(|p| p.1));
    let middle = (pairs.len() - 1) as f64 / 2.0;
    let product: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (a - middle) * (b - middle)).collect();
    mean(&product) / (std(&a) * std(&b))
}

#[test]
fn every_recorded_case_is_reproduced() {
    let failed: Vec<PathBuf> =
        cases().into_iter().filter(|c| std::panic::catch_unwind(|| check(c.clone())).is_err()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
