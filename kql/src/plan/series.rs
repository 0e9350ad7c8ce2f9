//! `make-series`: aggregates per bin of an axis, gathered into arrays without holes.

use std::sync::Arc;

use polars::prelude::*;
use serde_json::Value as Json;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed, grouped::made, hosted::never_run, lets::Scope, names, plan_error,
};
use crate::{
    ast::{Expr as Ast, ExprKind, KqlType, Literal, MakeSeries, Name, NamedExpr, Operator, OperatorKind},
    diagnostics::{Diagnostic, Span, codes},
    functions::conversion,
    rows::{self, named},
    value::{Cell, Value},
};

/// Hidden column: which bin of the axis a row belongs to.
const BIN: &str = "\0bin";

/// More bins than this are a slip of the keyboard; the real engine stops at the same number.
const MAX_BINS: i64 = 1_048_576;

/// The axis: `count` bins of width `step` from `start` on.
#[derive(Clone)]
struct Axis {
    kql_type: KqlType,
    start: Value,
    step: Value,
    count: usize,
}

impl Binder<'_> {
    pub(super) fn make_series(
        &self,
        table: Table,
        series: &MakeSeries,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let table = table.canonical();
        let rows_scope = scope.with_rows(&table.columns);
        let axis_value = self.scalar(&series.axis.value, &rows_scope)?;
        let axis_name = match series.axis.names.first() {
            Some(name) => name.text.clone(),
            None => names::derived(&series.axis.value).unwrap_or_else(|| "Column1".to_string()),
        };
        let mut defaults = Vec::new();
        for item in &series.items {
            defaults.push(match &item.default {
                Some(default) => Some(self.scalar(default, &scope.without_rows())?),
                None => None,
            });
        }
        let axis = self.axis(&table, axis_value.clone(), series, scope)?;
        let aggregated = self.per_bin(&table, axis_value, &axis, series, operator, scope)?;
        let keys = aggregated.columns.iter().take_while(|column| column.name != BIN).count();
        let mut columns: Vec<ColumnInfo> = aggregated.columns[..keys].to_vec();
        for column in &aggregated.columns[keys + 1..] {
            columns.push(ColumnInfo::new(&column.name, KqlType::Dynamic));
        }
        columns.push(ColumnInfo::new(&axis_name, KqlType::Dynamic));
        if self.checking {
            return Ok(never_run(columns));
        }
        let is_filled = series.parameters.iter().any(|parameter| {
            matches!(&parameter.value.kind, ExprKind::Name(kind) | ExprKind::Literal(Literal::String(kind)) if kind == "nonempty")
        });
        let inputs = aggregated.columns.clone();
        let fills: Vec<Json> = defaults
            .iter()
            .zip(&inputs[keys + 1..])
            .map(|(default, column)| match default {
                Some(default) => {
                    default.constant.as_ref().map_or(Json::Null, |value| conversion::to_json(value, default.kql_type))
                }
                None if is_number(column.kql_type) => Json::from(0),
                None => Json::Null,
            })
            .collect();
        let gather = Gather { inputs, keys, axis, fills, is_filled };
        let outputs = columns.clone();
        let schema: SchemaRef = Arc::new(
            outputs
                .iter()
                .map(|column| Field::new(PlSmallStr::from_str(&column.name), rows::physical(column.kql_type)))
                .collect(),
        );
        let declared = move |_: &Schema| -> PolarsResult<SchemaRef> { Ok(schema.clone()) };
        let frame = aggregated.frame.clone().map(
            move |frame| gather.run(&frame, &outputs),
            OptFlags::empty(),
            Some(Arc::new(declared)),
            Some("KQL make-series"),
        );
        Ok(aggregated.with(frame, columns))
    }

    /// Aggregates by keys and bin.
    fn per_bin(
        &self,
        table: &Table,
        axis_value: Typed,
        axis: &Axis,
        series: &MakeSeries,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let span = &operator.span;
        let rule = axis.clone();
        let bin = Typed::apply(vec![axis_value], KqlType::Long, Arc::new(move |cells| rule.bin_of(&cells[0])));
        let mut columns = table.columns.clone();
        columns.push(ColumnInfo::new(BIN, KqlType::Long));
        let frame = table.frame.clone().with_columns([bin.expression.alias(BIN)]).filter(named(BIN).is_not_null());
        let mut by = series.by.clone();
        let key = Name { text: BIN.to_string(), span: span.clone() };
        by.push(NamedExpr { names: vec![key], value: made(BIN, span) });
        let aggregates: Vec<NamedExpr> = series.items.iter().map(|item| item.value.clone()).collect();
        let summarize = Operator { kind: OperatorKind::Summarize { aggregates, by }, span: span.clone() };
        self.operator(table.with(frame, columns), &summarize, scope)
    }

    /// Start, width and number of the bins; ends that are not given come from the rows.
    fn axis(&self, table: &Table, value: Typed, series: &MakeSeries, scope: &Scope) -> Bound<Axis> {
        let outer = scope.without_rows();
        let kql_type = match value.kql_type {
            KqlType::Int | KqlType::Long => KqlType::Long,
            KqlType::Real | KqlType::Datetime | KqlType::Timespan => value.kql_type,
            KqlType::Dynamic if self.checking => KqlType::Long,
            other => {
                let message =
                    format!("the axis of `make-series` must be a number, datetime or timespan, this is a {other}");
                return Err(Diagnostic::new(codes::TYPE, series.axis.value.span.clone(), message));
            }
        };
        let step = self.scalar(&series.step, &outer)?;
        let from = series.from.as_ref().map(|from| self.scalar(from, &outer)).transpose()?;
        let to = series.to.as_ref().map(|to| self.scalar(to, &outer)).transpose()?;
        if self.checking {
            return Ok(Axis { kql_type, start: Cell::Null, step: Cell::Null, count: 0 });
        }
        let step_type = if kql_type == KqlType::Datetime { KqlType::Timespan } else { kql_type };
        let step_at = &series.step.span;
        let step = constant(step.converted(step_type), step_at)?;
        let wrong_step =
            || Diagnostic::new(codes::VALUE, step_at.clone(), "the step of `make-series` must be positive");
        if !step.real().is_some_and(|step| step > 0.0) {
            return Err(wrong_step());
        }
        let given = |bound: Option<Typed>, at: &Option<Ast>| -> Bound<Option<Value>> {
            match (bound, at) {
                (Some(bound), Some(at)) => constant(bound.converted(kql_type), &at.span).map(Some),
                _ => Ok(None),
            }
        };
        let (from, to) = (given(from, &series.from)?, given(to, &series.to)?);
        let (start, end) = match (from, to) {
            (Some(from), Some(to)) => (from, to),
            (from, to) => {
                let (least, most) = self.extremes(table, value, &series.axis.value.span)?;
                let below = |value: &Value| floored(value, &step);
                let start = from.unwrap_or_else(|| below(&least));
                let end = to.unwrap_or_else(|| added(&aligned_below(&most, &start, &step), &step));
                (start, end)
            }
        };
        let count = bins_between(&start, &end, &step);
        if count > MAX_BINS {
            let message = format!("the axis of `make-series` has more than {MAX_BINS} steps");
            return Err(Diagnostic::new(codes::VALUE, step_at.clone(), message));
        }
        Ok(Axis { kql_type, start, step, count: usize::try_from(count).unwrap_or(0) })
    }

    /// Smallest and largest value of the axis in the data.
    fn extremes(&self, table: &Table, value: Typed, span: &Span) -> Bound<(Value, Value)> {
        let column = value.expression;
        let ends = [column.clone().min().alias("least"), column.max().alias("most")];
        let frame = self.collected(table.frame.clone().select(ends), span)?;
        let cell = |at: usize| -> Bound<Value> {
            let series = frame.columns()[at].as_materialized_series().rechunk();
            let reader = rows::Reader::new(&series).map_err(plan_error(span))?;
            Ok(if series.is_empty() { Cell::Null } else { reader.get(0).into_owned() })
        };
        Ok((cell(0)?, cell(1)?))
    }
}

