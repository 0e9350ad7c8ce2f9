//! `evaluate`: plug-ins. Some must see the rows before their columns are known; those run the
//! plan in front of them.

use polars::prelude::*;
use serde_json::Value as Json;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed, calls, hosted::never_run, lets::Scope, not_executed, plan_error,
    windows::whole,
};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Name, Operator},
    diagnostics::{Diagnostic, Span, codes, nearest},
    functions::{conversion, dynamic},
    rows::{self, named},
    value::{self, Cell, Value},
};

/// Plug-ins that run here.
const EXECUTED: &[&str] = &["bag_unpack", "pivot", "narrow", "ipv4_lookup", "schema_merge", "rows_near"];

/// Plug-ins of the language that are refused by name.
const REFUSED: &[&str] = &[
    "active_users_count",
    "activity_counts_metrics",
    "activity_engagement",
    "activity_metrics",
    "ai_chat_completion",
    "ai_chat_completion_prompt",
    "ai_embeddings",
    "autocluster",
    "azure_digital_twins_query_request",
    "basket",
    "cosmosdb_sql_request",
    "csharp",
    "dcount_intersect",
    "diffpatterns",
    "estimate_rows_count",
    "execute_query",
    "execute_show_command",
    "external_datatable",
    "funnel_sequence",
    "funnel_sequence_completion",
    "geo_line_lookup",
    "geo_polygon_lookup",
    "http_request",
    "http_request_post",
    "identity",
    "infer_storage_schema",
    "mysql_request",
    "new_activity_metrics",
    "postgresql_request",
    "preview",
    "python",
    "r",
    "rolling_percentile",
    "sequence_detect",
    "session_count",
    "sliding_window_counts",
    "sql_request",
];

/// Names of the plug-ins that run.
pub(crate) fn executed() -> impl Iterator<Item = &'static str> {
    EXECUTED.iter().copied()
}

/// Names of the plug-ins that do not.
pub(crate) fn refused() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().copied().chain(["ipv6_lookup"])
}

type Declared<'d> = Option<&'d (bool, Vec<(Name, KqlType)>)>;

/// The arguments of a plug-in, by place or by name.
pub(super) struct Given<'a> {
    arguments: &'a [Argument],
}

impl<'a> Given<'a> {
    pub(super) fn get(&self, at: usize, name: &str) -> Option<&'a Ast> {
        let named = self.arguments.iter().find(|argument| argument.name.as_ref().is_some_and(|n| n.text == name));
        let positional = || self.arguments.get(at).filter(|argument| argument.name.is_none());
        named.or_else(positional).map(|argument| &argument.value)
    }
}

