//! Functions that the host keeps as KQL text.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use super::{
    Binder, Bound, Either, Table,
    lets::{Function, Scope},
};
use crate::{
    ast::{Argument, Name},
    diagnostics::{Diagnostic, Span, codes},
};

/// Stored functions that the query has met, and those it is inside of.
#[derive(Default)]
pub(super) struct Cache {
    met: RefCell<HashMap<String, Option<Rc<Function>>>>,
    inside: RefCell<Vec<String>>,
}

impl Binder<'_> {
    /// A stored function by its name.
    pub(super) fn stored_function(&self, name: &str) -> Bound<Option<Rc<Function>>> {
        if let Some(met) = self.stored.met.borrow().get(name) {
            return Ok(met.clone());
        }
        let function = match self.catalog.function(name)? {
            Some(stored) => Some(Rc::new(self.stored(&stored)?)),
            None => None,
        };
        self.stored.met.borrow_mut().insert(name.to_string(), function.clone());
        Ok(function)
    }

    /// A call of a stored function; `None` if the host keeps none of that name.
    pub(super) fn stored_call(
        &self,
        name: &Name,
        first: Option<Table>,
        arguments: &[Argument],
        span: &Span,
        scope: &Scope,
    ) -> Bound<Option<Either>> {
        let Some(function) = self.stored_function(&name.text)? else { return Ok(None) };
        if self.is_inside(&name.text) {
            let message = format!("the function `{}` calls itself", name.text);
            return Err(Diagnostic::new(codes::TOO_DEEP, name.span.clone(), message));
        }
        self.stored.inside.borrow_mut().push(name.text.clone());
        let result = self.call_function(&function, first, arguments, span, scope);
        self.stored.inside.borrow_mut().pop();
        result.map(Some)
    }

    /// A bare name: a stored function without arguments, else a table. Inside the function the name means
    /// the table, so that a function may stand in front of the table it is named after.
    pub(super) fn stored_or_table(&self, name: &str, span: &Span) -> Bound<Option<Either>> {
        if !self.is_inside(name) {
            let called = Name { text: name.to_string(), span: span.clone() };
            if let Some(found) = self.stored_call(&called, None, &[], span, &Scope::default())? {
                let named = |table| Table { name: Some(name.to_string()), ..table };
                return Ok(Some(match found {
                    Either::Table(table) => Either::Table(named(table)),
                    scalar => scalar,
                }));
            }
        }
        Ok(self.catalog_table(name, span)?.map(Either::Table))
    }

    fn is_inside(&self, name: &str) -> bool {
        self.stored.inside.borrow().iter().any(|inside| inside == name)
    }
}
