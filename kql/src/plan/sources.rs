//! Where rows come from: host tables, `datatable`, `range`, `print`.

use polars::prelude::*;
use serde_json::Value as Json;

use super::{Binder, Bound, ColumnInfo, Table, Typed, lets::Scope, names::Names, plan_error};
use crate::{
    ast::{Expr as Ast, KqlType, Name, NamedExpr},
    diagnostics::{Diagnostic, Span, codes},
    rows,
    ticks::{DAY, UNIX_EPOCH},
    value::{Cell, Value},
};

/// `range` beyond this is a slip of the keyboard.
const MAX_RANGE: usize = 10_000_000;

impl Binder<'_> {
    /// A table of the host; `None` if it has none of that name.
    pub(super) fn catalog_table(&self, name: &str, span: &Span) -> Bound<Option<Table>> {
        if self.checking
            && let Some(table) = self.declared_table(name)
        {
            return Ok(Some(table));
        }
        match self.catalog.table(name) {
            Ok(None) => {
                // A tabular function whose parameters all have defaults may be named like a table.
                let name = Name { text: name.to_string(), span: span.clone() };
                self.hosted_call(&name, &[], &Scope::default())
            }
            Ok(Some(frame)) => {
                let table = self.scanned(self.watch.over_table(frame), Some(name), span)?;
                self.in_timespan(self.texts_read(table, name)?, span).map(Some)
            }
            Err(problem) => Err(Diagnostic::new(
                codes::UNREADABLE_TABLE,
                span.clone(),
                format!("table `{name}` cannot be read: {problem}"),
            )),
        }
    }

    /// A frame that a tabular function of the host gave, with the types it declares.
    pub(super) fn host_frame(&self, frame: LazyFrame, declared: &[crate::Column], span: &Span) -> Bound<Table> {
        let mut table = self.scanned(self.watch.over_table(frame), None, span)?;
        for column in &mut table.columns {
            let tag = declared.iter().find(|declared| declared.name == column.name).map(|declared| declared.kql_type);
            if let Some(tag @ (KqlType::Dynamic | KqlType::Guid)) = tag
                && column.kql_type == KqlType::String
            {
                column.kql_type = tag;
                column.scanned = None;
            }
        }
        Ok(table)
    }

    pub(super) fn piped_input(&self, expression: &Ast) -> Bound<Table> {
        match &self.piped {
            Some(frame) => self.scanned(self.watch.over_table(frame.clone()), None, &expression.span),
            None => Err(Diagnostic::new(
                codes::SYNTAX,
                expression.span.clone(),
                "a query begins with a table; only a piped frame may begin with an operator",
            )),
        }
    }

    /// A host frame: columns stay as they are until something needs their values.
    fn scanned(&self, mut frame: LazyFrame, table: Option<&str>, span: &Span) -> Bound<Table> {
        let schema = frame.collect_schema().map_err(plan_error(span))?;
        if reads_much(&frame.logical_plan) {
            self.streams.set(true);
        }
        let columns = schema.iter().map(|(name, dtype)| {
            let declared = table.and_then(|table| self.catalog.column_type(table, name));
            let tag = declared.filter(|tag| matches!(tag, KqlType::Dynamic | KqlType::Guid));
            let kql_type = tag.filter(|_| *dtype == DataType::String).unwrap_or_else(|| kql_type_of(dtype));
            let needs_work = !(*dtype == rows::physical(kql_type) && kql_type != KqlType::String);
            ColumnInfo { scanned: needs_work.then(|| dtype.clone()), ..ColumnInfo::new(name.to_string(), kql_type) }
        });
        let columns = columns.collect();
        Ok(Table { name: table.map(str::to_string), ..Table::new(frame, columns) })
    }

    pub(super) fn datatable(
        &self,
        columns: &[(Name, KqlType)],
        values: &[Ast],
        span: &Span,
        scope: &Scope,
    ) -> Bound<Table> {
        let mut names = Names::default();
        for (name, _) in columns {
            if !names.claim(&name.text) {
                return Err(duplicate(name));
            }
        }
        if columns.is_empty() || !values.len().is_multiple_of(columns.len()) {
            let message = format!("{} value(s) do not fill rows of {} column(s)", values.len(), columns.len());
            return Err(Diagnostic::new(codes::VALUE, span.clone(), message));
        }
        let scope = scope.without_rows();
        let mut cells: Vec<Vec<Value>> = vec![Vec::with_capacity(values.len() / columns.len()); columns.len()];
        for (at, value) in values.iter().enumerate() {
            let (_, kql_type) = columns[at % columns.len()];
            let bound = self.scalar(value, &scope)?.converted(kql_type);
            let Some(cell) = bound.constant else {
                if self.checking {
                    continue;
                }
                return Err(Diagnostic::new(codes::VALUE, value.span.clone(), "a datatable holds constants only"));
            };
            cells[at % columns.len()].push(cell);
        }
        if self.checking {
            let columns = columns.iter().map(|(name, kql_type)| ColumnInfo::new(&name.text, *kql_type)).collect();
            return Ok(super::hosted::never_run(columns));
        }
        let height = values.len() / columns.len();
        let series = columns.iter().zip(cells).map(|((name, kql_type), cells)| {
            rows::build(PlSmallStr::from_str(&name.text), *kql_type, cells.into_iter()).into_column()
        });
        let frame = DataFrame::new(height, series.collect()).map_err(plan_error(span))?;
        let columns = columns.iter().map(|(name, kql_type)| ColumnInfo::new(&name.text, *kql_type)).collect();
        Ok(Table::new(frame.lazy(), columns))
    }

    pub(super) fn range(&self, column: &Name, from: &Ast, to: &Ast, step: &Ast, scope: &Scope) -> Bound<Table> {
        let scope = scope.without_rows();
        let (start, end, stride) = (self.scalar(from, &scope)?, self.scalar(to, &scope)?, self.scalar(step, &scope)?);
        let kql_type = match (start.kql_type, stride.kql_type) {
            (KqlType::Datetime, KqlType::Timespan) => KqlType::Datetime,
            (KqlType::Timespan, KqlType::Timespan) => KqlType::Timespan,
            (KqlType::Real, _) | (_, KqlType::Real) => KqlType::Real,
            (KqlType::Int | KqlType::Long, KqlType::Int | KqlType::Long) => KqlType::Long,
            (from_type, KqlType::Dynamic) | (KqlType::Dynamic, from_type) if self.checking => from_type,
            (from_type, step_type) => {
                let message = format!("`range` cannot step from a {from_type} by a {step_type}");
                return Err(Diagnostic::new(codes::TYPE, step.span.clone(), message));
            }
        };
        if self.checking {
            return Ok(super::hosted::never_run(vec![ColumnInfo::new(&column.text, kql_type)]));
        }
        let constant = |value: Typed, at: &Ast| {
            value.constant.ok_or_else(|| Diagnostic::new(codes::VALUE, at.span.clone(), "`range` needs constants"))
        };
        let (start, end, stride) = (constant(start, from)?, constant(end, to)?, constant(stride, step)?);
        let cells = range_cells(&start, &end, &stride).ok_or_else(|| {
            Diagnostic::new(
                codes::VALUE,
                step.span.clone(),
                format!("this range has more than {MAX_RANGE} rows or never ends"),
            )
        })?;
        let height = cells.len();
        let series = rows::build(PlSmallStr::from_str(&column.text), kql_type, cells.into_iter());
        let frame = DataFrame::new(height, vec![series.into_column()]).map_err(plan_error(&column.span))?;
        let columns = vec![ColumnInfo::new(&column.text, kql_type)];
        Ok(Table { serialized: true, ..Table::new(frame.lazy(), columns) })
    }

    pub(super) fn print(&self, values: &[NamedExpr], scope: &Scope) -> Bound<Table> {
        let scope = scope.without_rows();
        let mut names = Names::default();
        for name in values.iter().flat_map(|value| &value.names) {
            if !names.claim(&name.text) {
                return Err(duplicate(name));
            }
        }
        let mut columns = Vec::new();
        for (at, value) in values.iter().enumerate() {
            if let Some(mut parts) = self.spread(value, &mut names, &scope)? {
                // One name asks for one value.
                if value.names.len() == 1 {
                    parts.truncate(1);
                }
                columns.extend(parts);
                continue;
            }
            let name = match value.names.first() {
                Some(name) => name.text.clone(),
                None => names.unique(&format!("print_{at}")),
            };
            columns.push((name, self.scalar(&value.value, &scope)?));
        }
        Ok(single_row(columns))
    }
}

