//! The AccessAnomaly estimator, run by the engine.

use std::path::Path;

use huntbook_wire::{AccessAnomalyParameters, ModelInfo, Plan, Request, Response};

use crate::{Error, Frame, Result, client, display};

/// Learns who normally touches what, by implicit-feedback collaborative filtering, and scores accesses: 0 is
/// typical, higher is more anomalous. Parameters and their defaults are SynapseML's.
#[derive(Clone, Debug, Default)]
pub struct AccessAnomaly {
    parameters: AccessAnomalyParameters,
    history: Option<Frame>,
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
        /// Stops when an iteration lowers the loss by no more than this share of it (0.0: never).
        tol: f64 => tolerance;
        /// One factorization per tenant (false); tenants do not influence each other either way.
        separate_tenants: bool => separate_tenants;
        /// So many extra fits (10 is a good value) learn what unseen *normal* accesses score: `transform` then adds
        /// `p_value` and `rank_in_tenant`. 0, the default, does not. The score is the same.
        calibrate: usize => calibration_folds;
        /// The same seed gives the same scores, whatever the number of threads (42).
        seed: u64 => seed;
    }

    /// Confidence per unit of likelihood (1.0); implicit feedback only.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.parameters.alpha = Some(alpha);
        self
    }

    /// Explicit feedback: a likelihood is a rating to be predicted, and accesses that never happened are sampled.
    pub fn explicit(mut self) -> Self {
        self.parameters.explicit = true;
        self
    }

    /// Draws per row of accesses that never happened (2); explicit feedback only.
    pub fn complementset_factor(mut self, factor: usize) -> Self {
        self.parameters.complement_factor = Some(factor);
        self
    }

    /// Rating of accesses that never happened (1.0); explicit feedback only.
    pub fn neg_score(mut self, score: f64) -> Self {
        self.parameters.negative_score = Some(score);
        self
    }

    /// Accesses known to be fine, with the same key columns as the training data: exactly these score 0, and they
    /// take the place of training as the access graph.
    pub fn history(mut self, accesses: &Frame) -> Self {
        self.history = Some(accesses.clone());
        self
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
        AccessAnomalyModel::expect(client::call(&self.request(accesses.plan().clone()))?)
    }

    fn request(&self, plan: Plan) -> Request {
        Request::FitAccessAnomaly {
            plan,
            parameters: self.parameters.clone(),
            history: self.history.as_ref().map(|frame| frame.plan().clone()),
        }
    }
}

/// A fitted model, held by the engine.
#[derive(Clone, PartialEq)]
pub struct AccessAnomalyModel {
    info: ModelInfo,
}

impl AccessAnomalyModel {
    fn expect(response: Response) -> Result<AccessAnomalyModel> {
        match response {
            Response::Model(info) => Ok(AccessAnomalyModel { info }),
            other => Err(Error::new("EngineError", format!("unexpected answer {other:?}"))),
        }
    }

    /// Reads a model that [`save`](Self::save) wrote.
    pub fn load(folder: impl AsRef<Path>) -> Result<AccessAnomalyModel> {
        Self::expect(client::call(&Request::LoadModel { folder: absolute(folder.as_ref())?, synapse: false })?)
    }

    /// Reads a model that SynapseML's `AccessAnomalyModel.save` wrote.
    pub fn load_synapse(folder: impl AsRef<Path>) -> Result<AccessAnomalyModel> {
        Self::expect(client::call(&Request::LoadModel { folder: absolute(folder.as_ref())?, synapse: true })?)
    }

    /// Writes the model as a folder of Parquet tables and a `model.json`; a model that is there is replaced.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = absolute(folder.as_ref())?;
        client::call(&Request::SaveModel { model: self.info.id, folder }).map(drop)
    }

    /// Why an access scores as it does, in words for a ticket: nearest peers, who else accesses the resource, and what
    /// the user normally does. For a model with tenants see [`explain_in`](Self::explain_in).
    pub fn explain(&self, user: &str, resource: &str) -> Result<String> {
        self.ask(None, user, resource)
    }

    /// As [`explain`](Self::explain), in a tenant.
    pub fn explain_in(&self, tenant: &str, user: &str, resource: &str) -> Result<String> {
        self.ask(Some(tenant.to_owned()), user, resource)
    }

    fn ask(&self, tenant: Option<String>, user: &str, resource: &str) -> Result<String> {
        let (user, resource) = (user.to_owned(), resource.to_owned());
        match client::call(&Request::ExplainAccess { model: self.info.id, tenant, user, resource })? {
            Response::Text(words) => Ok(words),
            other => Err(Error::new("EngineError", format!("unexpected answer {other:?}"))),
        }
    }

    /// The accesses with the column `anomaly_score` added: null where the model knows neither user nor resource,
    /// infinite where user and resource are in parts of the access graph that never met. A calibrated model adds `p_value`
    /// (the share of unseen normal accesses that score this high) and `rank_in_tenant` (1 is the most anomalous).
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

/// The engine may run in another folder than the cell.
fn absolute(folder: &Path) -> Result<String> {
    let folder = std::path::absolute(folder)
        .map_err(|error| Error::new("AccessAnomalyError", format!("folder `{}`: {error}", folder.display())))?;
    folder
        .into_os_string()
        .into_string()
        .map_err(|folder| Error::new("AccessAnomalyError", format!("the folder name {folder:?} is not text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cell_sets_is_what_is_asked_for() {
        let estimator = AccessAnomaly::new()
            .explicit()
            .complementset_factor(3)
            .neg_score(0.5)
            .alpha(2.0)
            .tol(0.01)
            .separate_tenants(true)
            .calibrate(10)
            .scale(None);
        let Request::FitAccessAnomaly { parameters, history, .. } = estimator.request(Plan::Frame { id: 1 }) else {
            panic!("not a request to fit");
        };
        assert_eq!(history, None);
        let expected = AccessAnomalyParameters {
            explicit: true,
            complement_factor: Some(3),
            negative_score: Some(0.5),
            alpha: Some(2.0),
            tolerance: 0.01,
            separate_tenants: true,
            calibration_folds: 10,
            low_value: None,
            high_value: None,
            ..AccessAnomalyParameters::default()
        };
        assert_eq!(parameters, expected);
    }

    #[test]
    fn folders_are_absolute() {
        let folder = absolute(Path::new("model")).unwrap();
        assert!(Path::new(&folder).is_absolute() && folder.ends_with("model"));
    }
}
