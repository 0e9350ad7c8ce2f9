//! `mv-apply` and `partition`: operators that run on each group of rows on its own. The groups stay
//! in one frame; a hidden column tells them apart, and every operator of the subquery heeds it.

use polars::prelude::*;

use super::{Binder, Bound, ColumnInfo, Table, hosted::never_run, lets::Scope, names, not_executed, windows};
use crate::{
    ast::{
        ExpandItem, Expr as Ast, ExprKind, Join, KqlType, Literal, MvApply, Name, NamedExpr, Operator, OperatorKind,
        OperatorParameter, SortKey,
    },
    diagnostics::{Diagnostic, Span, codes},
    rows::{self, named},
    value::{Cell, Value},
};

/// Names of group columns begin so; no query can write them.
const GROUP: &str = "\0group";

impl Binder<'_> {
    /// Runs an operator on each group of the scope, or on the whole table if there are none.
    pub(super) fn in_groups(&self, table: Table, operator: &Operator, scope: &Scope) -> Bound<Table> {
        let serialized = keeps_order(&operator.kind, table.serialized);
        let result = match &scope.group {
            Some(group) if !self.checking => self.on_each_group(table, operator, &group.clone(), scope)?,
            _ => self.operator(table, operator, scope)?,
        };
        Ok(Table { serialized, ..result })
    }

    fn on_each_group(&self, table: Table, operator: &Operator, group: &str, scope: &Scope) -> Bound<Table> {
        let span = &operator.span;
        let key = || NamedExpr { names: vec![name(group, span)], value: made(group, span) };
        let with = |kind: OperatorKind| Operator { kind, span: span.clone() };
        match &operator.kind {
            OperatorKind::Project(items) => {
                let items = items.iter().cloned().chain([key()]).collect();
                self.operator(table, &with(OperatorKind::Project(items)), scope)
            }
            OperatorKind::Distinct(items) if !items.is_empty() => {
                let items = items.iter().cloned().chain([key()]).collect();
                self.operator(table, &with(OperatorKind::Distinct(items)), scope)
            }
            OperatorKind::Summarize { aggregates, by } if by.is_empty() => {
                self.summarize_groups(table, aggregates, group, span, scope)
            }
            OperatorKind::Summarize { aggregates, by } => {
                let by = by.iter().cloned().chain([key()]).collect();
                self.operator(table, &with(OperatorKind::Summarize { aggregates: aggregates.clone(), by }), scope)
            }
            OperatorKind::MakeSeries(series) => {
                let mut series = series.clone();
                series.by.push(key());
                self.operator(table, &with(OperatorKind::MakeSeries(series)), scope)
            }
            OperatorKind::Count { name: given } => {
                let counted = NamedExpr {
                    names: vec![name(given.as_ref().map_or("Count", |name| &name.text), span)],
                    value: call("count", span),
                };
                self.summarize_groups(table, &[counted], group, span, scope)
            }
            OperatorKind::Sort(keys) => self.sort_groups(table, keys, group, span, scope),
            OperatorKind::Top { count, key } => {
                let count = self.constant_count(count, "top", scope)?;
                let sorted = self.sort_groups(table, std::slice::from_ref(key), group, span, scope)?;
                Ok(limited_per_group(sorted, &[group.to_string()], count))
            }
            OperatorKind::Take(count) | OperatorKind::Sample(count) => {
                let count = self.constant_count(count, "take", scope)?;
                Ok(limited_per_group(table, &[group.to_string()], count))
            }
            OperatorKind::Join(join) if !keeps_left_rows(join) => {
                Err(not_executed(span.clone(), "this kind of join inside `mv-apply` or `partition`"))
            }
            OperatorKind::Where(_)
            | OperatorKind::Extend(_)
            | OperatorKind::Serialize(_)
            | OperatorKind::Distinct(_)
            | OperatorKind::Parse { .. }
            | OperatorKind::ParseKv { .. }
            | OperatorKind::MvExpand { .. }
            | OperatorKind::MvApply(_)
            | OperatorKind::ProjectAway(_)
            | OperatorKind::ProjectKeep(_)
            | OperatorKind::ProjectRename(_)
            | OperatorKind::ProjectReorder(_)
            | OperatorKind::Lookup(_)
            | OperatorKind::Join(_)
            | OperatorKind::Scan(_) => self.operator(table, operator, scope),
            _ => Err(not_executed(span.clone(), "this operator inside `mv-apply` or `partition`")),
        }
    }

    /// `summarize` without `by`: a row for each group, also for one that a filter in front of it has emptied.
    fn summarize_groups(
        &self,
        table: Table,
        aggregates: &[NamedExpr],
        group: &str,
        span: &Span,
        scope: &Scope,
    ) -> Bound<Table> {
        let summarized = |table: Table, by: Vec<NamedExpr>, scope: &Scope| {
            let kind = OperatorKind::Summarize { aggregates: aggregates.to_vec(), by };
            self.operator(table, &Operator { kind, span: span.clone() }, scope)
        };
        let key = NamedExpr { names: vec![name(group, span)], value: made(group, span) };
        let filled = summarized(table.clone(), vec![key], scope)?.canonical();
        let Some(all) = &scope.all_groups else { return Ok(filled) };
        let nothing = table.with(table.frame.clone().filter(lit(false)), table.columns.clone());
        let empty = summarized(nothing, Vec::new(), scope)?.canonical();
        let columns: Vec<Expr> = filled.columns.iter().map(|column| named(&column.name)).collect();
        let rows = filled.frame.clone().select(columns.clone()).cache();
        let key = [named(group)];
        let emptied =
            all.clone().join(rows.clone().select(key.clone()), key.clone(), key, JoinArgs::new(JoinType::Anti));
        let emptied = emptied.cross_join(empty.frame, None).select(columns);
        let options = SortMultipleOptions::default().with_maintain_order(true);
        let frame = concat([rows, emptied], UnionArgs::default()).map_err(super::plan_error(span))?;
        Ok(filled.with(frame.sort([group], options), filled.columns.clone()))
    }

    fn sort_groups(&self, table: Table, keys: &[SortKey], group: &str, span: &Span, scope: &Scope) -> Bound<Table> {
        let first = SortKey { value: made(group, span), descending: false, nulls_first: true };
        let keys: Vec<SortKey> = std::iter::once(first).chain(keys.iter().cloned()).collect();
        self.sort(table, &keys, scope)
    }

    /// `mv-apply`: expands arrays, runs the subquery on the elements of each row, and puts the
    /// row's other columns beside what comes out.
    pub(super) fn mv_apply(&self, table: Table, apply: &MvApply, operator: &Operator, scope: &Scope) -> Bound<Table> {
        if names_its_part(&apply.body) && !self.checking {
            return Err(not_executed(operator.span.clone(), "`as` inside `mv-apply`"));
        }
        let left = table.canonical();
        let group = format!("{}{GROUP}", scope.group.as_deref().unwrap_or_default());
        let numbered = if self.checking { left.clone() } else { with_row_number(&left, &group) };
        let targets = expanded_names(&apply.items);
        let (expanded, parameters) = (numbered.clone(), &apply.parameters);
        let expanded = self.mv_expand(expanded, parameters, &apply.items, apply.limit.as_ref(), scope)?;
        let expanded = Table { serialized: true, ..expanded };
        let (expanded, scope_of_groups) = self.grouped_scope(expanded, &apply.body, &group, scope);
        let result = self.piped_through(expanded, &apply.body, &scope_of_groups)?;

        let kept: Vec<&ColumnInfo> = left.columns.iter().filter(|column| !targets.contains(&column.name)).collect();
        let mut columns: Vec<ColumnInfo> =
            kept.iter().map(|column| result.column(&column.name).unwrap_or(column).clone()).collect();
        let added = result
            .columns
            .iter()
            .filter(|column| column.name != group && !kept.iter().any(|kept| kept.name == column.name));
        columns.extend(added.cloned());
        if self.checking {
            return Ok(never_run(columns));
        }
        let result = result.canonical();
        let missing: Vec<&ColumnInfo> =
            kept.into_iter().filter(|column| result.column(&column.name).is_none()).collect();
        let mut frame = result.frame.clone();
        if !missing.is_empty() {
            let mut wanted: Vec<Expr> = missing.iter().map(|column| named(&column.name)).collect();
            wanted.push(named(&group));
            let mut arguments = JoinArgs::new(JoinType::Inner);
            arguments.maintain_order = MaintainOrderJoin::Left;
            frame = frame.join(numbered.frame.clone().select(wanted), [named(&group)], [named(&group)], arguments);
        }
        let expressions: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
        let columns = columns.into_iter().map(|column| ColumnInfo { scanned: None, ..column }).collect();
        let weight = result.weight + left.weight;
        Ok(Table { weight, ..left.with(frame.select(expressions), columns) })
    }

    /// The scope in which the subquery runs on each group. The groups are kept where the subquery may empty some.
    fn grouped_scope(&self, table: Table, body: &[Operator], group: &str, scope: &Scope) -> (Table, Scope) {
        let scope = scope.with_group(group);
        let counts = |operator: &Operator| match &operator.kind {
            OperatorKind::Summarize { by, .. } => by.is_empty(),
            OperatorKind::Count { .. } => true,
            _ => false,
        };
        let may_empty = body.iter().position(counts).is_some_and(|at| !body[..at].iter().all(keeps_rows));
        if !may_empty || self.checking {
            return (table, scope);
        }
        let frame = table.frame.clone().cache();
        let all = frame.clone().select([named(group)]).unique_stable(None, UniqueKeepStrategy::First);
        let columns = table.columns.clone();
        let mut scope = scope;
        scope.all_groups = Some(all);
        (Table { serialized: table.serialized, ..table.with(frame, columns) }, scope)
    }

    /// `partition by column ( ... )`
    pub(super) fn partition(
        &self,
        table: Table,
        by: &Name,
        body: &[Operator],
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let column = self.partition_column(&table, by, scope)?;
        if column.kql_type == KqlType::Dynamic && !column.unknown {
            return Err(Diagnostic::new(codes::TYPE, by.span.clone(), "rows cannot be partitioned by a dynamic value")
                .with_hint("partition by tostring() of it"));
        }
        if scope.group.is_some() && !self.checking {
            return Err(not_executed(operator.span.clone(), "`partition` inside `mv-apply` or `partition`"));
        }
        if self.checking {
            return self.piped_through(table, body, &scope.without_rows());
        }
        // A part with a name is a table of its own; the groups of one frame have none.
        if names_its_part(body) {
            return self.partition_by_parts(table, by, body, operator, scope);
        }
        match self.partition_together(table.clone(), by, body, scope) {
            Err(problem) if problem.code == codes::NOT_EXECUTED => {
                self.partition_by_parts(table, by, body, operator, scope)
            }
            result => result,
        }
    }

    /// All parts in one frame, each operator heeding the parts.
    fn partition_together(&self, table: Table, by: &Name, body: &[Operator], scope: &Scope) -> Bound<Table> {
        let table = table.canonical();
        let kql_type = column_type(&table, &by.text);
        let mut columns = table.columns.clone();
        columns.push(ColumnInfo::new(GROUP, kql_type));
        let options = SortMultipleOptions::default().with_maintain_order(true);
        let key = named(&by.text).alias(GROUP);
        let frame = table.frame.clone().with_columns([key]).sort([GROUP], options);
        let serialized = table.serialized;
        let grouped = Table { serialized, ..table.with(frame, columns) };
        let (grouped, scope) = self.grouped_scope(grouped, body, GROUP, scope);
        let result = self.piped_through(grouped, body, &scope)?;
        Ok(without(result, GROUP))
    }
}

