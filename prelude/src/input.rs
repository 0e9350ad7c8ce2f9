//! Questions to the person at the notebook.

use std::fmt;

use huntbook_wire::{Request, Response};

use crate::{Error, Result, client, rt};

/// Asks for a line of text: `let table = input("Which table? ")?;`.
///
/// Errors: where nobody can answer, as in `huntbook run`, and when the cell is interrupted.
pub fn input(prompt: &str) -> Result<String> {
    ask(prompt, false)
}

/// Asks for a secret, which is not shown while it is typed, nor afterwards.
///
/// Errors: as [`input`].
pub fn password(prompt: &str) -> Result<Secret> {
    ask(prompt, true).map(Secret)
}

fn ask(prompt: &str, password: bool) -> Result<String> {
    rt::flush_pending();
    rt::flush_stdout();
    match client::call(&Request::Input { prompt: prompt.to_owned(), password })? {
        Response::Text(answer) => Ok(answer),
        // The answer may be a secret: it is not repeated.
        _ => Err(Error::new("EngineError", "unexpected answer to a question")),
    }
}

/// Text that does not end up in a notebook by accident: only [`Secret::reveal`] gives it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret("hunter2".into());
        assert!(!format!("{secret:?} {:?}", Some(&secret)).contains("hunter2"));
        assert_eq!(secret.reveal(), "hunter2");
    }
}
