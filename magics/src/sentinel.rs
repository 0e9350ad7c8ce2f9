//! `%sentinel rule|bookmark|incident|watchlist ...`: the hand-over to Microsoft Sentinel.

mod given;
mod run;

use huntbook_engine::sentinel::{IncidentChanges, NewBookmark, NewRule, RuleDuration, Status, Times, moment_of};

use self::given::Given;
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
}

fn no_command() -> MagicError {
    MagicError::usage(format!("`%sentinel` has the commands: {COMMANDS}. `%sentinel --help` shows examples"))
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
