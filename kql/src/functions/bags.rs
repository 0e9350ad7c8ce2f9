//! Property bags and sets: dynamics that are JSON objects, and arrays without repeats.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::{
    Arguments, Function, Kind, Returns, arrays, conversion,
    dynamic::{array, json},
    function, rule, variadic,
};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    value::{Cell, Value},
};

const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);
const BOOL: Returns = Returns::Is(KqlType::Bool);

pub(super) const FUNCTIONS: &[Function] = &[
    variadic(&["bag_pack", "pack", "pack_dictionary"], &[Kind::Any], 2, DYNAMIC, bag_pack),
    function(&["bag_keys"], &[Kind::Dynamic], 0, DYNAMIC, |_| {
        rule(|c| bag(&c[0]).map(|bag| Json::Array(bag.into_iter().map(|(key, _)| Json::from(key)).collect())).into())
    }),
    function(&["bag_has_key"], &[Kind::Dynamic, Kind::Text], 0, BOOL, |_| {
        rule(|c| bag(&c[0]).map(|bag| has_key(&bag, c[1].text())).into())
    }),
    variadic(&["bag_merge"], &[Kind::Dynamic], 2, DYNAMIC, |_| rule(merge)),
    function(&["bag_remove_keys"], &[Kind::Dynamic, Kind::Dynamic], 0, DYNAMIC, |_| {
        rule(|c| match (bag(&c[0]), array(&c[1])) {
            (Some(mut bag), Some(keys)) => {
                keys.iter().filter_map(Json::as_str).for_each(|key| remove_key(&mut bag, key));
                Json::Object(bag).into()
            }
            _ => Cell::Null,
        })
    }),
    function(&["bag_set_key"], &[Kind::Dynamic, Kind::Text, Kind::Any], 0, DYNAMIC, |a| {
        let kind = a.types[2];
        rule(move |c| {
            let Some(mut bag) = bag(&c[0]).or_else(|| c[0].is_null().then(Map::new)) else { return Cell::Null };
            set_key(&mut bag, c[1].text(), conversion::to_json(&c[2], kind));
            Json::Object(bag).into()
        })
    }),
    function(&["bag_zip"], &[Kind::Dynamic, Kind::Dynamic], 0, DYNAMIC, |_| {
        rule(|c| {
            let Some(keys) = array(&c[0]) else { return Cell::Null };
            let values = array(&c[1]).unwrap_or_default();
            let pairs = keys.iter().enumerate().filter_map(|(at, key)| {
                Some((key.as_str()?.to_string(), values.get(at).cloned().unwrap_or(Json::Null)))
            });
            Json::Object(pairs.collect()).into()
        })
    }),
    variadic(&["set_union"], &[Kind::Dynamic], 1, DYNAMIC, |_| {
        rule(|c| c.iter().map(array).collect::<Option<Vec<_>>>().map_or(Cell::Null, |sets| set(sets.concat())))
    }),
    variadic(&["set_intersect"], &[Kind::Dynamic], 1, DYNAMIC, |_| rule(|c| combine(c, true))),
    variadic(&["set_difference"], &[Kind::Dynamic], 1, DYNAMIC, |_| rule(|c| combine(c, false))),
    function(&["set_has_element"], &[Kind::Dynamic, Kind::Any], 0, BOOL, |a| {
        let kind = a.types[1];
        rule(move |c| {
            let wanted = conversion::to_json(&c[1], kind);
            array(&c[0]).map(|items| items.iter().any(|item| arrays::same(item, &wanted))).into()
        })
    }),
    function(&["set_equals"], &[Kind::Dynamic, Kind::Dynamic], 0, BOOL, |_| {
        rule(|c| {
            let sets = array(&c[0]).zip(array(&c[1]));
            sets.map(|(left, right)| keys_of(&left) == keys_of(&right)).into()
        })
    }),
    function(&["treepath"], &[Kind::Dynamic], 0, DYNAMIC, |_| {
        rule(|c| {
            let mut paths = Vec::new();
            tree_paths(&json(&c[0]), "", &mut paths);
            if c[0].is_null() { Cell::Null } else { Json::from(paths).into() }
        })
    }),
    function(&["jaccard_index"], &[Kind::Dynamic, Kind::Dynamic], 0, Returns::Is(KqlType::Real), |_| {
        rule(|c| {
            let (Some(left), Some(right)) = (array(&c[0]), array(&c[1])) else { return Cell::Null };
            let (left, right) = (keys_of(&left), keys_of(&right));
            let shared = left.intersection(&right).count() as f64;
            (shared / (left.len() + right.len()) as f64).max(shared / left.union(&right).count() as f64).into()
        })
    }),
];

fn bag(cell: &Cell<'_>) -> Option<Map<String, Json>> {
    match json(cell) {
        Json::Object(bag) => Some(bag),
        _ => None,
    }
}