impl Binder<'_> {
    pub(super) fn evaluate(
        &self,
        table: Table,
        name: &Name,
        arguments: &[Argument],
        schema: Declared<'_>,
        operator: &Operator,
        scope: &Scope,
    ) -> Bound<Table> {
        let given = Given { arguments };
        let table = table.canonical();
        let span = &operator.span;
        match name.text.as_str() {
            "bag_unpack" => self.bag_unpack(table, name, &given, schema, span, scope),
            "pivot" => self.pivot(table, name, arguments, schema, operator, scope),
            "narrow" => narrow(&table, self.checking),
            "ipv4_lookup" => self.ip_lookup(table, name, arguments, span, scope),
            "ipv6_lookup" if self.checking => self.ip_lookup(table, name, arguments, span, scope),
            "schema_merge" => self.schema_merge(table, &given, scope),
            "rows_near" => self.rows_near(table, name, &given, scope),
            other if refused().any(|refused| refused == other) => {
                if self.checking {
                    return Ok(never_run(self.columns_of(other, &table, schema)));
                }
                Err(not_executed(name.span.clone(), format!("plug-in `{other}`")))
            }
            other => {
                let known = EXECUTED.iter().chain(REFUSED).copied();
                let message = format!("unknown plug-in `{other}`");
                let diagnostic = Diagnostic::new(codes::UNKNOWN_FUNCTION, name.span.clone(), message);
                Err(match nearest(other, known) {
                    Some(close) => diagnostic.with_hint(format!("did you mean `{close}`?")),
                    None => diagnostic,
                })
            }
        }
    }

    /// Only while checking: what a refused plug-in would give.
    fn columns_of(&self, plugin: &str, table: &Table, schema: Declared<'_>) -> Vec<ColumnInfo> {
        if let Some((_, declared)) = schema {
            return declared.iter().map(|(name, kql_type)| ColumnInfo::new(&name.text, *kql_type)).collect();
        }
        match plugin {
            "autocluster" | "basket" => {
                let mut columns = vec![
                    ColumnInfo::new("SegmentId", KqlType::Long),
                    ColumnInfo::new("Count", KqlType::Long),
                    ColumnInfo::new("Percent", KqlType::Real),
                ];
                columns.extend(table.columns.iter().cloned());
                columns
            }
            _ => vec![ColumnInfo::open()],
        }
    }

    /// A dynamic column's keys as columns.
    fn bag_unpack(
        &self,
        table: Table,
        name: &Name,
        given: &Given<'_>,
        schema: Declared<'_>,
        span: &Span,
        scope: &Scope,
    ) -> Bound<Table> {
        let Some(bag) = given.get(0, "Column") else { return Err(calls::wrong_count(name, 1, 4, 0)) };
        let ExprKind::Name(column) = &bag.kind else {
            return Err(Diagnostic::new(codes::VALUE, bag.span.clone(), "`bag_unpack` needs the name of a column"));
        };
        match table.column(column) {
            Some(found) if found.kql_type == KqlType::Dynamic => {}
            Some(found) => {
                let message = format!("`bag_unpack` needs a dynamic column, this is a {}", found.kql_type);
                return Err(Diagnostic::new(codes::TYPE, bag.span.clone(), message));
            }
            None if self.checking && scope.with_rows(&table.columns).is_open() => {}
            None => return Err(self.unknown_column(column, &bag.span, &scope.with_rows(&table.columns))),
        }
        let text = |at: usize, name: &str| -> Bound<Option<String>> {
            given.get(at, name).map(|value| Ok(self.constant(value, scope)?.text().to_string())).transpose()
        };
        let prefix = text(1, "OutputColumnPrefix")?.unwrap_or_default();
        let conflict = text(2, "columnsConflict")?.unwrap_or_else(|| "error".to_string());
        if !matches!(conflict.as_str(), "" | "error" | "replace_source" | "keep_source") && !self.checking {
            let message = format!("columnsConflict is error, replace_source or keep_source, not `{conflict}`");
            return Err(Diagnostic::new(codes::VALUE, span.clone(), message));
        }
        let ignored = match given.get(3, "ignoredProperties") {
            Some(value) => match dynamic::json(&self.constant(value, scope)?) {
                Json::Array(items) => items.iter().map(conversion::json_text).collect(),
                _ => Vec::new(),
            },
            None => Vec::new(),
        };
        let sources: Vec<ColumnInfo> = table.columns.iter().filter(|known| known.name != *column).cloned().collect();
        if self.checking {
            let mut columns = Vec::new();
            match schema {
                Some((star, declared)) => {
                    if *star {
                        columns.extend(sources);
                    }
                    columns.extend(declared.iter().map(|(name, kql_type)| ColumnInfo::new(&name.text, *kql_type)));
                }
                None => {
                    columns.extend(sources);
                    columns.push(ColumnInfo::open());
                }
            }
            return Ok(never_run(columns));
        }
        let frame = table.frame.clone().collect().map_err(plan_error(span))?;
        let mut unpacked = unpacked_keys(&frame, column, &ignored).map_err(plan_error(span))?;
        if let Some((_, declared)) = schema {
            let wanted = |key: &str| declared.iter().find(|(name, _)| name.text == format!("{prefix}{key}"));
            unpacked.retain(|(key, _)| wanted(key).is_some());
            for (name, kql_type) in declared {
                let key = name.text.strip_prefix(prefix.as_str()).unwrap_or(&name.text).to_string();
                match unpacked.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, found)) => *found = *kql_type,
                    None if !sources.iter().any(|source| source.name == name.text) => unpacked.push((key, *kql_type)),
                    None => {}
                }
            }
        }
        let mut columns = sources.clone();
        let mut expressions: Vec<Expr> = sources.iter().map(|source| named(&source.name)).collect();
        let source_bag = Typed::computed(named(column), KqlType::Dynamic);
        for (key, kql_type) in unpacked {
            let target = format!("{prefix}{key}");
            let step = dynamic::path(vec![dynamic::Step::Key(key.clone())]);
            let value = Typed::apply(vec![source_bag.clone()], KqlType::Dynamic, step).converted(kql_type);
            let info = ColumnInfo::new(&target, kql_type);
            match columns.iter().position(|known| known.name == target) {
                None => {
                    columns.push(info);
                    expressions.push(value.expression.alias(target.as_str()));
                }
                Some(_) if conflict == "keep_source" => {}
                Some(at) if conflict == "replace_source" => {
                    columns.remove(at);
                    drop(expressions.remove(at));
                    columns.push(info);
                    expressions.push(value.expression.alias(target.as_str()));
                }
                Some(_) => {
                    let message = format!("`bag_unpack` would give a second column `{target}`");
                    return Err(Diagnostic::new(codes::DUPLICATE, bag.span.clone(), message)
                        .with_hint("give a prefix, or columnsConflict='replace_source' or 'keep_source'"));
                }
            }
        }
        Ok(table.with(frame.lazy().select(expressions), columns))
    }

    /// `ipv4_lookup(ranges, address, range [, key...], return_unmatched = true)`
    fn ip_lookup(&self, table: Table, name: &Name, arguments: &[Argument], span: &Span, scope: &Scope) -> Bound<Table> {
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
        let lookup = Ranges::collect(&ranges, range, span)?;
        looked_up(&table, address, lookup, &renamed, columns, keep_unmatched, span)
    }

    /// Rows within `distance` rows of one that fits.
    fn rows_near(&self, table: Table, name: &Name, given: &Given<'_>, scope: &Scope) -> Bound<Table> {
        let (Some(condition), Some(distance)) = (given.get(0, "Condition"), given.get(1, "NumRows")) else {
            return Err(calls::wrong_count(name, 2, 3, given.arguments.len()));
        };
        if given.arguments.len() > 2 {
            return Err(not_executed(name.span.clone(), "`rows_near` with a distance after the row"));
        }
        let condition = self.condition(condition, &scope.with_rows(&table.columns))?;
        let distance = self.constant_count(distance, "rows_near", scope)?;
        if self.checking {
            return Ok(table);
        }
        if !table.serialized {
            return Err(Diagnostic::new(codes::VALUE, name.span.clone(), "`rows_near` needs rows in a defined order")
                .with_hint("put `serialize` or `sort by ...` in front of it"));
        }
        const HIT: &str = "\0hit";
        const NEAR: &str = "\0near";
        let distance = usize::try_from(distance.max(0)).unwrap_or(usize::MAX);
        let frame = table.frame.clone().with_columns([condition.expression.alias(HIT)]);
        let frame = whole(frame, Field::new(NEAR.into(), DataType::Boolean), move |frame| {
            let hits = frame.column(HIT)?.as_materialized_series().rechunk();
            let hits: Vec<bool> = hits.bool()?.iter().map(|hit| hit == Some(true)).collect();
            let mut near = vec![false; hits.len()];
            for (at, _) in hits.iter().enumerate().filter(|(_, hit)| **hit) {
                let end = at.saturating_add(distance).min(hits.len() - 1);
                near[at.saturating_sub(distance)..=end].fill(true);
            }
            Ok(rows::build(NEAR.into(), KqlType::Bool, near.into_iter().map(Value::from)))
        });
        let kept: Vec<Expr> = table.columns.iter().map(|column| named(&column.name)).collect();
        Ok(table.with(frame.filter(named(NEAR)).select(kept), table.columns.clone()))
    }

    /// Several `getschema` results to one.
    fn schema_merge(&self, table: Table, given: &Given<'_>, scope: &Scope) -> Bound<Table> {
        let keep_order = match given.get(0, "PreserveOrder") {
            Some(flag) => self.constant(flag, scope)?.boolean() != Some(false),
            None => true,
        };
        let wanted = [
            ("ColumnName", KqlType::String),
            ("ColumnOrdinal", KqlType::Long),
            ("DataType", KqlType::String),
            ("ColumnType", KqlType::String),
        ];
        let columns: Vec<ColumnInfo> =
            wanted.iter().map(|(name, kql_type)| ColumnInfo::new(*name, *kql_type)).collect();
        if self.checking {
            return Ok(never_run(columns));
        }
        if wanted.iter().any(|(name, kql_type)| table.column(name).is_none_or(|column| column.kql_type != *kql_type)) {
            return Err(Diagnostic::new(codes::TYPE, 0..0, "`schema_merge` needs the columns of `getschema`"));
        }
        let run = move |frame: DataFrame| merged_schemas(&frame, keep_order);
        let schema: SchemaRef = std::sync::Arc::new(
            columns
                .iter()
                .map(|column| Field::new(column.name.as_str().into(), rows::physical(column.kql_type)))
                .collect(),
        );
        let declared = move |_: &Schema| -> PolarsResult<SchemaRef> { Ok(schema.clone()) };
        let frame = table.frame.clone().map(
            run,
            OptFlags::empty(),
            Some(std::sync::Arc::new(declared)),
            Some("KQL schema_merge"),
        );
        Ok(table.with(frame, columns))
    }
}

