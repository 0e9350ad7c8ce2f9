//! `top-nested`, `top-hitters`, `sample-distinct`, `project-by-names` and the other small operators.

use polars::prelude::*;
use serde_json::Value as Json;

use super::{
    Binder, Bound, ColumnInfo, Table, grouped::made, hosted::never_run, lets::Scope, names, not_executed,
    operators::fits,
};
use crate::{
    ast::{Expr as Ast, KqlType, Name, NamedExpr, NestedLevel, Operator, OperatorKind, SortKey},
    diagnostics::{Diagnostic, Span, codes},
    functions::{conversion, dynamic},
    rows::named,
};

impl Binder<'_> {
    /// `top-nested`: the best values of a column, the best of the next column within each, ...
    pub(super) fn top_nested(
        &self,
        table: Table,
        levels: &[NestedLevel],
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let span = &operator.span;
        let table = table.canonical();
        let mut source = table;
        let mut keys: Vec<String> = Vec::new();
        let mut columns: Vec<ColumnInfo> = Vec::new();
        let mut result: Option<Table> = None;
        for (at, level) in levels.iter().enumerate() {
            let key = name_of(&level.of).unwrap_or_else(|| "Column1".to_string());
            let measure = level.by.names.first().map_or_else(|| format!("aggregated_{key}"), |name| name.text.clone());
            if keys.contains(&key) {
                return Err(Diagnostic::new(
                    codes::DUPLICATE,
                    level.of.value.span.clone(),
                    format!("the column `{key}` is named twice"),
                ));
            }
            let extended = self.run(source, extend(&key, &level.of.value, span), span, scope)?;
            let mut by: Vec<NamedExpr> = keys.iter().map(|key| reference(key, span)).collect();
            by.push(reference(&key, span));
            let aggregates = vec![named_as(&measure, level.by.value.clone(), span)];
            let grouped = self.run(extended.clone(), OperatorKind::Summarize { aggregates, by }, span, scope)?;
            let kql_type = |name: &str| grouped.column(name).map_or(KqlType::Dynamic, |column| column.kql_type);
            columns.push(ColumnInfo::new(&key, kql_type(&key)));
            columns.push(ColumnInfo::new(&measure, kql_type(&measure)));
            if self.checking {
                source = extended;
                keys.push(key);
                continue;
            }
            let is_last = at + 1 == levels.len();
            if let Some(others) = level.others.as_ref().filter(|_| !is_last) {
                return Err(not_executed(others.span.clone(), "`with others` of an outer level of `top-nested`"));
            }
            let mut best = self.best(grouped, &keys, &measure, level, span, scope)?;
            if let Some(others) = &level.others {
                let rest = self.others(&extended, &best, &keys, (&key, &measure), (level, others), span, scope)?;
                best = self.stacked(vec![best, rest], false, None, span)?;
            }
            keys.push(key);
            // Deeper levels only look at rows whose values made it so far.
            source = semi_join(&extended, &best, &keys);
            result = Some(match result {
                None => best,
                Some(above) => inner_join(above, best, &keys[..keys.len() - 1]),
            });
        }
        match result {
            Some(result) => {
                let kept: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
                Ok(result.with(result.frame.clone().select(kept), columns))
            }
            None => Ok(never_run(columns)),
        }
    }

    /// One row per group of the levels above, over the rows whose value did not make it.
    #[expect(clippy::too_many_arguments, reason = "one call, every argument of its own kind")]
    fn others(
        &self,
        source: &Table,
        best: &Table,
        above: &[String],
        (key, measure): (&str, &str),
        (level, others): (&NestedLevel, &Ast),
        span: &Span,
        scope: &Scope,
    ) -> Bound<Table> {
        const ROWS: &str = "rows of others";
        let mut keys = above.to_vec();
        keys.push(key.to_string());
        let mut arguments = JoinArgs::new(JoinType::Anti);
        arguments.nulls_equal = true;
        let frame = source.frame.clone().join(best.frame.clone(), keys_of(&keys), keys_of(&keys), arguments);
        let rest = source.with(frame, source.columns.clone());
        let aggregates = vec![
            named_as(measure, level.by.value.clone(), span),
            named_as(ROWS, super::grouped::call("count", span), span),
        ];
        let by = above.iter().map(|key| reference(key, span)).collect();
        let summed = self.run(rest, OperatorKind::Summarize { aggregates, by }, span, scope)?;
        let label = self.scalar(others, &scope.without_rows())?;
        let kql_type = best.column(key).map_or(KqlType::String, |column| column.kql_type);
        let mut columns: Vec<ColumnInfo> = best.columns.clone();
        columns.retain(|column| keys.contains(&column.name) || column.name == measure);
        let frame = summed.frame.clone().filter(named(ROWS).gt(lit(0i64)));
        let frame = frame.with_columns([label.converted(kql_type).expression.alias(key)]);
        let kept: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
        Ok(summed.with(frame.select(kept), columns))
    }

    /// The first values of each group of the levels above.
    fn best(
        &self,
        grouped: Table,
        above: &[String],
        measure: &str,
        level: &NestedLevel,
        span: &Span,
        scope: &Scope,
    ) -> Bound<Table> {
        let mut order: Vec<SortKey> =
            above.iter().map(|key| SortKey { value: made(key, span), descending: false, nulls_first: true }).collect();
        let descending = level.descending;
        order.push(SortKey { value: made(measure, span), descending, nulls_first: !descending });
        let sorted = self.run(grouped, OperatorKind::Sort(order), span, scope)?;
        let Some(count) = &level.count else { return Ok(sorted) };
        let count = self.constant_count(count, "top-nested", scope)?;
        if above.is_empty() {
            return self.run(sorted, OperatorKind::Take(whole_number(count, span)), span, scope);
        }
        Ok(super::grouped::limited_per_group(sorted, above, count))
    }

    /// `top-hitters`: the most frequent values, or those with the largest sum.
    pub(super) fn top_hitters(
        &self,
        table: Table,
        count: &Ast,
        of: &NamedExpr,
        by: Option<&NamedExpr>,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let span = &operator.span;
        let key = name_of(of).unwrap_or_else(|| "Column1".to_string());
        let (measure, aggregate) = match by {
            None => (format!("approximate_count_{key}"), super::grouped::call("count", span)),
            Some(by) => {
                let name = name_of(by).unwrap_or_default();
                let argument = crate::ast::Argument { name: None, value: by.value.clone() };
                let sum = crate::ast::ExprKind::Call {
                    name: Name { text: "sum".to_string(), span: span.clone() },
                    arguments: vec![argument],
                };
                (format!("approximate_sum_{name}"), Ast { kind: sum, span: span.clone() })
            }
        };
        let kind = OperatorKind::Summarize {
            aggregates: vec![named_as(&measure, aggregate, span)],
            by: vec![named_as(&key, of.value.clone(), span)],
        };
        let grouped = self.run(table, kind, span, scope)?;
        let key = SortKey { value: made(&measure, span), descending: true, nulls_first: false };
        self.run(grouped, OperatorKind::Top { count: count.clone(), key }, span, scope)
    }

    /// `sample-distinct 5 of a`
    pub(super) fn sample_distinct(
        &self,
        table: Table,
        count: &Ast,
        of: &NamedExpr,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let span = &operator.span;
        let distinct = self.run(table, OperatorKind::Distinct(vec![of.clone()]), span, scope)?;
        self.run(distinct, OperatorKind::Take(count.clone()), span, scope)
    }

    /// `project-by-names`: columns by names and patterns that are values.
    pub(super) fn project_by_names(&self, table: Table, items: &[Ast], scope: &Scope) -> Bound<Table> {
        let mut patterns = Vec::new();
        for item in items {
            if let crate::ast::ExprKind::Call { name, arguments } = &item.kind
                && name.text == "column_names_of"
            {
                let argument = super::calls::only(name, arguments)?;
                let named = self.table(argument, &scope.without_rows())?;
                patterns.extend(named.columns.iter().map(|column| column.name.clone()));
                continue;
            }
            let constant = self.constant(item, scope)?;
            let kql_type = self.scalar(item, &scope.without_rows())?.kql_type;
            match (kql_type, dynamic::json(&constant)) {
                (KqlType::Dynamic, Json::Array(items)) => patterns.extend(items.iter().map(conversion::json_text)),
                (KqlType::Dynamic, other) => patterns.push(conversion::json_text(&other)),
                _ => patterns.push(conversion::text_of(&constant, kql_type).into_owned()),
            }
        }
        let mut columns: Vec<ColumnInfo> = Vec::new();
        for pattern in &patterns {
            let hits = table.columns.iter().filter(|column| fits(pattern, pattern.contains('*'), &column.name));
            for hit in hits {
                if !columns.iter().any(|known| known.name == hit.name) {
                    columns.push(hit.clone());
                }
            }
        }
        let kept: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
        Ok(table.with(table.frame.clone().select(kept), columns))
    }

    /// `assert-schema`: refuses other columns or types.
    pub(super) fn assert_schema(&self, table: Table, wanted: &[(Name, KqlType)], operator: &Operator) -> Bound<Table> {
        let same = table.columns.len() == wanted.len()
            && table
                .columns
                .iter()
                .zip(wanted)
                .all(|(column, (name, kql_type))| column.name == name.text && column.kql_type == *kql_type);
        if same {
            return Ok(table);
        }
        let found: Vec<String> =
            table.columns.iter().map(|column| format!("{}: {}", column.name, column.kql_type)).collect();
        let message = format!("the rows do not have this schema, they have ({})", found.join(", "));
        Err(Diagnostic::new(codes::TYPE, operator.span.clone(), message))
    }

    fn run(&self, table: Table, kind: OperatorKind, span: &Span, scope: &Scope) -> Bound<Table> {
        self.operator(table, &Operator { kind, span: span.clone() }, scope)
    }
}

