//! `tostring` and its kin, and the same conversions as the planner applies them to dynamics.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value as Json;

use super::{Function, Kind, Returns, function, rule};
use crate::{
    ast::KqlType,
    decimal::Decimal,
    rows::RowFunction,
    ticks,
    value::{Cell, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["tostring"], &[Kind::Any], 0, Returns::Is(KqlType::String), |a| {
        Ok(converter(a.types[0], KqlType::String))
    }),
    function(&["toint"], &[Kind::Any], 0, Returns::Is(KqlType::Int), |a| Ok(converter(a.types[0], KqlType::Int))),
    function(&["tolong"], &[Kind::Any], 0, Returns::Is(KqlType::Long), |a| Ok(converter(a.types[0], KqlType::Long))),
    function(&["todouble", "toreal"], &[Kind::Any], 0, Returns::Is(KqlType::Real), |a| {
        Ok(converter(a.types[0], KqlType::Real))
    }),
    function(&["tobool", "toboolean"], &[Kind::Any], 0, Returns::Is(KqlType::Bool), |a| {
        Ok(converter(a.types[0], KqlType::Bool))
    }),
    function(&["todatetime"], &[Kind::Any], 0, Returns::Is(KqlType::Datetime), |a| {
        Ok(converter(a.types[0], KqlType::Datetime))
    }),
    function(&["totimespan", "totime"], &[Kind::Any], 0, Returns::Is(KqlType::Timespan), |a| {
        Ok(converter(a.types[0], KqlType::Timespan))
    }),
    function(&["todecimal"], &[Kind::Any], 0, Returns::Is(KqlType::Decimal), |a| {
        Ok(converter(a.types[0], KqlType::Decimal))
    }),
    function(&["toguid"], &[Kind::Any], 0, Returns::Is(KqlType::Guid), |a| Ok(converter(a.types[0], KqlType::Guid))),
    function(&["tohex"], &[Kind::Integer, Kind::Integer], 1, Returns::Is(KqlType::String), |_| {
        rule(|c| {
            let width = c.get(1).and_then(Cell::long).unwrap_or(0).clamp(0, 64) as usize;
            c[0].long().map_or_else(|| "".into(), |value| format!("{value:0width$x}").into())
        })
    }),
];

/// The rule that turns cells of one type into another.
pub(crate) fn converter(from: KqlType, to: KqlType) -> RowFunction {
    if from == to {
        return Arc::new(|cells| cells[0].clone().into_owned());
    }
    if from == KqlType::Dynamic && to == KqlType::String {
        // Most dynamics that become text are strings without escapes: no need to parse those.
        return Arc::new(|cells| match &cells[0] {
            Cell::Null => "".into(),
            json => json_as_text(json.text()).into_owned().into(),
        });
    }
    if from == KqlType::Dynamic {
        return Arc::new(move |cells| match &cells[0] {
            Cell::Null => crate::value::null_of(to),
            json => from_json(&super::dynamic::parse(json.text()), to),
        });
    }
    if from == KqlType::Decimal && to != KqlType::String && to != KqlType::Dynamic {
        return Arc::new(move |cells| cells[0].decimal().map_or(Cell::Null, |value| from_decimal(value, to)));
    }
    match to {
        KqlType::String => Arc::new(move |cells| text_of(&cells[0], from).into_owned().into()),
        KqlType::Int => Arc::new(move |cells| to_int(&cells[0], from)),
        KqlType::Long => Arc::new(move |cells| to_long(&cells[0], from)),
        KqlType::Real => Arc::new(move |cells| to_real(&cells[0])),
        KqlType::Decimal => Arc::new(move |cells| match &cells[0] {
            Cell::Bool(value) => Decimal::whole(*value).into(),
            _ if matches!(from, KqlType::Datetime | KqlType::Timespan | KqlType::Guid) => Cell::Null,
            other => other.decimal().into(),
        }),
        KqlType::Bool => Arc::new(move |cells| to_bool(&cells[0])),
        KqlType::Datetime => Arc::new(move |cells| to_datetime(&cells[0], from)),
        KqlType::Timespan => Arc::new(move |cells| to_timespan(&cells[0], from)),
        KqlType::Guid => Arc::new(move |cells| match &cells[0] {
            Cell::Str(text) if from == KqlType::String => {
                uuid::Uuid::try_parse(text.trim()).ok().map(|guid| guid.to_string()).into()
            }
            _ => Cell::Null,
        }),
        KqlType::Dynamic => Arc::new(move |cells| to_json(&cells[0], from).into()),
    }
}

