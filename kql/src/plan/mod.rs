//! Binding and planning in one pass: names and types are resolved, every mistake is reported
//! with its place, and what comes out is a polars `LazyFrame`. Nothing runs here, except the
//! subqueries of `toscalar` and `in`, whose values the plan needs.

mod aggregates;
mod analytics;
mod branches;
mod calls;
mod clusters;
mod compare;
mod context;
mod evaluate;
mod expand;
mod external;
pub(crate) mod folded;
mod frequent;
mod grouped;
mod hosted;
mod ip_lookup;
mod join;
mod lets;
mod names;
mod operators;
mod parse;
mod parse_kv;
mod patterns;
mod pivot;
mod plugins;
mod preaggregate;
mod reduce;
mod scalar;
mod scan;
mod search;
mod series;
mod sketches;
mod sources;
mod special;
mod stored;
mod summarize;
mod texts;
mod timespan;
mod tolerant;
mod top;
mod tuples;
mod unexecuted;
mod union;
mod windows;

use std::{
    cell::{Cell as Counter, RefCell},
    rc::Rc,
    sync::Arc,
};

use polars::prelude::*;

use crate::rows::named;

use crate::{
    Catalog,
    ast::{Expr as Ast, ExprKind, KqlType, Literal, Query, Statement},
    diagnostics::{Diagnostic, Span, codes},
    functions,
    limits::Watch,
    result::Render,
    rows,
    value::{self, Value},
};
pub(crate) use lets::{Binding, Scope};
pub(crate) use tolerant::Known;

/// Operators with a grammar and a schema that do not run yet.
pub(crate) const CHECKED_ONLY_OPERATORS: &[&str] = &[];

/// Functions that run and are not rows of the function table.
pub(crate) fn special_functions() -> impl Iterator<Item = &'static str> {
    calls::special_names()
        .chain(windows::names())
        .chain(special::NAMES.iter().copied())
        .chain(context::NAMES.iter().copied())
        .chain(sketches::NAMES.iter().copied())
}

/// Aggregates that run.
pub(crate) fn executed_aggregates() -> impl Iterator<Item = &'static str> {
    aggregates::aggregate_names()
}

/// Plug-ins that run.
pub(crate) fn executed_plugins() -> impl Iterator<Item = &'static str> {
    evaluate::executed()
}

/// Plug-ins that are refused by name.
pub(crate) fn refused_plugins() -> impl Iterator<Item = &'static str> {
    evaluate::refused()
}

pub(crate) type Bound<T> = Result<T, Diagnostic>;

/// How much a query may ask for before it is refused: nested `let`s can double per line.
const MAX_WORK: usize = 100_000;

/// A column of a frame while it is being planned.
#[derive(Debug, Clone)]
pub(crate) struct ColumnInfo {
    pub(crate) name: String,
    pub(crate) kql_type: KqlType,
    /// Set while the frame still holds the column as it was scanned; its physical form is then
    /// computed where it is used, so that filters reach the Parquet statistics.
    pub(crate) scanned: Option<DataType>,
    /// Only while checking: data will decide the type (`bag_unpack`, `pivot`).
    pub(crate) unknown: bool,
}

/// Only while checking: stands for the columns that data will add. No query can write this name.
pub(crate) const OPEN: &str = "\0open";

impl ColumnInfo {
    pub(crate) fn new(name: impl Into<String>, kql_type: KqlType) -> Self {
        Self { name: name.into(), kql_type, scanned: None, unknown: false }
    }

