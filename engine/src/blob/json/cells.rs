//! The values of one column as they come, typed as declared or as found.
//!
//! A column without a declared type is the narrowest that holds all its values without changing them: whole numbers
//! are `long`, others `real`, texts `string`; values of several kinds are kept as JSON, which is `dynamic`.

use super::Declared;
use super::scan::{Problem, Raw, unescaped};

/// Integers beyond this are not all doubles.
const EXACT: i64 = 1 << 53;

/// A column of some lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cells {
    pub(crate) values: Values,
    /// One per row
    valid: Vec<bool>,
    /// Some line had the member, be it null
    seen: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Values {
    /// Only nulls so far
    #[default]
    Nothing,
    Bool(Vec<bool>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Real(Vec<f64>),
    /// 100 ns since the year 1
    Datetime(Vec<i64>),
    /// In 100 ns
    Timespan(Vec<i64>),
    Text(Texts),
    /// JSON
    Dynamic(Texts),
}

/// Texts one behind the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    pub(super) fn empty(count: usize) -> Texts {
        Texts { text: String::new(), ends: vec![0; count] }
    }
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        self.valid.len()
    }

    /// Bytes in memory.
    pub(crate) fn size(&self) -> usize {
        let values = match &self.values {
            Values::Nothing => 0,
            Values::Bool(values) => values.capacity(),
            Values::Int(values) => values.capacity() * 4,
            Values::Long(values) | Values::Datetime(values) | Values::Timespan(values) => values.capacity() * 8,
            Values::Real(values) => values.capacity() * 8,
            Values::Text(texts) | Values::Dynamic(texts) => texts.text.capacity() + texts.ends.capacity() * 8,
        };
        values + self.valid.capacity()
    }

    /// Gives back what growing took too much.
    pub(crate) fn shrink(&mut self) {
        self.valid.shrink_to_fit();
        match &mut self.values {
            Values::Nothing => {}
            Values::Bool(values) => values.shrink_to_fit(),
            Values::Int(values) => values.shrink_to_fit(),
            Values::Long(values) | Values::Datetime(values) | Values::Timespan(values) => values.shrink_to_fit(),
            Values::Real(values) => values.shrink_to_fit(),
            Values::Text(texts) | Values::Dynamic(texts) => {
                texts.text.shrink_to_fit();
                texts.ends.shrink_to_fit();
            }
        }
    }

    /// Did any line have the member?
    pub(crate) fn is_seen(&self) -> bool {
        self.seen
    }

    /// Which rows have a value.
    pub(crate) fn valid(&self) -> &[bool] {
        &self.valid
    }

    /// Adds nulls until there are so many rows.
    pub(crate) fn fill(&mut self, rows: usize) {
        while self.valid.len() < rows {
            self.push_null();
        }
    }

    /// Takes back the rows from this one on.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.valid.truncate(rows);
        match &mut self.values {
            Values::Nothing => {}
            Values::Bool(values) => values.truncate(rows),
            Values::Int(values) => values.truncate(rows),
            Values::Long(values) | Values::Datetime(values) | Values::Timespan(values) => values.truncate(rows),
            Values::Real(values) => values.truncate(rows),
            Values::Text(texts) | Values::Dynamic(texts) => {
                texts.ends.truncate(rows);
                texts.text.truncate(texts.ends.last().copied().unwrap_or(0));
            }
        }
    }

    fn push_null(&mut self) {
        self.valid.push(false);
        match &mut self.values {
            Values::Nothing => {}
            Values::Bool(values) => values.push(false),
            Values::Int(values) => values.push(0),
            Values::Long(values) | Values::Datetime(values) | Values::Timespan(values) => values.push(0),
            Values::Real(values) => values.push(0.0),
            Values::Text(texts) | Values::Dynamic(texts) => texts.push(""),
        }
    }

    /// Adds a value of a column whose type is not declared.
    pub(super) fn push_found(&mut self, raw: &Raw<'_>) -> Result<(), Problem> {
        self.seen |= *raw != Raw::Absent;
        match (&mut self.values, raw) {
            (_, Raw::Absent | Raw::Null) => {
                self.push_null();
                return Ok(());
            }
            (Values::Text(texts), Raw::Text(text)) => texts.push(text),
            (Values::Text(texts), Raw::Escaped(text)) => texts.push(&unescaped(text)?),
            (Values::Bool(values), Raw::Bool(value)) => values.push(*value),
            (Values::Long(values), Raw::Number(text)) if is_whole(text) => match text.parse() {
                Ok(value) => values.push(value),
                Err(_) => return self.widen_for(raw),
            },
            (Values::Real(values), Raw::Number(text)) => match exact_real(text)? {
                Some(value) => values.push(value),
                None => return self.widen_for(raw),
            },
            (Values::Dynamic(texts), raw) => push_json(texts, raw)?,
            _ => return self.widen_for(raw),
        }
        self.valid.push(true);
        Ok(())
    }

    /// Makes the column wide enough for the value, and adds it.
    #[cold]
    fn widen_for(&mut self, raw: &Raw<'_>) -> Result<(), Problem> {
        let wanted = match raw {
            Raw::Bool(_) => Width::Bool,
            Raw::Text(_) | Raw::Escaped(_) => Width::Text,
            Raw::Number(text) if is_whole(text) && text.parse::<i64>().is_ok() => Width::Long,
            Raw::Number(text) if exact_real(text)?.is_some() => Width::Real,
            _ => Width::Dynamic,
        };
        let wide = self.width().and(wanted);
        if self.width() == wide {
            // A value that no column of this width holds: JSON holds it.
            self.widen(Width::Dynamic);
        } else {
            self.widen(wide);
        }
        self.push_found(raw)
    }

    pub(crate) fn width(&self) -> Width {
        match &self.values {
            Values::Nothing => Width::Nothing,
            Values::Bool(_) => Width::Bool,
            Values::Int(_) | Values::Long(_) => Width::Long,
            Values::Real(_) => Width::Real,
            Values::Datetime(_) | Values::Timespan(_) | Values::Text(_) => Width::Text,
            Values::Dynamic(_) => Width::Dynamic,
        }
    }

    /// The same values in a wider kind of column. Whole numbers that are no doubles make it `dynamic`.
    pub(crate) fn widen(&mut self, to: Width) {
        let rows = self.valid.len();
        self.values = match (std::mem::take(&mut self.values), to) {
            (Values::Nothing, Width::Nothing) => Values::Nothing,
            (Values::Nothing, Width::Bool) => Values::Bool(vec![false; rows]),
            (Values::Nothing, Width::Long) => Values::Long(vec![0; rows]),
            (Values::Nothing, Width::Real) => Values::Real(vec![0.0; rows]),
            (Values::Nothing, Width::Text) => Values::Text(Texts::empty(rows)),
            (Values::Nothing, Width::Dynamic) => Values::Dynamic(Texts::empty(rows)),
            (Values::Long(values), Width::Real) if values.iter().all(|value| is_exact(*value)) => {
                Values::Real(values.into_iter().map(|value| value as f64).collect())
            }
            (values, Width::Dynamic) | (values @ Values::Long(_), Width::Real) => {
                Values::Dynamic(as_json(&values, &self.valid))
            }
            (values, _) => values,
        };
    }

    /// Adds a value of a column with a declared type.
    pub(super) fn push_declared(&mut self, raw: &Raw<'_>, declared: Declared) -> Result<(), Problem> {
        self.seen |= *raw != Raw::Absent;
        if self.values == Values::Nothing {
            self.values = declared.empty(self.valid.len());
        }
        let text;
        let raw = match raw {
            Raw::Absent | Raw::Null => {
                self.push_null();
                return Ok(());
            }
            Raw::Escaped(escaped) if declared != Declared::Dynamic => {
                text = unescaped(escaped)?;
                Raw::Text(&text)
            }
            other => *other,
        };
        let pushed = match (&mut self.values, raw) {
            (Values::Text(texts), _) => push_text(texts, &raw, declared),
            (Values::Dynamic(texts), _) => return push_dynamic(texts, &raw).map(|()| self.valid.push(true)),
            // As Kusto reads text that is nothing.
            (_, Raw::Text("")) => {
                self.push_null();
                return Ok(());
            }
            (Values::Bool(values), _) => boolean(&raw).map(|value| values.push(value)),
            (Values::Int(values), _) => {
                whole(&raw).and_then(|value| value.try_into().ok()).map(|value| values.push(value))
            }
            (Values::Long(values), _) => whole(&raw).map(|value| values.push(value)),
            (Values::Real(values), Raw::Number(text) | Raw::Text(text)) => real(text).map(|value| values.push(value)),
            (Values::Datetime(values), Raw::Text(text)) => datetime(text).map(|value| values.push(value)),
            (Values::Timespan(values), Raw::Text(text)) => {
                huntbook_kql::ticks::parse_timespan(text).map(|value| values.push(value))
            }
            _ => None,
        };
        match pushed {
            Some(()) => {
                self.valid.push(true);
                Ok(())
            }
            None => Err(format!("{} is no {}", shown(&raw), declared.name())),
        }
    }
}

