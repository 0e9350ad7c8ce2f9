//! `huntbook kql`: queries from the command line.

use std::io::{BufReader, Read, Write, stdin};
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
use crate::terminal::{self, Output};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The query; with --jsonl, queries come from standard input.
    #[arg(required_unless_present_any = ["file", "jsonl"], conflicts_with_all = ["file", "jsonl"])]
    query: Option<String>,
    /// Read the query from a file, or from standard input: -f -
    #[arg(short, long, value_name = "FILE", conflicts_with = "jsonl")]
    file: Option<PathBuf>,
    /// Folder of the local workspace [default: the user's data folder].
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// A file, a folder, or files with * and ? in their name as a table: --table Events=events.parquet
    ///
    /// Parquet, CSV, TSV, JSON lines and JSON arrays, told by the ending of the name and scanned lazily. The shell must not
    /// see the pattern: --table 'Events=logs/*.jsonl'
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
    /// It is read as the declared type, or else as the literal it looks like: 5, 1.5, true, 1d, 2024-01-01,
    /// 2024-01-01T08:00:00Z. Anything else is text, and so is 00123. It never becomes part of the query's text.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// How to write the rows.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Never cut the cells of a table. They are cut only to fit a terminal ($COLUMNS), not in a file or a pipe.
    #[arg(long)]
    wide: bool,
    /// Show the plan instead of running it: what reaches the files.
    #[arg(long, conflicts_with_all = ["check", "jsonl"])]
    explain: bool,
    /// Run many queries: {"id", "query"} lines in, result lines out.
    ///
    /// A query that fails, and a line that is no query, is answered by {"id", "error"}, and the batch goes on. Lines that
    /// are no queries make the exit code 1.
    #[arg(long)]
    jsonl: bool,
    /// Check names and types without running anything.
    #[arg(long)]
    check: bool,
    /// Print the query laid out, one operator per line, without running it.
    #[arg(long, conflicts_with_all = ["jsonl", "check", "tables"])]
    fmt: bool,
    /// Tables and their columns as JSON, for --check: {"Logins": {"TimeGenerated": "datetime", "Account": "string"}}
    ///
    /// Or, with tabular functions: {"tables": {"Logins": {"columns": {"Account": "string"}}}, "functions": {"f":
    /// {"parameters": [["name", "string"]], "columns": {"a": "long"}}}}
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
    /// Aligned text
    Table,
    /// One object per line
    Json,
    /// With a header; nulls are empty
    Csv,
    Parquet,
}

/// As a shell shows the end of other tools whose reader has gone: 128 and the number of SIGPIPE.
const READER_GONE: u8 = 141;

