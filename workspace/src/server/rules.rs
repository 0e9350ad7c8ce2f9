//! Data collection rules: which streams there are, what their columns are, and where their rows go.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ServeError;
use super::commands::column_type;
use crate::ColumnSchema;

/// The rules of a server.
pub(crate) struct Rules {
    rules: Vec<Rule>,
    auto_create: bool,
}

struct Rule {
    id: String,
    streams: HashMap<String, Declared>,
}

/// A stream of a rule's file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Declared {
    pub(crate) table: String,
    pub(crate) columns: Vec<ColumnSchema>,
    /// KQL over the rows, which it calls `source`
    pub(crate) transform: Option<String>,
}

/// Where the rows of a stream go.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stream {
    Declared(Declared),
    /// A table whose columns come with the rows
    Open {
        table: String,
    },
    /// A table that must be there; other columns than its own are dropped
    Existing {
        table: String,
    },
}

/// Why there is no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoStream {
    Rule,
    Stream,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    immutable_id: Option<String>,
    properties: Option<Box<File>>,
    #[serde(default)]
    stream_declarations: HashMap<String, Declaration>,
    #[serde(default)]
    data_flows: Vec<Flow>,
}

#[derive(Deserialize)]
struct Declaration {
    columns: Vec<DeclaredColumn>,
}

#[derive(Deserialize)]
struct DeclaredColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Flow {
    streams: Vec<String>,
    transform_kql: Option<String>,
    output_stream: Option<String>,
}

impl Rules {
    /// Reads the files of rules. Without any there is one rule, whose id depends on the workspace only.
    pub(crate) fn read(files: &[std::path::PathBuf], auto_create: bool, workspace: &str) -> Result<Rules, ServeError> {
        let mut rules = files.iter().map(|path| Rule::read(path)).collect::<Result<Vec<_>, _>>()?;
        if rules.is_empty() {
            rules.push(Rule { id: format!("dcr-{}", workspace.replace('-', "")), streams: HashMap::new() });
        }
        Ok(Rules { rules, auto_create })
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| rule.id.as_str()).collect()
    }

    /// Streams that files declare.
    pub(crate) fn declared(&self) -> impl Iterator<Item = (&str, &Declared)> {
        self.rules.iter().flat_map(|rule| rule.streams.iter().map(|(name, stream)| (name.as_str(), stream)))
    }

    pub(crate) fn stream(&self, rule: &str, stream: &str) -> Result<Stream, NoStream> {
        let rule = self.rules.iter().find(|known| known.id.eq_ignore_ascii_case(rule)).ok_or(NoStream::Rule)?;
        if let Some(declared) = rule.streams.get(stream) {
            return Ok(Stream::Declared(declared.clone()));
        }
        let table = custom_table(stream).ok_or(NoStream::Stream)?;
        match (self.auto_create, rule.streams.is_empty()) {
            (true, _) => Ok(Stream::Open { table }),
            (false, true) => Ok(Stream::Existing { table }),
            (false, false) => Err(NoStream::Stream),
        }
    }
}

/// `Custom-X` and `Custom-X_CL` are the table `X_CL`.
fn custom_table(stream: &str) -> Option<String> {
    let name = stream.strip_prefix("Custom-")?;
    let base = name.strip_suffix("_CL").unwrap_or(name);
    let right = !base.is_empty()
        && base.len() <= 63
        && base.starts_with(|first: char| first.is_ascii_alphabetic())
        && base.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    right.then(|| format!("{base}_CL"))
}

impl Rule {
    fn read(path: &Path) -> Result<Rule, ServeError> {
        let text = std::fs::read(path).map_err(|error| ServeError::io("read", path, error))?;
        let wrong = |why: String| ServeError::Rule { path: path.to_owned(), why };
        let file: File = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        Rule::of(file, &text).map_err(wrong)
    }

