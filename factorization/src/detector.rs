//! What every detector offers, so that algorithms can be chosen by name.
//!
//! To add one: implement [`AnomalyDetector`] for its parameters and [`AnomalyModel`] for its result, and name it in
//! [`detector`] and in [`load`]. `tests/detectors.rs` shows what must hold for any of them.

use crate::{AccessAnomaly, AccessAnomalyModel, AccessColumns, Error, FitObserver, PeerShare, Scored};

/// The detectors [`detector`] knows.
pub const DETECTORS: [&str; 2] = ["access_anomaly", "peer_share"];

/// Parameters of an algorithm that learns who normally accesses what.
pub trait AnomalyDetector: Send + Sync {
    /// Learns from accesses and how natural each was.
    ///
    /// # Errors
    /// See [`Error`].
    fn fit(
        &self,
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        observer: &dyn FitObserver,
    ) -> Result<Box<dyn AnomalyModel>, Error>;
}

/// What was learned.
pub trait AnomalyModel: Send + Sync + std::fmt::Debug {
    /// The detector it comes from.
    fn name(&self) -> &'static str;

    /// Scores every row, in order: the higher, the more anomalous; 0 is a typical training access; `None` if nothing is
    /// known about the user or the resource.
    ///
    /// # Errors
    /// [`Error::ColumnLength`].
    fn score_all(&self, accesses: AccessColumns<'_>) -> Result<Scored, Error>;

    /// The score of one access in words for a ticket.
    fn explain(&self, tenant: &str, user: &str, res: &str) -> String;

    /// Writes the model as a folder that [`load`] reads back.
    ///
    /// # Errors
    /// [`Error::File`].
    #[cfg(feature = "frames")]
    fn save(&self, folder: &std::path::Path) -> Result<(), Error>;
}

/// The detector of that name with its usual parameters.
///
/// # Errors
/// [`Error::UnknownDetector`], which names those there are.
///
/// ```
/// let detector = huntbook_factorization::detector("peer_share")?;
/// assert!(huntbook_factorization::detector("crystal_ball").is_err());
/// # Ok::<(), huntbook_factorization::Error>(())
/// ```
pub fn detector(name: &str) -> Result<Box<dyn AnomalyDetector>, Error> {
    match name {
        "access_anomaly" => Ok(Box::new(AccessAnomaly::new())),
        "peer_share" => Ok(Box::new(PeerShare::default())),
        _ => Err(Error::UnknownDetector { name: name.to_owned() }),
    }
}

/// Reads the model of any detector back.
///
/// # Errors
/// [`Error::File`].
#[cfg(feature = "frames")]
pub fn load(folder: impl AsRef<std::path::Path>) -> Result<Box<dyn AnomalyModel>, Error> {
    let folder = folder.as_ref();
    if crate::folder::is_a(folder, crate::files::PEER_SHARE)? {
        return Ok(Box::new(crate::PeerShareModel::load(folder)?));
    }
    #[cfg(feature = "onnx")]
    if crate::folder::is_a(folder, crate::onnx::FORMAT)? {
        return Ok(Box::new(crate::onnx::OnnxModel::load(folder)?));
    }
    Ok(Box::new(AccessAnomalyModel::load(folder)?))
}

impl AnomalyDetector for AccessAnomaly {
    fn fit(
        &self,
        accesses: AccessColumns<'_>,
        likelihood: &[Option<f64>],
        observer: &dyn FitObserver,
    ) -> Result<Box<dyn AnomalyModel>, Error> {
        Ok(Box::new(AccessAnomaly::fit(self, accesses, likelihood, observer)?))
    }
}

impl AnomalyModel for AccessAnomalyModel {
    fn name(&self) -> &'static str {
        "access_anomaly"
    }

    fn score_all(&self, accesses: AccessColumns<'_>) -> Result<Scored, Error> {
        AccessAnomalyModel::score_all(self, accesses)
    }

    fn explain(&self, tenant: &str, user: &str, res: &str) -> String {
        AccessAnomalyModel::explain(self, tenant, user, res).to_string()
    }

    #[cfg(feature = "frames")]
    fn save(&self, folder: &std::path::Path) -> Result<(), Error> {
        AccessAnomalyModel::save(self, folder)
    }
}
