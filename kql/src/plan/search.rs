//! `search` and `find`: rows that hold a term in any column, or fit a condition.

use polars::prelude::*;

use super::{
    Binder, Bound, ColumnInfo, Either, Table, Typed, lets::Scope, names::Names, not_executed, scalar::disjunction,
    union::text_of,
};
use crate::{
    ast::{Expr as Ast, ExprKind, Find, KqlType, Name, Search, TextMatch, TextOp, Union},
    diagnostics::{Diagnostic, Span, codes},
    functions::{
        conversion, string,
        text_match::{self, TextTest},
    },
    rows::named,
};

/// Column that tells which table a row of `search` came from.
const TABLE: &str = "$table";

impl Binder<'_> {
    pub(super) fn search(&self, input: Option<Table>, search: &Search, span: &Span, scope: &Scope) -> Bound<Table> {
        let kind = text_of(&search.parameters, &["kind"]);
        let case_sensitive = match kind.as_deref() {
            None | Some("default" | "case_insensitive") => false,
            Some("case_sensitive") => true,
            Some(other) => {
                let message = format!("`search` has the kinds case_sensitive and case_insensitive, not `{other}`");
                return Err(Diagnostic::new(codes::VALUE, span.clone(), message));
            }
        };
        let table = match input {
            Some(input) if search.tables.is_empty() => self.with_origin(input),
            Some(_) => {
                let message = "`search in (...)` begins a query and cannot stand behind a `|`";
                return Err(Diagnostic::new(codes::SYNTAX, span.clone(), message));
            }
            None => self.all_of(&search.tables, TABLE, span, scope)?,
        };
        let mut rows = scope.with_rows(&table.columns);
        rows.case_sensitive_terms = case_sensitive;
        let condition = self.condition(&search.predicate, &rows)?;
        let columns = table.columns.clone();
        Ok(table.with(table.frame.clone().filter(condition.expression), columns))
    }

    /// The table with a first column that names it.
    fn with_origin(&self, table: Table) -> Table {
        if table.column(TABLE).is_some() {
            return table;
        }
        let name = table.name.clone().unwrap_or_default();
        let mut columns = vec![ColumnInfo::new(TABLE, KqlType::String)];
        columns.extend(table.columns.iter().cloned());
        let kept: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
        table.with(table.frame.clone().with_columns([lit(name).alias(TABLE)]).select(kept), columns)
    }

    /// The union of the tables, or of every table there is, with their names in `origin`.
    fn all_of(&self, tables: &[Ast], origin: &str, span: &Span, scope: &Scope) -> Bound<Table> {
        let every = [Ast { kind: ExprKind::Wildcard("*".to_string()), span: span.clone() }];
        let tables = if tables.is_empty() { every.to_vec() } else { tables.to_vec() };
        let with_source = crate::ast::OperatorParameter {
            name: Name { text: "withsource".to_string(), span: span.clone() },
            value: Ast { kind: ExprKind::Name(origin.to_string()), span: span.clone() },
        };
        self.union(None, &Union { parameters: vec![with_source], tables }, span, scope)
    }

    /// A term in one column, or in any.
    pub(super) fn term(&self, column: Option<&Name>, value: &Ast, span: &Span, scope: &Scope) -> Bound<Typed> {
        let constant = self.constant(value, scope)?;
        let kql_type = self.scalar(value, &scope.without_rows())?.kql_type;
        let text = conversion::text_of(&constant, kql_type).to_string();
        let predicate = predicate_of(&text, scope.case_sensitive_terms);
        let matching = |value: Typed| value.converted(KqlType::String).tested(predicate.clone());
        match column {
            Some(name) => {
                let column = Ast { kind: ExprKind::Name(name.text.clone()), span: name.span.clone() };
                match self.either(&column, scope)? {
                    Either::Scalar(value) => Ok(matching(value)),
                    Either::Table(_) => Err(self.unknown_column(&name.text, &name.span, scope)),
                }
            }
            None => {
                let hits: Vec<Typed> = scope
                    .columns()
                    .iter()
                    .filter(|column| column.name != TABLE && !column.name.starts_with('\0'))
                    .map(|column| matching(Typed::column(column)))
                    .collect();
                if hits.is_empty() {
                    return Err(Diagnostic::new(codes::TYPE, span.clone(), "there is no column to search"));
                }
                Ok(disjunction(hits))
            }
        }
    }

    pub(super) fn find(&self, find: &Find, span: &Span, scope: &Scope) -> Bound<Table> {
        let origin = text_of(&find.parameters, &["withsource"]).unwrap_or_else(|| "source_".to_string());
        let mut legs = Vec::new();
        if find.tables.is_empty() {
            let wildcard = Ast { kind: ExprKind::Wildcard("*".to_string()), span: span.clone() };
            legs.push(wildcard);
        } else {
            legs.extend(find.tables.iter().cloned());
        }
        let mut tables = Vec::new();
        for leg in &legs {
            match &leg.kind {
                ExprKind::Wildcard(pattern) => self.wildcard_tables(pattern, &leg.span, &mut tables)?,
                _ => tables.push(self.table(leg, &scope.without_rows())?),
            }
        }
        let mut mentioned = Vec::new();
        names_in(&find.predicate, &mut mentioned);
        let wanted: Vec<ColumnInfo> =
            mentioned.iter().filter_map(|name| tables.iter().find_map(|table| table.column(name)).cloned()).collect();
        let mut problem = None;
        let mut found = Vec::new();
        for table in tables {
            // A table with none of the columns is not meant; one with some has nulls in the others.
            if !wanted.is_empty() && !wanted.iter().any(|column| table.column(&column.name).is_some()) {
                continue;
            }
            let padded = padded(&table, &wanted);
            match self.condition(&find.predicate, &scope.with_rows(&padded.columns)) {
                Ok(condition) => {
                    let frame = padded.frame.filter(condition.expression);
                    let name = table.name.clone();
                    found.push(Table { name, ..table.with(frame, table.columns.clone()) }.canonical());
                }
                Err(diagnostic) if diagnostic.code == codes::UNKNOWN_COLUMN => problem = Some(diagnostic),
                Err(diagnostic) => return Err(diagnostic),
            }
        }
        if found.is_empty() {
            return Err(
                problem.unwrap_or_else(|| Diagnostic::new(codes::UNKNOWN_TABLE, span.clone(), "`find` has no table"))
            );
        }
        if find.packed && !find.columns.is_empty() && !self.checking {
            return Err(not_executed(span.clone(), "`pack_all()` beside other columns of `find`")
                .with_hint("project pack_all() alone, or name the columns"));
        }
        let asked_for = find.columns.iter().map(|(name, _)| name.text.clone()).collect();
        let visible = match (find.columns.is_empty(), find.packed) {
            (true, false) => smart_columns(&found, &find.predicate),
            (_, _) => asked_for,
        };
        let packs = find.columns.is_empty();
        let legs = found.into_iter().map(|table| shown(table, &visible, packs)).collect();
        let united = self.stacked(legs, false, Some(&origin), span)?;
        if packs { Ok(packed_last(united)) } else { self.found_columns(united, find, &origin) }
    }

    /// The columns that `find ... project` asks for.
    fn found_columns(&self, table: Table, find: &Find, origin: &str) -> Bound<Table> {
        let mut names = Names::default();
        names.claim(origin);
        let mut columns = vec![ColumnInfo::new(origin, KqlType::String)];
        let mut expressions: Vec<Expr> = vec![named(origin)];
        for (name, wanted) in &find.columns {
            // A name with several types has become several columns, one of which the type chooses.
            let chosen = wanted.map(|kql_type| format!("{}_{}", name.text, kql_type.name()));
            let column = table.column(&name.text).or_else(|| table.column(chosen.as_deref()?));
            let Some(column) = column else {
                return Err(Diagnostic::new(
                    codes::UNKNOWN_COLUMN,
                    name.span.clone(),
                    format!("no table of `find` has the column `{}`", name.text),
                ));
            };
            let value = Typed::column(column);
            let value = value.converted(wanted.unwrap_or(column.kql_type));
            expressions.push(value.expression.alias(name.text.as_str()));
            columns.push(ColumnInfo::new(&name.text, value.kql_type));
        }
        if find.packed {
            columns.push(ColumnInfo::new(PACK, KqlType::Dynamic));
        }
        Ok(table.with(table.frame.clone().select(expressions), columns))
    }
}

