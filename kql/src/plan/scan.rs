//! `scan`: matches sequences of rows against steps. Rows are looked at one by one, because what a
//! row means depends on the rows before it.

use polars::prelude::*;

use super::{
    Binder, Bound, ColumnInfo, Table, grouped::made, hosted::never_run, lets::Scope, not_executed, plan_error,
};
use crate::{
    ast::{Expr as Ast, ExprKind, KqlType, Operator, OperatorKind, Scan, ScanStep, SortKey},
    diagnostics::{Diagnostic, Span, codes},
    rows,
    value::{self, Value},
};

const MATCH: &str = "\0match";

/// A value of an earlier step that an expression reads: step, place of the column, and the name
/// under which the expression finds it.
struct Reference {
    step: usize,
    column: usize,
    name: String,
}

/// A step with its expressions bound.
struct Step {
    expressions: Vec<Expr>,
    /// Places of the declared columns that are assigned, in the order of the expressions
    targets: Vec<usize>,
    shows: bool,
}

/// What the rows are, and what a row gets before any step has given it a value.
struct Layout {
    /// Columns of the input, then the declared ones
    columns: Vec<ColumnInfo>,
    inputs: usize,
    defaults: Vec<Value>,
    references: Vec<Reference>,
}

/// The rows that steps matched last: those of a step and of the steps before it.
type State = Option<Vec<Vec<Value>>>;

impl Binder<'_> {
    pub(super) fn scan(&self, table: Table, scan: &Scan, operator: &Operator, scope: &Scope) -> Bound<Table> {
        let span = &operator.span;
        let mut columns = table.columns.clone();
        for declared in &scan.declared {
            let Some(kql_type) = declared.scalar_type else {
                let message = format!("`{}` must be a scalar", declared.name.text);
                return Err(Diagnostic::new(codes::TYPE, declared.name.span.clone(), message));
            };
            columns.push(ColumnInfo::new(&declared.name.text, kql_type));
        }
        let match_id = super::union::text_of(&scan.parameters, &["with_match_id"]);
        if self.checking {
            columns.extend(match_id.map(|id| ColumnInfo::new(id, KqlType::Long)));
            return Ok(never_run(columns));
        }
        if let Some(step) = scan.steps.iter().find(|step| step.optional || step.output.as_deref() == Some("last")) {
            return Err(not_executed(
                step.name.span.clone(),
                "a step of `scan` that is optional or gives its last row",
            ));
        }
        if match_id.is_some() || !scan.partition.is_empty() {
            return Err(not_executed(span.clone(), "`scan` with a match id or its own partitions"));
        }
        let mut table = table.canonical();
        if !scan.order.is_empty() {
            table = self.scan_order(table, &scan.order, span, scope)?;
        } else if !table.serialized {
            return Err(Diagnostic::new(codes::VALUE, span.clone(), "`scan` needs rows in a defined order")
                .with_hint("put `sort by ...` in front of it"));
        }
        let (layout, steps) = self.scan_steps(&table, scan, scope)?;
        let frame = self.collected(table.frame.clone(), span)?;
        let found = run(&frame, &layout, &steps, scope.group.as_deref()).map_err(plan_error(span))?;
        Ok(Table { serialized: true, ..table.with(found.lazy(), layout.columns) })
    }

    fn scan_order(&self, table: Table, order: &[SortKey], span: &Span, scope: &Scope) -> Bound<Table> {
        let sort = Operator { kind: OperatorKind::Sort(order.to_vec()), span: span.clone() };
        self.in_groups(table, &sort, scope)
    }

    fn scan_steps(&self, table: &Table, scan: &Scan, scope: &Scope) -> Bound<(Layout, Vec<Step>)> {
        let inputs = table.columns.len();
        let mut columns = table.columns.clone();
        let mut defaults: Vec<Value> = table.columns.iter().map(|column| value::null_of(column.kql_type)).collect();
        for declared in &scan.declared {
            let kql_type = declared.scalar_type.unwrap_or(KqlType::Dynamic);
            columns.push(ColumnInfo::new(&declared.name.text, kql_type));
            defaults.push(match &declared.default {
                Some(default) => {
                    let bound = self.scalar(default, &scope.without_rows())?.converted(kql_type);
                    bound.constant.ok_or_else(|| {
                        Diagnostic::new(codes::VALUE, default.span.clone(), "a default of `scan` must be a constant")
                    })?
                }
                None => value::null_of(kql_type),
            });
        }
        let mut layout = Layout { columns, inputs, defaults, references: Vec::new() };
        // The names of all references must be known before the first expression is bound.
        let mut prepared = Vec::with_capacity(scan.steps.len());
        for step in &scan.steps {
            let mut step = step.clone();
            layout.resolve(&mut step.condition, &scan.steps)?;
            for (_, value) in &mut step.assignments {
                layout.resolve(value, &scan.steps)?;
            }
            prepared.push(step);
        }
        let mut visible = layout.columns.clone();
        visible.extend(layout.references.iter().map(|r| ColumnInfo::new(&r.name, layout.columns[r.column].kql_type)));
        let rows_scope = scope.with_rows(&visible);
        let mut steps = Vec::with_capacity(prepared.len());
        for step in &prepared {
            let mut expressions = vec![self.condition(&step.condition, &rows_scope)?.expression.alias(MATCH)];
            let mut targets = Vec::new();
            for (name, value) in &step.assignments {
                let Some(at) = layout.columns.iter().position(|column| column.name == name.text) else {
                    let message = format!("`scan` assigns `{}`, which is neither declared nor a column", name.text);
                    return Err(Diagnostic::new(codes::UNKNOWN_COLUMN, name.span.clone(), message));
                };
                let bound = self.scalar(value, &rows_scope)?.converted(layout.columns[at].kql_type);
                expressions.push(bound.expression.alias(format!("\0value{at}")));
                targets.push(at);
            }
            steps.push(Step { expressions, targets, shows: step.output.as_deref() != Some("none") });
        }
        Ok((layout, steps))
    }
}

