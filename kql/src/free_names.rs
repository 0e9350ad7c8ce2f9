//! Which tables a query needs from the host, by its syntax alone.

use std::collections::BTreeSet;

use crate::ast::*;

/// Names in table position that no `let`, `as` or parameter of the query defines.
pub(crate) fn in_table_position(query: &Query) -> Vec<String> {
    let mut finder = Finder::default();
    finder.statements(&query.statements);
    finder.found.into_iter().collect()
}

#[derive(Default)]
struct Finder {
    defined: Vec<String>,
    found: BTreeSet<String>,
}

impl Finder {
    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Let { name, value } => {
                    // `let a = SigninLogs;` cannot be told from a scalar here; a bare name is a table.
                    self.table(value);
                    self.defined.push(name.text.clone());
                }
                Statement::Expression(expression) => self.table(expression),
                Statement::Pattern(pattern) => {
                    self.defined.push(pattern.name.text.clone());
                    pattern.cases.iter().for_each(|case| self.statements(&case.body));
                }
                Statement::Set { .. } | Statement::QueryParameters(_) | Statement::Unsupported { .. } => {}
            }
        }
    }

    /// An expression where a table is meant.
    fn table(&mut self, expression: &Expr) {
        match &expression.kind {
            ExprKind::Name(name) | ExprKind::Wildcard(name) => {
                if !self.defined.contains(name) {
                    self.found.insert(name.clone());
                }
            }
            ExprKind::Pipeline { source, operators } => {
                self.table(source);
                operators.iter().for_each(|operator| self.operator(&operator.kind));
            }
            ExprKind::Union(union) => union.tables.iter().for_each(|table| self.table(table)),
            ExprKind::Search(search) => search.tables.iter().for_each(|table| self.table(table)),
            ExprKind::Find(find) => find.tables.iter().for_each(|table| self.table(table)),
            ExprKind::Call { name, arguments } if matches!(name.text.as_str(), "materialize" | "toscalar" | "view") => {
                arguments.iter().for_each(|argument| self.table(&argument.value));
            }
            ExprKind::Call { name, arguments } if name.text == "table" => {
                if let Some(ExprKind::Literal(Literal::String(table))) =
                    arguments.first().map(|argument| &argument.value.kind)
                {
                    self.found.insert(table.clone());
                }
            }
            ExprKind::Lambda { parameters, body, .. } => {
                let outside = self.defined.len();
                self.defined.extend(parameters.iter().map(|parameter| parameter.name.text.clone()));
                self.statements(body);
                self.defined.truncate(outside);
            }
            _ => self.scalar(expression),
        }
    }

    /// A scalar expression: only its subqueries mention tables.
    fn scalar(&mut self, expression: &Expr) {
        match &expression.kind {
            ExprKind::Pipeline { .. } | ExprKind::Union(_) => self.table(expression),
            ExprKind::Call { name, arguments } => {
                let takes_tables = matches!(name.text.as_str(), "toscalar" | "materialize");
                for argument in arguments {
                    if takes_tables { self.table(&argument.value) } else { self.scalar(&argument.value) }
                }
            }
            ExprKind::Member { base, .. } | ExprKind::Negate(base) => self.scalar(base),
            ExprKind::Index { base, index } => [base, index].into_iter().for_each(|part| self.scalar(part)),
            ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|part| self.scalar(part)),
            ExprKind::And(parts) | ExprKind::Or(parts) => parts.iter().for_each(|part| self.scalar(part)),
            ExprKind::Between { value, low, high, .. } => {
                [value, low, high].into_iter().for_each(|part| self.scalar(part))
            }
            ExprKind::List { value, items, .. } => {
                self.scalar(value);
                items.iter().for_each(|item| self.scalar(item));
            }
            _ => {}
        }
    }

    fn operator(&mut self, operator: &OperatorKind) {
        match operator {
            OperatorKind::Where(condition) => self.scalar(condition),
            OperatorKind::Project(items)
            | OperatorKind::Extend(items)
            | OperatorKind::Serialize(items)
            | OperatorKind::Distinct(items) => {
                items.iter().for_each(|item| self.scalar(&item.value));
            }
            OperatorKind::Summarize { aggregates, by } => {
                aggregates.iter().chain(by).for_each(|item| self.scalar(&item.value))
            }
            OperatorKind::Join(join) | OperatorKind::Lookup(join) => self.table(&join.right),
            OperatorKind::Union(union) => union.tables.iter().for_each(|table| self.table(table)),
            OperatorKind::MvApply(apply) => {
                apply.items.iter().for_each(|item| self.scalar(&item.value));
                apply.body.iter().for_each(|operator| self.operator(&operator.kind));
            }
            OperatorKind::Partition { body, .. } => body.iter().for_each(|operator| self.operator(&operator.kind)),
            OperatorKind::PartitionQuery { query, .. } => self.table(query),
            OperatorKind::Facet { with, .. } => {
                with.iter().flatten().for_each(|operator| self.operator(&operator.kind));
            }
            OperatorKind::Fork(branches) => {
                branches.iter().flat_map(|(_, body)| body).for_each(|operator| self.operator(&operator.kind));
            }
            OperatorKind::Evaluate { name, arguments, .. } if name.text.ends_with("_lookup") => {
                arguments.iter().take(1).for_each(|argument| self.table(&argument.value));
            }
            OperatorKind::Invoke(call) => call.children().into_iter().for_each(|argument| self.scalar(argument)),
            OperatorKind::As(name) => self.defined.push(name.text.clone()),
            _ => {}
        }
    }
}
