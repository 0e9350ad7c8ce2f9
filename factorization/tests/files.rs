//! Models as folders: exact round trips, clear errors, models of SynapseML.

mod support;

use huntbook_factorization::files::read_synapse;
use huntbook_factorization::{Access, AccessAnomaly, AccessAnomalyModel, Error, PeerShare, load};
use huntbook_sample_data::FactoryConfig;
use polars::prelude::*;
use std::path::Path;
use support::{Table, company};

fn data() -> (Table, Table, Table) {
    company(&["t0", "t1"], FactoryConfig::default(), 0.25, true)
}

fn fit(detector: &AccessAnomaly, train: &Table) -> AccessAnomalyModel {
    train.with(|c| detector.fit(c, &train.likelihood, &())).unwrap()
}

#[test]
fn a_model_read_back_is_the_same_to_the_bit() {
    let (train, intra, inter) = data();
    let base =
        AccessAnomaly::new().max_iter(3).seed(u64::MAX).reg_param(0.1).training_window("2026-01-01", "2026-02-01");
    let history = [Access::new("t0", "hr_user_0", "ffa"), Access::new("t1", "eng_user_3", "ffa")];
    let detectors = [
        base.clone(),
        base.clone().explicit().neg_score(1.0 / 3.0),
        base.clone().calibration_folds(3),
        base.history(history),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/model");
    for detector in detectors {
        let model = fit(&detector, &train);
        model.save(&path).unwrap();
        let again = AccessAnomalyModel::load(&path).unwrap();
        assert!(again == model);
        for table in [&train, &intra, &inter] {
            let (a, b) = (table.with(|c| again.score_all(c)), table.with(|c| model.score_all(c)));
            assert_eq!(a.unwrap(), b.unwrap());
        }
        let any = load(&path).unwrap();
        assert_eq!(any.name(), "access_anomaly");
        let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "temporary folders are gone");
    }
    let peers = train.with(|c| PeerShare::default().fit(c, &())).unwrap();
    let path = folder.path().join("peers");
    peers.save(&path).unwrap();
    let any = load(&path).unwrap();
    assert_eq!(any.name(), "peer_share");
    assert_eq!(inter.with(|c| any.score_all(c)).unwrap(), inter.with(|c| peers.score_all(c)).unwrap());
    assert!(matches!(AccessAnomalyModel::load(&path), Err(Error::File { .. })));
}

#[test]
fn damaged_and_newer_models_are_clear_errors() {
    let (train, _, _) = data();
    let model = fit(&AccessAnomaly::new().max_iter(2).calibration_folds(2), &train);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let fails_with = |words: &str| {
        let error = AccessAnomalyModel::load(&path).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::File { .. }) && text.contains(words), "{text}");
    };
    fails_with("model.json");
    let edit = |from: &str, to: &str| {
        let file = path.join("model.json");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    };
    let edits = [
        ("\"format_version\": 1", "\"format_version\": 2", "update"),
        ("\"format_version\": 1", "\"format_version\": 0", "damaged"),
        ("huntbook access anomaly model", "cake", "cake"),
        ("\"rank\": 10", "\"rank\": 11", "not 13"),
        ("\"rank\": 10", "\"rank\": 18446744073709551615", "rank"),
        ("\"users\": 44", "\"users\": 43", "44"),
        ("\"t0\"", "\"t5\"", "t0"),
        ("{", "[", "damaged"),
    ];
    for (from, to, words) in edits {
        model.save(&path).unwrap();
        let file = path.join("model.json");
        if from.contains("users") {
            // The count of the table, not of the summary.
            let text = std::fs::read_to_string(&file).unwrap();
            let at = text.find("\"rows\": {").unwrap();
            std::fs::write(&file, format!("{}{}", &text[..at], text[at..].replacen(from, to, 1))).unwrap();
        } else {
            edit(from, to);
        }
        fails_with(words);
    }
    for table in ["users", "resources", "accesses", "held_out"] {
        model.save(&path).unwrap();
        let file = path.join(format!("{table}.parquet"));
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        fails_with(table);
        std::fs::remove_file(&file).unwrap();
        fails_with(table);
    }
}

