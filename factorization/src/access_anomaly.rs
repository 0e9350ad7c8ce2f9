mod complement;
mod fit;
mod parameters;
mod progress;
mod replay;
mod statistics;

pub use parameters::{ParamDoc, Parameters};
pub use replay::Replay;

pub(crate) use complement::stream_of;
pub(crate) use fit::{Training, factorize, history_components, pairs, required};
pub(crate) use progress::Progress;
pub(crate) use statistics::{augmented, mean_std, spread};

use crate::{AccessAnomalyModel, Error, FitObserver};

/// Columns of equal length; null is `None`.
#[derive(Debug, Clone, Copy)]
pub struct AccessColumns<'a> {
    /// Isolates users and resources from those of other tenants; use one constant if not needed.
    pub tenant: &'a [Option<&'a str>],
    /// Who.
    pub user: &'a [Option<&'a str>],
    /// What was accessed.
    pub res: &'a [Option<&'a str>],
}

impl AccessColumns<'_> {
    pub(crate) fn rows(&self) -> Result<usize, Error> {
        let expected = self.tenant.len();
        for (column, found) in [("user", self.user.len()), ("res", self.res.len())] {
            if found != expected {
                return Err(Error::ColumnLength { column, expected, found });
            }
        }
        Ok(expected)
    }
}

/// One access of the history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Access {
    /// The tenant.
    pub tenant: String,
    /// Who.
    pub user: String,
    /// What was accessed.
    pub res: String,
}

impl Access {
    /// An access of `user` to `res`.
    pub fn new(tenant: impl Into<String>, user: impl Into<String>, res: impl Into<String>) -> Self {
        Access { tenant: tenant.into(), user: user.into(), res: res.into() }
    }
}

/// A detector of anomalous resource access, to be fitted.
///
/// Scaling, complement, normalisation and the access graph are per tenant, and the same user name in two tenants
/// is two users. A tenant's scores do not depend on the other tenants, unless
/// [`cross_tenant_zeros`](Self::cross_tenant_zeros) asks for it.
///
/// * **Likelihood**: how natural the access is, for example a count. It is scaled per tenant to
///   [`scale`](Self::scale).
/// * **Duplicates**: a row that repeats a *(tenant, user, resource)* is one more observation of it: it adds to
///   the confidence, to the ridge, and to the tenant's mean and deviation. [`Summary::duplicate_rows`] counts
///   them. Aggregate first if repeats are an artefact of the log. The order of rows does not matter, except
///   for the rounding of repeated rows.
/// * **Nulls**: a null key or likelihood in training is an error that names the row; in scoring a null key
///   scores `None`.
///
/// ```
/// use huntbook_factorization::AccessAnomaly;
/// let detector = AccessAnomaly::new().rank(10).max_iter(25).alpha(1.0).scale(Some((5.0, 10.0))).seed(42);
/// ```
///
/// [`Summary::duplicate_rows`]: crate::Summary::duplicate_rows
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use = "call `fit` to get a model"]
pub struct AccessAnomaly {
    parameters: Parameters,
    history: Option<Vec<Access>>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => { $(
        $(#[$doc])*
        pub fn $name(mut self, $name: $type) -> Self {
            self.parameters.$name = $name;
            self
        })* };
}

impl AccessAnomaly {
    /// The defaults of [`Parameters`]: implicit feedback, rank 10, 25 iterations, likelihood scaled to 5..10.
    pub fn new() -> Self {
        Self::default()
    }

    /// A detector with the given parameters and no history.
    pub fn with_parameters(parameters: Parameters) -> Self {
        AccessAnomaly { parameters, history: None }
    }

    /// What is set.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    setters! {
        /// Number of latent factors, 1 to 512. More factors tell more groups of users apart, and cost `rank²`.
        rank: usize;
        /// Number of ALS iterations, at least 1.
        max_iter: usize;
        /// Ridge per rating, above 0.
        reg_param: f64;
        /// At most so many threads work on the fit; `None` is all. Never changes the result.
        num_blocks: Option<usize>;
        /// One factorization per tenant. Without [`cross_tenant_zeros`](Self::cross_tenant_zeros) the result is
        /// the same either way: tenants share no users and no resources.
        separate_tenants: bool;
        /// As the original in its joint implicit mode: users of one tenant count as *not* having accessed the
        /// resources of all others, so that the tenants influence each other's scores. Off by default. Explicit
        /// feedback and separate tenants are free of it by nature.
        cross_tenant_zeros: bool;
        /// Lower end of the range of scaled likelihoods, at least 1; `None` together with `high_value`.
        low_value: Option<f64>;
        /// Upper end of the range of scaled likelihoods.
        high_value: Option<f64>;
        /// Implicit feedback (a likelihood is evidence) or explicit (a likelihood is a rating to be predicted, and
        /// sampled accesses that never happened are rated [`neg_score`](Self::neg_score)).
        apply_implicit_cf: bool;
        /// Stops the iteration when it lowers the loss by no more than this share; 0 never stops early.
        tol: f64;
        /// Seed of everything random. The same data, parameters and seed give the same model, bit for bit.
        seed: u64;
        /// Learns what scores *unseen normal* accesses get, for [`score_all`](crate::AccessAnomalyModel::score_all):
        /// so many extra fits, each without its share of the accesses, which it then scores. 0 (the default) does
        /// not calibrate, 10 is a good value. Never changes the score.
        calibration_folds: usize;
    }

