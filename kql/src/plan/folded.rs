//! Aggregates over the values of a group as a list: sets, bags, percentiles, sketches.

use std::{collections::HashSet, sync::Arc};

use polars::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::Typed;
use crate::{
    ast::KqlType,
    decimal::Decimal,
    functions::{bags, conversion, dynamic, hash},
    value::{Cell, Value},
};

/// Lists and sets hold at most `cap` elements.
pub(super) fn list(cells: &[Cell<'_>], kql_type: KqlType, cap: usize) -> Value {
    Json::Array(cells.iter().take(cap).map(|cell| conversion::to_json(cell, kql_type)).collect()).into()
}

/// Arrays inside a set are spread out.
pub(super) fn set(cells: &[Cell<'_>], kql_type: KqlType, cap: usize) -> Value {
    if kql_type != KqlType::Dynamic {
        return list(cells, kql_type, cap);
    }
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for cell in cells {
        let spread = match dynamic::json(cell) {
            Json::Array(items) => items,
            other => vec![other],
        };
        items.extend(spread.into_iter().filter(|item| !item.is_null() && seen.insert(bags::set_key_of(item))));
    }
    items.truncate(cap);
    Json::Array(items).into()
}

/// Sets of texts as JSON arrays, each sorted. Written straight from the lists: sets are where most texts of a
/// `summarize` end.
pub(super) fn text_sets(lists: Expr, cap: usize) -> Expr {
    let run = move |column: Column| -> PolarsResult<Column> {
        let mut sets = StringChunkedBuilder::new(column.name().clone(), column.len());
        let mut json = Vec::new();
        for group in column.list()?.amortized_iter() {
            let group = group.as_ref().map(|group| group.as_ref().str()).transpose()?;
            let mut texts: Vec<&str> = group.into_iter().flat_map(|texts| texts.iter().flatten()).collect();
            texts.sort_unstable();
            texts.truncate(cap);
            json.clear();
            serde_json::to_writer(&mut json, &texts).map_err(|error| polars_err!(ComputeError: "{error}"))?;
            sets.append_value(std::str::from_utf8(&json).map_err(|error| polars_err!(ComputeError: "{error}"))?);
        }
        Ok(sets.finish().into_column())
    };
    lists.map(run, |_, field| Ok(Field::new(field.name().clone(), DataType::String)))
}

/// A set whose elements came in no order.
pub(super) fn sorted_set(cells: &[Cell<'_>], kql_type: KqlType, cap: usize) -> Value {
    let mut cells: Vec<&Cell<'_>> = cells.iter().collect();
    cells.sort_by(|a, b| match (a, b) {
        (Cell::Long(a), Cell::Long(b)) => a.cmp(b),
        (Cell::Str(a), Cell::Str(b)) => a.cmp(b),
        (a, b) => a.real().unwrap_or(f64::NAN).total_cmp(&b.real().unwrap_or(f64::NAN)),
    });
    let cells: Vec<Cell<'_>> = cells.into_iter().map(Cell::borrowed).collect();
    set(&cells, kql_type, cap)
}

/// The first value of a key wins.
pub(super) fn merged_bags(cells: &[Cell<'_>]) -> Value {
    let mut bag = Map::new();
    for cell in cells {
        if let Json::Object(entries) = dynamic::json(cell) {
            for (key, value) in entries {
                bag.entry(key).or_insert(value);
            }
        }
    }
    Json::Object(bag).into()
}

pub(super) fn bits(cells: &[Cell<'_>], start: i64, fold: fn(i64, i64) -> i64) -> Value {
    if cells.is_empty() {
        return Cell::Null;
    }
    cells.iter().filter_map(Cell::long).fold(start, fold).into()
}

// ---- decimals --------------------------------------------------------------------------------

fn decimals<'c>(cells: &'c [Cell<'_>]) -> impl Iterator<Item = Decimal> + 'c {
    cells.iter().filter_map(|cell| Decimal::parse(cell.text()))
}

fn total(cells: &[Cell<'_>]) -> Option<Decimal> {
    decimals(cells).try_fold(Decimal::whole(0), Decimal::plus)
}

fn decimal_cell(value: Option<Decimal>) -> Value {
    value.map(|value| value.to_string()).into()
}

pub(super) fn decimal_sum(cells: &[Cell<'_>], _: KqlType, _: usize) -> Value {
    decimal_cell(total(cells))
}

pub(super) fn decimal_min(cells: &[Cell<'_>], _: KqlType, _: usize) -> Value {
    decimal_cell(decimals(cells).min())
}

pub(super) fn decimal_max(cells: &[Cell<'_>], _: KqlType, _: usize) -> Value {
    decimal_cell(decimals(cells).max())
}

pub(super) fn decimal_average(cells: &[Cell<'_>], _: KqlType, _: usize) -> Value {
    decimal_cell(total(cells).and_then(|total| total.divided_by(Decimal::whole(cells.len() as i64))))
}

/// A value to sort by. Decimals are held as text, whose order is another.
pub(super) fn sortable(value: Typed) -> Typed {
    if value.kql_type != KqlType::Decimal {
        return value;
    }
    let key = |cells: &[Cell<'_>]| -> Value { Decimal::parse(cells[0].text()).map(|value| value.sort_key()).into() };
    // A guid, because unlike a string it may be null.
    Typed::apply(vec![value], KqlType::Guid, Arc::new(key))
}

// ---- percentiles -----------------------------------------------------------------------------

/// The smallest value that at least `percent` % of the weight does not exceed. The lists are the
/// values and perhaps their weights.
pub(super) fn weighted_rank(lists: &[Vec<Cell<'_>>], percent: f64) -> Value {
    let weight_at = |at: usize| lists.get(1).map_or(Some(1), |weights| weights.get(at).and_then(Cell::long));
    let mut pairs: Vec<(&Cell<'_>, i64)> = lists[0]
        .iter()
        .enumerate()
        .filter(|(_, value)| !value.is_null())
        .filter_map(|(at, value)| weight_at(at).filter(|weight| *weight > 0).map(|weight| (value, weight)))
        .collect();
    pairs.sort_by(|(a, _), (b, _)| match (a, b) {
        (Cell::Long(a), Cell::Long(b)) => a.cmp(b),
        (a, b) => a.real().unwrap_or(f64::NAN).total_cmp(&b.real().unwrap_or(f64::NAN)),
    });
    let all: f64 = pairs.iter().map(|(_, weight)| *weight as f64).sum();
    let rank = (percent / 100.0 * all).ceil().max(1.0);
    let mut passed = 0.0;
    for (value, weight) in &pairs {
        passed += *weight as f64;
        if passed >= rank {
            return (*value).clone().into_owned();
        }
    }
    pairs.last().map_or(Cell::Null, |(value, _)| (*value).clone().into_owned())
}

// ---- sketches --------------------------------------------------------------------------------
//
// Exact where Kusto estimates: an "hll" keeps the hashes of the distinct values, a "tdigest" the
// values with their weights. Only the functions that go with them look inside.

/// The name under which a sketch keeps its state.
const HLL: &str = "hll";
const DIGEST: &str = "tdigest";

pub(super) fn hll(cells: &[Cell<'_>], kql_type: KqlType, _: usize) -> Value {
    let hashes: HashSet<u64> =
        cells.iter().map(|cell| hash::xxh64(conversion::text_of(cell, kql_type).as_bytes())).collect();
    json!({ HLL: sorted(hashes) }).into()
}

fn sorted(hashes: HashSet<u64>) -> Vec<u64> {
    let mut hashes: Vec<u64> = hashes.into_iter().collect();
    hashes.sort_unstable();
    hashes
}

/// The union of sketches; what is none is passed over.
pub(crate) fn merged_hll(cells: &[Cell<'_>]) -> Value {
    let mut all = HashSet::new();
    for cell in cells {
        if let Some(hashes) = dynamic::json(cell).get(HLL).and_then(Json::as_array) {
            all.extend(hashes.iter().filter_map(Json::as_u64));
        }
    }
    json!({ HLL: sorted(all) }).into()
}

/// `dcount_hll`
pub(crate) fn hll_count(cell: &Cell<'_>) -> Value {
    dynamic::json(cell).get(HLL).and_then(Json::as_array).map(|hashes| hashes.len() as i64).into()
}

/// How many values all sketches share.
pub(super) fn hll_intersection(cells: &[Cell<'_>]) -> Value {
    let sets = cells.iter().map(|cell| {
        let sketch = dynamic::json(cell);
        Some(sketch.get(HLL)?.as_array()?.iter().filter_map(Json::as_u64).collect::<HashSet<u64>>())
    });
    let Some(sets) = sets.collect::<Option<Vec<_>>>() else { return Cell::Null };
    let Some((first, others)) = sets.split_first() else { return Cell::Null };
    (first.iter().filter(|hash| others.iter().all(|other| other.contains(hash))).count() as i64).into()
}

/// The lists are the values and perhaps their weights.
pub(super) fn digest(lists: &[Vec<Cell<'_>>], kql_type: KqlType) -> Value {
    let pairs: Vec<Json> = lists[0]
        .iter()
        .enumerate()
        .filter(|(_, value)| !value.is_null())
        .map(|(at, value)| {
            let weight = lists.get(1).map_or(Some(1), |weights| weights.get(at).and_then(Cell::long));
            // Times are kept as ticks.
            let number = value.long().map(Json::from).or_else(|| value.real().map(Json::from));
            json!([number, weight.unwrap_or(0)])
        })
        .collect();
    json!({ DIGEST: pairs, "type": kql_type.name() }).into()
}

pub(crate) fn merged_digests(cells: &[Cell<'_>]) -> Value {
    let mut pairs = Vec::new();
    let mut kind = Json::Null;
    for cell in cells {
        let digest = dynamic::json(cell);
        if let Some(more) = digest.get(DIGEST).and_then(Json::as_array) {
            pairs.extend(more.iter().cloned());
            kind = digest["type"].clone();
        }
    }
    json!({ DIGEST: pairs, "type": kind }).into()
}

/// `percentile_tdigest`: the value and the type it had.
pub(crate) fn digest_percentile(cell: &Cell<'_>, percent: f64) -> Option<(Value, KqlType)> {
    let digest = dynamic::json(cell);
    let pairs = digest.get(DIGEST)?.as_array()?;
    let kql_type = KqlType::from_name(digest["type"].as_str()?)?;
    let values = pairs.iter().map(|pair| match pair[0].as_i64() {
        Some(whole) => whole.into(),
        None => pair[0].as_f64().into(),
    });
    let weights = pairs.iter().map(|pair| pair[1].as_i64().into());
    Some((weighted_rank(&[values.collect(), weights.collect()], percent), kql_type))
}

pub(super) fn is_hll(cell: &Cell<'_>) -> bool {
    dynamic::json(cell).get(HLL).is_some_and(Json::is_array)
}

pub(super) fn is_digest(cell: &Cell<'_>) -> bool {
    dynamic::json(cell).get(DIGEST).is_some_and(Json::is_array)
}

/// The weight of what does not exceed the value, and the weight of all.
pub(super) fn digest_rank(cell: &Cell<'_>, value: f64) -> Option<(f64, f64)> {
    let digest = dynamic::json(cell);
    let pairs = digest.get(DIGEST)?.as_array()?;
    let weight = |pair: &Json| pair[1].as_f64().unwrap_or(0.0);
    let below = pairs.iter().filter(|pair| pair[0].as_f64().is_some_and(|known| known <= value));
    Some((below.map(weight).sum(), pairs.iter().map(weight).sum()))
}

// ---- buildschema -----------------------------------------------------------------------------

/// The types that occur at each place of the bags.
#[derive(Default)]
struct Shape {
    types: Vec<&'static str>,
    members: Option<Vec<(String, Shape)>>,
    items: Option<Box<Shape>>,
}

impl Shape {
    fn add(&mut self, value: &Json) {
        let name = match value {
            Json::Object(bag) => {
                let members = self.members.get_or_insert_default();
                for (key, value) in bag {
                    let at = members.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
                        members.push((key.clone(), Shape::default()));
                        members.len() - 1
                    });
                    members[at].1.add(value);
                }
                return;
            }
            Json::Array(items) => {
                let inner = self.items.get_or_insert_default();
                items.iter().for_each(|item| inner.add(item));
                return;
            }
            Json::Null => return,
            Json::Bool(_) => "bool",
            Json::Number(number) if number.is_f64() => "double",
            Json::Number(_) => "long",
            Json::String(_) => "string",
        };
        if !self.types.contains(&name) {
            self.types.push(name);
        }
    }

    fn json(&self) -> Json {
        let mut parts: Vec<Json> = self.types.iter().map(|name| Json::from(*name)).collect();
        if let Some(members) = &self.members {
            parts.push(Json::Object(members.iter().map(|(key, shape)| (key.clone(), shape.json())).collect()));
        }
        if let Some(items) = &self.items {
            parts.push(json!({ "`indexer`": items.json() }));
        }
        if parts.len() == 1 { parts.swap_remove(0) } else { Json::Array(parts) }
    }
}

pub(super) fn schema(cells: &[Cell<'_>]) -> Value {
    let mut shape = Shape::default();
    cells.iter().for_each(|cell| shape.add(&dynamic::json(cell)));
    shape.json().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_count_as_often_as_they_say() {
        let values = vec![Cell::Long(10), Cell::Long(20), Cell::Long(30), Cell::Long(40)];
        let weights = vec![Cell::Long(8), Cell::Long(6), Cell::Long(3), Cell::Long(1)];
        let lists = [values, weights];
        assert_eq!(weighted_rank(&lists, 50.0), Cell::Long(20));
        assert_eq!(weighted_rank(&lists, 99.9), Cell::Long(40));
    }

    #[test]
    fn schemas_name_every_type_once() {
        let bags = [json!({"x": 1, "y": 3.5}), json!({"x": "s", "z": [1, "a"]})].map(Value::from);
        let expected = json!({"x": ["long", "string"], "y": "double", "z": {"`indexer`": ["long", "string"]}});
        assert_eq!(schema(&bags), expected.into());
    }
}
