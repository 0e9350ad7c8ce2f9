//! `summarize`. Keys and aggregate arguments become plain columns first, so that polars groups
//! columns only; scalar work on aggregates happens in a projection behind the grouping.

use std::{cell::RefCell, collections::HashSet, rc::Rc};

use polars::prelude::*;

use crate::rows::named;
use serde_json::Value as Json;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed, calls,
    lets::Scope,
    names::{self, Names},
    operators::explicit_names,
};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Name, NamedExpr, Operator},
    diagnostics::{Diagnostic, codes},
    functions::{self, conversion},
    rows,
    value::{Cell, Value},
};

const AGGREGATES: &[&str] = &[
    "count",
    "countif",
    "sum",
    "sumif",
    "min",
    "minif",
    "max",
    "maxif",
    "avg",
    "avgif",
    "dcount",
    "dcountif",
    "count_distinct",
    "count_distinctif",
    "make_set",
    "makeset",
    "make_set_if",
    "make_list",
    "makelist",
    "make_list_if",
    "make_list_with_nulls",
    "make_bag",
    "arg_max",
    "arg_min",
    "take_any",
    "take_anyif",
    "any",
    "anyif",
    "stdev",
    "stdevif",
    "stdevp",
    "variance",
    "varianceif",
    "variancep",
    "percentile",
    "percentiles",
];

/// Legacy `makeset`/`makelist` stop at this many elements; the new names at about a million.
const LEGACY_CAP: i64 = 128;
const CAP: i64 = 1_048_576;

pub(super) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.contains(&name)
}

pub(super) fn aggregate_names() -> impl Iterator<Item = &'static str> {
    AGGREGATES.iter().copied()
}

/// Gathers the aggregates of one `summarize`.
pub(crate) struct Collector {
    input: Scope,
    /// Argument columns, computed before grouping
    arguments: RefCell<Vec<Expr>>,
    /// One expression per aggregate, over the argument columns
    aggregates: RefCell<Vec<Expr>>,
}

impl Collector {
    /// The rows that are aggregated.
    pub(super) fn input(&self) -> &Scope {
        &self.input
    }

    fn argument(&self, value: Typed) -> Expr {
        let name = format!("__arg_{}", self.arguments.borrow().len());
        self.arguments.borrow_mut().push(value.expression.alias(name.as_str()));
        named(name.as_str())
    }

    fn aggregate(&self, expression: Expr) -> Expr {
        let name = format!("__agg_{}", self.aggregates.borrow().len());
        self.aggregates.borrow_mut().push(expression.alias(name.as_str()));
        named(name.as_str())
    }
}

