//! `summarize`. Keys and aggregate arguments become plain columns first, so that polars groups
//! columns only; scalar work on aggregates happens in a projection behind the grouping.

use std::{cell::RefCell, rc::Rc};

use polars::prelude::*;

use crate::rows::named;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed, aggregates,
    lets::Scope,
    names::{self, Names},
    operators::explicit_names,
    preaggregate::{self, Fold, Folded},
};
use crate::{
    ast::{ExprKind, KqlType, NamedExpr, Operator},
    diagnostics::{Diagnostic, codes},
};

/// Gathers the aggregates of one `summarize`.
pub(crate) struct Collector {
    pub(super) input: Scope,
    /// There is a `by`.
    pub(super) has_keys: bool,
    /// The rows are read from files, in batches and in no order.
    pub(super) streams: bool,
    /// Argument columns, computed before grouping
    arguments: RefCell<Vec<Expr>>,
    /// One expression per aggregate, over the argument columns
    aggregates: RefCell<Vec<Expr>>,
    /// The aggregates that batches can fold
    folded: RefCell<Vec<Folded>>,
}

impl Collector {
    /// The rows that are aggregated.
    pub(super) fn input(&self) -> &Scope {
        &self.input
    }

    pub(super) fn argument(&self, value: Typed) -> Expr {
        let name = format!("__arg_{}", self.arguments.borrow().len());
        self.arguments.borrow_mut().push(value.expression.alias(name.as_str()));
        named(name.as_str())
    }

    pub(super) fn aggregate(&self, expression: Expr) -> Expr {
        let name = format!("__agg_{}", self.aggregates.borrow().len());
        self.aggregates.borrow_mut().push(expression.alias(name.as_str()));
        named(name.as_str())
    }

    /// `count()`, as Int64.
    pub(super) fn count_rows(&self) -> Expr {
        let rows = self.aggregate(len());
        self.folds(Fold::Rows, None);
        rows.cast(DataType::Int64)
    }

    /// An aggregate of an integer, datetime, timespan or bool argument, of type `result`.
    pub(super) fn fold(&self, fold: Fold, argument: Expr, result: DataType) -> Expr {
        let folded = self.aggregate(match fold {
            Fold::Rows => argument.clone().len(),
            Fold::Sum => argument.clone().sum(),
            Fold::Min => argument.clone().min(),
            Fold::Max => argument.clone().max(),
        });
        if let Expr::Column(argument) = argument {
            self.folds(fold, Some(argument));
        }
        folded.cast(result)
    }

    /// The last aggregate can be folded.
    fn folds(&self, fold: Fold, argument: Option<PlSmallStr>) {
        let name = format!("__agg_{}", self.aggregates.borrow().len() - 1).into();
        self.folded.borrow_mut().push(Folded { fold, argument, name });
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
        let collector = Rc::new(Collector {
            input,
            has_keys: !keys.is_empty(),
            streams: self.streams.get(),
            arguments: RefCell::default(),
            aggregates: RefCell::default(),
            folded: RefCell::default(),
        });
        let mut outer = scope.with_rows(&key_columns);
        outer.aggregates = Some(collector.clone());

        let mut outputs: Vec<(String, Typed)> = Vec::new();
        for item in items {
            self.summarize_item(item, &collector, &key_columns, &mut names, &outer, &mut outputs)?;
        }
        let frame = grouped(&table, &keys, &collector);
        let any_order = collector.streams && !keys.is_empty();
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
        Ok(Table { any_order, ..table.with(frame.select(expressions), columns) })
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
            && aggregates::gives_several(&name.text)
        {
            let several = self.several_columns(name, arguments, collector, keys)?;
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
    // A `select` of the expressions themselves would give a single row where all of them are constants.
    let arguments = (0..collector.arguments.borrow().len()).map(|at| format!("__arg_{at}"));
    let frame = frame.select(key_names.iter().cloned().chain(arguments).map(named).collect::<Vec<_>>());
    let key_columns: Vec<Expr> = key_names.iter().map(|name| named(name.as_str())).collect();
    let renamed = keys.iter().zip(&key_names).map(|((name, _), key)| named(key.as_str()).alias(name.as_str()));
    let results = (0..aggregates.len()).map(|at| named(format!("__agg_{at}")));
    let outputs: Vec<Expr> = renamed.chain(results).collect();
    let folded = collector.folded.borrow().clone();
    let keys: Vec<PlSmallStr> = key_names.iter().map(PlSmallStr::from).collect();
    let groups = match (collector.streams, aggregates.is_empty()) {
        (true, true) => preaggregate::distinct(frame, &keys),
        (true, false) if folded.len() == aggregates.len() => preaggregate::summarized(frame, &keys, folded),
        (true, false) => frame.group_by(key_columns).agg(aggregates),
        (false, true) => frame.unique_stable(None, UniqueKeepStrategy::First),
        (false, false) => frame.group_by_stable(key_columns).agg(aggregates),
    };
    groups.select(outputs)
}