fn names_its_part(body: &[Operator]) -> bool {
    body.iter().any(|operator| matches!(operator.kind, OperatorKind::As(_)))
}

/// The names that items of `mv-expand` give to their elements.
fn expanded_names(items: &[ExpandItem]) -> Vec<String> {
    items
        .iter()
        .filter_map(|item| item.name.as_ref().map(|name| name.text.clone()).or_else(|| names::derived(&item.value)))
        .collect()
}

fn column_type(table: &Table, name: &str) -> KqlType {
    table.column(name).map_or(KqlType::String, |column| column.kql_type)
}

/// The table without one of its columns.
pub(super) fn without(table: Table, name: &str) -> Table {
    let columns: Vec<ColumnInfo> = table.columns.iter().filter(|column| column.name != name).cloned().collect();
    let kept: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
    table.with(table.frame.clone().select(kept), columns)
}

fn with_row_number(table: &Table, column: &str) -> Table {
    let target = PlSmallStr::from_str(column);
    let output = Field::new(target.clone(), DataType::Int64);
    let frame = windows::whole(table.frame.clone(), output, move |frame| {
        let rows = (0..frame.height()).map(|row| -> Value { Cell::Long(row as i64) });
        Ok(rows::build(target.clone(), KqlType::Long, rows))
    });
    let mut columns = table.columns.clone();
    columns.push(ColumnInfo::new(column, KqlType::Long));
    table.with(frame.cache(), columns)
}