impl Binder<'_> {
    pub(super) fn summarize(
        &self,
        table: Table,
        items: &[NamedExpr],
        by: &[NamedExpr],
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let input = scope.with_rows(&table.columns);
        let mut names = explicit_names(by)?;
        for name in items.iter().flat_map(|item| &item.names) {
            if !names.claim(&name.text) {
                return Err(super::sources::duplicate(name));
            }
        }
        let keys = self.keys(by, &mut names, &input)?;
        let key_columns: Vec<ColumnInfo> =
            keys.iter().map(|(name, value)| ColumnInfo::new(name, value.kql_type)).collect();
        let collector = Rc::new(Collector { input, arguments: RefCell::default(), aggregates: RefCell::default() });
        let mut outer = scope.with_rows(&key_columns);
        outer.aggregates = Some(collector.clone());

        let mut outputs: Vec<(String, Typed)> = Vec::new();
        for item in items {
            self.summarize_item(item, &collector, &key_columns, &mut names, &outer, &mut outputs)?;
        }
        let frame = grouped(&table, &keys, &collector);
        let mut columns = key_columns;
        let mut expressions: Vec<Expr> = columns.iter().map(|column| named(column.name.as_str())).collect();
        for (name, value) in outputs {
            expressions.push(value.expression.alias(name.as_str()));
            columns.push(ColumnInfo::new(name, value.kql_type));
        }
        if columns.is_empty() {
            return Err(Diagnostic::new(
                codes::SYNTAX,
                operator.span.clone(),
                "`summarize` needs an aggregate or a `by`",
            ));
        }
        Ok(table.with(frame.select(expressions), columns))
    }

    fn keys(&self, by: &[NamedExpr], names: &mut Names, input: &Scope) -> Bound<Vec<(String, Typed)>> {
        let mut keys = Vec::new();
        for item in by {
            let value = self.scalar(&item.value, input)?;
            if value.kql_type == KqlType::Dynamic && !input.is_open() {
                let message = "rows cannot be grouped by a dynamic value";
                return Err(Diagnostic::new(codes::TYPE, item.value.span.clone(), message)
                    .with_hint("group by tostring() of it"));
            }
            let name = match super::operators::single_name(item)? {
                Some(name) => name.text.clone(),
                None => match names::derived(&item.value) {
                    Some(name) => names.unique(&name),
                    None => names.counted("Column", 1),
                },
            };
            keys.push((name, value));
        }
        Ok(keys)
    }

    fn summarize_item(
        &self,
        item: &NamedExpr,
        collector: &Collector,
        keys: &[ColumnInfo],
        names: &mut Names,
        outer: &Scope,
        outputs: &mut Vec<(String, Typed)>,
    ) -> Bound<()> {
        if let ExprKind::Call { name, arguments } = &item.value.kind
            && matches!(name.text.as_str(), "arg_max" | "arg_min" | "take_any" | "any" | "percentile" | "percentiles")
        {
            let several = self.several_columns(name, arguments, &item.value, collector, keys)?;
            let mut given = item.names.iter();
            for (derived, value) in several {
                let name = given.next().map_or_else(|| names.unique(&derived), |name| name.text.clone());
                outputs.push((name, value));
            }
            return Ok(());
        }
        let value = self.scalar(&item.value, outer)?;
        let name = match super::operators::single_name(item)? {
            Some(name) => name.text.clone(),
            None => match names::derived(&item.value) {
                Some(name) => names.unique(&name),
                None => names.counted("Column", 1),
            },
        };
        outputs.push((name, value));
        Ok(())
    }

    /// Aggregates that give several columns: `arg_max(x, *)`, `take_any(a, b)`, `percentiles(x, 50, 90)`.
    fn several_columns(
        &self,
        name: &Name,
        arguments: &[Argument],
        expression: &Ast,
        collector: &Collector,
        keys: &[ColumnInfo],
    ) -> Bound<Vec<(String, Typed)>> {
        if arguments.is_empty() {
            return Err(calls::wrong_count(name, 1, usize::MAX, 0));
        }
        match name.text.as_str() {
            "percentile" | "percentiles" => self.percentiles(name, arguments, expression, collector),
            "take_any" | "any" => {
                let columns = self.returned_columns(arguments, collector, keys, None)?;
                let prefix = if name.text == "any" { "any_" } else { "" };
                Ok(columns
                    .into_iter()
                    .map(|(column, value)| {
                        let kql_type = value.kql_type;
                        let first = first_present(collector.argument(value), kql_type);
                        (
                            format!("{prefix}{column}"),
                            Typed::computed(filled(collector.aggregate(first), kql_type), kql_type),
                        )
                    })
                    .collect())
            }
            _ => {
                let by = self.scalar(&arguments[0].value, &collector.input)?;
                let by_name = names::derived(&arguments[0].value).unwrap_or_else(|| format!("{}_", &name.text[4..]));
                let descending = name.text == "arg_max";
                let by_type = by.kql_type;
                let by_column = collector.argument(by);
                let mut columns = vec![(by_name.clone(), by_column.clone(), by_type)];
                for (column, value) in self.returned_columns(&arguments[1..], collector, keys, Some(&by_name))? {
                    let kql_type = value.kql_type;
                    columns.push((column, collector.argument(value), kql_type));
                }
                let options = SortMultipleOptions::default()
                    .with_order_descending(descending)
                    .with_nulls_last(true)
                    .with_maintain_order(true);
                Ok(columns
                    .into_iter()
                    .map(|(column, argument, kql_type)| {
                        let chosen = argument.sort_by([by_column.clone()], options.clone()).first();
                        (column, Typed::computed(filled(collector.aggregate(chosen), kql_type), kql_type))
                    })
                    .collect())
            }
        }
    }

    /// The columns that `arg_max` and `take_any` return, `*` spelled out.
    fn returned_columns(
        &self,
        arguments: &[Argument],
        collector: &Collector,
        keys: &[ColumnInfo],
        except: Option<&str>,
    ) -> Bound<Vec<(String, Typed)>> {
        let mut columns = Vec::new();
        for argument in arguments {
            if matches!(argument.value.kind, ExprKind::Star) {
                let others = collector.input.columns().iter().filter(|column| {
                    Some(column.name.as_str()) != except && !keys.iter().any(|key| key.name == column.name)
                });
                columns.extend(others.map(|column| (column.name.clone(), Typed::column(column))));
            } else {
                let name = names::derived(&argument.value).unwrap_or_else(|| "Column1".to_string());
                columns.push((name, self.scalar(&argument.value, &collector.input)?));
            }
        }
        Ok(columns)
    }

    fn percentiles(
        &self,
        name: &Name,
        arguments: &[Argument],
        expression: &Ast,
        collector: &Collector,
    ) -> Bound<Vec<(String, Typed)>> {
        if arguments.len() < 2 {
            return Err(calls::wrong_count(name, 2, usize::MAX, arguments.len()));
        }
        let value = self.scalar(&arguments[0].value, &collector.input)?;
        let kql_type = match value.kql_type {
            KqlType::Int => KqlType::Long,
            KqlType::Long | KqlType::Real | KqlType::Datetime | KqlType::Timespan => value.kql_type,
            other => {
                return Err(Diagnostic::new(
                    codes::TYPE,
                    expression.span.clone(),
                    format!("`{}` needs numbers, this is a {other}", name.text),
                ));
            }
        };
        let base = names::derived(&arguments[0].value).unwrap_or_default();
        let list = collector.aggregate(collector.argument(value.converted(kql_type)).drop_nulls().implode(true));
        let mut outputs = Vec::new();
        for argument in &arguments[1..] {
            let percent = self.scalar(&argument.value, &collector.input.without_rows())?;
            let Some(percent) = percent.constant.as_ref().and_then(Cell::real) else {
                return Err(Diagnostic::new(
                    codes::VALUE,
                    argument.value.span.clone(),
                    "a percentile must be a constant number",
                ));
            };
            let column = format!("percentile_{base}_{}", conversion::real_text(percent).replace('.', "_"));
            let picked = rows::map_lists(list.clone(), kql_type, move |cells| nearest_rank(cells, percent));
            outputs.push((column, Typed::computed(picked, kql_type)));
        }
        Ok(outputs)
    }

    /// A single-column aggregate inside any scalar expression.
    pub(super) fn aggregate(
        &self,
        collector: &Rc<Collector>,
        name: &Name,
        arguments: &[Argument],
        expression: &Ast,
        _scope: &Scope,
    ) -> Bound<Typed> {
        let function = name.text.as_str();
        if matches!(function, "arg_max" | "arg_min" | "take_any" | "any" | "percentile" | "percentiles") {
            let mut several = self.several_columns(name, arguments, expression, collector, &[])?;
            return Ok(several.swap_remove(0).1);
        }
        if function == "count" {
            return Ok(Typed::computed(collector.aggregate(len()).cast(DataType::Int64), KqlType::Long));
        }
        let (kind, filtered) = split_if(function);
        let needed = if kind == "count" { 1 } else { 1 + usize::from(filtered) };
        let takes_size = matches!(kind, "make_set" | "makeset" | "make_list" | "makelist" | "make_bag" | "dcount");
        if arguments.len() < needed || arguments.len() > needed + usize::from(takes_size) {
            return Err(calls::wrong_count(name, needed, needed + usize::from(takes_size), arguments.len()));
        }
        if kind == "count" {
            let condition = self.condition(&arguments[0].value, &collector.input)?;
            let hits = collector.aggregate(collector.argument(condition).fill_null(lit(false)).sum());
            return Ok(Typed::computed(hits.cast(DataType::Int64).fill_null(lit(0i64)), KqlType::Long));
        }
        let value = self.scalar(&arguments[0].value, &collector.input)?;
        let kql_type = value.kql_type;
        let value = if kql_type == KqlType::Int && matches!(kind, "sum" | "avg") {
            value.converted(KqlType::Long)
        } else {
            value
        };
        self.check_aggregated(kind, kql_type, name, &arguments[0].value)?;
        let mut column = collector.argument(value);
        if filtered {
            let condition = self.condition(&arguments[1].value, &collector.input)?;
            column = column.filter(collector.argument(condition).fill_null(lit(false)));
        }
        let cap = match arguments.get(needed) {
            Some(size) if kind != "dcount" => self.constant_count(&size.value, function, &collector.input)?,
            _ if matches!(kind, "makeset" | "makelist") => LEGACY_CAP,
            _ => CAP,
        };
        Ok(single(kind, column, kql_type, cap.max(0) as usize, collector))
    }

    fn check_aggregated(&self, kind: &str, kql_type: KqlType, name: &Name, argument: &Ast) -> Bound<()> {
        use KqlType::*;
        let fits = match kind {
            "sum" => matches!(kql_type, Int | Long | Real | Decimal | Timespan),
            "avg" => matches!(kql_type, Int | Long | Real | Decimal | Timespan | Datetime),
            "stdev" | "stdevp" | "variance" | "variancep" => matches!(kql_type, Int | Long | Real | Decimal),
            "min" | "max" => !matches!(kql_type, Dynamic | Guid),
            "make_bag" => kql_type == Dynamic,
            _ => true,
        };
        if fits {
            return Ok(());
        }
        let diagnostic = Diagnostic::new(
            codes::TYPE,
            argument.span.clone(),
            format!("`{}` is not defined for a {kql_type}", name.text),
        );
        Err(if kql_type == Dynamic {
            diagnostic.with_hint("convert it first, for example with tolong()")
        } else {
            diagnostic
        })
    }
}

