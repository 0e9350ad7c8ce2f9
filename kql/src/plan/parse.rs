//! `parse` and `parse-where`: one regular expression per operator, one capture per column.

use std::sync::Arc;

use regex::Regex;

use super::{Binder, Bound, ColumnInfo, Table, Typed, lets::Scope};
use crate::{
    ast::{Expr as Ast, ExprKind, KqlType, Literal, Operator, OperatorParameter, ParsePart},
    diagnostics::{Diagnostic, codes},
    functions::{conversion, string},
    value::{self, Cell, Value},
};

impl Binder<'_> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn parse(
        &self,
        table: Table,
        parameters: &[OperatorParameter],
        value: &Ast,
        pattern: &[ParsePart],
        only_matches: bool,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let rows = scope.with_rows(&table.columns);
        let text = self.scalar(value, &rows)?.converted(KqlType::String);
        let kind = word(parameters, "kind").unwrap_or_else(|| "simple".to_string());
        let flags = word(parameters, "flags").unwrap_or_default();
        let source = match kind.as_str() {
            "simple" | "relaxed" => anchored_pattern(pattern),
            "regex" => free_pattern(pattern, &flags),
            other => {
                return Err(Diagnostic::new(
                    codes::VALUE,
                    operator.span.clone(),
                    format!("`parse` has the kinds simple, relaxed and regex, not `{other}`"),
                ));
            }
        };
        if kind != "regex" && open_string(pattern) {
            let message = "a string column right before `*` has no end: put a text between them";
            return Err(Diagnostic::new(codes::VALUE, operator.span.clone(), message));
        }
        let regex = string::compile(&source)
            .map_err(|problem| Diagnostic::new(codes::VALUE, operator.span.clone(), problem))?;
        let targets: Vec<(String, KqlType)> = pattern
            .iter()
            .filter_map(|part| match part {
                ParsePart::Column { name, kql_type } => Some((name.text.clone(), *kql_type)),
                _ => None,
            })
            .collect();
        let types: Arc<[KqlType]> = targets.iter().map(|(_, kql_type)| *kql_type).collect();
        let rule = Rule { regex: Arc::new(regex), types, all_or_nothing: kind == "simple" };

        let mut columns = table.columns.clone();
        let mut expressions = Vec::new();
        for (at, (name, kql_type)) in targets.iter().enumerate() {
            let rule = rule.clone();
            let kql_type = *kql_type;
            let captured =
                Typed::apply(vec![text.clone()], kql_type, Arc::new(move |cells| rule.value(cells[0].text(), at)));
            expressions.push(captured.expression.alias(name.as_str()));
            let column = ColumnInfo::new(name, kql_type);
            match columns.iter_mut().find(|known| known.name == *name) {
                Some(known) => *known = column,
                None => columns.push(column),
            }
        }
        let mut frame = table.frame.clone();
        if only_matches {
            frame = frame.filter(
                Typed::apply(
                    vec![text],
                    KqlType::Bool,
                    Arc::new(move |cells| rule.values(cells[0].text()).is_some().into()),
                )
                .expression,
            );
        }
        Ok(table.with(frame.with_columns(expressions), columns))
    }
}

fn open_string(pattern: &[ParsePart]) -> bool {
    pattern
        .windows(2)
        .any(|pair| matches!(pair, [ParsePart::Column { kql_type: KqlType::String, .. }, ParsePart::Star]))
}

#[derive(Clone)]
struct Rule {
    regex: Arc<Regex>,
    types: Arc<[KqlType]>,
    all_or_nothing: bool,
}

impl Rule {
    /// All columns of one text, or nothing if it does not match.
    fn values(&self, text: &str) -> Option<Vec<Value>> {
        let hit = self.regex.captures(text)?;
        let mut values = Vec::with_capacity(self.types.len());
        for (at, kql_type) in self.types.iter().enumerate() {
            let part = hit.get(at + 1).map_or("", |part| part.as_str());
            let value = conversion::converter(KqlType::String, *kql_type)(&[Cell::Str(part.into())]);
            if self.all_or_nothing && value.is_null() {
                return None;
            }
            values.push(value);
        }
        Some(values)
    }

    fn value(&self, text: &str, at: usize) -> Value {
        match self.values(text) {
            Some(mut values) => values.swap_remove(at),
            None => value::null_of(self.types[at]),
        }
    }
}

fn word(parameters: &[OperatorParameter], name: &str) -> Option<String> {
    let parameter = parameters.iter().find(|parameter| parameter.name.text == name)?;
    match &parameter.value.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Literal(Literal::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// `simple` and `relaxed`: literal text, anchored at both ends, shortest captures.
fn anchored_pattern(pattern: &[ParsePart]) -> String {
    let parts: String = pattern
        .iter()
        .enumerate()
        .map(|(at, part)| match part {
            ParsePart::Star => ".*?".to_string(),
            ParsePart::Text(text) => regex::escape(text),
            ParsePart::Column { kql_type, .. } => match pattern.get(at + 1) {
                Some(ParsePart::Star) => typed_capture(*kql_type).to_string(),
                _ => "(.*?)".to_string(),
            },
        })
        .collect();
    format!("(?s)^{parts}$")
}

/// A capture that ends where the value of its type ends, for columns that no text follows.
fn typed_capture(kql_type: KqlType) -> &'static str {
    match kql_type {
        KqlType::Int | KqlType::Long => r"(\s*[-+]?\d+\s*)",
        KqlType::Real | KqlType::Decimal => r"(\s*[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\s*)",
        KqlType::Bool => r"(\s*(?i:true|false|[01])\s*)",
        _ => "(.*)",
    }
}

/// `kind=regex`: texts are patterns, captures are greedy, nothing is anchored.
fn free_pattern(pattern: &[ParsePart], flags: &str) -> String {
    let parts: String = pattern
        .iter()
        .map(|part| match part {
            ParsePart::Star => ".*".to_string(),
            ParsePart::Text(text) => uncaptured(text),
            ParsePart::Column { kql_type, .. } => typed_capture(*kql_type).to_string(),
        })
        .collect();
    let flags: String = flags.chars().filter(|flag| "imsU".contains(*flag)).collect();
    if flags.is_empty() { parts } else { format!("(?{flags}){parts}") }
}

/// Groups in a text piece must not shift the captures of the columns.
fn uncaptured(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        out.push(character);
        match character {
            '\\' => out.extend(rest.next()),
            '(' if rest.peek() != Some(&'?') => out.push_str("?:"),
            _ => {}
        }
    }
    out
}
