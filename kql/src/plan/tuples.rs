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
    ast::{ExprKind, NamedExpr},
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
        let Some(parts) = signatures::tuple(&name.text) else { return Ok(None) };
        let value = self.scalar(&item.value, scope)?;
        let first = arguments.first().and_then(|argument| names::derived(&argument.value)).unwrap_or_default();
        let mut given = item.names.iter();
        let mut columns = Vec::with_capacity(parts.len());
        for (at, (suffix, kql_type)) in parts.iter().enumerate() {
            let column = match given.next() {
                Some(name) => name.text.clone(),
                None => names.unique(&format!("{}_{first}_{suffix}", name.text)),
            };
            let part = if self.checking {
                placeholder(*kql_type)
            } else {
                let step = dynamic::path(vec![Step::Index(at as i64)]);
                Typed::apply(vec![value.clone()], crate::ast::KqlType::Dynamic, step).converted(*kql_type)
            };
            columns.push((column, part));
        }
        Ok(Some(columns))
    }
}
