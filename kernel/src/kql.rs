//! `huntbook kql`: queries from the command line.

use std::io::{BufReader, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use huntbook_engine::{
    Engine, Error, KqlEngine, KqlLiteral, KqlType, Limits, QueryFormat, Settings, check_batch, check_report,
    declared_parameters, kql_format, schema_engine,
};

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
    /// A file or folder as a table, scanned lazily: --table Events=events.parquet
    #[arg(long = "table", value_name = "NAME=PATH")]
    tables: Vec<String>,
    /// Functions in .kql files and ASIM parsers in .yaml files below this folder.
    #[arg(long, value_name = "DIR")]
    functions: Vec<PathBuf>,
    /// Watchlists: DIR/x.csv is _GetWatchlist('x').
    #[arg(long, value_name = "DIR")]
    watchlists: Vec<PathBuf>,
    /// A value for `declare query_parameters(name: type)` or ${name}: --param low=5 --param since=2024-01-01
    ///
    /// It is read as the declared type, or else as the literal it looks like; it never becomes part of the text.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Show the plan instead of running it: what reaches the files.
    #[arg(long, conflicts_with_all = ["check", "jsonl"])]
    explain: bool,
    /// Run many queries: {"id", "query"} lines in, result lines out.
    #[arg(long)]
    jsonl: bool,
    /// Check names and types without running anything.
    #[arg(long)]
    check: bool,
    /// Print the query laid out, one operator per line, without running it.
    #[arg(long, conflicts_with_all = ["jsonl", "check", "tables"])]
    fmt: bool,
    /// Tables and their columns as JSON, for --check.
    #[arg(long, value_name = "FILE", requires = "check")]
    schemas: Option<PathBuf>,
    /// A result of more rows is an error.
    #[arg(long, value_name = "ROWS")]
    row_limit: Option<u64>,
    /// A query that takes longer is an error: 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    time_limit: Option<Duration>,
    /// A query whose rows take more megabytes is an error.
    #[arg(long, value_name = "MB")]
    memory_limit: Option<u64>,
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

/// Runs what the command line asks for. Exit code 1 if the query is not right or fails; 2 (by the caller) if the
/// command line or a file is at fault. A batch reports bad queries in its lines.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.fmt {
        return Ok(match kql_format(&query(arguments)?) {
            Ok(formatted) => {
                writeln!(stdout(), "{formatted}")?;
                ExitCode::SUCCESS
            }
            Err(mistakes) => {
                eprintln!("{}", mistakes.message);
                ExitCode::FAILURE
            }
        });
    }
    let engine = engine(arguments)?;
    if arguments.jsonl {
        if arguments.check {
            check_batch(&checker(arguments, &engine)?, BufReader::new(stdin()), stdout().lock())?;
        } else {
            bind_parameters(&engine, arguments, "")?;
            engine.kql_batch(BufReader::new(stdin()), stdout().lock())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let query = query(arguments)?;
    bind_parameters(&engine, arguments, &query)?;
    let mut output = stdout().lock();
    let done = if arguments.check {
        match check_report(&checker(arguments, &engine)?, &query) {
            Ok(report) => Ok(writeln!(output, "{report}")?),
            Err(mistakes) => Err(mistakes),
        }
    } else if arguments.explain {
        match engine.kql_explain(&query) {
            Ok(plan) => Ok(writeln!(output, "{plan}")?),
            Err(error) => Err(query_fault(error)?),
        }
    } else {
        match engine.kql_to(&query, arguments.format.into(), &mut output) {
            Ok(()) => Ok(()),
            Err(error) => Err(query_fault(error)?),
        }
    };
    output.flush()?;
    Ok(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    })
}

/// The message, if the query is at fault; anything else goes on as it is.
fn query_fault(error: Error) -> anyhow::Result<String> {
    if error.kind == "KqlError" { Ok(error.message) } else { Err(error.into()) }
}

fn checker(arguments: &Arguments, engine: &Engine) -> anyhow::Result<KqlEngine> {
    let Some(schemas) = &arguments.schemas else { return Ok(engine.kql_engine()?) };
    let text = std::fs::read_to_string(schemas).with_context(|| format!("cannot read {}", schemas.display()))?;
    Ok(schema_engine(&text)?)
}

/// Reads each value as the type that the query declares for it.
fn bind_parameters(engine: &Engine, arguments: &Arguments, query: &str) -> anyhow::Result<()> {
    let declared = declared_parameters(query);
    for parameter in &arguments.parameters {
        let Some((name, text)) = parameter.split_once('=') else {
            bail!("`{parameter}` is not NAME=VALUE");
        };
        let value = match declared.iter().find(|(known, _)| known == name) {
            Some((_, kql_type)) => KqlLiteral::of_type(*kql_type, text)
                .with_context(|| format!("the parameter `{name}` is a {kql_type}, and `{text}` is none"))?,
            None => KqlLiteral::of_text(text),
        };
        engine.bind_parameter(name, value);
    }
    Ok(())
}

/// `30s`, `5m`, `00:10:00`
fn duration(text: &str) -> Result<Duration, String> {
    match KqlLiteral::of_type(KqlType::Timespan, text) {
        Some(KqlLiteral::Timespan(Some(ticks))) if ticks >= 10 => Ok(Duration::from_micros(ticks as u64 / 10)),
        _ => Err("write a time such as 30s, 5m or 1h".to_string()),
    }
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
        engine.attach_file(name, Path::new(path)).with_context(|| format!("table {name}"))?;
    }
    arguments.functions.iter().try_for_each(|folder| engine.attach_functions(folder))?;
    arguments.watchlists.iter().try_for_each(|folder| engine.attach_watchlists(folder))?;
    engine.limit_queries(Limits {
        rows: arguments.row_limit,
        time: arguments.time_limit,
        memory: arguments.memory_limit.map(|megabytes| megabytes.saturating_mul(1_000_000)),
    });
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
        bind_parameters(&engine, &arguments, query).unwrap();
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
        assert!(parsed(&["print 1", "--check"]).is_ok());
        assert!(parsed(&["--fmt", "-f", "q.kql"]).is_ok() && parsed(&["--fmt", "--jsonl"]).is_err());
        for words in
            [&[][..], &["print 1", "-f", "q.kql"], &["print 1", "--jsonl"], &["--schemas", "s.json", "--jsonl"]]
        {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }
}
