//! Runs a Rust function over the rows of polars columns, inside a polars expression.
//!
//! Kusto's rules on nulls, terms, ticks and JSON rarely agree with the polars function of the same
//! name. One row function states a rule once; the planner uses native expressions only where
//! both agree, which is where speed and pushdown matter (comparisons, boolean logic, sums).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use polars::prelude::*;

use crate::{
    ast::KqlType,
    functions::text_match::TextTest,
    limits::{self, Watch},
    value::{Cell, Value, null_of},
};

/// Rows between two looks at whether the query was stopped.
const BETWEEN_CHECKS: usize = 8192;

/// Cells of one row to one cell.
pub(crate) type RowFunction = Arc<dyn Fn(&[Cell<'_>]) -> Value + Send + Sync>;

/// How the engine holds a type while a query runs. Datetimes and timespans are ticks, so that
/// every year from 0001 to 9999 fits without rounding.
pub(crate) fn physical(kql_type: KqlType) -> DataType {
    match kql_type {
        KqlType::Bool => DataType::Boolean,
        KqlType::Int => DataType::Int32,
        KqlType::Long | KqlType::Datetime | KqlType::Timespan => DataType::Int64,
        KqlType::Real => DataType::Float64,
        // Decimals are exact, and polars' have one scale per column: they travel as canonical text.
        KqlType::String | KqlType::Guid | KqlType::Dynamic | KqlType::Decimal => DataType::String,
    }
}

/// A column by its exact name: `col` would expand `*` and `^...$`, which are legal KQL names.
pub(crate) fn named(name: impl AsRef<str>) -> Expr {
    Expr::Column(PlSmallStr::from_str(name.as_ref()))
}

/// A constant as a polars literal of the physical type.
pub(crate) fn literal(value: &Value, kql_type: KqlType) -> Expr {
    let scalar = match (value, kql_type) {
        (Cell::Null, _) => Scalar::null(physical(kql_type)),
        (Cell::Bool(value), _) => Scalar::from(*value),
        (Cell::Long(value), KqlType::Int) => Scalar::from(*value as i32),
        (Cell::Long(value), KqlType::Real) => Scalar::from(*value as f64),
        (Cell::Long(value), _) => Scalar::from(*value),
        (Cell::Real(value), _) => Scalar::from(*value),
        (Cell::Str(text), _) => Scalar::from(PlSmallStr::from_str(text)),
    };
    Expr::Literal(LiteralValue::Scalar(scalar))
}

/// Runs a plan: in batches that need not all be in memory, or at once with the rows in their order.
pub(crate) fn collect(frame: LazyFrame, streams: bool) -> PolarsResult<DataFrame> {
    let engine = if streams { Engine::Streaming } else { Engine::InMemory };
    // polars panics where an error has no way out of a scan: the query is lost, the host is not.
    let run = AssertUnwindSafe(|| frame.collect_with_engine(engine).map(|result| result.unwrap_single()));
    catch_unwind(run).unwrap_or_else(|_| {
        Err(polars_err!(ComputeError: "the query crashed while it ran; its tables are unharmed. Please report it"))
    })
}

/// An input of a row function: a column, or a constant that is not copied per row.
pub(crate) enum Input {
    Column(Expr),
    Constant(Value),
}

/// The expression that applies `function` to every row.
pub(crate) fn map_rows(inputs: Vec<Input>, output: KqlType, function: RowFunction) -> Expr {
    let mut expressions = Vec::new();
    let mut template: Vec<Option<Value>> = Vec::new();
    for input in inputs {
        match input {
            Input::Column(expression) => {
                expressions.push(expression);
                template.push(None);
            }
            Input::Constant(value) => template.push(Some(value)),
        }
    }
    let Some((first, others)) = expressions.split_first() else {
        let cells: Vec<Cell<'_>> = template.iter().flatten().map(Cell::borrowed).collect();
        return literal(&function(&cells), output);
    };
    let watch = limits::planned();
    let run = move |columns: &mut [Column]| run(columns, &template, output, &function, watch.as_deref());
    let field = move |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), physical(output)));
    first.clone().map_many(run, others, field)
}

fn run(
    columns: &[Column],
    template: &[Option<Value>],
    output: KqlType,
    function: &RowFunction,
    watch: Option<&Watch>,
) -> PolarsResult<Column> {
    let series: Vec<Series> = columns.iter().map(|column| column.as_materialized_series().rechunk()).collect();
    let readers = series.iter().map(Reader::new).collect::<PolarsResult<Vec<_>>>()?;
    let height = if series.iter().any(|series| series.is_empty()) {
        0
    } else {
        series.iter().map(|series| series.len()).max().unwrap_or(0)
    };
    let mut cells: Vec<Cell<'_>> = Vec::with_capacity(template.len());
    let mut stopped = false;
    let rows = (0..height).map(|row| {
        // An error inside a scan is a panic of polars, so that a stopped query runs out on nulls: the watch has kept
        // the reason, and no result comes of it. Conditions hold instead, so that rows reach the watcher behind the
        // scan, whose error ends it; with nothing kept, the scan would go on to its end.
        if row.is_multiple_of(BETWEEN_CHECKS) {
            stopped = watch.is_some_and(|watch| watch.check().is_err());
        }
        if stopped {
            return if output == KqlType::Bool { true.into() } else { Cell::Null };
        }
        cells.clear();
        let mut next = readers.iter();
        for slot in template {
            match slot {
                Some(constant) => cells.push(constant.borrowed()),
                None => cells.extend(next.next().map(|reader| reader.get(row))),
            }
        }
        function(&cells)
    });
    let name = columns[0].name().clone();
    Ok(build(name, output, rows).into_column())
}

