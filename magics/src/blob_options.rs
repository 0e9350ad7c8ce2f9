//! The options of `%blob`'s commands, for reading and for completion.

use crate::MagicError;

/// A command and its options: those with a value end in `=`.
pub(crate) struct Known {
    pub(crate) command: &'static str,
    pub(crate) options: &'static [&'static str],
}

/// Who asks: for every command.
pub(crate) const ACCESS: [&str; 3] = ["--store=", "--connection=", "--anonymous"];

pub(crate) const COMMANDS: [Known; 9] = [
    Known { command: "ls", options: &["--long", "--recursive", "--glob="] },
    Known {
        command: "read",
        options: &[
            "--format=",
            "--columns=",
            "--where=",
            "--schema=",
            "--table=",
            "--no-header",
            "--bad-lines=",
            "--memory=",
            "--cache",
            "--export=",
            "--workspace=",
            "--from=",
            "--to=",
        ],
    },
    Known { command: "write", options: &["--format=", "--partition-by=", "--export=", "--workspace=", "--overwrite"] },
    Known { command: "get", options: &["--overwrite"] },
    Known { command: "put", options: &["--overwrite"] },
    Known { command: "rm", options: &["--recursive", "--yes"] },
    Known { command: "cat", options: &[] },
    Known { command: "head", options: &["-n="] },
    Known { command: "make", options: &[] },
];

/// Short spellings.
const SHORT: [(&str, &str); 3] = [("-r", "--recursive"), ("-l", "--long"), ("-y", "--yes")];

pub(crate) fn known(command: &str) -> Option<&'static Known> {
    COMMANDS.iter().find(|known| known.command == command)
}

impl Known {
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.options.iter().copied().chain(ACCESS)
    }
}

/// The words behind a command, taken one by one.
pub(crate) struct Options {
    command: &'static str,
    places: std::collections::VecDeque<String>,
    values: Vec<(&'static str, String)>,
    flags: Vec<&'static str>,
}

impl Options {
    pub(crate) fn read(known: &'static Known, words: impl Iterator<Item = String>) -> Result<Options, MagicError> {
        let mut options =
            Options { command: known.command, places: Default::default(), values: Vec::new(), flags: Vec::new() };
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let long = SHORT.iter().find(|(short, _)| *short == word).map_or(word.as_str(), |(_, long)| long);
            if !long.starts_with('-') {
                options.places.push_back(word);
                continue;
            }
            let (name, inline) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let Some(option) = known.all().find(|option| option.trim_end_matches('=') == name) else {
                let names: Vec<&str> = known.all().map(|option| option.trim_end_matches('=')).collect();
                return Err(MagicError::usage(format!(
                    "`%blob {}` has no option `{name}`; it has: {}",
                    known.command,
                    names.join(", ")
                )));
            };
            match (option.strip_suffix('='), inline) {
                (Some(option), Some(value)) => options.values.push((option, value)),
                (Some(option), None) => match words.next_if(|value| !value.starts_with("--")) {
                    Some(value) => options.values.push((option, value)),
                    None => return Err(MagicError::usage(format!("`{option}` needs a value"))),
                },
                (None, None) => options.flags.push(option),
                (None, Some(_)) => return Err(MagicError::usage(format!("`{option}` takes no value"))),
            }
        }
        Ok(options)
    }

    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    pub(crate) fn has_value(&self, option: &str) -> bool {
        self.values.iter().any(|(name, _)| *name == option)
    }

    /// The last one given.
    pub(crate) fn value(&self, option: &str) -> Option<String> {
        self.values.iter().rev().find(|(name, _)| *name == option).map(|(_, value)| value.clone())
    }

    /// The next word that is no option; `what` for the error.
    pub(crate) fn place(&mut self, what: &str) -> Result<String, MagicError> {
        let command = self.command;
        self.places.pop_front().ok_or_else(|| MagicError::usage(format!("`%blob {command}` needs {what}")))
    }

    pub(crate) fn place_or(&mut self, default: &str) -> String {
        self.places.pop_front().unwrap_or_else(|| default.to_owned())
    }

    pub(crate) fn places(&mut self) -> Vec<String> {
        self.places.drain(..).collect()
    }

    /// Errors: words that nobody took.
    pub(crate) fn finish(self) -> Result<(), MagicError> {
        match self.places.front() {
            None => Ok(()),
            Some(extra) => Err(MagicError::usage(format!("for `%blob {}`, `{extra}` is too many", self.command))),
        }
    }
}
