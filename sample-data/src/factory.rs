//! Who reaches what: training data and the two kinds of test data.

use std::collections::HashSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    deck::Deck,
    departments::{Department, Pairs, SHARED_RESOURCE},
};

/// A data set beyond this would not fit the machines this is meant for.
const MOST_ROWS: u64 = 100_000_000;

/// The size of the three departments. A department may be empty (0, 0), but not only half of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FactoryConfig {
    /// Users and resources of human resources.
    pub hr: (usize, usize),
    /// Users and resources of finance.
    pub fin: (usize, usize),
    /// Users and resources of engineering.
    pub eng: (usize, usize),
    /// Whether all users also reach the shared resource `ffa`, which joins the departments into one component.
    pub single_component: bool,
    /// Multiplies the ratios of the test sets (hr .025, fin .05, eng .035). With 1 the default factory would yield
    /// 53 and 77 rows, too few to judge a score by; the default of 4 yields 138 and 232.
    pub test_scale: f64,
    /// Equal configurations with equal seeds yield equal data, on every machine.
    pub seed: u64,
}

impl Default for FactoryConfig {
    fn default() -> Self {
        FactoryConfig { hr: (7, 30), fin: (5, 25), eng: (10, 50), single_component: true, test_scale: 4.0, seed: 42 }
    }
}

/// One user's access to one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// Such as `hr_user_0`.
    pub user: String,
    /// Such as `hr_res_0`, or `ffa`.
    pub res: String,
    /// How strong the relation is: a whole number in 500..=1000.
    pub likelihood: f64,
}

/// Generates accesses. Each data set has a random stream of its own: calls in any order, any number of times, yield
/// the same rows.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFactory {
    config: FactoryConfig,
}

/// The random streams of a seed.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    // Picked so that the default data show every fact known of the original's (tests/factory.rs): about half of all
    // streams leave two users of a department without a common resource.
    Training = 7,
    IntraTest = 2,
    InterTest = 3,
    Events = 4,
    Planted = 5,
}

pub(crate) fn random_stream(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream as u64);
    random
}

impl DataFactory {
    /// A factory for this configuration, which is checked when data are asked for.
    pub fn new(config: FactoryConfig) -> DataFactory {
        DataFactory { config }
    }

    /// Normal accesses: every user to `ffa`, then distinct random pairs inside each department until at least
    /// `ratio` of its possible pairs are there **and** each of its users and resources occurs. The second condition
    /// usually decides for small ratios.
    ///
    /// # Errors
    /// [`Error::InvalidRatio`] outside 0..=1, [`Error::LopsidedDepartment`], [`Error::TooLarge`].
    pub fn training(&self, ratio: f64) -> Result<Vec<Access>, Error> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(Error::InvalidRatio(ratio));
        }
        let departments = Department::all(&self.config)?;
        // Refuse what is too large before the first of many rows is made.
        for &department in &departments {
            wanted_rows(Pairs { from: department, to: department }, ratio)?;
        }
        let mut random = random_stream(self.config.seed, Stream::Training);
        let mut accesses = self.shared_accesses(&departments, &mut random);
        for department in departments {
            cover(department, ratio, &mut random, &mut accesses)?;
        }
        Ok(accesses)
    }

    /// New accesses inside the departments: the `ffa` rows, and per department `test_scale` times its ratio of
    /// distinct pairs that are not in `train`.
    ///
    /// Unlike the Python generator this follows, which by a slip of `and`/`or` precedence goes on until every
    /// resource occurs, the number of rows is exactly what the ratios say.
    ///
    /// # Errors
    /// [`Error::NotEnoughNewPairs`] if `train` leaves too few (a training ratio near 1), and those of
    /// [`DataFactory::training`].
    pub fn intra_test(&self, train: &[Access]) -> Result<Vec<Access>, Error> {
        let departments = Department::all(&self.config)?;
        let inside = departments.iter().map(|&department| Pairs { from: department, to: department });
        self.test_set(&departments, inside.collect(), train, Stream::IntraTest)
    }

    /// Accesses across departments: the `ffa` rows, and for each pair of departments `test_scale` times the ratio of
    /// the users' department of distinct pairs that are not in `train`.
    ///
    /// # Errors
    /// Like [`DataFactory::intra_test`].
    pub fn inter_test(&self, train: &[Access]) -> Result<Vec<Access>, Error> {
        let departments = Department::all(&self.config)?;
        let across = Pairs::across(&departments);
        self.test_set(&departments, across, train, Stream::InterTest)
    }

    fn test_set(
        &self,
        departments: &[Department],
        parts: Vec<Pairs>,
        train: &[Access],
        stream: Stream,
    ) -> Result<Vec<Access>, Error> {
        let scale = self.config.test_scale;
        if !(scale.is_finite() && scale > 0.0) {
            return Err(Error::InvalidTestScale(scale));
        }
        let known: HashSet<(&str, &str)> =
            train.iter().map(|access| (access.user.as_str(), access.res.as_str())).collect();
        let mut random = random_stream(self.config.seed, stream);
        let mut accesses = self.shared_accesses(departments, &mut random);
        for pairs in parts {
            draw_unknown(pairs, scale, &known, &mut random, &mut accesses)?;
        }
        Ok(accesses)
    }

    fn shared_accesses(&self, departments: &[Department], random: &mut ChaCha8Rng) -> Vec<Access> {
        if !self.config.single_component {
            return Vec::new();
        }
        let users = departments.iter().flat_map(|department| (0..department.users).map(|user| department.user(user)));
        users.map(|user| access((user, SHARED_RESOURCE.to_owned()), random)).collect()
    }
}

