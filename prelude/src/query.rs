//! The Rust face of the magics: whatever `%kql`, `%blob` and `%la_write` do, these do.

use huntbook_wire::{QueryOptions, Request, Response, SourceFormat, WriteOptions};

use crate::{Error, Frame, Result, client};

/// A KQL query over the workspace and the named frames: `kql("SecurityEvent | take 5").run()?`. With
/// [`Query::on`] it runs somewhere else.
pub fn kql(query: &str) -> Query {
    Query { query: query.to_owned(), options: QueryOptions::default() }
}

/// A query that has not run yet.
#[derive(Clone)]
pub struct Query {
    query: String,
    options: QueryOptions,
}

impl Query {
    /// Runs at this connection: its name, or a connection string. Without it the current one is meant (`%connect`).
    pub fn on(mut self, connection: &str) -> Query {
        self.options.connection = Some(connection.to_owned());
        self
    }

    /// Only rows from this time on: `"2026-01-31"`, `"-3d"`.
    pub fn from(mut self, time: &str) -> Query {
        self.options.from = Some(time.to_owned());
        self
    }

    /// Only rows before this time; needs a [`Query::from`].
    pub fn to(mut self, time: &str) -> Query {
        self.options.to = Some(time.to_owned());
        self
    }

    /// Only rows of the last `"7d"`, `"12h"`.
    pub fn last(mut self, span: &str) -> Query {
        self.options.last = Some(span.to_owned());
        self
    }

    /// An answer without all rows is a result; without this it is an error.
    pub fn allow_partial(mut self) -> Query {
        self.options.allow_partial = true;
        self
    }

    /// Errors: mistakes in the query, a service that refuses or cannot be reached, an answer that is not whole.
    pub fn run(&self) -> Result<Frame> {
        let response = client::call(&Request::Kql { query: self.query.clone(), options: self.options.clone() })?;
        Ok(Frame::from_info(Frame::expect_info(response)?))
    }
}

/// Appends the frame's rows to a custom table of the local workspace (`_CL` is added to the name) and says how many
/// were accepted. [`LaWrite`] writes to Log Analytics.
pub fn la_write(frame: &Frame, table: &str) -> Result<String> {
    LaWrite::new(frame, table).run()
}

/// Rows on their way into a custom table: `LaWrite::new(&top, "Hits").on("prod").run()?`.
#[derive(Clone)]
pub struct LaWrite {
    frame: Frame,
    table: String,
    options: WriteOptions,
}

impl LaWrite {
    pub fn new(frame: &Frame, table: &str) -> LaWrite {
        LaWrite { frame: frame.clone(), table: table.to_owned(), options: WriteOptions::default() }
    }

    /// The connection that has the data collection endpoint and rule.
    pub fn on(mut self, connection: &str) -> LaWrite {
        self.options.connection = Some(connection.to_owned());
        self
    }

    /// Data collection endpoint and immutable id of the rule.
    pub fn dcr(mut self, endpoint: &str, rule: &str) -> LaWrite {
        (self.options.dce, self.options.dcr) = (Some(endpoint.to_owned()), Some(rule.to_owned()));
        self
    }

    /// The rule's stream; `Custom-TABLE_CL` without it.
    pub fn stream(mut self, name: &str) -> LaWrite {
        self.options.stream = Some(name.to_owned());
        self
    }

    /// Uses the HTTP Data Collector API, whose support has ended.
    pub fn legacy(mut self) -> LaWrite {
        self.options.legacy = true;
        self
    }

    /// Says what would be written, and writes nothing.
    pub fn dry_run(mut self) -> LaWrite {
        self.options.dry_run = true;
        self
    }

    /// Writes, and says how many rows were accepted.
    ///
    /// Errors: a column that does not fit, a service that refuses; the message says how many rows were accepted before.
    pub fn run(&self) -> Result<String> {
        let request = Request::LaWrite {
            plan: self.frame.plan().clone(),
            table: self.table.clone(),
            options: self.options.clone(),
        };
        match client::call(&request)? {
            Response::Text(report) => Ok(report),
            other => Err(Error::new("EngineError", format!("unexpected answer {other:?}"))),
        }
    }
}

/// Files and blobs as frames.
pub mod blob {
    use super::*;

    /// Reads CSV, TSV, JSON lines or Parquet; the format is told by the file's ending.
    pub fn read(location: &str) -> Result<Frame> {
        request(location, None)
    }

    /// Reads files whose ending does not tell the format.
    pub fn read_as(location: &str, format: SourceFormat) -> Result<Frame> {
        request(location, Some(format))
    }

    fn request(location: &str, format: Option<SourceFormat>) -> Result<Frame> {
        let response = client::call(&Request::BlobRead { location: location.to_owned(), format })?;
        Ok(Frame::from_info(Frame::expect_info(response)?))
    }
}

/// Generated accesses of a small company: three departments, one shared resource.
pub mod sample {
    use super::*;

    /// Accesses to train on: every user to the shared resource, and a quarter of each department's pairs.
    pub fn training(seed: u64) -> Result<Frame> {
        request("training", seed)
    }

    /// Accesses within departments that training has not seen: normal.
    pub fn intra_test(seed: u64) -> Result<Frame> {
        request("intra_test", seed)
    }

    /// Accesses across departments: anomalous.
    pub fn inter_test(seed: u64) -> Result<Frame> {
        request("inter_test", seed)
    }

    fn request(set: &str, seed: u64) -> Result<Frame> {
        let response = client::call(&Request::SampleAccesses { set: set.to_owned(), ratio: None, seed })?;
        Ok(Frame::from_info(Frame::expect_info(response)?))
    }
}
