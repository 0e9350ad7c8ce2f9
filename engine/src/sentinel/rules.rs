//! Finding rules in files and folders, and telling when they are to run.

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::rule::RuleFile;
use crate::{Error, Result};

/// The files of rules that a path names: a file itself, or the rules below a folder, sorted. Other YAML files of a folder are
/// passed over.
///
/// Errors: a path that cannot be read, a folder without rules.
pub fn rule_files(path: &Path) -> Result<Vec<PathBuf>> {
    let fail = |error: std::io::Error| Error::io("read", path, &error);
    if !std::fs::metadata(path).map_err(fail)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    collect(path, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(Error::new("RuleError", format!("there is no analytics rule (*.yaml) in {}", path.display())));
    }
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let fail = |error: std::io::Error| Error::io("read", folder, &error);
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        // A link to a folder above would never end.
        if entry.file_type().map_err(fail)?.is_dir() {
            collect(&path, files)?;
            continue;
        }
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        if is_yaml && RuleFile::is_rule(&read(&path)?) {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))
}

impl RuleFile {
    /// Reads a rule's file; messages name it as `shown`.
    pub fn open(path: &Path, shown: &str) -> Result<RuleFile> {
        RuleFile::read(shown, &read(path)?)
    }
}

/// `2024-01-31`, `2024-01-31T08:00`, `2024-01-31 08:00:00`, with `Z` or an offset; without, it is UTC.
pub fn moment_of(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let local = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let date = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    local.or_else(date).map(|moment| moment.and_utc())
}
