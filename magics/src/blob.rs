//! `%blob ls LOCATION [--recursive]` and `%blob [NAME <<] read LOCATION [--format csv|tsv|jsonl|parquet]`.

use std::sync::Arc;

use huntbook_engine::{Display, Engine, SourceFormat, table};

use crate::MagicError;
use crate::words::{binding, words};

#[derive(Clone, Debug, PartialEq)]
pub enum Blob {
    Ls { location: String, recursive: bool },
    Read { bind: Option<String>, location: String, format: Option<SourceFormat> },
}

impl Blob {
    pub(crate) fn parse(text: &str) -> Result<Blob, MagicError> {
        let (bind, rest) = binding(text);
        let words = words(rest)?;
        let mut words = words.into_iter();
        let command = words.next().unwrap_or_default();
        if !matches!(command.as_str(), "ls" | "read") {
            return Err(MagicError::usage(format!("`%blob` has no command `{command}`; it has: ls, read")));
        }
        let (mut location, mut recursive, mut format) = (None, false, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--recursive" | "-r" if command == "ls" => recursive = true,
                "--format" if command == "read" => format = Some(format_named(words.next().as_deref())?),
                option if option.starts_with('-') => {
                    return Err(MagicError::usage(format!("`%blob {command}` has no option `{option}`")));
                }
                _ if location.is_none() => location = Some(word),
                extra => {
                    return Err(MagicError::usage(format!(
                        "`%blob {command}` takes one location; `{extra}` is too many"
                    )));
                }
            }
        }
        let missing =
            || MagicError::usage(format!("`%blob {command}` needs a location, such as file://data/events.jsonl"));
        match command.as_str() {
            "ls" if bind.is_some() => Err(MagicError::usage("`%blob ls` makes no frame: leave out the `NAME <<`")),
            "ls" => Ok(Blob::Ls { location: location.ok_or_else(missing)?, recursive }),
            _ => Ok(Blob::Read { bind, location: location.ok_or_else(missing)?, format }),
        }
    }

    pub(crate) fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        match self {
            Blob::Ls { location, recursive } => {
                let entries = engine.blob_ls(location, *recursive)?;
                let line = |entry: huntbook_engine::blob::Entry| {
                    let folder = if entry.is_folder { "/" } else { "" };
                    format!("{:>14}  {}{folder}", entry.bytes, entry.path.display())
                };
                let lines: Vec<String> = entries.into_iter().map(line).collect();
                let text = if lines.is_empty() { "(empty)".to_owned() } else { lines.join("\n") };
                Ok(vec![Display::new([("text/plain", text)])])
            }
            Blob::Read { bind, location, format } => {
                let frame = Arc::new(engine.blob_read(location, *format)?);
                match bind {
                    Some(name) => {
                        let text = format!("{name} << {} rows × {} columns", frame.height(), frame.width());
                        engine.keep(frame, Some(name));
                        Ok(vec![Display::new([("text/plain", text)])])
                    }
                    None => Ok(vec![table::render(&frame, None, table::DEFAULT_LIMIT).result()]),
                }
            }
        }
    }
}

fn format_named(name: Option<&str>) -> Result<SourceFormat, MagicError> {
    match name {
        Some("csv") => Ok(SourceFormat::Csv),
        Some("tsv") => Ok(SourceFormat::Tsv),
        Some("jsonl" | "json" | "ndjson") => Ok(SourceFormat::JsonLines),
        Some("parquet") => Ok(SourceFormat::Parquet),
        other => Err(MagicError::usage(format!(
            "--format is csv, tsv, jsonl or parquet, not `{}`",
            other.unwrap_or("(nothing)")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_into_a_name() {
        let blob = Blob::parse(" events << read 'my file.txt' --format csv").unwrap();
        let expected =
            Blob::Read { bind: Some("events".into()), location: "my file.txt".into(), format: Some(SourceFormat::Csv) };
        assert_eq!(blob, expected);
    }

    #[test]
    fn mistakes_say_what_there_is() {
        assert!(Blob::parse(" cp a b").unwrap_err().message.contains("ls, read"));
        assert!(Blob::parse(" ls").unwrap_err().message.contains("needs a location"));
        assert!(Blob::parse(" read x --format xml").unwrap_err().message.contains("xml"));
    }
}
