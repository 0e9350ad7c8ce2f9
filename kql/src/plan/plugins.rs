//! Small plug-ins of `evaluate`: `narrow`, `schema_merge`, `rows_near`.

use polars::prelude::*;

use super::{
    Binder, Bound, ColumnInfo, Table, calls, evaluate::Given, hosted::never_run, lets::Scope, not_executed,
    windows::whole,
};
use crate::{
    ast::{KqlType, Name},
    diagnostics::{Diagnostic, codes},
    functions::conversion,
    rows::{self, named},
    value::{Cell, Value},
};

impl Binder<'_> {
    /// Rows within `distance` rows of one that fits.
    pub(super) fn rows_near(&self, table: Table, name: &Name, given: &Given<'_>, scope: &Scope) -> Bound<Table> {
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
    pub(super) fn schema_merge(&self, table: Table, given: &Given<'_>, scope: &Scope) -> Bound<Table> {
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
    let texts = |name: &str, cells: Vec<&String>| {
        rows::build(name.into(), KqlType::String, cells.into_iter().map(|text| text.as_str().into())).into_column()
    };
    let ordinals = merged.iter().map(|(_, ordinal, ..)| Cell::Long(*ordinal));
    DataFrame::new(
        merged.len(),
        vec![
            texts("ColumnName", merged.iter().map(|(name, ..)| name).collect()),
            rows::build("ColumnOrdinal".into(), KqlType::Long, ordinals).into_column(),
            texts("DataType", merged.iter().map(|(_, _, data, _)| data).collect()),
            texts("ColumnType", merged.iter().map(|(.., kql_type)| kql_type).collect()),
        ],
    )
}

/// Each cell as a row: row number, column name, text.
pub(super) fn narrow(table: &Table, checking: bool) -> Bound<Table> {
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