/// The first rows of each group, in the order they have.
pub(super) fn limited_per_group(table: Table, keys: &[String], count: i64) -> Table {
    const NUMBER: &str = "\0number";
    let table = table.canonical();
    let keys = keys.to_vec();
    let frame = windows::whole(table.frame.clone(), Field::new(NUMBER.into(), DataType::Int64), move |frame| {
        let series = keys
            .iter()
            .map(|key| Ok(frame.column(key)?.as_materialized_series().rechunk()))
            .collect::<PolarsResult<Vec<_>>>()?;
        let readers = series.iter().map(rows::Reader::new).collect::<PolarsResult<Vec<_>>>()?;
        let mut seen: PlHashMap<String, i64> = PlHashMap::new();
        let numbers: Vec<Value> = (0..frame.height())
            .map(|row| {
                let key = readers.iter().map(|reader| format!("{:?}\u{1}", reader.get(row))).collect();
                let number = seen.entry(key).or_insert(0);
                *number += 1;
                Cell::Long(*number)
            })
            .collect();
        Ok(rows::build(NUMBER.into(), KqlType::Long, numbers.into_iter()))
    });
    let columns = table.columns.clone();
    let kept: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
    let frame = frame.filter(named(NUMBER).lt_eq(lit(count))).select(kept);
    table.with(frame, columns)
}

