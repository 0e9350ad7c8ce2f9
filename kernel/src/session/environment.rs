//! `%env`: environment variables of the kernel, of what it starts, and of Rust cells.

use std::sync::Arc;

use huntbook_engine::redact;
use huntbook_magics::Environment;

use super::Session;
use crate::output::{CellError, Output, Sink};
use crate::redaction;

/// huntbook itself works by these; another value would break cells, or run other programs than the installed ones.
const OURS: [&str; 8] = [
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "RUST_SRC_PATH",
    "RUSTUP_TOOLCHAIN",
    "CARGO",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
];
const OUR_PREFIXES: [&str; 3] = ["HUNTBOOK_", "EVCXR_", "CARGO_ENCODED_"];

/// Words in a name that say that the value is secret.
const SECRET_WORDS: [&str; 12] = [
    "KEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "CONNECTIONSTRING",
    "SAS",
    "COOKIE",
    "AUTH",
];

impl Session {
    pub(super) fn environment(&self, environment: &Environment) -> Result<(), CellError> {
        match environment {
            Environment::List => {
                let mut lines: Vec<String> = std::env::vars_os()
                    .filter(|(name, _)| !is_ours(&name.to_string_lossy()))
                    .map(|(name, value)| {
                        let name = name.to_string_lossy();
                        format!("{name}={}", shown(&name, &value.to_string_lossy()))
                    })
                    .collect();
                lines.sort();
                self.show(lines.join("\n"));
            }
            Environment::Get(name) => match std::env::var_os(name) {
                Some(value) => self.show(shown(name, &value.to_string_lossy())),
                None => return Err(CellError::new("MagicError", format!("there is no environment variable {name}"))),
            },
            Environment::Set { name, value } => self.set_environment(name, value)?,
        }
        Ok(())
    }

    fn set_environment(&self, name: &str, value: &str) -> Result<(), CellError> {
        if is_ours(name) {
            let text = format!("{name} is how huntbook itself finds its way: it cannot be set in a session");
            return Err(CellError::new("MagicError", text));
        }
        if is_secret(name) {
            redact::register(value);
            redaction::learn(value);
        }
        // SAFETY: everything in this process that reads the environment does so through std, which locks it.
        unsafe { std::env::set_var(name, value) };
        // A cell process that is started later has it from here. The one that runs is told, and not by way of a source
        // file, where the value would stay.
        let code = format!("{{ let value = huntbook::input(\"\")?; unsafe {{ std::env::set_var({name:?}, value) }} }}");
        let answer = Answer { value: value.to_owned(), listener: self.hub.sink()? };
        let told = self.hub.answering(Arc::new(answer), || self.hidden(code));
        match told {
            Err(error) if error.name != "RustUnavailable" => Err(error),
            _ => {
                self.show(format!("{name}={}", shown(name, value)));
                Ok(())
            }
        }
    }
}

/// Answers the one question of a hidden cell.
struct Answer {
    value: String,
    listener: Arc<dyn Sink>,
}

impl Sink for Answer {
    fn emit(&self, output: Output) {
        self.listener.emit(output);
    }

    fn ask(&self, _prompt: &str, _password: bool) -> Result<String, CellError> {
        Ok(self.value.clone())
    }

    fn cell(&self) -> u64 {
        self.listener.cell()
    }
}

/// Values of the environment that are secret by their names are hidden wherever a cell shows them.
pub(super) fn register_secrets() {
    for (name, value) in std::env::vars_os() {
        if let (true, Some(value)) = (is_secret(&name.to_string_lossy()), value.to_str()) {
            redact::register(value);
            redaction::learn(value);
        }
    }
}

fn is_ours(name: &str) -> bool {
    OURS.contains(&name) || OUR_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn shown<'v>(name: &str, value: &'v str) -> &'v str {
    if is_secret(name) && !value.is_empty() { redact::MARK } else { value }
}

/// Does the name say that the value is secret?
fn is_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    let words: Vec<&str> = name.split('_').collect();
    words.iter().any(|word| SECRET_WORDS.contains(word))
        || name.replace('_', "").contains("CONNECTIONSTRING")
        || ["PASSWORD", "SECRET", "TOKEN", "APIKEY"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "AZURE_CLIENT_SECRET",
            "github_token",
            "AZURE_STORAGE_KEY",
            "DB_CONNECTION_STRING",
            "PGPASSWORD",
            "BLOB_SAS",
        ] {
            assert_eq!(shown(name, "value"), redact::MARK, "{name}");
        }
        for name in ["PATH", "HOME", "KEYBOARD", "PWD", "AUTHOR", "AZURE_TENANT_ID"] {
            assert_eq!(shown(name, "value"), "value", "{name}");
        }
        assert_eq!(shown("API_KEY", ""), "");
    }

    #[test]
    fn what_huntbook_works_by_is_left_alone() {
        assert!(is_ours("HUNTBOOK_TOKEN") && is_ours("RUSTFLAGS") && is_ours("EVCXR_TMPDIR"));
        assert!(!is_ours("AZURE_CLIENT_ID") && !is_ours("RUST_LOG"));
    }
}