    /// Columns that only data will tell; see [`OPEN`].
    pub(crate) fn open() -> Self {
        Self { unknown: true, ..Self::new(OPEN, KqlType::Dynamic) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.name.starts_with(OPEN)
    }

    /// The column in the engine's physical form.
    pub(crate) fn expression(&self) -> Expr {
        match &self.scanned {
            Some(dtype) => sources::physical_form(named(self.name.as_str()), dtype),
            None => named(self.name.as_str()),
        }
    }
}

/// A planned tabular expression.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) frame: LazyFrame,
    pub(crate) columns: Vec<ColumnInfo>,
    /// Plan nodes below, counted with repetition.
    pub(crate) weight: usize,
    /// What `union withsource=` calls it.
    pub(crate) name: Option<String>,
    /// Its rows have an order that window functions may use.
    pub(crate) serialized: bool,
    /// Its rows come out in another order each time it runs.
    pub(crate) any_order: bool,
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<&ColumnInfo> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The same table with every column in physical form.
    pub(crate) fn canonical(self) -> Table {
        if self.columns.iter().all(|column| column.scanned.is_none()) {
            return self;
        }
        let expressions: Vec<Expr> =
            self.columns.iter().map(|column| column.expression().alias(column.name.as_str())).collect();
        let columns = self.columns.iter().map(|column| ColumnInfo { scanned: None, ..column.clone() }).collect();
        Table { frame: self.frame.select(expressions), columns, ..self }
    }

    /// A table on top of this one's plan.
    pub(crate) fn with(&self, frame: LazyFrame, columns: Vec<ColumnInfo>) -> Table {
        Table { frame, columns, weight: self.weight + 1, name: None, serialized: false, any_order: self.any_order }
    }

    /// A table whose frame is known already.
    pub(crate) fn new(frame: LazyFrame, columns: Vec<ColumnInfo>) -> Table {
        Table { frame, columns, weight: 1, name: None, serialized: false, any_order: false }
    }
}

/// A planned scalar expression.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expression: Expr,
    pub(crate) kql_type: KqlType,
    /// Known without looking at any row.
    pub(crate) constant: Option<Value>,
    /// Set for a column that is still as scanned.
    pub(crate) scanned: Option<(String, DataType)>,
}

impl Typed {
    pub(crate) fn constant(value: Value, kql_type: KqlType) -> Self {
        Self { expression: rows::literal(&value, kql_type), kql_type, constant: Some(value), scanned: None }
    }

    pub(crate) fn null(kql_type: KqlType) -> Self {
        Self::constant(value::null_of(kql_type), kql_type)
    }

    pub(crate) fn computed(expression: Expr, kql_type: KqlType) -> Self {
        Self { expression, kql_type, constant: None, scanned: None }
    }

    pub(crate) fn column(column: &ColumnInfo) -> Self {
        let scanned = column.scanned.clone().map(|dtype| (column.name.clone(), dtype));
        Self { expression: column.expression(), kql_type: column.kql_type, constant: None, scanned }
    }

    /// Applies a row function, now if every input is constant.
    pub(crate) fn apply(inputs: Vec<Typed>, kql_type: KqlType, function: rows::RowFunction) -> Typed {
        if inputs.iter().all(|input| input.constant.is_some()) {
            let cells: Vec<_> =
                inputs.iter().filter_map(|input| input.constant.as_ref()).map(|value| value.borrowed()).collect();
            return Typed::constant(function(&cells), kql_type);
        }
        let inputs = inputs.into_iter().map(|input| match input.constant {
            Some(value) => rows::Input::Constant(value),
            None => rows::Input::Column(input.expression),
        });
        Typed::computed(rows::map_rows(inputs.collect(), kql_type, function), kql_type)
    }

    /// Tests a text, now if it is constant.
    pub(crate) fn tested(&self, test: functions::text_match::TextTest) -> Typed {
        match (&self.constant, &self.scanned) {
            (Some(text), _) => Typed::constant(test(text.text()).into(), KqlType::Bool),
            // The column as scanned will do: its nulls read as "".
            (None, Some((column, DataType::String))) => {
                Typed::computed(rows::test_texts(named(column), test), KqlType::Bool)
            }
            (None, _) => Typed::computed(rows::test_texts(self.expression.clone(), test), KqlType::Bool),
        }
    }

