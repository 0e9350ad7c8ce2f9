//! `evaluate basket`, `autocluster` and `diffpatterns`: rows that share values, as patterns.

use polars::prelude::*;

use super::{
    Binder, Bound, ColumnInfo, Table, calls,
    frequent::{Attributes, Pattern},
    hosted::never_run,
    lets::Scope,
    plan_error,
};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Literal, Name},
    diagnostics::{Diagnostic, Span, codes},
    rows,
    value::{self, Cell, Value},
};

/// What the three plug-ins have in common.
struct Request<'a> {
    arguments: &'a [Argument],
    table: Table,
    scope: Scope,
    span: Span,
}

impl Request<'_> {
    /// An argument that is given and is not the tilde, which stands for the default.
    fn get(&self, at: usize) -> Option<&Ast> {
        let value = self.arguments.get(at).map(|argument| &argument.value)?;
        (!matches!(&value.kind, ExprKind::Literal(Literal::String(text)) if text == "~")).then_some(value)
    }

    /// The weights of the rows and the name of their column.
    fn weight_column(&self, binder: &Binder<'_>, at: usize) -> Bound<Option<String>> {
        let Some(argument) = self.get(at) else { return Ok(None) };
        let name = match &argument.kind {
            ExprKind::Name(name) | ExprKind::Literal(Literal::String(name)) => name,
            _ => {
                return Err(Diagnostic::new(
                    codes::VALUE,
                    argument.span.clone(),
                    "a column with weights is needed here",
                ));
            }
        };
        match self.table.column(name) {
            Some(column) if matches!(column.kql_type, KqlType::Int | KqlType::Long | KqlType::Real) => {
                Ok(Some(name.clone()))
            }
            Some(column) => {
                let message = format!("weights are numbers, this is a {}", column.kql_type);
                Err(Diagnostic::new(codes::TYPE, argument.span.clone(), message))
            }
            None => Err(binder.unknown_column(name, &argument.span, &self.scope.with_rows(&self.table.columns))),
        }
    }

    fn number(
        &self,
        binder: &Binder<'_>,
        at: usize,
        default: f64,
        range: std::ops::RangeInclusive<f64>,
        what: &str,
    ) -> Bound<f64> {
        let Some(argument) = self.get(at).filter(|_| !binder.checking) else { return Ok(default) };
        let number = binder.constant(argument, &self.scope)?.real();
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let message = format!("{what} lies between {} and {}", range.start(), range.end());
            Diagnostic::new(codes::VALUE, argument.span.clone(), message)
        })
    }

    /// What stands for "any value", per type.
    fn wildcards(&self, binder: &Binder<'_>, from: usize) -> Bound<Vec<(KqlType, Value)>> {
        let mut wildcards = Vec::new();
        for at in from..self.arguments.len() {
            if let Some(argument) = self.get(at).filter(|_| !binder.checking) {
                let value = binder.scalar(argument, &self.scope.without_rows())?;
                let Some(constant) = value.constant else {
                    return Err(Diagnostic::new(codes::VALUE, argument.span.clone(), "a wildcard is a constant"));
                };
                wildcards.push((value.kql_type, constant));
            }
        }
        Ok(wildcards)
    }

    /// The rows as attributes, without the columns that only weigh or split them.
    fn attributes(
        &self,
        binder: &Binder<'_>,
        weight: Option<&str>,
        split: Option<&str>,
    ) -> Bound<(Vec<ColumnInfo>, Attributes, DataFrame)> {
        let frame = binder.collected(self.table.frame.clone(), &self.span)?;
        let kept: Vec<ColumnInfo> = self
            .table
            .columns
            .iter()
            .filter(|column| Some(column.name.as_str()) != weight && Some(column.name.as_str()) != split)
            .cloned()
            .collect();
        let attributes = Attributes::of(&frame, &kept, weight).map_err(plan_error(&self.span))?;
        Ok((kept, attributes, frame))
    }
}

