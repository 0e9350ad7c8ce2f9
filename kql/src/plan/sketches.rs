//! Functions that look into the sketches of `hll` and `tdigest`.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{
    Binder, Bound, Typed,
    calls::{expect_count, wrong_count},
    folded,
    lets::Scope,
};
use crate::{
    ast::{Argument, KqlType, Name},
    functions::{Kind, conversion, dynamic},
    value::{Cell, Value},
};

/// Names of the functions here, for the reference.
pub(super) const NAMES: &[&str] =
    &["hll_isvalid", "percentiles_array_tdigest", "percentrank_tdigest", "rank_tdigest", "tdigest_isvalid"];

impl Binder<'_> {
    /// A call of one of the functions of this file.
    pub(super) fn sketch_function(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Option<Bound<Typed>> {
        Some(match name.text.as_str() {
            "hll_isvalid" => self.is_sketch(name, arguments, scope, folded::is_hll),
            "tdigest_isvalid" => self.is_sketch(name, arguments, scope, folded::is_digest),
            "rank_tdigest" => self.rank(name, arguments, scope, false),
            "percentrank_tdigest" => self.rank(name, arguments, scope, true),
            "percentiles_array_tdigest" => self.digest_percentiles(name, arguments, scope),
            _ => return None,
        })
    }

    fn is_sketch(
        &self,
        name: &Name,
        arguments: &[Argument],
        scope: &Scope,
        is_valid: fn(&Cell<'_>) -> bool,
    ) -> Bound<Typed> {
        if arguments.is_empty() || arguments.len() > 2 {
            return Err(wrong_count(name, 1, 2, arguments.len()));
        }
        let sketch = self.checked(Kind::Dynamic, name, &arguments[0].value, scope)?;
        let function = move |cells: &[Cell<'_>]| -> Value { is_valid(&cells[0]).into() };
        Ok(Typed::apply(vec![sketch], KqlType::Bool, Arc::new(function)))
    }

    /// How many values do not exceed this one, or which share of them.
    fn rank(&self, name: &Name, arguments: &[Argument], scope: &Scope, as_percent: bool) -> Bound<Typed> {
        expect_count(name, arguments, 2)?;
        let digest = self.checked(Kind::Dynamic, name, &arguments[0].value, scope)?;
        let value = self.checked(Kind::Measurable, name, &arguments[1].value, scope)?;
        let function = move |cells: &[Cell<'_>]| -> Value {
            let Some((rank, all)) = cells[1].real().and_then(|value| folded::digest_rank(&cells[0], value)) else {
                return Cell::Null;
            };
            if as_percent { rank / all * 100.0 } else { rank }.into()
        };
        Ok(Typed::apply(vec![digest, value], KqlType::Real, Arc::new(function)))
    }

    /// `percentiles_array_tdigest(digest, 50, 90)` or with an array of percentages
    fn digest_percentiles(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if arguments.len() < 2 {
            return Err(wrong_count(name, 2, usize::MAX, arguments.len()));
        }
        let mut inputs = vec![self.checked(Kind::Dynamic, name, &arguments[0].value, scope)?];
        for argument in &arguments[1..] {
            inputs.push(self.checked(Kind::Any, name, &argument.value, scope)?);
        }
        let are_arrays: Vec<bool> = inputs.iter().map(|input| input.kql_type == KqlType::Dynamic).collect();
        let function = move |cells: &[Cell<'_>]| -> Value {
            let percents = cells[1..].iter().zip(&are_arrays[1..]).flat_map(|(cell, is_array)| {
                let array = if *is_array { dynamic::array(cell) } else { None };
                match array {
                    Some(items) => items.iter().map(Json::as_f64).collect(),
                    None => vec![cell.real().or_else(|| dynamic::json(cell).as_f64())],
                }
            });
            let found = percents.map(|percent| {
                let value = percent.and_then(|percent| folded::digest_percentile(&cells[0], percent));
                value.map_or(Json::Null, |(value, kind)| conversion::to_json(&value, kind))
            });
            Json::Array(found.collect()).into()
        };
        Ok(Typed::apply(inputs, KqlType::Dynamic, Arc::new(function)))
    }
}
