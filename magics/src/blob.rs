//! `%blob`: files and blobs, listed, copied, read into frames and written from them.

use std::sync::Arc;
use std::time::SystemTime;

use huntbook_engine::blob::{Access, BadLines, Entry, Export, ReadOptions, WriteOptions, moment, size};
use huntbook_engine::{Display, Engine, SourceFormat, table};

use crate::MagicError;
use crate::blob_options::{Options, known};
use crate::words::{binding, words};

/// Lines that `head` shows when nobody says how many.
const LINES: usize = 10;

#[derive(Clone, Debug, PartialEq)]
pub enum Blob {
    Ls { location: String, long: bool, recursive: bool, access: Access },
    Get { location: String, file: String, overwrite: bool, access: Access },
    Put { file: String, location: String, overwrite: bool, access: Access },
    Make { location: String, access: Access },
    Rm { location: String, recursive: bool, yes: bool, access: Access },
    Text { location: String, lines: Option<usize>, access: Access },
    Read { bind: Option<String>, options: Box<ReadOptions> },
    Write { frame: String, location: String, options: Box<WriteOptions> },
}

impl Blob {
    pub(crate) fn parse(text: &str) -> Result<Blob, MagicError> {
        let (bind, rest) = binding(text);
        let mut words = words(rest)?.into_iter();
        let command = words.next().unwrap_or_default();
        let Some(known) = known(&command) else {
            return Err(MagicError::usage(format!(
                "`%blob` has no command `{command}`; it has: ls, read, write, get, put, rm, cat, head, make"
            )));
        };
        if bind.is_some() && command != "read" {
            return Err(MagicError::usage(format!("`%blob {command}` makes no frame: leave out the `NAME <<`")));
        }
        let mut options = Options::read(known, words)?;
        let access = access(&mut options)?;
        let blob = match command.as_str() {
            "ls" => {
                let location = options.place_or("az://");
                let location = match options.value("--glob") {
                    Some(pattern) => format!("{}/{pattern}", location.trim_end_matches('/')),
                    None => location,
                };
                Blob::Ls { location, long: options.has("--long"), recursive: options.has("--recursive"), access }
            }
            "get" => {
                let location = options.place("a location and a file")?;
                let file = options.place("a file to copy it to")?;
                Blob::Get { location, file, overwrite: options.has("--overwrite"), access }
            }
            "put" => {
                let file = options.place("a file and a location")?;
                let location = options.place("a location to copy it to")?;
                Blob::Put { file, location, overwrite: options.has("--overwrite"), access }
            }
            "make" => Blob::Make { location: options.place("a container, such as az://NAME")?, access },
            "rm" => {
                let location = options.place("a location")?;
                Blob::Rm { location, recursive: options.has("--recursive"), yes: options.has("--yes"), access }
            }
            "cat" => Blob::Text { location: options.place("a location")?, lines: None, access },
            "head" => {
                let lines = options.value("-n").map(|text| number("-n", &text)).transpose()?.unwrap_or(LINES);
                Blob::Text { location: options.place("a location")?, lines: Some(lines), access }
            }
            "read" => Blob::Read { bind, options: Box::new(read_options(&mut options, access)?) },
            _ => {
                let frame = options.place("a frame and a location")?;
                let location = match options.has_value("--export") {
                    true => options.place_or("az://"),
                    false => options.place("a location to write it to, such as az://CONTAINER/NAME.parquet")?,
                };
                Blob::Write { frame, location, options: Box::new(write_options(&mut options, access)?) }
            }
        };
        options.finish()?;
        Ok(blob)
    }

    /// Names of frames that must be known before it runs.
    pub(crate) fn frames(&self) -> Vec<String> {
        match self {
            Blob::Write { frame, .. } => vec![frame.clone()],
            _ => Vec::new(),
        }
    }

    pub(crate) fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        let text = match self {
            Blob::Ls { location, long, recursive, access } => {
                listing(&engine.blob_ls(location, *recursive, access)?, *long)
            }
            Blob::Get { location, file, overwrite, access } => engine.blob_get(location, file, *overwrite, access)?,
            Blob::Put { file, location, overwrite, access } => engine.blob_put(file, location, *overwrite, access)?,
            Blob::Make { location, access } => engine.blob_make_container(location, access)?,
            Blob::Rm { location, recursive, yes, access } => engine.blob_rm(location, *recursive, *yes, access)?,
            Blob::Text { location, lines, access } => engine.blob_text(location, *lines, access)?,
            Blob::Read { bind, options } => return read(engine, bind.as_deref(), options),
            Blob::Write { frame, location, options } => {
                let rows = engine.named_frame(frame)?;
                engine.blob_write(&rows, location, options)?
            }
        };
        Ok(vec![Display::new([("text/plain", text)])])
    }
}

