//! The things that may be offered, with what is said about each.

use super::{Completion, CompletionKind as Kind, situation::Situation};
use crate::{
    Catalog,
    ast::{KqlType, Parameter},
    descriptions::{self, Description},
    functions::{self, signatures},
    parser,
    plan::{self, ColumnInfo, Known},
};

/// A completion, and how likely it is at this place: less is likelier.
pub(super) struct Candidate {
    pub(super) completion: Completion,
    pub(super) priority: u8,
}

/// Gathers candidates; those added first are the likelier.
pub(super) struct Candidates<'s> {
    situation: &'s Situation<'s>,
    catalog: &'s dyn Catalog,
    /// `(` stands behind the cursor already.
    has_bracket: bool,
    priority: u8,
    pub(super) found: Vec<Candidate>,
}

const TYPES: [KqlType; 10] = [
    KqlType::String,
    KqlType::Long,
    KqlType::Datetime,
    KqlType::Dynamic,
    KqlType::Int,
    KqlType::Real,
    KqlType::Bool,
    KqlType::Timespan,
    KqlType::Guid,
    KqlType::Decimal,
];

impl<'s> Candidates<'s> {
    pub(super) fn new(situation: &'s Situation<'s>, catalog: &'s dyn Catalog, has_bracket: bool) -> Self {
        Self { situation, catalog, has_bracket, priority: 0, found: Vec::new() }
    }

    fn push(&mut self, label: String, insert: String, kind: Kind, detail: Option<String>, text: Option<&str>) {
        let completion = Completion { label, insert, kind, detail, documentation: text.map(str::to_string) };
        self.found.push(Candidate { completion, priority: self.priority });
    }

    /// What comes from now on is less likely.
    pub(super) fn then(&mut self) -> &mut Self {
        self.priority = self.priority.saturating_add(1);
        self
    }

    /// Words with one line on each.
    pub(super) fn described(&mut self, words: &[(&str, &str)], kind: Kind) -> &mut Self {
        for (word, text) in words {
            self.push((*word).to_string(), (*word).to_string(), kind, None, Some(text));
        }
        self
    }

    pub(super) fn words(&mut self, words: &[&str], kind: Kind) -> &mut Self {
        for word in words {
            self.push((*word).to_string(), (*word).to_string(), kind, None, None);
        }
        self
    }

    pub(super) fn columns(&mut self) -> &mut Self {
        let situation = self.situation;
        self.these_columns(situation.columns(), |_| true)
    }

    /// Columns for which `wanted` holds come first, the others behind them.
    pub(super) fn columns_first(&mut self, wanted: impl Fn(&ColumnInfo) -> bool) -> &mut Self {
        let situation = self.situation;
        self.these_columns(situation.columns(), &wanted);
        self.then().these_columns(situation.columns(), |column| !wanted(column))
    }

    pub(super) fn these_columns(&mut self, columns: &[ColumnInfo], wanted: impl Fn(&ColumnInfo) -> bool) -> &mut Self {
        // Columns of the planner have names that no query can write.
        for column in columns.iter().filter(|column| !column.name.contains('\0') && wanted(column)) {
            let detail = (!column.unknown).then(|| column.kql_type.to_string());
            self.push(column.name.clone(), written(&column.name), Kind::Column, detail, None);
        }
        self
    }

    /// `let` scalars.
    pub(super) fn variables(&mut self) -> &mut Self {
        let situation = self.situation;
        for (name, known) in situation.scope.all_known() {
            if let Known::Scalar(kql_type) = known {
                self.push(name.to_string(), written(name), Kind::Variable, Some(kql_type.to_string()), None);
            }
        }
        self
    }

    /// Tables of the catalog and of `let`, and functions that give tables.
    pub(super) fn tables(&mut self) -> &mut Self {
        let situation = self.situation;
        for (name, known) in situation.scope.all_known() {
            match known {
                Known::Table(columns) => {
                    self.push(name.to_string(), written(name), Kind::Table, Some(listed(columns)), None);
                }
                Known::Function(parameters) => self.let_function(name, parameters),
                Known::Scalar(_) => {}
            }
        }
        self.table_names();
        for name in self.catalog.table_function_names() {
            let parameters = self.catalog.table_function(&name).map_or_else(String::new, |function| {
                let one = |column: &crate::Column| format!("{}: {}", column.name, column.kql_type);
                function.parameters.iter().map(one).collect::<Vec<_>>().join(", ")
            });
            let insert = self.called(&name, parameters.is_empty());
            self.push(name.clone(), insert, Kind::Function, Some(format!("{name}({parameters})")), None);
        }
        self
    }

    /// Tables of the catalog alone.
    pub(super) fn table_names(&mut self) -> &mut Self {
        for name in self.catalog.table_names() {
            let insert = written(&name);
            self.push(name, insert, Kind::Table, None, None);
        }
        self
    }

    pub(super) fn sources(&mut self) -> &mut Self {
        for name in descriptions::source_names() {
            self.described_by(name, name, Kind::Operator, descriptions::source(name));
        }
        self
    }

