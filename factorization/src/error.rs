/// Everything that can go wrong: what, where, why, and what to try. Rows are counted from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to learn from.
    #[error(
        "the training data has no rows, so there is nothing to learn from; \
         check the filter or the time range that produced it"
    )]
    EmptyInput,

    /// A history was given, but it is empty.
    #[error(
        "the history has no rows: no user or resource would be known and every score would be null; \
         pass at least one access, or leave the history out to use the training data"
    )]
    EmptyHistory,

    /// Columns that must be parallel are not.
    #[error("column `{column}` has {found} rows but `tenant` has {expected}; all columns must have one value per row")]
    ColumnLength {
        /// The column that differs.
        column: &'static str,
        /// Rows of the first column.
        expected: usize,
        /// Rows of this column.
        found: usize,
    },

    /// A key is null in the training data.
    #[error(
        "training row {row}: `{column}` is null, so the access cannot be attributed; \
         filter out rows where `{column}` is null, or fill it with a constant"
    )]
    NullKey {
        /// `tenant`, `user` or `res`.
        column: &'static str,
        /// The first such row.
        row: usize,
    },

    /// A likelihood is missing.
    #[error(
        "training row {row}: the likelihood is null; filter out rows without one, \
         or fill it (a count of accesses or 1.0 is a usual choice)"
    )]
    NullLikelihood {
        /// The first such row.
        row: usize,
    },

    /// A likelihood is NaN, infinite, or beyond 32-bit range once scaled.
    #[error(
        "training row {row}: the likelihood {value} is not a finite 32-bit number; \
         look for a division by zero or an overflow in the expression that computes it"
    )]
    InvalidLikelihood {
        /// The first such row.
        row: usize,
        /// Its value.
        value: f64,
    },

    /// A parameter is out of its range.
    #[error("{name} = {value} is not usable: it must be {expected}")]
    InvalidParameter {
        /// The name of the parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is accepted, and why where it is not obvious.
        expected: &'static str,
    },

    /// An injected start lacks a user.
    #[error(
        "the injected start has no vector for user `{user}` of tenant `{tenant}`; \
         give one for every user of the training data, or use `fit` to draw them from the seed"
    )]
    MissingStart {
        /// The tenant of the user.
        tenant: String,
        /// The user.
        user: String,
    },

    /// A given complement names what the training data does not have.
    #[error(
        "the given complement has user `{}` and resource `{}` of tenant `{}`, but not both are in the training data; \
         leave such accesses out", .access.user, .access.res, .access.tenant
    )]
    UnknownComplement {
        /// The access.
        access: crate::Access,
    },

    /// What did happen must be rated above what did not.
    #[error(
        "training row {row}: the likelihood {value} is not above neg_score = {neg_score}, the rating of accesses that \
         did not happen; scale the likelihood (5 to 10 is usual) or lower neg_score"
    )]
    LikelihoodBelowNegScore {
        /// The first such row.
        row: usize,
        /// Its value.
        value: f64,
        /// The rating of the complement.
        neg_score: f64,
    },

    /// The operating system gives no threads.
    #[error("cannot start the threads of the fit: {reason}; leave num_blocks out to use those there are")]
    Threads {
        /// What it says.
        reason: String,
    },

    /// An injected vector has the wrong length or a value that is not finite.
    #[error("the start vector of {whose} is not usable: it must have {rank} finite numbers (the rank)")]
    InvalidStart {
        /// Whose vector it is.
        whose: String,
        /// The rank of the fit.
        rank: usize,
    },

    /// A triplet points outside the matrix.
    #[error("triplet {position}: {axis} {index} is outside a matrix with {size} {axis}s (indices start at 0)")]
    IndexOutOfRange {
        /// Position in the triplet slices.
        position: usize,
        /// `row` or `column`.
        axis: &'static str,
        /// The index.
        index: u32,
        /// The size of the matrix along the axis.
        size: usize,
    },

    /// Non-negative factors cannot predict a rating below 0.
    #[error(
        "the rating {value} of row {row} for column {column} is negative, but non-negative factors never predict below 0; \
         shift the ratings, or allow factors of both signs"
    )]
    NegativeRating {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The rating.
        value: f64,
    },

    /// Ids are 32 bits wide.
    #[error("{count} distinct {what} do not fit 32-bit ids; split the data, for example by tenant")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
    },

    /// The numbers left the finite range.
    #[error(
        "iteration {iteration}: the factors are no longer finite; the ratings or alpha are too large for the \
         regularisation: scale the likelihood (for example to 5..10), lower alpha, or raise reg_param"
    )]
    NotFinite {
        /// The iteration, counted from 1.
        iteration: usize,
    },

    /// A linear system handed to the solver is malformed.
    #[error("the system is not usable: {reason}")]
    InvalidSystem {
        /// What is wrong.
        reason: &'static str,
    },

    /// The observer asked to stop.
    #[error("cancelled after {done} of {of} iterations; no model was made")]
    Cancelled {
        /// Finished iterations.
        done: usize,
        /// Requested iterations.
        of: usize,
    },

    /// A column of a frame is missing or has the wrong type.
    #[error("column `{column}`: {reason}")]
    Column {
        /// The column.
        column: String,
        /// What is wrong, and what to try.
        reason: String,
    },

    /// A file or folder of a model cannot be read or written.
    #[error("cannot {action} {}: {reason}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: std::path::PathBuf,
        /// Why it failed.
        reason: String,
    },

    /// A network in an ONNX file cannot be read, or does not give what a detector needs.
    #[error("the network {} cannot be used: {reason}", .path.display())]
    Network {
        /// The file.
        path: std::path::PathBuf,
        /// Why, and what to try.
        reason: String,
    },

    /// There is no detector of that name.
    #[error("there is no detector `{name}`; there are: {}", crate::DETECTORS.join(", "))]
    UnknownDetector {
        /// The name.
        name: String,
    },

    /// A saved model does not make sense.
    #[error("the saved model cannot be used: {reason}; save it again from a fresh fit")]
    InvalidModel {
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    pub(crate) fn parameter(name: &'static str, value: impl std::fmt::Debug, expected: &'static str) -> Self {
        Error::InvalidParameter { name, value: format!("{value:?}"), expected }
    }
}
