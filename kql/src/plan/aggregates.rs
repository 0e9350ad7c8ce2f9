//! The aggregate functions of `summarize`: which arguments they take, how their columns are called,
//! and the polars expression that computes them.

use std::rc::Rc;

use polars::prelude::*;

use super::{
    Binder, Bound, ColumnInfo, Typed, calls, folded, lets::Scope, names, preaggregate::Fold, summarize::Collector,
};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Name},
    diagnostics::{Diagnostic, codes},
    functions::conversion,
    rows,
    value::Cell,
};

const AGGREGATES: &[&str] = &[
    "any",
    "anyif",
    "arg_max",
    "arg_min",
    "argmax",
    "argmin",
    "avg",
    "avgif",
    "binary_all_and",
    "binary_all_or",
    "binary_all_xor",
    "buildschema",
    "count",
    "count_distinct",
    "count_distinctif",
    "countif",
    "covariance",
    "covarianceif",
    "covariancep",
    "covariancepif",
    "dcount",
    "dcountif",
    "hll",
    "hll_if",
    "hll_merge",
    "make_bag",
    "make_bag_if",
    "make_list",
    "make_list_if",
    "make_list_with_nulls",
    "make_set",
    "make_set_if",
    "makelist",
    "makeset",
    "max",
    "maxif",
    "merge_tdigest",
    "min",
    "minif",
    "percentile",
    "percentiles",
    "percentiles_array",
    "percentilesw",
    "percentilesw_array",
    "percentilew",
    "stdev",
    "stdevif",
    "stdevp",
    "sum",
    "sumif",
    "take_any",
    "take_anyif",
    "tdigest",
    "tdigest_merge",
    "variance",
    "varianceif",
    "variancep",
    "variancepif",
];

/// Legacy `makeset`/`makelist` stop at this many elements; the new names at about a million.
const LEGACY_CAP: i64 = 128;
const CAP: i64 = 1_048_576;

pub(super) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.contains(&name)
}

pub(super) fn aggregate_names() -> impl Iterator<Item = &'static str> {
    AGGREGATES.iter().copied()
}

/// Aggregates that may give more than one column.
pub(super) fn gives_several(name: &str) -> bool {
    matches!(
        name,
        "arg_max"
            | "arg_min"
            | "argmax"
            | "argmin"
            | "take_any"
            | "any"
            | "percentile"
            | "percentiles"
            | "percentilew"
            | "percentilesw"
    )
}

