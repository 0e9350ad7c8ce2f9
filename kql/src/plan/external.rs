//! `externaldata`: files that the host opens, read into declared columns.

use polars::prelude::*;
use serde_json::Value as Json;

use super::{Binder, Bound, ColumnInfo, Table, hosted::never_run, lets::Scope, not_executed, plan_error};
use crate::{
    ast::{Expr as Ast, KqlType, Name},
    diagnostics::{Diagnostic, codes},
    functions::{conversion, dynamic},
    rows,
    value::{self, Cell, Value},
};

impl Binder<'_> {
    pub(super) fn external_data(
        &self,
        columns: &[(Name, KqlType)],
        uris: &[Ast],
        properties: &[(String, String)],
        expression: &Ast,
        scope: &Scope,
    ) -> Bound<Table> {
        let infos: Vec<ColumnInfo> =
            columns.iter().map(|(name, kql_type)| ColumnInfo::new(&name.text, *kql_type)).collect();
        let mut addresses = Vec::new();
        for uri in uris {
            addresses.push((self.constant(uri, scope)?.text().to_string(), &uri.span));
        }
        if self.checking {
            return Ok(never_run(infos));
        }
        let property = |wanted: &str| {
            properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
        };
        let skip_first = property("ignoreFirstRecord").is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        let mut cells: Vec<Vec<Value>> = vec![Vec::new(); infos.len()];
        for (address, span) in addresses {
            let bytes = self.catalog.external_data(&address).map_err(|problem| {
                Diagnostic::new(
                    codes::UNREADABLE_TABLE,
                    span.clone(),
                    format!("`{}` cannot be read: {problem}", shown(&address)),
                )
            })?;
            let text = String::from_utf8_lossy(&bytes);
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let format = property("format").map_or_else(|| format_of(&address), str::to_lowercase);
            let records = match format.as_str() {
                "csv" => separated(text, ','),
                "tsv" | "tsve" => separated(text, '\t'),
                "psv" => separated(text, '|'),
                "scsv" => separated(text, ';'),
                "sohsv" => separated(text, '\u{1}'),
                "txt" => text.lines().map(|line| vec![line.to_string()]).collect(),
                "raw" => vec![vec![text.to_string()]],
                "json" | "multijson" => {
                    json_records(text, &infos, &mut cells).map_err(|problem| {
                        Diagnostic::new(
                            codes::UNREADABLE_TABLE,
                            span.clone(),
                            format!("`{}`: {problem}", shown(&address)),
                        )
                    })?;
                    continue;
                }
                other => return Err(not_executed(span.clone(), format!("externaldata of the format `{other}`"))),
            };
            for record in records.iter().skip(usize::from(skip_first)) {
                for ((at, info), column) in infos.iter().enumerate().zip(&mut cells) {
                    column.push(field(record.get(at).map_or("", String::as_str), info.kql_type));
                }
            }
        }
        let height = cells.first().map_or(0, Vec::len);
        let series = infos.iter().zip(cells).map(|(info, cells)| {
            rows::build(PlSmallStr::from_str(&info.name), info.kql_type, cells.into_iter()).into_column()
        });
        let frame = DataFrame::new(height, series.collect()).map_err(plan_error(&expression.span))?;
        Ok(Table::new(frame.lazy(), infos))
    }
}

/// Addresses carry signatures behind `?` and `;`: they do not belong into messages.
fn shown(address: &str) -> &str {
    address.split(['?', ';']).next().unwrap_or(address)
}

/// The format that the end of an address tells.
fn format_of(address: &str) -> String {
    let path = shown(address).trim_end_matches(".gz").trim_end_matches(".zip");
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.rsplit_once('.').map_or_else(|| "csv".to_string(), |(_, extension)| extension.to_lowercase())
}

fn field(text: &str, kql_type: KqlType) -> Value {
    match kql_type {
        KqlType::String => text.into(),
        _ if text.is_empty() => value::null_of(kql_type),
        KqlType::Dynamic => dynamic::parse(text).into(),
        _ => conversion::converter(KqlType::String, kql_type)(&[Cell::Str(text.into())]),
    }
}

/// Records of separated values: quotes may hold separators, line ends and doubled quotes.
fn separated(text: &str, separator: char) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            _ if quoted => field.push(character),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            _ if character == separator => record.push(std::mem::take(&mut field)),
            _ => field.push(character),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records.retain(|record| record.len() > 1 || !record[0].is_empty());
    records
}

/// Objects by key, one per line, or in arrays.
fn json_records(text: &str, infos: &[ColumnInfo], cells: &mut [Vec<Value>]) -> Result<(), String> {
    for document in serde_json::Deserializer::from_str(text).into_iter::<Json>() {
        let document = document.map_err(|problem| problem.to_string())?;
        let records = match document {
            Json::Array(items) => items,
            other => vec![other],
        };
        for record in &records {
            for (info, column) in infos.iter().zip(cells.iter_mut()) {
                let found: Value = record.get(&info.name).cloned().unwrap_or(Json::Null).into();
                column.push(match info.kql_type {
                    KqlType::Dynamic => found,
                    other => conversion::converter(KqlType::Dynamic, other)(&[found]),
                });
            }
        }
    }
    Ok(())
}
