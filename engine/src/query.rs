//! KQL for programs: one query in a file format, or many as JSON lines.

use std::io::{BufRead, Write};

use huntbook_kql::{Engine as KqlEngine, KqlType, SchemaCatalog, batch};
use polars::prelude::{CsvWriter, ParquetWriter, SerWriter};

use crate::{Engine, Error, Result, table};

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

    /// Runs `{"id", "query"}` lines over everything a query can name; see [`batch::run_jsonl`] for the answers.
    pub fn kql_batch(&self, input: impl BufRead, output: impl Write) -> Result<()> {
        batch::run_jsonl(input, output, &self.kql_engine()?).map_err(|error| unwritable(&error))
    }

    /// The optimised plan of a query as text.
    ///
    /// Errors: mistakes in the query.
    pub fn kql_explain(&self, query: &str) -> Result<String> {
        self.kql_engine()?.explain(query).map_err(|error| Error::new("KqlError", error.render(query)))
    }
}

/// An engine that only checks, over schemas given as JSON text; see [`SchemaCatalog::from_json`].
pub fn schema_engine(schemas: &str) -> Result<KqlEngine> {
    let catalog = SchemaCatalog::from_json(schemas)
        .map_err(|problem| Error::new("KqlError", format!("the schemas cannot be read: {problem}")))?;
    Ok(KqlEngine::new(catalog))
}

/// Checks `{"id", "query"}` lines without running them; see [`batch::check_jsonl`].
pub fn check_batch(engine: &KqlEngine, input: impl BufRead, output: impl Write) -> Result<()> {
    batch::check_jsonl(input, output, engine).map_err(|error| unwritable(&error))
}

/// What checking a query finds, for a reader; `Err` if the query is not right.
pub fn check_report(engine: &KqlEngine, query: &str) -> std::result::Result<String, String> {
    let check = engine.check(query);
    if !check.bound {
        let mistakes: Vec<String> = check.diagnostics.iter().map(|diagnostic| diagnostic.render(query)).collect();
        return Err(mistakes.join("\n"));
    }
    let Some(columns) = check.columns else {
        return Ok("The query is right; it gives no table.".to_owned());
    };
    let width = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
    let mut lines = vec![format!("The query is right. It gives {} column(s):", columns.len())];
    lines.extend(columns.iter().map(|column| {
        let kql_type = column.kql_type.map_or("a type that the rows decide", KqlType::name);
        format!("  {:<width$}  {kql_type}", column.name)
    }));
    if check.open {
        lines.push("More columns come from the rows.".to_owned());
    }
    Ok(lines.join("\n"))
}

fn unwritable(error: &std::io::Error) -> Error {
    Error::new("IoError", format!("cannot pass on the rows: {error}"))
}