/// The union of schemas by column name. A column whose place differs between schemas is an error
/// in its own row, as the real plug-in reports it.
fn merged_schemas(frame: &DataFrame, keep_order: bool) -> PolarsResult<DataFrame> {
    let text = |name: &str| -> PolarsResult<Series> { Ok(frame.column(name)?.as_materialized_series().rechunk()) };
    let (names, ordinals, data, types) =
        (text("ColumnName")?, text("ColumnOrdinal")?, text("DataType")?, text("ColumnType")?);
    let readers = [&names, &ordinals, &data, &types].map(rows::Reader::new);
    let [names, ordinals, data, types] = readers;
    let (names, ordinals, data, types) = (names?, ordinals?, data?, types?);
    let mut merged: Vec<(String, i64, String, String)> = Vec::new();
    for row in 0..frame.height() {
        let (name, kql_type) = (names.get(row).text().to_string(), types.get(row).text().to_string());
        let ordinal = ordinals.get(row).long().unwrap_or(0);
        match merged.iter_mut().find(|(known, ..)| *known == name) {
            None => merged.push((name, ordinal, data.get(row).text().to_string(), kql_type)),
            Some((_, known_at, known_data, known_type)) => {
                if *known_type != kql_type && !known_type.starts_with("ERROR") {
                    *known_type = "ERROR(column has different types)".to_string();
                    *known_data = format!("ERROR(unknown CSL type:{known_type})");
                    *known_at = -1;
                } else if keep_order && *known_at != ordinal && *known_at >= 0 {
                    *known_type = "ERROR(columns are out of order)".to_string();
                    *known_data = format!("ERROR(unknown CSL type:{known_type})");
                    *known_at = -1;
                }
            }
        }
    }
    if keep_order {
        merged.sort_by_key(|(_, ordinal, ..)| if *ordinal < 0 { i64::MAX } else { *ordinal });
    } else {
        let last = merged.len();
        merged.sort_by_key(|(_, ordinal, ..)| if *ordinal < 0 { last as i64 } else { *ordinal });
        let is_moved = |name: &str| {
            (0..frame.height())
                .filter(|row| names.get(*row).text() == name)
                .map(|row| ordinals.get(row).long())
                .collect::<PlHashSet<_>>()
                .len()
                > 1
        };
        let (moved, steady): (Vec<_>, Vec<_>) = merged.into_iter().partition(|(name, ..)| is_moved(name));
        merged = steady.into_iter().chain(moved).collect();
        for (at, entry) in merged.iter_mut().enumerate() {
            entry.1 = at as i64;
        }
    }
    let column = |name: &str, kql_type: KqlType, cell: &dyn Fn(&(String, i64, String, String)) -> Value| {
        rows::build(name.into(), kql_type, merged.iter().map(cell)).into_column()
    };
    DataFrame::new(
        merged.len(),
        vec![
            column("ColumnName", KqlType::String, &|entry| entry.0.as_str().into()),
            column("ColumnOrdinal", KqlType::Long, &|entry| entry.1.into()),
            column("DataType", KqlType::String, &|entry| entry.2.as_str().into()),
            column("ColumnType", KqlType::String, &|entry| entry.3.as_str().into()),
        ],
    )
}

