//! `%connect [NAME | CONNECTION STRING | --local]`.

use huntbook_engine::{Display, Engine, leading_connection};

use crate::MagicError;
use crate::options::{Spec, Table, Takes};

#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// None: show what there is.
    place: Option<String>,
}

pub(crate) const TABLE: Table = Table { magic: "%connect", specs: &SPECS, ignored: &[], properties: false };

const SPECS: [Spec; 1] =
    [Spec { name: "conn", aliases: &["c"], takes: Takes::Connection, help: "the connection, as without the option" }];

impl Connect {
    pub(crate) fn parse(text: &str) -> Result<Connect, MagicError> {
        let text = text.trim();
        // A connection string is one word, whatever quotes and brackets are in it.
        if leading_connection(text) == Some(text.len()) {
            return Ok(Connect { place: Some(text.to_owned()) });
        }
        let (words, given) = TABLE.words(text)?;
        let named = given.value("conn").map(str::to_owned);
        match (words.as_slice(), named) {
            ([], place) => Ok(Connect { place }),
            ([place], None) => Ok(Connect { place: Some(place.clone()) }),
            // The words are not shown: they may be pieces of a connection string.
            _ => Err(MagicError::usage(
                "`%connect` takes one name or one connection string, without blanks outside quotes",
            )),
        }
    }

    pub(crate) fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        match &self.place {
            Some(place) => Ok(vec![text(&engine.connect(place)?)]),
            None => connections(engine),
        }
    }
}

/// The connections that there are, the current one marked.
pub(crate) fn connections(engine: &Engine) -> Result<Vec<Display>, MagicError> {
    Ok(vec![text(&engine.connections_text()?)])
}

pub(crate) fn text(line: impl AsRef<str>) -> Display {
    Display::new([("text/plain", line.as_ref().to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_one_word() {
        for text in ["prod", "Samples@help", "loganalytics://workspace='a b';code", "--conn prod"] {
            assert!(Connect::parse(text).unwrap().place.is_some(), "{text}");
        }
        assert_eq!(Connect::parse("  ").unwrap().place, None);
        let error = Connect::parse("loganalytics://clientsecret=S3CRET ;x").unwrap_err();
        assert!(!error.message.contains("S3CRET"), "{error}");
    }
}
