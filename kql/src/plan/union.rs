//! `union`: columns meet by name, in order of first appearance.

use polars::prelude::*;

use crate::rows::named;

use super::{Binder, Bound, ColumnInfo, Table, lets::Scope, operators::fits, plan_error};
use crate::{
    ast::{ExprKind, KqlType, Literal, OperatorParameter, Union},
    diagnostics::{Diagnostic, Span, codes},
    rows, value,
};

impl Binder<'_> {
    pub(super) fn union(&self, input: Option<Table>, union: &Union, span: &Span, scope: &Scope) -> Bound<Table> {
        let scope = scope.without_rows();
        let is_fuzzy = text_of(&union.parameters, &["isfuzzy"]).is_some_and(|text| text == "true");
        let is_inner = text_of(&union.parameters, &["kind"]).is_some_and(|text| text == "inner");
        let source_column = text_of(&union.parameters, &["withsource", "with_source"]);
        let mut legs: Vec<Table> = input.into_iter().collect();
        let mut missing = None;
        for expression in &union.tables {
            if let ExprKind::Wildcard(pattern) = &expression.kind {
                let before = legs.len();
                for view in scope.views().iter().filter(|view| fits(pattern, true, view)) {
                    let reference =
                        crate::ast::Expr { kind: ExprKind::Name(view.clone()), span: expression.span.clone() };
                    let table = self.table(&reference, &scope)?;
                    legs.push(Table { name: Some(view.clone()), ..table });
                }
                let found_views = legs.len() > before;
                match self.wildcard_tables(pattern, &expression.span, &mut legs) {
                    Err(diagnostic) if is_fuzzy || found_views => missing = Some(diagnostic),
                    other => other?,
                }
                continue;
            }
            self.fuzzy.set(self.fuzzy.get() + usize::from(is_fuzzy));
            let leg = self.table(expression, &scope);
            self.fuzzy.set(self.fuzzy.get() - usize::from(is_fuzzy));
            match leg {
                Ok(table) => legs.push(table),
                Err(diagnostic)
                    if is_fuzzy && matches!(diagnostic.code, codes::UNKNOWN_TABLE | codes::UNKNOWN_FUNCTION) =>
                {
                    missing = Some(diagnostic);
                }
                Err(diagnostic) => return Err(diagnostic),
            }
        }
        if legs.is_empty() {
            return Err(
                missing.unwrap_or_else(|| Diagnostic::new(codes::SYNTAX, span.clone(), "`union` needs a table"))
            );
        }
        let legs: Vec<Table> = legs.into_iter().map(Table::canonical).collect();
        self.stacked(legs, is_inner, source_column.as_deref(), span)
    }

    /// One table of all legs.
    pub(super) fn stacked(
        &self,
        legs: Vec<Table>,
        is_inner: bool,
        source_column: Option<&str>,
        span: &Span,
    ) -> Bound<Table> {
        // A name with several types becomes a column per type, beside each other.
        let mut order: Vec<(String, Vec<(KqlType, bool)>)> = Vec::new();
        let mut places: PlHashMap<String, usize> = PlHashMap::new();
        for column in legs.iter().flat_map(|leg| &leg.columns) {
            let at = *places.entry(column.name.clone()).or_insert_with(|| {
                order.push((column.name.clone(), Vec::new()));
                order.len() - 1
            });
            let kind = (column.kql_type, column.unknown);
            if !order[at].1.contains(&kind) {
                order[at].1.push(kind);
            }
        }
        let mut columns: Vec<(String, KqlType)> = Vec::new();
        let mut outputs: Vec<ColumnInfo> = Vec::new();
        for (name, kinds) in order {
            let clashes = kinds.len() > 1;
            for (kql_type, unknown) in kinds {
                let everywhere =
                    || legs.iter().all(|leg| leg.column(&name).is_some_and(|column| column.kql_type == kql_type));
                if is_inner && !everywhere() {
                    continue;
                }
                let label = if unknown { "unknown" } else { kql_type.name() };
                let output = if clashes { format!("{name}_{label}") } else { name.clone() };
                outputs.push(ColumnInfo { unknown, ..ColumnInfo::new(output, kql_type) });
                columns.push((name.clone(), kql_type));
            }
        }
        if self.checking {
            let mut columns: Vec<ColumnInfo> =
                source_column.map(|name| ColumnInfo::new(name, KqlType::String)).into_iter().collect();
            columns.extend(outputs);
            return Ok(super::hosted::never_run(columns));
        }
        let weight = legs.iter().map(|leg| leg.weight).fold(1, usize::saturating_add);
        let any_order = legs.iter().any(|leg| leg.any_order);
        let mut frames = Vec::new();
        for (at, leg) in legs.iter().enumerate() {
            let mut expressions: Vec<Expr> = columns
                .iter()
                .zip(&outputs)
                .map(|((name, kql_type), output)| {
                    let present = leg.column(name).filter(|column| column.kql_type == *kql_type);
                    let value = present
                        .map_or_else(|| rows::literal(&value::null_of(*kql_type), *kql_type), ColumnInfo::expression);
                    value.alias(output.name.as_str())
                })
                .collect();
            if let Some(source) = source_column {
                let name = leg.name.clone().unwrap_or_else(|| format!("union_arg{at}"));
                expressions.insert(0, lit(name).alias(source));
            }
            frames.push(all_rows(leg, expressions));
        }
        let frame = concat(frames, UnionArgs::default()).map_err(plan_error(span))?;
        let mut all = outputs;
        if let Some(source) = source_column {
            all.insert(0, ColumnInfo::new(source, KqlType::String));
        }
        Ok(Table { weight, any_order, ..Table::new(frame, all) })
    }

    pub(super) fn wildcard_tables(&self, pattern: &str, span: &Span, legs: &mut Vec<Table>) -> Bound<()> {
        let before = legs.len();
        for name in self.table_names().iter().filter(|name| fits(pattern, true, name)) {
            legs.extend(self.catalog_table(name, span)?);
        }
        if legs.len() == before {
            return Err(Diagnostic::new(codes::UNKNOWN_TABLE, span.clone(), format!("no table matches `{pattern}`")));
        }
        Ok(())
    }
}

pub(super) fn text_of(parameters: &[OperatorParameter], names: &[&str]) -> Option<String> {
    let parameter = parameters.iter().find(|parameter| names.contains(&parameter.name.text.as_str()))?;
    match &parameter.value.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Literal(Literal::String(text)) => Some(text.clone()),
        ExprKind::Literal(Literal::Bool(Some(flag))) => Some(flag.to_string()),
        _ => None,
    }
}

/// A selection of literals alone would forget how many rows there are.
pub(super) fn all_rows(leg: &Table, expressions: Vec<Expr>) -> LazyFrame {
    leg.frame
        .clone()
        .with_columns(expressions.clone())
        .select(expressions.iter().filter_map(output_name).collect::<Vec<_>>())
}

fn output_name(expression: &Expr) -> Option<Expr> {
    match expression {
        Expr::Alias(_, name) => Some(named(name.clone())),
        _ => None,
    }
}
