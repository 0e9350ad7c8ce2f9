//! Functions that look beyond their arguments: at the columns of the row, at the host.

use std::{net::IpAddr, sync::Arc};

use serde_json::{Value as Json, json};

use super::{
    Binder, Bound, Typed,
    calls::{expect_count, only, wrong_count},
    lets::Scope,
};
use crate::{
    ast::{Argument, ExprKind, KqlType, Name},
    diagnostics::{Diagnostic, codes},
    functions::Kind,
    geo_database::GeoInfo,
    rows,
    value::{Cell, Value},
};

/// Names of the functions here, for the reference.
pub(super) const NAMES: &[&str] =
    &["assert", "estimate_data_size", "geo_info_from_ip_address", "ingestion_time", "iscolumnexists"];

/// Where Log Analytics keeps the time at which it took in a record.
const TIME_RECEIVED: &str = "_TimeReceived";

impl Binder<'_> {
    /// A call of one of the functions of this file.
    pub(super) fn contextual(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Option<Bound<Typed>> {
        Some(match name.text.as_str() {
            "ingestion_time" => self.ingestion_time(name, arguments, scope),
            "iscolumnexists" => self.is_column(name, arguments, scope),
            "estimate_data_size" => self.data_size(name, arguments, scope),
            "assert" => self.assert(name, arguments, scope),
            "geo_info_from_ip_address" => self.geo_info(name, arguments, scope),
            _ => return None,
        })
    }

    /// Null where the table does not keep it, as the documentation has it.
    fn ingestion_time(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        expect_count(name, arguments, 0)?;
        let kept = scope.column(TIME_RECEIVED).filter(|column| column.kql_type == KqlType::Datetime);
        // No constant: a column of nulls is still a column.
        Ok(kept.map_or_else(
            || Typed::computed(rows::literal(&Cell::Null, KqlType::Datetime), KqlType::Datetime),
            Typed::column,
        ))
    }

    fn is_column(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        let wanted = self.constant(only(name, arguments)?, scope)?;
        Ok(Typed::constant(scope.column(wanted.text()).is_some().into(), KqlType::Bool))
    }

    /// Bytes of the values of a row: fixed for most types, the length of a text.
    fn data_size(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if arguments.is_empty() {
            return Err(wrong_count(name, 1, usize::MAX, 0));
        }
        let mut values = Vec::new();
        for argument in arguments {
            if matches!(argument.value.kind, ExprKind::Star) {
                let own = scope.columns().iter().filter(|column| !column.name.contains('\0'));
                values.extend(own.map(Typed::column));
            } else {
                values.push(self.scalar(&argument.value, scope)?);
            }
        }
        if let Some(unknown) = values
            .iter()
            .find(|value| matches!(value.kql_type, KqlType::Dynamic | KqlType::Decimal))
            .filter(|_| !self.checking)
        {
            let message = format!(
                "the size of a {} depends on how Kusto stores it, which this engine does not know",
                unknown.kql_type
            );
            return Err(Diagnostic::new(codes::NOT_EXECUTED, name.span.clone(), message)
                .with_hint("name the columns of other types, or use string_size(tostring(column))"));
        }
        let types: Vec<KqlType> = values.iter().map(|value| value.kql_type).collect();
        let function = move |cells: &[Cell<'_>]| -> Value {
            let sizes = cells.iter().zip(&types).map(|(cell, kql_type)| match kql_type {
                KqlType::Bool => 1,
                KqlType::Int => 4,
                KqlType::Guid => 16,
                KqlType::String => cell.text().len() as i64,
                _ => 8,
            });
            sizes.sum::<i64>().into()
        };
        Ok(Typed::apply(values, KqlType::Long, Arc::new(function)))
    }

    /// `assert(condition, message)`: the condition is known before the query runs, or the query is wrong.
    fn assert(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        expect_count(name, arguments, 2)?;
        let condition = self.condition(&arguments[0].value, scope)?;
        let message = self.constant(&arguments[1].value, scope)?;
        match condition.constant.as_ref().map(Cell::boolean) {
            Some(Some(true)) => Ok(Typed::constant(true.into(), KqlType::Bool)),
            None if self.checking => Ok(Typed::constant(true.into(), KqlType::Bool)),
            Some(_) => {
                let message = format!("`assert` has failed with message: '{}'", message.text());
                Err(Diagnostic::new(codes::VALUE, arguments[0].value.span.clone(), message))
            }
            None => {
                let message = "the condition of `assert` must be known without looking at rows";
                Err(Diagnostic::new(codes::VALUE, arguments[0].value.span.clone(), message))
            }
        }
    }

    /// The place of an address as a bag; null if the database does not have it.
    fn geo_info(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        let address = self.checked(Kind::Text, name, only(name, arguments)?, scope)?;
        if self.checking {
            return Ok(super::unexecuted::placeholder(KqlType::Dynamic));
        }
        let database = self.catalog.geo_database().map_err(|problem| {
            let message = format!("`{}` needs a database of networks: {problem}", name.text);
            Diagnostic::new(codes::NOT_EXECUTED, name.span.clone(), message)
        })?;
        let function = move |cells: &[Cell<'_>]| -> Value {
            let address = cells[0].text().trim().parse::<IpAddr>().ok();
            address.and_then(|address| database.lookup(address)).map(bag_of).into()
        };
        Ok(Typed::apply(vec![address], KqlType::Dynamic, Arc::new(function)))
    }
}

fn bag_of(info: GeoInfo) -> Json {
    let mut bag = serde_json::Map::new();
    for (key, text) in [("country", info.country), ("state", info.state), ("city", info.city)] {
        if !text.is_empty() {
            bag.insert(key.to_string(), json!(text));
        }
    }
    for (key, degrees) in [("latitude", info.latitude), ("longitude", info.longitude)] {
        if let Some(degrees) = degrees {
            bag.insert(key.to_string(), json!(degrees));
        }
    }
    Json::Object(bag)
}