/// Keys of all bags in name order, each with the type that holds all its values.
fn unpacked_keys(frame: &DataFrame, column: &str, ignored: &[String]) -> PolarsResult<Vec<(String, KqlType)>> {
    let series = frame.column(column)?.as_materialized_series().rechunk();
    let mut keys: std::collections::BTreeMap<String, Option<KqlType>> = std::collections::BTreeMap::new();
    for text in series.str()?.iter().flatten() {
        let Json::Object(bag) = dynamic::parse(text) else { continue };
        for (key, value) in bag {
            if ignored.contains(&key) {
                continue;
            }
            let seen = keys.entry(key).or_insert(None);
            if let Some(kql_type) = type_of(&value) {
                *seen = Some(match *seen {
                    None => kql_type,
                    Some(known) if known == kql_type => known,
                    Some(KqlType::Long | KqlType::Real) if matches!(kql_type, KqlType::Long | KqlType::Real) => {
                        KqlType::Real
                    }
                    Some(_) => KqlType::Dynamic,
                });
            }
        }
    }
    Ok(keys.into_iter().map(|(key, kql_type)| (key, kql_type.unwrap_or(KqlType::Dynamic))).collect())
}

fn type_of(value: &Json) -> Option<KqlType> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(_) => KqlType::Bool,
        Json::Number(number) if number.is_i64() || number.is_u64() => KqlType::Long,
        Json::Number(_) => KqlType::Real,
        Json::String(text) => {
            let looks_like_time = text.len() >= 19 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
            match looks_like_time.then(|| crate::ticks::parse_datetime(text)).flatten() {
                Some(_) => KqlType::Datetime,
                None => KqlType::String,
            }
        }
        Json::Array(_) | Json::Object(_) => KqlType::Dynamic,
    })
}