impl Binder<'_> {
    /// Columns of a plug-in that gives patterns: its own, then those of the input.
    pub(super) fn pattern_plugin(
        &self,
        table: Table,
        name: &Name,
        arguments: &[Argument],
        span: &Span,
        scope: &Scope,
    ) -> Bound<Table> {
        if let Some(named) = arguments.iter().find_map(|argument| argument.name.as_ref()) {
            let message = format!("the arguments of `{}` go by their place", name.text);
            return Err(Diagnostic::new(codes::ARGUMENTS, named.span.clone(), message)
                .with_hint("give '~' where the default is meant"));
        }
        let request = Request { arguments, table, scope: scope.clone(), span: span.clone() };
        match name.text.as_str() {
            "basket" => self.basket(&request),
            "autocluster" => self.autocluster(&request),
            _ => self.diffpatterns(name, &request),
        }
    }

    /// `basket(threshold, weights, dimensions, wildcard...)`: all frequent patterns.
    fn basket(&self, request: &Request<'_>) -> Bound<Table> {
        let threshold = request.number(self, 0, 0.05, 0.015..=1.0, "the threshold of `basket`")?;
        let weight = request.weight_column(self, 1)?;
        let dimensions = request.number(self, 2, 5.0, 1.0..=1000.0, "the number of dimensions")? as usize;
        let wildcards = request.wildcards(self, 3)?;
        if self.checking {
            return Ok(never_run(with_own(SEGMENT, &request.table.columns)));
        }
        let (columns, attributes, _) = request.attributes(self, weight.as_deref(), None)?;
        let mut patterns = attributes
            .frequent(threshold * attributes.total(), dimensions)
            .map_err(|problem| Diagnostic::new(codes::VALUE, request.span.clone(), problem))?;
        patterns.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| b.fixed().cmp(&a.fixed())));
        let shown = segments(&patterns, &attributes);
        as_table(request, SEGMENT, shown, &columns, &attributes, &patterns, &wildcards)
    }

    /// `autocluster(size weight, weights, seeds, wildcard...)`: a few patterns that say most.
    fn autocluster(&self, request: &Request<'_>) -> Bound<Table> {
        let size_weight = request.number(self, 0, 0.5, 0.0..=1.0, "the size weight of `autocluster`")?;
        let weight = request.weight_column(self, 1)?;
        let seeds = request.number(self, 2, 25.0, 1.0..=1000.0, "the number of seeds")? as usize;
        let wildcards = request.wildcards(self, 3)?;
        if self.checking {
            return Ok(never_run(with_own(SEGMENT, &request.table.columns)));
        }
        let (columns, attributes, _) = request.attributes(self, weight.as_deref(), None)?;
        let patterns = attributes.clusters(size_weight, seeds);
        let shown = segments(&patterns, &attributes);
        as_table(request, SEGMENT, shown, &columns, &attributes, &patterns, &wildcards)
    }

    /// `diffpatterns(split, a, b, weights, threshold, dimensions, wildcard...)`
    fn diffpatterns(&self, name: &Name, request: &Request<'_>) -> Bound<Table> {
        let (Some(split), Some(a), Some(b)) = (request.get(0), request.get(1), request.get(2)) else {
            return Err(calls::wrong_count(name, 3, usize::MAX, request.arguments.len()));
        };
        let ExprKind::Name(split_name) = &split.kind else {
            return Err(Diagnostic::new(codes::VALUE, split.span.clone(), "`diffpatterns` splits by a column"));
        };
        let Some(split_column) = request.table.column(split_name) else {
            return Err(self.unknown_column(split_name, &split.span, &request.scope.with_rows(&request.table.columns)));
        };
        let side = |value: &Ast| -> Bound<String> {
            let value = self.scalar(value, &request.scope.without_rows())?.converted(KqlType::String);
            Ok(value.constant.map_or_else(String::new, |text| text.text().to_string()))
        };
        let (a, b) = (side(a)?, side(b)?);
        let weight = request.weight_column(self, 3)?;
        let threshold = request.number(self, 4, 0.05, 0.015..=1.0, "the threshold of `diffpatterns`")?;
        let dimensions = request.number(self, 5, 5.0, 1.0..=1000.0, "the number of dimensions")? as usize;
        let wildcards = request.wildcards(self, 6)?;
        let others: Vec<ColumnInfo> =
            request.table.columns.iter().filter(|column| column.name != *split_name).cloned().collect();
        if self.checking {
            return Ok(never_run(with_own(DIFFERENCE, &others)));
        }
        let (columns, attributes, frame) = request.attributes(self, weight.as_deref(), Some(split_name))?;
        let sides = sides_of(&frame, split_column, &a, &b).map_err(plan_error(&request.span))?;
        let (differences, patterns) = attributes
            .differences(&sides, threshold, dimensions)
            .map_err(|problem| Diagnostic::new(codes::VALUE, request.span.clone(), problem))?;
        let percent = |share: f64| Cell::Real((share * 10_000.0).round() / 100.0);
        let shown = differences
            .iter()
            .enumerate()
            .map(|(at, found)| {
                let (share_a, share_b) = (found.a / found.all_a, found.b / found.all_b);
                vec![
                    Cell::Long(at as i64),
                    Cell::Long(found.a.round() as i64),
                    Cell::Long(found.b.round() as i64),
                    percent(share_a),
                    percent(share_b),
                    percent((share_a - share_b).abs()),
                ]
            })
            .collect();
        as_table(request, DIFFERENCE, shown, &columns, &attributes, &patterns, &wildcards)
    }
}

