//! Dynamics are JSON text. Wrong paths are null, never errors.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value as Json;

use super::{Arguments, Function, Kind, Returns, conversion, function, rule, variadic};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    value::{Cell, Value},
};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);
const TEXT: Returns = Returns::Is(KqlType::String);

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["parse_json", "todynamic", "parsejson", "toobject"], &[Kind::Any], 0, DYNAMIC, parse_json),
    function(&["array_length", "arraylength"], &[Kind::Dynamic], 0, Returns::Is(KqlType::Long), |_| {
        rule(|c| match json(&c[0]) {
            Json::Array(items) => (items.len() as i64).into(),
            _ => Cell::Null,
        })
    }),
    variadic(&["bag_pack", "pack", "pack_dictionary"], &[Kind::Any], 2, DYNAMIC, bag_pack),
    variadic(&["pack_array"], &[Kind::Any], 1, DYNAMIC, |a| {
        let types = a.types.clone();
        rule(move |c| {
            Json::Array(c.iter().zip(&types).map(|(cell, kind)| conversion::to_json(cell, *kind)).collect()).into()
        })
    }),
    function(&["strcat_array", "array_strcat"], &[Kind::Dynamic, Kind::Any], 0, TEXT, |a| {
        let kind = a.types[1];
        rule(move |c| {
            let Json::Array(items) = json(&c[0]) else { return "".into() };
            let delimiter = conversion::text_of(&c[1], kind);
            items.iter().map(conversion::json_text).collect::<Vec<_>>().join(&delimiter).into()
        })
    }),
    variadic(&["array_concat"], &[Kind::Dynamic], 1, DYNAMIC, |_| {
        rule(|c| {
            let arrays: Vec<Vec<Json>> = c.iter().filter_map(array).collect();
            if arrays.is_empty() { Cell::Null } else { Json::Array(arrays.concat()).into() }
        })
    }),
    function(&["array_slice"], &[Kind::Dynamic, Kind::Integer, Kind::Integer], 0, DYNAMIC, |_| rule(array_slice)),
    function(&["array_reverse"], &[Kind::Dynamic], 0, DYNAMIC, |_| {
        rule(|c| array(&c[0]).map_or(Cell::Null, |items| Json::Array(items.into_iter().rev().collect()).into()))
    }),
    function(&["array_index_of"], &[Kind::Dynamic, Kind::Any], 0, Returns::Is(KqlType::Long), |a| {
        let kind = a.types[1];
        rule(move |c| {
            let wanted = conversion::to_json(&c[1], kind);
            array(&c[0]).map(|items| items.iter().position(|item| *item == wanted).map_or(-1, |at| at as i64)).into()
        })
    }),
    function(&["set_has_element"], &[Kind::Dynamic, Kind::Any], 0, Returns::Is(KqlType::Bool), |a| {
        let kind = a.types[1];
        rule(move |c| array(&c[0]).map(|items| items.contains(&conversion::to_json(&c[1], kind))).into())
    }),
    variadic(&["set_union"], &[Kind::Dynamic], 1, DYNAMIC, |_| {
        rule(|c| c.iter().map(array).collect::<Option<Vec<_>>>().map_or(Cell::Null, |sets| set(sets.concat())))
    }),
    variadic(&["set_intersect"], &[Kind::Dynamic], 1, DYNAMIC, |_| rule(|c| combine(c, true))),
    variadic(&["set_difference"], &[Kind::Dynamic], 1, DYNAMIC, |_| rule(|c| combine(c, false))),
    function(&["bag_keys"], &[Kind::Dynamic], 0, DYNAMIC, |_| {
        rule(|c| match json(&c[0]) {
            Json::Object(map) => Json::Array(map.keys().map(|key| Json::from(key.as_str())).collect()).into(),
            _ => Cell::Null,
        })
    }),
];

/// Text that is not JSON is a dynamic string.
pub(crate) fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_string()))
}

/// A dynamic cell as JSON.
pub(crate) fn json(cell: &Cell<'_>) -> Json {
    match cell {
        Cell::Str(text) => parse(text),
        _ => Json::Null,
    }
}

