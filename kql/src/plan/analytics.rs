//! `evaluate` plug-ins that count over time: rolling percentiles, sliding windows, sequences, and
//! intersections of sketches.

use std::collections::{BTreeMap, HashMap, HashSet};

use polars::prelude::*;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed, calls, folded,
    hosted::never_run,
    lets::Scope,
    names::{self, Names},
    plan_error,
};
use crate::{
    ast::{Argument, Expr as Ast, KqlType, Name},
    diagnostics::{Diagnostic, Span, codes},
    rows::{self, named},
    value::{Cell, Value},
};

/// Rows that a plug-in may give; more is a slip in its windows.
const MAX_ROWS: usize = 10_000_000;

impl Binder<'_> {
    /// `rolling_percentile(value, percent, index, bin, bins per window, dimension...)`
    pub(super) fn rolling_percentile(&self, table: Table, call: &Call<'_>, scope: &Scope) -> Bound<Table> {
        let rows_scope = scope.with_rows(&table.columns);
        call.needs(5)?;
        let value = self.scalar(call.at(0), &rows_scope)?;
        let value_type = match value.kql_type {
            KqlType::Int => KqlType::Long,
            KqlType::Long | KqlType::Real | KqlType::Datetime | KqlType::Timespan => value.kql_type,
            other => return Err(call.wrong(0, format!("percentiles are of numbers or times, this is a {other}"))),
        };
        let percent = self.constant(call.at(1), scope)?.real().filter(|percent| (0.0..=100.0).contains(percent));
        let percent = percent.or(self.checking.then_some(50.0));
        let percent = percent.ok_or_else(|| call.wrong(1, "a percentile lies between 0 and 100".into()))?;
        let index = self.scalar(call.at(2), &rows_scope)?;
        let step = self.step(call, 3, &index, scope)?;
        let width = self.constant(call.at(4), scope)?.long().filter(|width| (1..=1_000_000).contains(width));
        let width = width.or(self.checking.then_some(1));
        let width = width.ok_or_else(|| call.wrong(4, "the number of bins is a whole number from 1 on".into()))?;
        let dimensions = self.dimensions(call, 5, &rows_scope)?;
        let name = |at: usize, default: &str| names::derived(call.at(at)).unwrap_or_else(|| default.to_string());
        let mut names = Names::default();
        let mut columns = vec![ColumnInfo::new(names.unique(&name(2, "Column1")), index.kql_type)];
        columns.extend(dimensions.iter().map(|(name, value)| ColumnInfo::new(names.unique(name), value.kql_type)));
        let percent_name = percent.to_string().replace('.', "_");
        let result = format!("rolling_{width}_percentile_{}_{percent_name}", name(0, "Column1"));
        columns.push(ColumnInfo::new(names.unique(&result), value_type));
        if self.checking {
            return Ok(never_run(columns));
        }
        let mut values = vec![value.converted(value_type), index];
        values.extend(dimensions.into_iter().map(|(_, value)| value));
        let grid = Grid::collect(self, &table, values, &call.span)?;
        // Per combination of dimensions, the values of each bin.
        let mut groups: Groups<BTreeMap<i64, Vec<Value>>> = Groups::default();
        for row in 0..grid.height {
            let Some(bin) = step.bin_of(&grid.cell(1, row)) else { continue };
            let value = grid.cell(0, row);
            let bins = groups.of(grid.key(2.., row));
            let bin = bins.entry(bin).or_default();
            if !value.is_null() {
                bin.push(value);
            }
        }
        let mut output = Vec::new();
        for (key, bins) in groups.into_rows() {
            let (Some(first), Some(last)) = (bins.keys().next().copied(), bins.keys().next_back().copied()) else {
                continue;
            };
            limit(output.len(), last.saturating_sub(first), &call.span)?;
            for bin in first..=last {
                let window: Vec<Cell<'_>> = bins
                    .range(bin.saturating_sub(width - 1)..=bin)
                    .flat_map(|(_, values)| values.iter().map(Cell::borrowed))
                    .collect();
                if window.is_empty() {
                    continue;
                }
                let mut row = vec![step.start_of(bin)];
                row.extend(key.iter().cloned());
                row.push(folded::weighted_rank(&[window], percent));
                output.push(row);
            }
        }
        call.table(&table, columns, output)
    }

    /// `sliding_window_counts(id, time, start, end, window, bin, dimension...)`
    pub(super) fn sliding_window_counts(&self, table: Table, call: &Call<'_>, scope: &Scope) -> Bound<Table> {
        let rows_scope = scope.with_rows(&table.columns);
        call.needs(6)?;
        let id = self.scalar(call.at(0), &rows_scope)?;
        let time = self.scalar(call.at(1), &rows_scope)?;
        let step = self.step(call, 5, &time, scope)?;
        let dimensions = self.dimensions(call, 6, &rows_scope)?;
        let mut names = Names::default();
        let time_name = names::derived(call.at(1)).unwrap_or_else(|| "Column1".to_string());
        let mut columns = vec![ColumnInfo::new(names.unique(&time_name), time.kql_type)];
        columns.extend(dimensions.iter().map(|(name, value)| ColumnInfo::new(names.unique(name), value.kql_type)));
        columns.push(ColumnInfo::new(names.unique("Count"), KqlType::Long));
        columns.push(ColumnInfo::new(names.unique("Dcount"), KqlType::Long));
        if self.checking {
            return Ok(never_run(columns));
        }
        let bound = |at: usize| -> Bound<i64> {
            let bound = self.scalar(call.at(at), &scope.without_rows())?.converted(time.kql_type);
            let ticks = bound.constant.as_ref().and_then(|bound| step.bin_of(bound));
            ticks.ok_or_else(|| call.wrong(at, "start and end are constants of the type of the timeline".into()))
        };
        let (start, end) = (bound(2)?, bound(3)?);
        let window = self.step(call, 4, &time, scope)?.ratio_to(&step);
        let window = window.ok_or_else(|| call.wrong(4, "the window is a multiple of the bin".into()))?;
        let mut values = vec![id, time];
        values.extend(dimensions.into_iter().map(|(_, value)| value));
        let grid = Grid::collect(self, &table, values, &call.span)?;
        let mut groups: Groups<BTreeMap<i64, Vec<String>>> = Groups::default();
        for row in 0..grid.height {
            let Some(bin) = step.bin_of(&grid.cell(1, row)) else { continue };
            let id = format!("{:?}", grid.cell(0, row));
            groups.of(grid.key(2.., row)).entry(bin).or_default().push(id);
        }
        let mut output = Vec::new();
        for (key, bins) in groups.into_rows() {
            limit(output.len(), end.saturating_sub(start), &call.span)?;
            for bin in start..=end {
                let ids = bins.range(bin.saturating_sub(window - 1)..=bin).flat_map(|(_, ids)| ids);
                let (mut count, mut distinct) = (0i64, HashSet::new());
                for id in ids {
                    count += 1;
                    distinct.insert(id);
                }
                if count > 0 {
                    let mut row = vec![step.start_of(bin)];
                    row.extend(key.iter().cloned());
                    row.extend([Cell::Long(count), Cell::Long(distinct.len() as i64)]);
                    output.push(row);
                }
            }
        }
        output.sort_by(|a, b| order(&a[0], &b[0]));
        call.table(&table, columns, output)
    }

    /// `sequence_detect(time, longest step, longest span, name = condition, ..., dimension...)`: every
    /// way in which rows that meet the conditions follow one another in time.
    pub(super) fn sequence_detect(&self, table: Table, call: &Call<'_>, scope: &Scope) -> Bound<Table> {
        let rows_scope = scope.with_rows(&table.columns);
        call.needs(4)?;
        let time = self.scalar(call.at(0), &rows_scope)?;
        let mut steps = Vec::new();
        let mut dimensions = Vec::new();
        for argument in &call.arguments[3..] {
            let value = self.scalar(&argument.value, &rows_scope)?;
            let given = argument.name.as_ref().map(|name| name.text.clone());
            // Conditions come first; a bool behind them is a dimension.
            if value.kql_type == KqlType::Bool && dimensions.is_empty() {
                steps.push((given.unwrap_or_else(|| format!("expr{}", steps.len())), value));
            } else {
                let name = given.or_else(|| names::derived(&argument.value));
                dimensions.push((name.unwrap_or_else(|| format!("Column{}", dimensions.len() + 1)), value));
            }
        }
        if steps.is_empty() {
            return Err(call.wrong(3, "at least one condition is needed, such as e1 = (Column == 'value')".into()));
        }
        let time_name = names::derived(call.at(0)).unwrap_or_else(|| "Column1".to_string());
        let span_type = if time.kql_type == KqlType::Datetime { KqlType::Timespan } else { time.kql_type };
        let mut names = Names::default();
        let mut columns: Vec<ColumnInfo> =
            dimensions.iter().map(|(name, value)| ColumnInfo::new(names.unique(name), value.kql_type)).collect();
        columns.extend(
            steps.iter().map(|(name, _)| ColumnInfo::new(names.unique(&format!("{name}_{time_name}")), time.kql_type)),
        );
        columns.push(ColumnInfo::new(names.unique("Duration"), span_type));
        if self.checking {
            return Ok(never_run(columns));
        }
        let longest = |at: usize| -> Bound<f64> {
            let value = self.scalar(call.at(at), &scope.without_rows())?.converted(span_type);
            let longest = value.constant.as_ref().and_then(Cell::real);
            longest.ok_or_else(|| call.wrong(at, format!("a constant {span_type} is needed here")))
        };
        let (longest_step, longest_span) = (longest(1)?, longest(2)?);
        let (count, of_dimensions) = (steps.len(), 1 + steps.len());
        let mut values = vec![time];
        values.extend(steps.into_iter().chain(dimensions).map(|(_, value)| value));
        let grid = Grid::collect(self, &table, values, &call.span)?;
        let mut groups: Groups<Vec<Vec<Value>>> = Groups::default();
        for row in 0..grid.height {
            let time = grid.cell(0, row);
            if time.is_null() {
                continue;
            }
            let hits = groups.of(grid.key(of_dimensions.., row));
            hits.resize(count, Vec::new());
            for (step, hits) in hits.iter_mut().enumerate() {
                if grid.cell(1 + step, row).boolean() == Some(true) {
                    hits.push(time.clone());
                }
            }
        }
        let mut output = Vec::new();
        for (key, mut hits) in groups.into_rows() {
            hits.iter_mut().for_each(|times| times.sort_by(order));
            let mut found = Vec::new();
            for first in &hits[0] {
                follow(&hits, vec![first.clone()], longest_step, longest_span, &mut found);
                limit(output.len(), found.len() as i64, &call.span)?;
            }
            for times in found {
                let duration = distance(&times[0], &times[count - 1]);
                let mut row = key.clone();
                row.extend(times);
                row.push(duration);
                output.push(row);
            }
        }
        call.table(&table, columns, output)
    }

    /// `dcount_intersect(sketch, sketch, ...)`: sizes of the first set, of what it shares with the
    /// second, of what these share with the third, ...
    pub(super) fn dcount_intersect(&self, table: Table, call: &Call<'_>, scope: &Scope) -> Bound<Table> {
        if !(2..=16).contains(&call.arguments.len()) {
            return Err(calls::wrong_count(call.name, 2, 16, call.arguments.len()));
        }
        let rows_scope = scope.with_rows(&table.columns);
        let mut sketches = Vec::new();
        for argument in call.arguments {
            sketches.push(self.checked(crate::functions::Kind::Dynamic, call.name, &argument.value, &rows_scope)?);
        }
        let columns: Vec<ColumnInfo> =
            (0..sketches.len()).map(|at| ColumnInfo::new(format!("s{at}"), KqlType::Long)).collect();
        if self.checking {
            return Ok(never_run(columns));
        }
        let expressions: Vec<Expr> = (0..sketches.len())
            .map(|at| {
                let function = |cells: &[Cell<'_>]| folded::hll_intersection(cells);
                let shared = Typed::apply(sketches[..=at].to_vec(), KqlType::Long, std::sync::Arc::new(function));
                shared.expression.alias(format!("s{at}"))
            })
            .collect();
        Ok(table.with(table.frame.clone().select(expressions), columns))
    }

    /// A positive constant that divides the timeline into bins.
    fn step(&self, call: &Call<'_>, at: usize, timeline: &Typed, scope: &Scope) -> Bound<Step> {
        let kql_type = if timeline.kql_type == KqlType::Datetime { KqlType::Timespan } else { timeline.kql_type };
        let given = self.scalar(call.at(at), &scope.without_rows())?;
        let fits = given.kql_type == kql_type
            || !matches!(kql_type, KqlType::Timespan)
                && matches!(given.kql_type, KqlType::Int | KqlType::Long | KqlType::Real);
        let size = given.converted(kql_type).constant.filter(|_| fits);
        match (size, kql_type) {
            (_, _) if self.checking => Ok(Step::Whole(1)),
            (Some(Cell::Long(size)), _) if size > 0 => Ok(Step::Whole(size)),
            (Some(Cell::Real(size)), _) if size > 0.0 => Ok(Step::Real(size)),
            _ => Err(call.wrong(at, format!("a positive constant {kql_type} is needed here"))),
        }
    }

    fn dimensions(&self, call: &Call<'_>, from: usize, scope: &Scope) -> Bound<Vec<(String, Typed)>> {
        let mut dimensions = Vec::new();
        for argument in call.arguments.iter().skip(from) {
            let given = argument.name.as_ref().map(|name| name.text.clone());
            let name = given.or_else(|| names::derived(&argument.value));
            let name = name.unwrap_or_else(|| format!("Column{}", dimensions.len() + 1));
            dimensions.push((name, self.scalar(&argument.value, scope)?));
        }
        Ok(dimensions)
    }
}

