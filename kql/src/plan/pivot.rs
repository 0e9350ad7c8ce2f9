//! `evaluate pivot`: the values of one column become columns.

use polars::prelude::*;

use super::{Binder, Bound, ColumnInfo, Table, calls, hosted::never_run, lets::Scope, not_executed, plan_error};
use crate::{
    ast::{Argument, ExprKind, KqlType, Name, NamedExpr, Operator, OperatorKind},
    diagnostics::{Diagnostic, codes},
    functions::conversion,
    rows,
    value::{self, Cell, Value},
};

const AGGREGATE: &str = "\0aggregate";

impl Binder<'_> {
    /// `pivot(column, aggregate [, keys...])`
    pub(super) fn pivot(
        &self,
        table: Table,
        name: &Name,
        arguments: &[Argument],
        schema: Option<&(bool, Vec<(Name, KqlType)>)>,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let Some(first) = arguments.first() else { return Err(calls::wrong_count(name, 1, usize::MAX, 0)) };
        let column_of = |argument: &Argument| -> Bound<(String, KqlType)> {
            let rows = scope.with_rows(&table.columns);
            let ExprKind::Name(text) = &argument.value.kind else {
                let message = "`pivot` needs the names of columns here";
                return Err(Diagnostic::new(codes::VALUE, argument.value.span.clone(), message));
            };
            match table.column(text) {
                Some(column) => Ok((text.clone(), column.kql_type)),
                None if rows.is_open() => Ok((text.clone(), KqlType::Dynamic)),
                None => Err(self.unknown_column(text, &argument.value.span, &rows)),
            }
        };
        let (pivot, pivot_type) = column_of(first)?;
        let is_aggregate = |argument: &&Argument| matches!(argument.value.kind, ExprKind::Call { .. });
        let aggregate = arguments.get(1).filter(is_aggregate);
        let mut keys = Vec::new();
        for argument in &arguments[if aggregate.is_some() { 2 } else { 1 }..] {
            keys.push(column_of(argument)?);
        }
        if keys.is_empty() {
            let in_aggregate = aggregate.map_or(Vec::new(), |argument| names_in(&argument.value));
            let rest = table
                .columns
                .iter()
                .filter(|column| column.name != pivot && !in_aggregate.contains(&column.name) && !column.is_open());
            keys = rest.map(|column| (column.name.clone(), column.kql_type)).collect();
        }
        let key_columns: Vec<ColumnInfo> =
            keys.iter().map(|(name, kql_type)| ColumnInfo::new(name, *kql_type)).collect();
        if self.checking {
            let mut columns = key_columns;
            match schema {
                Some((star, declared)) => {
                    if !star {
                        columns.clear();
                    }
                    let declared = declared.iter().map(|(name, kql_type)| ColumnInfo::new(&name.text, *kql_type));
                    columns.extend(declared);
                }
                None => columns.push(ColumnInfo::open()),
            }
            return Ok(never_run(columns));
        }
        if schema.is_some() {
            return Err(not_executed(operator.span.clone(), "`pivot` with a declared schema"));
        }
        let span = &operator.span;
        let reference = |name: &str| NamedExpr {
            names: vec![Name { text: name.to_string(), span: span.clone() }],
            value: super::grouped::made(name, span),
        };
        let value = match aggregate {
            Some(argument) => argument.value.clone(),
            None => super::grouped::call("count", span),
        };
        let aggregates =
            vec![NamedExpr { names: vec![Name { text: AGGREGATE.to_string(), span: span.clone() }], value }];
        let by = keys.iter().map(|(name, _)| reference(name)).chain([reference(&pivot)]).collect();
        let summarize = Operator { kind: OperatorKind::Summarize { aggregates, by }, span: span.clone() };
        let grouped = self.operator(table, &summarize, scope)?.canonical();
        let value_type = grouped.columns.last().map_or(KqlType::Dynamic, |column| column.kql_type);
        let frame = self.collected(grouped.frame.clone(), span)?;
        let counts = aggregate.is_none_or(|argument| counts(&argument.value));
        let pivoted =
            spread(&frame, &key_columns, (pivot.as_str(), pivot_type), value_type, counts).map_err(plan_error(span))?;
        let mut columns = key_columns;
        let mut names = super::names::Names::default();
        for column in &columns {
            names.claim(&column.name);
        }
        for name in pivoted.get_column_names().iter().skip(columns.len()) {
            if !names.claim(name) {
                let message = format!("`pivot` would give a second column `{name}`");
                return Err(Diagnostic::new(codes::DUPLICATE, span.clone(), message));
            }
            columns.push(ColumnInfo::new(name.as_str(), value_type));
        }
        Ok(grouped.with(pivoted.lazy(), columns))
    }
}

