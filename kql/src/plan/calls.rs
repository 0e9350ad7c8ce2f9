//! Function calls: `let` functions, functions that need more than cells, and the table.

use std::sync::Arc;

use polars::prelude::*;

use crate::rows::named;

use super::{
    Binder, Bound, Either, Table, Typed,
    lets::{Binding, Scope},
    not_executed, plan_error, scalar,
};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Name},
    descriptions,
    diagnostics::{Diagnostic, Span, codes},
    functions::{self, Arguments, Kind, Returns},
    rows, ticks,
    value::{Cell, Value},
};

/// Names handled here, for suggestions.
const SPECIAL: &[&str] = &[
    "iff",
    "iif",
    "case",
    "coalesce",
    "not",
    "isnull",
    "isnotnull",
    "notnull",
    "isempty",
    "isnotempty",
    "notempty",
    "ago",
    "now",
    "extract",
    "toscalar",
    "materialize",
    "column_ifexists",
    "columnifexists",
    "make_datetime",
    "typeof",
    "gettype",
    "table",
];

pub(super) const SUMMARIZE_FIRST: &str = "summarize first: summarize n = count() by ... | where n > 5";

impl Binder<'_> {
    /// A call that may give a table.
    pub(super) fn call_either(
        &self,
        name: &Name,
        arguments: &[Argument],
        expression: &Ast,
        scope: &Scope,
    ) -> Bound<Either> {
        if let Some(Binding::Function(function)) = scope.find(&name.text) {
            let function = function.clone();
            return self.call_function(&function, None, arguments, &expression.span, scope);
        }
        match name.text.as_str() {
            "materialize" => {
                let table = self.table(only(name, arguments)?, &scope.without_rows())?;
                return Ok(Either::Table(Table { frame: table.frame.clone().cache(), ..table }));
            }
            "table" => {
                let named = self.scalar(only(name, arguments)?, scope)?;
                let Some(Cell::Str(text)) = &named.constant else {
                    return Err(not_executed(expression.span.clone(), "a computed table name"));
                };
                return self
                    .catalog_table(text, &expression.span)?
                    .map(Either::Table)
                    .ok_or_else(|| self.unknown_table(text, &expression.span, scope));
            }
            _ => {}
        }
        self.call(name, arguments, expression, scope).map(Either::Scalar)
    }

    fn call(&self, name: &Name, arguments: &[Argument], expression: &Ast, scope: &Scope) -> Bound<Typed> {
        let result = self.built_in(name, arguments, expression, scope);
        // `countif(Code = 1)` means a comparison: an argument by name would count every row.
        let is_column = |argument: &Argument| {
            let rows = scope.aggregates.as_ref().map_or(scope, |collector| collector.input());
            argument.name.as_ref().is_some_and(|name| rows.column(&name.text).is_some())
        };
        match arguments.iter().find(|argument| is_column(argument)).and_then(|argument| argument.name.as_ref()) {
            Some(column) if result.is_err() || !self.checking => {
                let message = format!("`{}` has no parameter `{}`", name.text, column.text);
                Err(Diagnostic::new(codes::ARGUMENTS, column.span.clone(), message).with_hint("compare with `==`"))
            }
            _ => result,
        }
    }

    fn built_in(&self, name: &Name, arguments: &[Argument], expression: &Ast, scope: &Scope) -> Bound<Typed> {
        if super::aggregates::is_aggregate(&name.text) {
            return match &scope.aggregates {
                Some(collector) => self.aggregate(collector, name, arguments, expression, scope),
                // Sketches are merged over rows and over columns under one name.
                None if matches!(name.text.as_str(), "hll_merge" | "tdigest_merge" | "merge_tdigest") => self
                    .special(name, arguments, scope)
                    .unwrap_or_else(|| self.table_function(name, arguments, expression, scope)),
                None if functions::find(&name.text).is_some() => {
                    self.table_function(name, arguments, expression, scope)
                }
                None => Err(Diagnostic::new(
                    codes::VALUE,
                    expression.span.clone(),
                    format!("`{}` is an aggregate: it stands only in `summarize`", name.text),
                )
                .with_hint(SUMMARIZE_FIRST)),
            };
        }
        if let Some(result) = self.special(name, arguments, scope) {
            return result;
        }
        match name.text.as_str() {
            "iff" | "iif" => self.iff(name, arguments, scope),
            "case" => self.case(name, arguments, scope),
            "coalesce" => self.coalesce(name, arguments, scope),
            "not" => Ok(scalar::not(self.condition(only(name, arguments)?, scope)?)),
            "isnull" => self.is_null(name, arguments, scope),
            "isnotnull" | "notnull" => Ok(scalar::not(self.is_null(name, arguments, scope)?)),
            "isempty" => self.is_empty(name, arguments, scope),
            "isnotempty" | "notempty" => Ok(scalar::not(self.is_empty(name, arguments, scope)?)),
            "now" => self.moment(arguments, 1, scope),
            "ago" => self.moment(arguments, -1, scope),
            "extract" => self.extract(name, arguments, scope),
            "toscalar" => self.to_scalar(only(name, arguments)?, scope),
            "column_ifexists" | "columnifexists" => self.column_if_exists(name, arguments, scope),
            "make_datetime" => self.make_datetime(arguments, scope),
            _ => self.table_function(name, arguments, expression, scope),
        }
    }

    /// A function of the table in [`functions`].
    fn table_function(&self, name: &Name, arguments: &[Argument], expression: &Ast, scope: &Scope) -> Bound<Typed> {
        let Some(function) = functions::find(&name.text) else {
            return self.known_only(name, arguments, expression, scope);
        };
        if let Some(named) = arguments.iter().find_map(|argument| argument.name.as_ref()).filter(|_| !self.checking) {
            return Err(Diagnostic::new(
                codes::ARGUMENTS,
                named.span.clone(),
                format!("`{}` takes no named arguments", name.text),
            )
            .with_hint("compare with `==`"));
        }
        let most = if function.variadic { usize::MAX } else { function.kinds.len() };
        if arguments.len() < function.required || arguments.len() > most {
            return Err(wrong_count(name, function.required, most, arguments.len()));
        }
        let mut values = Vec::with_capacity(arguments.len());
        for (at, argument) in arguments.iter().enumerate() {
            let kind = function.kinds[at.min(function.kinds.len() - 1)];
            values.push(self.checked(kind, name, &argument.value, scope)?);
        }
        let known = Arguments {
            types: values.iter().map(|value| value.kql_type).collect(),
            constants: values.iter().map(|value| value.constant.clone()).collect(),
        };
        let build = (function.build)(&known)
            .map_err(|problem| Diagnostic::new(codes::VALUE, expression.span.clone(), problem))?;
        let kql_type = match function.returns {
            Returns::Is(kql_type) => kql_type,
            Returns::First => known.types[0],
            Returns::By(rule) => rule(&known.types),
        };
        Ok(Typed::apply(values, kql_type, build))
    }

    pub(super) fn checked(&self, kind: Kind, name: &Name, argument: &Ast, scope: &Scope) -> Bound<Typed> {
        let value = self.scalar(argument, scope)?;
        if value.kql_type == KqlType::Dynamic
            && let Some(wanted) = kind.wanted_of_dynamic()
        {
            return Ok(value.converted(wanted));
        }
        // KQL reads any scalar as text where a function wants text, except where that hides a slip.
        if kind.accepts(value.kql_type) {
            let as_real = value.kql_type == KqlType::Decimal
                && matches!(kind, Kind::Number | Kind::Measurable)
                && !functions::takes_decimals(&name.text);
            return Ok(if as_real { value.converted(KqlType::Real) } else { value });
        }
        if kind == Kind::Text {
            return Ok(value.converted(KqlType::String));
        }
        let message = format!("`{}` needs {} here, this is a {}", name.text, kind.wanted(), value.kql_type);
        Err(Diagnostic::new(codes::TYPE, argument.span.clone(), message))
    }

    // ---- functions with rules of their own ---------------------------------------------------

    fn iff(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        expect_count(name, arguments, 3)?;
        self.branches(&[(&arguments[0].value, &arguments[1].value)], &arguments[2].value, scope)
    }

    fn case(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if arguments.len() < 3 || arguments.len().is_multiple_of(2) {
            return Err(Diagnostic::new(
                codes::ARGUMENTS,
                name.span.clone(),
                "`case` needs pairs of condition and value, and a value for everything else",
            ));
        }
        let (last, pairs) = arguments.split_last().map_or((&arguments[0], &arguments[..0]), |split| split);
        let pairs: Vec<(&Ast, &Ast)> = pairs.chunks(2).map(|pair| (&pair[0].value, &pair[1].value)).collect();
        self.branches(&pairs, &last.value, scope)
    }

    fn branches(&self, pairs: &[(&Ast, &Ast)], otherwise: &Ast, scope: &Scope) -> Bound<Typed> {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for (condition, value) in pairs {
            conditions.push(self.condition(condition, scope)?);
            values.push((self.scalar(value, scope)?, &value.span));
        }
        values.push((self.scalar(otherwise, scope)?, &otherwise.span));
        let kql_type = common_type(&values);
        let mut values: Vec<Typed> = values.into_iter().map(|(value, _)| value.converted(kql_type)).collect();
        let mut result = values.pop().unwrap_or_else(|| Typed::null(kql_type));
        for (condition, value) in conditions.into_iter().zip(values).rev() {
            result = match &condition.constant {
                Some(constant) => {
                    if constant.boolean() == Some(true) {
                        value
                    } else {
                        result
                    }
                }
                None => Typed::computed(
                    when(condition.expression).then(value.expression).otherwise(result.expression),
                    kql_type,
                ),
            };
        }
        Ok(Typed { scanned: None, ..result })
    }

    /// The first that is not null; for strings, not empty.
    fn coalesce(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if arguments.is_empty() {
            return Err(wrong_count(name, 1, usize::MAX, 0));
        }
        let mut values = Vec::new();
        for argument in arguments {
            values.push((self.scalar(&argument.value, scope)?, &argument.value.span));
        }
        let kql_type = common_type(&values);
        if kql_type == KqlType::Dynamic
            && let Some((value, span)) = values.iter().skip(1).find(|(value, _)| value.kql_type != KqlType::Dynamic)
        {
            let first = values[0].0.kql_type;
            let message =
                format!("all values must have one type: this is a {}, the first is a {first}", value.kql_type);
            return Err(Diagnostic::new(codes::TYPE, (*span).clone(), message)
                .with_hint(format!("convert it with to{first}()")));
        }
        let values = values.into_iter().map(|(value, _)| value.converted(kql_type)).collect();
        let function = move |cells: &[Cell<'_>]| -> Value {
            let present =
                |cell: &&Cell<'_>| if kql_type == KqlType::String { !cell.text().is_empty() } else { !cell.is_null() };
            cells.iter().find(present).map_or_else(|| crate::value::null_of(kql_type), |cell| cell.clone().into_owned())
        };
        Ok(Typed::apply(values, kql_type, Arc::new(function)))
    }

    fn is_null(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        let argument = only(name, arguments)?;
        if let Some(null) = self.null_string(argument, scope)? {
            return Ok(null);
        }
        let value = self.scalar(argument, scope)?;
        Ok(match (&value.constant, value.kql_type) {
            (_, KqlType::String) => Typed::constant(false.into(), KqlType::Bool),
            (Some(constant), _) => Typed::constant(constant.is_null().into(), KqlType::Bool),
            (None, _) => match &value.scanned {
                Some((column, _)) => Typed::computed(named(column.as_str()).is_null(), KqlType::Bool),
                None => Typed::computed(value.expression.is_null(), KqlType::Bool),
            },
        })
    }

    fn is_empty(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        let value = self.scalar(only(name, arguments)?, scope)?;
        Ok(match (&value.constant, value.kql_type) {
            (None, KqlType::String) => Typed::computed(value.expression.eq(lit("")), KqlType::Bool),
            (None, KqlType::Dynamic) => {
                let function = |cells: &[Cell<'_>]| -> Value { (cells[0].is_null() || cells[0].text() == "\"\"").into() };
                Typed::apply(vec![value], KqlType::Bool, Arc::new(function))
            }
            (None, _) => Typed::computed(value.expression.is_null(), KqlType::Bool),
            (Some(constant), _) => Typed::constant((constant.is_null() || matches!(constant, Cell::Str(text) if text.is_empty() || text == "\"\"" && value.kql_type == KqlType::Dynamic)).into(), KqlType::Bool),
        })
    }

    fn moment(&self, arguments: &[Argument], sign: i64, scope: &Scope) -> Bound<Typed> {
        let now = Typed::constant(self.now.into(), KqlType::Datetime);
        let Some(argument) = arguments.first() else {
            return Ok(now);
        };
        let offset = self.scalar(&argument.value, scope)?;
        if offset.kql_type != KqlType::Timespan {
            let message = format!("a timespan such as 1d is needed here, this is a {}", offset.kql_type);
            return Err(Diagnostic::new(codes::TYPE, argument.value.span.clone(), message)
                .with_hint("write a number with its unit: 7d, 12h, 30m"));
        }
        let op = if sign < 0 { crate::ast::BinaryOp::Subtract } else { crate::ast::BinaryOp::Add };
        scalar::arithmetic(op, now, offset, &argument.value.span)
    }

    /// `extract(regex, group, text[, typeof(type)])`
    fn extract(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        if !(3..=4).contains(&arguments.len()) {
            return Err(wrong_count(name, 3, 4, arguments.len()));
        }
        let pattern = self.checked(Kind::Text, name, &arguments[0].value, scope)?;
        let group = self.checked(Kind::Integer, name, &arguments[1].value, scope)?;
        let text = self.checked(Kind::Text, name, &arguments[2].value, scope)?;
        let kql_type = arguments.get(3).map_or(Ok(KqlType::String), |argument| type_argument(&argument.value))?;
        let known = Arguments { types: vec![KqlType::String], constants: vec![pattern.constant.clone()] };
        let regex = functions::string::pattern(&known, 0)
            .map_err(|problem| Diagnostic::new(codes::VALUE, arguments[0].value.span.clone(), problem))?;
        let captured = Typed::apply(
            vec![pattern, group, text],
            KqlType::String,
            Arc::new(move |cells| {
                let found = regex(cells[0].text()).and_then(|regex| {
                    let group = usize::try_from(cells[1].long()?).ok()?;
                    regex.captures(cells[2].text())?.get(group).map(|hit| hit.as_str().to_string())
                });
                found.unwrap_or_default().into()
            }),
        );
        Ok(captured.converted(kql_type))
    }

    fn to_scalar(&self, argument: &Ast, scope: &Scope) -> Bound<Typed> {
        match self.either(argument, &scope.without_rows())? {
            Either::Scalar(value) => Ok(value),
            Either::Table(table) => {
                let limited = Table { frame: table.frame.clone().limit(1), ..table };
                let (values, kql_type) = self.first_column(limited, &argument.span)?;
                if self.checking {
                    return Ok(super::unexecuted::placeholder(kql_type));
                }
                Ok(values
                    .into_iter()
                    .next()
                    .map_or_else(|| Typed::null(kql_type), |value| Typed::constant(value, kql_type)))
            }
        }
    }

    /// Runs a subquery for the values of its first column.
    pub(super) fn first_column(&self, table: Table, span: &Span) -> Bound<(Vec<Value>, KqlType)> {
        let Some(first) = table.columns.first() else {
            return Err(Diagnostic::new(codes::VALUE, span.clone(), "the subquery has no column"));
        };
        let kql_type = first.kql_type;
        if self.checking {
            return Ok((Vec::new(), kql_type));
        }
        let frame = self.collected(table.frame.clone().select([first.expression().alias("value")]), span)?;
        let series = frame.columns()[0].as_materialized_series().rechunk();
        let reader = rows::Reader::new(&series).map_err(plan_error(span))?;
        Ok(((0..series.len()).map(|row| reader.get(row).into_owned()).collect(), kql_type))
    }

    fn column_if_exists(&self, name: &Name, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        expect_count(name, arguments, 2)?;
        let wanted = self.scalar(&arguments[0].value, scope)?;
        let column = wanted.constant.as_ref().and_then(|text| scope.column(text.text()));
        match column {
            // The binder of the real engine goes by the type of the default.
            Some(column) if self.checking => {
                let default = self.scalar(&arguments[1].value, scope)?;
                let same = default.kql_type == column.kql_type;
                Ok(if same { Typed::column(column) } else { super::unexecuted::placeholder(default.kql_type) })
            }
            Some(column) => Ok(Typed::column(column)),
            None => self.scalar(&arguments[1].value, scope),
        }
    }

    fn make_datetime(&self, arguments: &[Argument], scope: &Scope) -> Bound<Typed> {
        let mut parts = Vec::new();
        for argument in arguments {
            parts.push(self.scalar(&argument.value, scope)?.converted(KqlType::Real));
        }
        let function = |cells: &[Cell<'_>]| -> Value {
            let part = |at: usize, default: f64| cells.get(at).map_or(Some(default), Cell::real);
            let build = || {
                let time = part(3, 0.0)? * ticks::HOUR as f64
                    + part(4, 0.0)? * ticks::MINUTE as f64
                    + part(5, 0.0)? * ticks::SECOND as f64;
                ticks::from_civil(part(0, 1.0)? as i64, part(1, 1.0)? as i64, part(2, 1.0)? as i64, time.round() as i64)
            };
            build().into()
        };
        Ok(Typed::apply(parts, KqlType::Datetime, Arc::new(function)))
    }
}

