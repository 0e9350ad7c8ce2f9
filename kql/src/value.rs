//! Single values, as the row functions and constant folding see them.

use std::borrow::Cow;

use crate::{
    ast::{KqlType, Literal},
    decimal::Decimal,
};

/// One cell. The column's [`KqlType`] says what a `Long` or `Str` stands for:
/// ticks and 32-bit integers are `Long`; guids, decimals and the JSON text of dynamics are `Str`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Long(i64),
    Real(f64),
    Str(Cow<'a, str>),
}

/// A cell that owns its text.
pub(crate) type Value = Cell<'static>;

impl<'a> Cell<'a> {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }

    /// Text; nulls read as the empty string, as everywhere in KQL.
    pub(crate) fn text(&self) -> &str {
        match self {
            Cell::Str(text) => text,
            _ => "",
        }
    }

    pub(crate) fn long(&self) -> Option<i64> {
        match self {
            Cell::Long(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self {
            Cell::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Any number as a real.
    pub(crate) fn real(&self) -> Option<f64> {
        match self {
            Cell::Real(value) => Some(*value),
            Cell::Long(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// Any number as a decimal.
    pub(crate) fn decimal(&self) -> Option<Decimal> {
        match self {
            Cell::Str(text) => Decimal::parse(text),
            Cell::Long(value) => Some(Decimal::whole(*value)),
            Cell::Real(value) => Decimal::from_real(*value),
            _ => None,
        }
    }

    pub(crate) fn borrowed(&'a self) -> Cell<'a> {
        match self {
            Cell::Str(text) => Cell::Str(Cow::Borrowed(text)),
            Cell::Null => Cell::Null,
            Cell::Bool(value) => Cell::Bool(*value),
            Cell::Long(value) => Cell::Long(*value),
            Cell::Real(value) => Cell::Real(*value),
        }
    }

    pub(crate) fn into_owned(self) -> Value {
        match self {
            Cell::Str(text) => Cell::Str(Cow::Owned(text.into_owned())),
            Cell::Null => Cell::Null,
            Cell::Bool(value) => Cell::Bool(value),
            Cell::Long(value) => Cell::Long(value),
            Cell::Real(value) => Cell::Real(value),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Cell::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Cell::Long(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Cell::Real(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Cell::Str(Cow::Owned(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Cell::Str(Cow::Owned(value.to_string()))
    }
}

impl From<Decimal> for Value {
    fn from(value: Decimal) -> Self {
        value.to_string().into()
    }
}

/// A JSON value as a dynamic cell; JSON's `null` is KQL's null.
impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        if value.is_null() { Cell::Null } else { value.to_string().into() }
    }
}

impl<T> From<Option<T>> for Value
where
    Value: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Value::from)
    }
}

/// The cell of a literal.
pub(crate) fn of_literal(literal: &Literal) -> Value {
    match literal {
        Literal::Bool(value) => (*value).into(),
        Literal::Int(value) => value.map(i64::from).into(),
        Literal::Long(value) | Literal::Datetime(value) | Literal::Timespan(value) => (*value).into(),
        Literal::Real(value) => (*value).into(),
        Literal::Decimal(value) => {
            value.as_ref().and_then(|text| Decimal::parse(text)).map(|value| value.to_string()).into()
        }
        Literal::String(text) => text.as_str().into(),
        Literal::Guid(text) => text.clone().into(),
        Literal::Dynamic(value) => value.clone().into(),
    }
}

/// The null of a type: strings have none, so theirs is `""`.
pub(crate) fn null_of(kql_type: KqlType) -> Value {
    if kql_type == KqlType::String { "".into() } else { Cell::Null }
}
