//! The pipe operators that keep rows and columns apart: filters, projections, sorts, limits.

use polars::prelude::*;

use crate::rows::named;

use super::{
    Binder, Bound, ColumnInfo, Either, Table, Typed,
    lets::{Binding, Scope},
    names::{self, Names},
    not_executed, preaggregate,
    sources::duplicate,
};
use crate::{
    ast::{Expr as Ast, ExprKind, KqlType, Name, NamePattern, NamedExpr, Operator, OperatorKind, ReorderBy, SortKey},
    descriptions,
    diagnostics::{Diagnostic, codes},
    result::Render,
    rows,
    value::Cell,
};

impl Binder<'_> {
    pub(super) fn operator(&self, table: Table, operator: &Operator, scope: &Scope) -> Bound<Table> {
        match &operator.kind {
            OperatorKind::Where(condition) => self.filter(table, condition, scope),
            OperatorKind::Project(items) => self.project(table, items, scope),
            OperatorKind::Extend(items) | OperatorKind::Serialize(items) => self.extend(table, items, scope),
            OperatorKind::ProjectAway(patterns) => {
                let gone = matched(&table, patterns)?;
                Ok(keep(table, |name| !gone.contains(name) || is_hidden(name)))
            }
            OperatorKind::ProjectKeep(patterns) => {
                let kept = matched(&table, patterns)?;
                Ok(keep(table, |name| kept.contains(name) || is_hidden(name)))
            }
            OperatorKind::ProjectRename(pairs) => self.rename(table, pairs, scope),
            OperatorKind::ProjectReorder(items) => reorder(table, items),
            OperatorKind::Summarize { aggregates, by } => self.summarize(table, aggregates, by, operator, scope),
            OperatorKind::Sort(keys) => self.sort(table, keys, scope),
            OperatorKind::Top { count, key } => {
                let count = self.constant_count(count, "top", scope)?;
                let sorted = self.sort(table, std::slice::from_ref(key), scope)?;
                Ok(limited(sorted, count))
            }
            OperatorKind::Take(count) => Ok(limited(table, self.constant_count(count, "take", scope)?)),
            OperatorKind::Count { name } => Ok(counted(table, name.as_ref())),
            OperatorKind::Distinct(items) => self.distinct(table, items, scope),
            OperatorKind::Join(join) => self.join(table, join, operator, scope),
            OperatorKind::Lookup(join) => self.lookup(table, join, operator, scope),
            OperatorKind::Union(union) => self.union(Some(table), union, &operator.span, scope),
            OperatorKind::Render { kind, properties } => {
                let known: Vec<&str> = descriptions::render_kinds().iter().map(|(name, _)| *name).collect();
                if !known.contains(&kind.text.as_str()) {
                    let message = format!("unknown visualization `{}`", kind.text);
                    return Err(Diagnostic::new(codes::VALUE, kind.span.clone(), message)
                        .with_hint(format!("there are {}", known.join(", ")))
                        .with_nearest(&kind.text, known));
                }
                self.set_render(Render { kind: kind.text.clone(), properties: properties.clone() });
                Ok(table)
            }
            OperatorKind::GetSchema => schema_of(&table, operator),
            OperatorKind::Invoke(call) => self.invoke(table, call, scope),
            OperatorKind::MvExpand { parameters, items, limit } => {
                self.mv_expand(table, parameters, items, limit.as_ref(), scope)
            }
            OperatorKind::Parse { parameters, value, pattern, only_matches } => {
                self.parse(table, parameters, value, pattern, *only_matches, operator, scope)
            }
            OperatorKind::As(_) => Ok(table),
            OperatorKind::Consume => {
                let columns = table.columns.clone();
                Ok(table.with(table.frame.clone().filter(lit(false)), columns))
            }
            OperatorKind::MvApply(apply) => self.mv_apply(table, apply, operator, scope),
            OperatorKind::MakeSeries(series) => self.make_series(table, series, operator, scope),
            OperatorKind::Search(search) => self.search(Some(table), search, &operator.span, scope),
            OperatorKind::Evaluate { name, arguments, schema, .. } => {
                self.evaluate(table, name, arguments, schema.as_ref(), operator, scope)
            }
            OperatorKind::ParseKv { value, keys, properties } => self.parse_kv(table, value, keys, properties, scope),
            OperatorKind::TopNested(levels) => self.top_nested(table, levels, operator, scope),
            OperatorKind::TopHitters { count, of, by } => {
                self.top_hitters(table, count, of, by.as_ref(), operator, scope)
            }
            OperatorKind::Partition { by, body, .. } => self.partition(table, by, body, operator, scope),
            OperatorKind::Sample(count) => Ok(limited(table, self.constant_count(count, "sample", scope)?)),
            OperatorKind::SampleDistinct { count, of } => self.sample_distinct(table, count, of, operator, scope),
            OperatorKind::Scan(scan) => self.scan(table, scan, operator, scope),
            OperatorKind::ProjectByNames(items) => self.project_by_names(table, items, scope),
            OperatorKind::AssertSchema(wanted) => self.assert_schema(table, wanted, operator),
            OperatorKind::Reduce { parameters, value, properties } => {
                self.reduce(table, parameters, value, properties, &operator.span, scope)
            }
            OperatorKind::Facet { columns, with } => self.facet(table, columns, with.as_deref(), operator, scope),
            OperatorKind::Fork(branches) => self.fork(table, branches, operator, scope),
            OperatorKind::PartitionQuery { by, query } => self.partition_query(table, by, query, operator, scope),
            OperatorKind::Unsupported { .. } if self.checking => Ok(super::hosted::never_run(vec![ColumnInfo::open()])),
            OperatorKind::Unsupported { name } => {
                Err(not_executed(name.span.clone(), format!("operator `{}`", name.text)))
            }
        }
    }

    fn filter(&self, table: Table, condition: &Ast, scope: &Scope) -> Bound<Table> {
        let scope = scope.with_rows(&table.columns);
        // One filter per condition lets polars push each of them down on its own.
        let parts = match &condition.kind {
            ExprKind::And(parts) => parts.as_slice(),
            _ => std::slice::from_ref(condition),
        };
        let mut frame = table.frame.clone();
        for part in parts {
            frame = frame.filter(kept_rows(self.condition(part, &scope)?.expression));
        }
        let columns = table.columns.clone();
        Ok(Table { name: table.name.clone(), ..table.with(frame, columns) })
    }

    fn project(&self, table: Table, items: &[NamedExpr], scope: &Scope) -> Bound<Table> {
        let (expressions, columns) = self.projection(&table, items, scope)?;
        Ok(table.with(selected(&table, expressions), columns))
    }

    /// The columns of `project` and `distinct`.
    fn projection(&self, table: &Table, items: &[NamedExpr], scope: &Scope) -> Bound<(Vec<Expr>, Vec<ColumnInfo>)> {
        let scope = scope.with_rows(&table.columns);
        let mut names = explicit_names(items)?;
        let mut expressions = Vec::new();
        let mut columns = Vec::new();
        for item in items {
            if matches!(item.value.kind, ExprKind::Star) && item.names.is_empty() {
                for column in &table.columns {
                    place(names.unique(&column.name), Typed::column(column), &mut expressions, &mut columns);
                }
                continue;
            }
            if let Some(parts) = self.spread(item, &mut names, &scope)? {
                for (name, value) in parts {
                    place(name, value, &mut expressions, &mut columns);
                }
                continue;
            }
            let value = self.scalar(&item.value, &scope)?;
            let name = match single_name(item)? {
                Some(name) => name.text.clone(),
                None => match names::derived(&item.value) {
                    Some(name) => names.unique(&name),
                    None => names.counted("Column", 1),
                },
            };
            place(name, value, &mut expressions, &mut columns);
            mark_unknown(&mut columns, &item.value, &scope);
        }
        Ok((expressions, columns))
    }

    fn extend(&self, table: Table, items: &[NamedExpr], scope: &Scope) -> Bound<Table> {
        let scope = scope.with_rows(&table.columns);
        let mut names = explicit_names(items)?;
        let mut expressions = Vec::new();
        let mut added = Vec::new();
        for item in items {
            if let Some(parts) = self.spread(item, &mut names, &scope)? {
                for (name, value) in parts {
                    place(name, value, &mut expressions, &mut added);
                }
                continue;
            }
            let value = self.scalar(&item.value, &scope)?;
            let name = match single_name(item)? {
                Some(name) => name.text.clone(),
                // `extend tostring(x)` replaces x; a counted name must be new.
                None => match names::derived(&item.value) {
                    Some(name) => names.unique(&name),
                    None => loop {
                        let name = names.counted("Column", 1);
                        if table.column(&name).is_none() {
                            break name;
                        }
                    },
                },
            };
            place(name, value, &mut expressions, &mut added);
            mark_unknown(&mut added, &item.value, &scope);
        }
        let mut columns = table.columns.clone();
        for column in added {
            match columns.iter_mut().find(|known| known.name == column.name) {
                Some(known) => *known = column,
                None => columns.push(column),
            }
        }
        Ok(table.with(table.frame.clone().with_columns(expressions), columns))
    }

    fn distinct(&self, table: Table, items: &[NamedExpr], scope: &Scope) -> Bound<Table> {
        let table = if items.is_empty() {
            table.canonical()
        } else {
            let (expressions, columns) = self.projection(&table, items, scope)?;
            table.with(selected(&table, expressions), columns).canonical()
        };
        let columns = table.columns.clone();
        if self.streams.get() {
            let names: Vec<PlSmallStr> = columns.iter().map(|column| PlSmallStr::from(&*column.name)).collect();
            let distinct = table.with(preaggregate::distinct(table.frame.clone(), &names), columns);
            return Ok(Table { any_order: true, ..distinct });
        }
        Ok(table.with(table.frame.clone().unique_stable(None, UniqueKeepStrategy::First), columns))
    }

    fn rename(&self, table: Table, pairs: &[(Name, Name)], scope: &Scope) -> Bound<Table> {
        let mut columns = table.columns.clone();
        for (new, old) in pairs {
            let Some(at) = table.columns.iter().position(|column| column.name == old.text) else {
                if table.columns.iter().any(ColumnInfo::is_open) {
                    columns.push(ColumnInfo { unknown: true, ..ColumnInfo::new(&new.text, KqlType::Dynamic) });
                    continue;
                }
                return Err(self.unknown_column(&old.text, &old.span, &scope.with_rows(&table.columns)));
            };
            columns[at].name = new.text.clone();
        }
        let mut names = Names::default();
        if let Some(twice) = columns.iter().find(|column| !names.claim(&column.name)) {
            let culprit = pairs.iter().map(|(new, _)| new).find(|new| new.text == twice.name);
            return Err(
                culprit.map_or_else(|| Diagnostic::new(codes::DUPLICATE, 0..0, "a column is named twice"), duplicate)
            );
        }
        let expressions: Vec<Expr> = table
            .columns
            .iter()
            .zip(&columns)
            .map(|(old, new)| named(old.name.as_str()).alias(new.name.as_str()))
            .collect();
        Ok(table.with(table.frame.clone().select(expressions), columns))
    }

    pub(super) fn sort(&self, table: Table, keys: &[SortKey], scope: &Scope) -> Bound<Table> {
        let rows = scope.with_rows(&table.columns);
        let mut expressions = Vec::new();
        let mut descending = Vec::new();
        for key in keys {
            let value = self.scalar(&key.value, &rows)?;
            if value.kql_type == KqlType::Dynamic && !rows.is_open() {
                let message = "dynamic values have no order";
                return Err(Diagnostic::new(codes::TYPE, key.value.span.clone(), message)
                    .with_hint("sort by tostring() or tolong() of it"));
            }
            let value = super::folded::sortable(value);
            // A rank in front keeps NaN next to null, on the side the query asks for.
            if value.kql_type != KqlType::String {
                expressions.push(null_rank(&value, key.nulls_first));
                descending.push(false);
            }
            expressions.push(value.expression);
            descending.push(key.descending);
        }
        let nulls_last = vec![true; descending.len()];
        let options = SortMultipleOptions::default()
            .with_order_descending_multi(descending)
            .with_nulls_last_multi(nulls_last)
            .with_maintain_order(true);
        let columns = table.columns.clone();
        let sorted = table.with(table.frame.clone().sort_by_exprs(expressions, options), columns);
        Ok(Table { any_order: false, ..sorted })
    }

    fn invoke(&self, table: Table, call: &Ast, scope: &Scope) -> Bound<Table> {
        let ExprKind::Call { name, arguments } = &call.kind else {
            return Err(Diagnostic::new(codes::SYNTAX, call.span.clone(), "`invoke` needs a function call"));
        };
        let result = match scope.find(&name.text) {
            Some(Binding::Function(function)) => {
                let function = function.clone();
                self.call_function(&function, Some(table), arguments, &call.span, scope)?
            }
            _ => match self.stored_call(name, Some(table.clone()), arguments, &call.span, scope)? {
                Some(result) => result,
                None => return self.hosted_invoke(table, name, arguments, scope),
            },
        };
        match result {
            Either::Table(table) => Ok(table),
            Either::Scalar(_) => Err(Diagnostic::new(
                codes::TYPE,
                call.span.clone(),
                "`invoke` needs a tabular function, this gives a scalar",
            )),
        }
    }
}

