//! `%sentinel rule|bookmark|incident|watchlist ...`: the hand-over to Microsoft Sentinel.

use std::sync::Arc;

use huntbook_engine::sentinel::{
    IncidentChanges, NewBookmark, NewRule, RuleDuration, RuleFile, Severity, Status, Times, file_name, listed,
    moment_of, rule_files,
};
use huntbook_engine::{Display, Engine, Error, table};

use crate::MagicError;
use crate::words::{binding, words};

/// One command, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentinel {
    /// Frame that takes the rows; they are then not displayed.
    bind: Option<String>,
    command: Command,
    /// The connection to Azure; the local workspace where there is none
    connection: Option<String>,
    /// Do it, rather than say what would be done.
    commit: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Command {
    RuleTest { path: String, times: Times, record: bool },
    RuleShow { path: String },
    RuleNew { new: NewRule, frame: Option<String>, output: Option<String>, force: bool },
    RuleDeploy { path: String },
    Bookmark { frame: String, new: NewBookmark },
    IncidentList { status: Option<Status>, top: usize },
    IncidentShow { id: String },
    IncidentChange { id: String, changes: IncidentChanges },
    IncidentComment { id: String, message: String },
    WatchlistList,
    WatchlistGet { alias: String },
    WatchlistPut { alias: String, frame: String, key: Option<String>, title: Option<String> },
}

const COMMANDS: &str =
    "rule test|show|new|deploy, bookmark, incident list|show|update|comment|close, watchlist list|get|put";

impl Sentinel {
    /// What follows `%sentinel`. In a cell magic the lines below the first are the query of `rule new`.
    pub(crate) fn parse(text: &str) -> Result<Sentinel, MagicError> {
        let (head, body) = text.split_once('\n').unwrap_or((text, ""));
        let (bind, rest) = binding(head);
        let words = words(rest)?;
        let (group, after) = words.split_first().ok_or_else(no_command)?;
        let (name, rest) = match group.as_str() {
            "bookmark" => ("", after),
            "rule" | "incident" | "watchlist" => match after.split_first() {
                Some((name, rest)) => (name.as_str(), rest),
                None => return Err(no_command()),
            },
            _ => return Err(no_command()),
        };
        let command = format!("{group} {name}");
        let command = command.trim_end();
        let query = Some(body.trim()).filter(|body| !body.is_empty());
        if query.is_some() && command != "rule new" {
            return Err(MagicError::usage(
                "only `%%sentinel rule new` takes lines below the first: they are the query",
            ));
        }
        let mut given = Given::read(command, rest)?;
        let connection = given.take("conn");
        let commit = given.flag("yes");
        let parsed = match command {
            "rule test" => rule_test(&mut given)?,
            "rule show" => Command::RuleShow { path: given.word("a file")? },
            "rule new" => rule_new(&mut given, query)?,
            "rule deploy" => Command::RuleDeploy { path: given.word("a file")? },
            "bookmark" => bookmark(&mut given)?,
            "incident list" => incident_list(&mut given)?,
            "incident show" => Command::IncidentShow { id: given.word("the number of an incident")? },
            "incident update" => incident_update(&mut given)?,
            "incident comment" => Command::IncidentComment {
                id: given.word("the number of an incident")?,
                message: given.word("a text")?,
            },
            "incident close" => incident_close(&mut given)?,
            "watchlist list" => Command::WatchlistList,
            "watchlist get" => Command::WatchlistGet { alias: given.word("an alias")? },
            "watchlist put" => Command::WatchlistPut {
                alias: given.word("an alias")?,
                frame: given.word("a frame")?,
                key: given.take("key"),
                title: given.take("title"),
            },
            _ => return Err(no_command()),
        };
        given.end()?;
        let gives_rows = matches!(
            parsed,
            Command::RuleTest { .. }
                | Command::IncidentList { .. }
                | Command::WatchlistList
                | Command::WatchlistGet { .. }
        );
        if bind.is_some() && !gives_rows {
            return Err(MagicError::usage(format!("`%sentinel {command}` gives no rows: leave out the `NAME <<`")));
        }
        Ok(Sentinel { bind, command: parsed, connection, commit })
    }