#[test]
fn saving_never_destroys_what_is_not_a_model() {
    let (train, _, _) = data();
    let model = fit(&AccessAnomaly::new().max_iter(1), &train);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("diary.txt"), "dear").unwrap();
    assert!(matches!(model.save(&path), Err(Error::File { .. })));
    assert_eq!(std::fs::read_to_string(path.join("diary.txt")).unwrap(), "dear");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(model.save(&file), Err(Error::File { .. })));
    assert!(matches!(model.save(file.join("below")), Err(Error::File { .. })));
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    model.save(&empty).unwrap();
    assert!(AccessAnomalyModel::load(&empty).is_ok());
}

fn write(folder: &Path, part: &str, columns: Vec<Column>) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("_SUCCESS"), "").unwrap();
    let mut frame = DataFrame::new(columns[0].len(), columns).unwrap();
    let file = std::fs::File::create(folder.join(part)).unwrap();
    ParquetWriter::new(file).with_compression(ParquetCompression::Snappy).finish(&mut frame).unwrap();
}

/// As SynapseML writes it: a folder of parts per table, components as 64-bit integers, rows in any order.
fn write_as_synapse(model: &AccessAnomalyModel, path: &Path, suffix: &str) {
    let text = |name: &str, values: Vec<&str>| Column::new(name.into(), values);
    let meta = ["tenant_col", "user_col", "user_vec_col", "res_col", "res_vec_col", "output_col"];
    let names = ["tenant", "user", "user_vector", "res", "res_vector", "anomaly_score"];
    let mut columns: Vec<Column> = meta.iter().zip(names).map(|(m, n)| text(m, vec![n])).collect();
    columns.push(Column::new("has_history_access_df".into(), vec![false]));
    write(&path.join("metadata_df").join(suffix), "part-0.snappy.parquet", columns);
    let vectors = |table: &str, key: &str, mut of: Vec<(&str, &str, &[f64])>| {
        of.reverse();
        let half = of.len() / 2;
        for (i, part) in [&of[..half], &of[half..]].into_iter().enumerate() {
            let lists: Vec<Series> = part.iter().map(|v| Series::new("".into(), v.2)).collect();
            let columns = vec![
                text("tenant", part.iter().map(|v| v.0).collect()),
                text(key, part.iter().map(|v| v.1).collect()),
                Column::new(format!("{key}_vector").into(), lists),
            ];
            write(&path.join(table).join(suffix), &format!("part-{i}.snappy.parquet"), columns);
        }
    };
    vectors(
        "user_feature_vector_mapping_df",
        "user",
        model.user_vectors().map(|v| (v.tenant, v.name, v.vector)).collect(),
    );
    vectors(
        "res_feature_vector_mapping_df",
        "res",
        model.res_vectors().map(|v| (v.tenant, v.name, v.vector)).collect(),
    );
    let components = |table: &str, key: &str, of: Vec<(&str, &str, u32)>| {
        let columns = vec![
            text("tenant", of.iter().map(|c| c.0).collect()),
            text(key, of.iter().map(|c| c.1).collect()),
            Column::new("component".into(), of.iter().map(|c| i64::from(c.2)).collect::<Vec<_>>()),
        ];
        write(&path.join(table).join(suffix), "part-0.snappy.parquet", columns);
    };
    let of_users = model.user_components().map(|c| (c.tenant, c.name, c.component)).collect();
    components("user2component_mappings_df", "user", of_users);
    let of_resources = model.res_components().map(|c| (c.tenant, c.name, c.component)).collect();
    components("res2component_mappings_df", "res", of_resources);
}

