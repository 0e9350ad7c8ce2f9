//! `parse-kv`: keys and values in a text to columns.

use std::sync::Arc;

use super::{Binder, Bound, ColumnInfo, Table, Typed, hosted::never_run, lets::Scope};
use crate::{
    ast::{Expr as Ast, KqlType, Name},
    diagnostics::{Diagnostic, codes},
    functions::{conversion, string},
    value::Cell,
};

#[derive(Default)]
struct Rules {
    pair_delimiter: String,
    kv_delimiter: String,
    quotes: Vec<char>,
    escape: Option<char>,
    greedy: bool,
    regex: Option<regex::Regex>,
}

impl Binder<'_> {
    pub(super) fn parse_kv(
        &self,
        table: Table,
        value: &Ast,
        keys: &[(Name, KqlType)],
        properties: &[(Name, Ast)],
        scope: &Scope,
    ) -> Bound<Table> {
        let rows = scope.with_rows(&table.columns);
        let text = self.scalar(value, &rows)?.converted(KqlType::String);
        let rules = Arc::new(self.kv_rules(properties, scope)?);
        let mut columns = table.columns.clone();
        let mut expressions = Vec::new();
        let known: Arc<[String]> = keys.iter().map(|(name, _)| name.text.clone()).collect();
        for (name, kql_type) in keys {
            let (rules, known, wanted, kql_type) = (rules.clone(), known.clone(), name.text.clone(), *kql_type);
            let convert = conversion::converter(KqlType::String, kql_type);
            let found = Typed::apply(
                vec![text.clone()],
                kql_type,
                Arc::new(move |cells| match rules.find(cells[0].text(), &wanted, &known) {
                    Some(found) if kql_type == KqlType::String => found.into(),
                    Some(found) => convert(&[Cell::Str(found.into())]),
                    None => crate::value::null_of(kql_type),
                }),
            );
            expressions.push(found.expression.alias(name.text.as_str()));
            let column = ColumnInfo::new(&name.text, kql_type);
            match columns.iter_mut().find(|known| known.name == column.name) {
                Some(known) => *known = column,
                None => columns.push(column),
            }
        }
        if self.checking {
            return Ok(never_run(columns));
        }
        Ok(table.with(table.frame.clone().with_columns(expressions), columns))
    }

    fn kv_rules(&self, properties: &[(Name, Ast)], scope: &Scope) -> Bound<Rules> {
        let mut rules = Rules { pair_delimiter: " ".into(), kv_delimiter: "=".into(), ..Rules::default() };
        for (name, value) in properties {
            let constant = self.constant(value, scope)?;
            let text = constant.text().to_string();
            match name.text.as_str() {
                "pair_delimiter" => rules.pair_delimiter = text,
                "kv_delimiter" => rules.kv_delimiter = text,
                "quote" => rules.quotes = text.chars().collect(),
                "escape" => rules.escape = text.chars().next(),
                "greedy" => rules.greedy = constant.boolean() == Some(true),
                "regex" => {
                    let regex = string::compile(&text)
                        .map_err(|problem| Diagnostic::new(codes::VALUE, value.span.clone(), problem))?;
                    rules.regex = Some(regex);
                }
                other => {
                    let message = format!("`parse-kv` has no property `{other}`");
                    return Err(Diagnostic::new(codes::VALUE, name.span.clone(), message));
                }
            }
        }
        if rules.regex.is_none() && (rules.kv_delimiter.is_empty() || rules.pair_delimiter.is_empty()) {
            let span = properties.first().map_or(0..0, |(name, _)| name.span.clone());
            return Err(Diagnostic::new(codes::VALUE, span, "the delimiters of `parse-kv` must not be empty"));
        }
        Ok(rules)
    }
}

impl Rules {
    /// The value behind `wanted`.
    fn find(&self, text: &str, wanted: &str, known: &[String]) -> Option<String> {
        if let Some(regex) = &self.regex {
            return regex.captures_iter(text).find_map(|hit| {
                let key = hit.get(1)?.as_str();
                (key == wanted).then(|| hit.get(2).map_or("", |value| value.as_str()).to_string())
            });
        }
        if self.greedy {
            return self.greedy_value(text, wanted, known);
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (pair, after) = self.next_pair(rest);
            if let Some((key, value)) = pair.split_once(self.kv_delimiter.as_str())
                && key.trim() == wanted
            {
                return Some(self.unquoted(value.trim()));
            }
            rest = after;
        }
        None
    }

    /// The text up to the next pair delimiter outside quotes.
    fn next_pair<'t>(&self, text: &'t str) -> (&'t str, &'t str) {
        let mut open: Option<char> = None;
        let mut escaped = false;
        for (at, character) in text.char_indices() {
            if escaped {
                escaped = false;
            } else if self.escape == Some(character) && open.is_some() {
                escaped = true;
            } else if let Some(closing) = open {
                if character == closing {
                    open = None;
                }
            } else if let Some(place) = self.quotes.iter().position(|quote| *quote == character) {
                // Two different quote characters are an opening and a closing one.
                open = if self.quotes.len() == 2 && place == 0 { Some(self.quotes[1]) } else { Some(character) };
            } else if text[at..].starts_with(self.pair_delimiter.as_str()) {
                return (&text[..at], &text[at + self.pair_delimiter.len()..]);
            }
        }
        (text, "")
    }

    /// A value runs on until the next of the known keys.
    fn greedy_value(&self, text: &str, wanted: &str, known: &[String]) -> Option<String> {
        let mut pairs = text.split(self.pair_delimiter.as_str());
        let key_of = |part: &str| part.split_once(self.kv_delimiter.as_str()).map(|(key, _)| key.trim().to_string());
        let first = pairs.by_ref().find(|part| key_of(part).as_deref() == Some(wanted))?;
        let (_, value) = first.split_once(self.kv_delimiter.as_str())?;
        let mut value = value.to_string();
        for part in pairs {
            if key_of(part).is_some_and(|key| known.contains(&key)) {
                break;
            }
            value.push_str(&self.pair_delimiter);
            value.push_str(part);
        }
        Some(self.unquoted(value.trim()))
    }

    fn unquoted(&self, value: &str) -> String {
        let (Some(open), Some(close)) = (self.quotes.first(), self.quotes.last()) else { return value.to_string() };
        let inner = self
            .quotes
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
            .or_else(|| value.strip_prefix(*open)?.strip_suffix(*close));
        let Some(inner) = inner else { return value.to_string() };
        let Some(escape) = self.escape else { return inner.to_string() };
        let mut out = String::with_capacity(inner.len());
        let mut characters = inner.chars();
        while let Some(character) = characters.next() {
            if character == escape {
                out.extend(characters.next());
            } else {
                out.push(character);
            }
        }
        out
    }
}