    /// The frame that the command reads.
    pub(crate) fn frames(&self) -> Vec<String> {
        match &self.command {
            Command::Bookmark { frame, .. } | Command::WatchlistPut { frame, .. } => vec![frame.clone()],
            _ => Vec::new(),
        }
    }

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
                said(engine.bookmark(&place, &*named(engine, frame)?, new, self.commit)?)
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
                let frame = named(engine, frame)?;
                said(engine.put_watchlist(&place, alias, &frame, key.as_deref(), title.as_deref(), self.commit)?)
            }
        }
    }

    fn rows(&self, engine: &Engine, frame: huntbook_engine::DataFrame) -> Result<Vec<Display>, MagicError> {
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
            let heading = format!("{}: {}\n{}", file.name, file.rule.name, trial.summary());
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

fn no_command() -> MagicError {
    MagicError::usage(format!("`%sentinel` has the commands: {COMMANDS}. `%sentinel --help` shows examples"))
}

/// Options and words of a command.
struct Given {
    command: String,
    words: std::collections::VecDeque<String>,
    options: Vec<(String, String)>,
}

/// Options by command; a `!` marks those without a value.
fn options_of(command: &str) -> &'static [&'static str] {
    match command {
        "rule test" => &["at", "from", "to", "record!"],
        "rule new" => &[
            "query",
            "frame",
            "output",
            "force!",
            "description",
            "severity",
            "frequency",
            "period",
            "tactic",
            "technique",
            "entity",
            "detail",
            "alert-per-row!",
        ],
        "rule deploy" => &["yes!", "conn"],
        "bookmark" => &["title", "notes", "label", "query", "incident", "yes!", "conn"],
        "incident list" => &["status", "top", "conn"],
        "incident show" => &["conn"],
        "incident update" => &["title", "description", "severity", "status", "owner", "label", "yes!", "conn"],
        "incident comment" => &["yes!", "conn"],
        "incident close" => &["classification", "reason", "comment", "yes!", "conn"],
        "watchlist list" | "watchlist get" => &["conn"],
        "watchlist put" => &["key", "title", "yes!", "conn"],
        _ => &[],
    }
}

impl Given {
    fn read(command: &str, words: &[String]) -> Result<Given, MagicError> {
        let known = options_of(command);
        let mut given = Given { command: command.to_owned(), words: Default::default(), options: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--") else {
                given.words.push_back(word.clone());
                continue;
            };
            let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            if known.contains(&format!("{name}!").as_str()) && value.is_none() {
                given.options.push((name.to_owned(), String::new()));
            } else if known.contains(&name) {
                let value = value.map(str::to_owned).or_else(|| words.next().cloned());
                let value = value.ok_or_else(|| MagicError::usage(format!("--{name} needs a value")))?;
                given.options.push((name.to_owned(), value));
            } else {
                let list: Vec<String> = known.iter().map(|name| format!("--{}", name.trim_end_matches('!'))).collect();
                let list = if list.is_empty() { "none".to_owned() } else { list.join(", ") };
                return Err(MagicError::usage(format!("`%sentinel {command}` has no option `{word}`; it has: {list}")));
            }
        }
        Ok(given)
    }

    fn word(&mut self, what: &str) -> Result<String, MagicError> {
        self.words.pop_front().ok_or_else(|| MagicError::usage(format!("`%sentinel {}` needs {what}", self.command)))
    }

    /// The value given last.
    fn take(&mut self, name: &str) -> Option<String> {
        self.all(name).pop()
    }

    fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.options).into_iter().partition(|(known, _)| known == name);
        self.options = rest;
        taken.into_iter().map(|(_, value): (String, String)| value).collect()
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }

    /// A value as something that is read from text.
    fn parsed<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>, is: &str) -> Result<Option<T>, MagicError> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let value = read(&text).ok_or_else(|| MagicError::usage(format!("--{name} is {is}, not `{text}`")))?;
        Ok(Some(value))
    }

    fn severity(&mut self) -> Result<Option<Severity>, MagicError> {
        self.parsed("severity", Severity::named, "High, Medium, Low or Informational")
    }

    fn end(&self) -> Result<(), MagicError> {
        match self.words.front() {
            None => Ok(()),
            Some(extra) => Err(MagicError::usage(format!(
                "`%sentinel {}` does not know what to do with `{extra}`: put texts with blanks in quotes",
                self.command
            ))),
        }
    }
}

fn rule_test(given: &mut Given) -> Result<Command, MagicError> {
    let path = given.word("a file or folder")?;
    let mut time = |name| given.parsed(name, moment_of, "a time such as 2026-03-01 or 2026-03-01T08:00Z");
    let times = match (time("at")?, time("from")?, time("to")?) {
        (Some(at), None, None) => Times::At(at),
        (None, Some(from), Some(to)) => Times::Between(from, to),
        (None, None, None) => Times::OverData,
        _ => return Err(MagicError::usage("times are --at TIME, or --from TIME --to TIME")),
    };
    Ok(Command::RuleTest { path, times, record: given.flag("record") })
}

fn rule_new(given: &mut Given, body: Option<&str>) -> Result<Command, MagicError> {
    let name = given.word("a name")?;
    let (query, frame) = (given.take("query"), given.take("frame"));
    let sources = [query.is_some(), frame.is_some(), body.is_some()].into_iter().filter(|given| *given).count();
    if sources != 1 {
        return Err(MagicError::usage(
            "`rule new` takes one query: --query \"...\", --frame NAME, or the lines below `%%sentinel rule new NAME`",
        ));
    }
    let duration = "a duration such as 5m, 1h or 14d";
    let new = NewRule {
        name,
        query: query.as_deref().or(body).unwrap_or_default().to_owned(),
        description: given.take("description"),
        severity: given.severity()?,
        frequency: given.parsed("frequency", RuleDuration::parse, duration)?,
        period: given.parsed("period", RuleDuration::parse, duration)?,
        tactics: given.all("tactic"),
        techniques: given.all("technique"),
        entities: given.all("entity"),
        details: given.all("detail"),
        alert_per_row: given.flag("alert-per-row"),
    };
    Ok(Command::RuleNew { new, frame, output: given.take("output"), force: given.flag("force") })
}

