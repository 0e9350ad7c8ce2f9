//! Dynamics are JSON text. Wrong paths are null, never errors.

use std::sync::Arc;

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value as Json;

use super::{Arguments, Function, Kind, Returns, conversion, function, rule};
use crate::{
    ast::KqlType,
    rows::RowFunction,
    value::{Cell, Value},
};

pub(super) const FUNCTIONS: &[Function] =
    &[
        function(
            &["parse_json", "todynamic", "parsejson", "toobject"],
            &[Kind::Any],
            0,
            Returns::Is(KqlType::Dynamic),
            parse_json,
        ),
        function(&["dynamic_to_json"], &[Kind::Any], 0, Returns::Is(KqlType::String), |a| {
            let kind = a.types[0];
            rule(move |c| {
                if c[0].is_null() {
                    "".into()
                } else {
                    sorted_keys(conversion::to_json(&c[0], kind)).to_string().into()
                }
            })
        }),
        function(&["gettype"], &[Kind::Any], 0, Returns::Is(KqlType::String), |a| {
            let kind = a.types[0];
            rule(move |c| if kind == KqlType::Dynamic { type_of(&json(&c[0])) } else { kind.name() }.into())
        }),
    ];

/// What `gettype` calls a value inside a dynamic.
fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "double",
        Json::Number(_) => "long",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "dictionary",
    }
}