#[test]
fn models_of_synapse_score_the_same() {
    let config = FactoryConfig { single_component: false, ..FactoryConfig::default() };
    let (train, intra, inter) = company(&["t0", "t1"], config, 0.25, true);
    let model = fit(&AccessAnomaly::new().max_iter(3), &train);
    for suffix in ["", "day=1"] {
        let folder = tempfile::tempdir().unwrap();
        write_as_synapse(&model, folder.path(), suffix);
        let read = read_synapse(folder.path()).unwrap();
        for table in [&train, &intra, &inter] {
            assert_eq!(table.with(|c| read.score(c)).unwrap(), table.with(|c| model.score(c)).unwrap());
        }
        // What is in the vectors is known again.
        for (a, b) in read.tenants().iter().zip(model.tenants()) {
            assert!((a.mean - b.mean).abs() < 1e-12 && (a.std - b.std).abs() < 1e-12);
        }
        // It can be kept in our format.
        let own = folder.path().join("own");
        read.save(&own).unwrap();
        assert!(AccessAnomalyModel::load(&own).unwrap() == read);

        // Without the component tables nothing is infinite; half of them is an error.
        std::fs::remove_dir_all(folder.path().join("user2component_mappings_df")).unwrap();
        let error = read_synapse(folder.path()).unwrap_err();
        assert!(error.to_string().contains("user2component_mappings_df"), "{error}");
        std::fs::remove_dir_all(folder.path().join("res2component_mappings_df")).unwrap();
        let read = read_synapse(folder.path()).unwrap();
        assert!(inter.with(|c| read.score(c)).unwrap().iter().all(|s| s.unwrap().is_finite()));

        let columns = vec![
            Column::new("tenant".into(), ["t0"]),
            Column::new("user".into(), ["hr_user_0"]),
            Column::new("res".into(), ["hr_res_0"]),
        ];
        write(&folder.path().join("history_access_df").join(suffix), "part-0.parquet", columns);
        let read = read_synapse(folder.path()).unwrap();
        assert_eq!(read.score_one("t0", "hr_user_0", "hr_res_0"), Some(0.0));
        std::fs::remove_dir_all(folder.path().join("user_feature_vector_mapping_df")).unwrap();
        let error = read_synapse(folder.path()).unwrap_err();
        assert!(error.to_string().contains("user_feature_vector_mapping_df"), "{error}");
    }
}

fn names_of(frame: &DataFrame) -> Vec<&str> {
    frame.get_column_names().into_iter().map(|name| name.as_str()).collect()
}

#[test]
fn frames_keep_rows_order_and_columns() {
    let (train, _, _) = data();
    let text = |name: &str, values: &[String]| Column::new(name.into(), values);
    let likelihood: Vec<f64> = train.likelihood.iter().flatten().copied().collect();
    let rows: Vec<u32> = (0..train.len() as u32).collect();
    let columns = vec![
        Column::new("row".into(), &rows),
        text("tenant", &train.tenant),
        text("user", &train.user),
        text("res", &train.res),
        Column::new("likelihood".into(), &likelihood),
    ];
    let frame = DataFrame::new(train.len(), columns).unwrap();
    let detector = AccessAnomaly::new().max_iter(3).output_col("score");
    let model = detector.fit_frame(&frame, &()).unwrap();
    let scored = model.transform(&frame).unwrap();
    assert_eq!(names_of(&scored), ["row", "tenant", "user", "res", "likelihood", "score"]);
    assert!(scored.column("row").unwrap().u32().unwrap().iter().flatten().eq(0..train.len() as u32));
    let expected = train.with(|c| model.score(c)).unwrap();
    assert!(scored.column("score").unwrap().f64().unwrap().iter().eq(expected));
    let calibrated = detector.clone().calibration_folds(2).fit_frame(&frame, &()).unwrap();
    let names = calibrated.transform(&frame).unwrap();
    assert_eq!(names_of(&names)[5..], ["score", "p_value", "rank_in_tenant"]);
    for (columns, words) in [(["x", "user", "res", "likelihood"], "x"), (["tenant", "user", "res", "user"], "number")] {
        let [t, u, r, l] = columns;
        let error = detector.clone().columns(t, u, r, l).fit_frame(&frame, &()).unwrap_err();
        assert!(matches!(error, Error::Column { .. }) && error.to_string().contains(words), "{error}");
    }
    // Numbers are keys too.
    let numbers = DataFrame::new(
        3,
        vec![
            Column::new("tenant".into(), [1i64, 1, 1]),
            Column::new("user".into(), [10i64, 20, 20]),
            Column::new("res".into(), [7u32, 7, 8]),
            Column::new("likelihood".into(), [1i64, 2, 3]),
        ],
    );
    let model = AccessAnomaly::new().rank(1).fit_frame(&numbers.unwrap(), &()).unwrap();
    assert!(model.score_one("1", "20", "8").is_some());
}
