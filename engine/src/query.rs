//! KQL for programs: one query in a file format, or many as JSON lines.

use std::io::{BufRead, Write};

use huntbook_kql::{KqlType, SchemaCatalog, batch};
use polars::prelude::{CsvWriter, ParquetWriter, SerWriter};

use crate::{Engine, Error, Result, catalog::EngineCatalog, table};

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryFormat {
    /// Aligned text, long cells clipped
    Table,
    /// One JSON object per row
    Json,
    /// With a header; dynamics as JSON text
    Csv,
    /// Polars types
    Parquet,
}

impl Engine {
    /// Runs a query and writes all its rows.
    ///
    /// Errors: those of [`Engine::kql`], and output that cannot be written.
    pub fn kql_to(&self, query: &str, format: QueryFormat, mut output: impl Write) -> Result<()> {
        let answer = self.kql(query)?;
        let mut frame = (*answer.frame).clone();
        match format {
            QueryFormat::Table => {
                let display = table::render(&frame, Some(&answer.types), frame.height());
                let text = display.data.get("text/plain").and_then(|text| text.as_str()).unwrap_or_default();
                writeln!(output, "{}", text.trim_end()).map_err(|error| unwritable(&error))?;
            }
            QueryFormat::Json => {
                for row in 0..frame.height() {
                    let mut object = serde_json::Map::with_capacity(frame.width());
                    for (column, kql_type) in frame.columns().iter().zip(&answer.types) {
                        let kql_type = KqlType::from_name(kql_type).unwrap_or(KqlType::String);
                        let cell = batch::cell(&column.get(row)?, kql_type);
                        object.insert(column.name().to_string(), cell);
                    }
                    writeln!(output, "{}", serde_json::Value::Object(object)).map_err(|error| unwritable(&error))?;
                }
            }
            QueryFormat::Csv => CsvWriter::new(&mut output).finish(&mut frame)?,
            QueryFormat::Parquet => {
                ParquetWriter::new(&mut output).finish(&mut frame)?;
            }
        }
        output.flush().map_err(|error| unwritable(&error))
    }

    /// Runs `{"id", "query"}` lines over the workspace's tables and the named frames; see
    /// [`batch::run_jsonl`] for the answers.
    pub fn kql_batch(&self, input: impl BufRead, output: impl Write) -> Result<()> {
        batch::run_jsonl(input, output, &EngineCatalog::snapshot(self)).map_err(|error| unwritable(&error))
    }
}

/// Checks `{"id", "query"}` lines against schemas, given as JSON text; see [`batch::check_jsonl`].
pub fn kql_check_batch(schemas: &str, input: impl BufRead, output: impl Write) -> Result<()> {
    let catalog = SchemaCatalog::from_json(schemas)
        .map_err(|problem| Error::new("KqlError", format!("the schemas cannot be read: {problem}")))?;
    batch::check_jsonl(input, output, &catalog).map_err(|error| unwritable(&error))
}

fn unwritable(error: &std::io::Error) -> Error {
    Error::new("IoError", format!("cannot pass on the rows: {error}"))
}