/// The canonical form has its keys in order.
fn sorted_keys(value: Json) -> Json {
    match value {
        Json::Array(items) => Json::Array(items.into_iter().map(sorted_keys).collect()),
        Json::Object(bag) => {
            let mut entries: Vec<(String, Json)> =
                bag.into_iter().map(|(key, value)| (key, sorted_keys(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(entries.into_iter().collect())
        }
        other => other,
    }
}

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

pub(crate) fn array(cell: &Cell<'_>) -> Option<Vec<Json>> {
    match json(cell) {
        Json::Array(items) => Some(items),
        _ => None,
    }
}

/// Whether a text is a JSON array of strings without escapes; then `items` holds what stands between their quotes.
pub(crate) fn plain_strings<'t>(text: &'t str, items: &mut Vec<&'t str>) -> bool {
    items.clear();
    let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    let mut rest = inside;
    loop {
        let Some(begun) = rest.trim_ascii_start().strip_prefix('"') else { return false };
        let Some(end) = memchr::memchr2(b'"', b'\\', begun.as_bytes()) else { return false };
        let item = &begun[..end];
        if begun.as_bytes()[end] == b'\\' || item.bytes().any(|byte| byte < 0x20) {
            return false;
        }
        items.push(item);
        rest = begun[end + 1..].trim_ascii_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.is_empty(),
        }
    }
}

/// The items of a JSON array as slices of its text; `None` if it is no array. O(text), nothing is built.
pub(crate) fn array_items(text: &str) -> Option<Vec<&str>> {
    let inside = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut items = Vec::new();
    let (mut start, mut depth, mut in_string, mut escaped) = (0, 0usize, false, false);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                items.push(inside[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = inside[start..].trim();
    if !last.is_empty() {
        items.push(last);
    }
    Some(items)
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

/// JSON text is kept as it stands: whoever looks inside reads it, and most rows are never looked
/// into twice.
fn parsed_text(text: &str) -> Value {
    let trimmed = text.trim();
    match trimmed {
        "" | "null" => Cell::Null,
        _ if serde_json::from_str::<IgnoredAny>(trimmed).is_ok() => trimmed.into(),
        _ => Json::from(text).into(),
    }
}

// ---- paths -----------------------------------------------------------------------------------

/// One step of a path that is known when the query is bound.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Key(String),
    Index(i64),
    /// Taken from the next argument of the row function, a string or a number
    Computed,
}

/// The rule of `d.a["b"][0]`: cells are the dynamic, then the computed steps.
///
/// The text is walked once and only what the path leads to is built: a path into a large event
/// costs a scan, not a tree.
pub(crate) fn path(steps: Vec<Step>) -> RowFunction {
    Arc::new(move |cells| {
        let Cell::Str(text) = &cells[0] else { return Cell::Null };
        let mut computed = cells[1..].iter();
        let known: Option<Vec<Place<'_>>> = steps
            .iter()
            .map(|step| match step {
                Step::Key(key) => Some(Place::Key(key)),
                Step::Index(at) => Some(Place::Index(*at)),
                Step::Computed => match computed.next() {
                    Some(Cell::Long(at)) => Some(Place::Index(*at)),
                    Some(Cell::Str(key)) => Some(Place::Key(key)),
                    _ => None,
                },
            })
            .collect();
        let Some(known) = known else { return Cell::Null };
        // What cannot be read as JSON is a plain string, and a string has no members.
        found(text, &known).into()
    })
}

/// One step with its computed part filled in.
#[derive(Clone, Copy)]
enum Place<'p> {
    Key(&'p str),
    Index(i64),
}

fn found(text: &str, places: &[Place<'_>]) -> Option<Json> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Walk(places).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    value
}

/// Reads one JSON value and keeps what lies at the end of the path.
struct Walk<'p>(&'p [Place<'p>]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<Json>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => serde::Deserialize::deserialize(reader).map(Some),
            _ => reader.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<Json>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (wanted, rest) = match self.0 {
            [Place::Key(wanted), rest @ ..] => (Some(*wanted), rest),
            _ => (None, self.0),
        };
        let mut hit = None;
        while let Some(is_wanted) = map.next_key_seed(KeyIs(wanted))? {
            if is_wanted {
                // Of repeated keys the last one counts.
                hit = map.next_value_seed(Walk(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(hit)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut hit = None;
        match self.0 {
            [Place::Index(wanted), rest @ ..] if *wanted >= 0 => {
                let mut at = 0;
                while let Some(item) = if at == *wanted {
                    items.next_element_seed(Walk(rest))?.map(Some)
                } else {
                    items.next_element::<IgnoredAny>()?.map(|_| None)
                } {
                    if let Some(item) = item {
                        hit = item;
                    }
                    at += 1;
                }
            }
            // Only the end tells where the last but one is.
            [Place::Index(wanted), rest @ ..] => {
                let mut all = Vec::new();
                while let Some(item) = items.next_element_seed(Walk(rest))? {
                    all.push(item);
                }
                let at = wanted.checked_add(all.len() as i64).and_then(|at| usize::try_from(at).ok());
                hit = at.and_then(|at| all.into_iter().nth(at)).flatten();
            }
            _ => while items.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(hit)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Compares a key without copying it.
struct KeyIs<'p>(Option<&'p str>);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(self.0 == Some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_walk_the_text() {
        let text = r#"{"a":[1,{"b":"x"},3],"c":null,"a2":{}}"#;
        let at = |places: &[Place<'_>]| found(text, places);
        assert_eq!(at(&[Place::Key("a"), Place::Index(1), Place::Key("b")]), Some(json!("x")));
        assert_eq!(at(&[Place::Key("a"), Place::Index(-1)]), Some(json!(3)));
        assert_eq!(at(&[Place::Key("a"), Place::Index(9)]), None);
        assert_eq!(at(&[Place::Key("a"), Place::Key("b")]), None);
        assert_eq!(at(&[Place::Key("c"), Place::Key("b")]), None);
        assert_eq!(found("not json", &[Place::Key("a")]), None);
        assert_eq!(found("{\"a\":1} tail", &[Place::Key("a")]), None);
    }

    #[test]
    fn plain_strings_are_what_json_says() {
        let mut items = Vec::new();
        let texts = [
            r#"["a"]"#,
            r#"[ "a" , "b c" ]"#,
            "[]",
            r#"["a",]"#,
            r#"["a" "b"]"#,
            r#"["a\n"]"#,
            "[\"\t\"]",
            "[1]",
            r#"["a"]x"#,
            r#"["a",["b"]]"#,
            r#"["a""#,
            "[",
        ];
        for text in texts {
            if plain_strings(text, &mut items) {
                assert_eq!(serde_json::from_str::<Vec<String>>(text).unwrap(), items, "{text}");
            }
        }
        assert!(plain_strings(texts[1], &mut items) && !plain_strings(texts[4], &mut items));
    }

    #[test]
    fn arrays_are_cut_at_their_own_commas() {
        let text = r#" [1, "a,\"]" , {"b":[2,3]},[ ] , null ] "#;
        assert_eq!(array_items(text), Some(vec!["1", r#""a,\"]""#, r#"{"b":[2,3]}"#, "[ ]", "null"]));
        assert_eq!(array_items("[ ]"), Some(vec![]));
        for other in ["{}", "[1", "[1,]", "1]", "", "x"] {
            assert_eq!(array_items(other), None, "{other}");
        }
    }
}