fn read(engine: &Engine, bind: Option<&str>, options: &ReadOptions) -> Result<Vec<Display>, MagicError> {
    let outcome = engine.blob_read_with(options)?;
    let report = outcome.report();
    let frame = Arc::new(outcome.frame);
    let Some(name) = bind else {
        let note = Display::new([("text/plain", report)]);
        return Ok(vec![note, table::render(&frame, None, table::DEFAULT_LIMIT).result()]);
    };
    let text = format!("{name} << {} rows × {} columns\n{report}", frame.height(), frame.width());
    engine.keep(frame, Some(name));
    Ok(vec![Display::new([("text/plain", text)])])
}

fn listing(entries: &[Entry], long: bool) -> String {
    let line = |entry: &Entry| {
        let name = match entry.is_folder && !entry.name.ends_with('/') {
            true => format!("{}/", entry.name),
            false => entry.name.clone(),
        };
        // A name is data: nothing in it steers the terminal.
        let name: String = name.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
        let bytes = if entry.is_folder { String::new() } else { entry.bytes.to_string() };
        match long {
            false => format!("{bytes:>14}  {name}"),
            true => {
                format!("{bytes:>14}  {:<20}  {:<20}  {name}", entry.modified.map(time).unwrap_or_default(), entry.etag)
            }
        }
    };
    let mut lines: Vec<String> = entries.iter().map(line).collect();
    if lines.is_empty() {
        return "(empty)".to_owned();
    }
    if long {
        lines.push(format!("{} entries, {}", entries.len(), size(entries.iter().map(|entry| entry.bytes).sum())));
    }
    lines.join("\n")
}

fn time(time: SystemTime) -> String {
    huntbook_engine::blob::shown_time(time)
}

fn access(options: &mut Options) -> Result<Access, MagicError> {
    let access = Access {
        store: options.value("--store"),
        connection: options.value("--connection"),
        anonymous: options.has("--anonymous"),
    };
    match [access.store.is_some(), access.connection.is_some(), access.anonymous].iter().filter(|given| **given).count()
    {
        0 | 1 => Ok(access),
        _ => Err(MagicError::usage("--store, --connection and --anonymous all say who asks: give one")),
    }
}

fn read_options(options: &mut Options, access: Access) -> Result<ReadOptions, MagicError> {
    let export = match options.value("--export") {
        None => {
            for option in ["--workspace", "--from", "--to"] {
                if options.has_value(option) {
                    return Err(MagicError::usage(format!("{option} goes with --export TABLE")));
                }
            }
            None
        }
        Some(table) => {
            let from = options.value("--from").ok_or_else(|| {
                MagicError::usage(
                    "--export needs --from, and takes --to: a moment such as 2026-11-20, or 7d for seven days ago",
                )
            })?;
            let to = options.value("--to");
            Some(Export {
                table,
                workspace: options.value("--workspace"),
                from: moment(&from)?,
                to: to.map_or_else(|| moment("now"), |to| moment(&to))?,
            })
        }
    };
    let locations = options.places();
    if locations.is_empty() && export.is_none() {
        return Err(MagicError::usage("`%blob read` needs a location, such as file://data/events.jsonl"));
    }
    if locations.len() > 1 && export.is_some() {
        return Err(MagicError::usage("an export is at one location"));
    }
    let list = |text: Option<String>| {
        text.map(|text| text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect())
    };
    Ok(ReadOptions {
        locations,
        format: options.value("--format").map(|name| format_named(&name)).transpose()?,
        schema: options.value("--schema"),
        table: options.value("--table"),
        columns: list(options.value("--columns")).unwrap_or_default(),
        filter: options.value("--where"),
        no_header: options.has("--no-header"),
        bad_lines: options.value("--bad-lines").map_or(Ok(BadLines::Error), |what| bad_lines(&what))?,
        memory: options.value("--memory").map(|text| bytes(&text)).transpose()?,
        cache: options.has("--cache"),
        access,
        export,
    })
}

