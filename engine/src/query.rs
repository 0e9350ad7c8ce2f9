//! KQL for programs: one query in a file format, or many as JSON lines.

use std::io::{BufRead, BufWriter, Write};

use huntbook_kql::{Engine as KqlEngine, KqlType, SchemaCatalog, batch};
use polars::prelude::{Column, CsvWriter, DataFrame, DataType, ParquetWriter, PolarsResult, SerWriter};

use crate::{Engine, Error, Result, text_table};

/// How a result is written. Everywhere but in Parquet, datetimes, timespans, reals and dynamics are Kusto's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryFormat {
    /// Aligned text
    Table {
        /// Cells are cut so that a row fits into so many characters
        line: Option<usize>,
    },
    /// One JSON object per row
    Json,
    /// With a header; nulls are empty
    Csv,
    /// Polars types
    Parquet,
}

/// Rows whose text is in memory at once.
const ROWS_AT_ONCE: usize = 50_000;

impl Engine {
    /// Runs a query and writes all its rows. Returns how many results the query has in front of the one that is written.
    ///
    /// Errors: those of [`Engine::kql`], and output that cannot be written.
    pub fn kql_to(&self, query: &str, format: QueryFormat, output: impl Write) -> Result<usize> {
        let answer = self.kql(query)?;
        let frame = answer.frame.as_ref();
        let types: Vec<KqlType> =
            answer.types.iter().map(|name| KqlType::from_name(name).unwrap_or(KqlType::String)).collect();
        let mut output = BufWriter::new(output);
        match format {
            QueryFormat::Table { line } => {
                let text = text_table::render(frame, &types, line)?;
                writeln!(output, "{text}").map_err(|error| unwritable(&error))?;
            }
            QueryFormat::Json => write_json(frame, &types, &mut output)?,
            QueryFormat::Csv => write_separated(frame, &types, b',', &mut output)?,
            QueryFormat::Parquet => {
                ParquetWriter::new(&mut output).finish(&mut frame.clone())?;
            }
        }
        output.flush().map_err(|error| unwritable(&error))?;
        Ok(answer.earlier_results)
    }

    /// Runs `{"id", "query"}` lines over everything a query can name; see [`batch::run_jsonl`] for the answers.
    /// Returns how many lines were no queries.
    pub fn kql_batch(&self, input: impl BufRead, output: impl Write) -> Result<usize> {
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

/// Checks `{"id", "query"}` lines without running them; see [`batch::check_jsonl`]. Returns how many were no queries.
pub fn check_batch(engine: &KqlEngine, input: impl BufRead, output: impl Write) -> Result<usize> {
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

pub(crate) fn write_json(frame: &DataFrame, types: &[KqlType], output: &mut impl Write) -> Result<()> {
    for row in 0..frame.height() {
        let mut object = serde_json::Map::with_capacity(frame.width());
        for (column, kql_type) in frame.columns().iter().zip(types) {
            object.insert(column.name().to_string(), batch::cell(&column.get(row)?, *kql_type));
        }
        writeln!(output, "{}", serde_json::Value::Object(object)).map_err(|error| unwritable(&error))?;
    }
    Ok(())
}

/// With a header, and a separator between the cells of a line.
pub(crate) fn write_separated(
    frame: &DataFrame,
    types: &[KqlType],
    separator: u8,
    output: &mut impl Write,
) -> Result<()> {
    let mut start = 0;
    // The header is written where there are no rows, too.
    while start == 0 || start < frame.height() {
        let mut cells = as_text(&frame.slice(start as i64, ROWS_AT_ONCE), types)?;
        CsvWriter::new(&mut *output).with_separator(separator).include_header(start == 0).finish(&mut cells)?;
        start += ROWS_AT_ONCE;
    }
    Ok(())
}

/// The rows with text for what polars spells in another way than Kusto.
fn as_text(rows: &DataFrame, types: &[KqlType]) -> PolarsResult<DataFrame> {
    let columns = rows.columns().iter().zip(types).map(|(column, kql_type)| text_column(column, *kql_type));
    DataFrame::new(rows.height(), columns.collect::<PolarsResult<Vec<Column>>>()?)
}

fn text_column(column: &Column, kql_type: KqlType) -> PolarsResult<Column> {
    match column.dtype() {
        DataType::Boolean | DataType::Int32 | DataType::Int64 => Ok(column.clone()),
        DataType::String if kql_type != KqlType::Dynamic => Ok(column.clone()),
        _ => {
            let cell = |row: usize| -> PolarsResult<_> { Ok(batch::text(&column.get(row)?, kql_type)) };
            let cells = (0..column.len()).map(cell).collect::<PolarsResult<Vec<Option<String>>>>()?;
            Ok(Column::new(column.name().clone(), cells))
        }
    }
}

fn unwritable(error: &std::io::Error) -> Error {
    Error::new("IoError", format!("cannot pass on the rows: {error}"))
}
