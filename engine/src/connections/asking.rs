//! Asking one service: whole, or in slices of time.

use std::time::Instant;

use huntbook_azure::decode::DecodeError;
use huntbook_azure::log_analytics::Reply;
use huntbook_azure::{Error as ServiceError, fault::Fault};
use huntbook_kql::{Render, ticks};

use super::Connection;
use super::columns::{Rows, rows_of};
use super::mistake::error_of;
use super::remote::{Ask, Client};
use super::request::{Partial, Provenance, QueryRequest};
use super::slices::{Outcome, in_order, pool, stacked};
use super::split::{Splittable, splittable};
use crate::time_range::TimeRange;
use crate::{CancelToken, Error, Result};

/// Log Analytics gives so many rows at the most.
const MOST_ROWS: usize = 500_000;

/// What one place answered.
pub(super) struct Found {
    pub(super) rows: Rows,
    pub(super) render: Option<Render>,
    pub(super) earlier_results: usize,
    pub(super) warnings: Vec<String>,
    pub(super) provenance: Provenance,
}

/// A query on its way to one service.
pub(super) struct Asking<'a> {
    pub(super) connection: &'a Connection,
    pub(super) client: &'a Client,
    pub(super) request: &'a QueryRequest,
    pub(super) cancel: CancelToken,
}

pub(super) enum First {
    Whole(Box<Found>),
    /// Why there is more than one answer can hold
    TooMuch(String),
}

