//! Why data could not be generated.

use thiserror::Error;

/// A configuration that cannot be fulfilled.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Error {
    /// A ratio outside 0..=1 (NaN included).
    #[error("ratio {0} is not between 0 and 1")]
    InvalidRatio(f64),
    /// A scale of the test sets that is not a finite number above zero.
    #[error("test scale {0} is not a finite number above zero")]
    InvalidTestScale(f64),
    /// Users without resources or resources without users: nobody could cover them.
    #[error("department {department} has {users} users and {resources} resources: both must be zero or neither")]
    LopsidedDepartment {
        /// hr, fin or eng.
        department: &'static str,
        /// Configured number of users.
        users: usize,
        /// Configured number of resources.
        resources: usize,
    },
    /// The test set needs more accesses than are left besides the training data.
    #[error("{from} to {to}: {wanted} new accesses wanted, only {available} are not in the training data")]
    NotEnoughNewPairs {
        /// The users' department.
        from: &'static str,
        /// The resources' department.
        to: &'static str,
        /// Accesses the ratio asks for.
        wanted: u64,
        /// Accesses there are.
        available: u64,
    },
    /// More rows, users or resources than this generator makes.
    #[error("too large: {what} would be {asked}, at most {limit} are possible")]
    TooLarge {
        /// What there would be too many of.
        what: &'static str,
        /// How many were asked for.
        asked: u64,
        /// How many are possible.
        limit: u64,
    },
    /// More planted anomalies than there are pairs of a user and a foreign department's resource.
    #[error("{wanted} planted anomalies wanted, only {available} cross-department accesses exist")]
    TooManyPlanted {
        /// Anomalies asked for.
        wanted: usize,
        /// Anomalies possible.
        available: u64,
    },
    /// A setting of the event generator that makes no sense.
    #[error("event setting {setting}: {problem}")]
    InvalidEvents {
        /// The field of `EventConfig`.
        setting: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}
