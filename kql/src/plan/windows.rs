//! Window functions: `prev`, `next`, `row_number` and their kin see other rows. They are computed
//! as columns of their own before the operator that uses them, over the whole frame, so that no
//! optimisation of polars can move a filter past them.

use std::sync::Arc;

use polars::prelude::*;

use super::{Binder, Bound, ColumnInfo, Table, Typed, calls, lets::Scope, names};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Name, NamedExpr, Operator, OperatorKind},
    diagnostics::{Diagnostic, Span, codes},
    rows::{self, named},
    value::{self, Cell, Value},
};

const WINDOWS: &[&str] =
    &["prev", "next", "row_number", "row_cumsum", "row_rank", "row_rank_dense", "row_rank_min", "row_window_session"];

/// Columns that hold window results until the operator has used them.
const MADE: &str = "\0window";

/// Every window function, for suggestions and the documentation.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    WINDOWS.iter().copied()
}

struct Lifted {
    column: String,
    name: Name,
    arguments: Vec<Argument>,
    span: Span,
}

impl Binder<'_> {
    /// Runs one operator, the window functions in it first.
    pub(super) fn windowed(&self, table: Table, operator: &Operator, scope: &Scope) -> Bound<Table> {
        let is_window = |name: &str| WINDOWS.contains(&name) && scope.find(name).is_none();
        if !expressions(&operator.kind).into_iter().any(|expression| mentions(expression, &is_window)) {
            return self.in_groups(table, operator, scope);
        }
        let mut operator = operator.clone();
        let mut lifted = Vec::new();
        lift_operator(&mut operator.kind, &is_window, &mut lifted);
        let is_ordered = table.serialized || matches!(operator.kind, OperatorKind::Serialize(_));
        if !is_ordered && !self.checking {
            let culprit = lifted.first().map_or(operator.span.clone(), |call| call.span.clone());
            return Err(Diagnostic::new(
                codes::VALUE,
                culprit,
                format!("`{}` needs rows in a defined order", lifted[0].name.text),
            )
            .with_hint("put `serialize` or `sort by ...` in front of it"));
        }
        let mut table = table.canonical();
        for call in &lifted {
            table = self.window_column(table, call, scope)?;
        }
        let result = self.in_groups(table, &operator, scope)?;
        let columns: Vec<ColumnInfo> =
            result.columns.iter().filter(|column| !column.name.starts_with(MADE)).cloned().collect();
        if columns.len() == result.columns.len() {
            return Ok(result);
        }
        let kept: Vec<Expr> = columns.iter().map(|column| named(column.name.as_str())).collect();
        let serialized = result.serialized;
        Ok(Table { serialized, ..result.with(result.frame.clone().select(kept), columns) })
    }

    fn window_column(&self, table: Table, call: &Lifted, scope: &Scope) -> Bound<Table> {
        let rows_scope = scope.with_rows(&table.columns);
        let mut values = Vec::new();
        for argument in &call.arguments {
            values.push(self.scalar(&argument.value, &rows_scope)?);
        }
        let window = window(&call.name, &call.arguments, &values, &call.span)?;
        let kql_type = window.kql_type;
        let mut columns = table.columns.clone();
        columns.push(ColumnInfo::new(&call.column, kql_type));
        if self.checking {
            return Ok(Table { columns, ..table });
        }
        let inputs: Vec<Expr> = values
            .into_iter()
            .enumerate()
            .map(|(at, value)| value.expression.alias(format!("\0argument{at}")))
            .collect();
        let count = inputs.len();
        let names: Vec<String> = (0..count).map(|at| format!("\0argument{at}")).collect();
        let (target, group) = (call.column.clone(), scope.group.as_deref().map(str::to_string));
        let output = Field::new(PlSmallStr::from_str(&target), rows::physical(kql_type));
        let frame = table.frame.clone().with_columns(inputs);
        let frame = whole(frame, output, move |frame| {
            let mut readers = Vec::with_capacity(count);
            let series = names.iter().map(|name| materialized(frame, name)).collect::<PolarsResult<Vec<_>>>()?;
            for column in &series {
                readers.push(rows::Reader::new(column)?);
            }
            let groups = group.as_ref().map(|name| materialized(frame, name)).transpose()?;
            let group = groups.as_ref().map(rows::Reader::new).transpose()?;
            let starts = group_starts(group.as_ref(), frame.height());
            let cells = (window.compute)(&readers, &starts, frame.height());
            Ok(rows::build(PlSmallStr::from_str(&target), kql_type, cells.into_iter()))
        });
        let kept: Vec<Expr> = columns.iter().map(|column| named(column.name.as_str())).collect();
        let serialized = table.serialized;
        Ok(Table { serialized, ..table.with(frame.select(kept), columns) })
    }
}