fn is_number(kql_type: KqlType) -> bool {
    matches!(kql_type, KqlType::Int | KqlType::Long | KqlType::Real | KqlType::Decimal)
}

fn constant(value: Typed, span: &Span) -> Bound<Value> {
    value.constant.ok_or_else(|| {
        Diagnostic::new(codes::VALUE, span.clone(), "the bounds and the step of `make-series` must be constants")
    })
}

/// `bin(value, step)`
fn floored(value: &Value, step: &Value) -> Value {
    aligned_below(value, &Cell::Long(0), step)
}

/// The largest `origin + n * step` that does not exceed `value`.
fn aligned_below(value: &Value, origin: &Value, step: &Value) -> Value {
    match (value, origin, step) {
        (Cell::Long(value), Cell::Long(origin), Cell::Long(step)) if *step > 0 => {
            let behind = i128::from(*value) - i128::from(*origin);
            let whole = behind.div_euclid(i128::from(*step)) * i128::from(*step) + i128::from(*origin);
            i64::try_from(whole).ok().into()
        }
        _ => match (value.real(), origin.real(), step.real()) {
            (Some(value), Some(origin), Some(step)) => (((value - origin) / step).floor() * step + origin).into(),
            _ => Cell::Null,
        },
    }
}

fn added(value: &Value, step: &Value) -> Value {
    match (value, step) {
        (Cell::Long(value), Cell::Long(step)) => value.checked_add(*step).into(),
        _ => value.real().zip(step.real()).map(|(value, step)| value + step).into(),
    }
}

