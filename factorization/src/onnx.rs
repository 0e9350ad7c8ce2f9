//! A network of your own as a detector (feature `onnx`): any model that was exported as ONNX, run by [`tract_onnx`].
//!
//! The network has two inputs, user ids and resource ids, and one output, the affinity of each pair:
//!
//! ```text
//! user  int64 [N]          N is the batch; the inputs are found by these names, else by their order
//! res   int64 [N]
//! ->    float [N] or [N, 1]     the higher, the more expected the access; logits do as well as probabilities
//! ```
//!
//! Ids are those of [`AccessIndexer`]: the rank of (tenant, name) among the distinct pairs of the training data, sorted.
//! In pandas, for a table of accesses:
//!
//! ```text
//! users = accesses[["tenant", "user"]].drop_duplicates().sort_values(["tenant", "user"])
//! users["id"] = range(len(users))
//! ```
//!
//! Train the network in Python on these ids, export it (`torch.onnx.export(model, (user, res), "model.onnx",
//! input_names=["user", "res"], dynamic_axes={"user": {0: "N"}, "res": {0: "N"}})`), and fit [`OnnxDetector`] on the same
//! accesses. Nothing is trained here: the fit numbers the names and measures the affinities of the training accesses, so
//! that scores read as those of [`AccessAnomaly`](crate::AccessAnomaly), `-(affinity - mean) / std` per tenant.

use crate::access_anomaly::mean_std;
use crate::detector::{AnomalyDetector, AnomalyModel};
use crate::folder::{Version, damaged, describe, replace};
use crate::indexer::{AccessIndexer, AccessNames, Ids};
use crate::model::{Scored, ranks};
use crate::{AccessColumns, Error, FitObserver};
use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use tract_onnx::prelude::{
    Datum, Framework, InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, TValue, Tensor, ToDim,
    TractResult, TypedRunnableModel, tvec,
};

pub(crate) const FORMAT: &str = "huntbook ONNX model";

/// Pairs that go through the network together.
const BATCH: usize = 8192;

/// A network that tells how expected an access is; see the [module](self).
#[derive(Clone)]
pub struct OnnxDetector {
    network: Network,
}

/// A network with the names that it knows by their ids.
#[derive(Clone)]
pub struct OnnxModel {
    network: Network,
    indexer: AccessIndexer,
    /// Mean and deviation of the affinity over the training accesses of each tenant
    mean_std: Vec<(f64, f64)>,
}

#[derive(Clone)]
struct Network {
    path: PathBuf,
    bytes: std::sync::Arc<[u8]>,
    plan: std::sync::Arc<TypedRunnableModel>,
}

#[derive(Serialize, Deserialize)]
struct Description {
    #[serde(flatten)]
    version: Version,
    /// Bytes of the network, to tell a damaged folder.
    network_bytes: usize,
    #[serde(flatten)]
    names: AccessNames,
    #[serde(with = "crate::exact::vector")]
    mean: Vec<f64>,
    #[serde(with = "crate::exact::vector")]
    std: Vec<f64>,
}

impl OnnxDetector {
    /// Reads a network.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, [`Error::Network`] if it is no such network.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Network::open(path.as_ref()).map(|network| OnnxDetector { network })
    }

    /// Numbers the names of the accesses and measures their affinities; their likelihood plays no role.
    ///
    /// # Errors
    /// [`Error::EmptyInput`], [`Error::ColumnLength`], [`Error::NullKey`], [`Error::Cancelled`], or [`Error::Network`] if the
    /// network does not know all users and resources, or gives what is no number.
    pub fn fit(&self, accesses: AccessColumns<'_>, observer: &dyn FitObserver) -> Result<OnnxModel, Error> {
        let indexer = AccessIndexer::fit(accesses)?;
        let mut model = OnnxModel { network: self.network.clone(), indexer, mean_std: Vec::new() };
        model.knows_the_last_ids()?;
        let (ids, affinities) =
            model.affinities(accesses, |done, of| match observer.iteration(done, of, 0.0).is_break() {
                true => Err(Error::Cancelled { done, of }),
                false => Ok(()),
            })?;
        let mut of_tenant = vec![Vec::new(); model.indexer.parts.tenants.len()];
        for ((tenant, ..), affinity) in ids.iter().flatten().zip(affinities) {
            of_tenant[*tenant as usize].push(affinity);
        }
        model.mean_std = of_tenant.iter().map(|affinities| mean_std(affinities)).collect();
        Ok(model)
    }
}