/// What kinds of values a column holds; each holds those in front of it, with `and`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Nothing,
    Bool,
    Long,
    Real,
    Text,
    Dynamic,
}

impl Width {
    /// The narrowest that holds both.
    pub(crate) fn and(self, other: Width) -> Width {
        match (self, other) {
            (Width::Nothing, width) | (width, Width::Nothing) => width,
            (one, two) if one == two => one,
            (Width::Long, Width::Real) | (Width::Real, Width::Long) => Width::Real,
            _ => Width::Dynamic,
        }
    }
}

/// 100 ns since the year 1. Almost every time in a log has the first form, which is read without looking for others.
pub(crate) fn datetime(text: &str) -> Option<i64> {
    iso_datetime(text.as_bytes()).or_else(|| huntbook_kql::ticks::parse_datetime(text))
}

/// `2026-11-20T23:55:01.1234567Z`, up to seven digits behind the point.
fn iso_datetime(text: &[u8]) -> Option<i64> {
    let two = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
    };
    if text.len() < 20 || text[4] != b'-' || text[7] != b'-' || text[10] != b'T' || text[13] != b':' || text[16] != b':'
    {
        return None;
    }
    let year = two(0)? * 100 + two(2)?;
    let (month, day, hour, minute, second) = (two(5)?, two(8)?, two(11)?, two(14)?, two(17)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = match &text[19..] {
        b"Z" => 0,
        [b'.', digits @ .., b'Z'] if (1..=7).contains(&digits.len()) => {
            let mut value = 0;
            for at in 0..7 {
                let digit = digits.get(at).map_or(0, |digit| digit.wrapping_sub(b'0'));
                if digit > 9 {
                    return None;
                }
                value = value * 10 + i64::from(digit);
            }
            value
        }
        _ => return None,
    };
    huntbook_kql::ticks::from_civil(year, month, day, ((hour * 60 + minute) * 60 + second) * 10_000_000 + fraction)
}

