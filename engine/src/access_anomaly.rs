//! AccessAnomaly on frames.

use std::sync::Arc;

use huntbook_factorization::files::read_synapse;
use huntbook_factorization::frames::{KeyColumns, SINGLE_TENANT};
use huntbook_factorization::{AccessAnomaly, AccessAnomalyModel};
use huntbook_wire::{AccessAnomalyParameters, ModelInfo, Plan};
use polars::prelude::*;

use crate::{Engine, Error, Result};

impl Engine {
    pub(crate) fn fit_access_anomaly(
        &self,
        plan: &Plan,
        parameters: &AccessAnomalyParameters,
        history: Option<&Plan>,
    ) -> Result<ModelInfo> {
        let frame = self.collect(plan)?;
        let mut estimator = estimator(parameters);
        if let Some(history) = history {
            estimator = estimator.history_frame(self.collect(history)?.as_ref())?;
        }
        Ok(self.keep_model(estimator.fit_frame(frame.as_ref(), &self.cancel)?))
    }

    fn keep_model(&self, model: AccessAnomalyModel) -> ModelInfo {
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
            seed: summary.parameters.seed,
        };
        state.models.insert(id, Arc::new(model));
        info
    }

    fn model(&self, id: u64) -> Result<Arc<AccessAnomalyModel>> {
        let model = self.state().models.get(&id).cloned();
        model.ok_or_else(|| {
            Error::new("AccessAnomalyError", "the engine does not hold this model: fit or load it again")
        })
    }

    /// The frame with the score and, from a calibrated model, `p_value` and `rank_in_tenant`.
    pub(crate) fn score_access_anomaly(&self, model: u64, plan: &Plan, output: &str) -> Result<DataFrame> {
        let model = self.model(model)?;
        let frame = self.collect(plan)?;
        Ok(model.transform_as(frame.as_ref(), &KeyColumns::of(&model.summary().parameters), output)?)
    }

    pub(crate) fn explain_access(&self, model: u64, tenant: Option<&str>, user: &str, res: &str) -> Result<String> {
        Ok(self.model(model)?.explain(tenant.unwrap_or(SINGLE_TENANT), user, res).to_string())
    }

    pub(crate) fn save_model(&self, model: u64, folder: &str) -> Result<()> {
        Ok(self.model(model)?.save(folder)?)
    }

    pub(crate) fn load_model(&self, folder: &str, synapse: bool) -> Result<ModelInfo> {
        let model = if synapse { read_synapse(folder)? } else { AccessAnomalyModel::load(folder)? };
        Ok(self.keep_model(model))
    }
}

fn estimator(p: &AccessAnomalyParameters) -> AccessAnomaly {
    let tenant = p.tenant_column.as_deref().unwrap_or_default();
    let mut estimator = AccessAnomaly::new()
        .columns(tenant, &p.user_column, &p.resource_column, &p.likelihood_column)
        .rank(p.rank)
        .max_iter(p.max_iterations)
        .reg_param(p.regularization)
        .low_value(p.low_value)
        .high_value(p.high_value)
        .tol(p.tolerance)
        .seed(p.seed)
        .apply_implicit_cf(!p.explicit)
        .separate_tenants(p.separate_tenants)
        .calibration_folds(p.calibration_folds);
    if let Some(alpha) = p.alpha {
        estimator = estimator.alpha(alpha);
    }
    if let Some(factor) = p.complement_factor {
        estimator = estimator.complementset_factor(factor);
    }
    if let Some(score) = p.negative_score {
        estimator = estimator.neg_score(score);
    }
    estimator
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two departments of two users; one column holds the tenant, or none.
    fn accesses() -> DataFrame {
        let (mut user, mut res, mut likelihood) = (Vec::new(), Vec::new(), Vec::new());
        for u in 0..8 {
            for r in 0..8 {
                if u % 2 == r % 2 && (u + 2 * r) % 5 != 0 || r == 0 {
                    user.push(format!("u{u}"));
                    res.push(format!("r{r}"));
                    likelihood.push((1 + u + r) as f64);
                }
            }
        }
        df!("user" => user, "res" => res, "likelihood" => likelihood).unwrap()
    }

    fn parameters() -> AccessAnomalyParameters {
        AccessAnomalyParameters { rank: 3, max_iterations: 5, calibration_folds: 3, ..Default::default() }
    }

    #[test]
    fn every_parameter_of_a_cell_reaches_the_estimator() {
        let wished = AccessAnomalyParameters {
            tenant_column: Some("t".into()),
            user_column: "u".into(),
            resource_column: "r".into(),
            likelihood_column: "l".into(),
            rank: 3,
            max_iterations: 4,
            regularization: 0.5,
            alpha: Some(2.0),
            low_value: Some(2.0),
            high_value: Some(3.0),
            seed: 5,
            explicit: true,
            complement_factor: Some(6),
            negative_score: Some(0.5),
            tolerance: 0.25,
            separate_tenants: true,
            calibration_folds: 7,
        };
        let estimator = estimator(&wished);
        let p = estimator.parameters();
        let names = [&p.tenant_col, &p.user_col, &p.res_col, &p.likelihood_col];
        assert_eq!(names, ["t", "u", "r", "l"]);
        assert_eq!((p.rank, p.max_iter, p.reg_param, p.alpha), (3, 4, 0.5, Some(2.0)));
        assert_eq!((p.scale(), p.seed, p.apply_implicit_cf), (Some((2.0, 3.0)), 5, false));
        assert_eq!((p.complementset_factor, p.neg_score, p.tol), (Some(6), Some(0.5), 0.25));
        assert_eq!((p.separate_tenants, p.calibration_folds), (true, 7));
    }

    #[test]
    fn calibrated_models_add_three_columns_and_survive_a_folder() {
        let frame = accesses();
        let model = estimator(&parameters()).fit_frame(&frame, &()).unwrap();
        let folder = std::env::temp_dir().join(format!("huntbook-model-{}", uuid::Uuid::new_v4()));
        model.save(&folder).unwrap();
        let again = AccessAnomalyModel::load(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let score =
            |m: &AccessAnomalyModel| m.transform_as(&frame, &KeyColumns::of(&m.summary().parameters), "score").unwrap();
        let scored = score(&model);
        let names: Vec<&str> = scored.get_column_names().into_iter().map(|n| n.as_str()).collect();
        assert_eq!(names, ["user", "res", "likelihood", "score", "p_value", "rank_in_tenant"]);
        assert!(scored.equals_missing(&score(&again)));
        assert!(model.explain(SINGLE_TENANT, "u0", "r0").to_string().contains("u0 -> r0"));
    }

    #[test]
    fn a_history_frame_scores_zero() {
        let frame = accesses();
        let estimator = estimator(&parameters()).history_frame(&frame).unwrap();
        let model = estimator.fit_frame(&frame, &()).unwrap();
        let scored = model.transform_as(&frame, &KeyColumns::of(&model.summary().parameters), "score").unwrap();
        assert!(scored.column("score").unwrap().f64().unwrap().iter().all(|s| s == Some(0.0)));
    }
}