/// The inside of a JSON string that has no escapes.
fn plain_string(json: &str) -> Option<&str> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    (!inside.bytes().any(|byte| matches!(byte, b'"' | b'\\') || byte < 0x20)).then_some(inside)
}

/// The text of a dynamic, given as JSON.
pub(crate) fn json_as_text(json: &str) -> Cow<'_, str> {
    match plain_string(json) {
        Some(text) => Cow::Borrowed(text),
        None => Cow::Owned(json_text(&super::dynamic::parse(json))),
    }
}

/// What `tostring` prints.
pub(crate) fn text_of<'c>(cell: &'c Cell<'_>, kql_type: KqlType) -> Cow<'c, str> {
    match cell {
        Cell::Null => Cow::Borrowed(""),
        Cell::Bool(true) => Cow::Borrowed("True"),
        Cell::Bool(false) => Cow::Borrowed("False"),
        Cell::Real(value) => Cow::Owned(real_text(*value)),
        Cell::Long(value) => Cow::Owned(match kql_type {
            KqlType::Datetime => ticks::format_datetime(*value),
            KqlType::Timespan => ticks::format_timespan(*value),
            _ => value.to_string(),
        }),
        Cell::Str(text) if kql_type == KqlType::Dynamic => Cow::Owned(json_text(&super::dynamic::parse(text))),
        Cell::Str(text) => Cow::Borrowed(text),
    }
}

/// The shortest text that reads back as the same real; whole numbers keep a `.0`, as they do
/// inside dynamics.
pub(crate) fn real_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        let scientific = format!("{value:E}");
        let (digits, exponent) = scientific.split_once('E').unwrap_or((&scientific, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        return format!("{digits}E{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    if value.fract() == 0.0 { format!("{value:.1}") } else { format!("{value}") }
}

/// A JSON value as text: strings lose their quotes, everything else is compact JSON.
pub(crate) fn json_text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn from_json(value: &Json, to: KqlType) -> Value {
    match (value, to) {
        (_, KqlType::String) => json_text(value).into(),
        (_, KqlType::Dynamic) => value.clone().into(),
        (Json::String(text), _) => converter(KqlType::String, to)(&[Cell::Str(Cow::Borrowed(text))]),
        (Json::Bool(flag), _) => converter(KqlType::Bool, to)(&[Cell::Bool(*flag)]),
        (Json::Number(number), _) => match number.as_i64() {
            Some(whole) => converter(KqlType::Long, to)(&[Cell::Long(whole)]),
            None => converter(KqlType::Real, to)(&[number.as_f64().map_or(Cell::Null, Cell::Real)]),
        },
        _ => crate::value::null_of(to),
    }
}

/// A typed cell inside a dynamic.
pub(crate) fn to_json(cell: &Cell<'_>, kql_type: KqlType) -> Json {
    match (cell, kql_type) {
        (Cell::Null, _) => Json::Null,
        (Cell::Bool(value), _) => Json::Bool(*value),
        (Cell::Long(_), KqlType::Datetime | KqlType::Timespan) => Json::String(text_of(cell, kql_type).into_owned()),
        (Cell::Long(value), _) => Json::from(*value),
        (Cell::Real(value), _) => {
            serde_json::Number::from_f64(*value).map_or_else(|| Json::String(real_text(*value)), Json::Number)
        }
        (Cell::Str(text), KqlType::Dynamic) => super::dynamic::parse(text),
        (Cell::Str(text), _) => Json::String(text.to_string()),
    }
}

fn from_decimal(value: Decimal, to: KqlType) -> Value {
    match to {
        KqlType::Real => value.to_real().into(),
        KqlType::Long => value.to_long().into(),
        KqlType::Int => value.to_long().map_or(Cell::Null, |whole| to_int(&Cell::Long(whole), KqlType::Long)),
        KqlType::Bool => (!value.is_zero()).into(),
        _ => Cell::Null,
    }
}

fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|bits| bits as i64);
    }
    text.parse().ok()
}