/// `sumif` is `sum` with a condition.
fn split_if(function: &str) -> (&str, bool) {
    match function {
        "make_set_if" => ("make_set", true),
        "make_list_if" => ("make_list", true),
        "count_distinct" => ("dcount", false),
        "count_distinctif" => ("dcount", true),
        _ => match function.strip_suffix("if") {
            Some(base) => (base, true),
            None => (function, false),
        },
    }
}

fn single(kind: &str, column: Expr, kql_type: KqlType, cap: usize, collector: &Collector) -> Typed {
    use KqlType::*;
    let long = |expression: Expr| Typed::computed(expression.cast(DataType::Int64), Long);
    match kind {
        "sum" => {
            let result = if kql_type == Int { Long } else { kql_type };
            Typed::computed(collector.aggregate(column.sum()), result)
        }
        "min" => Typed::computed(filled(collector.aggregate(column.min()), kql_type), kql_type),
        "max" => Typed::computed(filled(collector.aggregate(column.max()), kql_type), kql_type),
        "avg" => {
            let mean = collector.aggregate(column.mean());
            match kql_type {
                Timespan | Datetime => Typed::computed(mean.cast(DataType::Int64), kql_type),
                _ => Typed::computed(mean.fill_null(lit(f64::NAN)), Real),
            }
        }
        "dcount" => long(collector.aggregate(column.drop_nulls().n_unique())),
        "stdev" => Typed::computed(collector.aggregate(column.std(1)).fill_null(lit(0.0)), Real),
        "stdevp" => Typed::computed(collector.aggregate(column.std(0)).fill_null(lit(0.0)), Real),
        "variance" => Typed::computed(collector.aggregate(column.var(1)).fill_null(lit(0.0)), Real),
        "variancep" => Typed::computed(collector.aggregate(column.var(0)).fill_null(lit(0.0)), Real),
        "take_any" | "any" => {
            Typed::computed(filled(collector.aggregate(first_present(column, kql_type)), kql_type), kql_type)
        }
        "make_bag" => {
            let list = collector.aggregate(column.drop_nulls().implode(true));
            Typed::computed(rows::map_lists(list, Dynamic, merged_bags), Dynamic)
        }
        "make_list_with_nulls" => {
            let list = collector.aggregate(column.implode(true));
            Typed::computed(
                rows::map_lists(list, Dynamic, move |cells| json_list(cells.iter(), kql_type, cap)),
                Dynamic,
            )
        }
        "make_set" | "makeset" => {
            let list = collector.aggregate(column.drop_nulls().unique_stable().implode(true));
            Typed::computed(rows::map_lists(list, Dynamic, move |cells| json_set(cells, kql_type, cap)), Dynamic)
        }
        _ => {
            let list = collector.aggregate(column.drop_nulls().implode(true));
            Typed::computed(
                rows::map_lists(list, Dynamic, move |cells| json_list(cells.iter(), kql_type, cap)),
                Dynamic,
            )
        }
    }
}

