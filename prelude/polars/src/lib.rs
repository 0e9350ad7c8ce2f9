//! `%use polars`: full polars in Rust cells.
//!
//! Rows cross as Arrow IPC files, which polars maps. Every cell of a kernel that uses this crate compiles against
//! polars, which takes seconds: the engine's frames need none of it.

use std::fs::File;

use huntbook::{Frame, Result};
use polars::prelude::{DataFrame, IpcReader, IpcWriter, SerReader, SerWriter};

pub use polars;

/// Frames as DataFrames: `hits.polars()?`.
pub trait PolarsFrame {
    fn polars(&self) -> Result<DataFrame>;
}

impl PolarsFrame for Frame {
    fn polars(&self) -> Result<DataFrame> {
        let path = huntbook::rt::export_ipc(self)?;
        let read = File::open(&path)
            .map_err(polars::prelude::PolarsError::from)
            .and_then(|file| IpcReader::new(file).finish());
        let _ = std::fs::remove_file(&path);
        read.map_err(|error| huntbook::rt::error("PolarsError", error.to_string()))
    }
}

/// A DataFrame as a frame of the engine: `from_polars(&df)?`.
pub fn from_polars(frame: &DataFrame) -> Result<Frame> {
    let path = huntbook::rt::transfer_path();
    let written = File::create_new(&path)
        .map_err(polars::prelude::PolarsError::from)
        .and_then(|file| IpcWriter::new(file).finish(&mut frame.clone()));
    let imported = match written {
        Ok(()) => huntbook::rt::import_ipc(&path),
        Err(error) => Err(huntbook::rt::error("PolarsError", error.to_string())),
    };
    let _ = std::fs::remove_file(&path);
    imported
}
