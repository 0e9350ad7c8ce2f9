//! Generated accesses as frames.

use std::collections::HashSet;

use huntbook_sample_data::{Access, DataFactory, FactoryConfig};
use polars::prelude::*;

use crate::{Error, Result};

/// Share of each department's user x resource pairs that training sees; the tests' shares are the generator's.
const TRAINING_RATIO: f64 = 0.25;

/// One of the sets `training`, `intra_test`, `inter_test`: columns user, res, likelihood. The same seed gives the
/// same sets, and the tests are disjoint from the training set of their seed.
pub(crate) fn accesses(set: &str, seed: u64) -> Result<DataFrame> {
    let fail = |error: huntbook_sample_data::Error| Error::new("SampleDataError", error.to_string());
    let factory = DataFactory::new(FactoryConfig { seed, ..FactoryConfig::default() });
    let training = factory.training(TRAINING_RATIO).map_err(fail)?;
    let accesses = match set {
        "training" => training,
        "intra_test" => unseen(factory.intra_test(&training).map_err(fail)?, &training),
        "inter_test" => unseen(factory.inter_test(&training).map_err(fail)?, &training),
        other => {
            let message = format!("there is no sample set `{other}`: use training, intra_test or inter_test");
            return Err(Error::new("SampleDataError", message));
        }
    };
    frame(&accesses)
}

/// The generator's tests repeat everybody's accesses to the shared resource, which training holds: they are neither
/// unseen nor anomalous.
fn unseen(test: Vec<Access>, training: &[Access]) -> Vec<Access> {
    let seen: HashSet<(&str, &str)> =
        training.iter().map(|access| (access.user.as_str(), access.res.as_str())).collect();
    test.into_iter().filter(|access| !seen.contains(&(access.user.as_str(), access.res.as_str()))).collect()
}

fn frame(accesses: &[Access]) -> Result<DataFrame> {
    let text =
        |name: &str, of: fn(&Access) -> &str| Column::new(name.into(), accesses.iter().map(of).collect::<Vec<_>>());
    let columns = vec![
        text("user", |access| &access.user),
        text("res", |access| &access.res),
        Column::new("likelihood".into(), accesses.iter().map(|access| access.likelihood).collect::<Vec<_>>()),
    ];
    Ok(DataFrame::new(accesses.len(), columns)?)
}