impl OnnxModel {
    /// Scores every row: `None` for a null or unknown key. There are no p-values: they need accesses that the network was
    /// not trained on.
    ///
    /// # Errors
    /// [`Error::ColumnLength`], or [`Error::Network`] if the network gives what is no number.
    pub fn score_all(&self, accesses: AccessColumns<'_>) -> Result<Scored, Error> {
        let (ids, affinities) = self.affinities(accesses, |_, _| Ok(()))?;
        let mut affinities = affinities.into_iter();
        let score = |ids: &Option<Ids>| Some(self.score_of((*ids)?.0, affinities.next()?));
        let score: Vec<Option<f64>> = ids.iter().map(score).collect();
        let rank_in_tenant = ranks(accesses.tenant, &score);
        Ok(Scored { p_value: vec![None; score.len()], score, rank_in_tenant })
    }

    /// The score of one access in words.
    pub fn explain(&self, tenant: &str, user: &str, res: &str) -> String {
        let about = format!("{user} -> {res} (tenant {tenant})");
        let Some(ids) = self.indexer.ids(tenant, user, res) else {
            return format!("{about} has no score: not both are known from training.");
        };
        match self.network.affinities(&[ids]) {
            Err(error) => format!("{about} has no score: {error}"),
            Ok(affinity) => {
                let (mean, std) = self.mean_std[ids.0 as usize];
                format!(
                    "{about} scores {:.2}: the network {} gives it an affinity of {:.4}; accesses of the training data have \
                     {mean:.4} on average, with a standard deviation of {std:.4}.",
                    self.score_of(ids.0, affinity[0]),
                    self.network.path.display(),
                    affinity[0]
                )
            }
        }
    }

    /// Writes `model.onnx` and a `model.json` with the names and the statistics of each tenant. An existing model is
    /// replaced.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let description = Description {
            version: Version::current(FORMAT),
            network_bytes: self.network.bytes.len(),
            names: self.indexer.parts.clone(),
            mean: self.mean_std.iter().map(|of_tenant| of_tenant.0).collect(),
            std: self.mean_std.iter().map(|of_tenant| of_tenant.1).collect(),
        };
        replace(folder.as_ref(), |folder| {
            let path = folder.join("model.onnx");
            std::fs::write(&path, &self.network.bytes).map_err(|error| Error::file("write", &path, error))?;
            describe(folder, &description)
        })
    }

    /// Reads a model written by [`save`](Self::save); it scores bit for bit the same.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Network`].
    pub fn load(folder: impl AsRef<Path>) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let text = Version::expect(folder, FORMAT)?;
        let wrong = |why: String| damaged(&folder.join("model.json"), why);
        let Description { network_bytes, names, mean, std, .. } =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        names.check().map_err(wrong)?;
        if mean.len() != names.tenants.len() || std.len() != names.tenants.len() {
            return Err(wrong("its statistics do not fit its tenants".to_owned()));
        }
        let path = folder.join("model.onnx");
        let found = std::fs::metadata(&path).map_err(|error| Error::file("read", &path, error))?.len();
        if found != network_bytes as u64 {
            return Err(damaged(&path, format!("it has {found} bytes, {network_bytes} were written")));
        }
        let mean_std = mean.into_iter().zip(std).collect();
        Ok(OnnxModel { network: Network::open(&path)?, indexer: AccessIndexer::of(names), mean_std })
    }

    fn score_of(&self, tenant: u32, affinity: f64) -> f64 {
        let (mean, std) = self.mean_std[tenant as usize];
        -(affinity - mean) / std
    }

    /// The ids of every row, and the affinities of the rows that have some.
    fn affinities(
        &self,
        accesses: AccessColumns<'_>,
        done: impl Fn(usize, usize) -> Result<(), Error>,
    ) -> Result<(Vec<Option<Ids>>, Vec<f64>), Error> {
        let rows = accesses.rows()?;
        let find = |i: usize| self.indexer.ids(accesses.tenant[i]?, accesses.user[i]?, accesses.res[i]?);
        let ids: Vec<Option<Ids>> = (0..rows).map(find).collect();
        let known: Vec<Ids> = ids.iter().copied().flatten().collect();
        let batches = known.chunks(BATCH);
        let of = batches.len();
        let mut affinities = Vec::with_capacity(known.len());
        for (at, batch) in batches.enumerate() {
            affinities.extend(self.network.affinities(batch)?);
            done(at + 1, of)?;
        }
        Ok((ids, affinities))
    }

    /// A network that was trained on other data fails here, with what is wrong.
    fn knows_the_last_ids(&self) -> Result<(), Error> {
        let (users, resources) = (self.indexer.users(), self.indexer.resources());
        match self.network.affinities(&[(0, users as u32 - 1, resources as u32 - 1)]) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.network.wrong(format!(
                "it was given accesses of {users} users and {resources} resources, and fails for the last of them; train it on \
                 the ids of the same accesses ({error})"
            ))),
        }
    }
}