    /// Converts between types as `tostring`, `tolong`, ... do.
    pub(crate) fn converted(self, to: KqlType) -> Typed {
        if self.kql_type == to {
            return self;
        }
        let function = functions::conversion::converter(self.kql_type, to);
        Typed::apply(vec![self], to, function)
    }
}

/// A scalar or a table: only binding tells which a name stands for.
pub(crate) enum Either {
    Scalar(Typed),
    Table(Table),
}

/// Plans one query.
pub(crate) struct Binder<'a> {
    pub(crate) catalog: &'a dyn Catalog,
    /// Ticks; one moment for the whole query.
    pub(crate) now: i64,
    pub(crate) piped: Option<LazyFrame>,
    /// Names and types only: nothing is read, and what cannot run may still bind.
    pub(crate) checking: bool,
    /// Values of the host that go before those of the catalog.
    parameters: &'a [(String, Literal)],
    /// Ticks; from the first until before the second
    timespan: Option<(i64, i64)>,
    watch: Arc<Watch>,
    /// The query reads files or a large frame: it runs in batches, whose order nothing depends on.
    pub(crate) streams: Counter<bool>,
    /// Legs of `union isfuzzy=true` that are being bound.
    fuzzy: Counter<usize>,
    render: RefCell<Option<Render>>,
    work: Counter<usize>,
    calls: Counter<usize>,
    known_tables: RefCell<Option<Rc<Vec<String>>>>,
    stored: stored::Cache,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(catalog: &'a dyn Catalog, now: i64, piped: Option<LazyFrame>) -> Self {
        Self {
            catalog,
            now,
            piped,
            checking: false,
            parameters: &[],
            timespan: None,
            watch: Watch::idle(),
            streams: Counter::new(false),
            fuzzy: Counter::new(0),
            render: RefCell::default(),
            work: Counter::new(0),
            calls: Counter::new(0),
            known_tables: RefCell::default(),
            stored: stored::Cache::default(),
        }
    }

    pub(crate) fn with_parameters(self, parameters: &'a [(String, Literal)]) -> Self {
        Self { parameters, ..self }
    }

    pub(crate) fn with_timespan(self, timespan: Option<(i64, i64)>) -> Self {
        Self { timespan, ..self }
    }

    /// A binder whose plan and subqueries can be stopped.
    pub(crate) fn watched(self, watch: Arc<Watch>) -> Self {
        Self { watch, ..self }
    }

    /// A binder that only checks.
    pub(crate) fn checker(catalog: &'a dyn Catalog, now: i64, piped: Option<LazyFrame>) -> Self {
        Self { checking: true, ..Self::new(catalog, now, piped) }
    }

    /// Plans the statements; the last expression is the result.
    pub(crate) fn query(&self, query: &Query) -> Bound<(Table, Option<Render>)> {
        let mut scope = Scope::default();
        let mut result = None;
        for statement in &query.statements {
            match statement {
                Statement::Let { name, value } => scope = self.bind_let(name, value, &scope)?,
                Statement::Expression(expression) => result = Some(self.result_table(expression, &scope)?),
                Statement::Set { .. } => {}
                Statement::Pattern(pattern) => {
                    scope = scope.with(&pattern.name.text, Binding::Pattern(Rc::new(pattern.clone())));
                }
                Statement::QueryParameters(parameters) => scope = self.query_parameters(parameters, &scope)?,
                Statement::Unsupported { keyword } if self.checking && !keyword.text.starts_with('.') => {}
                Statement::Unsupported { keyword } => {
                    return Err(not_executed(keyword.span.clone(), format!("statement `{}`", keyword.text)));
                }
            }
        }
        let end = 0..0;
        let table = result.ok_or_else(|| {
            Diagnostic::new(
                codes::SYNTAX,
                end,
                "the query has no result: it needs an expression after its `let` statements",
            )
        })?;
        Ok((table, self.render.borrow_mut().take()))
    }

    /// Binds the statements; the columns of the last expression, if it gives rows.
    pub(crate) fn bound_only(&self, query: &Query) -> Bound<Option<Table>> {
        let has_result = query.statements.iter().any(|statement| matches!(statement, Statement::Expression(_)));
        if !has_result && !query.statements.is_empty() {
            // A library of `let`s is a query without a result.
            let mut scope = Scope::default();
            for statement in &query.statements {
                if let Statement::Let { name, value } = statement {
                    scope = self.bind_let(name, value, &scope)?;
                }
            }
            return Ok(None);
        }
        self.query(query).map(|(table, _)| Some(table))
    }

    fn result_table(&self, expression: &Ast, scope: &Scope) -> Bound<Table> {
        match self.either(expression, scope)? {
            Either::Table(table) => Ok(table),
            Either::Scalar(value) => Ok(sources::single_row(vec![("print_0".to_string(), value)])),
        }
    }

    /// Only while checking: a missing table inside a fuzzy union is one without known columns.
    fn tolerates_missing(&self) -> bool {
        self.checking && self.fuzzy.get() > 0
    }

    /// Plans a tabular expression.
    pub(crate) fn table(&self, expression: &Ast, scope: &Scope) -> Bound<Table> {
        match self.either(expression, scope)? {
            Either::Table(table) => Ok(table),
            Either::Scalar(_) => Err(Diagnostic::new(
                codes::TYPE,
                expression.span.clone(),
                "a tabular expression is needed here, this is a scalar",
            )),
        }
    }

    /// Plans whatever it is.
    pub(crate) fn either(&self, expression: &Ast, scope: &Scope) -> Bound<Either> {
        self.spend(1, &expression.span)?;
        if let Some(found) = self.pattern_call(expression, scope)? {
            return Ok(found);
        }
        let table = match &expression.kind {
            ExprKind::Pipeline { source, operators } => self.pipeline(source, operators, scope)?,
            ExprKind::PipedInput => self.piped_input(expression)?,
            ExprKind::Datatable { columns, values } => self.datatable(columns, values, &expression.span, scope)?,
            ExprKind::Range { column, from, to, step } => self.range(column, from, to, step, scope)?,
            ExprKind::Print(values) => self.print(values, scope)?,
            ExprKind::Union(union) => self.union(None, union, &expression.span, scope)?,
            ExprKind::ExternalData { columns, uris, properties } => {
                self.external_data(columns, uris, properties, expression, scope)?
            }
            ExprKind::Search(search) => self.search(None, search, &expression.span, scope)?,
            ExprKind::Find(find) => self.find(find, &expression.span, scope)?,
            ExprKind::UnsupportedSource(word) => {
                return Err(not_executed(expression.span.clone(), format!("operator `{word}`")));
            }
            ExprKind::Name(name) => return self.name(name, &expression.span, scope),
            ExprKind::Call { name, arguments } if name.text == "column_names_of" => {
                let table = self.table(calls::only(name, arguments)?, &scope.without_rows())?;
                let names = table.columns.iter().map(|column| serde_json::Value::from(column.name.as_str()));
                let names = value::Value::from(serde_json::Value::Array(names.collect()));
                return Ok(Either::Scalar(Typed::constant(names, KqlType::Dynamic)));
            }
            ExprKind::Call { name, arguments } if name.text == "table" => self.named_table(name, arguments, scope)?,
            ExprKind::Call { name, arguments } => {
                if scope.find(&name.text).is_none() {
                    if let Some(found) = self.stored_call(name, None, arguments, &expression.span, scope)? {
                        return Ok(found);
                    }
                    if let Some(table) = self.hosted_call(name, arguments, scope)? {
                        return Ok(Either::Table(table));
                    }
                }
                if self.tolerates_missing()
                    && !scope.has_rows()
                    && scope.find(&name.text).is_none()
                    && calls::is_unknown(&name.text)
                {
                    return Ok(Either::Table(hosted::never_run(vec![ColumnInfo::open()])));
                }
                return self.call_either(name, arguments, expression, scope);
            }
            ExprKind::Made(name) => match scope.column(name) {
                Some(column) => return Ok(Either::Scalar(Typed::column(column))),
                None => return Err(self.unknown_column(name, &expression.span, scope)),
            },
            ExprKind::Term { column, value } => {
                return self.term(column.as_ref(), value, &expression.span, scope).map(Either::Scalar);
            }
            ExprKind::Assignment { .. } => {
                return Err(Diagnostic::new(
                    codes::TYPE,
                    expression.span.clone(),
                    "a condition must be a bool, this assigns a value",
                )
                .with_hint("compare with `==`"));
            }
            ExprKind::Method { .. } => self.remote_table(expression)?,
            ExprKind::Member { base, .. } if is_remote(base) => self.remote_table(expression)?,
            ExprKind::Wildcard(pattern) => {
                let message = format!("`{pattern}` matches several tables and stands only in `union`");
                return Err(Diagnostic::new(codes::VALUE, expression.span.clone(), message));
            }
            _ => return self.scalar(expression, scope).map(Either::Scalar),
        };
        self.spend(table.weight / 8, &expression.span)?;
        Ok(Either::Table(table))
    }

    /// `pattern("value")` or `pattern("value").path`
    fn pattern_call(&self, expression: &Ast, scope: &Scope) -> Bound<Option<Either>> {
        let (call, path) = match &expression.kind {
            ExprKind::Member { base, member } => (&base.kind, Some(member.text.as_str())),
            other => (other, None),
        };
        let ExprKind::Call { name, arguments } = call else { return Ok(None) };
        let Some(Binding::Pattern(pattern)) = scope.find(&name.text) else { return Ok(None) };
        let pattern = pattern.clone();
        self.pattern_case(&pattern, arguments, path, &expression.span, scope).map(Some)
    }

    /// A column, a `let`, or a table of the catalog.
    fn name(&self, name: &str, span: &Span, scope: &Scope) -> Bound<Either> {
        if let Some(column) = scope.column(name) {
            return Ok(Either::Scalar(Typed::column(column)));
        }
        match scope.find(name) {
            Some(Binding::Scalar(value)) => Ok(Either::Scalar(value.clone())),
            Some(Binding::Table(table)) => Ok(Either::Table(table.clone())),
            Some(Binding::Pattern(_)) => {
                let message = format!("`{name}` is a pattern: give it values, as in `{name}(\"value\")`");
                Err(Diagnostic::new(codes::SYNTAX, span.clone(), message))
            }
            // A function whose parameters all have defaults needs no brackets.
            Some(Binding::Function(function)) => {
                let function = function.clone();
                self.call_function(&function, None, &[], span, scope)
            }
            None => match (self.stored_or_table(name, span)?, scope.open_column()) {
                (Some(found), _) => Ok(found),
                (None, Some(column)) => Ok(Either::Scalar(Typed::column(column))),
                (None, None) if scope.has_rows() => Err(self.unknown_column(name, span, scope)),
                (None, None) if self.tolerates_missing() => {
                    Ok(Either::Table(hosted::never_run(vec![ColumnInfo::open()])))
                }
                (None, None) => Err(self.unknown_table(name, span, scope)),
            },
        }
    }

    fn pipeline(&self, source: &Ast, operators: &[crate::ast::Operator], scope: &Scope) -> Bound<Table> {
        // Inside a row (`in ((T | ...))`) the source is a table, never a column of that row.
        let outer = scope.without_rows();
        let table = self.table(source, &outer)?;
        self.piped_through(table, operators, &outer)
    }

    /// Applies operators one after the other.
    pub(crate) fn piped_through(
        &self,
        mut table: Table,
        operators: &[crate::ast::Operator],
        scope: &Scope,
    ) -> Bound<Table> {
        let mut scope = scope.clone();
        for (at, operator) in operators.iter().enumerate() {
            self.spend(1, &operator.span)?;
            table = self.filtered_first(table, operator, operators.get(at + 1), &scope);
            if let crate::ast::OperatorKind::As(name) = &operator.kind {
                table.name = Some(name.text.clone());
                scope = scope.with(&name.text, Binding::Table(table.clone()));
                continue;
            }
            table = self.windowed(table, operator, &scope)?;
            if multiplies_rows(&operator.kind) {
                table.frame = self.watch.over_step(table.frame);
            }
        }
        Ok(table)
    }

    /// Runs a plan whose rows the rest of the plan needs. They count as held memory, and cancelling stops it.
    pub(crate) fn collected(&self, frame: LazyFrame, span: &Span) -> Bound<DataFrame> {
        rows::collect(self.watch.over_subquery(frame), self.streams.get()).map_err(plan_error(span))
    }

    /// Counts work, so that a query that doubles per line is refused instead of hanging.
    pub(crate) fn spend(&self, amount: usize, span: &Span) -> Bound<()> {
        // The run ends with the reason that the watch keeps, whatever this says.
        self.watch.check().map_err(|stopped| Diagnostic::new(codes::LIMIT, span.clone(), stopped.to_string()))?;
        self.work.set(self.work.get().saturating_add(amount));
        if self.work.get() > MAX_WORK {
            return Err(Diagnostic::new(codes::TOO_DEEP, span.clone(), "the query expands to too many operators")
                .with_hint("use `materialize` or fewer nested `let` functions"));
        }
        Ok(())
    }

    pub(crate) fn set_render(&self, render: Render) {
        self.render.replace(Some(render));
    }

    pub(crate) fn table_names(&self) -> Rc<Vec<String>> {
        self.known_tables.borrow_mut().get_or_insert_with(|| Rc::new(self.catalog.table_names())).clone()
    }

    /// The real engine filters the left side before an `innerunique` join picks one row per key.
    fn filtered_first(
        &self,
        table: Table,
        operator: &crate::ast::Operator,
        next: Option<&crate::ast::Operator>,
        scope: &Scope,
    ) -> Table {
        use crate::ast::OperatorKind;
        let (OperatorKind::Join(join), Some(OperatorKind::Where(condition))) =
            (&operator.kind, next.map(|next| &next.kind))
        else {
            return table;
        };
        if self.checking || !join::is_inner_unique(join) {
            return table;
        }
        // A condition on columns of the left side alone binds against them.
        match self.condition(condition, &scope.with_rows(&table.columns)) {
            Ok(condition) if condition.constant.is_none() => {
                let columns = table.columns.clone();
                let (name, serialized) = (table.name.clone(), table.serialized);
                let filtered =
                    table.with(table.frame.clone().filter(operators::kept_rows(condition.expression)), columns);
                Table { name, serialized, ..filtered }
            }
            _ => table,
        }
    }

    /// `declare query_parameters`: the host's value of that name, else the default.
    fn query_parameters(&self, parameters: &[crate::ast::Parameter], scope: &Scope) -> Bound<Scope> {
        let mut scope = scope.clone();
        for parameter in parameters {
            let Some(kql_type) = parameter.scalar_type else {
                let message = format!("the query parameter `{}` must be a scalar", parameter.name.text);
                return Err(Diagnostic::new(codes::TYPE, parameter.name.span.clone(), message));
            };
            let given = self.host_value(&parameter.name.text);
            let value = match (given, &parameter.default) {
                (Some(literal), _) => {
                    let given = literal.kql_type();
                    if given != kql_type && !scalar::widens(given, kql_type) {
                        let message = format!(
                            "the query parameter `{}` is a {kql_type}, the value given is a {given}",
                            parameter.name.text
                        );
                        return Err(Diagnostic::new(codes::TYPE, parameter.name.span.clone(), message));
                    }
                    Typed::constant(value::of_literal(&literal), given)
                }
                (None, Some(default)) => self.scalar(default, &scope)?,
                (None, None) if self.checking => Typed::computed(rows::literal(&value::Cell::Null, kql_type), kql_type),
                (None, None) => {
                    let message = format!("the query parameter `{}` has no value", parameter.name.text);
                    return Err(Diagnostic::new(codes::ARGUMENTS, parameter.name.span.clone(), message)
                        .with_hint("give it a default: name: type = value"));
                }
            };
            scope = scope.with(&parameter.name.text, Binding::Scalar(value.converted(kql_type)));
        }
        Ok(scope)
    }

    /// A value of the host by its name.
    pub(crate) fn host_value(&self, name: &str) -> Option<Literal> {
        let bound = self.parameters.iter().find(|(known, _)| known == name);
        bound.map(|(_, literal)| literal.clone()).or_else(|| self.catalog.scalar(name))
    }

    pub(crate) fn unknown_table(&self, name: &str, span: &Span, scope: &Scope) -> Diagnostic {
        let tables = self.table_names();
        let lets = scope.names();
        let functions = self.catalog.function_names();
        let candidates = [&*tables, &lets, &functions].into_iter().flatten().map(String::as_str);
        Diagnostic::new(codes::UNKNOWN_TABLE, span.clone(), format!("unknown table `{name}`"))
            .with_nearest(name, candidates)
    }

    pub(crate) fn unknown_column(&self, name: &str, span: &Span, scope: &Scope) -> Diagnostic {
        if let Some(collector) = &scope.aggregates
            && collector.input().column(name).is_some()
        {
            let message = format!(
                "the column `{name}` has many values here: it needs an aggregate around it, or a place behind `by`"
            );
            return Diagnostic::new(codes::VALUE, span.clone(), message)
                .with_hint(format!("for example take_any({name}), max({name}) or make_set({name})"));
        }
        let lets = scope.names();
        let candidates =
            scope.columns().iter().map(|column| column.name.as_str()).chain(lets.iter().map(String::as_str));
        let diagnostic = Diagnostic::new(codes::UNKNOWN_COLUMN, span.clone(), format!("unknown column `{name}`"));
        if scope.aggregates.is_some() && aggregates::is_aggregate(name) {
            return diagnostic.with_hint(format!("an aggregate is called with brackets: `{name}()`"));
        }
        let diagnostic = match columns_here(scope) {
            Some(columns) => diagnostic.with_hint(columns),
            None => diagnostic,
        };
        diagnostic.with_nearest(name, candidates)
    }
}