/// No point and no exponent.
fn is_whole(number: &str) -> bool {
    number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn is_exact(value: i64) -> bool {
    (-EXACT..=EXACT).contains(&value)
}

/// A number as a double; `None`: a whole number that no double is. Errors: no number.
fn exact_real(text: &str) -> Result<Option<f64>, Problem> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    let is_safe = !is_whole(text) || text.parse().is_ok_and(is_exact);
    Ok((is_safe && value.is_finite()).then_some(value))
}

fn boolean(raw: &Raw<'_>) -> Option<bool> {
    match raw {
        Raw::Bool(value) => Some(*value),
        Raw::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Raw::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Raw::Number("0") => Some(false),
        Raw::Number("1") => Some(true),
        _ => None,
    }
}

pub(super) fn whole(raw: &Raw<'_>) -> Option<i64> {
    let (Raw::Number(text) | Raw::Text(text)) = raw else { return None };
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let value: f64 = text.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= EXACT as f64).then_some(value as i64)
}

fn real(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn push_text(texts: &mut Texts, raw: &Raw<'_>, declared: Declared) -> Option<()> {
    if declared == Declared::Guid {
        let Raw::Text(text) = raw else { return None };
        let is_guid = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        return is_guid.then(|| texts.push(&text.to_ascii_lowercase()));
    }
    let text = match raw {
        Raw::Text(text) | Raw::Number(text) | Raw::Nested(text) => text,
        Raw::Bool(true) => "true",
        Raw::Bool(false) => "false",
        _ => return None,
    };
    texts.push(text);
    Some(())
}

/// Text that holds an object or array is that object or array, as exports have it.
fn push_dynamic(texts: &mut Texts, raw: &Raw<'_>) -> Result<(), Problem> {
    if let Raw::Text(_) | Raw::Escaped(_) = raw {
        let text = match raw {
            Raw::Escaped(text) => unescaped(text)?,
            Raw::Text(text) => (*text).to_owned(),
            _ => String::new(),
        };
        let is_json = text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        if is_json {
            texts.push(&text);
            return Ok(());
        }
    }
    push_json(texts, raw)
}

/// The value as JSON.
fn push_json(texts: &mut Texts, raw: &Raw<'_>) -> Result<(), Problem> {
    match raw {
        Raw::Text(text) | Raw::Escaped(text) => texts.push(&format!("\"{text}\"")),
        Raw::Number(text) => {
            // What is kept as JSON must be JSON.
            text.parse::<f64>().map_err(|_| format!("`{text}` is no number"))?;
            texts.push(text);
        }
        Raw::Nested(text) => {
            serde_json::from_str::<serde::de::IgnoredAny>(text)
                .map_err(|error| format!("an object or array in it is no JSON: {error}"))?;
            texts.push(text);
        }
        Raw::Bool(value) => texts.push(if *value { "true" } else { "false" }),
        Raw::Absent | Raw::Null => texts.push(""),
    }
    Ok(())
}

fn as_json(values: &Values, valid: &[bool]) -> Texts {
    let mut out = Texts::default();
    let mut push = |row: usize, json: String| out.push(if valid[row] { &json } else { "" });
    match values {
        Values::Nothing => valid.iter().enumerate().for_each(|(row, _)| push(row, String::new())),
        Values::Bool(values) => values.iter().enumerate().for_each(|(row, value)| push(row, value.to_string())),
        Values::Int(values) => values.iter().enumerate().for_each(|(row, value)| push(row, value.to_string())),
        Values::Long(values) | Values::Datetime(values) | Values::Timespan(values) => {
            values.iter().enumerate().for_each(|(row, value)| push(row, value.to_string()));
        }
        Values::Real(values) => {
            values.iter().enumerate().for_each(|(row, value)| push(row, serde_json::Value::from(*value).to_string()));
        }
        Values::Text(texts) => {
            texts.iter().enumerate().for_each(|(row, text)| push(row, serde_json::Value::from(text).to_string()));
        }
        Values::Dynamic(texts) => texts.iter().enumerate().for_each(|(row, text)| push(row, text.to_owned())),
    }
    out
}

fn shown(raw: &Raw<'_>) -> String {
    let text = match raw {
        Raw::Text(text) | Raw::Escaped(text) => format!("{text:?}"),
        Raw::Number(text) | Raw::Nested(text) => (*text).to_owned(),
        Raw::Bool(value) => value.to_string(),
        Raw::Absent | Raw::Null => "null".to_owned(),
    };
    if text.chars().count() <= 40 { text } else { text.chars().take(40).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(raws: &[Raw<'_>]) -> Cells {
        let mut cells = Cells::default();
        raws.iter().for_each(|raw| cells.push_found(raw).unwrap());
        assert_eq!(cells.len(), raws.len());
        cells
    }

    #[test]
    fn a_column_is_as_wide_as_its_values() {
        use Raw::{Bool, Escaped, Nested, Null, Number, Text};
        let texts = |cells: Cells| match cells.values {
            Values::Text(texts) | Values::Dynamic(texts) => texts.iter().map(str::to_owned).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found(&[Null, Number("1"), Number("-2")]).values, Values::Long(vec![0, 1, -2]));
        assert_eq!(found(&[Number("1"), Null, Number("2.5")]).values, Values::Real(vec![1.0, 0.0, 2.5]));
        assert_eq!(found(&[Bool(true), Null]).values, Values::Bool(vec![true, false]));
        assert_eq!(texts(found(&[Text("a"), Escaped("b\\n")])), ["a", "b\n"]);
        assert_eq!(texts(found(&[Number("1"), Null, Text("a"), Bool(true)])), ["1", "", "\"a\"", "true"]);
        assert_eq!(texts(found(&[Text("a\"".trim_end_matches('"')), Nested("[1]")])), ["\"a\"", "[1]"]);
        // No digit is lost.
        assert_eq!(texts(found(&[Number("9007199254740993"), Number("0.5")])), ["9007199254740993", "0.5"]);
        assert_eq!(texts(found(&[Number("99999999999999999999")])), ["99999999999999999999"]);
        assert!(Cells::default().push_found(&Number("1-2")).is_err());
    }

    #[test]
    fn declared_types_read_what_exports_write() {
        let one = |raw: Raw<'_>, declared| {
            let mut cells = Cells::default();
            cells.push_declared(&raw, declared).map(|()| (cells.values, cells.valid[0]))
        };
        assert_eq!(one(Raw::Text("4624"), Declared::Int).unwrap().0, Values::Int(vec![4624]));
        assert_eq!(one(Raw::Number("3.0"), Declared::Long).unwrap().0, Values::Long(vec![3]));
        assert!(one(Raw::Number("3000000000"), Declared::Int).unwrap_err().contains("is no int"));
        assert!(!one(Raw::Text(""), Declared::Datetime).unwrap().1);
        assert_eq!(one(Raw::Text("False"), Declared::Bool).unwrap().0, Values::Bool(vec![false]));
        assert_eq!(
            one(Raw::Text("1.00:00:00"), Declared::Timespan).unwrap().0,
            Values::Timespan(vec![864_000_000_000])
        );
        let json = |raw| match one(raw, Declared::Dynamic).unwrap().0 {
            Values::Dynamic(texts) => texts.iter().next().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(json(Raw::Escaped("{\\\"a\\\":1}")), "{\"a\":1}");
        assert_eq!(json(Raw::Text("x")), "\"x\"");
        assert!(one(Raw::Text("x"), Declared::Guid).is_err());
    }

    #[test]
    fn the_common_form_of_a_time_is_read_as_every_other() {
        for text in [
            "2026-11-20T23:55:01Z",
            "2026-11-20T23:55:01.5Z",
            "0001-01-01T00:00:00.0000000Z",
            "2024-02-29T00:00:00.1234567Z",
        ] {
            assert_eq!(iso_datetime(text.as_bytes()), huntbook_kql::ticks::parse_datetime(text), "{text}");
            assert!(iso_datetime(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "2026-13-20T23:55:01Z",
            "2026-02-30T23:55:01Z",
            "2026-11-20T24:55:01Z",
            "2026-11-20T23:55:01.Z",
            "2026-11-20 23:55:01Z",
            "é026-11-20T23:55:01Z",
        ] {
            assert_eq!(iso_datetime(text.as_bytes()), None, "{text}");
        }
    }
}
