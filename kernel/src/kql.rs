//! `huntbook kql`: queries from the command line.

use std::io::{BufReader, Write, stdin, stdout};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use huntbook_engine::{Engine, QueryFormat, Settings, kql_check_batch, kql_format};

use crate::paths;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The query; with --jsonl, queries come from standard input.
    #[arg(required_unless_present_any = ["file", "jsonl"], conflicts_with_all = ["file", "jsonl"])]
    query: Option<String>,
    /// Read the query from a file.
    #[arg(short, long, value_name = "FILE", conflicts_with = "jsonl")]
    file: Option<PathBuf>,
    /// Folder of the local workspace [default: the user's data folder].
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// A file as a table: --table Events=events.parquet
    #[arg(long = "table", value_name = "NAME=PATH")]
    tables: Vec<String>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Run many queries: {"id", "query"} lines in, result lines out.
    #[arg(long)]
    jsonl: bool,
    /// Check names and types without running anything.
    #[arg(long, requires_all = ["schemas", "jsonl"])]
    check: bool,
    /// Print the query laid out, one operator per line, without running it.
    #[arg(long, conflicts_with_all = ["jsonl", "check", "tables"])]
    fmt: bool,
    /// Tables and their columns as JSON, for --check.
    #[arg(long, value_name = "FILE", requires = "check")]
    schemas: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
    Parquet,
}

impl From<Format> for QueryFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Table => QueryFormat::Table,
            Format::Json => QueryFormat::Json,
            Format::Csv => QueryFormat::Csv,
            Format::Parquet => QueryFormat::Parquet,
        }
    }
}

/// Runs what the command line asks for.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(schemas) = &arguments.schemas {
        let text = std::fs::read_to_string(schemas).with_context(|| format!("cannot read {}", schemas.display()))?;
        kql_check_batch(&text, BufReader::new(stdin()), stdout().lock())?;
        return Ok(());
    }
    if arguments.fmt {
        writeln!(stdout(), "{}", kql_format(&query(arguments)?)?)?;
        return Ok(());
    }
    let engine = engine(arguments)?;
    if arguments.jsonl {
        engine.kql_batch(BufReader::new(stdin()), stdout().lock())?;
        return Ok(());
    }
    let query = query(arguments)?;
    let mut output = stdout().lock();
    engine.kql_to(&query, arguments.format.into(), &mut output)?;
    Ok(output.flush()?)
}

fn query(arguments: &Arguments) -> anyhow::Result<String> {
    match (&arguments.query, &arguments.file) {
        (Some(query), _) => Ok(query.clone()),
        (None, Some(file)) => std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display())),
        (None, None) => bail!("there is no query"),
    }
}

fn engine(arguments: &Arguments) -> anyhow::Result<Engine> {
    let workspace = arguments.workspace.clone().unwrap_or_else(paths::default_workspace);
    let transfer = std::env::temp_dir().join(format!("huntbook-kql-{}", std::process::id()));
    let settings = Settings {
        workspace: std::path::absolute(workspace)?,
        base: std::env::current_dir()?,
        transfer: transfer.clone(),
    };
    let engine = Engine::new(settings)?;
    // Queries pass nothing through the folder that cells use.
    std::fs::remove_dir(&transfer).ok();
    for table in &arguments.tables {
        let Some((name, path)) = table.split_once('=') else {
            bail!("`{table}` is not NAME=PATH");
        };
        let rows = engine.blob_read(path, None).with_context(|| format!("table {name}"))?;
        engine.keep(std::sync::Arc::new(rows), Some(name));
    }
    Ok(engine)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(words: &[&str]) -> Result<Arguments, clap::Error> {
        Line::try_parse_from(std::iter::once(&"kql").chain(words)).map(|line| line.arguments)
    }

    fn answer(query: &str, format: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.csv");
        std::fs::write(&path, "Account,Code\nann,1\nbob,2\n").unwrap();
        let workspace = folder.path().join("workspace");
        let table = format!("Events={}", path.display());
        let workspace = workspace.display().to_string();
        let arguments = parsed(&[query, "--table", &table, "--workspace", &workspace, "--format", format]).unwrap();
        let mut output = Vec::new();
        let engine = engine(&arguments).unwrap();
        engine.kql_to(query, arguments.format.into(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn files_are_tables() {
        assert_eq!(answer("Events | where Code > 1 | project Account", "json"), "{\"Account\":\"bob\"}\n");
        assert_eq!(answer("Events | summarize n = count()", "csv"), "n\n2\n");
        assert!(answer("Events", "table").contains("ann"));
    }

    #[test]
    fn queries_come_from_one_place() {
        assert!(parsed(&["print 1"]).is_ok());
        assert!(parsed(&["--jsonl"]).is_ok());
        assert!(parsed(&["--check", "--jsonl", "--schemas", "s.json"]).is_ok());
        assert!(parsed(&["--fmt", "-f", "q.kql"]).is_ok() && parsed(&["--fmt", "--jsonl"]).is_err());
        for words in [&[][..], &["print 1", "-f", "q.kql"], &["print 1", "--jsonl"], &["--check", "--jsonl"]] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }
}
