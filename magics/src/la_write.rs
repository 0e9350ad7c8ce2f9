//! `%la_write FRAME TABLE [OPTIONS]`.

use huntbook_engine::{Display, Engine, WriteRequest};

use crate::MagicError;
use crate::connect::text;
use crate::options::{Spec, Table, Takes};

#[derive(Clone, Debug, PartialEq)]
pub struct LaWrite {
    pub(crate) frame: String,
    request: WriteRequest,
}

const fn spec(name: &'static str, aliases: &'static [&'static str], takes: Takes, help: &'static str) -> Spec {
    Spec { name, aliases, takes, help }
}

pub(crate) const TABLE: Table = Table { magic: "%la_write", specs: &SPECS, ignored: &[], properties: false };

const SPECS: [Spec; 8] = [
    spec(
        "conn",
        &["c"],
        Takes::Connection,
        "a connection with `dce`, `dcr`, or for --legacy `workspace` and `shared_key`",
    ),
    spec("dce", &["endpoint"], Takes::Value("URL"), "data collection endpoint, or the ingestion endpoint of the DCR"),
    spec("dcr", &["rule"], Takes::Value("ID"), "immutable id of the data collection rule: dcr-..."),
    spec("stream", &[], Takes::Value("NAME"), "stream of the rule (Custom-TABLE_CL)"),
    spec("legacy", &[], Takes::Nothing, "HTTP Data Collector API, whose support has ended"),
    spec("dry-run", &["n"], Takes::Nothing, "only shows what would be written"),
    spec("yes", &["y"], Takes::Nothing, "writes to a service without a question"),
    spec("local", &[], Takes::Nothing, "the local workspace, which it is without --conn and --dcr"),
];

impl LaWrite {
    pub(crate) fn parse(text: &str) -> Result<LaWrite, MagicError> {
        let (words, given) = TABLE.words(text)?;
        let [frame, table] = <[String; 2]>::try_from(words).map_err(|words| {
            let count = words.len();
            MagicError::usage(format!("`%la_write FRAME TABLE` takes a frame and a table, {count} word(s) were given"))
        })?;
        let value = |name: &str| given.value(name).map(str::to_owned);
        let is_remote = ["conn", "dce", "dcr", "stream", "legacy"].iter().any(|name| given.value(name).is_some());
        if given.is_on("local") && is_remote {
            return Err(MagicError::usage(
                "`%la_write --local` writes to the local workspace: leave out the other place",
            ));
        }
        let request = WriteRequest {
            table,
            connection: value("conn"),
            dce: value("dce"),
            dcr: value("dcr"),
            stream: value("stream"),
            legacy: given.is_on("legacy"),
            dry_run: given.is_on("dry-run"),
            confirmed: given.is_on("yes"),
        };
        Ok(LaWrite { frame, request })
    }

    pub(crate) fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        Ok(vec![text(&engine.write_named(&self.frame, &self.request)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_table_and_options_come_in_any_order() {
        let write = LaWrite::parse(" --conn prod top 'My_CL' --dry_run -stream=Custom-X").unwrap();
        assert_eq!((write.frame.as_str(), write.request.table.as_str()), ("top", "My_CL"));
        assert_eq!(write.request.stream.as_deref(), Some("Custom-X"));
        assert!(write.request.dry_run && !write.request.confirmed);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(LaWrite::parse(" top").unwrap_err().message.contains("1 word"));
        assert!(LaWrite::parse(" top T --fast").unwrap_err().message.contains("--dry-run"));
        assert!(LaWrite::parse(" top T --local --dcr x").unwrap_err().message.contains("--local"));
    }
}
