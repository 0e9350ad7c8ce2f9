//! Binding what is still being typed: as much as binds counts, the rest is passed over.

use std::rc::Rc;

use super::{
    Binder, Binding, ColumnInfo, Either, Scope, Table, hosted::never_run, lets::Function, unexecuted::placeholder,
};
use crate::ast::{Expr as Ast, ExprKind, KqlType, Operator, Parameter, Query, Statement};

/// What a name of a `let` stands for, for those who only look.
pub(crate) enum Known<'s> {
    Scalar(KqlType),
    Table(&'s [ColumnInfo]),
    Function(&'s [Parameter]),
}

impl<'s> Known<'s> {
    fn of(binding: &'s Binding) -> Self {
        match binding {
            Binding::Scalar(value) => Known::Scalar(value.kql_type),
            Binding::Table(table) => Known::Table(&table.columns),
            Binding::Function(function) => Known::Function(function.parameters()),
            Binding::Pattern(pattern) => Known::Function(&pattern.parameters),
        }
    }
}

impl Scope {
    /// What a `let` name stands for.
    pub(crate) fn known(&self, name: &str) -> Option<Known<'_>> {
        self.find(name).map(Known::of)
    }

    /// All `let` names, last declared first.
    pub(crate) fn all_known(&self) -> Vec<(&str, Known<'_>)> {
        self.bindings().into_iter().map(|(name, binding)| (name, Known::of(binding))).collect()
    }

    /// The scope inside a function: its parameters by their types alone.
    pub(crate) fn with_parameters(&self, parameters: &[Parameter]) -> Scope {
        parameters.iter().fold(self.clone(), |scope, parameter| {
            let binding = match parameter.scalar_type {
                Some(kql_type) => Binding::Scalar(placeholder(kql_type)),
                None => {
                    let columns = parameter.columns.iter();
                    let mut columns: Vec<ColumnInfo> =
                        columns.map(|(name, kql_type)| ColumnInfo::new(&name.text, *kql_type)).collect();
                    columns.push(ColumnInfo::open());
                    Binding::Table(never_run(columns))
                }
            };
            scope.with(&parameter.name.text, binding)
        })
    }
}

impl Function {
    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }
}

impl Binder<'_> {
    /// The names that the statements define. One that does not bind is known without its columns.
    pub(crate) fn names_of(&self, query: &Query, scope: &Scope) -> Scope {
        query.statements.iter().fold(scope.clone(), |scope, statement| match statement {
            Statement::Let { name, value } => self.bind_let(name, value, &scope).unwrap_or_else(|_| {
                let table = self.rows_of(value, None, &scope).unwrap_or_else(|| never_run(vec![ColumnInfo::open()]));
                scope.with(&name.text, Binding::Table(table))
            }),
            Statement::QueryParameters(parameters) => scope.with_parameters(parameters),
            Statement::Pattern(pattern) => scope.with(&pattern.name.text, Binding::Pattern(Rc::new(pattern.clone()))),
            Statement::Expression(_) | Statement::Set { .. } | Statement::Unsupported { .. } => scope,
        })
    }

    /// The columns that a pipeline gives, passing over operators that do not bind. `input` is what
    /// a pipeline that begins with an operator works on.
    pub(crate) fn rows_of(&self, expression: &Ast, input: Option<Table>, scope: &Scope) -> Option<Table> {
        let none: &[Operator] = &[];
        let (source, operators) = match &expression.kind {
            ExprKind::Pipeline { source, operators } => (source.as_ref(), operators.as_slice()),
            _ => (expression, none),
        };
        let outer = scope.without_rows();
        let mut table = match (&source.kind, input) {
            (ExprKind::PipedInput, input) => input?,
            _ => match self.either(source, &outer).ok()? {
                Either::Table(table) => table,
                Either::Scalar(_) => return None,
            },
        };
        let mut names = outer;
        for operator in operators {
            if let Ok(next) = self.piped_through(table.clone(), std::slice::from_ref(operator), &names) {
                table = next;
            }
            if let crate::ast::OperatorKind::As(name) = &operator.kind {
                names = names.with(&name.text, Binding::Table(table.clone()));
            }
        }
        Some(table)
    }

    /// The type of a scalar expression over the rows of a table.
    pub(crate) fn type_of(&self, expression: &Ast, columns: &[ColumnInfo], scope: &Scope) -> Option<KqlType> {
        let value = self.scalar(expression, &scope.with_rows(columns)).ok()?;
        Some(value.kql_type)
    }
}