fn write_options(options: &mut Options, access: Access) -> Result<WriteOptions, MagicError> {
    let export = match (options.value("--export"), options.value("--workspace")) {
        (Some(table), Some(workspace)) => Some((table, workspace)),
        (Some(_), None) => {
            return Err(MagicError::usage("--export needs --workspace RESOURCE_ID: its folders are named by it"));
        }
        (None, Some(_)) => return Err(MagicError::usage("--workspace goes with --export TABLE")),
        (None, None) => None,
    };
    let by = options.value("--partition-by").unwrap_or_default();
    let partition_by: Vec<String> =
        by.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if export.is_some() && !partition_by.is_empty() {
        return Err(MagicError::usage("--export and --partition-by are two layouts: give one"));
    }
    Ok(WriteOptions {
        format: options.value("--format").map(|name| format_named(&name)).transpose()?,
        partition_by,
        export,
        overwrite: options.has("--overwrite"),
        access,
    })
}

fn format_named(name: &str) -> Result<SourceFormat, MagicError> {
    match name {
        "csv" => Ok(SourceFormat::Csv),
        "tsv" => Ok(SourceFormat::Tsv),
        "jsonl" | "json" | "ndjson" => Ok(SourceFormat::JsonLines),
        "parquet" => Ok(SourceFormat::Parquet),
        other => Err(MagicError::usage(format!("--format is csv, tsv, jsonl or parquet, not `{other}`"))),
    }
}

fn bad_lines(what: &str) -> Result<BadLines, MagicError> {
    match what {
        "error" => Ok(BadLines::Error),
        "skip" => Ok(BadLines::Skip),
        "quarantine" => Ok(BadLines::Quarantine),
        other => Err(MagicError::usage(format!("--bad-lines is error, skip or quarantine, not `{other}`"))),
    }
}

/// `2GB`, `512MB`, `1000000`
fn bytes(text: &str) -> Result<u64, MagicError> {
    let upper = text.trim().to_ascii_uppercase();
    let (digits, unit) = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000), ("B", 1)]
        .iter()
        .find_map(|(suffix, unit)| Some((upper.strip_suffix(suffix)?.trim_end().to_owned(), *unit)))
        .unwrap_or((upper.clone(), 1));
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| MagicError::usage(format!("--memory is a size such as 512MB or 2GB, not `{text}`")))
}

fn number(option: &str, text: &str) -> Result<usize, MagicError> {
    text.parse().map_err(|_| MagicError::usage(format!("{option} takes a number, not `{text}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_into_a_name() {
        let blob = Blob::parse(" events << read 'my file.txt' --format csv --columns 'a, b' --memory 512MB").unwrap();
        let Blob::Read { bind, options } = blob else { panic!("{blob:?}") };
        assert_eq!(bind.as_deref(), Some("events"));
        assert_eq!(options.locations, ["my file.txt"]);
        assert_eq!((options.format, options.memory), (Some(SourceFormat::Csv), Some(512_000_000)));
        assert_eq!(options.columns, ["a", "b"]);
    }

    #[test]
    fn an_export_by_time() {
        let text = " read --export SecurityEvent --workspace ws --from 2026-11-20 --to 2026-11-21T06:00:00Z --where \"EventID == 4624\"";
        let Blob::Read { options, .. } = Blob::parse(text).unwrap() else { panic!() };
        let export = options.export.unwrap();
        assert_eq!(export.from.to_rfc3339(), "2026-11-20T00:00:00+00:00");
        assert_eq!((export.to - export.from).num_hours(), 30);
        assert_eq!(options.filter.as_deref(), Some("EventID == 4624"));
    }

    #[test]
    fn mistakes_say_what_there_is() {
        for (text, wanted) in [
            (" cp a b", "ls, read"),
            (" read", "needs a location"),
            (" read x --format xml", "xml"),
            (" read x --colums a", "--columns"),
            (" read x --from 2026-01-01", "--export"),
            (" read --export T", "--from"),
            (" read x --memory much", "512MB"),
            (" read x --where", "needs a value"),
            (" x << ls y", "makes no frame"),
            (" get x", "a file to copy it to"),
            (" rm x y", "too many"),
            (" write f", "location"),
            (" write f x --export T", "--workspace"),
            (" ls --anonymous --store x", "give one"),
        ] {
            let error = Blob::parse(text).expect_err(text).message;
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