/// Runs what the command line asks for. Exit code 1 if the query is not right or fails; 2 (by the caller) if the
/// command line or a file is at fault. A batch reports bad queries in its lines, and fails for lines that are none.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut output = Output::new();
    match answered(arguments, &mut output) {
        // `| head` has seen enough.
        Err(_) if output.reader_gone => Ok(ExitCode::from(READER_GONE)),
        Err(error) => Err(error),
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(message)) => {
            eprintln!("{message}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Writes the answer; the inner error is a message about the query.
fn answered(arguments: &Arguments, output: &mut Output) -> anyhow::Result<Result<(), String>> {
    if arguments.fmt {
        return Ok(match kql_format(&query(arguments)?) {
            Ok(formatted) => Ok(writeln!(output, "{formatted}")?),
            Err(mistakes) => Err(mistakes.message),
        });
    }
    let engine = engine(arguments)?;
    if arguments.jsonl {
        return batch(arguments, &engine, output);
    }
    let query = query(arguments)?;
    bind_parameters(&engine, arguments, &query)?;
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
        match engine.kql_to(&query, format(arguments), &mut *output) {
            Ok(0) => Ok(()),
            Ok(earlier) => {
                eprintln!("the query has {} results: this is the last of them", earlier + 1);
                Ok(())
            }
            Err(error) => Err(query_fault(error)?),
        }
    };
    output.flush()?;
    Ok(done.map_err(|message| advised(message, arguments, &engine)))
}

fn batch(arguments: &Arguments, engine: &Engine, output: &mut Output) -> anyhow::Result<Result<(), String>> {
    let input = BufReader::new(stdin());
    let unread = if arguments.check {
        check_batch(&checker(arguments, engine)?, input, output)?
    } else {
        bind_parameters(engine, arguments, "")?;
        engine.kql_batch(input, output)?
    };
    Ok(match unread {
        0 => Ok(()),
        1 => Err("one line of the input is no query: its answer says why".to_owned()),
        _ => Err(format!("{unread} lines of the input are no queries: their answers say why")),
    })
}

fn format(arguments: &Arguments) -> QueryFormat {
    match arguments.format {
        Format::Table => QueryFormat::Table { line: if arguments.wide { None } else { terminal::columns() } },
        Format::Json => QueryFormat::Json,
        Format::Csv => QueryFormat::Csv,
        Format::Parquet => QueryFormat::Parquet,
    }
}

/// The message, if the query is at fault; anything else goes on as it is.
fn query_fault(error: Error) -> anyhow::Result<String> {
    if error.kind == "KqlError" { Ok(error.message) } else { Err(error.into()) }
}

/// The message with what the command line can do about it: the engine knows nothing of options.
fn advised(message: String, arguments: &Arguments, engine: &Engine) -> String {
    if let Some(name) = unbound(&message) {
        let of_sessions = format!("the session has no value `{name}` for `${{{name}}}`");
        let text = message.replace(&of_sessions, &format!("`${{{name}}}` has no value"));
        return format!("{text}\nGive it one: --param {name}=VALUE");
    }
    if !message.contains("KQL error KH0101 ") {
        return message;
    }
    match &arguments.schemas {
        Some(schemas) => format!("{message}\nThe tables are those of {}", schemas.display()),
        None => format!(
            "{message}\nThe tables are those of --table NAME=PATH and of the workspace {} (--workspace DIR)",
            engine.workspace().folder().display()
        ),
    }
}

/// The name to which the query expects a value.
fn unbound(message: &str) -> Option<&str> {
    ["the session has no value `", "the query parameter `"].into_iter().find_map(|begin| {
        let (_, rest) = message.split_once(begin)?;
        let (name, rest) = rest.split_once('`')?;
        (rest.starts_with(" for `${") || rest.starts_with(" has no value")).then_some(name)
    })
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
    let text = match (&arguments.query, &arguments.file) {
        (Some(query), _) => return Ok(query.clone()),
        (None, Some(file)) if file.as_os_str() == "-" => {
            let mut text = String::new();
            stdin().read_to_string(&mut text).context("cannot read the query from standard input")?;
            text
        }
        (None, Some(file)) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?
        }
        (None, None) => bail!("there is no query"),
    };
    // Windows programs put a byte order mark in front of the text.
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// NAME and PATH of each table.
fn tables(arguments: &Arguments) -> anyhow::Result<Vec<(&str, &str)>> {
    let mut tables: Vec<(&str, &str)> = Vec::new();
    for table in &arguments.tables {
        let Some((name, path)) = table.split_once('=') else {
            bail!("`{table}` is not NAME=PATH");
        };
        if let Some((_, other)) = tables.iter().find(|(known, _)| *known == name) {
            bail!(
                "--table names `{name}` twice, for {other} and for {path}: give each its own name and write \
                 `union A, B`, or name a folder or a pattern with both"
            );
        }
        tables.push((name, path));
    }
    Ok(tables)
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
    for (name, path) in tables(arguments)? {
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
        engine.kql_to(query, super::format(&arguments), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn files_are_tables() {
        assert_eq!(answer("Events | where Code > 1 | project Account", "json"), "{\"Account\":\"bob\"}\n");
        assert_eq!(answer("Events | summarize n = count()", "csv"), "n\n2\n");
        assert!(answer("Events", "table").contains("ann"));
    }

    #[test]
    fn a_table_has_one_file() {
        let arguments = parsed(&["T", "--table", "T=a.csv", "--table", "U=a.csv", "--table", "T=b.csv"]).unwrap();
        let error = tables(&arguments).unwrap_err().to_string();
        assert!(error.contains("`T` twice, for a.csv and for b.csv"), "{error}");
        let arguments = parsed(&["T", "--table", "T=a=b.csv"]).unwrap();
        assert_eq!(tables(&arguments).unwrap(), [("T", "a=b.csv")]);
        assert!(tables(&parsed(&["T", "--table", "a.csv"]).unwrap()).is_err());
    }

    #[test]
    fn names_without_values_are_found() {
        let missing = "KQL error KH0102 at line 1, column 7: the session has no value `id` for `${id}`\n 1 | ...";
        assert_eq!(unbound(missing), Some("id"));
        assert_eq!(unbound("KQL error KH0105 ...: the query parameter `low` has no value\n"), Some("low"));
        assert_eq!(unbound("... the query parameter `low` is a long, the value given is a string"), None);
        assert_eq!(unbound("unknown column `id`"), None);
    }

    #[test]
    fn queries_come_from_one_place() {
        assert!(parsed(&["print 1"]).is_ok());
        assert!(parsed(&["--jsonl"]).is_ok() && parsed(&["-f", "-"]).is_ok());
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
