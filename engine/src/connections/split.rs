//! Splitting a query by time, where the service would not give all its rows at once.
//!
//! The slices of a query can be put together again only if each of its rows comes of one row of one table: then the
//! rows of `[a, b)` and `[b, c)` are those of `[a, c)`. A count or a join over a slice is another answer than over the
//! whole, so such queries are refused, with the operator that is in the way.

use std::ops::Range;

use huntbook_kql::{Expr, ExprKind, OperatorKind, Statement, Union, ticks};

use crate::parameters::code_only;
use crate::time_range::TimeRange;

/// A query that can be run over slices of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Splittable<'q> {
    query: &'q str,
    /// Ends of the tables' names, and whether brackets are needed around a filter there
    tables: Vec<(Range<usize>, bool)>,
}

/// Errors: why the slices could not be put together.
pub(crate) fn splittable(query: &str) -> Result<Splittable<'_>, String> {
    let (tree, problems) = huntbook_kql::parse(query);
    if !problems.is_empty() {
        return Err("it is not understood well enough to be split".to_owned());
    }
    let mut expressions = Vec::new();
    for statement in &tree.statements {
        match statement {
            Statement::Expression(expression) => expressions.push(expression),
            Statement::Let { .. } | Statement::Set { .. } | Statement::QueryParameters(_) => {}
            _ => return Err("it has a statement that may reach beyond a slice".to_owned()),
        }
    }
    let [expression] = expressions.as_slice() else {
        return Err(format!("it has {} results", expressions.len()));
    };
    let mut tables = Vec::new();
    rows_of(expression, false, &mut tables)?;
    let named: Vec<&str> = tables.iter().map(|(place, _): &(Range<usize>, bool)| &query[place.clone()]).collect();
    let mentioned = huntbook_kql::tables_mentioned(query);
    if let Some(other) = mentioned.iter().find(|table| !named.contains(&table.as_str())) {
        return Err(format!("it looks up `{other}`, which must not be cut into slices"));
    }
    Ok(Splittable { query, tables })
}

/// Collects the tables whose rows the expression passes on one by one.
fn rows_of(expression: &Expr, in_union: bool, tables: &mut Vec<(Range<usize>, bool)>) -> Result<(), String> {
    match &expression.kind {
        ExprKind::Name(_) => {
            tables.push((expression.span.clone(), in_union));
            Ok(())
        }
        ExprKind::Pipeline { source, operators } => {
            rows_of(source, in_union && operators.is_empty(), tables)?;
            operators.iter().try_for_each(|operator| row_by_row(&operator.kind, tables))
        }
        ExprKind::Union(union) => union_rows(union, tables),
        _ => Err("its rows do not come of a table that it names".to_owned()),
    }
}

fn union_rows(union: &Union, tables: &mut Vec<(Range<usize>, bool)>) -> Result<(), String> {
    if union.parameters.iter().any(|parameter| parameter.name.text == "withsource") {
        return Err("`withsource` names other sources when the tables are filtered".to_owned());
    }
    union.tables.iter().try_for_each(|table| rows_of(table, true, tables))
}

fn row_by_row(operator: &OperatorKind, tables: &mut Vec<(Range<usize>, bool)>) -> Result<(), String> {
    let name = match operator {
        OperatorKind::Where(_)
        | OperatorKind::Project(_)
        | OperatorKind::Extend(_)
        | OperatorKind::ProjectAway(_)
        | OperatorKind::ProjectKeep(_)
        | OperatorKind::ProjectRename(_)
        | OperatorKind::ProjectReorder(_)
        | OperatorKind::Parse { .. }
        | OperatorKind::ParseKv { .. }
        | OperatorKind::MvExpand { .. }
        | OperatorKind::Render { .. } => return Ok(()),
        OperatorKind::Union(union) => return union_rows(union, tables),
        OperatorKind::Summarize { .. } => "summarize",
        OperatorKind::Sort(_) => "sort",
        OperatorKind::Top { .. } => "top",
        OperatorKind::Take(_) => "take",
        OperatorKind::Count { .. } => "count",
        OperatorKind::Distinct(_) => "distinct",
        OperatorKind::Join(_) => "join",
        OperatorKind::Lookup(_) => "lookup",
        OperatorKind::Serialize(_) => "serialize",
        OperatorKind::MvApply(_) => "mv-apply",
        OperatorKind::MakeSeries(_) => "make-series",
        OperatorKind::Evaluate { .. } => "evaluate",
        _ => "an operator over many rows",
    };
    Err(format!("`{name}` over a slice is not `{name}` over the whole"))
}

impl Splittable<'_> {
    /// The query over one slice. The filter stands behind each table, so that it holds whatever the service takes the
    /// ends of a timespan to be.
    pub(crate) fn over(&self, slice: TimeRange, time_column: &str) -> String {
        let [from, to] = [slice.from, slice.to].map(ticks::format_datetime);
        let filter = format!(" | where {time_column} >= datetime({from}) and {time_column} < datetime({to})");
        let mut out = self.query.to_owned();
        let mut tables = self.tables.clone();
        tables.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        for (place, in_union) in tables {
            if in_union {
                out.insert(place.end, ')');
                out.insert_str(place.end, &filter);
                out.insert(place.start, '(');
            } else {
                out.insert_str(place.end, &filter);
            }
        }
        out
    }
}

/// Is the query a control command?
pub(crate) fn is_command(query: &str) -> bool {
    code_only(query).trim_start().starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: TimeRange = TimeRange { from: ticks::UNIX_EPOCH, to: ticks::UNIX_EPOCH + ticks::HOUR };
    const FILTER: &str = " | where TimeGenerated >= datetime(1970-01-01T00:00:00.0000000Z) and TimeGenerated < datetime(1970-01-01T01:00:00.0000000Z)";

    fn over(query: &str) -> String {
        splittable(query).unwrap_or_else(|why| panic!("{query}: {why}")).over(HOUR, "TimeGenerated")
    }

    #[test]
    fn the_filter_stands_behind_each_table() {
        assert_eq!(over("T"), format!("T{FILTER}"));
        assert_eq!(over("let x = 1;\nT // all\n| where a > x"), format!("let x = 1;\nT{FILTER} // all\n| where a > x"));
        assert_eq!(
            over("union T, (U | where b) | project a"),
            format!("union (T{FILTER}), (U{FILTER} | where b) | project a")
        );
        let (_, problems) = huntbook_kql::parse(&over("union isfuzzy=true T, U | extend c = 1"));
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn what_cannot_be_put_together_is_refused_by_name() {
        for (query, word) in [
            ("T | summarize count() by a", "`summarize`"),
            ("T | where a | top 5 by b", "`top`"),
            ("T | take 5", "`take`"),
            ("T | join U on a", "`join`"),
            ("T | where a in (U | project a)", "`U`"),
            ("let L = U | distinct a; T | where a in (L)", "`U`"),
            ("T; U", "2 results"),
            ("print 1", "table"),
            ("union T*", "table"),
            ("union withsource=S T, U", "`withsource`"),
            ("T | where", "understood"),
        ] {
            let why = splittable(query).unwrap_err();
            assert!(why.contains(word), "{query}: {why}");
        }
    }

    #[test]
    fn commands_are_told_from_queries() {
        assert!(is_command("// all\n.show tables") && !is_command("T | where a == '.'"));
    }
}
