//! `mv-expand`: arrays to rows. Several columns advance together; the shorter ones give null.

use std::{borrow::Cow, sync::Arc};

use polars::prelude::*;

use crate::rows::named;
use serde_json::Value as Json;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed,
    lets::Scope,
    names::{self, Names},
};
use crate::{
    ast::{ExpandItem, Expr as Ast, ExprKind, KqlType, Literal, OperatorParameter},
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
            let value = self.expanded(&item.value, &rows)?;
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
        let texts: Vec<bool> = targets.iter().map(|(_, kql_type)| *kql_type == KqlType::String).collect();
        let items: Vec<String> = (0..targets.len()).map(|at| format!("\0item {at}")).collect();
        let expansion = Expansion { names: items.clone(), texts, with_index: index.is_some(), as_pairs, limit };
        let lists = expansion.lists(sources).alias(EXPANDED);
        let exploded: Vec<&str> = items.iter().map(String::as_str).chain(index.is_some().then_some(INDEX)).collect();
        let parts: Vec<Expr> = exploded.iter().map(|name| named(EXPANDED).struct_().field_by_name(name)).collect();
        // What the items replace is not copied for each of them.
        let kept = table.columns.iter().filter(|column| !targets.iter().any(|(name, _)| *name == column.name));
        let kept: Vec<Expr> = kept.map(|column| named(column.name.as_str())).collect();
        let frame = table.frame.clone().with_columns([lists]).select([kept, parts].concat());
        let frame = frame.explode(
            by_name(exploded.iter().copied(), true, false),
            ExplodeOptions { empty_as_null: false, keep_nulls: false },
        );

        let mut columns = table.columns.clone();
        let mut expressions: Vec<Expr> = Vec::new();
        for ((name, kql_type), item) in targets.iter().zip(&items) {
            let element = match kql_type {
                KqlType::Dynamic => named(item),
                KqlType::String => named(item).fill_null(lit("")),
                _ => strictly(Typed::computed(named(item), KqlType::Dynamic), *kql_type).expression,
            };
            expressions.push(element.alias(name.as_str()));
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
            expressions.push(named(INDEX).alias(name.as_str()));
            columns.push(ColumnInfo::new(name, KqlType::Long));
        }
        let kept: Vec<Expr> = columns.iter().map(|column| named(column.name.as_str())).collect();
        Ok(table.with(frame.with_columns(expressions).select(kept), columns))
    }
}

/// Columns of the planner, gone when the operator is done.
const EXPANDED: &str = "\0expanded";
const INDEX: &str = "\0index";

