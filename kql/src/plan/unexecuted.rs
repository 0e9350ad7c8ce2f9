//! Functions that the language has and the engine does not run: they bind while a query is checked.

use super::{Binder, Bound, Typed, calls, lets::Scope, not_executed};
use crate::{
    ast::{Argument, Expr as Ast, ExprKind, KqlType, Name},
    diagnostics::{Diagnostic, codes},
    functions::signatures::{self, Signature},
    rows,
    value::Cell,
};

impl Binder<'_> {
    /// A call of a function without implementation.
    pub(super) fn known_only(
        &self,
        name: &Name,
        arguments: &[Argument],
        expression: &Ast,
        scope: &Scope,
    ) -> Bound<Typed> {
        if let Some(kql_type) = KqlType::from_name(&name.text) {
            // `datetime(start)` reads like a call; the binder of the real engine lets it pass.
            if self.checking {
                return Ok(placeholder(kql_type));
            }
            let message = format!("`{}(...)` takes a constant, not a name", name.text);
            return Err(Diagnostic::new(codes::VALUE, expression.span.clone(), message)
                .with_hint(format!("convert values with to{kql_type}()")));
        }
        let aggregates = scope.aggregates.clone();
        let (signature, inner) = match (signatures::function(&name.text), aggregates) {
            (Some(signature), _) => (signature, scope.clone()),
            (None, Some(collector)) => match signatures::aggregate(&name.text) {
                Some(signature) => (signature, collector.input().clone()),
                None => return Err(calls::unknown_function(name, scope)),
            },
            (None, None) => match signatures::aggregate(&name.text) {
                Some(_) => {
                    let message = format!("`{}` is an aggregate: it stands only in `summarize`", name.text);
                    return Err(Diagnostic::new(codes::VALUE, expression.span.clone(), message)
                        .with_hint(calls::SUMMARIZE_FIRST));
                }
                None => return Err(calls::unknown_function(name, scope)),
            },
        };
        if arguments.len() < signature.least || arguments.len() > signature.most {
            return Err(calls::wrong_count(name, signature.least, signature.most, arguments.len()));
        }
        let kql_type = self.result_of(signature, arguments, &inner)?;
        if !self.checking {
            return Err(not_executed(name.span.clone(), format!("function `{}`", name.text)));
        }
        Ok(placeholder(kql_type))
    }

    fn result_of(&self, signature: &Signature, arguments: &[Argument], scope: &Scope) -> Bound<KqlType> {
        let mut types = Vec::with_capacity(arguments.len());
        for argument in arguments {
            types.push(match &argument.value.kind {
                ExprKind::Star => KqlType::Dynamic,
                ExprKind::Call { name, .. } if name.text == "typeof" => {
                    return calls::type_argument(&argument.value);
                }
                _ => self.scalar(&argument.value, scope)?.kql_type,
            });
        }
        Ok(signature.result_type(&types))
    }
}

/// A value of which only the type is known; it never runs.
pub(super) fn placeholder(kql_type: KqlType) -> Typed {
    Typed::computed(rows::literal(&Cell::Null, kql_type), kql_type)
}