fn bins_between(start: &Value, end: &Value, step: &Value) -> i64 {
    match (start, end, step) {
        (Cell::Long(start), Cell::Long(end), Cell::Long(step)) if *step > 0 => {
            let span = i128::from(*end) - i128::from(*start);
            let count = if span <= 0 { 0 } else { (span - 1) / i128::from(*step) + 1 };
            i64::try_from(count).unwrap_or(i64::MAX)
        }
        _ => match (start.real(), end.real(), step.real()) {
            (Some(start), Some(end), Some(step)) if end > start => ((end - start) / step).ceil() as i64,
            _ => 0,
        },
    }
}

impl Axis {
    /// Null for values outside the axis.
    fn bin_of(&self, value: &Cell<'_>) -> Value {
        let at = match (value, &self.start, &self.step) {
            (Cell::Long(value), Cell::Long(start), Cell::Long(step)) => {
                let behind = i128::from(*value) - i128::from(*start);
                i64::try_from(behind.div_euclid(i128::from(*step))).ok()
            }
            _ => match (value.real(), self.start.real(), self.step.real()) {
                (Some(value), Some(start), Some(step)) if value.is_finite() => {
                    Some(((value - start) / step).floor() as i64)
                }
                _ => None,
            },
        };
        at.filter(|at| usize::try_from(*at).is_ok_and(|at| at < self.count)).into()
    }

    fn values(&self) -> Json {
        let value = |at: usize| -> Value {
            match (&self.start, &self.step) {
                (Cell::Long(start), Cell::Long(step)) => {
                    i64::try_from(at).ok().and_then(|at| step.checked_mul(at)?.checked_add(*start)).into()
                }
                (start, step) => start.real().zip(step.real()).map(|(start, step)| start + step * at as f64).into(),
            }
        };
        Json::Array((0..self.count).map(|at| conversion::to_json(&value(at), self.kql_type)).collect())
    }
}

/// Rows per key and bin to one row per key.
struct Gather {
    inputs: Vec<ColumnInfo>,
    keys: usize,
    axis: Axis,
    fills: Vec<Json>,
    is_filled: bool,
}

impl Gather {
    fn run(&self, frame: &DataFrame, outputs: &[ColumnInfo]) -> PolarsResult<DataFrame> {
        let column = |info: &ColumnInfo| -> PolarsResult<Series> {
            Ok(frame.column(&info.name)?.as_materialized_series().rechunk())
        };
        let series = self.inputs.iter().map(column).collect::<PolarsResult<Vec<_>>>()?;
        let readers = series.iter().map(rows::Reader::new).collect::<PolarsResult<Vec<_>>>()?;
        let (keys, rest) = readers.split_at(self.keys);
        let (bin, values) = (&rest[0], &rest[1..]);
        let types = &self.inputs[self.keys + 1..];
        let mut order: PlHashMap<String, usize> = PlHashMap::new();
        let mut groups: Vec<(usize, Vec<Vec<Json>>)> = Vec::new();
        let empty =
            || -> Vec<Vec<Json>> { self.fills.iter().map(|fill| vec![fill.clone(); self.axis.count]).collect() };
        for row in 0..frame.height() {
            let key: String = keys.iter().map(|reader| format!("{:?}\u{1}", reader.get(row))).collect();
            let at = *order.entry(key).or_insert_with(|| {
                groups.push((row, empty()));
                groups.len() - 1
            });
            let Some(bin) = bin.get(row).long().and_then(|bin| usize::try_from(bin).ok()) else { continue };
            for ((array, value), info) in groups[at].1.iter_mut().zip(values).zip(types) {
                if let Some(slot) = array.get_mut(bin) {
                    *slot = conversion::to_json(&value.get(row), info.kql_type);
                }
            }
        }
        if groups.is_empty() && self.is_filled && self.keys == 0 {
            groups.push((0, empty()));
        }
        let mut columns: Vec<Column> = Vec::with_capacity(outputs.len());
        for (reader, info) in keys.iter().zip(outputs) {
            let cells = groups.iter().map(|(row, _)| reader.get(*row).into_owned());
            columns.push(rows::build(PlSmallStr::from_str(&info.name), info.kql_type, cells).into_column());
        }
        for (at, info) in outputs[self.keys..outputs.len() - 1].iter().enumerate() {
            let cells = groups.iter().map(|(_, arrays)| Value::from(Json::Array(arrays[at].clone())));
            columns.push(rows::build(PlSmallStr::from_str(&info.name), KqlType::Dynamic, cells).into_column());
        }
        let axis: Value = self.axis.values().into();
        let name = PlSmallStr::from_str(&outputs[outputs.len() - 1].name);
        let cells = groups.iter().map(|_| axis.clone());
        columns.push(rows::build(name, KqlType::Dynamic, cells).into_column());
        DataFrame::new(groups.len(), columns)
    }
}