impl Binder<'_> {
    /// What is expanded. Text inside `parse_json` is taken as it is, since the items are looked for in the text
    /// anyway.
    fn expanded(&self, value: &Ast, rows: &Scope) -> Bound<Typed> {
        if let ExprKind::Call { name, arguments } = &value.kind
            && matches!(name.text.as_str(), "parse_json" | "todynamic" | "parsejson")
            && let [argument] = arguments.as_slice()
            && rows.find(&name.text).is_none()
        {
            let text = self.scalar(&argument.value, rows)?;
            if text.kql_type == KqlType::String && text.constant.is_none() {
                return Ok(Typed { kql_type: KqlType::Dynamic, ..text });
            }
        }
        self.scalar(value, rows)
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

/// How rows become lists of items, the same number in every list of a row.
struct Expansion {
    names: Vec<String>,
    /// Which lists hold texts; the others hold JSON.
    texts: Vec<bool>,
    with_index: bool,
    as_pairs: bool,
    limit: usize,
}

impl Expansion {
    /// A struct of lists per row: the items of each source, and their numbers.
    fn lists(self, sources: Vec<Typed>) -> Expr {
        let list = |dtype| DataType::List(Box::new(dtype));
        let mut fields: Vec<Field> =
            self.names.iter().map(|name| Field::new(name.into(), list(DataType::String))).collect();
        fields.extend(self.with_index.then(|| Field::new(INDEX.into(), list(DataType::Int64))));
        let dtype = DataType::Struct(fields);
        let sources: Vec<Expr> = sources.into_iter().map(|source| source.expression).collect();
        let field = move |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), dtype.clone()));
        sources[0].clone().map_many(move |columns| self.expand(columns), &sources[1..], field)
    }

    fn expand(&self, columns: &mut [Column]) -> PolarsResult<Column> {
        let series: Vec<Series> = columns.iter().map(|column| column.as_materialized_series().rechunk()).collect();
        let sources = series.iter().map(|series| series.str()).collect::<PolarsResult<Vec<_>>>()?;
        let height = series.iter().map(|series| series.len()).max().unwrap_or(0);
        let mut lists: Vec<ListStringChunkedBuilder> =
            self.names.iter().map(|name| ListStringChunkedBuilder::new(name.into(), height, height * 4)).collect();
        let mut numbers: Vec<Series> = Vec::new();
        let mut plain: Vec<&str> = Vec::new();
        let only_texts = !self.with_index && sources.len() == 1 && self.texts[0];
        for row in 0..height {
            // What most fields hold: an array of strings without escapes.
            if only_texts && sources[0].get(row).is_some_and(|text| dynamic::plain_strings(text, &mut plain)) {
                lists[0].append_values_iter(plain.iter().take(self.limit).copied());
                continue;
            }
            let cells = sources.iter().map(|texts| texts.get(if texts.len() == 1 { 0 } else { row }));
            let rows: Vec<Elements<'_>> = cells.map(|cell| elements(cell, self.as_pairs)).collect();
            let count = rows.iter().map(Elements::len).max().unwrap_or(0).min(self.limit);
            for ((list, elements), as_text) in lists.iter_mut().zip(&rows).zip(&self.texts) {
                elements.append(count, *as_text, list);
            }
            if self.with_index {
                numbers.push(Series::new(PlSmallStr::EMPTY, (0..count as i64).collect::<Vec<_>>()));
            }
        }
        let mut fields: Vec<Series> = lists.iter_mut().map(|list| list.finish().into_series()).collect();
        if self.with_index {
            let numbers: ListChunked = numbers.into_iter().collect();
            fields
                .push(numbers.into_series().with_name(INDEX.into()).cast(&DataType::List(Box::new(DataType::Int64)))?);
        }
        Ok(StructChunked::from_series(columns[0].name().clone(), height, fields.iter())?.into_column())
    }
}

/// What one cell expands to.
enum Elements<'t> {
    /// The items of an array, as they stand in the text
    Slices(Vec<&'t str>),
    Made(Vec<Json>),
}

impl Elements<'_> {
    fn len(&self) -> usize {
        match self {
            Elements::Slices(items) => items.len(),
            Elements::Made(items) => items.len(),
        }
    }

    /// Adds `count` items, nulls where there are fewer.
    fn append(&self, count: usize, as_text: bool, list: &mut ListStringChunkedBuilder) {
        let item = |at: usize| -> Option<Cow<'_, str>> {
            let json: Cow<'_, str> = match self {
                Elements::Slices(items) => Cow::Borrowed(items.get(at)?),
                Elements::Made(items) => Cow::Owned(items.get(at)?.to_string()),
            };
            match (as_text, json) {
                (_, json) if json == "null" => None,
                (false, json) => Some(json),
                (true, Cow::Borrowed(json)) => Some(conversion::json_as_text(json)),
                (true, Cow::Owned(json)) => Some(Cow::Owned(conversion::json_as_text(&json).into_owned())),
            }
        };
        let items: Vec<Option<Cow<'_, str>>> = (0..count).map(item).collect();
        list.append_trusted_len_iter(items.iter().map(|item| item.as_deref()));
    }
}

/// What one cell expands to: null to one null, an array to its items, a bag to its entries.
fn elements(text: Option<&str>, as_pairs: bool) -> Elements<'_> {
    let Some(text) = text.filter(|text| !matches!(text.trim(), "" | "null")) else {
        return Elements::Made(vec![Json::Null]);
    };
    if let Some(items) = dynamic::array_items(text) {
        return Elements::Slices(items);
    }
    let entry = |(key, value)| match as_pairs {
        true => Json::Array(vec![Json::String(key), value]),
        false => Json::Object([(key, value)].into_iter().collect()),
    };
    Elements::Made(match dynamic::parse(text) {
        Json::Array(items) => items,
        Json::Object(bag) => bag.into_iter().map(entry).collect(),
        other => vec![other],
    })
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