const SEGMENT: &[(&str, KqlType)] =
    &[("SegmentId", KqlType::Long), ("Count", KqlType::Long), ("Percent", KqlType::Real)];

const DIFFERENCE: &[(&str, KqlType)] = &[
    ("SegmentId", KqlType::Long),
    ("CountA", KqlType::Long),
    ("CountB", KqlType::Long),
    ("PercentA", KqlType::Real),
    ("PercentB", KqlType::Real),
    ("PercentDiffAB", KqlType::Real),
];

/// The plug-in's own columns before those of the rows. Names meet as in a join.
fn with_own(own: &[(&str, KqlType)], columns: &[ColumnInfo]) -> Vec<ColumnInfo> {
    let mut names = super::names::Names::default();
    let own = own.iter().map(|(name, kql_type)| (name.to_string(), *kql_type));
    let others = columns.iter().map(|column| (column.name.clone(), column.kql_type));
    own.chain(others).map(|(name, kql_type)| ColumnInfo::new(names.unique(&name), kql_type)).collect()
}

/// Number, count and share of each pattern. The share has one digit, as Kusto gives it.
fn segments(patterns: &[Pattern], attributes: &Attributes) -> Vec<Vec<Value>> {
    let share = |pattern: &Pattern| (pattern.weight / attributes.total() * 1000.0).round() / 10.0;
    patterns
        .iter()
        .enumerate()
        .map(|(at, pattern)| {
            vec![Cell::Long(at as i64), Cell::Long(pattern.weight.round() as i64), Cell::Real(share(pattern))]
        })
        .collect()
}

fn as_table(
    request: &Request<'_>,
    own: &[(&str, KqlType)],
    shown: Vec<Vec<Value>>,
    columns: &[ColumnInfo],
    attributes: &Attributes,
    patterns: &[Pattern],
    wildcards: &[(KqlType, Value)],
) -> Bound<Table> {
    let outputs = with_own(own, columns);
    let mut series = Vec::with_capacity(outputs.len());
    for (at, info) in outputs.iter().enumerate() {
        let name = PlSmallStr::from_str(&info.name);
        let cells: Vec<Value> = match at.checked_sub(own.len()) {
            None => shown.iter().map(|row| row[at].clone()).collect(),
            Some(column) => {
                let any = wildcards
                    .iter()
                    .find(|(kql_type, _)| *kql_type == info.kql_type)
                    .map_or_else(|| value::null_of(info.kql_type), |(_, value)| value.clone());
                let cell = |pattern: &Pattern| match pattern.values[column] {
                    Some(code) => attributes.value(column, code).clone(),
                    None => any.clone(),
                };
                patterns.iter().map(cell).collect()
            }
        };
        series.push(rows::build(name, info.kql_type, cells.into_iter()).into_column());
    }
    let frame = DataFrame::new(patterns.len(), series).map_err(plan_error(&request.span))?;
    Ok(request.table.with(frame.lazy(), outputs))
}

/// Which of the two sets each row belongs to: 0, 1, or none.
fn sides_of(frame: &DataFrame, split: &ColumnInfo, a: &str, b: &str) -> PolarsResult<Vec<Option<usize>>> {
    let series = frame.column(&split.name)?.as_materialized_series().rechunk();
    let reader = rows::Reader::new(&series)?;
    let text = |row: usize| crate::functions::conversion::text_of(&reader.get(row), split.kql_type).into_owned();
    Ok((0..frame.height())
        .map(|row| match text(row) {
            text if text == a => Some(0),
            text if text == b => Some(1),
            _ => None,
        })
        .collect())
}