/// What `find` calls the bag of the columns that it does not show.
const PACK: &str = "pack_";

/// The columns of `find` without `project`: what all tables have, then what the condition names.
fn smart_columns(tables: &[Table], predicate: &Ast) -> Vec<String> {
    let everywhere = |name: &&String| tables.iter().all(|table| table.column(name).is_some());
    let mut visible: Vec<String> =
        tables[0].columns.iter().map(|column| &column.name).filter(everywhere).cloned().collect();
    let mut mentioned = Vec::new();
    names_in(predicate, &mut mentioned);
    for name in mentioned {
        if !visible.contains(&name) && tables.iter().any(|table| table.column(&name).is_some()) {
            visible.push(name);
        }
    }
    visible
}

/// The table with nulls in the columns that it does not have.
fn padded(table: &Table, wanted: &[ColumnInfo]) -> Table {
    let missing: Vec<&ColumnInfo> = wanted.iter().filter(|column| table.column(&column.name).is_none()).collect();
    let nulls: Vec<Expr> = missing
        .iter()
        .map(|column| {
            let null = crate::value::null_of(column.kql_type);
            crate::rows::literal(&null, column.kql_type).alias(column.name.as_str())
        })
        .collect();
    let mut columns = table.columns.clone();
    columns.extend(missing.into_iter().map(|column| ColumnInfo::new(&column.name, column.kql_type)));
    table.with(table.frame.clone().with_columns(nulls), columns)
}

