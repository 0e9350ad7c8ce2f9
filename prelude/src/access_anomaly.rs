//! The AccessAnomaly estimator, run by the engine.

use huntbook_wire::{AccessAnomalyParameters, ModelInfo, Request, Response};

use crate::{Error, Frame, Result, client, display};

/// Learns who normally touches what, by implicit-feedback collaborative filtering, and scores accesses: 0 is
/// typical, higher is more anomalous. Parameters and their defaults are SynapseML's.
#[derive(Clone, Debug, Default)]
pub struct AccessAnomaly {
    parameters: AccessAnomalyParameters,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $field:ident;)*) => { $(
        $(#[$doc])*
        pub fn $name(mut self, $name: $type) -> Self {
            self.parameters.$field = $name;
            self
        })* };
}

impl AccessAnomaly {
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Number of latent factors (10).
        rank: usize => rank;
        /// ALS iterations (25).
        max_iter: usize => max_iterations;
        /// Regularisation, multiplied by the number of ratings of the row (1.0).
        reg_param: f64 => regularization;
        /// Confidence per unit of likelihood (1.0).
        alpha: f64 => alpha;
        /// The same seed gives the same scores, whatever the number of threads (42).
        seed: u64 => seed;
    }

    /// Column with the user (`user`).
    pub fn user_col(mut self, name: &str) -> Self {
        self.parameters.user_column = name.to_owned();
        self
    }

    /// Column with the resource (`res`).
    pub fn res_col(mut self, name: &str) -> Self {
        self.parameters.resource_column = name.to_owned();
        self
    }

    /// Column with how likely the access is, a positive number such as a count (`likelihood`).
    pub fn likelihood_col(mut self, name: &str) -> Self {
        self.parameters.likelihood_column = name.to_owned();
        self
    }

    /// Column with the tenant; without it all rows are of one tenant.
    pub fn tenant_col(mut self, name: &str) -> Self {
        self.parameters.tenant_column = Some(name.to_owned());
        self
    }

    /// Range that each tenant's likelihoods are scaled to (5 to 10); `None` leaves them as they are.
    pub fn scale(mut self, range: Option<(f64, f64)>) -> Self {
        self.parameters.low_value = range.map(|(low, _)| low);
        self.parameters.high_value = range.map(|(_, high)| high);
        self
    }

    /// Learns from the frame's accesses.
    pub fn fit(&self, accesses: &Frame) -> Result<AccessAnomalyModel> {
        let request = Request::FitAccessAnomaly { plan: accesses.plan().clone(), parameters: self.parameters.clone() };
        match client::call(&request)? {
            Response::Model(info) => Ok(AccessAnomalyModel { info }),
            other => Err(Error::new("EngineError", format!("unexpected answer {other:?}"))),
        }
    }
}

/// A fitted model, held by the engine.
#[derive(Clone, PartialEq)]
pub struct AccessAnomalyModel {
    info: ModelInfo,
}

impl AccessAnomalyModel {
    /// The accesses with the column `anomaly_score` added: null where the model knows neither user nor resource,
    /// infinite where user and resource are in parts of the access graph that never met.
    pub fn transform(&self, accesses: &Frame) -> Result<Frame> {
        self.transform_as(accesses, "anomaly_score")
    }

    pub fn transform_as(&self, accesses: &Frame, output: &str) -> Result<Frame> {
        let request = Request::ScoreAccessAnomaly {
            model: self.info.id,
            plan: accesses.plan().clone(),
            output: output.to_owned(),
        };
        Ok(Frame::from_info(Frame::expect_info(client::call(&request)?)?))
    }

    pub fn users(&self) -> u64 {
        self.info.users
    }

    pub fn resources(&self) -> u64 {
        self.info.resources
    }

    pub fn evcxr_display(&self) {
        display::result([("text/plain", format!("{self:?}"))]);
    }
}

impl std::fmt::Debug for AccessAnomalyModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ModelInfo { tenants, users, resources, rows, rank, iterations, loss, seed, .. } = &self.info;
        write!(
            f,
            "AccessAnomalyModel: {users} users x {resources} resources in {tenants} tenant(s), learned from {rows} accesses; \
             rank {rank}, {iterations} iterations, loss {loss:.4}, seed {seed}"
        )
    }
}
