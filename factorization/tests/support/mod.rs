#![allow(dead_code)] // each test binary uses its own part

use huntbook_factorization::{AccessColumns, FitObserver};
use huntbook_sample_data as sample;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sample::{DataFactory, FactoryConfig};
use std::ops::ControlFlow;

/// Owned columns.
#[derive(Default, Clone)]
pub(crate) struct Table {
    pub(crate) tenant: Vec<String>,
    pub(crate) user: Vec<String>,
    pub(crate) res: Vec<String>,
    pub(crate) likelihood: Vec<Option<f64>>,
}

impl Table {
    pub(crate) fn push(&mut self, tenant: &str, user: &str, res: &str, likelihood: f64) {
        self.tenant.push(tenant.to_owned());
        self.user.push(user.to_owned());
        self.res.push(res.to_owned());
        self.likelihood.push(Some(likelihood));
    }

    pub(crate) fn len(&self) -> usize {
        self.tenant.len()
    }

    /// Calls `f` with borrowed columns.
    pub(crate) fn with<T>(&self, f: impl FnOnce(AccessColumns<'_>) -> T) -> T {
        f(AccessColumns {
            tenant: &self.tenant.iter().map(|s| Some(&**s)).collect::<Vec<_>>(),
            user: &self.user.iter().map(|s| Some(&**s)).collect::<Vec<_>>(),
            res: &self.res.iter().map(|s| Some(&**s)).collect::<Vec<_>>(),
        })
    }
}

/// The default company of the sample generator: training, unseen intra-department and inter-department accesses.
/// Tests repeat everybody's accesses to the shared resource, which training has; with `unseen` they are left out.
pub(crate) fn company(tenants: &[&str], config: FactoryConfig, ratio: f64, unseen: bool) -> (Table, Table, Table) {
    let factory = DataFactory::new(config);
    let train = factory.training(ratio).unwrap();
    let (intra, inter) = (factory.intra_test(&train).unwrap(), factory.inter_test(&train).unwrap());
    let table = |accesses: &[sample::Access], new: bool| {
        let mut table = Table::default();
        for tenant in tenants {
            for a in accesses.iter().filter(|a| !(new && a.res == "ffa")) {
                table.push(tenant, &a.user, &a.res, a.likelihood);
            }
        }
        table
    };
    (table(&train, false), table(&intra, unseen), table(&inter, unseen))
}

/// Three departments per tenant whose users access resources of their own department, plus one resource all
/// share if `shared`. Returns training, unseen intra-department and unseen inter-department accesses.
pub(crate) fn departments(tenants: &[&str], shared: bool, seed: u64) -> (Table, Table, Table) {
    let sizes = [("hr", 7, 30), ("fin", 5, 25), ("eng", 10, 50)];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut train, mut intra, mut inter) = (Table::default(), Table::default(), Table::default());
    for tenant in tenants {
        for (d, (dept, users, resources)) in sizes.iter().enumerate() {
            for u in 0..*users {
                let user = format!("{dept}_user_{u}");
                if shared {
                    train.push(tenant, &user, "ffa", rng.random_range(500..=1000) as f64);
                }
                for r in 0..*resources {
                    let res = format!("{dept}_res_{r}");
                    // A third at random; the first clause lets every resource and user occur and links them.
                    if r % users == u || r == 0 || rng.random_bool(0.25) {
                        train.push(tenant, &user, &res, rng.random_range(500..=1000) as f64);
                    } else if rng.random_bool(0.2) {
                        intra.push(tenant, &user, &res, 1.0);
                    }
                }
                for (o, (other, _, others)) in sizes.iter().enumerate() {
                    for r in 0..*others {
                        if o != d && rng.random_bool(0.1) {
                            inter.push(tenant, &user, &format!("{other}_res_{r}"), 1.0);
                        }
                    }
                }
            }
        }
    }
    (train, intra, inter)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(crate) fn std(values: &[f64]) -> f64 {
    let m = mean(values);
    mean(&values.iter().map(|v| (v - m).powi(2)).collect::<Vec<_>>()).sqrt()
}

/// Probability that an anomalous score exceeds a normal one.
pub(crate) fn auc(normal: &[f64], anomalous: &[f64]) -> f64 {
    let mut wins = 0.0;
    for a in anomalous {
        for n in normal {
            wins += if a > n {
                1.0
            } else if a == n {
                0.5
            } else {
                0.0
            };
        }
    }
    wins / (normal.len() * anomalous.len()) as f64
}

pub(crate) struct StopAfter(pub(crate) usize);

impl FitObserver for StopAfter {
    fn iteration(&self, done: usize, _of: usize, _loss: f64) -> ControlFlow<()> {
        if done >= self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
