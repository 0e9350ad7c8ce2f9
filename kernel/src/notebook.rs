//! Notebook files, nbformat 4.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

/// A notebook as its JSON, with the parts a run needs checked.
pub(crate) struct Notebook {
    json: Value,
}

impl Notebook {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Notebook> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Notebook::parse(&text).with_context(|| format!("{} is not a notebook", path.display()))
    }

    pub(crate) fn parse(text: &str) -> anyhow::Result<Notebook> {
        let json: Value = serde_json::from_str(text).context("it is not JSON")?;
        match json.get("nbformat").and_then(Value::as_u64) {
            Some(4) => {}
            Some(other) => bail!("it has nbformat {other}; open and save it in JupyterLab to make it nbformat 4"),
            None => bail!("it has no `nbformat`"),
        }
        let Some(cells) = json.get("cells").and_then(Value::as_array) else { bail!("it has no `cells`") };
        for (index, cell) in cells.iter().enumerate() {
            if cell.get("cell_type").and_then(Value::as_str).is_none() {
                bail!("cell {} has no `cell_type`", index + 1);
            }
            source(cell).with_context(|| format!("cell {} has no `source`", index + 1))?;
        }
        Ok(Notebook { json })
    }

    /// Indices and sources of the code cells.
    pub(crate) fn code_cells(&self) -> Vec<(usize, String)> {
        let is_code = |cell: &Value| cell.get("cell_type").and_then(Value::as_str) == Some("code");
        let cells = self.json["cells"].as_array().into_iter().flatten().enumerate();
        cells.filter(|(_, cell)| is_code(cell)).filter_map(|(index, cell)| Some((index, source(cell).ok()?))).collect()
    }

    /// Index of the cell tagged `parameters`.
    pub(crate) fn parameters_cell(&self) -> Option<usize> {
        let tagged = |cell: &Value| {
            cell["metadata"]["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == "parameters"))
        };
        self.json["cells"].as_array()?.iter().position(tagged)
    }

    /// Puts a code cell after another one, as papermill does with injected parameters.
    pub(crate) fn insert_parameters(&mut self, after: usize, code: &str) {
        let tags = json!(["injected-parameters"]);
        let mut cell = json!({
            "cell_type": "code", "execution_count": null, "outputs": [],
            "metadata": {"tags": tags}, "source": lines(code),
        });
        // Cells have ids from nbformat 4.5 on, and must not have them before.
        if self.json["nbformat_minor"].as_u64().is_some_and(|minor| minor >= 5) {
            cell["id"] = "injected-parameters".into();
        }
        if let Some(cells) = self.json["cells"].as_array_mut() {
            cells.retain(|cell| cell["metadata"]["tags"] != tags);
            cells.insert((after + 1).min(cells.len()), cell);
        }
    }

    /// Stores what a cell gave.
    pub(crate) fn set_outputs(&mut self, cell: usize, count: u64, outputs: Vec<Value>) {
        self.json["cells"][cell]["execution_count"] = count.into();
        self.json["cells"][cell]["outputs"] = outputs.into();
    }

    /// Forgets the outputs of earlier runs: what a run does not reach must not look as if it had run.
    pub(crate) fn clear_outputs(&mut self) {
        for (cell, _) in self.code_cells() {
            self.json["cells"][cell]["execution_count"] = Value::Null;
            self.json["cells"][cell]["outputs"] = json!([]);
        }
    }

    /// Writes the notebook beside its target and renames it: a full disk leaves the old file as it was.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = String::from_utf8(pretty(&self.json)?)?;
        text.push('\n');
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
        written.with_context(|| {
            let _ = std::fs::remove_file(&temporary);
            format!("cannot save {}", path.display())
        })
    }
}

/// One space of indentation, as Jupyter writes notebooks: a saved run makes small diffs.
fn pretty(json: &Value) -> anyhow::Result<Vec<u8>> {
    use serde::Serialize;
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    json.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter))?;
    Ok(out)
}

fn source(cell: &Value) -> anyhow::Result<String> {
    match cell.get("source") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(lines)) => {
            let text = lines.iter().map(|line| line.as_str().context("a line of its source is not text"));
            text.collect::<anyhow::Result<Vec<_>>>().map(|lines| lines.concat())
        }
        _ => bail!("there is none"),
    }
}

/// Text as nbformat stores it: a list of lines with their ends.
pub(crate) fn lines(text: &str) -> Value {
    text.split_inclusive('\n').map(Value::from).collect::<Vec<_>>().into()
}

/// A MIME bundle as nbformat stores it: text as lines, JSON as it is.
pub(crate) fn bundle<'a>(data: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Map<String, Value> {
    let stored = |(mime, body): (&String, &Value)| {
        let value = body.as_str().map_or_else(|| body.clone(), lines);
        (mime.clone(), value)
    };
    data.into_iter().map(stored).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_notebook_says_what_is_wrong() {
        let why = |text: &str| format!("{:#}", Notebook::parse(text).err().unwrap());
        assert!(why("{").contains("not JSON"));
        assert!(why("{}").contains("nbformat"));
        assert!(why(r#"{"nbformat": 3, "cells": []}"#).contains("nbformat 3"));
        assert!(why(r#"{"nbformat": 4}"#).contains("cells"));
        assert!(why(r#"{"nbformat": 4, "cells": [{"cell_type": "code"}]}"#).contains("cell 1"));
    }

    #[test]
    fn parameters_go_behind_their_cell() {
        let text = r#"{"nbformat": 4, "cells": [
            {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": "let a = 1;", "outputs": []},
            {"cell_type": "code", "metadata": {}, "source": ["a + ", "1"], "outputs": []}]}"#;
        let mut notebook = Notebook::parse(text).unwrap();
        notebook.insert_parameters(notebook.parameters_cell().unwrap(), "let a = 2;");
        notebook.insert_parameters(notebook.parameters_cell().unwrap(), "let a = 3;");
        let sources: Vec<String> = notebook.code_cells().into_iter().map(|(_, source)| source).collect();
        assert_eq!(sources, ["let a = 1;", "let a = 3;", "a + 1"]);
    }
}