/// The type that branches meet in.
fn common_type(values: &[(Typed, &Span)]) -> KqlType {
    use KqlType::*;
    let number = |t| matches!(t, Int | Long | Real | Decimal);
    let is_null = |value: &Typed| value.kql_type == Dynamic && value.constant.as_ref().is_some_and(Cell::is_null);
    let mut result: Option<KqlType> = None;
    let mut mixed = false;
    for (value, _) in values {
        if is_null(value) {
            continue;
        }
        result = Some(match (result, value.kql_type) {
            (None, kql_type) => kql_type,
            (Some(known), kql_type) if known == kql_type => known,
            (Some(known), kql_type) if number(known) && number(kql_type) => functions::math::common(&[known, kql_type]),
            // A dynamic takes the type of the others; types that have nothing in common meet in one.
            (Some(Dynamic), other) | (Some(other), Dynamic) => other,
            _ => {
                mixed = true;
                Dynamic
            }
        });
    }
    if mixed { Dynamic } else { result.unwrap_or(Dynamic) }
}

/// `typeof(long)`
pub(super) fn type_argument(expression: &Ast) -> Bound<KqlType> {
    let named = match &expression.kind {
        ExprKind::Call { name, arguments } if name.text == "typeof" => {
            match arguments.first().map(|argument| &argument.value.kind) {
                Some(ExprKind::Name(kql_type)) => KqlType::from_name(kql_type),
                _ => None,
            }
        }
        _ => None,
    };
    named.ok_or_else(|| {
        Diagnostic::new(codes::VALUE, expression.span.clone(), "a type such as typeof(long) is needed here")
    })
}

