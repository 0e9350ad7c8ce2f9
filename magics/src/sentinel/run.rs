//! What the commands of `%sentinel` do.

use std::sync::Arc;

use huntbook_engine::sentinel::{NewRule, RuleFile, Times, file_name, listed, rule_files};
use huntbook_engine::{DataFrame, Display, Engine, Error, table};

use super::{Command, Sentinel};
use crate::MagicError;

impl Sentinel {
    pub(crate) fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        let place = engine.sentinel_place(self.connection.as_deref())?;
        let said = |report: String| Ok(vec![Display::new([("text/plain", report)])]);
        match &self.command {
            Command::RuleTest { path, times, record } => self.test(engine, path, *times, *record),
            Command::RuleShow { path } => show(engine, path),
            Command::RuleNew { new, frame, output, force } => {
                new_rule(engine, new, frame.as_deref(), output.as_deref(), *force).and_then(said)
            }
            Command::RuleDeploy { path } => {
                let files = files(engine, path)?;
                let reports = files.iter().map(|file| engine.deploy_rule(&place, file, self.commit));
                said(reports.collect::<Result<Vec<String>, Error>>()?.join("\n\n"))
            }
            Command::Bookmark { frame, new } => {
                let frame = engine.named_frame(frame)?;
                said(engine.bookmark(&place, &frame, new, self.commit)?)
            }
            Command::IncidentList { status, top } => self.rows(engine, engine.incidents(&place, *status, *top)?),
            Command::IncidentShow { id } => said(engine.incident(&place, id)?.to_text()),
            Command::IncidentChange { id, changes } => {
                said(engine.change_incident(&place, id, changes.clone(), self.commit)?)
            }
            Command::IncidentComment { id, message } => {
                said(engine.comment_incident(&place, id, message, self.commit)?)
            }
            Command::WatchlistList => self.rows(engine, engine.watchlists(&place)?),
            Command::WatchlistGet { alias } => self.rows(engine, engine.watchlist(&place, alias)?),
            Command::WatchlistPut { alias, frame, key, title } => {
                let frame = engine.named_frame(frame)?;
                said(engine.put_watchlist(&place, alias, &frame, key.as_deref(), title.as_deref(), self.commit)?)
            }
        }
    }

    fn rows(&self, engine: &Engine, frame: DataFrame) -> Result<Vec<Display>, MagicError> {
        let Some(name) = &self.bind else {
            return Ok(vec![table::render(&frame, None, table::DEFAULT_LIMIT).result()]);
        };
        let text = format!("{name} << {} rows × {} columns", frame.height(), frame.width());
        engine.keep(Arc::new(frame), Some(name));
        Ok(vec![Display::new([("text/plain", text)])])
    }

    fn test(&self, engine: &Engine, path: &str, times: Times, record: bool) -> Result<Vec<Display>, MagicError> {
        let files = files(engine, path)?;
        if let (Some(name), [_, _, ..]) = (&self.bind, files.as_slice()) {
            return Err(MagicError::usage(format!(
                "`{name} <<` takes the alerts of one rule, {path} has {}",
                files.len()
            )));
        }
        let mut displays = Vec::new();
        for file in &files {
            let trial = if record { engine.record_rule(file, times)? } else { engine.test_rule(file, times)? };
            let mut heading = format!("{}: {}\n{}", file.name, file.rule.name, trial.summary());
            let problems = engine.rule_problems(file)?;
            if !problems.is_empty() {
                heading = format!("{}\n{heading}", listed(&file.name, &problems));
            }
            displays.push(Display::new([("text/plain", heading)]));
            if self.bind.is_some() {
                displays.extend(self.rows(engine, trial.alerts_frame()?)?);
                continue;
            }
            for frame in [trial.alerts_frame()?, trial.incidents_frame()?] {
                if frame.height() > 0 {
                    displays.push(table::render(&frame, None, table::DEFAULT_LIMIT));
                }
            }
        }
        Ok(displays)
    }
}

/// The rules that a path names, relative to the notebook.
fn files(engine: &Engine, path: &str) -> Result<Vec<RuleFile>, MagicError> {
    let base = &engine.settings().base;
    let open = |found: std::path::PathBuf| {
        let shown = found.strip_prefix(base).unwrap_or(&found).display().to_string();
        RuleFile::open(&found, &shown)
    };
    let files = rule_files(&base.join(path))?.into_iter().map(open);
    Ok(files.collect::<Result<Vec<RuleFile>, Error>>()?)
}

fn show(engine: &Engine, path: &str) -> Result<Vec<Display>, MagicError> {
    let shown = files(engine, path)?.into_iter().map(|file| {
        let problems = file.problems();
        let body = format!("{:#}", file.rule.to_arm());
        let text = if problems.is_empty() { body } else { format!("{}\n{body}", listed(&file.name, &problems)) };
        Display::new([("text/plain", text)])
    });
    Ok(shown.collect())
}

fn new_rule(
    engine: &Engine,
    new: &NewRule,
    frame: Option<&str>,
    output: Option<&str>,
    force: bool,
) -> Result<String, MagicError> {
    let mut new = new.clone();
    if let Some(frame) = frame {
        new.query = engine.query_of(frame)?;
    }
    let rule = engine.new_rule(&new)?;
    let yaml = rule.to_yaml()?;
    let shown = output.map_or_else(|| file_name(&new.name), str::to_owned);
    let problems = engine.rule_problems(&RuleFile::read(&shown, &yaml)?)?;
    if problems.iter().any(|problem| !problem.is_warning) {
        return Err(MagicError { kind: "RuleError".into(), message: listed(&shown, &problems) });
    }
    let path = engine.settings().base.join(&shown);
    if path.exists() && !force {
        return Err(MagicError::usage(format!(
            "{shown} is there already: name another file (--output) or write over it (--force)"
        )));
    }
    std::fs::write(&path, &yaml).map_err(|error| MagicError {
        kind: "IoError".into(),
        message: format!("cannot write {}: {error}", path.display()),
    })?;
    Ok(format!("{yaml}\nwritten to {shown}: `%sentinel rule test {shown}` tests it"))
}
