//! How columns are called when nobody named them. Kusto derives a name from the expression's
//! first column for some functions, prefixes it for others, and counts `Column1` for the rest.

use std::collections::HashSet;

use crate::ast::{Expr as Ast, ExprKind, Literal};

/// Functions whose result keeps the name of their first argument.
const KEEPS_NAME: &[&str] = &[
    "split",
    "tostring",
    "tohex",
    "todynamic",
    "toobject",
    "tolong",
    "toint",
    "toreal",
    "todouble",
    "todatetime",
    "totimespan",
    "totime",
    "tobool",
    "toboolean",
    "todecimal",
    "toguid",
    "parse_csv",
    "parsejson",
    "parse_json",
    "parse_xml",
    "format_datetime",
    "format_timespan",
    "startofday",
    "bin",
    "floor",
    "bin_at",
    "bin_auto",
    "binary_and",
    "binary_or",
    "binary_xor",
    "binary_not",
    "binary_shift_right",
    "binary_shift_left",
    "round",
    "ceiling",
    "pow",
    "sqrt",
    "log",
    "log2",
    "log10",
    "exp",
    "exp2",
    "exp10",
    "cos",
    "sin",
    "tan",
    "acos",
    "asin",
    "atan",
    "atan2",
    "abs",
    "rand",
    "gamma",
    "loggamma",
    "erf",
    "erfc",
    "format_bytes",
    "column_ifexists",
    "columnifexists",
    "take_anyif",
    "binary_all_and",
    "binary_all_or",
    "binary_all_xor",
    "passthrough",
    "bitset_count_ones",
    "series_fir",
    "series_iir",
    "series_outliers",
    "series_fill_backward",
    "series_fill_const",
    "series_fill_forward",
    "series_fill_linear",
];

/// Functions whose result is called `prefix_argument`.
const ADDS_NAME: &[(&str, &str)] = &[
    ("strlen", "strlen"),
    ("string_size", "string_size"),
    ("gettype", "type"),
    ("repeat", "repeat"),
    ("treepath", "tree"),
    ("dcount_hll", "dcount_hll"),
    ("percentile_tdigest", "percentile_tdigest"),
];

/// Prefix of an aggregate's result where it is not the function's name.
pub(crate) fn aggregate_prefix(name: &str) -> &str {
    match name {
        "make_list" | "makelist" | "make_list_if" | "make_list_with_nulls" => "list",
        "make_set" | "makeset" | "make_set_if" => "set",
        "make_bag" | "make_bag_if" => "bag",
        "buildschema" => "schema",
        "percentiles_array" | "percentilesw_array" => "percentiles",
        "percentilew" | "percentilesw" => "percentile",
        "tdigest_merge" | "merge_tdigest" => "merge_tdigests",
        "percentile" | "percentiles" => "percentile",
        other => other,
    }
}

/// The name an expression brings along, if any.
pub(crate) fn derived(expression: &Ast) -> Option<String> {
    match &expression.kind {
        ExprKind::Name(name) => Some(name.clone()),
        ExprKind::Member { base, member } => Some(joined(derived(base), &member.text)),
        ExprKind::Index { base, index } => match &index.kind {
            ExprKind::Literal(Literal::String(key)) => Some(joined(derived(base), key)),
            ExprKind::Literal(Literal::Long(Some(at))) => Some(joined(derived(base), &at.to_string())),
            _ => derived(base),
        },
        ExprKind::Call { name, arguments } => {
            // `round(Rate = x)` names its argument, and the result with it.
            let first = arguments.first().and_then(|argument| {
                argument.name.as_ref().map(|name| name.text.clone()).or_else(|| derived(&argument.value))
            });
            let function = name.text.as_str();
            if KEEPS_NAME.contains(&function) {
                first
            } else if matches!(function, "make_datetime" | "make_timespan") {
                first.filter(|_| arguments.len() == 1)
            } else if function == "ingestion_time" {
                Some("$IngestionTime".to_string())
            } else if let Some((_, prefix)) = ADDS_NAME.iter().find(|(name, _)| *name == function) {
                Some(format!("{prefix}_{}", first.unwrap_or_default()))
            } else if matches!(function, "array_sort_asc" | "array_sort_desc") {
                first.map(|first| format!("{first}_sorted"))
            } else if matches!(function, "covariance" | "covarianceif" | "covariancep" | "covariancepif") {
                let second = arguments.get(1).and_then(|argument| derived(&argument.value));
                Some([Some(function.to_string()), first, second].into_iter().flatten().collect::<Vec<_>>().join("_"))
            } else if super::aggregates::is_aggregate(function)
                && (!super::aggregates::gives_several(function) || function == "any")
            {
                Some(format!("{}_{}", aggregate_prefix(function), first.unwrap_or_default()))
            } else {
                None
            }
        }
        _ => None,
    }
}

fn joined(base: Option<String>, member: &str) -> String {
    match base {
        Some(base) => format!("{base}_{member}"),
        None => member.to_string(),
    }
}

/// Hands out names within one operator.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
    counted: usize,
}

impl Names {
    /// Claims an explicit name; `false` if it is taken.
    pub(crate) fn claim(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_string())
    }

    /// A derived name, with a number behind it if it is taken.
    pub(crate) fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_string();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            name = format!("{wanted}{number}");
            number += 1;
        }
        name
    }

    /// `Column1`, `Column2`, ...
    pub(crate) fn counted(&mut self, prefix: &str, first: usize) -> String {
        loop {
            let name = format!("{prefix}{}", first + self.counted);
            self.counted += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}
