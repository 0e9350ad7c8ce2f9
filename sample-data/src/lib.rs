//! Generated access data for hunting exercises, the same for the same seed.
//!
//! A [`DataFactory`] invents three departments (hr, fin, eng) whose users reach resources of their own department, and
//! a shared resource `ffa` that everybody reaches. From it come
//!
//! * [`DataFactory::training`]: what is normal,
//! * [`DataFactory::intra_test`]: new accesses inside a department, which should score low,
//! * [`DataFactory::inter_test`]: accesses across departments, which should score high,
//! * [`security_events`]: the same story told as Windows events 5140 (a network share was accessed), with planted
//!   anomalies and their ground truth.
//!
//! Every row type can be written as CSV, TSV or JSON lines, see [`write_csv`].
//!
//! ```
//! use huntbook_sample_data::{DataFactory, FactoryConfig, write_csv};
//!
//! let factory = DataFactory::new(FactoryConfig::default());
//! let training = factory.training(0.25)?;
//! let mut csv = Vec::new();
//! write_csv(&training, &mut csv)?;
//! assert!(csv.starts_with(b"user,res,likelihood\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod deck;
mod departments;
mod error;
mod event;
mod export;
mod factory;
mod simulation;
mod write;

pub use error::Error;
pub use event::{PlantedAnomaly, Sample, SecurityEvent};
pub use export::{export_blob_path, export_container, export_layout_path};
pub use factory::{Access, DataFactory, FactoryConfig};
pub use simulation::{EventConfig, security_events};
pub use write::{Record, WriteError, write_csv, write_jsonl, write_tsv};
