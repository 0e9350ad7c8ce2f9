//! Functions that are kept as KQL text, such as Sentinel's parsers.

use std::sync::Arc;

use crate::{
    ast::{ExprKind, Parameter, Query, Statement},
    diagnostics::{Diagnostic, SourceText, codes},
    parser,
};

/// A function in KQL text outside the query. It sees what stands in front of it in its own text, tables and
/// other stored functions; never the query's `let`s.
#[derive(Debug, Clone)]
pub struct StoredFunction {
    /// What queries call it.
    pub name: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Vec<Statement>,
    /// The `let`s in front of it.
    pub(crate) before: Vec<Statement>,
    pub(crate) source: Arc<SourceText>,
}

impl StoredFunction {
    /// The text that defines it, which may define others too.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The functions of one text:
    ///
    /// - a text that ends in a query is one function called `name`, as a query saved as a function in Sentinel;
    ///   what it declares with `declare query_parameters` are its parameters;
    /// - otherwise each `let name = (parameters) { body }` is a function, and other `let`s are seen by those
    ///   behind them.
    ///
    /// Errors: the first mistake in the text, placed in it.
    pub fn read(name: &str, source: SourceText) -> Result<Vec<Self>, Diagnostic> {
        let source = Arc::new(source);
        let tree = parsed(&source)?;
        if tree.statements.iter().any(|statement| matches!(statement, Statement::Expression(_))) {
            return Ok(vec![Self::of_query(name, tree, Vec::new(), source)]);
        }
        let mut functions = Vec::new();
        for (at, statement) in tree.statements.iter().enumerate() {
            if let Statement::Let { name, value } = statement
                && let ExprKind::Lambda { parameters, body, .. } = &value.kind
            {
                functions.push(Self {
                    name: name.text.clone(),
                    parameters: parameters.clone(),
                    body: body.clone(),
                    before: tree.statements[..at].to_vec(),
                    source: source.clone(),
                });
            }
        }
        if functions.is_empty() {
            let end = source.text.len();
            return Err(Diagnostic::new(codes::SYNTAX, end..end, "there is no function in this text")
                .with_hint("write `let Name = (parameter: type) { query }`, or the query alone")
                .within(Some(&source))
                .located(""));
        }
        Ok(functions)
    }

    /// A query with parameters that stand outside its text, as in the YAML files of ASIM; `parameters` is what
    /// would stand between the brackets.
    ///
    /// Errors: the first mistake in the text, placed in it; a mistake in the parameters.
    pub fn with_parameters(name: &str, parameters: &str, source: SourceText) -> Result<Self, Diagnostic> {
        let source = Arc::new(source);
        let declared = Self::parameters(parameters).ok_or_else(|| {
            let message = format!("the parameters of `{name}` cannot be read: {parameters}");
            Diagnostic::new(codes::SYNTAX, 0..0, message).within(Some(&source)).located("")
        })?;
        Ok(Self::of_query(name, parsed(&source)?, declared, source))
    }

    /// The same function under another name.
    #[must_use]
    pub fn called(&self, name: &str) -> Self {
        Self { name: name.to_string(), ..self.clone() }
    }

    fn parameters(text: &str) -> Option<Vec<Parameter>> {
        let (tree, diagnostics) = parser::parse(&format!("let f = ({text}) {{ print 1 }};"), false);
        match tree.statements.into_iter().next() {
            Some(Statement::Let { value, .. }) if diagnostics.is_empty() => match value.kind {
                ExprKind::Lambda { parameters, .. } => Some(parameters),
                _ => None,
            },
            _ => None,
        }
    }

    fn of_query(name: &str, tree: Query, mut parameters: Vec<Parameter>, source: Arc<SourceText>) -> Self {
        let mut body = Vec::with_capacity(tree.statements.len());
        for statement in tree.statements {
            match statement {
                Statement::QueryParameters(declared) => parameters.extend(declared),
                other => body.push(other),
            }
        }
        Self { name: name.to_string(), parameters, body, before: Vec::new(), source }
    }
}

fn parsed(source: &Arc<SourceText>) -> Result<Query, Diagnostic> {
    let (tree, diagnostics) = parser::parse(&source.text, false);
    match diagnostics.into_iter().next() {
        Some(first) => Err(first.within(Some(source)).located("")),
        None => Ok(tree),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SourceText {
        SourceText { name: "f.kql".into(), text: text.into(), lines_before: 0, indent: 0 }
    }

    fn names(source: &str) -> Vec<String> {
        StoredFunction::read("f", text(source)).unwrap().into_iter().map(|function| function.name).collect()
    }

    #[test]
    fn a_text_is_a_query_or_a_list_of_functions() {
        assert_eq!(names("T | where a > 1"), ["f"]);
        assert_eq!(names("let limit = 5; let g = (x: long) { x + limit }; let h = () { g(1) };"), ["g", "h"]);
        assert_eq!(names("let g = (x: long) { T | where a > x }; g(5)"), ["f"]);
    }

    #[test]
    fn declared_parameters_are_parameters() {
        let functions = StoredFunction::read("f", text("declare query_parameters(low: long = 1); T | where a > low"));
        assert_eq!(functions.unwrap()[0].parameters.len(), 1);
    }

    #[test]
    fn mistakes_are_placed_in_the_file() {
        let shifted = SourceText { lines_before: 10, indent: 2, ..text("T\n| wheer a") };
        let problem = StoredFunction::read("f", shifted).unwrap_err();
        assert_eq!((problem.line, problem.column), (12, 5));
        assert!(problem.render("").contains("in f.kql at line 12, column 5"), "{}", problem.render(""));
        assert!(StoredFunction::read("f", text("let a = 1;")).is_err());
    }
}