fn access((user, res): (String, String), random: &mut ChaCha8Rng) -> Access {
    let likelihood = f64::from(random.random_range(500_u32..=1000));
    Access { user, res, likelihood }
}

/// Draws pairs until the ratio is reached and nobody is left out. The deck runs out at the latest when all pairs are
/// drawn, and then everybody is covered.
fn cover(department: Department, ratio: f64, random: &mut ChaCha8Rng, accesses: &mut Vec<Access>) -> Result<(), Error> {
    let pairs = Pairs { from: department, to: department };
    let wanted = wanted_rows(pairs, ratio)?;
    let mut unseen_users: HashSet<u64> = (0..department.users).collect();
    let mut unseen_resources: HashSet<u64> = (0..department.resources).collect();
    let mut deck = Deck::new(pairs.amount());
    let mut drawn = 0;
    while drawn < wanted || !unseen_users.is_empty() || !unseen_resources.is_empty() {
        let Some(pair) = deck.draw(random) else { break };
        check_rows(accesses.len() as u64 + 1)?;
        let (user, resource) = pairs.indices(pair);
        unseen_users.remove(&user);
        unseen_resources.remove(&resource);
        accesses.push(access(pairs.names(pair), random));
        drawn += 1;
    }
    Ok(())
}

fn draw_unknown(
    pairs: Pairs,
    scale: f64,
    known: &HashSet<(&str, &str)>,
    random: &mut ChaCha8Rng,
    accesses: &mut Vec<Access>,
) -> Result<(), Error> {
    let wanted = wanted_rows(pairs, (pairs.from.test_ratio * scale).min(1.0))?;
    let mut deck = Deck::new(pairs.amount());
    let mut drawn = 0;
    while drawn < wanted {
        let Some(pair) = deck.draw(random) else {
            return Err(Error::NotEnoughNewPairs {
                from: pairs.from.name,
                to: pairs.to.name,
                wanted,
                available: drawn,
            });
        };
        let names = pairs.names(pair);
        if !known.contains(&(names.0.as_str(), names.1.as_str())) {
            accesses.push(access(names, random));
            drawn += 1;
        }
    }
    Ok(())
}

/// The smallest number of rows that reaches the ratio, give or take a rounding error: 0.14 of 500 is 70, not 71.
fn wanted_rows(pairs: Pairs, ratio: f64) -> Result<u64, Error> {
    let exact = pairs.amount() as f64 * ratio;
    let wanted = (exact - exact * 1e-12).ceil() as u64;
    check_rows(wanted)?;
    Ok(wanted.min(pairs.amount()))
}

pub(crate) fn check_rows(asked: u64) -> Result<(), Error> {
    if asked > MOST_ROWS {
        return Err(Error::TooLarge { what: "rows", asked, limit: MOST_ROWS });
    }
    Ok(())
}