/// Whether an aggregate of no rows is 0.
fn counts(aggregate: &crate::ast::Expr) -> bool {
    let ExprKind::Call { name, .. } = &aggregate.kind else { return false };
    matches!(
        name.text.as_str(),
        "count" | "countif" | "sum" | "sumif" | "dcount" | "dcountif" | "count_distinct" | "count_distinctif"
    )
}

/// Columns that an aggregate reads.
fn names_in(expression: &crate::ast::Expr) -> Vec<String> {
    match &expression.kind {
        ExprKind::Name(name) => vec![name.clone()],
        _ => expression.children().into_iter().flat_map(names_in).collect(),
    }
}

/// One row per key, one column per value of the pivot column, in the order of their names. A
/// combination without rows is 0 where the aggregate counts or sums, null elsewhere.
fn spread(
    frame: &DataFrame,
    keys: &[ColumnInfo],
    (pivot, pivot_type): (&str, KqlType),
    value_type: KqlType,
    counts: bool,
) -> PolarsResult<DataFrame> {
    let series = |name: &str| -> PolarsResult<Series> { Ok(frame.column(name)?.as_materialized_series().rechunk()) };
    let key_series = keys.iter().map(|column| series(&column.name)).collect::<PolarsResult<Vec<_>>>()?;
    let key_readers = key_series.iter().map(rows::Reader::new).collect::<PolarsResult<Vec<_>>>()?;
    let (pivots, values) = (series(pivot)?, series(AGGREGATE)?);
    let (pivots, values) = (rows::Reader::new(&pivots)?, rows::Reader::new(&values)?);
    let mut names: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let mut groups: PlHashMap<String, usize> = PlHashMap::new();
    let mut firsts: Vec<usize> = Vec::new();
    let mut cells: Vec<(usize, String, Value)> = Vec::new();
    for row in 0..frame.height() {
        let key: String = key_readers.iter().map(|reader| format!("{:?}\u{1}", reader.get(row))).collect();
        let group = *groups.entry(key).or_insert_with(|| {
            firsts.push(row);
            firsts.len() - 1
        });
        let name = conversion::text_of(&pivots.get(row), pivot_type).into_owned();
        names.entry(name.clone()).or_insert(0);
        cells.push((group, name, values.get(row).into_owned()));
    }
    for (at, place) in names.values_mut().enumerate() {
        *place = at;
    }
    let empty: Value = match value_type {
        KqlType::Long | KqlType::Int if counts => Cell::Long(0),
        KqlType::Real if counts => Cell::Real(0.0),
        other => value::null_of(other),
    };
    let mut columns_cells = vec![vec![empty; firsts.len()]; names.len()];
    for (group, name, value) in cells {
        if let Some(at) = names.get(&name) {
            columns_cells[*at][group] = value;
        }
    }
    let mut columns: Vec<Column> = Vec::new();
    for (reader, info) in key_readers.iter().zip(keys) {
        let cells = firsts.iter().map(|row| reader.get(*row).into_owned());
        columns.push(rows::build(PlSmallStr::from_str(&info.name), info.kql_type, cells).into_column());
    }
    for (name, cells) in names.keys().zip(columns_cells) {
        columns.push(rows::build(PlSmallStr::from_str(name), value_type, cells.into_iter()).into_column());
    }
    DataFrame::new(firsts.len(), columns)
}
