use crate::Error;
use crate::als::{Als, Feedback, Ridge};
use serde::{Deserialize, Serialize};

/// Everything that can be set, except the history. The first 16 are the original's, with its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parameters {
    /// Column with the tenant; `tenant`.
    pub tenant_col: String,
    /// Column with the user; `user`.
    pub user_col: String,
    /// Column with the resource; `res`.
    pub res_col: String,
    /// Column with the likelihood; `likelihood`.
    pub likelihood_col: String,
    /// Column that scoring adds; `anomaly_score`.
    pub output_col: String,
    /// Latent factors; 10.
    pub rank: usize,
    /// ALS iterations; 25.
    pub max_iter: usize,
    /// Ridge per rating; 1.0.
    #[serde(with = "crate::exact")]
    pub reg_param: f64,
    /// At most so many threads; `None` is all.
    pub num_blocks: Option<usize>,
    /// One factorization per tenant; false.
    pub separate_tenants: bool,
    /// Lower end of the scaled likelihoods; 5.0.
    #[serde(with = "crate::exact::option")]
    pub low_value: Option<f64>,
    /// Upper end of the scaled likelihoods; 10.0.
    #[serde(with = "crate::exact::option")]
    pub high_value: Option<f64>,
    /// Implicit or explicit feedback; true.
    pub apply_implicit_cf: bool,
    /// Confidence per unit of likelihood; `None` is 1.0 if implicit, and must be `None` if explicit.
    #[serde(with = "crate::exact::option")]
    pub alpha: Option<f64>,
    /// Draws of the complement per row; `None` is 2 if explicit, and must be `None` if implicit.
    pub complementset_factor: Option<usize>,
    /// Rating of the complement; `None` is 1.0 if explicit, and must be `None` if implicit.
    #[serde(with = "crate::exact::option")]
    pub neg_score: Option<f64>,
    /// Whether tenants count as zeros for each other in joint implicit mode; false.
    pub cross_tenant_zeros: bool,
    /// Relative decrease of the loss that ends the iteration; 0.0, never.
    #[serde(with = "crate::exact")]
    pub tol: f64,
    /// Seed of everything random; 0.
    pub seed: u64,
    /// Fits made for calibration; 0.
    pub calibration_folds: usize,
    /// When the training data is from, if known.
    pub training_window: Option<(String, String)>,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            tenant_col: "tenant".to_owned(),
            user_col: "user".to_owned(),
            res_col: "res".to_owned(),
            likelihood_col: "likelihood".to_owned(),
            output_col: "anomaly_score".to_owned(),
            rank: 10,
            max_iter: 25,
            reg_param: 1.0,
            num_blocks: None,
            separate_tenants: false,
            low_value: Some(5.0),
            high_value: Some(10.0),
            apply_implicit_cf: true,
            alpha: None,
            complementset_factor: None,
            neg_score: None,
            cross_tenant_zeros: false,
            tol: 0.0,
            seed: 0,
            calibration_folds: 0,
            training_window: None,
        }
    }
}

/// A parameter in words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParamDoc {
    /// Its name in the original.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Its default.
    pub default: String,
    /// What is set.
    pub value: String,
}

impl Parameters {
    /// The range of scaled likelihoods.
    pub fn scale(&self) -> Option<(f64, f64)> {
        self.low_value.zip(self.high_value)
    }

    /// What a rating means to the factorization.
    pub(crate) fn als(&self) -> Als {
        let feedback = match self.apply_implicit_cf {
            true => Feedback::Implicit { alpha: self.alpha.unwrap_or(1.0) },
            false => Feedback::Explicit,
        };
        let Parameters { rank, max_iter, reg_param, tol, seed, .. } = *self;
        Als { feedback, rank, max_iter, reg_param, ridge: Ridge::PerRating, nonnegative: true, tol, seed }
    }

