//! The facts that tests of the original generator state, and that no configuration makes it loop for ever.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use huntbook_sample_data::{Access, DataFactory, Error, FactoryConfig};

fn separate() -> FactoryConfig {
    FactoryConfig { single_component: false, ..FactoryConfig::default() }
}

fn department(name: &str) -> &str {
    name.split('_').next().unwrap()
}

fn pairs(accesses: &[Access]) -> HashSet<(&str, &str)> {
    accesses.iter().map(|access| (access.user.as_str(), access.res.as_str())).collect()
}

/// Resources that two users share, for each pair of users: same department, different departments.
fn shared_resources(accesses: &[Access]) -> (Vec<usize>, Vec<usize>) {
    let mut reach: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for access in accesses {
        reach.entry(&access.user).or_default().insert(&access.res);
    }
    let users: Vec<_> = reach.iter().collect();
    let (mut same, mut different) = (Vec::new(), Vec::new());
    for (index, (a, a_reaches)) in users.iter().enumerate() {
        for (b, b_reaches) in &users[..index] {
            let shared = a_reaches.intersection(b_reaches).count();
            if department(a) == department(b) { same.push(shared) } else { different.push(shared) }
        }
    }
    (same, different)
}

#[test]
fn training_covers_everybody_with_distinct_pairs() {
    let training = DataFactory::new(FactoryConfig::default()).training(0.25).unwrap();
    assert_eq!(pairs(&training).len(), training.len());
    let users: BTreeSet<&str> = training.iter().map(|access| access.user.as_str()).collect();
    let resources: BTreeSet<&str> = training.iter().map(|access| access.res.as_str()).collect();
    assert_eq!((users.len(), resources.len()), (22, 106));
    assert_eq!(training.iter().filter(|access| access.res == "ffa").count(), 22);
    assert!((232..600).contains(&training.len()), "{} rows", training.len());
    for access in &training {
        assert!(access.res == "ffa" || department(&access.user) == department(&access.res));
        assert!((500.0..=1000.0).contains(&access.likelihood) && access.likelihood.fract() == 0.0);
    }
}

#[test]
fn users_share_resources_within_departments_only() {
    for seed in 0..20 {
        let training = DataFactory::new(FactoryConfig { seed, ..separate() }).training(0.25).unwrap();
        let (_, different) = shared_resources(&training);
        assert!(different.iter().all(|shared| *shared == 0));
    }
    let training = DataFactory::new(separate()).training(0.25).unwrap();
    let (same, _) = shared_resources(&training);
    let mean = same.iter().sum::<usize>() as f64 / same.len() as f64;
    let (min, max) = (same.iter().min().unwrap(), same.iter().max().unwrap());
    assert!((1..=2).contains(min) && *max >= 9 && mean >= 5.0, "min {min}, max {max}, mean {mean}");
}

#[test]
fn intra_test_rows_are_new_and_of_the_same_department() {
    let factory = DataFactory::new(separate());
    let training = factory.training(0.25).unwrap();
    let test = factory.intra_test(&training).unwrap();
    assert_eq!(test.len(), 21 + 25 + 70);
    assert!(test.iter().all(|access| department(&access.user) == department(&access.res)));
    assert_eq!(pairs(&test).len(), test.len());
    assert!(pairs(&test).is_disjoint(&pairs(&training)));
}

#[test]
fn inter_test_rows_cross_departments() {
    let factory = DataFactory::new(separate());
    let training = factory.training(0.25).unwrap();
    let test = factory.inter_test(&training).unwrap();
    assert_eq!(test.len(), 18 + 35 + 30 + 50 + 35 + 42);
    assert!(test.iter().all(|access| department(&access.user) != department(&access.res)));
    assert_eq!(pairs(&test).len(), test.len());
}

