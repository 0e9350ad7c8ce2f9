//! `evaluate ipv4_lookup` and `ipv6_lookup`: puts the row of the narrowest matching network beside
//! each row.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use polars::prelude::*;

use super::{Binder, Bound, ColumnInfo, Table, Typed, calls, hosted::never_run, lets::Scope, names, plan_error};
use crate::{
    ast::{Argument, ExprKind, Literal, Name},
    diagnostics::{Diagnostic, Span, codes},
    functions::conversion,
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
        let mut keys = Vec::new();
        for argument in &positional[3..] {
            match &argument.value.kind {
                ExprKind::Literal(Literal::Bool(Some(flag))) => keep_unmatched = *flag,
                ExprKind::Name(key) => keys.push(self.extra_key(&table, &ranges, key, &argument.value.span, scope)?),
                _ => {
                    let message = format!("an extra key of `{}` is the name of a column of both tables", name.text);
                    return Err(Diagnostic::new(codes::VALUE, argument.value.span.clone(), message));
                }
            }
        }
        let mut taken = names::Names::default();
        let mut columns = table.columns.clone();
        for column in &table.columns {
            taken.claim(&column.name);
        }
        let renamed: Vec<(String, ColumnInfo)> = ranges
            .columns
            .iter()
            .map(|column| (column.name.clone(), ColumnInfo::new(taken.unique(&column.name), column.kql_type)))
            .collect();
        columns.extend(renamed.iter().map(|(_, column)| column.clone()));
        if self.checking {
            return Ok(never_run(columns));
        }
        let family = if name.text == "ipv6_lookup" { Family::Six } else { Family::Four };
        let networks = Networks::collect(self, &ranges, range, &keys, family, span)?;
        let addressed = table.frame.clone().with_columns([address.expression.alias(ADDRESS)]);
        let addressed = self.collected(addressed, span)?;
        looked_up(&table, &addressed, networks, &keys, &renamed, columns, keep_unmatched, span)
    }

    /// A column that must be equal in both tables.
    fn extra_key(&self, left: &Table, right: &Table, key: &str, span: &Span, scope: &Scope) -> Bound<ColumnInfo> {
        let find = |table: &Table| {
            let known = table.column(key).cloned();
            known.ok_or_else(|| self.unknown_column(key, span, &scope.with_rows(&table.columns)))
        };
        let (left, right) = (find(left)?, find(right)?);
        if left.kql_type != right.kql_type {
            let message = format!("`{key}` is a {} in one table and a {} in the other", left.kql_type, right.kql_type);
            return Err(Diagnostic::new(codes::TYPE, span.clone(), message));
        }
        Ok(left)
    }
}

/// The column of addresses while they are looked up.
const ADDRESS: &str = "\0address";

#[derive(Clone, Copy)]
enum Family {
    Four,
    Six,
}

impl Family {
    /// Address and network bits, in the numbers of IPv6; an IPv4 address has its place there, too.
    fn parsed(self, text: &str) -> Option<(u128, u32)> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = match self {
            Family::Four => IpAddr::V4(address.parse::<Ipv4Addr>().ok()?),
            Family::Six => address.parse().ok()?,
        };
        let (number, width) = match address {
            IpAddr::V4(address) => (u128::from(address.to_ipv6_mapped()), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let bits = bits.unwrap_or(width);
        (bits <= width).then(|| (number, 128 - width + bits))
    }
}

fn mask(bits: u32) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (128 - bits) }
}

/// The values of the extra keys of a row.
type Key = Vec<String>;

/// The row of each network of one width, by its address and extra keys.
type Rows = HashMap<(u128, Key), usize>;

/// Networks with the rows they stand in. Per width of a network, its rows by address: a look-up
/// asks for each width that occurs, the narrowest first.
struct Networks {
    by_width: Vec<(u32, Rows)>,
    family: Family,
    rows: DataFrame,
}