/// The single argument of a function.
pub(super) fn only<'e>(name: &Name, arguments: &'e [Argument]) -> Bound<&'e Ast> {
    expect_count(name, arguments, 1)?;
    Ok(&arguments[0].value)
}

pub(super) fn expect_count(name: &Name, arguments: &[Argument], wanted: usize) -> Bound<()> {
    if arguments.len() == wanted { Ok(()) } else { Err(wrong_count(name, wanted, wanted, arguments.len())) }
}

pub(super) fn wrong_count(name: &Name, least: usize, most: usize, given: usize) -> Diagnostic {
    let wanted = match (least, most) {
        (least, most) if least == most => least.to_string(),
        (least, usize::MAX) => format!("{least} or more"),
        (least, most) => format!("{least} to {most}"),
    };
    let plural = if wanted == "1" { "" } else { "s" };
    let message = format!("`{}` takes {wanted} argument{plural}, {given} given", name.text);
    let diagnostic = Diagnostic::new(codes::ARGUMENTS, name.span.clone(), message);
    let known = descriptions::function(&name.text).or_else(|| descriptions::aggregate(&name.text));
    match known.filter(|known| known.text.is_some()) {
        Some(known) => {
            let call = known.signature.split(" ->").next().unwrap_or_default();
            diagnostic.with_hint(format!("write `{call}`"))
        }
        None => diagnostic,
    }
}