fn name_of(item: &NamedExpr) -> Option<String> {
    item.names.first().map(|name| name.text.clone()).or_else(|| names::derived(&item.value))
}

fn named_as(name: &str, value: Ast, span: &Span) -> NamedExpr {
    NamedExpr { names: vec![Name { text: name.to_string(), span: span.clone() }], value }
}

fn reference(name: &str, span: &Span) -> NamedExpr {
    named_as(name, made(name, span), span)
}

fn extend(name: &str, value: &Ast, span: &Span) -> OperatorKind {
    OperatorKind::Extend(vec![named_as(name, value.clone(), span)])
}

fn whole_number(value: i64, span: &Span) -> Ast {
    let literal = crate::ast::Literal::Long(Some(value));
    Ast { kind: crate::ast::ExprKind::Literal(literal), span: span.clone() }
}

fn keys_of(keys: &[String]) -> Vec<Expr> {
    keys.iter().map(named).collect()
}

fn semi_join(left: &Table, right: &Table, keys: &[String]) -> Table {
    let mut arguments = JoinArgs::new(JoinType::Semi);
    arguments.nulls_equal = true;
    let frame = left.frame.clone().join(right.frame.clone(), keys_of(keys), keys_of(keys), arguments);
    left.with(frame, left.columns.clone())
}

fn inner_join(left: Table, right: Table, keys: &[String]) -> Table {
    let mut arguments = JoinArgs::new(JoinType::Inner);
    arguments.nulls_equal = true;
    arguments.maintain_order = MaintainOrderJoin::LeftRight;
    let frame = left.frame.clone().join(right.frame.clone(), keys_of(keys), keys_of(keys), arguments);
    let mut columns = left.columns.clone();
    columns.extend(right.columns.iter().filter(|column| !keys.contains(&column.name)).cloned());
    left.with(frame, columns)
}
