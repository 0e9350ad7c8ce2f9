//! Words and options of a `%sentinel` command.

use std::collections::VecDeque;

use huntbook_engine::sentinel::Severity;

use crate::MagicError;

/// Options and words of a command.
pub(super) struct Given {
    command: String,
    words: VecDeque<String>,
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
    pub(super) fn read(command: &str, words: &[String]) -> Result<Given, MagicError> {
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

    pub(super) fn word(&mut self, what: &str) -> Result<String, MagicError> {
        self.words.pop_front().ok_or_else(|| MagicError::usage(format!("`%sentinel {}` needs {what}", self.command)))
    }

    /// The value given last.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.all(name).pop()
    }

    pub(super) fn all(&mut self, name: &str) -> Vec<String> {
        let (taken, rest) = std::mem::take(&mut self.options).into_iter().partition(|(known, _)| known == name);
        self.options = rest;
        taken.into_iter().map(|(_, value): (String, String)| value).collect()
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }

    /// A value as something that is read from text.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        is: &str,
    ) -> Result<Option<T>, MagicError> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let value = read(&text).ok_or_else(|| MagicError::usage(format!("--{name} is {is}, not `{text}`")))?;
        Ok(Some(value))
    }

    pub(super) fn severity(&mut self) -> Result<Option<Severity>, MagicError> {
        self.parsed("severity", Severity::named, "High, Medium, Low or Informational")
    }

    pub(super) fn end(&self) -> Result<(), MagicError> {
        match self.words.front() {
            None => Ok(()),
            Some(extra) => Err(MagicError::usage(format!(
                "`%sentinel {}` does not know what to do with `{extra}`: put texts with blanks in quotes",
                self.command
            ))),
        }
    }
}
