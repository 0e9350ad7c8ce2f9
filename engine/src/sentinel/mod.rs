//! The hand-over to Microsoft Sentinel: analytics rules, incidents, bookmarks and watchlists, over the local workspace or
//! over Azure Resource Manager.

mod alert;
mod arm;
mod azure;
mod bookmarks;
mod columns;
mod deploy;
mod duration;
mod entities;
mod incident;
mod incidents;
mod lines;
mod new_rule;
mod place;
mod problems;
mod record;
mod report;
mod rule;
mod rules;
mod service;
mod store;
mod trial;
mod watchlists;

pub use alert::{Alert, Entity};
pub use bookmarks::NewBookmark;
pub use duration::RuleDuration;
pub use incident::{Incident, Status};
pub use incidents::{CLASSIFICATIONS, IncidentChanges, IncidentView};
pub use new_rule::{NewRule, file_name};
pub use place::Place;
pub use problems::Problem;
pub use rule::{Rule, RuleFile, Severity};
pub use rules::{moment_of, rule_files};
pub use service::{Management, Service};
pub use trial::{Times, Trial, listed};

use huntbook_kql::catalogs::Frames;
use huntbook_kql::{Engine as KqlEngine, KqlTable};
use polars::prelude::DataFrame;

use crate::{Error, Result};

/// A frame in the representation of query results: frames of Rust cells and files have types that KQL has not.
fn in_kql_types(frame: &DataFrame) -> Result<KqlTable> {
    let engine = KqlEngine::new(Frames::new().with("rows", frame.clone()));
    engine.run("rows").map_err(|error| sentinel_error(error.to_string()))
}

fn sentinel_error(message: impl Into<String>) -> Error {
    Error::new("SentinelError", message)
}
