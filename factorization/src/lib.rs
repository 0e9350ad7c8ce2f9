//! Who normally touches what? ALS matrix factorization and **AccessAnomaly**, a detector
//! of anomalous resource access built on it.
//!
//! [`AccessAnomaly`] learns from rows *(tenant, user, resource, likelihood)* and scores any
//! *(tenant, user, resource)*: **the higher, the more anomalous**; 0 is a typical access, 1 is one standard
//! deviation less expected than the average training access of that tenant.
//!
//! ```
//! use huntbook_factorization::{AccessAnomaly, AccessColumns};
//!
//! let tenant = [Some("contoso"); 6];
//! let user = ["ann", "ann", "bob", "bob", "eve", "eve"].map(Some);
//! let res = ["payroll", "ledger", "payroll", "ledger", "wiki", "ledger"].map(Some);
//! let likelihood = [9.0, 7.0, 8.0, 9.0, 5.0, 1.0].map(Some);
//!
//! let accesses = AccessColumns { tenant: &tenant, user: &user, res: &res };
//! let model = AccessAnomaly::new().rank(2).seed(7).fit(accesses, &likelihood, &())?;
//!
//! let scores = model.score(AccessColumns {
//!     tenant: &[Some("contoso"), Some("contoso")],
//!     user: &[Some("eve"), Some("mallory")],
//!     res: &[Some("payroll"), Some("payroll")],
//! })?;
//! assert!(scores[0].is_some_and(f64::is_finite));
//! assert_eq!(scores[1], None); // never seen in training
//! # Ok::<(), huntbook_factorization::Error>(())
//! ```
//!
//! # Layers
//!
//! | module | what it gives |
//! |---|---|
//! | [`AccessAnomaly`], [`AccessAnomalyModel`] | the detector: names in, scores out |
//! | [`als`] | explicit and implicit ALS on integer triplets, non-negative or free |
//! | [`nnls`] | exact non-negative least squares for small positive definite systems |
//! | [`scaler`] | min–max and standard scaling per group |
//! | [`indexer`] | names to numbers and back, per tenant |
//! | `onnx` (feature `onnx`) | a network of your own as a detector |
//! | [`components`] | connected components of a bipartite graph |
//!
//! # Reproducibility
//!
//! A fit depends on the data, the parameters and the seed only, not on the number of threads: rows are solved
//! independently and sums are taken over fixed pieces in a fixed order. Builds for processors with and without fused
//! multiply-add (huntbook's own is with) round differently in the last bits.
//!
//! # Cost
//!
//! With `n` rows, `U` users, `R` resources and rank `k`, one iteration takes `O(n·k² + (U + R)·k³)` time.
//! Memory is about `32·n` bytes while fitting (row codes, scaled likelihoods, and the access matrix by user
//! and by resource) plus `4·k·(U + R)`; a model holds `8·(k + 2)·(U + R)` bytes and the names.

// One function, a prefetch, is allowed to.
#![deny(unsafe_code)]

mod access_anomaly;
pub mod als;
mod calibration;
pub mod components;
mod csr;
mod detector;
mod error;
mod exact;
#[cfg(feature = "frames")]
pub mod files;
#[cfg(any(feature = "frames", feature = "onnx"))]
mod folder;
#[cfg(feature = "frames")]
pub mod frames;
mod history;
pub mod indexer;
mod kernel;
mod model;
pub mod nnls;
mod observer;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod peers;
pub mod scaler;

pub use access_anomaly::{Access, AccessAnomaly, AccessColumns, ParamDoc, Parameters, Replay};
#[cfg(feature = "frames")]
pub use detector::load;
pub use detector::{AnomalyDetector, AnomalyModel, DETECTORS, detector};
pub use error::Error;
pub use model::{
    AccessAnomalyModel, Explanation, ModelParts, Named, NamedComponent, NamedComponents, NamedVector, Neighbour,
    Scored, Summary, TenantSummary,
};
pub use observer::FitObserver;
pub use peers::{PeerShare, PeerShareModel};
