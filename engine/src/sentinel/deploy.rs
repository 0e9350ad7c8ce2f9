//! Deploying a rule: to the service, or to the rules of the local workspace.

use std::path::PathBuf;

use serde_json::{Map, Value as Json};

use super::incidents::DRY_RUN;
use super::place::Place;
use super::problems::Problem;
use super::rule::RuleFile;
use super::service::Service;
use super::trial::listed;
use crate::{Engine, Error, Result};

impl Engine {
    /// The folder of the workspace's own rules: what `huntbook rule test` tests when it is given none.
    pub fn rules_folder(&self) -> PathBuf {
        self.workspace.folder().join("rules")
    }

    /// Deploys a rule, or with `commit` false only says what would change.
    ///
    /// Errors: a rule that is not right, with all its problems. The tables of a service are not known here: for a rule that
    /// goes there, the query's names are not checked.
    pub fn deploy_rule(&self, place: &Place, file: &RuleFile, commit: bool) -> Result<String> {
        let problems = match place {
            Place::Local => self.rule_problems(file)?,
            Place::Service(_) => file.problems_without_tables(),
        };
        let problems: Vec<Problem> = problems.into_iter().filter(|problem| !problem.is_warning).collect();
        if !problems.is_empty() {
            return Err(Error::new("RuleError", listed(&file.name, &problems)));
        }
        match place {
            Place::Local => self.keep_rule(file, commit),
            Place::Service(service) => put_rule(service, file, commit),
        }
    }

    fn keep_rule(&self, file: &RuleFile, commit: bool) -> Result<String> {
        let folder = self.rules_folder();
        let path = folder.join(super::file_name(&file.rule.name));
        let old = std::fs::read_to_string(&path).ok();
        let change = match &old {
            None => "new",
            Some(old) if *old == file.text => {
                return Ok(format!("rule \"{}\" (local workspace): it is already so", file.rule.name));
            }
            Some(_) => "in the place of the one that is there",
        };
        let report = format!("rule \"{}\" (local workspace): {}, {change}", file.rule.name, path.display());
        if !commit {
            return Ok(format!("{report}\n{DRY_RUN}"));
        }
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("make the folder", &folder, &error))?;
        std::fs::write(&path, &file.text).map_err(|error| Error::io("write", &path, &error))?;
        Ok(format!("{report}\nDone: `huntbook rule test` tests it."))
    }
}

fn put_rule(service: &Service, file: &RuleFile, commit: bool) -> Result<String> {
    let path = format!("alertRules/{}", file.rule.id);
    let mut body = file.rule.to_arm();
    let old = service.find(&path)?;
    let heading = format!("rule \"{}\" ({service})", file.rule.name);
    let report = match &old {
        None => format!("{heading}: new, {}", super::report::heading(&file.name, &file.rule)),
        Some(old) => {
            // Whoever switched a rule off had a reason.
            if let Some(enabled) = old.get("properties").and_then(|properties| properties.get("enabled")) {
                body["properties"]["enabled"] = enabled.clone();
            }
            let changes = changes(old.get("properties"), body.get("properties"));
            if changes.is_empty() {
                return Ok(format!("{heading}: it is already so"));
            }
            format!("{heading}: it is there, with changes\n{}", changes.join("\n"))
        }
    };
    if !commit {
        return Ok(format!("{report}\n{DRY_RUN}"));
    }
    if let Some(etag) = old.as_ref().and_then(|old| old.get("etag")) {
        body["etag"] = etag.clone();
    }
    service.put(&path, &body)?;
    Ok(format!("{report}\nDone."))
}

/// One line per property that will be different. What only the service sets does not count.
fn changes(old: Option<&Json>, new: Option<&Json>) -> Vec<String> {
    let of = |side: Option<&Json>| side.and_then(Json::as_object).cloned().unwrap_or_default();
    let (old, new) = (of(old), of(new));
    let differs = |(key, value): &(&String, &Json)| !same(old.get(*key).unwrap_or(&Json::Null), value);
    let line = |(key, value): (&String, &Json)| match old.get(key) {
        None | Some(Json::Null) => format!("  {key}: + {}", short(value)),
        Some(was) => format!("  {key}: {} -> {}", short(was), short(value)),
    };
    new.iter().filter(differs).map(line).collect()
}

/// The service gives back what it was not given as null or as an empty list.
fn same(old: &Json, new: &Json) -> bool {
    let is_empty = |value: &Json| match value {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        _ => false,
    };
    match (old, new) {
        (old, new) if is_empty(old) && is_empty(new) => true,
        (Json::Object(old), Json::Object(new)) => {
            let keys = old.keys().chain(new.keys());
            let at = |object: &Map<String, Json>, key: &str| object.get(key).cloned().unwrap_or_default();
            keys.into_iter().all(|key| same(&at(old, key), &at(new, key)))
        }
        (Json::Array(old), Json::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
        }
        (old, new) => old == new,
    }
}

fn short(value: &Json) -> String {
    const LIMIT: usize = 120;
    let text = value.to_string();
    if text.chars().count() <= LIMIT { text } else { text.chars().take(LIMIT - 1).chain(['…']).collect() }
}