/// Goes on with each row of the next step that comes later and not too late.
fn follow(hits: &[Vec<Value>], so_far: Vec<Value>, longest_step: f64, longest_span: f64, found: &mut Vec<Vec<Value>>) {
    if found.len() > MAX_ROWS {
        return;
    }
    let Some(next) = hits.get(so_far.len()) else {
        found.push(so_far);
        return;
    };
    let last = &so_far[so_far.len() - 1];
    let later = next.partition_point(|time| order(time, last) != std::cmp::Ordering::Greater);
    for time in &next[later..] {
        let apart = |from: &Value| distance(from, time).real().unwrap_or(f64::INFINITY);
        if apart(last) > longest_step || apart(&so_far[0]) > longest_span {
            break;
        }
        let mut longer = so_far.clone();
        longer.push(time.clone());
        follow(hits, longer, longest_step, longest_span, found);
    }
}

fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Cell::Long(a), Cell::Long(b)) => a.cmp(b),
        _ => a.real().unwrap_or(f64::NAN).total_cmp(&b.real().unwrap_or(f64::NAN)),
    }
}

fn distance(from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Cell::Long(from), Cell::Long(to)) => to.saturating_sub(*from).into(),
        _ => from.real().zip(to.real()).map(|(from, to)| to - from).into(),
    }
}