fn bag_pack(a: &Arguments) -> Result<RowFunction, String> {
    if !a.types.len().is_multiple_of(2) {
        return Err("keys and values come in pairs".into());
    }
    let types = a.types.clone();
    rule(move |c| {
        let mut bag = Map::new();
        for (pair, kinds) in c.chunks(2).zip(types.chunks(2)) {
            bag.insert(conversion::text_of(&pair[0], kinds[0]).into_owned(), conversion::to_json(&pair[1], kinds[1]));
        }
        Json::Object(bag).into()
    })
}

/// Paths to all leaves and arrays. The first element of an array stands for all of them.
fn tree_paths(value: &Json, path: &str, paths: &mut Vec<String>) {
    match value {
        Json::Object(bag) => {
            for (key, value) in bag {
                let path = format!("{path}['{}']", key.replace('\'', "\\'"));
                if !value.is_object() {
                    add_once(&path, paths);
                }
                tree_paths(value, &path, paths);
            }
        }
        Json::Array(items) => {
            let path = format!("{path}[0]");
            for item in items {
                if !item.is_object() {
                    add_once(&path, paths);
                }
                tree_paths(item, &path, paths);
            }
        }
        _ => {}
    }
}

fn add_once(path: &str, paths: &mut Vec<String>) {
    if !paths.iter().any(|known| known == path) {
        paths.push(path.to_string());
    }
}

/// The leftmost bag wins where keys meet.
fn merge(c: &[Cell<'_>]) -> Value {
    let mut merged: Option<Map<String, Json>> = None;
    for bag in c.iter().filter_map(bag) {
        let merged = merged.get_or_insert_default();
        for (key, value) in bag {
            merged.entry(key).or_insert(value);
        }
    }
    merged.map(Json::Object).into()
}

/// `$.a.b` and `$['a']['b']` are paths, everything else is a plain key.
fn key_path(key: &str) -> Vec<String> {
    let Some(rest) = key.strip_prefix('$').filter(|rest| rest.starts_with(['.', '['])) else {
        return vec![key.to_string()];
    };
    rest.split(['.', '[', ']'])
        .map(|step| step.trim_matches(['\'', '"']))
        .filter(|step| !step.is_empty())
        .map(str::to_string)
        .collect()
}

fn has_key(bag: &Map<String, Json>, key: &str) -> bool {
    let path = key_path(key);
    let Some((first, rest)) = path.split_first() else { return false };
    let mut value = bag.get(first);
    for step in rest {
        value = match value {
            Some(Json::Object(bag)) => bag.get(step),
            Some(Json::Array(items)) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
            _ => None,
        };
    }
    value.is_some()
}

fn remove_key(bag: &mut Map<String, Json>, key: &str) {
    let path = key_path(key);
    let Some((last, parents)) = path.split_last() else { return };
    let mut bag = bag;
    for step in parents {
        match bag.get_mut(step) {
            Some(Json::Object(inner)) => bag = inner,
            _ => return,
        }
    }
    // Removal keeps the order of the others.
    bag.shift_remove(last);
}

fn set_key(bag: &mut Map<String, Json>, key: &str, value: Json) {
    let path = key_path(key);
    let Some((last, parents)) = path.split_last() else { return };
    let mut bag = bag;
    for step in parents {
        let inner = bag.entry(step.clone()).or_insert_with(|| Json::Object(Map::new()));
        if !inner.is_object() {
            *inner = Json::Object(Map::new());
        }
        match inner {
            Json::Object(inner) => bag = inner,
            _ => return,
        }
    }
    bag.insert(last.clone(), value);
}

/// Text under which equal elements of a set are equal.
pub(crate) fn set_key_of(item: &Json) -> String {
    match item {
        // 1 and 1.0 are one element.
        Json::Number(number) if number.as_i64().is_none() => match number.as_f64() {
            Some(real) if real.fract() == 0.0 && real.abs() < 9e15 => (real as i64).to_string(),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

fn keys_of(items: &[Json]) -> HashSet<String> {
    items.iter().map(set_key_of).collect()
}

fn set(items: Vec<Json>) -> Value {
    let mut seen = HashSet::new();
    Json::Array(items.into_iter().filter(|item| seen.insert(set_key_of(item))).collect()).into()
}

fn combine(c: &[Cell<'_>], keep_shared: bool) -> Value {
    let Some(sets) = c.iter().map(array).collect::<Option<Vec<_>>>() else { return Cell::Null };
    let (first, others) = (&sets[0], &sets[1..]);
    let others: Vec<HashSet<String>> = others.iter().map(|items| keys_of(items)).collect();
    let kept = |item: &&Json| {
        let key = set_key_of(item);
        if keep_shared {
            others.iter().all(|other| other.contains(&key))
        } else {
            !others.iter().any(|other| other.contains(&key))
        }
    };
    set(first.iter().filter(kept).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_may_be_paths() {
        let Json::Object(mut bag) = json!({"a": {"b": 1, "c": 2}, "d": 3}) else { unreachable!() };
        assert!(has_key(&bag, "$.a.b") && has_key(&bag, "d") && !has_key(&bag, "$.a.x"));
        remove_key(&mut bag, "$['a']['b']");
        set_key(&mut bag, "$.e.f", json!(4));
        assert_eq!(Json::Object(bag), json!({"a": {"c": 2}, "d": 3, "e": {"f": 4}}));
    }
}