impl Binder<'_> {
    /// Aggregates that give several columns: `arg_max(x, *)`, `take_any(a, b)`, `percentiles(x, 50, 90)`.
    pub(super) fn several_columns(
        &self,
        name: &Name,
        arguments: &[Argument],
        collector: &Collector,
        keys: &[ColumnInfo],
    ) -> Bound<Vec<(String, Typed)>> {
        if arguments.is_empty() {
            return Err(calls::wrong_count(name, 1, usize::MAX, 0));
        }
        match name.text.as_str() {
            "take_any" | "any" => self.any_of(name, arguments, collector, keys),
            "arg_max" | "arg_min" | "argmax" | "argmin" => self.row_of_extreme(name, arguments, collector, keys),
            _ => self.percentiles(name, arguments, collector),
        }
    }

    fn any_of(
        &self,
        name: &Name,
        arguments: &[Argument],
        collector: &Collector,
        keys: &[ColumnInfo],
    ) -> Bound<Vec<(String, Typed)>> {
        let prefix = if name.text == "any" { "any_" } else { "" };
        let columns = self.returned_columns(arguments, collector, keys, None)?;
        let first_of = |(column, value): (String, Typed)| {
            let kql_type = value.kql_type;
            let first = collector.aggregate(first_present(collector.argument(value), kql_type != KqlType::String));
            (format!("{prefix}{column}"), Typed::computed(filled(first, kql_type), kql_type))
        };
        Ok(columns.into_iter().map(first_of).collect())
    }

    /// The row in which the first argument is largest or smallest. The old names prefix the columns.
    fn row_of_extreme(
        &self,
        name: &Name,
        arguments: &[Argument],
        collector: &Collector,
        keys: &[ColumnInfo],
    ) -> Bound<Vec<(String, Typed)>> {
        let descending = name.text.ends_with("max");
        let word = if descending { "max" } else { "min" };
        let by = self.scalar(&arguments[0].value, &collector.input)?;
        let given = arguments[0].name.as_ref().map(|name| name.text.clone());
        let derived = names::derived(&arguments[0].value);
        let legacy = !name.text.contains('_');
        let by_name = match (given, &derived) {
            (Some(given), _) => given,
            (None, Some(derived)) if !legacy => derived.clone(),
            _ => format!("{word}_{}", derived.clone().unwrap_or_default()),
        };
        let by_type = by.kql_type;
        if matches!(by_type, KqlType::Dynamic) {
            let message = format!("`{}` needs values with an order, this is a dynamic", name.text);
            return Err(Diagnostic::new(codes::TYPE, arguments[0].value.span.clone(), message)
                .with_hint("convert it first, for example with tolong()"));
        }
        let order = ranked(folded::sortable(by.clone()), descending);
        let order_type = order.kql_type;
        let order = collector.argument(order);
        let mut columns = vec![(by_name.clone(), collector.argument(by), by_type)];
        for (column, value) in self.returned_columns(&arguments[1..], collector, keys, derived.as_deref())? {
            let kql_type = value.kql_type;
            let column = if legacy { format!("{by_name}_{column}") } else { column };
            columns.push((column, collector.argument(value), kql_type));
        }
        // polars' `max_by` over a whole column passes over values that equal its start, such as "".
        let by_sorting = !collector.has_keys && order_type == KqlType::String;
        let options = SortMultipleOptions::default().with_order_descending(descending).with_maintain_order(true);
        Ok(columns
            .into_iter()
            .map(|(column, argument, kql_type)| {
                let chosen = match (by_sorting, descending) {
                    (true, _) => argument.sort_by([order.clone()], options.clone()).first(),
                    (false, true) => argument.max_by(order.clone()),
                    (false, false) => argument.min_by(order.clone()),
                };
                (column, Typed::computed(filled(collector.aggregate(chosen), kql_type), kql_type))
            })
            .collect())
    }

    /// The columns that `arg_max` and `take_any` return, `*` spelled out.
    fn returned_columns(
        &self,
        arguments: &[Argument],
        collector: &Collector,
        keys: &[ColumnInfo],
        except: Option<&str>,
    ) -> Bound<Vec<(String, Typed)>> {
        let mut columns = Vec::new();
        for argument in arguments {
            if matches!(argument.value.kind, ExprKind::Star) {
                let others = collector.input.columns().iter().filter(|column| {
                    let is_own = !column.name.contains('\0') || column.is_open();
                    is_own && Some(column.name.as_str()) != except && !keys.iter().any(|key| key.name == column.name)
                });
                columns.extend(others.map(|column| (column.name.clone(), Typed::column(column))));
                continue;
            }
            let given = argument.name.as_ref().map(|name| name.text.clone());
            let name = given.or_else(|| names::derived(&argument.value)).unwrap_or_else(|| "Column1".to_string());
            columns.push((name, self.scalar(&argument.value, &collector.input)?));
        }
        Ok(columns)
    }

    // ---- percentiles -------------------------------------------------------------------------

    fn percentiles(&self, name: &Name, arguments: &[Argument], collector: &Collector) -> Bound<Vec<(String, Typed)>> {
        let weighted = name.text.ends_with('w');
        let fixed = 1 + usize::from(weighted);
        if arguments.len() <= fixed {
            return Err(calls::wrong_count(name, fixed + 1, usize::MAX, arguments.len()));
        }
        let (lists, kql_type, base) = self.percentile_lists(name, arguments, weighted, collector)?;
        let mut outputs = Vec::new();
        for argument in &arguments[fixed..] {
            let percent = self.percent(&argument.value, collector)?;
            let column = format!("percentile_{base}_{}", percent.to_string().replace('.', "_"));
            let picked = rows::map_lists(lists.clone(), kql_type, move |lists| folded::weighted_rank(lists, percent));
            outputs.push((column, Typed::computed(picked, kql_type)));
        }
        Ok(outputs)
    }

    /// All percentiles in one array.
    fn percentiles_array(&self, name: &Name, arguments: &[Argument], collector: &Collector) -> Bound<Typed> {
        let weighted = name.text.starts_with("percentilesw");
        let fixed = 1 + usize::from(weighted);
        if arguments.len() <= fixed {
            return Err(calls::wrong_count(name, fixed + 1, usize::MAX, arguments.len()));
        }
        let (lists, kql_type, _) = self.percentile_lists(name, arguments, weighted, collector)?;
        let mut percents = Vec::new();
        for argument in &arguments[fixed..] {
            let value = self.scalar(&argument.value, &collector.input.without_rows())?;
            match (&value.constant, value.kql_type) {
                (Some(constant), KqlType::Dynamic) => {
                    let items = crate::functions::dynamic::array(constant).unwrap_or_default();
                    percents.extend(items.iter().filter_map(serde_json::Value::as_f64));
                }
                _ => percents.push(self.percent(&argument.value, collector)?),
            }
        }
        let picked = rows::map_lists(lists, KqlType::Dynamic, move |lists| {
            let values = percents.iter().map(|percent| folded::weighted_rank(lists, *percent));
            let items = values.map(|value| conversion::to_json(&value, kql_type)).collect();
            serde_json::Value::Array(items).into()
        });
        Ok(Typed::computed(picked, KqlType::Dynamic))
    }

    /// The values of each group, their weights if there are any, and the name of the values.
    fn percentile_lists(
        &self,
        name: &Name,
        arguments: &[Argument],
        weighted: bool,
        collector: &Collector,
    ) -> Bound<(Vec<Expr>, KqlType, String)> {
        let value = self.scalar(&arguments[0].value, &collector.input)?;
        let kql_type = match value.kql_type {
            KqlType::Int => KqlType::Long,
            KqlType::Decimal => KqlType::Real,
            KqlType::Long | KqlType::Real | KqlType::Datetime | KqlType::Timespan => value.kql_type,
            other => {
                return Err(Diagnostic::new(
                    codes::TYPE,
                    arguments[0].value.span.clone(),
                    format!("`{}` needs numbers or times, this is a {other}", name.text),
                ));
            }
        };
        let base = names::derived(&arguments[0].value).unwrap_or_default();
        let column = collector.argument(value.converted(kql_type));
        if !weighted {
            return Ok((vec![collector.aggregate(column.drop_nulls().implode(false))], kql_type, base));
        }
        let weight = self.scalar(&arguments[1].value, &collector.input)?;
        if !matches!(weight.kql_type, KqlType::Int | KqlType::Long) {
            let message = format!("a weight must be an int or long, this is a {}", weight.kql_type);
            return Err(Diagnostic::new(codes::TYPE, arguments[1].value.span.clone(), message));
        }
        let weight = collector.argument(weight.converted(KqlType::Long));
        let lists = [column, weight].map(|column| collector.aggregate(column.implode(true)));
        Ok((lists.to_vec(), kql_type, base))
    }

    fn percent(&self, argument: &Ast, collector: &Collector) -> Bound<f64> {
        let percent = self.scalar(argument, &collector.input.without_rows())?;
        let percent = percent.constant.as_ref().and_then(Cell::real).filter(|p| (0.0..=100.0).contains(p));
        percent.ok_or_else(|| {
            Diagnostic::new(codes::VALUE, argument.span.clone(), "a percentile must be a constant between 0 and 100")
        })
    }

    // ---- single columns ----------------------------------------------------------------------

    /// A single-column aggregate inside any scalar expression.
    pub(super) fn aggregate(
        &self,
        collector: &Rc<Collector>,
        name: &Name,
        arguments: &[Argument],
        _expression: &Ast,
        _scope: &Scope,
    ) -> Bound<Typed> {
        let function = name.text.as_str();
        if gives_several(function) {
            let mut several = self.several_columns(name, arguments, collector, &[])?;
            return Ok(several.swap_remove(0).1);
        }
        match function {
            "count" => return Ok(Typed::computed(collector.count_rows(), KqlType::Long)),
            "percentiles_array" | "percentilesw_array" => return self.percentiles_array(name, arguments, collector),
            "covariance" | "covarianceif" | "covariancep" | "covariancepif" => {
                return self.covariance(name, arguments, collector);
            }
            _ => {}
        }
        let (kind, filtered) = split_if(function);
        let needed = if kind == "count" { 1 } else { 1 + usize::from(filtered) };
        let optional = usize::from(matches!(
            kind,
            "make_set" | "makeset" | "make_list" | "makelist" | "make_bag" | "dcount" | "hll" | "tdigest"
        ));
        if arguments.len() < needed || arguments.len() > needed + optional {
            return Err(calls::wrong_count(name, needed, needed + optional, arguments.len()));
        }
        if kind == "count" {
            let condition = self.condition(&arguments[0].value, &collector.input)?;
            let hits = collector.fold(Fold::Sum, collector.argument(condition), DataType::Int64);
            return Ok(Typed::computed(hits.fill_null(lit(0i64)), KqlType::Long));
        }
        let value = self.scalar(&arguments[0].value, &collector.input)?;
        let kql_type = value.kql_type;
        self.check_aggregated(kind, kql_type, name, &arguments[0].value)?;
        let value = match (kind, kql_type) {
            ("sum" | "avg" | "stdev" | "stdevp" | "variance" | "variancep" | "hll", KqlType::Int) => {
                value.converted(KqlType::Long)
            }
            ("stdev" | "stdevp" | "variance" | "variancep" | "tdigest", KqlType::Decimal) => {
                value.converted(KqlType::Real)
            }
            _ => value,
        };
        let kql_type = if kind == "sum" || kind == "avg" { value.kql_type } else { kql_type };
        // Rows without the condition become null, and aggregates pass over nulls: no second pass over the rows.
        let value = match filtered {
            true => only_where(value, self.condition(&arguments[1].value, &collector.input)?),
            false => value,
        };
        let column = collector.argument(value);
        let may_be_null = filtered || kql_type != KqlType::String;
        let extra = arguments.get(needed);
        if let ("tdigest", Some(weight)) = (kind, extra) {
            let weight = self.scalar(&weight.value, &collector.input)?.converted(KqlType::Long);
            let lists = [column, collector.argument(weight)].map(|c| collector.aggregate(c.implode(true)));
            let digest = rows::map_lists(lists.to_vec(), KqlType::Dynamic, move |l| folded::digest(l, kql_type));
            return Ok(Typed::computed(digest, KqlType::Dynamic));
        }
        let cap = match extra {
            Some(size) if !matches!(kind, "dcount" | "hll") => {
                self.constant_count(&size.value, function, &collector.input)?
            }
            _ if matches!(kind, "makeset" | "makelist") => LEGACY_CAP,
            _ => CAP,
        };
        Ok(single(kind, column, may_be_null, kql_type, cap.max(0) as usize, collector))
    }

    /// Of two columns, over the rows that have both.
    fn covariance(&self, name: &Name, arguments: &[Argument], collector: &Collector) -> Bound<Typed> {
        let filtered = name.text.ends_with("if");
        calls::expect_count(name, arguments, 2 + usize::from(filtered))?;
        let mut columns = Vec::new();
        for argument in &arguments[..2] {
            let value = self.scalar(&argument.value, &collector.input)?;
            self.check_aggregated("variance", value.kql_type, name, &argument.value)?;
            columns.push(collector.argument(value.converted(KqlType::Real)));
        }
        let mut wanted = columns[0].clone().is_not_null().and(columns[1].clone().is_not_null());
        if filtered {
            let condition = self.condition(&arguments[2].value, &collector.input)?;
            wanted = wanted.and(collector.argument(condition).fill_null(lit(false)));
        }
        let [x, y] = [0, 1].map(|at: usize| columns[at].clone().filter(wanted.clone()));
        let centred = |column: Expr| column.clone() - column.mean();
        let products = collector.aggregate((centred(x.clone()) * centred(y)).sum());
        let count = collector.aggregate(x.len()).cast(DataType::Float64);
        let freedom = if name.text.starts_with("covariancep") { lit(0.0) } else { lit(1.0) };
        let share = when(count.clone().gt(freedom.clone())).then(products / (count - freedom)).otherwise(lit(0.0));
        Ok(Typed::computed(share, KqlType::Real))
    }

    fn check_aggregated(&self, kind: &str, kql_type: KqlType, name: &Name, argument: &Ast) -> Bound<()> {
        use KqlType::*;
        let fits = match kind {
            "sum" => matches!(kql_type, Int | Long | Real | Decimal | Timespan),
            "avg" => matches!(kql_type, Int | Long | Real | Decimal | Timespan | Datetime),
            "stdev" | "stdevp" | "variance" | "variancep" => {
                matches!(kql_type, Int | Long | Real | Decimal | Timespan | Datetime)
            }
            "tdigest" => matches!(kql_type, Int | Long | Real | Decimal | Timespan | Datetime),
            "binary_all_and" | "binary_all_or" | "binary_all_xor" => matches!(kql_type, Int | Long),
            "hll" => !matches!(kql_type, Real | Bool),
            "min" | "max" => !matches!(kql_type, Dynamic | Guid),
            "make_bag" | "buildschema" | "hll_merge" | "tdigest_merge" | "merge_tdigest" => kql_type == Dynamic,
            _ => true,
        };
        if fits {
            return Ok(());
        }
        let message = format!("`{}` is not defined for a {kql_type}", name.text);
        let diagnostic = Diagnostic::new(codes::TYPE, argument.span.clone(), message);
        let convertible = kql_type == Dynamic || kql_type == String;
        Err(if convertible && matches!(kind, "sum" | "avg" | "min" | "max" | "stdev" | "variance") {
            diagnostic.with_hint("convert it first, for example with tolong()")
        } else {
            diagnostic
        })
    }
}

