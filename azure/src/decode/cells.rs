//! One cell of an answer into its column.

use super::cursor::{Raw, is_json, unescape};
use super::ticks;
use crate::table::{TextColumn, Values};

/// How a service writes dynamic values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dynamics {
    /// As a string that holds JSON (Log Analytics, Kusto v1).
    InStrings,
    /// As JSON (Kusto v2).
    Native,
}

/// Puts a cell behind the others. `Err` if it is not of the column's type: nothing is pushed then.
pub(super) fn push(values: &mut Values, raw: Raw<'_>, dynamics: Dynamics) -> Result<(), ()> {
    match values {
        Values::Long(column) => column.push(integer(raw)?),
        Values::Int(column) => column.push(match integer(raw)? {
            Some(value) => Some(i32::try_from(value).map_err(drop)?),
            None => None,
        }),
        Values::Real(column) => column.push(real(raw)?),
        Values::Bool(column) => column.push(boolean(raw)?),
        Values::DateTime(column) => column.push(time(raw, ticks::datetime)?),
        Values::TimeSpan(column) => column.push(time(raw, ticks::timespan)?),
        Values::String(column) => match raw {
            Raw::Null => column.push(Some("")),
            Raw::Bool(value) => column.push(Some(if value { "true" } else { "false" })),
            Raw::Number(text) | Raw::Nested(text) | Raw::Text(text, false) => column.push(Some(text)),
            Raw::Text(text, true) => push_escaped(column, text)?,
        },
        Values::Guid(column) => match raw {
            Raw::Null | Raw::Text("", _) => column.push(None),
            Raw::Text(text, false) => column.push(Some(text)),
            _ => return Err(()),
        },
        Values::Decimal(column) => match raw {
            Raw::Null | Raw::Text("", _) => column.push(None),
            Raw::Number(text) | Raw::Text(text, false) if is_decimal(text) => column.push(Some(text)),
            _ => return Err(()),
        },
        Values::Dynamic(column) => push_dynamic(column, raw, dynamics)?,
    }
    Ok(())
}

fn integer(raw: Raw<'_>) -> Result<Option<i64>, ()> {
    match raw {
        Raw::Null | Raw::Text("", _) => Ok(None),
        Raw::Number(text) | Raw::Text(text, false) => match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => whole(text).map(Some),
        },
        _ => Err(()),
    }
}

/// `3.0` and `1e3` are whole numbers too, as long as a float holds them exactly.
fn whole(text: &str) -> Result<i64, ()> {
    let value: f64 = text.parse().map_err(drop)?;
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 { Ok(value as i64) } else { Err(()) }
}

fn real(raw: Raw<'_>) -> Result<Option<f64>, ()> {
    match raw {
        Raw::Null | Raw::Text("", _) => Ok(None),
        Raw::Text("NaN", _) => Ok(Some(f64::NAN)),
        Raw::Text("Infinity", _) => Ok(Some(f64::INFINITY)),
        Raw::Text("-Infinity", _) => Ok(Some(f64::NEG_INFINITY)),
        Raw::Number(text) | Raw::Text(text, false) => {
            text.parse().ok().filter(|value: &f64| value.is_finite()).map(Some).ok_or(())
        }
        _ => Err(()),
    }
}

fn boolean(raw: Raw<'_>) -> Result<Option<bool>, ()> {
    match raw {
        Raw::Null | Raw::Text("", _) => Ok(None),
        Raw::Bool(value) => Ok(Some(value)),
        // Kusto v1 has no booleans, only the .NET type SByte.
        Raw::Number("0") => Ok(Some(false)),
        Raw::Number("1") => Ok(Some(true)),
        Raw::Text(text, false) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Raw::Text(text, false) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        _ => Err(()),
    }
}

fn time(raw: Raw<'_>, read: fn(&str) -> Option<i64>) -> Result<Option<i64>, ()> {
    match raw {
        Raw::Null | Raw::Text("", _) => Ok(None),
        Raw::Text(text, false) => read(text).map(Some).ok_or(()),
        _ => Err(()),
    }
}

fn is_decimal(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
}

fn push_escaped(column: &mut TextColumn, raw: &str) -> Result<(), ()> {
    let (buffer, start) = column.open();
    if unescape(raw, buffer).is_err() {
        buffer.truncate(start);
        return Err(());
    }
    column.close(true);
    Ok(())
}

/// A dynamic cell becomes JSON text. In a string there is JSON, or a text that is not JSON and stands for itself.
fn push_dynamic(column: &mut TextColumn, raw: Raw<'_>, dynamics: Dynamics) -> Result<(), ()> {
    match raw {
        Raw::Null => column.push(None),
        Raw::Bool(value) => column.push(Some(if value { "true" } else { "false" })),
        Raw::Number(text) => column.push(Some(text)),
        Raw::Nested(text) if is_json(text) => column.push(Some(text)),
        Raw::Nested(_) => return Err(()),
        Raw::Text("", _) if dynamics == Dynamics::InStrings => column.push(None),
        Raw::Text(text, _) => {
            let (buffer, start) = column.open();
            if unescape(text, buffer).is_err() {
                buffer.truncate(start);
                return Err(());
            }
            let inside = buffer[start..].trim_start();
            let may_be_json = dynamics == Dynamics::InStrings || inside.starts_with(['{', '[']);
            if !(may_be_json && is_json(inside)) {
                let quoted = serde_json::Value::from(&buffer[start..]).to_string();
                buffer.truncate(start);
                buffer.push_str(&quoted);
            }
            column.close(true);
        }
    }
    Ok(())
}