impl Layout {
    /// Replaces `step.column` by a column that holds the value.
    fn resolve(&mut self, expression: &mut Ast, steps: &[ScanStep]) -> Bound<()> {
        if let ExprKind::Member { base, member } = &expression.kind
            && let ExprKind::Name(name) = &base.kind
            && let Some(step) = steps.iter().position(|step| step.name.text == *name)
        {
            let Some(column) = self.columns.iter().position(|column| column.name == member.text) else {
                let message = format!("the rows of `scan` have no column `{}`", member.text);
                return Err(Diagnostic::new(codes::UNKNOWN_COLUMN, member.span.clone(), message));
            };
            let name = format!("\0{step}.{column}");
            if !self.references.iter().any(|known| known.name == name) {
                self.references.push(Reference { step, column, name: name.clone() });
            }
            *expression = made(&name, &expression.span);
            return Ok(());
        }
        expression.children_mut().into_iter().try_for_each(|child| self.resolve(child, steps))
    }

    /// Evaluates a step for a row against the rows that earlier steps matched.
    fn evaluate(&self, step: &Step, row: &[Value], state: &[Vec<Value>]) -> PolarsResult<Option<Vec<Value>>> {
        let cell = |name: &str, kql_type: KqlType, value: &Value| {
            rows::build(PlSmallStr::from_str(name), kql_type, std::iter::once(value.clone())).into_column()
        };
        let mut columns: Vec<Column> =
            self.columns.iter().zip(row).map(|(column, value)| cell(&column.name, column.kql_type, value)).collect();
        for reference in &self.references {
            let value = match state.get(reference.step) {
                Some(matched) => &matched[reference.column],
                None => &self.defaults[reference.column],
            };
            columns.push(cell(&reference.name, self.columns[reference.column].kql_type, value));
        }
        let results = DataFrame::new(1, columns)?.lazy().select(step.expressions.clone()).collect()?;
        let mut values = Vec::with_capacity(step.expressions.len());
        for column in results.columns() {
            let series = column.as_materialized_series().rechunk();
            values.push(rows::Reader::new(&series)?.get(0).into_owned());
        }
        if values[0].boolean() != Some(true) {
            return Ok(None);
        }
        let mut extended = row.to_vec();
        for (at, value) in step.targets.iter().zip(values.drain(1..)) {
            extended[*at] = value;
        }
        Ok(Some(extended))
    }
}

fn run(frame: &DataFrame, layout: &Layout, steps: &[Step], group: Option<&str>) -> PolarsResult<DataFrame> {
    let series = layout.columns[..layout.inputs]
        .iter()
        .map(|column| Ok(frame.column(&column.name)?.as_materialized_series().rechunk()))
        .collect::<PolarsResult<Vec<_>>>()?;
    let readers = series.iter().map(rows::Reader::new).collect::<PolarsResult<Vec<_>>>()?;
    let group = group.and_then(|group| layout.columns.iter().position(|column| column.name == group));
    let mut found: Vec<Vec<Value>> = Vec::new();
    let mut states: Vec<State> = vec![None; steps.len()];
    for row in 0..frame.height() {
        if group.is_some_and(|at| row > 0 && readers[at].get(row) != readers[at].get(row - 1)) {
            states = vec![None; steps.len()];
        }
        let mut values: Vec<Value> = readers.iter().map(|reader| reader.get(row).into_owned()).collect();
        values.extend_from_slice(&layout.defaults[layout.inputs..]);
        // The last step first, so that a row does not pass through several steps at once.
        for at in (0..steps.len()).rev() {
            let matched = match_step(at, &values, layout, steps, &mut states)?;
            found.extend(matched.filter(|_| steps[at].shows));
        }
    }
    let mut columns = Vec::with_capacity(layout.columns.len());
    for (at, column) in layout.columns.iter().enumerate() {
        let cells = found.iter().map(|row| row[at].clone());
        columns.push(rows::build(PlSmallStr::from_str(&column.name), column.kql_type, cells).into_column());
    }
    DataFrame::new(found.len(), columns)
}

/// A row either carries a sequence on from the step before, or goes on with the step itself.
fn match_step(
    at: usize,
    row: &[Value],
    layout: &Layout,
    steps: &[Step],
    states: &mut [State],
) -> PolarsResult<Option<Vec<Value>>> {
    if at > 0
        && let Some(before) = &states[at - 1]
        && let Some(extended) = layout.evaluate(&steps[at], row, before)?
    {
        let mut sequence = states[at - 1].take().unwrap_or_default();
        sequence.push(extended.clone());
        states[at] = Some(sequence);
        return Ok(Some(extended));
    }
    if at > 0 && states[at].is_none() {
        return Ok(None);
    }
    let sequence = states[at].clone().unwrap_or_default();
    let Some(extended) = layout.evaluate(&steps[at], row, &sequence)? else { return Ok(None) };
    let mut sequence = sequence;
    sequence.truncate(at);
    sequence.push(extended.clone());
    states[at] = Some(sequence);
    Ok(Some(extended))
}