fn bookmark(given: &mut Given) -> Result<Command, MagicError> {
    let frame = given.word("a frame")?;
    let new = NewBookmark {
        title: given.take("title").unwrap_or_default(),
        notes: given.take("notes").unwrap_or_default(),
        labels: given.all("label"),
        query: given.take("query"),
        incident: given.take("incident"),
    };
    Ok(Command::Bookmark { frame, new })
}

fn incident_list(given: &mut Given) -> Result<Command, MagicError> {
    let status = given.parsed("status", Status::named, "New, Active or Closed")?;
    let top = given.parsed("top", |text| text.parse().ok().filter(|top| *top > 0), "a number of incidents")?;
    Ok(Command::IncidentList { status, top: top.unwrap_or(50) })
}

fn incident_update(given: &mut Given) -> Result<Command, MagicError> {
    let id = given.word("the number of an incident")?;
    let status = given.parsed("status", Status::named, "New or Active")?;
    if status == Some(Status::Closed) {
        return Err(MagicError::usage("closing has a command of its own: `%sentinel incident close`"));
    }
    let changes = IncidentChanges {
        title: given.take("title"),
        description: given.take("description"),
        severity: given.severity()?,
        status,
        owner: given.take("owner"),
        add_labels: given.all("label"),
        ..IncidentChanges::default()
    };
    if changes == IncidentChanges::default() {
        return Err(MagicError::usage(
            "what is to change? --status, --severity, --owner, --label, --title, --description",
        ));
    }
    Ok(Command::IncidentChange { id, changes })
}

fn incident_close(given: &mut Given) -> Result<Command, MagicError> {
    let changes = IncidentChanges {
        status: Some(Status::Closed),
        classification: given.take("classification"),
        reason: given.take("reason"),
        closing_comment: given.take("comment"),
        ..IncidentChanges::default()
    };
    Ok(Command::IncidentChange { id: given.word("the number of an incident")?, changes })
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

fn named(engine: &Engine, name: &str) -> Result<Arc<huntbook_engine::DataFrame>, MagicError> {
    engine.frame(name).ok_or_else(|| {
        let names: Vec<String> = engine.names().into_iter().map(|(name, _, _)| name).collect();
        let known = if names.is_empty() {
            "there are no frames yet".into()
        } else {
            format!("there are: {}", names.join(", "))
        };
        MagicError { kind: "FrameError".into(), message: format!("no frame is called `{name}`; {known}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Sentinel {
        Sentinel::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> String {
        Sentinel::parse(text).expect_err(text).message
    }

    #[test]
    fn commands_are_read() {
        let test = parse(" alerts << rule test rules/x.yaml --from 2026-03-01 --to 2026-03-02 --record");
        assert_eq!(test.bind.as_deref(), Some("alerts"));
        assert!(matches!(test.command, Command::RuleTest { record: true, times: Times::Between(..), .. }));
        let bookmark = parse(" bookmark top --title 'Rare access' --label a --label=b --yes");
        assert_eq!((bookmark.frames(), bookmark.commit), (vec!["top".to_owned()], true));
        assert!(matches!(&bookmark.command, Command::Bookmark { new, .. } if new.labels == ["a", "b"]));
        let close = parse(" incident close 3 --classification TruePositive --comment 'real one'");
        assert!(
            matches!(&close.command, Command::IncidentChange { id, changes } if id == "3" && changes.status == Some(Status::Closed))
        );
        let new = parse(" rule new 'Rare access' --tactic Discovery\nT\n| take 1\n");
        assert!(matches!(&new.command, Command::RuleNew { new, .. } if new.query == "T\n| take 1"));
    }

    #[test]
    fn mistakes_say_what_there_is() {
        assert!(refused("").contains("rule test|show|new|deploy"));
        assert!(refused(" rule tset x").contains("rule test|show|new|deploy"));
        assert!(refused(" rule test").contains("a file or folder"));
        assert!(refused(" rule test x --form 2026-01-01").contains("--from"));
        assert!(refused(" rule test x --from 2026-01-01").contains("--from TIME --to TIME"));
        assert!(refused(" rule test x --at yesterday").contains("2026-03-01"));
        assert!(refused(" rule new x").contains("--query"));
        assert!(refused(" rule show a\nT | take 1").contains("rule new"));
        assert!(refused(" incident update 3").contains("--status"));
        assert!(refused(" incident update 3 --status Closed").contains("incident close"));
        assert!(refused(" incident comment 3 two words").contains("quotes"));
        assert!(refused(" incident list --top many").contains("a number"));
        assert!(refused(" x << bookmark top --title t").contains("NAME <<"));
        assert!(refused(" watchlist put vip top --key").contains("needs a value"));
    }
}