/// The first value of a group that is not null.
fn first_present(column: Expr, kql_type: KqlType) -> Expr {
    if kql_type == KqlType::String { column.first() } else { column.drop_nulls().first() }
}

/// Strings have no null.
fn filled(expression: Expr, kql_type: KqlType) -> Expr {
    if kql_type == KqlType::String { expression.fill_null(lit("")) } else { expression }
}

fn grouped(table: &Table, keys: &[(String, Typed)], collector: &Collector) -> LazyFrame {
    let key_names: Vec<String> = (0..keys.len()).map(|at| format!("__key_{at}")).collect();
    let mut prepared: Vec<Expr> =
        keys.iter().zip(&key_names).map(|((_, value), name)| value.expression.clone().alias(name.as_str())).collect();
    prepared.extend(collector.arguments.borrow().iter().cloned());
    let frame = if prepared.is_empty() { table.frame.clone() } else { table.frame.clone().with_columns(prepared) };
    let aggregates = collector.aggregates.borrow().clone();
    if keys.is_empty() {
        return frame.select(aggregates);
    }
    let key_columns: Vec<Expr> = key_names.iter().map(|name| named(name.as_str())).collect();
    let renamed = keys.iter().zip(&key_names).map(|((name, _), key)| named(key.as_str()).alias(name.as_str()));
    if aggregates.is_empty() {
        return frame
            .select(key_columns)
            .unique_stable(None, UniqueKeepStrategy::First)
            .select(renamed.collect::<Vec<_>>());
    }
    let results = (0..aggregates.len()).map(|at| named(format!("__agg_{at}")));
    let outputs: Vec<Expr> = renamed.chain(results).collect();
    frame.group_by_stable(key_columns).agg(aggregates).select(outputs)
}