fn array(cell: &Cell<'_>) -> Option<Vec<Json>> {
    match json(cell) {
        Json::Array(items) => Some(items),
        _ => None,
    }
}

fn set(items: Vec<Json>) -> Value {
    let mut seen = std::collections::HashSet::new();
    Json::Array(items.into_iter().filter(|item| seen.insert(item.to_string())).collect()).into()
}

fn combine(c: &[Cell<'_>], keep_shared: bool) -> Value {
    let Some(sets) = c.iter().map(array).collect::<Option<Vec<_>>>() else { return Cell::Null };
    let (first, others) = (&sets[0], &sets[1..]);
    let kept = |item: &&Json| {
        if keep_shared {
            others.iter().all(|other| other.contains(item))
        } else {
            !others.iter().any(|other| other.contains(item))
        }
    };
    set(first.iter().filter(kept).cloned().collect())
}

fn parse_json(a: &Arguments) -> Result<RowFunction, String> {
    match a.types[0] {
        KqlType::Dynamic => rule(|c| match json(&c[0]) {
            // A dynamic string is parsed again, as text would be.
            Json::String(text) => parsed_text(&text),
            _ => c[0].clone().into_owned(),
        }),
        KqlType::String => rule(|c| parsed_text(c[0].text())),
        kind => rule(move |c| conversion::to_json(&c[0], kind).into()),
    }
}

fn parsed_text(text: &str) -> Value {
    if text.trim().is_empty() {
        return Cell::Null;
    }
    match serde_json::from_str::<Json>(text) {
        Ok(value) => value.into(),
        Err(_) => Json::from(text).into(),
    }
}

fn bag_pack(a: &Arguments) -> Result<RowFunction, String> {
    if !a.types.len().is_multiple_of(2) {
        return Err("keys and values come in pairs".into());
    }
    let types = a.types.clone();
    rule(move |c| {
        let mut bag = serde_json::Map::new();
        for (pair, kinds) in c.chunks(2).zip(types.chunks(2)) {
            bag.insert(conversion::text_of(&pair[0], kinds[0]).into_owned(), conversion::to_json(&pair[1], kinds[1]));
        }
        Json::Object(bag).into()
    })
}

fn array_slice(c: &[Cell<'_>]) -> Value {
    let (Some(items), Some(start), Some(end)) = (array(&c[0]), c[1].long(), c[2].long()) else { return Cell::Null };
    let length = items.len() as i64;
    let place = |at: i64| if at < 0 { length + at } else { at };
    let (start, end) = (place(start).max(0), place(end).min(length - 1));
    if start > end {
        return Json::Array(Vec::new()).into();
    }
    Json::Array(items[start as usize..=end as usize].to_vec()).into()
}

// ---- paths -----------------------------------------------------------------------------------

/// One step of a path that is known when the query is bound.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Key(String),
    Index(i64),
    /// Taken from the next argument of the row function
    Computed(KqlType),
}

/// The rule of `d.a["b"][0]`: cells are the dynamic, then the computed steps.
pub(crate) fn path(steps: Vec<Step>) -> RowFunction {
    Arc::new(move |cells| {
        if cells[0].is_null() {
            return Cell::Null;
        }
        let mut value = Cow::Owned(json(&cells[0]));
        let mut computed = cells[1..].iter();
        for step in &steps {
            let found = match step {
                Step::Key(key) => member(&value, key),
                Step::Index(at) => item(&value, *at),
                Step::Computed(kind) => match computed.next() {
                    Some(Cell::Long(at)) => item(&value, *at),
                    Some(key) if !key.is_null() => member(&value, &conversion::text_of(key, *kind)),
                    _ => None,
                },
            };
            match found {
                Some(found) => value = Cow::Owned(found),
                None => return Cell::Null,
            }
        }
        value.into_owned().into()
    })
}

fn member(value: &Json, key: &str) -> Option<Json> {
    value.as_object()?.get(key).cloned()
}

/// Negative positions count from the end.
fn item(value: &Json, at: i64) -> Option<Json> {
    let items = value.as_array()?;
    let at = if at < 0 { at.checked_add(items.len() as i64)? } else { at };
    items.get(usize::try_from(at).ok()?).cloned()
}
