//! ASIM parsers as Microsoft publishes them: YAML files with a query and its parameters.

use serde::Deserialize;
use serde_yaml_ng::Value;

use super::function_folder::Named;
use crate::{SourceText, StoredFunction};

/// The parts of a parser file that make it a function.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parser {
    parser_name: Option<String>,
    /// What the built-in one is called: `_Im_Dns`
    equivalent_built_in_parser: Option<String>,
    #[serde(default)]
    parser_params: Vec<Parameter>,
    parser_query: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    r#type: String,
    #[serde(default)]
    default: Value,
}

impl Parameter {
    /// `name: type = default`; the files write the default of a string without quotes.
    fn declaration(&self) -> String {
        let Self { name, r#type, default } = self;
        let is_text = r#type.eq_ignore_ascii_case("string");
        let default = match default {
            Value::Null => return format!("{name}: {}", r#type),
            Value::String(text) if is_text => serde_json::Value::from(text.as_str()).to_string(),
            Value::String(text) => text.clone(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            other => serde_yaml_ng::to_string(other).unwrap_or_default(),
        };
        format!("{name}: {} = {default}", r#type)
    }
}

/// The function of a parser file under its names; `None` if the file is not one.
///
/// Errors: text that is not YAML.
pub(super) fn parser_of(shown: &str, text: &str) -> Result<Option<Vec<Named>>, String> {
    // Microsoft's folders hold YAML files of other kinds.
    if !text.lines().any(|line| line.starts_with("ParserQuery:")) {
        return Ok(None);
    }
    let parser: Parser = serde_yaml_ng::from_str(text).map_err(|problem| format!("this is not a parser: {problem}"))?;
    let (Some(name), Some(query)) = (parser.parser_name, parser.parser_query) else { return Ok(None) };
    let parameters: Vec<String> = parser.parser_params.iter().map(Parameter::declaration).collect();
    let function = StoredFunction::with_parameters(&name, &parameters.join(", "), placed(shown, text, query));
    let mut named = Vec::new();
    if let Some(alias) = parser.equivalent_built_in_parser.filter(|alias| *alias != name) {
        named.push((alias.clone(), function.clone().map(|function| function.called(&alias))));
    }
    named.push((name, function));
    Ok(Some(named))
}

/// The query with its place in the file: it stands indented below its key.
fn placed(shown: &str, text: &str, query: String) -> SourceText {
    let key = text.lines().position(|line| line.starts_with("ParserQuery:")).unwrap_or(0);
    let first = text.lines().skip(key + 1).find(|line| !line.trim().is_empty()).unwrap_or_default();
    let indent = first.len() - first.trim_start().len();
    SourceText { name: shown.to_string(), text: query, lines_before: key + 1, indent }
}
