//! `mv-expand`: arrays to rows. Several columns advance together; the shorter ones give null.

use std::sync::Arc;

use polars::prelude::*;

use crate::rows::named;
use serde_json::Value as Json;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed,
    lets::Scope,
    names::{self, Names},
};
use crate::{
    ast::{ExpandItem, Expr as Ast, ExprKind, KqlType, Literal, Operator, OperatorParameter},
    diagnostics::{Diagnostic, codes},
    functions::{conversion, dynamic},
    value::{Cell, Value},
};

impl Binder<'_> {
    pub(super) fn mv_expand(
        &self,
        table: Table,
        parameters: &[OperatorParameter],
        items: &[ExpandItem],
        limit: Option<&Ast>,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let rows = scope.with_rows(&table.columns);
        let limit = limit.map(|limit| self.constant_count(limit, "mv-expand", scope)).transpose()?;
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0));
        let as_pairs = parameter(parameters, &["kind", "bagexpansion"]).is_some_and(|kind| kind == "array");
        let mut names = Names::default();
        let mut targets: Vec<(String, KqlType)> = Vec::new();
        let mut sources: Vec<Typed> = Vec::new();
        for item in items {
            let value = self.scalar(&item.value, &rows)?;
            if value.kql_type != KqlType::Dynamic {
                let message = format!("only a dynamic can be expanded, this is a {}", value.kql_type);
                return Err(Diagnostic::new(codes::TYPE, item.value.span.clone(), message)
                    .with_hint("parse it first: mv-expand x = parse_json(...)"));
            }
            let name = match &item.name {
                Some(name) => name.text.clone(),
                None => names::derived(&item.value).unwrap_or_else(|| names.counted("Column", 1)),
            };
            targets.push((name, item.to.unwrap_or(KqlType::Dynamic)));
            sources.push(value);
        }
        let index = parameter(parameters, &["with_itemindex"]);
        let lists: Vec<Expr> = sources
            .iter()
            .enumerate()
            .map(|(at, source)| source.expression.clone().alias(format!("__source_{at}")))
            .collect();
        let source_names: Vec<String> = (0..sources.len()).map(|at| format!("__source_{at}")).collect();
        let combined = combined_rows(&source_names, limit, as_pairs);
        let frame = table.frame.clone().with_columns(lists).with_columns([combined.alias("__rows")]);
        let frame =
            frame.explode(by_name(["__rows"], true, false), ExplodeOptions { empty_as_null: false, keep_nulls: false });

        // Each exploded row is a JSON array: the item index, then one element per target.
        let part = |at: i64| {
            Typed::apply(
                vec![Typed::computed(named("__rows"), KqlType::Dynamic)],
                KqlType::Dynamic,
                dynamic::path(vec![dynamic::Step::Index(at)]),
            )
        };
        let mut columns = table.columns.clone();
        let mut expressions: Vec<Expr> = Vec::new();
        for (at, (name, kql_type)) in targets.iter().enumerate() {
            let element = part(at as i64 + 1);
            let element = if *kql_type == KqlType::Dynamic { element } else { strictly(element, *kql_type) };
            expressions.push(element.expression.alias(name.as_str()));
            let column = ColumnInfo::new(name, *kql_type);
            match columns.iter_mut().find(|known| known.name == *name) {
                Some(known) => *known = column,
                None => columns.push(column),
            }
        }
        if let Some(index) = index {
            let mut taken = Names::default();
            columns.iter().for_each(|column| {
                taken.claim(&column.name);
            });
            let name = taken.unique(&index);
            expressions.push(part(0).converted(KqlType::Long).expression.alias(name.as_str()));
            columns.push(ColumnInfo::new(name, KqlType::Long));
        }
        let kept: Vec<Expr> = columns.iter().map(|column| named(column.name.as_str())).collect();
        let _ = operator;
        Ok(table.with(frame.with_columns(expressions).select(kept), columns))
    }
}

fn parameter(parameters: &[OperatorParameter], names: &[&str]) -> Option<String> {
    let parameter = parameters.iter().find(|parameter| names.contains(&parameter.name.text.as_str()))?;
    match &parameter.value.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Literal(Literal::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// A list per row: one JSON array `[index, element, ...]` for each row to come.
fn combined_rows(sources: &[String], limit: usize, as_pairs: bool) -> Expr {
    let run = move |columns: &mut [Column]| -> PolarsResult<Column> {
        let series: Vec<Series> = columns.iter().map(|column| column.as_materialized_series().rechunk()).collect();
        let texts = series.iter().map(|series| series.str()).collect::<PolarsResult<Vec<_>>>()?;
        let height = series.iter().map(|series| series.len()).max().unwrap_or(0);
        let mut builder = ListStringChunkedBuilder::new(columns[0].name().clone(), height, height * 4);
        for row in 0..height {
            let elements: Vec<Vec<Json>> =
                texts.iter().map(|text| elements(text.get(if text.len() == 1 { 0 } else { row }), as_pairs)).collect();
            let count = elements.iter().map(Vec::len).max().unwrap_or(0).min(limit);
            let lines: Vec<String> = (0..count)
                .map(|at| {
                    let parts = std::iter::once(Json::from(at))
                        .chain(elements.iter().map(|list| list.get(at).cloned().unwrap_or(Json::Null)));
                    Json::Array(parts.collect()).to_string()
                })
                .collect();
            builder.append_values_iter(lines.iter().map(String::as_str));
        }
        Ok(builder.finish().into_column())
    };
    let field = |_: &Schema, fields: &[Field]| {
        Ok(Field::new(fields[0].name().clone(), DataType::List(Box::new(DataType::String))))
    };
    let others: Vec<Expr> = sources[1..].iter().map(|name| named(name.as_str())).collect();
    named(sources[0].as_str()).map_many(run, &others, field)
}

/// What one cell expands to: null to one null, an array to its items, a bag to its entries.
fn elements(text: Option<&str>, as_pairs: bool) -> Vec<Json> {
    match text.map(dynamic::parse) {
        None => vec![Json::Null],
        Some(Json::Array(items)) => items,
        Some(Json::Object(bag)) => bag
            .into_iter()
            .map(|(key, value)| {
                if as_pairs {
                    Json::Array(vec![Json::String(key), value])
                } else {
                    Json::Object([(key, value)].into_iter().collect())
                }
            })
            .collect(),
        Some(other) => vec![other],
    }
}

/// `to typeof(long)` takes JSON numbers only: `"2"` is null.
fn strictly(element: Typed, kql_type: KqlType) -> Typed {
    let function = move |cells: &[Cell<'_>]| -> Value {
        let value = dynamic::json(&cells[0]);
        match (&value, kql_type) {
            (_, KqlType::String) => conversion::json_text(&value).into(),
            (Json::Number(number), KqlType::Int | KqlType::Long) => {
                number.as_i64().or_else(|| number.as_f64().map(|real| real as i64)).into()
            }
            (Json::Number(number), KqlType::Real) => number.as_f64().into(),
            (Json::Number(_), KqlType::Decimal) => {
                conversion::converter(KqlType::Dynamic, kql_type)(&[cells[0].borrowed()])
            }
            (Json::Bool(flag), KqlType::Bool) => (*flag).into(),
            (Json::Number(number), KqlType::Bool) => number.as_i64().map(|whole| whole != 0).into(),
            (Json::String(_), KqlType::Datetime | KqlType::Timespan | KqlType::Guid) => {
                conversion::converter(KqlType::Dynamic, kql_type)(&[cells[0].borrowed()])
            }
            _ => Cell::Null,
        }
    };
    Typed::apply(vec![element], kql_type, Arc::new(function))
}
