//! The three departments and the names of their users and resources.

use crate::{Error, FactoryConfig};

/// The resource everybody reaches.
pub(crate) const SHARED_RESOURCE: &str = "ffa";
/// More people or machines than any company has; keeps the number of pairs within 64 bits.
const MOST_MEMBERS: usize = 10_000_000;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Department {
    pub(crate) name: &'static str,
    pub(crate) users: u64,
    pub(crate) resources: u64,
    /// The share of possible accesses that a test set draws for this department's users, before the test scale.
    pub(crate) test_ratio: f64,
}

impl Department {
    /// The departments that have anybody in them.
    pub(crate) fn all(config: &FactoryConfig) -> Result<Vec<Department>, Error> {
        let configured = [("hr", config.hr, 0.025), ("fin", config.fin, 0.05), ("eng", config.eng, 0.035)];
        let mut departments = Vec::new();
        for (name, (users, resources), test_ratio) in configured {
            for (what, asked) in [("users of a department", users), ("resources of a department", resources)] {
                if asked > MOST_MEMBERS {
                    let (asked, limit) = (asked as u64, MOST_MEMBERS as u64);
                    return Err(Error::TooLarge { what, asked, limit });
                }
            }
            if (users == 0) != (resources == 0) {
                let department = name;
                return Err(Error::LopsidedDepartment { department, users, resources });
            }
            if users > 0 {
                let (users, resources) = (users as u64, resources as u64);
                departments.push(Department { name, users, resources, test_ratio });
            }
        }
        Ok(departments)
    }

    pub(crate) fn user(&self, index: u64) -> String {
        format!("{}_user_{index}", self.name)
    }

    pub(crate) fn resource(&self, index: u64) -> String {
        format!("{}_res_{index}", self.name)
    }
}

/// The accesses that are possible from one department's users to one department's resources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairs {
    pub(crate) from: Department,
    pub(crate) to: Department,
}

impl Pairs {
    pub(crate) fn amount(&self) -> u64 {
        self.from.users * self.to.resources
    }

    pub(crate) fn indices(&self, pair: u64) -> (u64, u64) {
        (pair / self.to.resources, pair % self.to.resources)
    }

    pub(crate) fn names(&self, pair: u64) -> (String, String) {
        let (user, resource) = self.indices(pair);
        (self.from.user(user), self.to.resource(resource))
    }

    /// All pairs of different departments.
    pub(crate) fn across(departments: &[Department]) -> Vec<Pairs> {
        let mut across = Vec::new();
        for &from in departments {
            let others = departments.iter().filter(|to| to.name != from.name);
            across.extend(others.map(|&to| Pairs { from, to }));
        }
        across
    }
}