fn limit(given: usize, more: i64, span: &Span) -> Bound<()> {
    if (given as i64).saturating_add(more) <= MAX_ROWS as i64 {
        return Ok(());
    }
    let message = format!("the result would have more than {MAX_ROWS} rows");
    Err(Diagnostic::new(codes::VALUE, span.clone(), message).with_hint("use larger bins or shorter windows"))
}

/// How wide a bin is.
enum Step {
    Whole(i64),
    Real(f64),
}

impl Step {
    /// The number of the bin that a value lies in.
    fn bin_of(&self, value: &Cell<'_>) -> Option<i64> {
        match (value, self) {
            (Cell::Long(value), Step::Whole(size)) => Some(value.div_euclid(*size)),
            (value, Step::Whole(size)) => value.real().map(|value| (value / *size as f64).floor() as i64),
            (value, Step::Real(size)) => value.real().map(|value| (value / size).floor() as i64),
        }
    }

    fn start_of(&self, bin: i64) -> Value {
        match self {
            Step::Whole(size) => bin.saturating_mul(*size).into(),
            Step::Real(size) => (bin as f64 * size).into(),
        }
    }

    /// How many of the other steps make this one, if they do.
    fn ratio_to(&self, other: &Step) -> Option<i64> {
        match (self, other) {
            (Step::Whole(size), Step::Whole(other)) => (size % other == 0).then(|| size / other),
            (Step::Real(size), Step::Real(other)) => ((size / other).fract() == 0.0).then(|| (size / other) as i64),
            _ => None,
        }
    }
}