    /// How fast confidence grows with the (scaled) likelihood, at least 0; 1 by default. Implicit feedback only.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.parameters.alpha = Some(alpha);
        self
    }

    /// Explicit feedback; as [`apply_implicit_cf`](Self::apply_implicit_cf)`(false)`.
    pub fn explicit(self) -> Self {
        self.apply_implicit_cf(false)
    }

    /// How many accesses that may not have happened are drawn per training row; 2 by default. Explicit feedback
    /// only.
    pub fn complementset_factor(mut self, factor: usize) -> Self {
        self.parameters.complementset_factor = Some(factor);
        self
    }

    /// The rating of an access that did not happen, below `low_value`; 1 by default. Explicit feedback only.
    pub fn neg_score(mut self, neg_score: f64) -> Self {
        self.parameters.neg_score = Some(neg_score);
        self
    }

    /// The range `(low, high)` the likelihood of each tenant is scaled to, with `1 ≤ low < high`; a tenant
    /// whose likelihoods are all equal gets the midpoint. `None` uses the likelihood as it is: a value ≤ 0
    /// then says "known *not* to be preferred", and tenants should be on the same scale.
    pub fn scale(mut self, scale: Option<(f64, f64)>) -> Self {
        self.parameters.low_value = scale.map(|s| s.0);
        self.parameters.high_value = scale.map(|s| s.1);
        self
    }

    /// Names of the columns tenant, user, resource and likelihood, for fits on frames. An empty tenant is none: all
    /// rows are of one tenant.
    pub fn columns(mut self, tenant: &str, user: &str, res: &str, likelihood: &str) -> Self {
        let p = &mut self.parameters;
        (p.tenant_col, p.user_col) = (tenant.to_owned(), user.to_owned());
        (p.res_col, p.likelihood_col) = (res.to_owned(), likelihood.to_owned());
        self
    }

    /// Name of the column with the score that [`transform`](crate::AccessAnomalyModel) adds to frames.
    pub fn output_col(mut self, output: &str) -> Self {
        self.parameters.output_col = output.to_owned();
        self
    }

    /// When the training data is from, in any words; kept with the model.
    pub fn training_window(mut self, from: &str, to: &str) -> Self {
        self.parameters.training_window = Some((from.to_owned(), to.to_owned()));
        self
    }

    /// Accesses known to be fine: exactly these score 0. They also *replace* the training data as the access
    /// graph: components are those of the history, and a trained user or resource that is not in it scores
    /// `None`. Repeated accesses are counted once.
    pub fn history(mut self, history: impl IntoIterator<Item = Access>) -> Self {
        self.history = Some(history.into_iter().collect());
        self
    }

    /// The 17 parameters of the original under their original names.
    pub fn explain_params(&self) -> Vec<ParamDoc> {
        self.parameters.explain(self.history.as_ref().map(Vec::len))
    }

    /// Learns who normally accesses what, from a random start drawn from the seed.
    ///
    /// # Errors
    /// See [`Error`]: parameters out of range, no rows, columns of different length, nulls, likelihoods that
    /// are not finite, an empty history, or [`Error::Cancelled`] by the observer.
    pub fn fit(
        &self,
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        observer: &dyn FitObserver,
    ) -> Result<AccessAnomalyModel, Error> {
        self.fit_replaying(accesses, likelihood, &Replay::new(), observer)
    }

    /// As [`fit`](Self::fit), with start vectors or a complement that were drawn elsewhere.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and [`Error::MissingStart`], [`Error::InvalidStart`] or [`Error::UnknownComplement`].
    pub fn fit_replaying(
        &self,
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        replay: &Replay,
        observer: &dyn FitObserver,
    ) -> Result<AccessAnomalyModel, Error> {
        self.parameters.validate()?;
        let all = rayon::current_num_threads();
        match self.parameters.num_blocks {
            Some(blocks) if blocks < all => {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(blocks).build();
                let pool = pool.map_err(|e| Error::Threads { reason: e.to_string() })?;
                pool.install(|| self.run(accesses, likelihood, replay, observer))
            }
            _ => self.run(accesses, likelihood, replay, observer),
        }
    }
}

#[cfg(test)]
mod tests;
