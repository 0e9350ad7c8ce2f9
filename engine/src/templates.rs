//! Queries kept in files: plain KQL, msticpy's YAML collections, Sentinel's rules and hunting queries.
//!
//! A hole `{name}` of a msticpy query is filled by the hole's type and place: inside quotes the text is escaped, lists
//! become quoted items, times become ISO 8601. What stands outside quotes is KQL that the person at the notebook writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use huntbook_kql::ticks;
use serde_json::Value as Json;

use crate::parameters::string_text;
use crate::time_range::{TimeRange, duration};
use crate::{Error, Result};

/// A query of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// `family.name` of msticpy, the rule's name of Sentinel
    pub name: String,
    pub description: String,
    pub path: PathBuf,
    query: String,
    /// Empty for Sentinel's: their text has no holes
    parameters: BTreeMap<String, Parameter>,
    has_holes: bool,
    /// How far back a rule looks
    pub period: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Parameter {
    kind: String,
    default: Option<String>,
}

/// Files larger than this are no queries.
const LARGEST: u64 = 4 << 20;

/// All queries below these folders and files, sorted by name. Files that are none are left out.
pub(crate) fn list(places: &[PathBuf]) -> Vec<Template> {
    let mut files = Vec::new();
    places.iter().for_each(|place| yaml_files(place, &mut files, 0));
    let mut found: Vec<Template> = files.iter().filter_map(|path| read(path).ok()).flatten().collect();
    found.sort_by(|left, right| left.name.cmp(&right.name));
    found
}

/// The query of this name (`family.name` or `name`).
///
/// Errors: there is none, or several families have it.
pub(crate) fn named(places: &[PathBuf], name: &str) -> Result<Template> {
    let all = list(places);
    let short = |template: &Template| template.name.rsplit_once('.').map(|(_, short)| short.to_owned());
    let found: Vec<&Template> =
        all.iter().filter(|template| template.name == name || short(template).as_deref() == Some(name)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let wanted = name.to_lowercase();
            let near: Vec<&str> = all
                .iter()
                .map(|template| template.name.as_str())
                .filter(|name| name.to_lowercase().contains(&wanted))
                .take(10)
                .collect();
            let hint = if near.is_empty() {
                let folders: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
                format!("{} queries were found in {}", all.len(), folders.join(", "))
            } else {
                format!("there are: {}", near.join(", "))
            };
            Err(wrong(format!("no query is called `{name}`; {hint}. `%kql --list` shows all")))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|template| template.name.as_str()).collect();
            Err(wrong(format!("`{name}` is ambiguous: write one of {}", names.join(", "))))
        }
    }
}

fn yaml_files(place: &Path, files: &mut Vec<PathBuf>, depth: usize) {
    let is_yaml = |path: &Path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    if place.is_file() && is_yaml(place) {
        files.push(place.to_owned());
    } else if depth < 8 {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            let path = entry.path();
            // Links may lead in circles.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder || is_yaml(&path) {
                yaml_files(&path, files, depth + 1);
            }
        }
    }
}