/// A call of a plug-in.
pub(super) struct Call<'a> {
    pub(super) name: &'a Name,
    pub(super) arguments: &'a [Argument],
    pub(super) span: Span,
}

impl Call<'_> {
    fn needs(&self, least: usize) -> Bound<()> {
        match self.arguments.len() {
            given if given < least => Err(calls::wrong_count(self.name, least, usize::MAX, given)),
            _ => Ok(()),
        }
    }

    fn at(&self, at: usize) -> &Ast {
        &self.arguments[at].value
    }

    fn wrong(&self, at: usize, message: String) -> Diagnostic {
        Diagnostic::new(codes::VALUE, self.at(at).span.clone(), message)
    }

    /// Rows of cells as a table.
    fn table(&self, input: &Table, columns: Vec<ColumnInfo>, output: Vec<Vec<Value>>) -> Bound<Table> {
        let series = columns.iter().enumerate().map(|(at, info)| {
            let cells = output.iter().map(|row| row[at].clone());
            rows::build(PlSmallStr::from_str(&info.name), info.kql_type, cells).into_column()
        });
        let frame = DataFrame::new(output.len(), series.collect()).map_err(plan_error(&self.span))?;
        Ok(input.with(frame.lazy(), columns))
    }
}

/// Computed values of all rows.
struct Grid {
    series: Vec<Series>,
    height: usize,
}

