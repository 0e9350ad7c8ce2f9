//! What completion and hover say about the language: signatures and one line each.

mod functions;
mod operators;

use crate::{
    ast::KqlType,
    functions::{self as implementations, Kind, Returns, signatures},
    plan,
};

/// How something is written, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) signature: String,
    pub(crate) text: Option<&'static str>,
}

type Row = (&'static str, &'static str, &'static str);

fn found(rows: &'static [Row], name: &str) -> Option<Description> {
    let (_, signature, text) = rows.iter().find(|(known, ..)| *known == name)?;
    Some(Description { signature: (*signature).to_string(), text: Some(*text) })
}

/// A pipe operator.
pub(crate) fn operator(name: &str) -> Option<Description> {
    found(operators::OPERATORS, name)
}

/// `print`, `union` and what else may begin a query.
pub(crate) fn source(name: &str) -> Option<Description> {
    found(operators::SOURCES, name)
}

/// Names of [`source`], sorted.
pub(crate) fn source_names() -> impl Iterator<Item = &'static str> {
    operators::SOURCES.iter().map(|(name, ..)| *name)
}

/// A plug-in of `evaluate`; those without a line of their own have their name alone.
pub(crate) fn plugin(name: &str) -> Option<Description> {
    let named = || {
        let is_known = plan::executed_plugins().chain(plan::refused_plugins()).any(|known| known == name);
        is_known.then(|| Description { signature: format!("{name}(...)"), text: None })
    };
    found(operators::PLUGINS, name).or_else(named)
}

/// `has`, `==` and their kin that stand behind a value of this type, the most useful first.
pub(crate) fn infix(kql_type: Option<KqlType>) -> impl Iterator<Item = (&'static str, &'static str)> {
    use KqlType::{Dynamic, Int, Long, Real, String};
    let fits = move |class: &str| match (class, kql_type) {
        ("any", _) | (_, None | Some(Dynamic)) => true,
        ("string", Some(kql_type)) => kql_type == String,
        (_, Some(kql_type)) => {
            matches!(kql_type, Int | Long | Real | KqlType::Decimal | KqlType::Datetime | KqlType::Timespan)
        }
    };
    operators::INFIX.iter().filter(move |(_, class, _)| fits(class)).map(|(name, _, text)| (*name, *text))
}

/// Kinds of `join` with a line on each.
pub(crate) fn join_kinds() -> &'static [(&'static str, &'static str)] {
    operators::JOIN_KINDS
}

/// Kinds of `render` with a line on each.
pub(crate) fn render_kinds() -> &'static [(&'static str, &'static str)] {
    operators::RENDER_KINDS
}

/// A scalar function: signature with the type of its result where that is fixed.
pub(crate) fn function(name: &str) -> Option<Description> {
    let known = found(functions::FUNCTIONS, name);
    let implementation = implementations::find(name);
    let signature = signatures::function(name);
    let parameters = match (&known, implementation, signature) {
        (Some(known), ..) => known.signature.clone(),
        (None, Some(implementation), _) => {
            let kinds = implementation.kinds.iter().enumerate().map(|(at, kind)| {
                let name = parameter_name(*kind);
                if at < implementation.required { name.to_string() } else { format!("[{name}]") }
            });
            let more = implementation.variadic.then(|| "...".to_string());
            kinds.chain(more).collect::<Vec<_>>().join(", ")
        }
        (None, None, Some(signature)) => counted(signature.least, signature.most),
        (None, None, None) if plan::special_functions().any(|special| special == name) => "...".to_string(),
        (None, None, None) => return None,
    };
    let result = match (implementation.map(|implementation| implementation.returns), signature.map(|s| s.result)) {
        (Some(Returns::Is(kql_type)), _) | (None, Some(signatures::Result::Is(kql_type))) => Some(kql_type),
        _ => None,
    };
    Some(Description { signature: written(name, &parameters, result), text: known.and_then(|known| known.text) })
}

/// An aggregate: signature with the type of its result where that is fixed.
pub(crate) fn aggregate(name: &str) -> Option<Description> {
    let signature = signatures::aggregate(name)?;
    let known = found(functions::AGGREGATES, name);
    let parameters =
        known.as_ref().map_or_else(|| counted(signature.least, signature.most), |known| known.signature.clone());
    let result = match signature.result {
        signatures::Result::Is(kql_type) => Some(kql_type),
        _ => None,
    };
    Some(Description { signature: written(name, &parameters, result), text: known.and_then(|known| known.text) })
}

fn parameter_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Any | Kind::Measurable => "value",
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Integer => "long",
        Kind::Datetime => "datetime",
        Kind::Timespan => "timespan",
        Kind::Bool => "bool",
        Kind::Guid => "guid",
        Kind::Dynamic => "dynamic",
    }
}

fn written(name: &str, parameters: &str, result: Option<KqlType>) -> String {
    match result {
        Some(kql_type) => format!("{name}({parameters}) -> {kql_type}"),
        None => format!("{name}({parameters})"),
    }
}

/// Parameters of which only the number is known.
fn counted(least: usize, most: usize) -> String {
    let mut names: Vec<String> = (1..=least).map(|at| format!("value{at}")).collect();
    match most {
        most if most <= least => {}
        most if most <= least + 3 => names.extend((least + 1..=most).map(|at| format!("[value{at}]"))),
        _ => names.push("...".to_string()),
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_described_name_is_of_the_language() {
        for (name, ..) in functions::FUNCTIONS {
            let is_special = plan::special_functions().any(|special| special == *name);
            assert!(
                is_special || implementations::find(name).is_some() || signatures::function(name).is_some(),
                "{name}"
            );
        }
        for (name, ..) in functions::AGGREGATES {
            assert!(signatures::aggregate(name).is_some(), "{name}");
        }
        for (name, ..) in operators::OPERATORS {
            assert!(crate::parser::known_operators().any(|known| known == *name), "{name}");
        }
        for (name, ..) in operators::PLUGINS {
            assert!(plan::executed_plugins().chain(plan::refused_plugins()).any(|known| known == *name), "{name}");
        }
    }

    #[test]
    fn signatures_show_parameters_and_result() {
        assert_eq!(function("ago").unwrap().signature, "ago(timespan) -> datetime");
        assert_eq!(aggregate("dcount").unwrap().signature, "dcount(value[, accuracy]) -> long");
        assert_eq!(function("nothing_of_this_name"), None);
    }
}