/// Whether every group that goes into an operator comes out of it.
fn keeps_rows(operator: &Operator) -> bool {
    matches!(
        operator.kind,
        OperatorKind::Extend(_)
            | OperatorKind::Project(_)
            | OperatorKind::ProjectAway(_)
            | OperatorKind::ProjectKeep(_)
            | OperatorKind::ProjectRename(_)
            | OperatorKind::ProjectReorder(_)
            | OperatorKind::Serialize(_)
            | OperatorKind::Sort(_)
    )
}

fn keeps_left_rows(join: &Join) -> bool {
    let kind = join.parameters.iter().find(|parameter| parameter.name.text == "kind");
    matches!(kind.and_then(text_of), Some("inner" | "leftouter" | "leftsemi" | "leftanti" | "leftantisemi" | "anti"))
}

fn text_of(parameter: &OperatorParameter) -> Option<&str> {
    match &parameter.value.kind {
        ExprKind::Name(text) | ExprKind::Literal(Literal::String(text)) => Some(text),
        _ => None,
    }
}

/// Whether the rows behind an operator have an order that window functions may use.
fn keeps_order(operator: &OperatorKind, before: bool) -> bool {
    match operator {
        OperatorKind::Sort(_)
        | OperatorKind::Top { .. }
        | OperatorKind::Serialize(_)
        | OperatorKind::GetSchema
        | OperatorKind::Scan(_) => true,
        OperatorKind::Where(_)
        | OperatorKind::Extend(_)
        | OperatorKind::Project(_)
        | OperatorKind::ProjectAway(_)
        | OperatorKind::ProjectKeep(_)
        | OperatorKind::ProjectRename(_)
        | OperatorKind::ProjectReorder(_)
        | OperatorKind::ProjectByNames(_)
        | OperatorKind::Take(_)
        | OperatorKind::MvExpand { .. }
        | OperatorKind::Parse { .. }
        | OperatorKind::ParseKv { .. }
        | OperatorKind::Render { .. }
        | OperatorKind::As(_) => before,
        _ => false,
    }
}

fn name(text: &str, span: &Span) -> Name {
    Name { text: text.to_string(), span: span.clone() }
}

/// A reference to a column that the planner made.
pub(super) fn made(column: &str, span: &Span) -> Ast {
    Ast { kind: ExprKind::Made(column.to_string()), span: span.clone() }
}

/// A call without arguments.
pub(super) fn call(function: &str, span: &Span) -> Ast {
    Ast { kind: ExprKind::Call { name: name(function, span), arguments: Vec::new() }, span: span.clone() }
}