/// Adds a column that is computed from the whole frame.
pub(super) fn whole(
    frame: LazyFrame,
    output: Field,
    compute: impl Fn(&DataFrame) -> PolarsResult<Series> + Send + Sync + 'static,
) -> LazyFrame {
    let schema = move |input: &Schema| -> PolarsResult<SchemaRef> {
        let mut schema = input.clone();
        schema.insert(output.name().clone(), output.dtype().clone());
        Ok(Arc::new(schema))
    };
    let run = move |frame: DataFrame| -> PolarsResult<DataFrame> {
        let column = compute(&frame)?;
        let mut frame = frame;
        frame.with_column(column.into_column())?;
        Ok(frame)
    };
    frame.map(run, OptFlags::empty(), Some(Arc::new(schema)), Some("KQL rows"))
}

fn materialized(frame: &DataFrame, name: &str) -> PolarsResult<Series> {
    Ok(frame.column(name)?.as_materialized_series().rechunk())
}

/// `true` where a new group begins.
fn group_starts(group: Option<&rows::Reader<'_>>, height: usize) -> Vec<bool> {
    let starts = |row: usize| match group {
        _ if row == 0 => true,
        Some(group) => group.get(row) != group.get(row - 1),
        None => false,
    };
    (0..height).map(starts).collect()
}

