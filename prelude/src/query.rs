//! The Rust face of the magics: whatever `%kql`, `%blob` and `%la_write` do, these do.

use huntbook_wire::{Request, Response, SourceFormat};

use crate::{Error, Frame, Result, client};

/// A KQL query over the workspace and the named frames: `kql("SecurityEvent | take 5").run()?`.
pub fn kql(query: &str) -> Query {
    Query { query: query.to_owned() }
}

pub struct Query {
    query: String,
}

impl Query {
    pub fn run(&self) -> Result<Frame> {
        let response = client::call(&Request::Kql { query: self.query.clone() })?;
        Ok(Frame::from_info(Frame::expect_info(response)?))
    }
}

/// Appends the frame's rows to a custom table of the workspace (`_CL` is added to the name) and says how many
/// were accepted.
pub fn la_write(frame: &Frame, table: &str) -> Result<String> {
    match client::call(&Request::LaWrite { plan: frame.plan().clone(), table: table.to_owned() })? {
        Response::Text(report) => Ok(report),
        other => Err(Error::new("EngineError", format!("unexpected answer {other:?}"))),
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
