//! Names: `let` bindings, function parameters and the columns of the current row.

use std::{rc::Rc, sync::Arc};

use super::{Binder, Bound, ColumnInfo, Either, Table, Typed};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, Name, Parameter, Statement},
    diagnostics::{Diagnostic, SourceText, Span, codes},
};

/// Calls inside calls inside calls: KQL has no recursion, so deep chains are mistakes.
const MAX_CALL_DEPTH: usize = 20;

/// What a `let` name stands for.
#[derive(Clone)]
pub(crate) enum Binding {
    Scalar(Typed),
    Table(Table),
    Function(Rc<Function>),
    Pattern(Rc<crate::ast::Pattern>),
}

/// A `let` function with the names it was written among.
pub(crate) struct Function {
    /// Declared with `view`.
    pub(super) view: bool,
    pub(super) parameters: Vec<Parameter>,
    body: Vec<Statement>,
    captured: Scope,
    /// The text it stands in, if that is not the query.
    source: Option<Arc<SourceText>>,
}

struct Link {
    name: String,
    binding: Binding,
    parent: Option<Rc<Link>>,
}

/// Everything a name may refer to.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    lets: Option<Rc<Link>>,
    rows: Option<Rc<Vec<ColumnInfo>>>,
    /// Set while the operands of `summarize` are bound.
    pub(crate) aggregates: Option<Rc<super::summarize::Collector>>,
    /// Set inside `mv-apply` and `partition`: the column that tells the groups apart.
    pub(crate) group: Option<Rc<str>>,
    /// Set with `group` where a filter may leave groups without rows: a frame with that column, a row per group.
    pub(super) all_groups: Option<polars::prelude::LazyFrame>,
    /// Set inside `search kind=case_sensitive`.
    pub(crate) case_sensitive_terms: bool,
}

impl Drop for Link {
    /// A chain of thousands of `let`s must not be dropped by recursion.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(link) = next {
            match Rc::try_unwrap(link) {
                Ok(mut link) => next = link.parent.take(),
                Err(_) => break,
            }
        }
    }
}

impl Scope {
    pub(crate) fn with(&self, name: &str, binding: Binding) -> Scope {
        let link = Link { name: name.to_string(), binding, parent: self.lets.clone() };
        Scope { lets: Some(Rc::new(link)), ..self.clone() }
    }

    /// The scope in which the expressions of an operator see their input row.
    pub(crate) fn with_rows(&self, columns: &[ColumnInfo]) -> Scope {
        Scope { rows: Some(Rc::new(columns.to_vec())), aggregates: None, ..self.clone() }
    }

    pub(crate) fn without_rows(&self) -> Scope {
        Scope { rows: None, aggregates: None, group: None, all_groups: None, ..self.clone() }
    }

    /// The scope of operators that work on each group on its own.
    pub(crate) fn with_group(&self, column: &str) -> Scope {
        Scope { group: Some(Rc::from(column)), ..self.without_rows() }
    }

    /// Only while checking: whether data may add columns that no one knows yet.
    pub(crate) fn is_open(&self) -> bool {
        self.open_column().is_some()
    }

    pub(crate) fn has_rows(&self) -> bool {
        self.rows.is_some()
    }