/// A filter drops null like false, so that `==` may be the plain one, which reaches the statistics of files.
pub(super) fn kept_rows(condition: Expr) -> Expr {
    use polars::prelude::Operator as Op;
    let is_constant = |side: &Expr| matches!(side, Expr::Literal(LiteralValue::Scalar(value)) if !value.is_null());
    match condition {
        Expr::BinaryExpr { left, op: Op::EqValidity, right } if is_constant(&left) || is_constant(&right) => {
            Expr::BinaryExpr { left, op: Op::Eq, right }
        }
        Expr::BinaryExpr { left, op: op @ (Op::And | Op::LogicalAnd), right } => {
            let [left, right] = [left, right].map(|side| std::sync::Arc::new(kept_rows((*side).clone())));
            Expr::BinaryExpr { left, op, right }
        }
        other => other,
    }
}

/// The expressions for every row. Polars would give constants alone only once.
fn selected(table: &Table, expressions: Vec<Expr>) -> LazyFrame {
    let sees_rows = |expression: &Expr| expression.into_iter().any(|part| matches!(part, Expr::Column(_)));
    if expressions.is_empty() || expressions.iter().any(sees_rows) {
        return table.frame.clone().select(expressions);
    }
    super::union::all_rows(table, expressions)
}

fn place(name: String, value: Typed, expressions: &mut Vec<Expr>, columns: &mut Vec<ColumnInfo>) {
    // A column that is only passed on stays as scanned.
    let (expression, scanned) = match value.scanned {
        Some((column, dtype)) => (named(column.as_str()), Some(dtype)),
        None => (value.expression, None),
    };
    expressions.push(expression.alias(name.as_str()));
    columns.push(ColumnInfo { scanned, ..ColumnInfo::new(name, value.kql_type) });
}