impl Grid {
    fn collect(binder: &Binder<'_>, table: &Table, values: Vec<Typed>, span: &Span) -> Bound<Self> {
        let names: Vec<String> = (0..values.len()).map(|at| format!("\0grid{at}")).collect();
        let expressions: Vec<Expr> =
            values.into_iter().zip(&names).map(|(value, name)| value.expression.alias(name.as_str())).collect();
        let kept: Vec<Expr> = names.iter().map(named).collect();
        // First beside the rows, so that constants are repeated for each.
        let frame = table.frame.clone().with_columns(expressions).select(kept);
        let frame = binder.collected(frame, span)?;
        let series = frame.columns().iter().map(|column| column.as_materialized_series().rechunk()).collect();
        Ok(Self { series, height: frame.height() })
    }

    fn cell(&self, column: usize, row: usize) -> Value {
        rows::Reader::new(&self.series[column]).map_or(Cell::Null, |reader| reader.get(row).into_owned())
    }

    fn key(&self, columns: std::ops::RangeFrom<usize>, row: usize) -> Vec<Value> {
        (columns.start..self.series.len()).map(|column| self.cell(column, row)).collect()
    }
}

/// Things gathered per combination of dimensions, in the order of appearance.
struct Groups<T> {
    places: HashMap<String, usize>,
    groups: Vec<(Vec<Value>, T)>,
}

impl<T> Default for Groups<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), groups: Vec::new() }
    }
}

impl<T: Default> Groups<T> {
    fn of(&mut self, key: Vec<Value>) -> &mut T {
        let text = format!("{key:?}");
        let at = *self.places.entry(text).or_insert_with(|| {
            self.groups.push((key, T::default()));
            self.groups.len() - 1
        });
        &mut self.groups[at].1
    }

    fn into_rows(self) -> Vec<(Vec<Value>, T)> {
        self.groups
    }
}