    /// Operators behind a pipe; `prefix` is the pipe where it is missing.
    pub(super) fn operators(&mut self, prefix: &str) -> &mut Self {
        /// What most queries are made of.
        const FREQUENT: &[&str] = &[
            "where",
            "summarize",
            "extend",
            "project",
            "join",
            "sort",
            "mv-expand",
            "union",
            "distinct",
            "top",
            "parse",
            "count",
            "take",
            "project-away",
            "project-rename",
            "project-reorder",
            "render",
            "lookup",
            "evaluate",
            "make-series",
            "mv-apply",
        ];
        // Older spellings have no description and are not offered.
        let described = |name: &&str| descriptions::operator(name).is_some();
        let rest = parser::known_operators().filter(|name| !FREQUENT.contains(name)).filter(described);
        for (at, name) in FREQUENT.iter().copied().chain(rest).enumerate() {
            if at == FREQUENT.len() {
                self.then();
            }
            self.described_by(
                &format!("{prefix}{name}"),
                &format!("{prefix}{name}"),
                Kind::Operator,
                descriptions::operator(name),
            );
        }
        self
    }

    pub(super) fn infix(&mut self, kql_type: Option<KqlType>) -> &mut Self {
        for (name, text) in descriptions::infix(kql_type) {
            self.push(name.to_string(), name.to_string(), Kind::Infix, None, Some(text));
        }
        self
    }

    pub(super) fn types(&mut self) -> &mut Self {
        self.words(&TYPES.map(KqlType::name), Kind::Type)
    }

    /// Scalar functions, those with a description first.
    pub(super) fn functions(&mut self) -> &mut Self {
        let situation = self.situation;
        for (name, known) in situation.scope.all_known() {
            if let Known::Function(parameters) = known {
                self.let_function(name, parameters);
            }
        }
        let mut names: Vec<&str> =
            functions::names().chain(plan::special_functions()).chain(signatures::function_names()).collect();
        names.sort_unstable();
        names.dedup();
        let (described, others): (Vec<_>, Vec<_>) = names
            .into_iter()
            .filter_map(|name| Some((name, descriptions::function(name)?)))
            .partition(|(_, description)| description.text.is_some());
        self.calls(described, Kind::Function);
        self.then().calls(others, Kind::Function);
        self
    }

    pub(super) fn aggregates(&mut self) -> &mut Self {
        let (described, others): (Vec<_>, Vec<_>) = signatures::aggregate_names()
            .filter_map(|name| Some((name, descriptions::aggregate(name)?)))
            .partition(|(_, description)| description.text.is_some());
        self.calls(described, Kind::Aggregate);
        let priority = self.priority;
        self.priority = priority.saturating_add(3);
        self.calls(others, Kind::Aggregate);
        self.priority = priority;
        self
    }

    pub(super) fn plugins(&mut self) -> &mut Self {
        let executed: Vec<&str> = plan::executed_plugins().collect();
        self.calls(
            executed.into_iter().filter_map(|name| Some((name, descriptions::plugin(name)?))).collect(),
            Kind::Plugin,
        );
        let refused: Vec<&str> = plan::refused_plugins().collect();
        self.then().calls(
            refused.into_iter().filter_map(|name| Some((name, descriptions::plugin(name)?))).collect(),
            Kind::Plugin,
        );
        self
    }

    fn calls(&mut self, described: Vec<(&str, Description)>, kind: Kind) {
        for (name, description) in described {
            let takes_nothing = description.signature.starts_with(&format!("{name}()"));
            let insert = self.called(name, takes_nothing);
            self.push(name.to_string(), insert, kind, Some(description.signature), description.text);
        }
    }

    fn let_function(&mut self, name: &str, parameters: &[Parameter]) {
        let insert = self.called(name, parameters.is_empty());
        self.push(name.to_string(), insert, Kind::Function, Some(signature(name, parameters)), None);
    }

    fn described_by(&mut self, label: &str, insert: &str, kind: Kind, description: Option<Description>) {
        let (detail, text) = description.map_or((None, None), |found| (Some(found.signature), found.text));
        self.push(label.to_string(), insert.to_string(), kind, detail, text);
    }

    /// A name with the bracket of its call, unless that is there.
    fn called(&self, name: &str, takes_nothing: bool) -> String {
        match (self.has_bracket, takes_nothing) {
            (true, _) => name.to_string(),
            (false, true) => format!("{name}()"),
            (false, false) => format!("{name}("),
        }
    }
}

/// A name as a query writes it: `['two words']`.
pub(super) fn written(name: &str) -> String {
    let is_plain = name.chars().all(super::cursor::is_word)
        && name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    if is_plain { name.to_string() } else { format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'")) }
}

/// `name(a: long, T: (*))`
pub(crate) fn signature(name: &str, parameters: &[Parameter]) -> String {
    let one = |parameter: &Parameter| match parameter.scalar_type {
        Some(kql_type) if parameter.default.is_some() => format!("[{}: {kql_type}]", parameter.name.text),
        Some(kql_type) => format!("{}: {kql_type}", parameter.name.text),
        None => format!("{}: (*)", parameter.name.text),
    };
    format!("{name}({})", parameters.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The first few columns of a table, on one line.
fn listed(columns: &[ColumnInfo]) -> String {
    const SHOWN: usize = 6;
    let names = columns.iter().filter(|column| !column.name.contains('\0')).map(|column| column.name.as_str());
    let mut names: Vec<&str> = names.collect();
    let has_more = names.len() > SHOWN;
    names.truncate(SHOWN);
    format!("{}{}", names.join(", "), if has_more { ", ..." } else { "" })
}
