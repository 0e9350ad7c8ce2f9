//! Functions of the files in a folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use polars::prelude::LazyFrame;

use super::asim;
use crate::{Catalog, Diagnostic, SourceText, StoredFunction, codes};

/// Functions in KQL, one file each or several in one, below a folder:
///
/// - `NAME.kql` (or `.csl`, `.txt`): see [`StoredFunction::read`];
/// - `*.yaml`, `*.yml` with `ParserName` and `ParserQuery`: an ASIM parser as Microsoft publishes them, under
///   its `ParserName` and its `EquivalentBuiltInParser`. Other YAML files are passed over.
///
/// Functions may call each other. A file with a mistake is an error of the queries that call its function.
#[derive(Debug, Clone, Default)]
pub struct FunctionFolder {
    functions: BTreeMap<String, Result<Arc<StoredFunction>, Diagnostic>>,
}

impl FunctionFolder {
    /// Reads a folder and the folders below it. A folder that does not exist has no functions.
    ///
    /// Errors: a folder or file that cannot be read; two files that define one name.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let mut opened = Self::default();
        if !folder.exists() {
            return Ok(opened);
        }
        let mut origins: BTreeMap<String, PathBuf> = BTreeMap::new();
        for path in files_below(folder)? {
            let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let shown = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            for (name, function) in functions_of(&path, shown, text) {
                if let Some(other) = origins.insert(name.clone(), path.clone()) {
                    let (one, two) = (other.display(), path.display());
                    return Err(format!("the function `{name}` stands in {one} and in {two}: remove one"));
                }
                opened.functions.insert(name, function.map(Arc::new));
            }
        }
        Ok(opened)
    }

    /// Names and, for files with mistakes, what is wrong.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &Diagnostic)> {
        self.functions.iter().filter_map(|(name, function)| Some((name.as_str(), function.as_ref().err()?)))
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(super) type Named = (String, Result<StoredFunction, Diagnostic>);

fn functions_of(path: &Path, shown: String, text: String) -> Vec<Named> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "kql" | "csl" | "txt" => {
            match StoredFunction::read(&stem, SourceText { name: shown, text, lines_before: 0, indent: 0 }) {
                Ok(functions) => functions.into_iter().map(|function| (function.name.clone(), Ok(function))).collect(),
                Err(problem) => vec![(stem, Err(problem))],
            }
        }
        "yaml" | "yml" => match asim::parser_of(&shown, &text) {
            Ok(None) => Vec::new(),
            Ok(Some(functions)) => functions,
            Err(problem) => {
                let source = Arc::new(SourceText { name: shown, text, lines_before: 0, indent: 0 });
                let problem = Diagnostic::new(codes::SYNTAX, 0..0, problem).within(Some(&source)).located("");
                vec![(stem, Err(problem))]
            }
        },
        _ => Vec::new(),
    }
}

impl Catalog for FunctionFolder {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn table(&self, _name: &str) -> Result<Option<LazyFrame>, String> {
        Ok(None)
    }

    fn function_names(&self) -> Vec<String> {
        self.functions.keys().cloned().collect()
    }

    fn function(&self, name: &str) -> Result<Option<Arc<StoredFunction>>, Diagnostic> {
        self.functions.get(name).cloned().transpose()
    }
}