/// `sumif` is `sum` with a condition.
fn split_if(function: &str) -> (&str, bool) {
    match function {
        "make_set_if" => ("make_set", true),
        "make_list_if" => ("make_list", true),
        "make_bag_if" => ("make_bag", true),
        "hll_if" => ("hll", true),
        "count_distinct" => ("dcount", false),
        "count_distinctif" => ("dcount", true),
        _ => match function.strip_suffix("if") {
            Some(base) => (base, true),
            None => (function, false),
        },
    }
}

fn single(kind: &str, column: Expr, may_be_null: bool, kql_type: KqlType, cap: usize, collector: &Collector) -> Typed {
    use KqlType::*;
    let long = |expression: Expr| Typed::computed(expression.cast(DataType::Int64), Long);
    let spread = |expression: Expr| Typed::computed(collector.aggregate(expression).fill_null(lit(0.0)), Real);
    let present = || if may_be_null { column.clone().drop_nulls() } else { column.clone() };
    let listed = |column: Expr, function: fn(&[Cell<'_>], KqlType, usize) -> crate::value::Value, result: KqlType| {
        let list = collector.aggregate(column.implode(true));
        let fold = move |lists: &[Vec<Cell<'_>>]| function(&lists[0], kql_type, cap);
        Typed::computed(rows::map_lists(vec![list], result, fold), result)
    };
    if kql_type == Decimal && matches!(kind, "sum" | "min" | "max" | "avg") {
        let function = match kind {
            "sum" => folded::decimal_sum,
            "min" => folded::decimal_min,
            "max" => folded::decimal_max,
            _ => folded::decimal_average,
        };
        return listed(column.drop_nulls(), function, Decimal);
    }
    let fold = match kind {
        "sum" => Some(Fold::Sum),
        "min" => Some(Fold::Min),
        "max" => Some(Fold::Max),
        _ => None,
    };
    if let Some(fold) = fold
        && matches!(kql_type, Int | Long | Datetime | Timespan)
    {
        return Typed::computed(collector.fold(fold, column, rows::physical(kql_type)), kql_type);
    }
    match kind {
        "sum" => Typed::computed(collector.aggregate(column.sum()), kql_type),
        "min" => Typed::computed(filled(collector.aggregate(column.min()), kql_type), kql_type),
        "max" => Typed::computed(filled(collector.aggregate(column.max()), kql_type), kql_type),
        "avg" => {
            let mean = collector.aggregate(column.mean());
            match kql_type {
                Timespan | Datetime => Typed::computed(mean.cast(DataType::Int64), kql_type),
                _ => Typed::computed(mean.fill_null(lit(f64::NAN)), Real),
            }
        }
        "dcount" => long(collector.aggregate(present().n_unique())),
        "stdev" => spread(column.std(1)),
        "stdevp" => spread(column.std(0)),
        "variance" => spread(column.var(1)),
        "variancep" => spread(column.var(0)),
        "take_any" | "any" => {
            Typed::computed(filled(collector.aggregate(first_present(column, may_be_null)), kql_type), kql_type)
        }
        "binary_all_and" => listed(column.drop_nulls(), |c, _, _| folded::bits(c, -1, |x, y| x & y), kql_type),
        "binary_all_or" => listed(column.drop_nulls(), |c, _, _| folded::bits(c, 0, |x, y| x | y), kql_type),
        "binary_all_xor" => listed(column.drop_nulls(), |c, _, _| folded::bits(c, 0, |x, y| x ^ y), kql_type),
        "make_bag" => listed(column.drop_nulls(), |c, _, _| folded::merged_bags(c), Dynamic),
        "buildschema" => listed(column.drop_nulls(), |c, _, _| folded::schema(c), Dynamic),
        "hll" => listed(column.drop_nulls().unique(), folded::hll, Dynamic),
        "hll_merge" => listed(column.drop_nulls(), |c, _, _| folded::merged_hll(c), Dynamic),
        "tdigest" => listed(column.drop_nulls(), |c, kind, _| folded::digest(&[c.to_vec()], kind), Dynamic),
        "tdigest_merge" | "merge_tdigest" => listed(column.drop_nulls(), |c, _, _| folded::merged_digests(c), Dynamic),
        "make_list_with_nulls" => listed(column, folded::list, Dynamic),
        // In files the rows come in any order: the set is sorted, so that a query run twice prints one result.
        "make_set" | "makeset" if collector.streams => {
            let set = collector.aggregate(present().unique().implode(false));
            if kql_type == String {
                return Typed::computed(folded::text_sets(set, cap), Dynamic);
            }
            let fold = move |lists: &[Vec<Cell<'_>>]| folded::sorted_set(&lists[0], kql_type, cap);
            Typed::computed(rows::map_lists(vec![set], Dynamic, fold), Dynamic)
        }
        "make_set" | "makeset" => listed(present().unique_stable(), folded::set, Dynamic),
        _ => listed(present(), folded::list, Dynamic),
    }
}

/// The first value of a group that is not null.
fn first_present(column: Expr, may_be_null: bool) -> Expr {
    if may_be_null { column.first_non_null() } else { column.first() }
}

/// The value where a condition holds, else null, for strings too.
fn only_where(value: Typed, condition: Typed) -> Typed {
    let kept = when(condition.expression).then(value.expression.clone());
    let nothing = rows::literal(&Cell::Null, value.kql_type);
    Typed::computed(kept.otherwise(nothing), value.kql_type)
}

/// What `arg_max` and `arg_min` compare: nulls and NaN lose against everything, but are there.
fn ranked(by: Typed, descending: bool) -> Typed {
    let (value, kql_type) = (by.expression.clone(), by.kql_type);
    let (lowest, highest) = (lit(i64::MIN), lit(i64::MAX));
    match kql_type {
        KqlType::String => Typed::computed(value, kql_type),
        // Decimals, guids: keys in text, which sort before `~`.
        KqlType::Guid | KqlType::Decimal | KqlType::Dynamic => {
            Typed::computed(value.fill_null(lit(if descending { "" } else { "~" })), KqlType::String)
        }
        KqlType::Real => {
            let worst = lit(if descending { f64::NEG_INFINITY } else { f64::INFINITY });
            let known = value.clone().is_not_null().and(value.clone().is_not_nan());
            Typed::computed(when(known).then(value).otherwise(worst), kql_type)
        }
        _ => {
            let worst = if descending { lowest } else { highest };
            Typed::computed(value.cast(DataType::Int64).fill_null(worst), KqlType::Long)
        }
    }
}

/// Strings have no null.
fn filled(expression: Expr, kql_type: KqlType) -> Expr {
    if kql_type == KqlType::String { expression.fill_null(lit("")) } else { expression }
}