    /// (factor, rating) of the complement, if there is one.
    pub(crate) fn complement(&self) -> Option<(usize, f64)> {
        let explicit = !self.apply_implicit_cf;
        explicit.then(|| (self.complementset_factor.unwrap_or(2), self.neg_score.unwrap_or(1.0)))
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.als().validate()?;
        match (self.low_value, self.high_value) {
            (None, None) => {}
            (Some(low), Some(high)) if low >= 1.0 && high > low && high <= f64::from(f32::MAX) => {}
            range => {
                return Err(Error::parameter(
                    "scale (low_value, high_value)",
                    range,
                    "1 <= low_value < high_value, both finite (5 and 10 are usual), or None for both not to scale",
                ));
            }
        }
        if self.num_blocks == Some(0) {
            return Err(Error::parameter("num_blocks", 0, "at least 1, or None for all threads"));
        }
        if self.calibration_folds == 1 || self.calibration_folds > 1000 {
            return Err(Error::parameter("calibration_folds", self.calibration_folds, "0 (none) or 2 to 1000"));
        }
        self.validate_mode()
    }

    fn validate_mode(&self) -> Result<(), Error> {
        if self.apply_implicit_cf {
            let only = "left out with implicit feedback: there is no complement set; call explicit() to have one";
            if let Some(factor) = self.complementset_factor {
                return Err(Error::parameter("complementset_factor", factor, only));
            }
            if let Some(score) = self.neg_score {
                return Err(Error::parameter("neg_score", score, only));
            }
            return Ok(());
        }
        if let Some(alpha) = self.alpha {
            return Err(Error::parameter("alpha", alpha, "left out with explicit feedback, which has no confidence"));
        }
        let neg_score = self.neg_score.unwrap_or(1.0);
        if !(neg_score as f32).is_finite() || self.low_value.is_some_and(|low| neg_score >= low) {
            return Err(Error::parameter("neg_score", neg_score, "finite and below low_value"));
        }
        Ok(())
    }

    pub(crate) fn explain(&self, history: Option<usize>) -> Vec<ParamDoc> {
        fn rows(p: &Parameters, history: Option<usize>) -> [(&'static str, &'static str, String); 17] {
            fn or_none<T: std::fmt::Debug>(value: Option<T>) -> String {
                value.map_or("None".to_owned(), |v| format!("{v:?}"))
            }
            let history = history.map_or("None".to_owned(), |n| format!("{n} accesses"));
            [
                ("tenantCol", "column with the tenant", p.tenant_col.clone()),
                ("userCol", "column with the user", p.user_col.clone()),
                ("resCol", "column with the resource", p.res_col.clone()),
                ("likelihoodCol", "column with how natural the access is, such as a count", p.likelihood_col.clone()),
                ("outputCol", "column with the score that scoring adds", p.output_col.clone()),
                ("rankParam", "number of latent factors", p.rank.to_string()),
                ("maxIter", "number of ALS iterations", p.max_iter.to_string()),
                ("regParam", "ridge, times the number of ratings of the row", format!("{:?}", p.reg_param)),
                ("numBlocks", "at most so many threads; None is all", or_none(p.num_blocks)),
                ("separateTenants", "one factorization per tenant", p.separate_tenants.to_string()),
                ("lowValue", "lower end of the scaled likelihoods", or_none(p.low_value)),
                ("highValue", "upper end of the scaled likelihoods", or_none(p.high_value)),
                ("applyImplicitCf", "implicit (true) or explicit feedback", p.apply_implicit_cf.to_string()),
                ("alphaParam", "implicit: confidence per unit of likelihood; None is 1", or_none(p.alpha)),
                ("complementsetFactor", "explicit: draws per row; None is 2", or_none(p.complementset_factor)),
                ("negScore", "explicit: rating of what did not happen; None is 1", or_none(p.neg_score)),
                ("historyAccessDf", "accesses that score 0 and make the access graph", history),
            ]
        }
        let (defaults, values) = (rows(&Parameters::default(), None), rows(self, history));
        let doc = |((name, doc, default), (_, _, value))| ParamDoc { name, doc, default, value };
        defaults.into_iter().zip(values).map(doc).collect()
    }
}