/// Only while checking: a column passed on from data that nobody has seen keeps its unknown type.
fn mark_unknown(columns: &mut [ColumnInfo], value: &Ast, scope: &Scope) {
    let ExprKind::Name(name) = &value.kind else { return };
    let unknown = match scope.column(name) {
        Some(column) => column.unknown,
        None => scope.is_open() && scope.find(name).is_none(),
    };
    if let (true, Some(column)) = (unknown, columns.last_mut()) {
        column.unknown = true;
    }
}

fn null_rank(value: &Typed, nulls_first: bool) -> Expr {
    let (null, nan, number) = if nulls_first { (0i32, 1i32, 2i32) } else { (2, 1, 0) };
    let is_null = value.expression.clone().is_null();
    let rest = if value.kql_type == KqlType::Real {
        when(value.expression.clone().is_nan()).then(lit(nan)).otherwise(lit(number))
    } else {
        lit(number)
    };
    when(is_null).then(lit(null)).otherwise(rest)
}

/// Claims the names that the query wrote, before any is derived.
pub(super) fn explicit_names(items: &[NamedExpr]) -> Bound<Names> {
    let mut names = Names::default();
    for name in items.iter().flat_map(|item| &item.names) {
        if !names.claim(&name.text) {
            return Err(duplicate(name));
        }
    }
    Ok(names)
}