/// Operators that may give many rows for one: a batch of theirs can take long.
fn multiplies_rows(operator: &crate::ast::OperatorKind) -> bool {
    use crate::ast::OperatorKind;
    matches!(
        operator,
        OperatorKind::Join(_) | OperatorKind::Lookup(_) | OperatorKind::MvExpand { .. } | OperatorKind::MvApply(_)
    )
}

/// The columns that may stand here, if they are few.
fn columns_here(scope: &Scope) -> Option<String> {
    let names: Vec<&str> = scope.columns().iter().map(|column| column.name.as_str()).collect();
    let is_short = (1..=8).contains(&names.len()) && !names.iter().any(|name| name.contains('\0'));
    is_short.then(|| format!("the columns here are {}", names.join(", ")))
}

/// `cluster(...)`, `database(...)` and their methods.
fn is_remote(base: &Ast) -> bool {
    match &base.kind {
        ExprKind::Call { name, .. } => matches!(name.text.as_str(), "cluster" | "database" | "workspace" | "app"),
        ExprKind::Method { .. } => true,
        _ => false,
    }
}

/// "X is not executed by the embedded engine yet"
pub(crate) fn not_executed(span: Span, what: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::new(codes::NOT_EXECUTED, span, format!("{what} is not executed by the embedded engine yet"))
}

/// Polars planning errors at a place of the query.
pub(crate) fn plan_error(span: &Span) -> impl Fn(PolarsError) -> Diagnostic + '_ {
    move |error| Diagnostic::new(codes::VALUE, span.clone(), error.to_string())
}
