//! `evaluate ipv4_lookup`: puts the row of the narrowest matching network beside each row.

use polars::prelude::*;

use super::{Binder, Bound, ColumnInfo, Table, Typed, calls, hosted::never_run, lets::Scope, not_executed, plan_error};
use crate::{
    ast::{Argument, ExprKind, Name},
    diagnostics::Span,
    rows, value,
};

impl Binder<'_> {
    /// `ipv4_lookup(ranges, address, range [, key...], return_unmatched = true)`
    pub(super) fn ip_lookup(
        &self,
        table: Table,
        name: &Name,
        arguments: &[Argument],
        span: &Span,
        scope: &Scope,
    ) -> Bound<Table> {
        let (options, positional): (Vec<&Argument>, Vec<&Argument>) =
            arguments.iter().partition(|argument| argument.name.is_some());
        if positional.len() < 3 {
            return Err(calls::wrong_count(name, 3, usize::MAX, positional.len()));
        }
        let ranges = self.table(&positional[0].value, &scope.without_rows())?.canonical();
        let address = self.scalar(&positional[1].value, &scope.with_rows(&table.columns))?;
        let range = self.scalar(&positional[2].value, &scope.with_rows(&ranges.columns))?;
        let mut keep_unmatched = false;
        for option in options {
            if option.name.as_ref().is_some_and(|name| name.text == "return_unmatched") {
                keep_unmatched = self.constant(&option.value, scope)?.boolean() == Some(true);
            }
        }
        let extra: Vec<&Argument> = positional[3..]
            .iter()
            .copied()
            .filter(|argument| !matches!(argument.value.kind, ExprKind::Literal(_)))
            .collect();
        if let Some(ExprKind::Literal(crate::ast::Literal::Bool(Some(flag)))) =
            positional[3..].iter().map(|argument| &argument.value.kind).next_back()
        {
            keep_unmatched = *flag;
        }
        let mut names = super::names::Names::default();
        let mut columns = table.columns.clone();
        for column in &table.columns {
            names.claim(&column.name);
        }
        let renamed: Vec<(String, ColumnInfo)> = ranges
            .columns
            .iter()
            .map(|column| (column.name.clone(), ColumnInfo::new(names.unique(&column.name), column.kql_type)))
            .collect();
        columns.extend(renamed.iter().map(|(_, column)| column.clone()));
        if self.checking {
            return Ok(never_run(columns));
        }
        if let Some(extra) = extra.first() {
            return Err(not_executed(extra.value.span.clone(), "an extra key of `ipv4_lookup`"));
        }
        let lookup = Ranges::collect(self, &ranges, range, span)?;
        let addressed = table.frame.clone().with_columns([address.expression.alias(ADDRESS)]);
        let addressed = self.collected(addressed, span)?;
        looked_up(&table, &addressed, lookup, &renamed, columns, keep_unmatched, span)
    }
}

/// The column of addresses while they are looked up.
const ADDRESS: &str = "\0address";

/// Network ranges with the rows they stand in, most specific first.
struct Ranges {
    entries: Vec<(u32, u32, usize)>,
    rows: DataFrame,
}

impl Ranges {
    fn collect(binder: &Binder<'_>, table: &Table, range: Typed, span: &Span) -> Bound<Self> {
        const RANGE: &str = "\0range";
        let frame = table.frame.clone().with_columns([range.expression.alias(RANGE)]);
        let frame = binder.collected(frame, span)?;
        let texts = frame.column(RANGE).map_err(plan_error(span))?.as_materialized_series().rechunk();
        let texts = texts.str().map_err(plan_error(span))?.clone();
        let mut entries: Vec<(u32, u32, usize)> = texts
            .iter()
            .enumerate()
            .filter_map(|(row, text)| parsed_range(text?).map(|(network, mask)| (network, mask, row)))
            .collect();
        entries.sort_by_key(|(_, mask, row)| (std::cmp::Reverse(*mask), *row));
        let rows = frame.drop(RANGE).map_err(plan_error(span))?;
        Ok(Self { entries, rows })
    }

    /// The row of the narrowest range that holds the address.
    fn row_of(&self, address: &str) -> Option<usize> {
        let address = u32::from(address.trim().parse::<std::net::Ipv4Addr>().ok()?);
        self.entries.iter().find(|(network, mask, _)| address & mask == *network).map(|(.., row)| *row)
    }
}

fn parsed_range(text: &str) -> Option<(u32, u32)> {
    let (address, bits) = text.trim().split_once('/').unwrap_or((text.trim(), "32"));
    let bits: u32 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
    Some((u32::from(address.parse::<std::net::Ipv4Addr>().ok()?) & mask, mask))
}

/// Puts the columns of the matching range beside each row.
fn looked_up(
    table: &Table,
    frame: &DataFrame,
    ranges: Ranges,
    renamed: &[(String, ColumnInfo)],
    columns: Vec<ColumnInfo>,
    keep_unmatched: bool,
    span: &Span,
) -> Bound<Table> {
    let texts = frame.column(ADDRESS).map_err(plan_error(span))?.as_materialized_series().rechunk();
    let texts = texts.str().map_err(plan_error(span))?;
    let hits: Vec<Option<usize>> = texts.iter().map(|text| ranges.row_of(text.unwrap_or_default())).collect();
    let kept: Vec<usize> = (0..hits.len()).filter(|row| keep_unmatched || hits[*row].is_some()).collect();
    let mut outputs = Vec::with_capacity(columns.len());
    for info in &table.columns {
        let series = frame.column(&info.name).map_err(plan_error(span))?.as_materialized_series().rechunk();
        let reader = rows::Reader::new(&series).map_err(plan_error(span))?;
        let cells = kept.iter().map(|row| reader.get(*row).into_owned());
        outputs.push(rows::build(PlSmallStr::from_str(&info.name), info.kql_type, cells).into_column());
    }
    for (source, info) in renamed {
        let series = ranges.rows.column(source).map_err(plan_error(span))?.as_materialized_series().rechunk();
        let reader = rows::Reader::new(&series).map_err(plan_error(span))?;
        let cells = kept.iter().map(|row| match hits[*row] {
            Some(hit) => reader.get(hit).into_owned(),
            None => value::null_of(info.kql_type),
        });
        outputs.push(rows::build(PlSmallStr::from_str(&info.name), info.kql_type, cells).into_column());
    }
    let frame = DataFrame::new(kept.len(), outputs).map_err(plan_error(span))?;
    Ok(table.with(frame.lazy(), columns))
}