impl Asking<'_> {
    fn ask(
        &self,
        query: &str,
        range: Option<TimeRange>,
        allow_partial: bool,
    ) -> std::result::Result<Reply, ServiceError> {
        let ask = Ask {
            query,
            range,
            time_column: self.request.time_column.as_deref(),
            properties: &self.request.properties,
            timeout: self.request.timeout,
            allow_partial,
        };
        self.client.ask(&ask, &self.cancel)
    }

    fn error(&self, error: &ServiceError, query: &str) -> Error {
        error_of(error, query, self.connection.name())
    }

    /// One request, whose answer is what it is.
    pub(super) fn whole(&self, query: &str, range: Option<TimeRange>) -> Result<Found> {
        let began = Instant::now();
        let allow = self.request.partial != Partial::Error;
        let reply = self.ask(query, range, allow).map_err(|error| match too_large(&error) {
            Some(why) if is_partial(&error) => {
                too_much(&why, "Ask for a shorter time range, or leave out `--split off`")
            }
            _ => self.error(&error, query),
        })?;
        self.found(reply, began)
    }

    /// One request, unless its answer is too large.
    pub(super) fn first(&self, query: &str, range: Option<TimeRange>) -> Result<First> {
        let began = Instant::now();
        let allow = self.request.partial != Partial::Error;
        // Rows that are thrown away for slices need not be decoded.
        let can_split = range.is_some() && splittable(query).is_ok();
        match self.ask(query, range, allow && !can_split) {
            Ok(reply) => Ok(First::Whole(Box::new(self.found(reply, began)?))),
            Err(error) => match too_large(&error) {
                Some(why) if can_split || is_partial(&error) => Ok(First::TooMuch(why)),
                _ => Err(self.error(&error, query)),
            },
        }
    }

    /// Slices that are cut in two until each answer is whole.
    pub(super) fn halved(&self, plan: &Splittable<'_>, range: TimeRange, time_column: &str) -> Result<Found> {
        let began = Instant::now();
        let halves = range.halves().map_or(vec![range], Vec::from);
        let slices = pool(halves, self.request.parallel, |slice: &TimeRange| {
            let query = plan.over(*slice, time_column);
            match self.ask(&query, Some(*slice), false) {
                Ok(reply) => self.found(reply, began).map(Outcome::Done),
                Err(error) => match (too_large(&error), slice.halves()) {
                    (Some(_), Some(halves)) => Ok(Outcome::Cut(halves.to_vec())),
                    (Some(why), None) => Err(too_much(
                        &why,
                        &format!(
                            "Even one second, from {}, has too much: project fewer columns",
                            ticks::format_datetime(slice.from)
                        ),
                    )),
                    (None, _) => Err(self.error(&error, &query)),
                },
            }
        })?;
        self.put_together(in_order(slices), None, began)
    }

    /// Slices that were asked for. What they give stands below each other, with the begin of the slice.
    pub(super) fn each(&self, query: &str, slices: Vec<TimeRange>) -> Result<Found> {
        let began = Instant::now();
        let allow = self.request.partial != Partial::Error;
        let plan = splittable(query);
        let time_column = self.request.time_column.as_deref().unwrap_or(self.client.time_column());
        let slices = pool(slices, self.request.parallel, |slice: &TimeRange| {
            let over = plan.as_ref().map_or_else(|_| query.to_owned(), |plan| plan.over(*slice, time_column));
            let reply = self.ask(&over, Some(*slice), allow).map_err(|error| self.error(&error, &over))?;
            self.found(reply, began).map(Outcome::Done)
        })?;
        let mut found = self.put_together(in_order(slices), Some("_slice"), began)?;
        if let Err(reason) = plan {
            found.warnings.push(format!(
                "each slice is an answer of its own, with its begin in `_slice`: {reason}, and a row at the very end of a slice may be in the next one too"
            ));
        }
        Ok(found)
    }

    fn put_together(&self, slices: Vec<(TimeRange, Found)>, mark: Option<&str>, began: Instant) -> Result<Found> {
        let mut provenance = Provenance {
            connection: self.connection.name().to_owned(),
            slices: slices.len(),
            bytes: Some(slices.iter().filter_map(|(_, found)| found.provenance.bytes).sum()),
            ..Provenance::default()
        };
        let (mut parts, mut warnings, mut render) = (Vec::new(), Vec::new(), None);
        for (slice, found) in slices {
            provenance.request_ids.extend(found.provenance.request_ids);
            provenance.partial = provenance.partial.or(found.provenance.partial);
            warnings.extend(found.warnings);
            render = render.or(found.render);
            parts.push((ticks::format_datetime(slice.from), found.rows));
        }
        warnings.dedup();
        let rows = stacked(parts, mark)?;
        provenance.rows = rows.frame.height();
        provenance.milliseconds = began.elapsed().as_millis();
        Ok(Found { rows, render, earlier_results: 0, warnings, provenance })
    }

    fn found(&self, reply: Reply, began: Instant) -> Result<Found> {
        let Reply { answer, request_id, bytes, .. } = reply;
        let partial = (!answer.partial.is_empty()).then(|| sentences(&answer.partial));
        let mut warnings: Vec<String> = answer.warnings.iter().map(ToString::to_string).collect();
        let render = answer.render.clone().map(|render| Render {
            kind: render.visualization,
            properties: render.properties.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        });
        let mut tables = answer.into_results();
        let earlier_results = tables.len().saturating_sub(1);
        let rows = match tables.pop() {
            Some(table) => rows_of(table)?,
            None => Rows { frame: polars::prelude::DataFrame::empty(), types: Vec::new() },
        };
        if rows.frame.height() == MOST_ROWS && partial.is_none() {
            warnings.push(format!(
                "exactly {MOST_ROWS} rows, the most that the service gives: there may be more. Ask in slices (`--split 1h --last 1d`) or count them"
            ));
        }
        let provenance = Provenance {
            connection: self.connection.name().to_owned(),
            request_ids: vec![request_id],
            rows: rows.frame.height(),
            milliseconds: began.elapsed().as_millis(),
            bytes: Some(bytes as u64),
            partial,
            slices: 1,
            ..Provenance::default()
        };
        Ok(Found { rows, render, earlier_results, warnings, provenance })
    }
}

/// Says that the answer would be whole for a smaller question; `None` for all other errors.
fn too_large(error: &ServiceError) -> Option<String> {
    match error {
        ServiceError::Decode { error: DecodeError::Partial(faults), .. } => Some(sentences(faults)),
        ServiceError::Service(refusal) if matches!(refusal.status, 413 | 504) => Some(refusal.fault.to_string()),
        _ => None,
    }
}

fn is_partial(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Decode { error: DecodeError::Partial(_), .. })
}

fn sentences(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

pub(super) fn too_much(why: &str, advice: &str) -> Error {
    Error::new(
        "PartialResult",
        format!("the service does not give all rows: {why}. {advice}. `--partial warn` takes what it gives"),
    )
}

fn plain(value: serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