pub(super) fn single_name(item: &NamedExpr) -> Bound<Option<&Name>> {
    match item.names.as_slice() {
        [] => Ok(None),
        [name] => Ok(Some(name)),
        [_, second, ..] => Err(not_executed(second.span.clone(), "naming several columns of one value here")),
    }
}

fn keep(table: Table, wanted: impl Fn(&str) -> bool) -> Table {
    let columns: Vec<ColumnInfo> = table.columns.iter().filter(|column| wanted(&column.name)).cloned().collect();
    chosen(table, columns)
}

fn chosen(table: Table, columns: Vec<ColumnInfo>) -> Table {
    let expressions: Vec<Expr> = columns.iter().map(|column| named(column.name.as_str())).collect();
    table.with(table.frame.clone().select(expressions), columns)
}

/// Columns of the planner: no pattern means them.
fn is_hidden(name: &str) -> bool {
    name.contains('\0')
}

/// Names of the columns that the patterns match; a pattern that matches none is an error.
fn matched(table: &Table, patterns: &[NamePattern]) -> Bound<std::collections::HashSet<String>> {
    let mut names = std::collections::HashSet::new();
    for pattern in patterns {
        names.extend(matching(table, pattern)?.into_iter().map(|column| column.name.clone()));
    }
    Ok(names)
}