fn names_in(expression: &Ast, names: &mut Vec<String>) {
    match &expression.kind {
        ExprKind::Name(name) => names.push(name.clone()),
        ExprKind::Term { column: Some(column), .. } => names.push(column.text.clone()),
        _ => {}
    }
    expression.children().into_iter().for_each(|child| names_in(child, names));
}

/// A table of `find` with the columns to show, and the others in a bag if they are wanted.
fn shown(table: Table, visible: &[String], packs: bool) -> Table {
    let (mut columns, rest): (Vec<ColumnInfo>, Vec<ColumnInfo>) =
        table.columns.iter().cloned().partition(|column| visible.contains(&column.name));
    // In the order in which they are to be shown.
    columns.sort_by_key(|column| visible.iter().position(|name| *name == column.name));
    let mut expressions: Vec<Expr> = columns.iter().map(|column| named(&column.name)).collect();
    if packs && !rest.is_empty() {
        let rest = rest.iter().map(|column| (column.name.clone(), Typed::column(column))).collect();
        expressions.push(super::special::packed(rest, false).expression.alias(PACK));
        columns.push(ColumnInfo::new(PACK, KqlType::Dynamic));
    }
    let name = table.name.clone();
    Table { name, ..table.with(table.frame.clone().select(expressions), columns) }
}

/// The bag stands behind all columns.
fn packed_last(mut table: Table) -> Table {
    if let Some(at) = table.columns.iter().position(|column| column.name == PACK) {
        let pack = table.columns.remove(at);
        table.columns.push(pack);
        let kept: Vec<Expr> = table.columns.iter().map(|column| named(&column.name)).collect();
        table.frame = table.frame.select(kept);
    }
    table
}

/// `"term"` is a whole term; stars at its ends make it a prefix, suffix or part of one.
fn predicate_of(text: &str, case_sensitive: bool) -> TextTest {
    let (head, tail) = (text.starts_with('*'), text.len() > 1 && text.ends_with('*'));
    let inner = text.trim_matches('*').to_string();
    if inner.is_empty() {
        return std::sync::Arc::new(|_| true);
    }
    if inner.contains('*') {
        let parts: Vec<String> = text.split('*').map(regex::escape).collect();
        let flag = if case_sensitive { "(?s)" } else { "(?si)" };
        let pattern = format!("{flag}{}", parts.join(".*"));
        return match string::compile(&pattern) {
            Ok(regex) => std::sync::Arc::new(move |cell| regex.is_match(cell)),
            Err(_) => std::sync::Arc::new(|_| false),
        };
    }
    let how = match (head, tail) {
        (false, false) => TextMatch::Has,
        (false, true) => TextMatch::HasPrefix,
        (true, false) => TextMatch::HasSuffix,
        (true, true) => TextMatch::Contains,
    };
    let op = TextOp { how, negated: false, case_sensitive };
    text_match::test(op, &inner)
}