    pub(crate) fn columns(&self) -> &[ColumnInfo] {
        self.rows.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn column(&self, name: &str) -> Option<&ColumnInfo> {
        self.columns().iter().find(|column| column.name == name)
    }

    /// Only while checking: the column that stands for names which nothing else explains.
    pub(crate) fn open_column(&self) -> Option<&ColumnInfo> {
        self.columns().iter().find(|column| column.is_open())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Binding> {
        let mut next = self.lets.as_ref();
        while let Some(link) = next {
            if link.name == name {
                return Some(&link.binding);
            }
            next = link.parent.as_ref();
        }
        None
    }

    /// Names of the views that a wildcard of `union` finds, first declared first.
    pub(crate) fn views(&self) -> Vec<String> {
        let is_view = |name: &String| matches!(self.find(name), Some(Binding::Function(function)) if function.view);
        let mut names: Vec<String> = self.names().into_iter().filter(is_view).collect();
        names.reverse();
        names
    }

    /// What the names stand for, last declared first; each name once.
    pub(super) fn bindings(&self) -> Vec<(&str, &Binding)> {
        let mut seen = std::collections::HashSet::new();
        let mut bindings = Vec::new();
        let mut next = self.lets.as_ref();
        while let Some(link) = next {
            if seen.insert(link.name.as_str()) {
                bindings.push((link.name.as_str(), &link.binding));
            }
            next = link.parent.as_ref();
        }
        bindings
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut next = self.lets.as_ref();
        while let Some(link) = next {
            names.push(link.name.clone());
            next = link.parent.as_ref();
        }
        names
    }
}

impl Binder<'_> {
    pub(super) fn bind_let(&self, name: &Name, value: &Ast, scope: &Scope) -> Bound<Scope> {
        let binding = match &value.kind {
            ExprKind::Lambda { view, parameters, body } => {
                let function = Function {
                    view: *view,
                    parameters: parameters.clone(),
                    body: body.clone(),
                    captured: scope.clone(),
                    source: None,
                };
                Binding::Function(Rc::new(function))
            }
            _ => match self.either(value, scope)? {
                Either::Scalar(value) => Binding::Scalar(value),
                // `union withsource=` knows tables by their own names, never by those of `let`.
                Either::Table(table) => Binding::Table(table),
            },
        };
        Ok(scope.with(&name.text, binding))
    }

    /// Calls a `let` function: its body is bound with the arguments in place of the parameters.
    pub(super) fn call_function(
        &self,
        function: &Function,
        first: Option<Table>,
        arguments: &[Argument],
        span: &Span,
        scope: &Scope,
    ) -> Bound<Either> {
        if self.calls.get() >= MAX_CALL_DEPTH {
            return Err(Diagnostic::new(
                codes::TOO_DEEP,
                span.clone(),
                format!("functions call each other more than {MAX_CALL_DEPTH} deep"),
            ));
        }
        // Columns of the calling row are out of sight: a body sees parameters and earlier `let`s.
        let mut inner = function.captured.without_rows();
        let values = self.matched_arguments(function, first, arguments, span, scope)?;
        for (parameter, binding) in function.parameters.iter().zip(values) {
            inner = inner.with(&parameter.name.text, binding);
        }
        self.calls.set(self.calls.get() + 1);
        let result = self.statements_result(&function.body, span, inner);
        self.calls.set(self.calls.get() - 1);
        result.map_err(|problem| problem.within(function.source.as_ref()))
    }

    /// A stored function among the `let`s of its own text.
    pub(super) fn stored(&self, stored: &crate::StoredFunction) -> Bound<Function> {
        let mut captured = Scope::default();
        for statement in &stored.before {
            if let Statement::Let { name, value } = statement {
                captured =
                    self.bind_let(name, value, &captured).map_err(|problem| problem.within(Some(&stored.source)))?;
            }
        }
        let function = Function {
            view: false,
            parameters: stored.parameters.clone(),
            body: stored.body.clone(),
            captured,
            source: Some(stored.source.clone()),
        };
        Ok(function)
    }

    fn statements_result(&self, statements: &[Statement], span: &Span, mut scope: Scope) -> Bound<Either> {
        let mut result = None;
        for statement in statements {
            match statement {
                Statement::Let { name, value } => scope = self.bind_let(name, value, &scope)?,
                Statement::Expression(expression) => result = Some(self.either(expression, &scope)?),
                Statement::Pattern(pattern) => {
                    scope = scope.with(&pattern.name.text, Binding::Pattern(Rc::new(pattern.clone())));
                }
                Statement::Set { .. } | Statement::QueryParameters(_) | Statement::Unsupported { .. } => {}
            }
        }
        result.ok_or_else(|| Diagnostic::new(codes::SYNTAX, span.clone(), "the function has no result"))
    }

    /// `pattern("value").path`: the case whose values are these.
    pub(super) fn pattern_case(
        &self,
        pattern: &crate::ast::Pattern,
        arguments: &[Argument],
        path: Option<&str>,
        span: &Span,
        scope: &Scope,
    ) -> Bound<Either> {
        let mut given = Vec::with_capacity(arguments.len());
        for argument in arguments {
            given.push(self.constant(&argument.value, scope)?);
        }
        for case in &pattern.cases {
            let mut values = Vec::with_capacity(case.values.len());
            for value in &case.values {
                values.push(self.constant(value, scope)?);
            }
            if values != given || case.path.as_deref() != path {
                continue;
            }
            let mut inner = scope.without_rows();
            let names = pattern.parameters.iter().zip(&case.values);
            for (parameter, value) in names {
                inner = inner.with(&parameter.name.text, Binding::Scalar(self.scalar(value, &scope.without_rows())?));
            }
            if let (Some(parameter), Some(path)) = (&pattern.path, path) {
                let value = Typed::constant(path.into(), crate::ast::KqlType::String);
                inner = inner.with(&parameter.name.text, Binding::Scalar(value));
            }
            return self.statements_result(&case.body, span, inner);
        }
        let message = format!("the pattern `{}` has no case for these values", pattern.name.text);
        Err(Diagnostic::new(codes::VALUE, span.clone(), message))
    }

    fn matched_arguments(
        &self,
        function: &Function,
        first: Option<Table>,
        arguments: &[Argument],
        span: &Span,
        scope: &Scope,
    ) -> Bound<Vec<Binding>> {
        let mut first = first;
        let mut positional = arguments.iter().filter(|argument| argument.name.is_none());
        let mut bindings = Vec::new();
        for parameter in &function.parameters {
            if parameter.scalar_type.is_none()
                && let Some(table) = first.take()
            {
                bindings.push(Binding::Table(table));
                continue;
            }
            let named = arguments
                .iter()
                .find(|argument| argument.name.as_ref().is_some_and(|name| name.text == parameter.name.text));
            let value = match named.or_else(|| positional.next()) {
                Some(argument) => self.argument(parameter, &argument.value, scope)?,
                None => match &parameter.default {
                    Some(default) => self
                        .argument(parameter, default, &function.captured)
                        .map_err(|problem| problem.within(function.source.as_ref()))?,
                    None => {
                        return Err(Diagnostic::new(
                            codes::ARGUMENTS,
                            span.clone(),
                            format!("the argument `{}` is missing", parameter.name.text),
                        ));
                    }
                },
            };
            bindings.push(value);
        }
        if let Some(extra) = positional.next() {
            let message = format!("the function takes {} argument(s)", function.parameters.len());
            return Err(Diagnostic::new(codes::ARGUMENTS, extra.value.span.clone(), message));
        }
        Ok(bindings)
    }

    fn argument(&self, parameter: &Parameter, value: &Ast, scope: &Scope) -> Bound<Binding> {
        match parameter.scalar_type {
            None => Ok(Binding::Table(self.tabular_argument(parameter, value, scope)?)),
            Some(wanted) => {
                let bound = self.scalar(value, scope)?;
                let fits = bound.kql_type == wanted
                    || super::scalar::widens(bound.kql_type, wanted)
                    || bound.kql_type == crate::ast::KqlType::Dynamic;
                if !fits && self.checking {
                    return Ok(Binding::Scalar(super::unexecuted::placeholder(wanted)));
                }
                if !fits {
                    let message = format!(
                        "the argument `{}` must be a {wanted}, this is a {}",
                        parameter.name.text, bound.kql_type
                    );
                    return Err(Diagnostic::new(codes::TYPE, value.span.clone(), message));
                }
                Ok(Binding::Scalar(bound.converted(wanted)))
            }
        }
    }

    fn tabular_argument(&self, parameter: &Parameter, value: &Ast, scope: &Scope) -> Bound<Table> {
        let table = self.table(value, &scope.without_rows())?;
        for (column, _) in &parameter.columns {
            if table.column(&column.text).is_none() {
                let message = format!("the table for `{}` has no column `{}`", parameter.name.text, column.text);
                return Err(Diagnostic::new(codes::UNKNOWN_COLUMN, value.span.clone(), message));
            }
        }
        Ok(table)
    }
}