/// One row of computed values.
pub(super) fn single_row(values: Vec<(String, Typed)>) -> Table {
    let columns = values.iter().map(|(name, value)| ColumnInfo::new(name, value.kql_type)).collect();
    let expressions: Vec<Expr> =
        values.into_iter().map(|(name, value)| value.expression.alias(name.as_str())).collect();
    let row = Series::new("one row".into(), [0i64]).into_frame();
    Table::new(row.lazy().select(expressions), columns)
}

/// The same column claimed twice in one operator.
pub(super) fn duplicate(name: &Name) -> Diagnostic {
    Diagnostic::new(codes::DUPLICATE, name.span.clone(), format!("the column `{}` is named twice", name.text))
        .with_hint("give one of them another name")
}

fn range_cells(start: &Value, end: &Value, step: &Value) -> Option<Vec<Value>> {
    if start.is_null() || end.is_null() || step.is_null() {
        return Some(Vec::new());
    }
    if let (Cell::Long(start), Cell::Long(end), Cell::Long(step)) = (start, end, step) {
        let (start, end, step) = (i128::from(*start), i128::from(*end), i128::from(*step));
        let count = if step == 0 { return None } else { (end - start).div_euclid(step) + 1 };
        let count = if (end - start) * step.signum() < 0 {
            0
        } else if step < 0 {
            (start - end) / -step + 1
        } else {
            count
        };
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_RANGE)?;
        return Some((0..count).map(|at| ((start + step * at as i128) as i64).into()).collect());
    }
    let (start, end, step) = (start.real()?, end.real()?, step.real()?);
    let count = ((end - start) / step).floor() + 1.0;
    if step == 0.0 || !count.is_finite() || count > MAX_RANGE as f64 {
        return None;
    }
    Some((0..count.max(0.0) as usize).map(|at| (start + step * at as f64).into()).collect())
}