fn matching<'t>(table: &'t Table, pattern: &NamePattern) -> Bound<Vec<&'t ColumnInfo>> {
    let hits: Vec<&ColumnInfo> =
        table.columns.iter().filter(|column| fits(&pattern.text, pattern.wildcard, &column.name)).collect();
    if hits.is_empty() && !table.columns.iter().any(ColumnInfo::is_open) {
        let what = if pattern.wildcard { "no column matches" } else { "unknown column" };
        let names = table.columns.iter().map(|column| column.name.as_str());
        return Err(Diagnostic::new(codes::UNKNOWN_COLUMN, pattern.span.clone(), format!("{what} `{}`", pattern.text))
            .with_nearest(&pattern.text, names));
    }
    Ok(hits)
}

/// Whether a name fits `a*b`.
pub(super) fn fits(pattern: &str, wildcard: bool, name: &str) -> bool {
    if !wildcard {
        return pattern == name;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| name.strip_prefix(head)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let tail = parts.pop().unwrap_or("");
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(tail)
}

fn reorder(table: Table, items: &[(NamePattern, ReorderBy)]) -> Bound<Table> {
    let mut order: Vec<ColumnInfo> = Vec::new();
    for (pattern, by) in items {
        let mut hits = matching(&table, pattern)?;
        match by {
            ReorderBy::Input => {}
            ReorderBy::Ascending => hits.sort_by(|a, b| a.name.cmp(&b.name)),
            ReorderBy::Descending => hits.sort_by(|a, b| b.name.cmp(&a.name)),
            ReorderBy::GrannyAscending => hits.sort_by_key(|column| granny_key(&column.name)),
            ReorderBy::GrannyDescending => hits.sort_by_key(|column| std::cmp::Reverse(granny_key(&column.name))),
        }
        for hit in hits {
            if !order.iter().any(|column| column.name == hit.name) {
                order.push(hit.clone());
            }
        }
    }
    let rest: Vec<ColumnInfo> =
        table.columns.iter().filter(|column| !order.iter().any(|known| known.name == column.name)).cloned().collect();
    order.extend(rest);
    Ok(chosen(table, order))
}

/// Orders `a2` before `a10`: runs of digits compare as numbers.
fn granny_key(name: &str) -> Vec<(bool, u64, String)> {
    let mut key = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let run = &rest[..end];
        key.push((!digits, run.parse().unwrap_or(0), run.to_string()));
        rest = &rest[end..];
    }
    key
}

fn limited(table: Table, count: i64) -> Table {
    let count = IdxSize::try_from(count.max(0)).unwrap_or(IdxSize::MAX);
    let columns = table.columns.clone();
    Table { name: table.name.clone(), ..table.with(table.frame.clone().limit(count), columns) }
}

fn counted(table: Table, name: Option<&Name>) -> Table {
    let name = name.map_or("Count", |name| &name.text);
    let frame = table.frame.clone().select([len().cast(DataType::Int64).alias(name)]);
    table.with(frame, vec![ColumnInfo::new(name, KqlType::Long)])
}

fn schema_of(table: &Table, operator: &Operator) -> Bound<Table> {
    let text = |name: &str, value: fn(&ColumnInfo) -> String| {
        rows::build(name.into(), KqlType::String, table.columns.iter().map(|column| value(column).into())).into_column()
    };
    let ordinals =
        rows::build("ColumnOrdinal".into(), KqlType::Long, (0..table.columns.len()).map(|at| Cell::Long(at as i64)));
    let columns = vec![
        text("ColumnName", |column| column.name.clone()),
        ordinals.into_column(),
        text("DataType", |column| column.kql_type.dotnet_name().to_string()),
        text("ColumnType", |column| column.kql_type.name().to_string()),
    ];
    let frame = DataFrame::new(table.columns.len(), columns).map_err(super::plan_error(&operator.span))?;
    let types = [
        ("ColumnName", KqlType::String),
        ("ColumnOrdinal", KqlType::Long),
        ("DataType", KqlType::String),
        ("ColumnType", KqlType::String),
    ];
    let columns = types.iter().map(|(name, kql_type)| ColumnInfo::new(*name, *kql_type)).collect();
    Ok(Table { any_order: false, ..table.with(frame.lazy(), columns) })
}