fn to_int(cell: &Cell<'_>, from: KqlType) -> Value {
    match cell {
        // Out of range: long wraps, real saturates, text is null.
        Cell::Long(value) if matches!(from, KqlType::Int | KqlType::Long) => i64::from(*value as i32).into(),
        Cell::Real(value) if !value.is_nan() => i64::from(*value as i32).into(),
        Cell::Real(_) => Cell::Null,
        Cell::Str(text) => whole_number(text).and_then(|value| i32::try_from(value).ok()).map(i64::from).into(),
        Cell::Bool(value) => i64::from(*value).into(),
        _ => Cell::Null,
    }
}

fn to_long(cell: &Cell<'_>, from: KqlType) -> Value {
    match cell {
        Cell::Long(value) => {
            debug_assert!(from != KqlType::String);
            (*value).into()
        }
        Cell::Real(value) if !value.is_nan() => (*value as i64).into(),
        Cell::Str(text) => whole_number(text).into(),
        Cell::Bool(value) => i64::from(*value).into(),
        _ => Cell::Null,
    }
}

fn to_real(cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Str(text) => {
            let text = text.trim();
            match text.to_ascii_lowercase().as_str() {
                "nan" => Some(f64::NAN),
                "inf" | "infinity" | "+inf" => Some(f64::INFINITY),
                "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
                // Rust also reads "infinity" and "nan" with signs and prefixes; numbers only here.
                number if number.contains(|c: char| c.is_ascii_digit()) => number.parse().ok(),
                _ => None,
            }
            .into()
        }
        Cell::Bool(value) => f64::from(*value as u8).into(),
        other => other.real().into(),
    }
}

fn to_bool(cell: &Cell<'_>) -> Value {
    match cell {
        Cell::Bool(value) => (*value).into(),
        Cell::Long(value) => (*value != 0).into(),
        Cell::Real(value) => (*value != 0.0).into(),
        Cell::Str(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => true.into(),
            "false" => false.into(),
            number => number.parse::<i64>().ok().map(|value| value != 0).into(),
        },
        Cell::Null => Cell::Null,
    }
}

fn to_datetime(cell: &Cell<'_>, from: KqlType) -> Value {
    match cell {
        Cell::Str(text) => ticks::parse_datetime(text).into(),
        Cell::Long(value) if matches!(from, KqlType::Datetime | KqlType::Long) => ticks::in_range(*value).into(),
        _ => Cell::Null,
    }
}

fn to_timespan(cell: &Cell<'_>, from: KqlType) -> Value {
    match cell {
        Cell::Str(text) => ticks::parse_timespan(text).or_else(|| short_timespan(text)).into(),
        Cell::Real(value) if value.abs() < 9.2e18 => (*value as i64).into(),
        Cell::Long(value) if matches!(from, KqlType::Timespan | KqlType::Long | KqlType::Int) => (*value).into(),
        _ => Cell::Null,
    }
}

/// `1.5h` as text.
fn short_timespan(text: &str) -> Option<i64> {
    let text = text.trim();
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    ticks::unit_amount(&text[..unit], &text[unit..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_print_short_and_read_back() {
        for (value, text) in [(1.0, "1.0"), (1.5, "1.5"), (1e30, "1E+30"), (0.00001, "1E-05"), (-2.25, "-2.25")] {
            assert_eq!(real_text(value), text);
        }
    }

    #[test]
    fn out_of_range_integers_follow_their_source() {
        assert_eq!(to_int(&Cell::Long(9_999_999_999), KqlType::Long), Cell::Long(1_410_065_407));
        assert_eq!(to_int(&Cell::Real(1e30), KqlType::Real), Cell::Long(i32::MAX.into()));
        assert_eq!(to_int(&Cell::Str("99999999999".into()), KqlType::String), Cell::Null);
    }
}