impl Network {
    fn open(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|error| Error::file("read", path, error))?;
        let wrong = |reason: String| Error::Network { path: path.to_owned(), reason };
        // tract checks most of what it reads, and panics at some of the rest.
        let planned = catch_unwind(AssertUnwindSafe(|| plan(&bytes)));
        let planned = planned.unwrap_or_else(|_| Err("it is damaged".to_owned()));
        Ok(Network { path: path.to_owned(), plan: planned.map_err(wrong)?, bytes: bytes.into() })
    }

    fn wrong(&self, reason: String) -> Error {
        Error::Network { path: self.path.clone(), reason }
    }

    /// One affinity for each pair.
    fn affinities(&self, pairs: &[Ids]) -> Result<Vec<f64>, Error> {
        let column = |id: fn(&Ids) -> u32| -> TractResult<TValue> {
            let ids: Vec<i64> = pairs.iter().map(|pair| i64::from(id(pair))).collect();
            Ok(Tensor::from_shape(&[ids.len()], &ids)?.into())
        };
        // An id beyond an embedding is a panic of tract.
        let run = || -> TractResult<Vec<f64>> {
            let outputs = self.plan.run(tvec![column(|pair| pair.1)?, column(|pair| pair.2)?])?;
            let affinities = outputs[0].cast_to::<f64>()?;
            Ok(affinities.to_plain_array_view::<f64>()?.iter().copied().collect())
        };
        let affinities = catch_unwind(AssertUnwindSafe(run))
            .map_err(|_| self.wrong("it crashed; an id is beyond its embeddings, most likely".to_owned()))?
            .map_err(|error| self.wrong(format!("{error:#}")))?;
        if affinities.len() != pairs.len() {
            return Err(self.wrong(format!("it gave {} affinities for {} pairs", affinities.len(), pairs.len())));
        }
        match affinities.iter().position(|affinity| !affinity.is_finite()) {
            None => Ok(affinities),
            Some(at) => {
                let (_, user, res) = pairs[at];
                Err(self.wrong(format!("its affinity of user id {user} to resource id {res} is {}", affinities[at])))
            }
        }
    }
}

fn plan(bytes: &[u8]) -> Result<std::sync::Arc<TypedRunnableModel>, String> {
    let text = |error: tract_onnx::prelude::TractError| format!("{error:#}");
    let model = tract_onnx::onnx().model_for_read(&mut &*bytes).map_err(text)?;
    let inputs = model.input_outlets().map_err(text)?.to_vec();
    let names: Vec<String> = inputs.iter().map(|input| model.node(input.node).name.clone()).collect();
    let outputs = model.output_outlets().map_err(text)?.len();
    if inputs.len() != 2 || outputs != 1 {
        let listed = names.join(", ");
        return Err(format!(
            "it has {} inputs ({listed}) and {outputs} outputs; `user` and `res`, and one, are wanted",
            names.len()
        ));
    }
    let swapped = names[0] == "res" || names[1] == "user";
    let named = if swapped { model.with_input_names([&names[1], &names[0]]).map_err(text)? } else { model };
    batched(named).map_err(|error| format!("its inputs are not two vectors of int64 ids: {error:#}"))
}

fn batched(mut model: InferenceModel) -> TractResult<std::sync::Arc<TypedRunnableModel>> {
    let batch = model.symbols.sym("N").to_dim();
    for input in 0..2 {
        model.set_input_fact(input, InferenceFact::dt_shape(i64::datum_type(), tvec![batch.clone()]))?;
    }
    model.into_optimized()?.into_runnable()
}

impl std::fmt::Debug for OnnxDetector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxDetector").field("network", &self.network.path).finish()
    }
}

impl std::fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (users, resources) = (self.indexer.users(), self.indexer.resources());
        let shown = f
            .debug_struct("OnnxModel")
            .field("network", &self.network.path)
            .field("users", &users)
            .field("resources", &resources)
            .finish();
        shown
    }
}

impl AnomalyDetector for OnnxDetector {
    fn fit(
        &self,
        accesses: AccessColumns<'_>,
        _likelihood: &[Option<f64>],
        observer: &dyn FitObserver,
    ) -> Result<Box<dyn AnomalyModel>, Error> {
        Ok(Box::new(OnnxDetector::fit(self, accesses, observer)?))
    }
}

impl AnomalyModel for OnnxModel {
    fn name(&self) -> &'static str {
        "onnx"
    }

    fn score_all(&self, accesses: AccessColumns<'_>) -> Result<Scored, Error> {
        OnnxModel::score_all(self, accesses)
    }

    fn explain(&self, tenant: &str, user: &str, res: &str) -> String {
        OnnxModel::explain(self, tenant, user, res)
    }

    #[cfg(feature = "frames")]
    fn save(&self, folder: &Path) -> Result<(), Error> {
        OnnxModel::save(self, folder)
    }
}