/// A test of every text of a column. A null reads as the empty text; the answer is never null.
pub(crate) fn test_texts(text: Expr, test: TextTest) -> Expr {
    let watch = limits::planned();
    let run = move |column: Column| -> PolarsResult<Column> {
        let texts = column.str()?;
        if watch.as_ref().is_some_and(|watch| watch.check().is_err()) {
            return Ok(BooleanChunked::full(column.name().clone(), true, texts.len()).into_column());
        }
        let empty = test("");
        let hits: BooleanChunked = texts.iter().map(|text| text.map_or(empty, |text| test(text))).collect();
        Ok(hits.with_name(column.name().clone()).into_column())
    };
    text.map(run, |_, field| Ok(Field::new(field.name().clone(), DataType::Boolean)))
}

/// Collects cells into a column of the physical type.
pub(crate) fn build(name: PlSmallStr, kql_type: KqlType, rows: impl Iterator<Item = Value>) -> Series {
    match kql_type {
        KqlType::Bool => rows.map(|cell| cell.boolean()).collect::<BooleanChunked>().with_name(name).into_series(),
        KqlType::Int => rows
            .map(|cell| cell.long().map(|value| value as i32))
            .collect::<Int32Chunked>()
            .with_name(name)
            .into_series(),
        KqlType::Long | KqlType::Datetime | KqlType::Timespan => {
            rows.map(|cell| cell.long()).collect::<Int64Chunked>().with_name(name).into_series()
        }
        KqlType::Real => rows.map(|cell| cell.real()).collect::<Float64Chunked>().with_name(name).into_series(),
        KqlType::String | KqlType::Guid | KqlType::Dynamic | KqlType::Decimal => {
            let null = null_of(kql_type);
            let texts = rows.map(|cell| match if cell.is_null() { null.clone() } else { cell } {
                Cell::Str(text) => Some(text),
                _ => None,
            });
            texts.collect::<StringChunked>().with_name(name).into_series()
        }
    }
}

/// Reads cells of a physical column; a column of one row stands for that row everywhere.
pub(crate) enum Reader<'a> {
    Null,
    Bool(&'a BooleanChunked),
    Int(&'a Int32Chunked),
    Long(&'a Int64Chunked),
    Real(&'a Float64Chunked),
    Str(&'a StringChunked),
    Once(Box<Reader<'a>>),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(series: &'a Series) -> PolarsResult<Self> {
        let reader = match series.dtype() {
            DataType::Null => Reader::Null,
            DataType::Boolean => Reader::Bool(series.bool()?),
            DataType::Int32 => Reader::Int(series.i32()?),
            DataType::Int64 => Reader::Long(series.i64()?),
            DataType::Float64 => Reader::Real(series.f64()?),
            DataType::String => Reader::Str(series.str()?),
            other => polars_bail!(ComputeError: "KQL functions cannot read a column of type {other}"),
        };
        Ok(if series.len() == 1 { Reader::Once(Box::new(reader)) } else { reader })
    }

    pub(crate) fn get(&self, row: usize) -> Cell<'a> {
        match self {
            Reader::Null => Cell::Null,
            Reader::Bool(column) => column.get(row).map_or(Cell::Null, Cell::Bool),
            Reader::Int(column) => column.get(row).map_or(Cell::Null, |value| Cell::Long(value.into())),
            Reader::Long(column) => column.get(row).map_or(Cell::Null, Cell::Long),
            Reader::Real(column) => column.get(row).map_or(Cell::Null, Cell::Real),
            Reader::Str(column) => column.get(row).map_or(Cell::Null, |text| Cell::Str(text.into())),
            Reader::Once(column) => column.get(0),
        }
    }
}

/// A function over all values of a group, given as lists of equal length: the exotic aggregates.
pub(crate) fn map_lists(
    lists: Vec<Expr>,
    output: KqlType,
    function: impl Fn(&[Vec<Cell<'_>>]) -> Value + Send + Sync + 'static,
) -> Expr {
    let watch = limits::planned();
    let run = move |columns: &mut [Column]| -> PolarsResult<Column> {
        if let Some(watch) = &watch {
            watch.check_batch()?;
        }
        let series: Vec<&Series> = columns.iter().map(|column| column.as_materialized_series()).collect();
        let lists = series.iter().map(|series| series.list()).collect::<PolarsResult<Vec<_>>>()?;
        let height = lists.iter().map(|list| list.len()).max().unwrap_or(0);
        let mut rows = Vec::with_capacity(height);
        for row in 0..height {
            let groups: Vec<Option<Series>> =
                lists.iter().map(|list| list.get_as_series(row).map(|values| values.rechunk())).collect();
            let mut cells: Vec<Vec<Cell<'_>>> = Vec::with_capacity(groups.len());
            for group in &groups {
                cells.push(match group {
                    None => Vec::new(),
                    Some(values) => {
                        let reader = Reader::new(values)?;
                        (0..values.len()).map(|at| reader.get(at)).collect()
                    }
                });
            }
            rows.push(function(&cells));
        }
        Ok(build(columns[0].name().clone(), output, rows.into_iter()).into_column())
    };
    let field = move |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), physical(output)));
    let mut lists = lists.into_iter();
    let Some(first) = lists.next() else { return literal(&Cell::Null, output) };
    let others: Vec<Expr> = lists.collect();
    first.map_many(run, &others, field)
}
