//! The baseline on disk: who accessed what; the rest follows.

use super::tables::{read_history, write_history};
use crate::folder::{Version, damaged, describe, replace};
use crate::{Access, AccessColumns, Error, PeerShare, PeerShareModel};
use serde::{Deserialize, Serialize};
use std::path::Path;

pub(crate) const FORMAT: &str = "huntbook peer share model";

#[derive(Serialize, Deserialize)]
struct Description {
    #[serde(flatten)]
    version: Version,
    parameters: PeerShare,
    rows: usize,
}

impl PeerShareModel {
    /// Writes the model as a folder. An existing model is replaced.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let mut accesses = Vec::with_capacity(self.of_user.resources.len());
        for (u, (t, user)) in self.users.iter().enumerate() {
            let names = self.of_user.of_user(u).iter().map(|&r| &*self.resources.names[r as usize]);
            accesses.extend(names.map(|res| Access::new(&*self.tenant_names[t], user, res)));
        }
        let (version, parameters) = (Version::current(FORMAT), self.parameters.clone());
        let description = Description { version, parameters, rows: accesses.len() };
        replace(folder.as_ref(), |folder| {
            write_history(&folder.join("accesses.parquet"), &accesses)?;
            describe(folder, &description)
        })
    }

    /// Reads a model written by [`save`](Self::save); it scores bit for bit the same.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let text = Version::expect(folder, FORMAT)?;
        let path = folder.join("model.json");
        let description: Description = serde_json::from_slice(&text).map_err(|e| damaged(&path, e))?;
        let accesses = read_history(&folder.join("accesses.parquet"), Some(description.rows))?;
        let column = |of: fn(&Access) -> &str| accesses.iter().map(|a| Some(of(a))).collect::<Vec<_>>();
        let (tenant, user, res) = (column(|a| &a.tenant), column(|a| &a.user), column(|a| &a.res));
        description.parameters.fit(AccessColumns { tenant: &tenant, user: &user, res: &res }, &())
    }
}
