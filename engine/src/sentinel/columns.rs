//! What is wrong with a rule's query and with the columns that the rule takes from its result.

use std::sync::Arc;

use huntbook_kql::{Check, Diagnostic, Engine as KqlEngine, SourceText};

use super::lines::Step::{self, Item, Key};
use super::problems::{Findings, Problem, placeholders};
use super::rule::RuleFile;
use crate::{Engine, Result};

impl Engine {
    /// Everything that is wrong with a rule, in the order of its lines: with the rule itself, with its query over the tables
    /// that are here, and with the columns it takes from the query. No rows are read.
    ///
    /// Errors: a functions folder that cannot be read.
    pub fn rule_problems(&self, file: &RuleFile) -> Result<Vec<Problem>> {
        let mut problems = file.problems();
        problems.extend(query_problems(file, &self.kql_engine_of_tables()?));
        problems.sort_by_key(|problem| problem.line);
        Ok(problems)
    }
}

impl RuleFile {
    /// As [`RuleFile::problems`], and mistakes in the query that show without knowing any table.
    pub(crate) fn problems_without_tables(&self) -> Vec<Problem> {
        let mut findings = Findings::new(self);
        let (_, diagnostics) = huntbook_kql::parse(&self.rule.query);
        findings.mistakes(&diagnostics);
        let mut problems = self.problems();
        problems.extend(findings.problems);
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

pub(crate) fn query_problems(file: &RuleFile, engine: &KqlEngine) -> Vec<Problem> {
    let mut findings = Findings::new(file);
    let query = &file.rule.query;
    if query.trim().is_empty() {
        return findings.problems;
    }
    let check = engine.check(query);
    findings.mistakes(&check.diagnostics);
    if check.bound {
        findings.columns(&check);
    }
    findings.problems
}

/// The query with its place in the file, for messages about it.
pub(crate) fn query_source(file: &RuleFile) -> Arc<SourceText> {
    let (line, indent) = file.lines.text_of(&file.text, "query");
    let text = file.rule.query.clone();
    Arc::new(SourceText { name: file.name.clone(), text, lines_before: line - 1, indent })
}

impl Findings<'_> {
    fn mistakes(&mut self, diagnostics: &[Diagnostic]) {
        let source = query_source(self.file);
        for diagnostic in diagnostics {
            let is_own = diagnostic.source.is_none();
            let placed = diagnostic.clone().within(Some(&source)).located("");
            // A mistake in a stored function has its place in that function's file.
            let line = if is_own { placed.line } else { self.file.line(&[Key("query")]) };
            self.problems.push(Problem { line, message: placed.render(""), is_warning: false });
        }
    }

    fn columns(&mut self, check: &Check) {
        let rule = &self.file.rule;
        let Some(columns) = &check.columns else {
            return self.error(&[Key("query")], "the query gives no table: it needs an expression at its end");
        };
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let mut wanted: Vec<(Vec<Step<'_>>, &str)> = Vec::new();
        for (at, mapping) in rule.entity_mappings().iter().enumerate() {
            for (place, field) in mapping.field_mappings.iter().enumerate() {
                let path = vec![Key("entityMappings"), Item(at), Key("fieldMappings"), Item(place), Key("columnName")];
                wanted.push((path, &field.column_name));
            }
        }
        for (name, column) in rule.custom_details() {
            wanted.push((vec![Key("customDetails"), Key(name)], column));
        }
        if let Some(details) = &rule.alert_details_override {
            let path = |key| vec![Key("alertDetailsOverride"), Key(key)];
            let named = [
                ("alertTacticsColumnName", &details.alert_tactics_column_name),
                ("alertSeverityColumnName", &details.alert_severity_column_name),
            ];
            wanted.extend(named.into_iter().filter_map(|(key, column)| Some((path(key), column.as_deref()?))));
            let formats = [
                ("alertDisplayNameFormat", &details.alert_display_name_format),
                ("alertDescriptionFormat", &details.alert_description_format),
            ];
            for (key, format) in formats {
                wanted.extend(format.iter().flat_map(|format| placeholders(format)).map(|column| (path(key), column)));
            }
            for (at, property) in details.alert_dynamic_properties.iter().flatten().enumerate() {
                let path = vec![Key("alertDetailsOverride"), Key("alertDynamicProperties"), Item(at), Key("value")];
                wanted.push((path, &property.value));
            }
        }
        for (path, column) in wanted {
            // Columns that only rows will tell may be any.
            if !names.contains(&column) && !check.open {
                self.error(&path, no_such_column(column, &names));
            }
        }
    }
}

fn no_such_column(column: &str, names: &[&str]) -> String {
    match names.iter().find(|name| name.eq_ignore_ascii_case(column)) {
        Some(name) => format!("the query gives no column `{column}`; it is written `{name}`"),
        None => format!("the query gives no column `{column}`; it gives: {}", names.join(", ")),
    }
}