impl Networks {
    fn collect(
        binder: &Binder<'_>,
        table: &Table,
        range: Typed,
        keys: &[ColumnInfo],
        family: Family,
        span: &Span,
    ) -> Bound<Self> {
        const RANGE: &str = "\0range";
        let frame = table.frame.clone().with_columns([range.expression.alias(RANGE)]);
        let frame = binder.collected(frame, span)?;
        let texts = frame.column(RANGE).map_err(plan_error(span))?.as_materialized_series().rechunk();
        let texts = texts.str().map_err(plan_error(span))?.clone();
        let keys = key_texts(&frame, keys, span)?;
        let mut by_width: HashMap<u32, Rows> = HashMap::new();
        for (row, text) in texts.iter().enumerate() {
            let Some((address, bits)) = family.parsed(text.unwrap_or_default()) else { continue };
            let entry = (address & mask(bits), keys.get(row).cloned().unwrap_or_default());
            // Of equal networks the first row counts.
            by_width.entry(bits).or_default().entry(entry).or_insert(row);
        }
        let mut by_width: Vec<(u32, Rows)> = by_width.into_iter().collect();
        by_width.sort_by_key(|(bits, _)| std::cmp::Reverse(*bits));
        let rows = frame.drop(RANGE).map_err(plan_error(span))?;
        Ok(Self { by_width, family, rows })
    }

    /// The row of the narrowest network that holds the address. An address with a prefix of its own
    /// is in no network narrower than itself.
    fn row_of(&self, address: &str, key: &Key) -> Option<usize> {
        let (address, own) = self.family.parsed(address)?;
        self.by_width
            .iter()
            .filter(|(bits, _)| *bits <= own)
            .find_map(|(bits, networks)| networks.get(&(address & mask(*bits), key.clone())).copied())
    }
}

/// The extra keys of each row as text; nothing without extra keys.
fn key_texts(frame: &DataFrame, keys: &[ColumnInfo], span: &Span) -> Bound<Vec<Key>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut texts: Vec<Key> = vec![Vec::with_capacity(keys.len()); frame.height()];
    for key in keys {
        let series = frame.column(&key.name).map_err(plan_error(span))?.as_materialized_series().rechunk();
        let reader = rows::Reader::new(&series).map_err(plan_error(span))?;
        for (row, texts) in texts.iter_mut().enumerate() {
            texts.push(conversion::text_of(&reader.get(row), key.kql_type).into_owned());
        }
    }
    Ok(texts)
}

/// Puts the columns of the matching network beside each row.
#[expect(clippy::too_many_arguments, reason = "one call, every argument of its own kind")]
fn looked_up(
    table: &Table,
    frame: &DataFrame,
    networks: Networks,
    keys: &[ColumnInfo],
    renamed: &[(String, ColumnInfo)],
    columns: Vec<ColumnInfo>,
    keep_unmatched: bool,
    span: &Span,
) -> Bound<Table> {
    let texts = frame.column(ADDRESS).map_err(plan_error(span))?.as_materialized_series().rechunk();
    let texts = texts.str().map_err(plan_error(span))?;
    let keys = key_texts(frame, keys, span)?;
    let none = Key::new();
    let hits: Vec<Option<usize>> = texts
        .iter()
        .enumerate()
        .map(|(row, text)| networks.row_of(text.unwrap_or_default(), keys.get(row).unwrap_or(&none)))
        .collect();
    let kept: Vec<usize> = (0..hits.len()).filter(|row| keep_unmatched || hits[*row].is_some()).collect();
    let mut outputs = Vec::with_capacity(columns.len());
    for info in &table.columns {
        let series = frame.column(&info.name).map_err(plan_error(span))?.as_materialized_series().rechunk();
        let reader = rows::Reader::new(&series).map_err(plan_error(span))?;
        let cells = kept.iter().map(|row| reader.get(*row).into_owned());
        outputs.push(rows::build(PlSmallStr::from_str(&info.name), info.kql_type, cells).into_column());
    }
    for (source, info) in renamed {
        let series = networks.rows.column(source).map_err(plan_error(span))?.as_materialized_series().rechunk();
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