/// Each cell as a row: row number, column name, text.
fn narrow(table: &Table, checking: bool) -> Bound<Table> {
    let outputs = vec![
        ColumnInfo::new("Row", KqlType::Long),
        ColumnInfo::new("Column", KqlType::String),
        ColumnInfo::new("Value", KqlType::String),
    ];
    if checking {
        return Ok(never_run(outputs));
    }
    let inputs = table.columns.clone();
    let schema: SchemaRef = std::sync::Arc::new(
        outputs.iter().map(|column| Field::new(column.name.as_str().into(), rows::physical(column.kql_type))).collect(),
    );
    let declared = move |_: &Schema| -> PolarsResult<SchemaRef> { Ok(schema.clone()) };
    let run = move |frame: DataFrame| -> PolarsResult<DataFrame> {
        let series = inputs
            .iter()
            .map(|column| Ok(frame.column(&column.name)?.as_materialized_series().rechunk()))
            .collect::<PolarsResult<Vec<_>>>()?;
        let readers = series.iter().map(rows::Reader::new).collect::<PolarsResult<Vec<_>>>()?;
        let places = || (0..frame.height()).flat_map(|row| (0..inputs.len()).map(move |column| (row, column)));
        let count = frame.height() * inputs.len();
        let numbers = rows::build("Row".into(), KqlType::Long, places().map(|(row, _)| Cell::Long(row as i64)));
        let names = rows::build(
            "Column".into(),
            KqlType::String,
            places().map(|(_, column)| inputs[column].name.as_str().into()),
        );
        let values = rows::build(
            "Value".into(),
            KqlType::String,
            places().map(|(row, column)| {
                let cell = readers[column].get(row);
                conversion::text_of(&cell, inputs[column].kql_type).into_owned().into()
            }),
        );
        DataFrame::new(count, vec![numbers.into_column(), names.into_column(), values.into_column()])
    };
    let frame =
        table.frame.clone().map(run, OptFlags::empty(), Some(std::sync::Arc::new(declared)), Some("KQL narrow"));
    Ok(table.with(frame, outputs))
}

/// Network ranges with the rows they stand in, most specific first.
pub(super) struct Ranges {
    entries: Vec<(u32, u32, usize)>,
    rows: DataFrame,
}

impl Ranges {
    fn collect(table: &Table, range: Typed, span: &Span) -> Bound<Self> {
        const RANGE: &str = "\0range";
        let frame = table.frame.clone().with_columns([range.expression.alias(RANGE)]);
        let frame = frame.collect().map_err(plan_error(span))?;
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
pub(super) fn looked_up(
    table: &Table,
    address: Typed,
    ranges: Ranges,
    renamed: &[(String, ColumnInfo)],
    columns: Vec<ColumnInfo>,
    keep_unmatched: bool,
    span: &Span,
) -> Bound<Table> {
    const ADDRESS: &str = "\0address";
    let frame = table.frame.clone().with_columns([address.expression.alias(ADDRESS)]);
    let frame = frame.collect().map_err(plan_error(span))?;
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
