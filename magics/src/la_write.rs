//! `%la_write FRAME TABLE`.

use huntbook_engine::{Display, Engine};

use crate::MagicError;
use crate::words::words;

#[derive(Clone, Debug, PartialEq)]
pub struct LaWrite {
    pub(crate) frame: String,
    table: String,
}

impl LaWrite {
    pub(crate) fn parse(text: &str) -> Result<LaWrite, MagicError> {
        let words = words(text)?;
        if let Some(option) = words.iter().find(|word| word.starts_with('-')) {
            return Err(MagicError::usage(format!("`%la_write` has no option `{option}`")));
        }
        match <[String; 2]>::try_from(words) {
            Ok([frame, table]) => Ok(LaWrite { frame, table }),
            Err(words) => {
                let message =
                    format!("`%la_write FRAME TABLE` takes a frame and a table, {} word(s) were given", words.len());
                Err(MagicError::usage(message))
            }
        }
    }

    pub(crate) fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        let Some(frame) = engine.frame(&self.frame) else {
            let names: Vec<String> = engine.names().into_iter().map(|(name, _, _)| name).collect();
            let known = if names.is_empty() {
                "there are no frames yet".into()
            } else {
                format!("there are: {}", names.join(", "))
            };
            let message = format!("no frame is called `{}`; {known}", self.frame);
            return Err(MagicError { kind: "FrameError".into(), message });
        };
        let report = engine.la_write(&frame, &self.table)?;
        Ok(vec![Display::new([("text/plain", report)])])
    }
}