type Compute = Box<dyn Fn(&[rows::Reader<'_>], &[bool], usize) -> Vec<Value> + Send + Sync>;

struct Window {
    kql_type: KqlType,
    compute: Compute,
}

/// Binds one call: its type and its rule.
fn window(name: &Name, arguments: &[Argument], values: &[Typed], span: &Span) -> Bound<Window> {
    let (least, most) = match name.text.as_str() {
        "prev" | "next" => (1, 3),
        "row_number" => (0, 2),
        "row_window_session" => (3, 4),
        _ => (1, 2),
    };
    if arguments.len() < least || arguments.len() > most {
        return Err(calls::wrong_count(name, least, most, arguments.len()));
    }
    let flag_at = |at: usize| -> Bound<()> {
        match values.get(at) {
            Some(value) if value.kql_type != KqlType::Bool => {
                let message = format!("`{}` restarts on a bool, this is a {}", name.text, value.kql_type);
                Err(Diagnostic::new(codes::TYPE, arguments[at].value.span.clone(), message))
            }
            _ => Ok(()),
        }
    };
    match name.text.as_str() {
        "prev" | "next" => shifted(name, arguments, values),
        "row_number" => {
            flag_at(1)?;
            let start = match values.first().map(|value| (&value.constant, value.kql_type)) {
                None => 1,
                Some((Some(Cell::Long(start)), _)) => *start,
                Some(_) => {
                    return Err(Diagnostic::new(codes::VALUE, span.clone(), "`row_number` starts at a constant"));
                }
            };
            Ok(Window {
                kql_type: KqlType::Long,
                compute: Box::new(move |readers, starts, height| {
                    let mut number = start;
                    (0..height)
                        .map(|row| {
                            number = if starts[row] || restarts(readers.get(1), row) { start } else { number + 1 };
                            number.into()
                        })
                        .collect()
                }),
            })
        }
        "row_cumsum" => {
            flag_at(1)?;
            let kql_type = match values[0].kql_type {
                KqlType::Int | KqlType::Long | KqlType::Dynamic => KqlType::Long,
                KqlType::Real => KqlType::Real,
                KqlType::Timespan => KqlType::Timespan,
                other => {
                    let message = format!("`row_cumsum` needs a number or timespan, this is a {other}");
                    return Err(Diagnostic::new(codes::TYPE, arguments[0].value.span.clone(), message));
                }
            };
            Ok(Window {
                kql_type,
                compute: Box::new(move |readers, starts, height| sums(readers, starts, height, kql_type)),
            })
        }
        "row_window_session" => {
            flag_at(3)?;
            Ok(Window { kql_type: KqlType::Datetime, compute: Box::new(sessions) })
        }
        kind => {
            flag_at(1)?;
            let is_dense = kind == "row_rank_dense";
            Ok(Window {
                kql_type: KqlType::Long,
                compute: Box::new(move |readers, starts, height| ranks(readers, starts, height, is_dense)),
            })
        }
    }
}

fn restarts(flag: Option<&rows::Reader<'_>>, row: usize) -> bool {
    flag.is_some_and(|flag| flag.get(row).boolean() == Some(true))
}

fn shifted(name: &Name, arguments: &[Argument], values: &[Typed]) -> Bound<Window> {
    let kql_type = values[0].kql_type;
    let distance = match values.get(1).map(|value| &value.constant) {
        None => 1,
        Some(Some(Cell::Long(distance))) => *distance,
        Some(_) => {
            let message = format!("the offset of `{}` must be a constant whole number", name.text);
            return Err(Diagnostic::new(codes::VALUE, arguments[1].value.span.clone(), message));
        }
    };
    let default = match values.get(2) {
        None => value::null_of(kql_type),
        Some(value) => value.clone().converted(kql_type).constant.ok_or_else(|| {
            let message = format!("the default of `{}` must be a constant", name.text);
            Diagnostic::new(codes::VALUE, arguments[2].value.span.clone(), message)
        })?,
    };
    let distance = if name.text == "prev" { distance.saturating_neg() } else { distance };
    let compute = move |readers: &[rows::Reader<'_>], starts: &[bool], height: usize| -> Vec<Value> {
        let groups = numbered(starts);
        (0..height)
            .map(|row| {
                let other = i64::try_from(row).ok().and_then(|row| row.checked_add(distance));
                let other = other.and_then(|other| usize::try_from(other).ok()).filter(|other| *other < height);
                match other.filter(|other| groups[*other] == groups[row]) {
                    Some(other) => readers[0].get(other).into_owned(),
                    None => default.clone(),
                }
            })
            .collect()
    };
    Ok(Window { kql_type, compute: Box::new(compute) })
}

fn numbered(starts: &[bool]) -> Vec<usize> {
    let mut group = 0;
    starts
        .iter()
        .map(|start| {
            group += usize::from(*start);
            group
        })
        .collect()
}

fn sums(readers: &[rows::Reader<'_>], starts: &[bool], height: usize, kql_type: KqlType) -> Vec<Value> {
    let (mut whole, mut real) = (0i64, 0f64);
    (0..height)
        .map(|row| {
            if starts[row] || restarts(readers.get(1), row) {
                (whole, real) = (0, 0.0);
            }
            match readers[0].get(row) {
                Cell::Long(value) => whole = whole.wrapping_add(value),
                Cell::Real(value) => real += value,
                _ => {}
            }
            if kql_type == KqlType::Real { real.into() } else { whole.into() }
        })
        .collect()
}

/// Equal neighbours share a rank; `dense` counts values, otherwise rows are counted.
fn ranks(readers: &[rows::Reader<'_>], starts: &[bool], height: usize, is_dense: bool) -> Vec<Value> {
    let (mut rank, mut position) = (0i64, 0i64);
    (0..height)
        .map(|row| {
            let is_first = starts[row] || restarts(readers.get(1), row);
            if is_first {
                (rank, position) = (1, 1);
            } else {
                position += 1;
                if readers[0].get(row) != readers[0].get(row - 1) {
                    rank = if is_dense { rank + 1 } else { position };
                }
            }
            rank.into()
        })
        .collect()
}

/// The first moment of the session that a row belongs to.
fn sessions(readers: &[rows::Reader<'_>], starts: &[bool], height: usize) -> Vec<Value> {
    let (mut first, mut last) = (None::<i64>, None::<i64>);
    (0..height)
        .map(|row| {
            let Some(now) = readers[0].get(row).long() else {
                (first, last) = (None, None);
                return Cell::Null;
            };
            let limit = |at: usize| readers[at].get(row).long().unwrap_or(i64::MAX);
            let goes_on = match (first, last) {
                (Some(first), Some(last)) => {
                    now.saturating_sub(first) < limit(1) && now.saturating_sub(last) < limit(2)
                }
                _ => false,
            };
            if starts[row] || restarts(readers.get(3), row) || !goes_on {
                first = Some(now);
            }
            last = Some(now);
            first.into()
        })
        .collect()
}

// ---- finding the calls ---------------------------------------------------------------------------

fn mentions(expression: &Ast, is_window: &impl Fn(&str) -> bool) -> bool {
    matches!(&expression.kind, ExprKind::Call { name, .. } if is_window(&name.text))
        || expression.children().into_iter().any(|child| mentions(child, is_window))
}

/// The expressions of an operator that see its input rows.
fn expressions(operator: &OperatorKind) -> Vec<&Ast> {
    match operator {
        OperatorKind::Where(condition) => vec![condition],
        OperatorKind::Project(items)
        | OperatorKind::Extend(items)
        | OperatorKind::Serialize(items)
        | OperatorKind::Distinct(items) => items.iter().map(|item| &item.value).collect(),
        OperatorKind::Summarize { aggregates, by } => aggregates.iter().chain(by).map(|item| &item.value).collect(),
        OperatorKind::Sort(keys) => keys.iter().map(|key| &key.value).collect(),
        OperatorKind::Top { key, .. } => vec![&key.value],
        OperatorKind::MvExpand { items, .. } => items.iter().map(|item| &item.value).collect(),
        _ => Vec::new(),
    }
}

fn lift_operator(operator: &mut OperatorKind, is_window: &impl Fn(&str) -> bool, lifted: &mut Vec<Lifted>) {
    match operator {
        OperatorKind::Where(condition) => lift(condition, is_window, lifted),
        OperatorKind::Project(items)
        | OperatorKind::Extend(items)
        | OperatorKind::Serialize(items)
        | OperatorKind::Distinct(items) => items.iter_mut().for_each(|item| lift_item(item, is_window, lifted)),
        OperatorKind::Summarize { aggregates, by } => {
            aggregates.iter_mut().chain(by).for_each(|item| lift_item(item, is_window, lifted));
        }
        OperatorKind::Sort(keys) => keys.iter_mut().for_each(|key| lift(&mut key.value, is_window, lifted)),
        OperatorKind::Top { key, .. } => lift(&mut key.value, is_window, lifted),
        OperatorKind::MvExpand { items, .. } => {
            items.iter_mut().for_each(|item| lift(&mut item.value, is_window, lifted));
        }
        _ => {}
    }
}

/// An item keeps the name that it would have had.
fn lift_item(item: &mut NamedExpr, is_window: &impl Fn(&str) -> bool, lifted: &mut Vec<Lifted>) {
    let derived = names::derived(&item.value);
    lift(&mut item.value, is_window, lifted);
    if item.names.is_empty()
        && let Some(name) = derived
    {
        item.names = vec![Name { text: name, span: item.value.span.clone() }];
    }
}

/// Inner calls first: `prev(row_cumsum(x))` reads the sum's column.
fn lift(expression: &mut Ast, is_window: &impl Fn(&str) -> bool, lifted: &mut Vec<Lifted>) {
    for child in expression.children_mut() {
        lift(child, is_window, lifted);
    }
    let ExprKind::Call { name, arguments } = &mut expression.kind else { return };
    if !is_window(&name.text) {
        return;
    }
    let column = format!("{MADE}{}", lifted.len());
    let call = Lifted {
        column: column.clone(),
        name: name.clone(),
        arguments: std::mem::take(arguments),
        span: expression.span.clone(),
    };
    lifted.push(call);
    expression.kind = ExprKind::Made(column);
}