/// Reads one YAML file.
///
/// Errors: it is no YAML, or has no query.
pub(crate) fn read(path: &Path) -> Result<Vec<Template>> {
    let size = std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?.len();
    if size > LARGEST {
        return Err(wrong(format!("{} has {size} bytes: that is no query", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
    let document: Json =
        serde_yaml_ng::from_str(&text).map_err(|error| wrong(format!("{} is no YAML: {error}", path.display())))?;
    if let Some(query) = document.get("query").and_then(Json::as_str) {
        return Ok(vec![sentinel(path, &document, query)]);
    }
    let Some(sources) = document.get("sources").and_then(Json::as_object) else {
        return Err(wrong(format!("{} has neither `query` (Sentinel) nor `sources` (msticpy)", path.display())));
    };
    let families = document.pointer("/metadata/data_families").and_then(Json::as_array);
    let family = families.and_then(|families| families.first()?.as_str()).unwrap_or("queries");
    let family = family.rsplit('.').next().unwrap_or(family);
    Ok(sources.iter().filter_map(|(name, source)| msticpy(path, &document, family, name, source)).collect())
}

fn sentinel(path: &Path, document: &Json, query: &str) -> Template {
    let text = |key: &str| document.get(key).and_then(Json::as_str).unwrap_or_default().trim().to_owned();
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = Some(text("name")).filter(|name| !name.is_empty()).unwrap_or(stem);
    Template {
        name,
        description: text("description"),
        path: path.to_owned(),
        query: query.trim().to_owned(),
        parameters: BTreeMap::new(),
        has_holes: false,
        period: duration(&text("queryPeriod")),
    }
}

fn msticpy(path: &Path, document: &Json, family: &str, name: &str, source: &Json) -> Option<Template> {
    let query = source.pointer("/args/query")?.as_str()?;
    let mut parameters = BTreeMap::new();
    for block in [document.pointer("/defaults/parameters"), source.get("parameters")] {
        for (name, parameter) in block.and_then(Json::as_object).into_iter().flatten() {
            let text = |key: &str| match parameter.get(key)? {
                Json::Null => None,
                Json::String(text) => Some(text.clone()),
                Json::Array(items) => Some(items.iter().map(item_text).collect::<Vec<_>>().join(",")),
                other => Some(other.to_string()),
            };
            let kind = text("type").unwrap_or_else(|| "str".to_owned());
            parameters.insert(name.clone(), Parameter { kind, default: text("default") });
        }
    }
    Some(Template {
        name: format!("{family}.{name}"),
        description: source.get("description").and_then(Json::as_str).unwrap_or_default().trim().to_owned(),
        path: path.to_owned(),
        query: query.trim().to_owned(),
        parameters,
        has_holes: true,
        period: None,
    })
}

fn item_text(item: &Json) -> String {
    item.as_str().map_or_else(|| item.to_string(), str::to_owned)
}

impl Template {
    /// The KQL of the query with its holes filled. `start` and `end` come from the time range where they are not given.
    ///
    /// Errors: a value for a hole that it does not have, a hole without a value, text that does not fit its type.
    pub fn filled(&self, values: &[(String, String)], range: Option<TimeRange>, now: i64) -> Result<String> {
        if let Some((unknown, _)) = values.iter().find(|(name, _)| !self.parameters.contains_key(name)) {
            let names: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
            let has =
                if names.is_empty() { "it takes none".to_owned() } else { format!("it takes: {}", names.join(", ")) };
            return Err(wrong(format!("the query `{}` has no parameter `{unknown}`; {has}", self.name)));
        }
        if !self.has_holes {
            return Ok(self.query.clone());
        }
        let mut out = String::with_capacity(self.query.len());
        let (mut rest, mut quote) = (self.query.as_str(), None);
        while let Some(character) = rest.chars().next() {
            if let Some(after) = ["{{", "}}"].iter().find_map(|pair| rest.strip_prefix(pair)) {
                out.push(character);
                rest = after;
            } else if character == '{'
                && let Some((name, after)) = rest[1..].split_once('}')
                && is_name(name)
            {
                out.push_str(&self.hole(name, values, range, now, quote)?);
                rest = after;
            } else {
                match quote {
                    Some(open) if open == character => quote = None,
                    None if matches!(character, '"' | '\'') => quote = Some(character),
                    _ => {}
                }
                out.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
        Ok(out)
    }

    fn hole(
        &self,
        name: &str,
        values: &[(String, String)],
        range: Option<TimeRange>,
        now: i64,
        quote: Option<char>,
    ) -> Result<String> {
        let of_range = match (name, range) {
            ("start", Some(range)) => Some(ticks::format_datetime(range.from)),
            ("end", Some(range)) => Some(ticks::format_datetime(range.to)),
            _ => None,
        };
        let parameter = self.parameters.get(name);
        let given = values.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.clone());
        let value = given.or(of_range).or_else(|| parameter.and_then(|parameter| parameter.default.clone()));
        let Some(value) = value else {
            let how = match name {
                "start" | "end" => "--from, --to or --last".to_owned(),
                _ => format!("{name}=VALUE"),
            };
            return Err(wrong(format!("the query `{}` needs `{name}`: add {how}", self.name)));
        };
        let kind = parameter.map_or("str", |parameter| parameter.kind.as_str());
        let unfit = |what: &str| wrong(format!("`{name}` of the query `{}` takes {what}, not `{value}`", self.name));
        match kind {
            "datetime" => time(&value, now).map(ticks::format_datetime).ok_or_else(|| unfit("a time")),
            "int" | "integer" => match value.parse::<i64>() {
                Ok(number) => Ok(number.to_string()),
                Err(_) => Err(unfit("a whole number")),
            },
            "list" => Ok(items(&value)),
            _ => Ok(match quote {
                Some('"') => inner(&value),
                Some(_) => inner(&value).replace("\\\"", "\"").replace('\'', "\\'"),
                None => value,
            }),
        }
    }
}

/// Text as it stands between the double quotes of a literal.
fn inner(text: &str) -> String {
    let quoted = string_text(text);
    quoted[1..quoted.len() - 1].to_owned()
}

/// `a, b` or `["a", "b"]` as quoted items; numbers stay numbers.
fn items(value: &str) -> String {
    let listed: Vec<String> = match serde_json::from_str::<Vec<Json>>(value) {
        Ok(items) => items.iter().map(item_text).collect(),
        Err(_) => value.split(',').map(|item| item.trim().trim_matches(['"', '\'']).to_owned()).collect(),
    };
    let item = |text: &String| if text.parse::<i64>().is_ok() { text.clone() } else { string_text(text) };
    listed.iter().map(item).collect::<Vec<_>>().join(", ")
}

/// msticpy's times: ISO 8601, days from now (`-3`), `-3d`, and `-1d@h`, which goes back to the full hour.
fn time(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    let (text, unit) = text.split_once('@').map_or((text, None), |(text, unit)| (text, Some(unit)));
    let offset = |text: &str| {
        let (sign, size) = text.strip_prefix('-').map_or((1, text.trim_start_matches('+')), |size| (-1, size));
        let length = match size.parse::<f64>() {
            Ok(days) if days.abs() < 1e6 => Some((days * ticks::DAY as f64) as i64),
            _ => duration(size),
        };
        length.map(|length| now + sign * length)
    };
    let at = offset(text).or_else(|| ticks::parse_datetime(text))?;
    let rounded = match unit {
        None => at,
        Some(unit) => at.div_euclid(ticks::unit_ticks(unit).filter(|ticks| *ticks > 0)?) * ticks::unit_ticks(unit)?,
    };
    ticks::in_range(rounded)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn wrong(message: String) -> Error {
    Error::new("MagicError", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSTICPY: &str = r#"
metadata:
  data_families: [WindowsSecurity]
defaults:
  parameters:
    table: {type: str, default: SecurityEvent}
    start: {type: datetime}
    end: {type: datetime}
    add_query_items: {type: str, default: ""}
sources:
  list_host_processes:
    description: Processes of a host
    args:
      query: '
        {table} | where TimeGenerated between (datetime({start}) .. datetime({end}))
        | where Computer has "{host_name}" or Computer == ''{host_name}'' | where EventID in ({ids})
        | extend bag = dynamic({{"a": 1}}) {add_query_items}'
    parameters:
      host_name: {type: str}
      ids: {type: list, default: [4688, "x"]}
"#;

    fn template(text: &str) -> Template {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("q.yaml"), text).unwrap();
        let mut found = list(&[folder.path().to_owned()]);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    fn pairs(values: &[(&str, &str)]) -> Vec<(String, String)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn holes_of_msticpy_are_filled_by_their_place() {
        let template = template(MSTICPY);
        assert_eq!(template.name, "WindowsSecurity.list_host_processes");
        let now = ticks::parse_datetime("2026-01-02T10:20:00Z").unwrap();
        let range = TimeRange { from: now - ticks::DAY, to: now };
        let values = pairs(&[("host_name", "a\"b'c"), ("add_query_items", "| take 5")]);
        let query = template.filled(&values, Some(range), now).unwrap();
        assert!(query.contains("datetime(2026-01-01T10:20:00.0000000Z)"), "{query}");
        assert!(query.contains(r#"has "a\"b'c""#) && query.contains(r#"== 'a"b\'c'"#), "{query}");
        assert!(query.contains(r#"in (4688, "x")"#) && query.contains(r#"dynamic({"a": 1}) | take 5"#), "{query}");
        let (_, problems) = huntbook_kql::parse(&query);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let template = template(MSTICPY);
        let error = |values: &[(&str, &str)]| template.filled(&pairs(values), None, 0).unwrap_err().message;
        assert!(error(&[("host", "x")]).contains("`host`"));
        assert!(error(&[("host_name", "x")]).contains("--last"));
        assert!(error(&[("start", "soon"), ("end", "-1"), ("host_name", "x")]).contains("`soon`"));
    }

    #[test]
    fn rules_of_sentinel_bring_their_period() {
        let rule =
            template("id: 1\nname: Brute force\nkind: Scheduled\nqueryPeriod: 14d\nquery: |\n  T | where a == '{x}'\n");
        assert_eq!((rule.name.as_str(), rule.period), ("Brute force", Some(14 * ticks::DAY)));
        assert_eq!(rule.filled(&[], None, 0).unwrap(), "T | where a == '{x}'");
    }

    #[test]
    fn times_of_msticpy() {
        let now = ticks::parse_datetime("2026-01-02T10:20:00Z").unwrap();
        for (text, expected) in [
            ("-1", "2026-01-01T10:20:00Z"),
            ("-12h", "2026-01-01T22:20:00Z"),
            ("-1d@h", "2026-01-01T10:00:00Z"),
            ("0d@d", "2026-01-02"),
            ("2025-12-31", "2025-12-31"),
        ] {
            assert_eq!(time(text, now), ticks::parse_datetime(expected), "{text}");
        }
        assert_eq!(time("x", now), None);
    }
}