    fn of(file: File, text: &[u8]) -> Result<Rule, String> {
        let (outer, inner) = match file.properties {
            Some(properties) => (file.immutable_id, *properties),
            None => (None, File { properties: None, ..file }),
        };
        // A template has no id before it is deployed: its text gives it one that stays the same.
        let derived = || format!("dcr-{}", &hex(&Sha256::digest(text))[..32]);
        let id = outer.or(inner.immutable_id).unwrap_or_else(derived);
        let mut streams = HashMap::new();
        for (name, declaration) in inner.stream_declarations {
            let columns = declaration.columns.into_iter().map(|column| {
                let column_type = column_type(&column.kind).ok_or_else(|| {
                    format!("the column `{}` has the type `{}`, which there is not", column.name, column.kind)
                })?;
                Ok(ColumnSchema { name: column.name, column_type })
            });
            let columns = columns.collect::<Result<Vec<_>, String>>()?;
            let flows: Vec<&Flow> = inner.data_flows.iter().filter(|flow| flow.streams.contains(&name)).collect();
            if flows.len() > 1 {
                return Err(format!(
                    "the stream `{name}` stands in {} data flows; the local server takes one",
                    flows.len()
                ));
            }
            let flow = flows.first();
            let output = flow.and_then(|flow| flow.output_stream.as_deref()).unwrap_or(&name);
            let table = custom_table(output).or_else(|| output.strip_prefix("Microsoft-").map(str::to_owned));
            let table = table
                .ok_or_else(|| format!("`{output}` is no output stream: write Custom-TABLE_CL or Microsoft-TABLE"))?;
            let transform = flow.and_then(|flow| flow.transform_kql.clone());
            let transform = transform.filter(|query| !query.trim().is_empty() && query.trim() != "source");
            streams.insert(name, Declared { table, columns, transform });
        }
        let unknown = inner.data_flows.iter().flat_map(|flow| &flow.streams).find(|name| !streams.contains_key(*name));
        match unknown {
            Some(name) => {
                Err(format!("a data flow takes the stream `{name}`, which streamDeclarations does not declare"))
            }
            None if streams.is_empty() => Err("it declares no stream in streamDeclarations".to_owned()),
            None => Ok(Rule { id, streams }),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ColumnType;

    fn rule(value: Value) -> Result<Rule, String> {
        Rule::of(serde_json::from_value(value.clone()).unwrap(), value.to_string().as_bytes())
    }

    fn declaration() -> Value {
        json!({"Custom-Hits": {"columns": [{"name": "TimeGenerated", "type": "datetime"}, {"name": "n", "type": "long"}]}})
    }

    #[test]
    fn a_rule_says_where_its_streams_go() {
        let flows = json!([{"streams": ["Custom-Hits"], "transformKql": "source | extend m = n", "outputStream": "Custom-Found_CL"}]);
        let read = rule(json!({
            "name": "r", "location": "local",
            "properties": {"immutableId": "dcr-1", "streamDeclarations": declaration(), "dataFlows": flows},
        }))
        .unwrap();
        let rules = Rules { rules: vec![read], auto_create: false };
        let Ok(Stream::Declared(stream)) = rules.stream("DCR-1", "Custom-Hits") else { panic!("declared") };
        assert_eq!((stream.table.as_str(), stream.transform.as_deref()), ("Found_CL", Some("source | extend m = n")));
        assert_eq!(stream.columns[0].column_type, ColumnType::Datetime);
        assert_eq!(rules.stream("dcr-2", "Custom-Hits"), Err(NoStream::Rule));
        assert_eq!(rules.stream("dcr-1", "Custom-Other"), Err(NoStream::Stream));
    }

    #[test]
    fn rules_without_flows_and_ids() {
        let read = rule(json!({"streamDeclarations": declaration()})).unwrap();
        assert!(read.id.starts_with("dcr-") && read.id.len() == 36, "{}", read.id);
        assert_eq!(read.streams["Custom-Hits"].table, "Hits_CL");
        assert!(rule(json!({"streamDeclarations": {}})).is_err());
        assert!(rule(json!({"streamDeclarations": declaration(), "dataFlows": [{"streams": ["Custom-X"]}]})).is_err());
    }

    #[test]
    fn without_files_the_stream_names_the_table() {
        let open = |auto_create| Rules::read(&[], auto_create, "1-2").unwrap();
        assert_eq!(open(true).ids(), ["dcr-12"]);
        let table = || "X_CL".to_owned();
        assert_eq!(open(true).stream("dcr-12", "Custom-X"), Ok(Stream::Open { table: table() }));
        assert_eq!(open(true).stream("dcr-12", "Custom-X_CL"), Ok(Stream::Open { table: table() }));
        assert_eq!(open(false).stream("dcr-12", "Custom-X"), Ok(Stream::Existing { table: table() }));
        for wrong in ["X", "Custom-", "Custom-_CL", "Custom-1", "Custom-a b", "Microsoft-Event", "Custom-../x"] {
            assert_eq!(open(true).stream("dcr-12", wrong), Err(NoStream::Stream), "{wrong}");
        }
    }
}