#[test]
fn default_test_sets_are_large_enough_and_scale_one_follows_the_ratios() {
    let sizes = |test_scale| {
        let factory = DataFactory::new(FactoryConfig { test_scale, ..FactoryConfig::default() });
        let training = factory.training(0.25).unwrap();
        (factory.intra_test(&training).unwrap().len(), factory.inter_test(&training).unwrap().len())
    };
    assert_eq!(sizes(4.0), (138, 232));
    assert_eq!(sizes(1.0), (22 + 6 + 7 + 18, 22 + 5 + 9 + 8 + 13 + 9 + 11));
}

#[test]
fn equal_seeds_yield_equal_data_in_any_order_of_calls() {
    let factory = DataFactory::new(FactoryConfig::default());
    let training = factory.training(0.25).unwrap();
    let inter = factory.inter_test(&training).unwrap();
    let again = DataFactory::new(FactoryConfig::default());
    assert_eq!(again.inter_test(&training).unwrap(), inter);
    assert_eq!(again.training(0.25).unwrap(), training);
    let other = DataFactory::new(FactoryConfig { seed: 43, ..FactoryConfig::default() });
    assert_ne!(other.training(0.25).unwrap(), training);
}

/// Pins the very bytes: another version of the random generator would change every notebook's numbers.
#[test]
fn the_default_seed_is_pinned() {
    let training = DataFactory::new(FactoryConfig::default()).training(0.25).unwrap();
    let first: Vec<String> =
        training[22..25].iter().map(|access| format!("{} {} {}", access.user, access.res, access.likelihood)).collect();
    assert_eq!((training.len(), first.join(", ").as_str()), PINNED);
}

const PINNED: (usize, &str) = (335, "hr_user_1 hr_res_26 604, hr_user_5 hr_res_15 882, hr_user_3 hr_res_17 683");

#[test]
fn a_full_training_set_leaves_nothing_to_test() {
    let factory = DataFactory::new(FactoryConfig::default());
    let training = factory.training(1.0).unwrap();
    assert_eq!(training.len(), 22 + 7 * 30 + 5 * 25 + 10 * 50);
    assert_eq!(
        factory.intra_test(&training),
        Err(Error::NotEnoughNewPairs { from: "hr", to: "hr", wanted: 21, available: 0 })
    );
    assert!(factory.inter_test(&training).is_ok());
}

#[test]
fn odd_configurations_end_with_data_or_an_error() {
    let sizes = [(0, 0), (1, 1), (1, 50), (50, 1), (2, 3), (0, 5), (5, 0), (usize::MAX, 1), (3, usize::MAX)];
    for hr in sizes {
        for fin in sizes {
            for ratio in [0.0, 0.3, 1.0, -0.1, f64::NAN] {
                for test_scale in [4.0, 1e300, 0.0, f64::NAN] {
                    let config = FactoryConfig { hr, fin, eng: (0, 0), test_scale, ..FactoryConfig::default() };
                    let factory = DataFactory::new(config);
                    if let Ok(training) = factory.training(ratio) {
                        assert!(training.len() <= 2 * (50 * 50 + 50));
                        let _ = factory.intra_test(&training);
                        let _ = factory.inter_test(&training);
                    }
                }
            }
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let factory = |config| DataFactory::new(config);
    assert_eq!(factory(FactoryConfig::default()).training(1.5), Err(Error::InvalidRatio(1.5)));
    let lopsided = FactoryConfig { fin: (5, 0), ..FactoryConfig::default() };
    let message = factory(lopsided).training(0.25).unwrap_err().to_string();
    assert_eq!(message, "department fin has 5 users and 0 resources: both must be zero or neither");
    let huge = FactoryConfig { hr: (10_000_000, 10_000_000), ..FactoryConfig::default() };
    assert!(matches!(factory(huge).training(0.25), Err(Error::TooLarge { what: "rows", .. })));
}

#[test]
fn a_large_sparse_factory_needs_memory_for_its_rows_only() {
    let config = FactoryConfig { hr: (20_000, 2_000), fin: (0, 0), eng: (0, 0), ..FactoryConfig::default() };
    let training = DataFactory::new(config).training(0.001).unwrap();
    assert!(training.len() >= 20_000 + 40_000);
}