/// Frames up to this many rows are run in memory, where rows keep their order.
const SMALL: usize = 1_000_000;

/// Whether a plan reads files or a large frame. What is unknown may be large.
fn reads_much(plan: &DslPlan) -> bool {
    match plan {
        DslPlan::DataFrameScan { df, .. } => df.height() > SMALL,
        DslPlan::Filter { input, .. }
        | DslPlan::Select { input, .. }
        | DslPlan::HStack { input, .. }
        | DslPlan::Slice { input, .. }
        | DslPlan::Sort { input, .. }
        | DslPlan::GroupBy { input, .. }
        | DslPlan::Distinct { input, .. }
        | DslPlan::MapFunction { input, .. }
        | DslPlan::Cache { input, .. } => reads_much(input),
        DslPlan::Join { input_left, input_right, .. } => reads_much(input_left) || reads_much(input_right),
        DslPlan::Union { inputs, .. } | DslPlan::HConcat { inputs, .. } => inputs.iter().any(reads_much),
        _ => true,
    }
}

/// The KQL type a polars column is read as.
fn kql_type_of(dtype: &DataType) -> KqlType {
    match dtype {
        DataType::Boolean => KqlType::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => KqlType::Int,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => KqlType::Long,
        DataType::Float32 | DataType::Float64 | DataType::Decimal(..) => KqlType::Real,
        DataType::Date | DataType::Datetime(..) => KqlType::Datetime,
        DataType::Duration(_) | DataType::Time => KqlType::Timespan,
        DataType::String => KqlType::String,
        _ => KqlType::Dynamic,
    }
}

/// A scanned column in the engine's physical form.
pub(super) fn physical_form(column: Expr, dtype: &DataType) -> Expr {
    let ticks = |unit: &TimeUnit| {
        let raw = column.clone().cast(DataType::Int64);
        match unit {
            TimeUnit::Nanoseconds => raw.floor_div(lit(100i64)),
            TimeUnit::Microseconds => raw * lit(10i64),
            TimeUnit::Milliseconds => raw * lit(10_000i64),
        }
    };
    match dtype {
        DataType::String => column.fill_null(lit("")),
        DataType::Datetime(unit, _) => ticks(unit) + lit(UNIX_EPOCH),
        DataType::Duration(unit) => ticks(unit),
        DataType::Time => ticks(&TimeUnit::Nanoseconds),
        DataType::Date => column.cast(DataType::Int32).cast(DataType::Int64) * lit(DAY) + lit(UNIX_EPOCH),
        DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::Float64 => column,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => column.cast(DataType::Int32),
        DataType::UInt32 | DataType::UInt64 => column.strict_cast(DataType::Int64),
        DataType::Float32 | DataType::Decimal(..) => column.cast(DataType::Float64),
        _ => column.map(nested_to_json, |_, field| Ok(Field::new(field.name().clone(), DataType::String))),
    }
}

/// Lists, structs and whatever else polars holds, as JSON text.
fn nested_to_json(column: Column) -> PolarsResult<Column> {
    let series = column.as_materialized_series();
    let texts = (0..series.len()).map(|row| {
        let value = series.get(row).map_or(Json::Null, |value| json_of(&value));
        if value.is_null() { None } else { Some(value.to_string()) }
    });
    Ok(texts.collect::<StringChunked>().with_name(series.name().clone()).into_column())
}

fn json_of(value: &AnyValue<'_>) -> Json {
    match value {
        AnyValue::Null => Json::Null,
        AnyValue::Boolean(value) => Json::Bool(*value),
        AnyValue::String(text) => Json::from(*text),
        AnyValue::StringOwned(text) => Json::from(text.as_str()),
        AnyValue::List(items) => Json::Array(items.iter().map(|item| json_of(&item)).collect()),
        AnyValue::Struct(..) | AnyValue::StructOwned(_) => match value.clone().into_static() {
            AnyValue::StructOwned(parts) => Json::Object(
                parts.1.iter().zip(&parts.0).map(|(field, value)| (field.name().to_string(), json_of(value))).collect(),
            ),
            _ => Json::Null,
        },
        other if other.is_integer() => other.extract::<i64>().map_or(Json::Null, Json::from),
        other if other.is_float() => {
            other.extract::<f64>().and_then(serde_json::Number::from_f64).map_or(Json::Null, Json::Number)
        }
        other => Json::from(other.to_string()),
    }
}