/// Functions with rules of their own.
pub(crate) fn special_names() -> impl Iterator<Item = &'static str> {
    SPECIAL.iter().copied()
}

/// Whether no implementation, special rule or signature has this name.
pub(super) fn is_unknown(name: &str) -> bool {
    functions::find(name).is_none()
        && !SPECIAL.contains(&name)
        && functions::signatures::function(name).is_none()
        && functions::signatures::aggregate(name).is_none()
}

/// What other languages call functions.
const FOREIGN_FUNCTIONS: &[(&str, &str)] = &[
    ("lower", "tolower(...)"),
    ("upper", "toupper(...)"),
    ("len", "strlen(...) for text, array_length(...) for arrays"),
    ("length", "strlen(...) for text, array_length(...) for arrays"),
    ("concat", "strcat(...)"),
    ("median", "percentile(..., 50)"),
    ("mean", "avg(...)"),
    ("average", "avg(...)"),
    ("nvl", "coalesce(...)"),
    ("ifnull", "coalesce(...)"),
    ("if", "iff(condition, then, otherwise)"),
    ("substr", "substring(text, start, length)"),
    ("count_distinct_if", "dcountif(...)"),
    ("date_trunc", "bin(time, 1d) or startofday(time)"),
    ("cast", "tostring(...), tolong(...), todatetime(...)"),
    ("typeof", "gettype(...)"),
    ("regex_match", "extract(regex, 1, text), or `matches regex`"),
    ("collect", "make_list(...) or make_set(...)"),
];

pub(super) fn unknown_function(name: &Name, scope: &Scope) -> Diagnostic {
    if functions::NOT_EXECUTED.contains(&name.text.as_str())
        || name.text.starts_with("series_")
        || name.text.starts_with("geo_")
    {
        return not_executed(name.span.clone(), format!("function `{}`", name.text));
    }
    let lets = scope.names();
    let fixed = functions::names()
        .chain(SPECIAL.iter().copied())
        .chain(functions::NOT_EXECUTED.iter().copied())
        .chain(super::aggregates::aggregate_names());
    let candidates: Vec<String> = fixed.map(str::to_owned).chain(lets).collect();
    let message = format!("unknown function `{}`", name.text);
    let diagnostic = Diagnostic::new(codes::UNKNOWN_FUNCTION, name.span.clone(), message);
    let lowered = name.text.to_lowercase();
    if let Some((_, here)) = FOREIGN_FUNCTIONS.iter().find(|(foreign, _)| *foreign == lowered) {
        return diagnostic.with_hint(format!("here it is {here}"));
    }
    diagnostic.with_nearest(&name.text, candidates.iter().map(String::as_str))
}
