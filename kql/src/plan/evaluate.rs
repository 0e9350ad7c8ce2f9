//! `evaluate`: plug-ins. Some must see the rows before their columns are known; those run the
//! plan in front of them.

use polars::prelude::*;
use serde_json::Value as Json;

use super::{
    Binder, Bound, ColumnInfo, Table, Typed, analytics::Call, calls, hosted::never_run, lets::Scope, not_executed,
    plan_error,
};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Name, Operator},
    diagnostics::{Diagnostic, Span, codes, nearest},
    functions::{conversion, dynamic},
    rows::named,
};

/// Plug-ins that run here.
const EXECUTED: &[&str] = &[
    "autocluster",
    "bag_unpack",
    "basket",
    "dcount_intersect",
    "diffpatterns",
    "ipv4_lookup",
    "ipv6_lookup",
    "narrow",
    "pivot",
    "rolling_percentile",
    "rows_near",
    "schema_merge",
    "sequence_detect",
    "sliding_window_counts",
];

/// Plug-ins of the language that are refused by name.
const REFUSED: &[&str] = &[
    "active_users_count",
    "activity_counts_metrics",
    "activity_engagement",
    "activity_metrics",
    "ai_chat_completion",
    "ai_chat_completion_prompt",
    "ai_embeddings",
    "azure_digital_twins_query_request",
    "cosmosdb_sql_request",
    "csharp",
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
    "session_count",
    "sql_request",
];

/// Names of the plug-ins that run.
pub(crate) fn executed() -> impl Iterator<Item = &'static str> {
    EXECUTED.iter().copied()
}

/// Names of the plug-ins that do not.
pub(crate) fn refused() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().copied()
}

type Declared<'d> = Option<&'d (bool, Vec<(Name, KqlType)>)>;

/// The arguments of a plug-in, by place or by name.
pub(super) struct Given<'a> {
    pub(super) arguments: &'a [Argument],
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
        let call = || Call { name, arguments, span: span.clone() };
        match name.text.as_str() {
            "bag_unpack" => self.bag_unpack(table, name, &given, schema, span, scope),
            "pivot" => self.pivot(table, name, arguments, schema, operator, scope),
            "narrow" => super::plugins::narrow(&table, self.checking),
            "ipv4_lookup" | "ipv6_lookup" => self.ip_lookup(table, name, arguments, span, scope),
            "autocluster" | "basket" | "diffpatterns" => self.pattern_plugin(table, name, arguments, span, scope),
            "rolling_percentile" => self.rolling_percentile(table, &call(), scope),
            "sliding_window_counts" => self.sliding_window_counts(table, &call(), scope),
            "sequence_detect" => self.sequence_detect(table, &call(), scope),
            "dcount_intersect" => self.dcount_intersect(table, &call(), scope),
            "schema_merge" => self.schema_merge(table, &given, scope),
            "rows_near" => self.rows_near(table, name, &given, scope),
            other if refused().any(|refused| refused == other) => {
                if self.checking {
                    return Ok(never_run(columns_of(schema)));
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
        let frame = self.collected(table.frame.clone(), span)?;
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
}

/// Only while checking: what a refused plug-in would give.
fn columns_of(schema: Declared<'_>) -> Vec<ColumnInfo> {
    match schema {
        Some((_, declared)) => declared.iter().map(|(name, kql_type)| ColumnInfo::new(&name.text, *kql_type)).collect(),
        None => vec![ColumnInfo::open()],
    }
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
            // A moment in a dynamic is written with all its digits; any other text is text.
            let looks_like_time = text.len() == 28 && text.as_bytes()[10] == b'T' && text.ends_with('Z');
            match looks_like_time.then(|| crate::ticks::parse_datetime(text)).flatten() {
                Some(_) => KqlType::Datetime,
                None => KqlType::String,
            }
        }
        Json::Array(_) | Json::Object(_) => KqlType::Dynamic,
    })
}
