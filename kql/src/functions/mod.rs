//! The scalar functions: one table entry each, with argument kinds, result type and row rule.
//!
//! Functions that need syntax or the row scope (`iff`, `case`, `ago`, `column_ifexists`, ...)
//! live in the planner; everything that is a plain rule on cells is here.

pub(crate) mod arrays;
pub(crate) mod bags;
mod bits;
pub(crate) mod conversion;
mod datetime;
mod decompose;
pub(crate) mod dynamic;
mod encoding;
mod fits;
mod fourier;
mod geo;
pub(crate) mod hash;
pub(crate) mod ip;
pub(crate) mod math;
mod parse;
mod periods;
pub(crate) mod series;
pub(crate) mod signatures;
mod statistics;
pub(crate) mod string;
pub(crate) mod text_match;
mod tuples;
mod units;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

pub(crate) use parse::first_record;

use crate::{
    ast::KqlType,
    rows::RowFunction,
    value::{Cell, Value},
};

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    /// `string`; a dynamic is read as its text
    Text,
    /// `int`, `long` or `real`
    Number,
    /// `int` or `long`
    Integer,
    /// a number, datetime or timespan
    Measurable,
    Datetime,
    Timespan,
    Bool,
    Guid,
    Dynamic,
}

impl Kind {
    pub(crate) fn accepts(self, kql_type: KqlType) -> bool {
        use KqlType::*;
        match self {
            Kind::Any => true,
            Kind::Text => matches!(kql_type, String | Dynamic),
            Kind::Number => matches!(kql_type, Int | Long | Real | Decimal),
            Kind::Integer => matches!(kql_type, Int | Long),
            Kind::Measurable => matches!(kql_type, Int | Long | Real | Decimal | Datetime | Timespan),
            Kind::Datetime => kql_type == Datetime,
            Kind::Timespan => kql_type == Timespan,
            Kind::Bool => kql_type == Bool,
            Kind::Guid => kql_type == Guid,
            Kind::Dynamic => kql_type == Dynamic,
        }
    }

    pub(crate) fn wanted(self) -> &'static str {
        match self {
            Kind::Any => "any value",
            Kind::Text => "a string",
            Kind::Number => "a number",
            Kind::Integer => "an int or long",
            Kind::Measurable => "a number, datetime or timespan",
            Kind::Datetime => "a datetime",
            Kind::Timespan => "a timespan",
            Kind::Bool => "a bool",
            Kind::Guid => "a guid",
            Kind::Dynamic => "a dynamic",
        }
    }

    /// The type a dynamic argument is converted to before the call, if any.
    pub(crate) fn wanted_of_dynamic(self) -> Option<KqlType> {
        match self {
            Kind::Any | Kind::Dynamic => None,
            Kind::Text => Some(KqlType::String),
            Kind::Number | Kind::Measurable => Some(KqlType::Real),
            Kind::Integer => Some(KqlType::Long),
            Kind::Datetime => Some(KqlType::Datetime),
            Kind::Timespan => Some(KqlType::Timespan),
            Kind::Bool => Some(KqlType::Bool),
            Kind::Guid => Some(KqlType::Guid),
        }
    }
}

/// The type of a result.
#[derive(Clone, Copy)]
pub(crate) enum Returns {
    Is(KqlType),
    First,
    By(fn(&[KqlType]) -> KqlType),
}

/// What a function knows when it is bound: types always, values where they are constant.
pub(crate) struct Arguments {
    pub(crate) types: Vec<KqlType>,
    pub(crate) constants: Vec<Option<Value>>,
}

impl Arguments {
    pub(crate) fn constant(&self, at: usize) -> Option<&Value> {
        self.constants.get(at).and_then(Option::as_ref)
    }

    pub(crate) fn constant_text(&self, at: usize) -> Option<&str> {
        match self.constant(at) {
            Some(Cell::Str(text)) => Some(text),
            _ => None,
        }
    }
}

/// Builds the row rule, or says why the arguments cannot be.
pub(crate) type Build = fn(&Arguments) -> Result<RowFunction, String>;

/// A scalar function.
pub(crate) struct Function {
    pub(crate) names: &'static [&'static str],
    pub(crate) kinds: &'static [Kind],
    pub(crate) required: usize,
    /// The last kind repeats.
    pub(crate) variadic: bool,
    pub(crate) returns: Returns,
    pub(crate) build: Build,
}

/// A function whose last `optional` parameters may be missing.
const fn function(
    names: &'static [&'static str],
    kinds: &'static [Kind],
    optional: usize,
    returns: Returns,
    build: Build,
) -> Function {
    Function { names, kinds, required: kinds.len() - optional, variadic: false, returns, build }
}

/// A function whose last parameter repeats.
const fn variadic(
    names: &'static [&'static str],
    kinds: &'static [Kind],
    required: usize,
    returns: Returns,
    build: Build,
) -> Function {
    Function { names, kinds, required, variadic: true, returns, build }
}

/// A rule that needs nothing from binding.
fn rule(function: impl Fn(&[Cell<'_>]) -> Value + Send + Sync + 'static) -> Result<RowFunction, String> {
    Ok(Arc::new(function))
}

/// Null in, null out, for the first argument.
fn on_long(cell: &Cell<'_>, function: impl Fn(i64) -> Option<i64>) -> Value {
    cell.long().and_then(function).into()
}

fn tables() -> [&'static [Function]; 21] {
    [
        arrays::FUNCTIONS,
        bags::FUNCTIONS,
        bits::FUNCTIONS,
        conversion::FUNCTIONS,
        datetime::FUNCTIONS,
        decompose::FUNCTIONS,
        dynamic::FUNCTIONS,
        encoding::FUNCTIONS,
        fits::FUNCTIONS,
        fourier::FUNCTIONS,
        geo::FUNCTIONS,
        hash::FUNCTIONS,
        ip::FUNCTIONS,
        math::FUNCTIONS,
        parse::FUNCTIONS,
        periods::FUNCTIONS,
        series::FUNCTIONS,
        statistics::FUNCTIONS,
        string::FUNCTIONS,
        tuples::FUNCTIONS,
        units::FUNCTIONS,
    ]
}

/// Finds a function by any of its names.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
        tables().into_iter().flatten().flat_map(|f| f.names.iter().map(move |name| (*name, f))).collect()
    });
    BY_NAME.get(name).copied()
}

/// Every name, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    tables().into_iter().flatten().flat_map(|function| function.names.iter().copied())
}

/// Functions that take a decimal as it is; for the others it is read as a real.
pub(crate) fn takes_decimals(name: &str) -> bool {
    matches!(name, "abs" | "round" | "ceiling" | "bin" | "floor" | "min_of" | "max_of")
}

/// Real functions of the language that the engine does not run yet, so that the message can say so.
pub(crate) const NOT_EXECUTED: &[&str] = &[
    "adx",
    "anomaly_diffpatterns",
    "app",
    "arg",
    "bin_auto",
    "cluster",
    "cursor_after",
    "database",
    "external_table",
    "hash_combine",
    "hash_many",
    "parse_user_agent",
    "workspace",
];