fn json_list<'c>(cells: impl Iterator<Item = &'c Cell<'c>>, kql_type: KqlType, cap: usize) -> Value {
    Json::Array(cells.take(cap).map(|cell| conversion::to_json(cell, kql_type)).collect()).into()
}

/// Arrays inside a set are spread out.
fn json_set(cells: &[Cell<'_>], kql_type: KqlType, cap: usize) -> Value {
    if kql_type != KqlType::Dynamic {
        return json_list(cells.iter(), kql_type, cap);
    }
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for cell in cells {
        let spread = match functions::dynamic::json(cell) {
            Json::Array(items) => items,
            other => vec![other],
        };
        items.extend(spread.into_iter().filter(|item| seen.insert(item.to_string())));
    }
    items.truncate(cap);
    Json::Array(items).into()
}

fn merged_bags(cells: &[Cell<'_>]) -> Value {
    let mut bag = serde_json::Map::new();
    for cell in cells {
        if let Json::Object(entries) = functions::dynamic::json(cell) {
            for (key, value) in entries {
                bag.entry(key).or_insert(value);
            }
        }
    }
    Json::Object(bag).into()
}

/// The smallest value that at least `percent` % of the values do not exceed.
fn nearest_rank(cells: &[Cell<'_>], percent: f64) -> Value {
    let mut sorted: Vec<&Cell<'_>> = cells.iter().collect();
    sorted.sort_by(|a, b| match (a, b) {
        (Cell::Long(a), Cell::Long(b)) => a.cmp(b),
        (a, b) => a.real().unwrap_or(f64::NAN).total_cmp(&b.real().unwrap_or(f64::NAN)),
    });
    let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank.min(sorted.len()).wrapping_sub(1)).map_or(Cell::Null, |cell| (*cell).clone().into_owned())
}
