//! Functions that look at more than their cells: at the row's columns, at chance, at a table.

use std::sync::Arc;

use polars::prelude::lit;
use rand::Rng;
use serde_json::Value as Json;

use super::{
    Binder, Bound, Either, Typed,
    calls::{expect_count, only, type_argument, wrong_count},
    folded,
    lets::Scope,
    names,
};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Name},
    diagnostics::{Diagnostic, codes},
    functions::{self, Arguments, Kind, conversion, dynamic},
    value::{Cell, Value},
};

/// Names of the functions here that are nowhere else, for the reference.
pub(super) const NAMES: &[&str] = &[
    "bag_pack_columns",
    "column_names_of",
    "dcount_hll",
    "extract_all",
    "extractall",
    "new_guid",
    "pack_all",
    "percentile_tdigest",
    "rand",
];

impl Binder<'_> {
    /// A call of one of the functions of this file.
    pub(super) fn special(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Option<Bound<Typed>> {
        Some(match name.text.as_str() {
            "extract_all" | "extractall" => self.extract_all(name, arguments, scope),
            "extract_json" | "extractjson" if arguments.len() == 3 => self.typed_json(name, arguments, scope),
            "pack_all" => self.pack_all(name, arguments, scope),
            "bag_pack_columns" => self.bag_pack_columns(name, arguments, scope),
            "column_names_of" => self.column_names_of(name, arguments, scope),
            "rand" => self.rand(name, arguments, scope),
            "new_guid" => expect_count(name, arguments, 0)
                .map(|()| self.by_chance(scope, KqlType::Guid, || uuid::Uuid::new_v4().to_string().into())),
            "strlen" => return self.strlen(name, arguments, scope).transpose(),
            "bin" | "floor" => return self.whole_bin(arguments, scope).transpose(),
            "hll_merge" => self.merged(name, arguments, scope, folded::merged_hll),
            "tdigest_merge" | "merge_tdigest" => self.merged(name, arguments, scope, folded::merged_digests),
            "dcount_hll" => self.dynamic_argument(name, arguments, scope).map(|sketch| {
                Typed::apply(vec![sketch], KqlType::Long, Arc::new(|cells| folded::hll_count(&cells[0])))
            }),
            "percentile_tdigest" => self.percentile_tdigest(name, arguments, scope),
            _ => {
                return self
                    .contextual(name, arguments, scope)
                    .or_else(|| self.sketch_function(name, arguments, scope));
            }
        })
    }

    /// `extract_all(regex, [groups,] text)`: all matches; with one group an array of texts, with
    /// several an array of arrays.
    fn extract_all(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if !(2..=3).contains(&arguments.len()) {
            return Err(wrong_count(name, 2, 3, arguments.len()));
        }
        let span = arguments[0].value.span.clone();
        let pattern = self.checked(Kind::Text, name, &arguments[0].value, scope)?;
        let text = self.checked(Kind::Text, name, &arguments[arguments.len() - 1].value, scope)?;
        let chosen = match arguments.len() {
            3 => Some(self.checked(Kind::Dynamic, name, &arguments[1].value, scope)?),
            _ => None,
        };
        if let Some(Cell::Str(constant)) = &pattern.constant {
            let regex = functions::string::compile(constant)
                .map_err(|problem| Diagnostic::new(codes::VALUE, span.clone(), problem))?;
            if !(2..=17).contains(&regex.captures_len()) {
                let message = "the pattern of `extract_all` needs 1 to 16 groups";
                return Err(Diagnostic::new(codes::VALUE, span, message)
                    .with_hint("put parentheses around what is to be extracted"));
            }
        }
        let known = Arguments { types: vec![KqlType::String], constants: vec![pattern.constant.clone()] };
        let regex =
            functions::string::pattern(&known, 0).map_err(|problem| Diagnostic::new(codes::VALUE, span, problem))?;
        let mut inputs = vec![pattern, text];
        inputs.extend(chosen);
        let function = move |cells: &[Cell<'_>]| -> Value {
            let Some(regex) = regex(cells[0].text()) else { return Cell::Null };
            all_matches(&regex, cells[1].text(), cells.get(2))
        };
        Ok(Typed::apply(inputs, KqlType::Dynamic, Arc::new(function)))
    }

    /// `extract_json(path, text, typeof(type))`
    fn typed_json(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        let kql_type = type_argument(&arguments[2].value)?;
        let path = self.checked(Kind::Text, name, &arguments[0].value, scope)?;
        let text = self.checked(Kind::Text, name, &arguments[1].value, scope)?;
        let function = |cells: &[Cell<'_>]| functions::string::extract_json(cells[0].text(), cells[1].text());
        Ok(Typed::apply(vec![path, text], KqlType::String, Arc::new(function)).converted(kql_type))
    }

    /// The row as a bag.
    fn pack_all(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        let skips_empty = match arguments {
            [] => false,
            [flag] => {
                let flag = self.condition(&flag.value, scope)?;
                flag.constant.as_ref().and_then(Cell::boolean).unwrap_or(false)
            }
            _ => return Err(wrong_count(name, 0, 1, arguments.len())),
        };
        if !scope.has_rows() {
            return Err(Diagnostic::new(codes::VALUE, name.span.clone(), "there is no row to pack here"));
        }
        // Columns of the planner are not the row's.
        let own = scope.columns().iter().filter(|column| !column.name.contains('\0'));
        let columns = own.map(|column| (column.name.clone(), Typed::column(column))).collect();
        Ok(packed(columns, skips_empty))
    }

    fn bag_pack_columns(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if arguments.is_empty() {
            return Err(wrong_count(name, 1, usize::MAX, 0));
        }
        let mut columns = Vec::new();
        for argument in arguments {
            let Some(column) = names::derived(&argument.value) else {
                let message = "only columns can be packed under their names";
                return Err(Diagnostic::new(codes::VALUE, argument.value.span.clone(), message)
                    .with_hint("use bag_pack(\"name\", value)"));
            };
            columns.push((column, self.scalar(&argument.value, scope)?));
        }
        Ok(packed(columns, false))
    }

    fn column_names_of(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        let argument = only(name, arguments)?;
        match self.either(argument, &scope.without_rows())? {
            Either::Table(table) => {
                let names = table.columns.iter().map(|column| Json::from(column.name.as_str())).collect();
                Ok(Typed::constant(Json::Array(names).into(), KqlType::Dynamic))
            }
            Either::Scalar(_) => {
                Err(Diagnostic::new(codes::TYPE, argument.span.clone(), "a table is needed here, this is a scalar"))
            }
        }
    }

    /// `rand()` is in [0, 1), `rand(n)` a whole number below n.
    fn rand(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if arguments.len() > 1 {
            return Err(wrong_count(name, 0, 1, arguments.len()));
        }
        let Some(argument) = arguments.first() else {
            return Ok(self.by_chance(scope, KqlType::Real, || rand::rng().random::<f64>().into()));
        };
        let below = self.constant_count(&argument.value, "rand", scope)?;
        Ok(self.by_chance(scope, KqlType::Real, move || {
            let share = rand::rng().random::<f64>();
            if below < 1 { share.into() } else { (share * below as f64).floor().into() }
        }))
    }

    /// A new value for every row; without rows, one.
    fn by_chance(&self, scope: &Scope, kql_type: KqlType, draw: impl Fn() -> Value + Send + Sync + 'static) -> Typed {
        let rows: Vec<Typed> = scope.columns().first().map(Typed::column).into_iter().collect();
        Typed::apply(rows, kql_type, Arc::new(move |_| draw()))
    }

    /// `bin` of ticks or longs by a constant step: polars' floor division is the same rule, and fast.
    fn whole_bin(&self, arguments: &[Argument], scope: &Scope) -> Bound<Option<Typed>> {
        let [value, step] = arguments else { return Ok(None) };
        let (value, step) = (self.scalar(&value.value, scope)?, self.scalar(&step.value, scope)?);
        let Some(Cell::Long(size)) = step.constant.filter(|size| matches!(size, Cell::Long(size) if *size > 0)) else {
            return Ok(None);
        };
        let fits = match value.kql_type {
            KqlType::Datetime | KqlType::Timespan => step.kql_type == KqlType::Timespan,
            KqlType::Long => matches!(step.kql_type, KqlType::Int | KqlType::Long),
            _ => false,
        };
        if !fits || value.constant.is_some() {
            return Ok(None);
        }
        let binned = value.expression.floor_div(lit(size)) * lit(size);
        Ok(Some(Typed::computed(binned, value.kql_type)))
    }

    // ---- strings that are null ---------------------------------------------------------------

    /// Strings are never null, with one exception: `substring` at a null position. Gives the
    /// condition under which the argument is such a null.
    pub(super) fn null_string(&self, argument: &Ast, scope: &Scope) -> Bound<Option<Typed>> {
        let ExprKind::Call { name, arguments } = &argument.kind else { return Ok(None) };
        if name.text != "substring" || !(2..=3).contains(&arguments.len()) {
            return Ok(None);
        }
        let mut any_null = Vec::new();
        let mut all_constant = self.scalar(&arguments[0].value, scope)?.constant.is_some();
        for position in &arguments[1..] {
            let position = self.checked(Kind::Integer, name, &position.value, scope)?;
            all_constant &= position.constant.is_some();
            any_null.push(match &position.constant {
                Some(constant) => Typed::constant(constant.is_null().into(), KqlType::Bool),
                None => Typed::computed(position.expression.is_null(), KqlType::Bool),
            });
        }
        // Of constants only, the real engine reads the null as 0.
        Ok((!all_constant).then(|| super::scalar::disjunction(any_null)))
    }

    /// The length of a null string is null.
    fn strlen(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Option<Typed>> {
        let [argument] = arguments else { return Ok(None) };
        let Some(null) = self.null_string(&argument.value, scope)? else { return Ok(None) };
        let text = self.checked(Kind::Text, name, &argument.value, scope)?;
        let length = |cells: &[Cell<'_>]| -> Value {
            match cells[1].boolean() {
                Some(false) => (cells[0].text().chars().count() as i64).into(),
                _ => Cell::Null,
            }
        };
        Ok(Some(Typed::apply(vec![text, null], KqlType::Long, Arc::new(length))))
    }

    // ---- sketches ----------------------------------------------------------------------------

    fn dynamic_argument(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        self.checked(Kind::Dynamic, name, only(name, arguments)?, scope)
    }

    /// Sketches of several columns merged row by row.
    fn merged(
        &self,
        name: &Name,
        arguments: &[Argument],
        scope: &Scope,
        merge: fn(&[Cell<'_>]) -> Value,
    ) -> Bound<Typed> {
        if arguments.is_empty() {
            return Err(wrong_count(name, 1, usize::MAX, 0));
        }
        let mut sketches = Vec::new();
        for argument in arguments {
            sketches.push(self.checked(Kind::Dynamic, name, &argument.value, scope)?);
        }
        Ok(Typed::apply(sketches, KqlType::Dynamic, Arc::new(merge)))
    }

    /// `percentile_tdigest(digest, percent[, typeof(type)])`
    fn percentile_tdigest(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if !(2..=3).contains(&arguments.len()) {
            return Err(wrong_count(name, 2, 3, arguments.len()));
        }
        let digest = self.checked(Kind::Dynamic, name, &arguments[0].value, scope)?;
        let percent = self.checked(Kind::Number, name, &arguments[1].value, scope)?;
        let kql_type = arguments.get(2).map(|argument| type_argument(&argument.value)).transpose()?;
        let function = move |cells: &[Cell<'_>]| -> Value {
            let found = cells[1].real().and_then(|percent| folded::digest_percentile(&cells[0], percent));
            found.map_or(Cell::Null, |(value, kind)| conversion::to_json(&value, kind).into())
        };
        let value = Typed::apply(vec![digest, percent], KqlType::Dynamic, Arc::new(function));
        Ok(match kql_type {
            Some(kql_type) => value.converted(kql_type),
            None => value,
        })
    }
}

/// Columns under their names; nulls and empty strings may be left out.
pub(super) fn packed(columns: Vec<(String, Typed)>, skips_empty: bool) -> Typed {
    let names: Vec<(String, KqlType)> = columns.iter().map(|(name, value)| (name.clone(), value.kql_type)).collect();
    let inputs = columns.into_iter().map(|(_, value)| value).collect();
    let function = move |cells: &[Cell<'_>]| -> Value {
        let entries = names.iter().zip(cells).filter(|((_, kind), cell)| {
            !skips_empty || !(cell.is_null() || *kind == KqlType::String && cell.text().is_empty())
        });
        let bag = entries.map(|((name, kind), cell)| (name.clone(), conversion::to_json(cell, *kind))).collect();
        Json::Object(bag).into()
    };
    Typed::apply(inputs, KqlType::Dynamic, Arc::new(function))
}

/// Null if nothing matches. Groups that the pattern does not have are passed over; if none is
/// left, all are taken.
fn all_matches(regex: &regex::Regex, text: &str, chosen: Option<&Cell<'_>>) -> Value {
    let all: Vec<usize> = (1..regex.captures_len()).collect();
    let chosen = chosen.and_then(dynamic::array).map(|items| {
        let group = |item: &Json| match item {
            Json::String(name) => regex.capture_names().position(|known| known == Some(name.as_str())),
            item => item.as_u64().and_then(|at| usize::try_from(at).ok()).filter(|at| *at < regex.captures_len()),
        };
        items.iter().filter_map(group).collect::<Vec<_>>()
    });
    let groups = chosen.filter(|groups| !groups.is_empty()).unwrap_or(all);
    let matches: Vec<Json> = regex
        .captures_iter(text)
        .map(|hit| {
            let mut parts: Vec<Json> =
                groups.iter().map(|at| Json::from(hit.get(*at).map_or("", |part| part.as_str()))).collect();
            if parts.len() == 1 { parts.swap_remove(0) } else { Json::Array(parts) }
        })
        .collect();
    if matches.is_empty() { Cell::Null } else { Json::Array(matches).into() }
}
