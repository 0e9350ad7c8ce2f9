//! AccessAnomaly on frames.

use std::sync::Arc;

use huntbook_factorization::{AccessAnomaly, AccessAnomalyModel, AccessColumns};
use huntbook_wire::{AccessAnomalyParameters, ModelInfo, Plan};
use polars::prelude::*;

use crate::{Engine, Error, Result};

const SINGLE_TENANT: &str = "0";

impl Engine {
    pub(crate) fn fit_access_anomaly(&self, plan: &Plan, parameters: &AccessAnomalyParameters) -> Result<ModelInfo> {
        let frame = self.collect(plan)?;
        let names = Names::of(parameters);
        let accesses = Accesses::read(&frame, &names)?;
        let likelihood = frame.column(&parameters.likelihood_column)?;
        if !likelihood.dtype().is_primitive_numeric() {
            let message = format!(
                "column `{}` is {}: likelihood must be a number",
                parameters.likelihood_column,
                likelihood.dtype()
            );
            return Err(Error::new("AccessAnomalyError", message));
        }
        let likelihood: Vec<Option<f64>> = likelihood.cast(&DataType::Float64)?.f64()?.iter().collect();
        let estimator = AccessAnomaly::new()
            .rank(parameters.rank)
            .max_iter(parameters.max_iterations)
            .reg_param(parameters.regularization)
            .alpha(parameters.alpha)
            .scale(parameters.low_value.zip(parameters.high_value))
            .seed(parameters.seed);
        let model = accesses.with(|columns| estimator.fit(columns, &likelihood, &self.cancel))?;
        Ok(self.keep_model(model, names))
    }

    fn keep_model(&self, model: AccessAnomalyModel, names: Names) -> ModelInfo {
        let summary = model.summary();
        let mut state = self.state();
        state.next_model += 1;
        let id = state.next_model;
        let info = ModelInfo {
            id,
            tenants: summary.tenants as u64,
            users: summary.users as u64,
            resources: summary.resources as u64,
            rows: summary.rows as u64,
            rank: summary.rank as u64,
            iterations: summary.iterations as u64,
            loss: summary.loss,
            seed: summary.seed.unwrap_or_default(),
        };
        state.models.insert(id, FittedModel { model: Arc::new(model), names });
        info
    }

    pub(crate) fn score_access_anomaly(&self, model: u64, plan: &Plan, output: &str) -> Result<DataFrame> {
        let fitted = self.state().models.get(&model).cloned();
        let Some(FittedModel { model, names }) = fitted else {
            return Err(Error::new("AccessAnomalyError", "the engine does not hold this model: fit it again"));
        };
        let frame = self.collect(plan)?;
        let accesses = Accesses::read(&frame, &names)?;
        let scores = accesses.with(|columns| model.score(columns))?;
        let mut scored = frame.as_ref().clone();
        scored.with_column(Series::new(output.into(), scores).into())?;
        Ok(scored)
    }
}

#[derive(Clone)]
pub(crate) struct FittedModel {
    model: Arc<AccessAnomalyModel>,
    names: Names,
}

#[derive(Clone)]
struct Names {
    tenant: Option<String>,
    user: String,
    resource: String,
}

impl Names {
    fn of(parameters: &AccessAnomalyParameters) -> Names {
        Names {
            tenant: parameters.tenant_column.clone(),
            user: parameters.user_column.clone(),
            resource: parameters.resource_column.clone(),
        }
    }
}

/// The three key columns as text; whatever their type, equal values are equal keys.
struct Accesses {
    tenant: Option<StringChunked>,
    user: StringChunked,
    resource: StringChunked,
}

impl Accesses {
    fn read(frame: &DataFrame, names: &Names) -> Result<Accesses> {
        let text =
            |name: &str| -> Result<StringChunked> { Ok(frame.column(name)?.cast(&DataType::String)?.str()?.clone()) };
        Ok(Accesses {
            tenant: names.tenant.as_deref().map(text).transpose()?,
            user: text(&names.user)?,
            resource: text(&names.resource)?,
        })
    }

    fn with<T>(&self, work: impl FnOnce(AccessColumns<'_>) -> T) -> T {
        let tenant: Vec<Option<&str>> = match &self.tenant {
            Some(tenant) => tenant.iter().collect(),
            None => vec![Some(SINGLE_TENANT); self.user.len()],
        };
        let user: Vec<Option<&str>> = self.user.iter().collect();
        let resource: Vec<Option<&str>> = self.resource.iter().collect();
        work(AccessColumns { tenant: &tenant, user: &user, res: &resource })
    }
}
