//! Functions that give several columns at once, such as `series_decompose_anomalies`.
//!
//! Their implementation gives a dynamic array with one element per column; `project` and `extend`
//! spread it. Elsewhere the first element is the value.

use super::{
    Binder, Bound, Typed,
    lets::Scope,
    names::{self, Names},
    unexecuted::placeholder,
};
use crate::{
    ast::{Argument, ExprKind, KqlType, NamedExpr},
    functions::{
        dynamic::{self, Step},
        signatures,
    },
};

impl Binder<'_> {
    /// The columns of an item, named, if it is a call that gives several.
    pub(super) fn spread(
        &self,
        item: &NamedExpr,
        names: &mut Names,
        scope: &Scope,
    ) -> Bound<Option<Vec<(String, Typed)>>> {
        let ExprKind::Call { name, arguments } = &item.value.kind else { return Ok(None) };
        let Some(parts) = self.parts(&name.text, arguments, scope)? else { return Ok(None) };
        let value = self.scalar(&item.value, scope)?;
        let mut given = item.names.iter();
        let mut columns = Vec::with_capacity(parts.len());
        for (at, (derived, kql_type)) in parts.iter().enumerate() {
            let column = match given.next() {
                Some(name) => name.text.clone(),
                None => names.unique(derived),
            };
            let part = if self.checking {
                placeholder(*kql_type)
            } else {
                let step = dynamic::path(vec![Step::Index(at as i64)]);
                Typed::apply(vec![value.clone()], KqlType::Dynamic, step).converted(*kql_type)
            };
            columns.push((column, part));
        }
        Ok(Some(columns))
    }

    /// Names and types of the columns that a call gives, if it gives several.
    fn parts(&self, function: &str, arguments: &[Argument], scope: &Scope) -> Bound<Option<Vec<(String, KqlType)>>> {
        if let Some(parts) = signatures::tuple(function) {
            let first = arguments.first().and_then(|argument| names::derived(&argument.value)).unwrap_or_default();
            let named = |(suffix, kql_type): &(&str, KqlType)| (format!("{function}_{first}_{suffix}"), *kql_type);
            return Ok(Some(parts.iter().map(named).collect()));
        }
        if !matches!(function, "array_sort_asc" | "array_sort_desc") {
            return Ok(None);
        }
        // One column per array, the flag at the end aside.
        let mut parts = Vec::new();
        for (at, argument) in arguments.iter().enumerate() {
            if self.scalar(&argument.value, scope)?.kql_type == KqlType::Dynamic {
                let name = names::derived(&argument.value).unwrap_or_else(|| format!("array{at}"));
                parts.push((format!("{name}_sorted"), KqlType::Dynamic));
            }
        }
        Ok(Some(parts).filter(|parts| parts.len() > 1))
    }
}
