//! Models on disk: a folder of Parquet tables and a `model.json`.
//!
//! ```text
//! model.json          format and library version, parameters, training window, statistics per tenant, row counts
//! users.parquet       tenant, user, component, vector
//! resources.parquet   tenant, res, component, vector
//! accesses.parquet    user_id, res_id: who accessed what in training, by row of the two tables above
//! history.parquet     tenant, user, res                    (only with a history)
//! held_out.parquet    tenant, score                        (only with calibration)
//! ```
//!
//! Numbers are kept exactly: a model that was read back scores bit for bit the same. A model appears in its folder
//! whole or not at all.

mod peers;
mod synapse;
mod tables;

pub use crate::folder::FORMAT_VERSION;
pub(crate) use peers::FORMAT as PEER_SHARE;
pub use synapse::read_synapse;

use crate::calibration::Calibration;
use crate::folder::{Version, damaged, describe, replace};
use crate::history::History;
use crate::model::{ModelData, Pairs, Summary, TenantSummary};
use crate::{AccessAnomalyModel, Error};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FORMAT: &str = "huntbook access anomaly model";

#[derive(Serialize, Deserialize)]
struct Description {
    #[serde(flatten)]
    version: Version,
    summary: Summary,
    has_components: bool,
    preserve_history: bool,
    tenants: Vec<TenantSummary>,
    /// Rows of every table, to tell a damaged folder.
    rows: TableRows,
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
struct TableRows {
    users: usize,
    resources: usize,
    accesses: Option<usize>,
    history: Option<usize>,
    held_out: Option<usize>,
}

impl AccessAnomalyModel {
    /// Writes the model as a folder. An existing model is replaced; anything else that is there is not touched.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be written, or exists and is not a model.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        replace(folder.as_ref(), |folder| self.write(folder))
    }

    fn write(&self, folder: &Path) -> Result<(), Error> {
        let data = self.data();
        let tenants: Vec<&str> = data.tenants.iter().map(|t| &*t.name).collect();
        let width = data.summary.rank + 2;
        tables::write_side(&folder.join("users.parquet"), &tenants, "user", &data.users, width)?;
        tables::write_side(&folder.join("resources.parquet"), &tenants, "res", &data.resources, width)?;
        if let Some(accesses) = &data.accesses {
            tables::write_pairs(&folder.join("accesses.parquet"), accesses)?;
        }
        if let Some(history) = &data.history {
            tables::write_history(&folder.join("history.parquet"), &history.listed())?;
        }
        if let Some(calibration) = &data.calibration {
            tables::write_held_out(&folder.join("held_out.parquet"), &tenants, &calibration.held_out)?;
        }
        let description = Description {
            version: Version::current(FORMAT),
            summary: data.summary.clone(),
            has_components: data.has_components,
            preserve_history: data.preserve_history,
            tenants: data.tenants.clone(),
            rows: TableRows {
                users: data.users.names.len(),
                resources: data.resources.names.len(),
                accesses: data.accesses.as_ref().map(|a| a.resources.len()),
                history: data.history.as_ref().map(|h| h.accesses.len()),
                held_out: data.calibration.as_ref().map(|c| c.held_out.iter().map(Vec::len).sum()),
            },
        };
        describe(folder, &description)
    }

    /// Reads a model written by [`save`](Self::save).
    ///
    /// # Errors
    /// [`Error::File`] for a folder that is not a model, is damaged, or was written by a newer version.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let text = Version::expect(folder, FORMAT)?;
        let damaged = |why: String| damaged(&folder.join("model.json"), why);
        let Description { summary, has_components, preserve_history, tenants, rows, .. } =
            serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;

        let names: Vec<&str> = tenants.iter().map(|t| &*t.name).collect();
        let width = summary.rank.checked_add(2).ok_or_else(|| damaged("its rank is too large".to_owned()))?;
        let side = |file: &str, key: &str, rows: usize| tables::read_side(&folder.join(file), &names, key, width, rows);
        let users = side("users.parquet", "user", rows.users)?;
        let resources = side("resources.parquet", "res", rows.resources)?;
        let accesses = match rows.accesses {
            None => None,
            Some(n) => Some(tables::read_pairs(&folder.join("accesses.parquet"), users.names.len(), n)?),
        };
        let history = match rows.history {
            None => None,
            Some(n) => {
                let listed = tables::read_history(&folder.join("history.parquet"), Some(n))?;
                Some(History::new(&listed)?)
            }
        };
        let calibration = match rows.held_out {
            None => None,
            Some(n) => {
                let held_out = tables::read_held_out(&folder.join("held_out.parquet"), &names, n)?;
                Some(Calibration { held_out })
            }
        };
        AccessAnomalyModel::new(ModelData {
            summary,
            tenants,
            users,
            resources,
            has_components,
            preserve_history,
            history,
            accesses,
            calibration,
        })
        .map_err(|e| Error::file("read", folder, e))
    }
}

impl Pairs {
    /// (user id, resource id) of every access.
    fn listed(&self) -> (Vec<u32>, Vec<u32>) {
        let users = self.offsets.windows(2).enumerate();
        let users = users.flat_map(|(u, w)| std::iter::repeat_n(u as u32, w[1] - w[0])).collect();
        (users, self.resources.clone())
    }
}
