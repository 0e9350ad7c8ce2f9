//! The scalar functions: one table entry each, with argument kinds, result type and row rule.
//!
//! Functions that need syntax or the row scope (`iff`, `case`, `ago`, `column_ifexists`, ...)
//! live in the planner; everything that is a plain rule on cells is here.

pub(crate) mod conversion;
mod datetime;
pub(crate) mod dynamic;
pub(crate) mod math;
pub(crate) mod signatures;
pub(crate) mod string;

use std::sync::Arc;

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

fn tables() -> [&'static [Function]; 5] {
    [conversion::FUNCTIONS, datetime::FUNCTIONS, dynamic::FUNCTIONS, math::FUNCTIONS, string::FUNCTIONS]
}

/// Finds a function by any of its names.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    tables().into_iter().flatten().find(|function| function.names.contains(&name))
}

/// Every name, for suggestions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    tables().into_iter().flatten().flat_map(|function| function.names.iter().copied())
}

/// Real functions of the language that the engine does not run yet, so that the message can say so.
pub(crate) const NOT_EXECUTED: &[&str] = &[
    "extract_all",
    "extractjson",
    "extract_json",
    "parse_xml",
    "parse_csv",
    "parse_url",
    "parse_urlquery",
    "parse_path",
    "parse_user_agent",
    "parse_version",
    "parse_command_line",
    "parse_ipv4",
    "parse_ipv4_mask",
    "parse_ipv6",
    "format_ipv4",
    "format_ipv4_mask",
    "ipv4_compare",
    "ipv4_is_match",
    "ipv4_is_in_range",
    "ipv4_is_in_any_range",
    "ipv4_is_private",
    "ipv4_netmask_suffix",
    "ipv6_compare",
    "ipv6_is_match",
    "ipv6_is_in_range",
    "ipv6_is_in_any_range",
    "has_ipv4",
    "has_any_ipv4",
    "has_ipv4_prefix",
    "has_any_ipv4_prefix",
    "has_any_index",
    "geo_info_from_ip_address",
    "prev",
    "next",
    "row_number",
    "row_cumsum",
    "row_rank_dense",
    "row_rank_min",
    "row_window_session",
    "hash",
    "hash_md5",
    "hash_sha1",
    "hash_sha256",
    "hash_xxhash64",
    "hash_combine",
    "hash_many",
    "rand",
    "new_guid",
    "zip",
    "treepath",
    "range",
    "pack_all",
    "array_sort_asc",
    "array_sort_desc",
    "array_rotate_left",
    "array_rotate_right",
    "array_shift_left",
    "array_shift_right",
    "array_split",
    "array_iff",
    "set_equals",
    "jaccard_index",
    "bag_merge",
    "bag_remove_keys",
    "bag_set_key",
    "bag_zip",
    "series_stats",
    "series_fit_line",
    "series_fit_2lines",
    "series_decompose",
    "series_decompose_anomalies",
    "series_decompose_forecast",
    "series_outliers",
    "series_fir",
    "series_iir",
    "series_add",
    "series_subtract",
    "series_multiply",
    "series_divide",
    "ingestion_time",
    "current_database",
    "current_cluster_endpoint",
    "table",
    "workspace",
    "app",
    "cluster",
    "database",
    "external_table",
    "adx",
    "arg",
    "datetime_local_to_utc",
    "datetime_utc_to_local",
    "format_timespan",
    "format_bytes",
    "make_timespan",
    "bin_auto",
    "translate",
    "strcmp",
    "indexof_regex",
    "unicode_codepoints_from_string",
    "make_string",
    "geo_distance_2points",
    "dynamic_to_json",
    "gettype",
    "binary_and",
    "binary_or",
    "binary_xor",
    "binary_not",
    "binary_shift_left",
    "binary_shift_right",
    "base64_decode_toarray",
    "replace_strings",
    "parse_ipv6_mask",
    "datetime_list_timezones",
    "isutf8",
    "isascii",
    "regex_quote",
    "cot",
    "erf",
    "gamma",
    "loggamma",
    "beta_cdf",
    "around",
    "hll",
    "tdigest",
    "estimate_data_size",
    "toguid",
    "todecimal",
    "bag_has_key",
    "series_sum",
    "array_sum",
    "gzip_compress_to_base64_string",
    "gzip_decompress_from_base64_string",
    "zlib_compress_to_base64_string",
    "zlib_decompress_from_base64_string",
    "punycode_from_string",
    "punycode_to_string",
];
