//! Which candidates there are at the cursor.

use std::ops::Range;

use super::{
    CompletionKind as Kind,
    candidates::{Candidate, Candidates},
    cursor::{Cursor, Inside, is_word},
    expressions::{Wanted, operand_start, wanted},
    regions::{self, operator_name},
    situation::Situation,
};
use crate::{Catalog, ast::KqlType, descriptions};

type Offers = (Range<usize>, String, Vec<Candidate>);

/// The bytes to replace, what of them is typed, and the candidates.
pub(super) fn at(cursor: &Cursor<'_>, situation: &Situation<'_>, catalog: &dyn Catalog) -> Offers {
    let has_bracket = cursor.text[cursor.replaced.end..].starts_with('(');
    let mut offers = Candidates::new(situation, catalog, has_bracket);
    let mut replaced = cursor.replaced.clone();
    let mut typed = cursor.typed().to_string();
    match cursor.inside {
        Inside::Comment => {}
        Inside::Text(start) => {
            let last = cursor.end().saturating_sub(1);
            let names_table =
                last >= 2 && cursor.symbol(last - 1) == Some("(") && cursor.name(last - 2) == Some("table");
            if names_table && start <= cursor.word.start {
                offers.table_names();
                typed = cursor.text[start..cursor.word.start].to_string();
                let rest = &cursor.text[cursor.word.end..];
                replaced = start..cursor.word.end + rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                for candidate in &mut offers.found {
                    candidate.completion.insert.clone_from(&candidate.completion.label);
                }
            }
        }
        // `a.b` and numbers are nobody's to guess.
        Inside::Code if cursor.end() > 0 && cursor.word.is_empty() && cursor.touches_literal() => {}
        Inside::Code => {
            let place = Place { cursor, situation };
            if let Some(start) = place.operator_being_typed() {
                typed = cursor.text[start..cursor.word.end].to_string();
                replaced.start = start;
                offers.operators("");
            } else {
                place.offer(&mut offers);
            }
        }
    }
    (replaced, typed, offers.found)
}

struct Place<'p> {
    cursor: &'p Cursor<'p>,
    situation: &'p Situation<'p>,
}

impl Place<'_> {
    fn segment(&self) -> Range<usize> {
        self.situation.region.segment()
    }

    /// Whether the cursor is behind a pipe, or where an operator may stand without one.
    fn is_operator(&self) -> bool {
        let region = &self.situation.region;
        region.pipe.is_some() || matches!(region.kind, regions::Kind::Body(_))
    }

    /// Where the name of the operator begins that the cursor is still in: `project-aw`.
    fn operator_being_typed(&self) -> Option<usize> {
        let segment = self.segment();
        if !self.is_operator() {
            return None;
        }
        if segment.is_empty() {
            return Some(self.cursor.word.start);
        }
        let is_name = |at: usize| self.cursor.name(at).is_some() || self.cursor.symbol(at) == Some("-");
        let is_whole = segment.clone().all(|at| is_name(at) && (at == segment.start || self.cursor.touches(at)))
            && self.cursor.touches(segment.end)
            && self.cursor.symbol(segment.end - 1) == Some("-");
        is_whole.then(|| self.cursor.tokens[segment.start].span.start)
    }

    fn last(&self) -> Option<usize> {
        let segment = self.segment();
        segment.end.checked_sub(1).filter(|last| *last >= segment.start)
    }

    fn has_word(&self, wanted: &str) -> bool {
        self.word_at(wanted).is_some()
    }

    /// Where a word stands in the operator, outside brackets.
    fn word_at(&self, wanted: &str) -> Option<usize> {
        self.cursor.outside_brackets(self.segment()).find(|at| self.cursor.name(*at) == Some(wanted))
    }

    /// Brackets of the operator that are open at the cursor, innermost last.
    fn open_brackets(&self) -> Vec<usize> {
        let start = self.segment().start;
        self.cursor.open_brackets().into_iter().filter(|open| *open >= start).collect()
    }

    fn word_before(&self, at: usize) -> &str {
        at.checked_sub(1).and_then(|before| self.cursor.name(before)).unwrap_or("")
    }

    fn offer(&self, offers: &mut Candidates<'_>) {
        let cursor = self.cursor;
        let (name, name_end) = operator_name(cursor, self.segment());
        let brackets = self.open_brackets();
        let innermost = brackets.last().map_or("", |open| self.word_before(*open));
        let is_in = |words: &[&str]| brackets.iter().any(|open| words.contains(&self.word_before(*open)));
        match self.last().and_then(|last| cursor.symbol(last)) {
            Some(".") => return self.member(offers),
            Some(":") if !is_in(&["dynamic"]) => {
                offers.types();
                return;
            }
            _ => {}
        }
        if is_in(&["dynamic"]) {
            return;
        }
        match innermost {
            "typeof" => {
                offers.types();
            }
            "datatable" | "externaldata" => {}
            "with" if name == "render" => {
                offers.words(
                    &[
                        "title=",
                        "xcolumn=",
                        "ycolumns=",
                        "series=",
                        "kind=",
                        "xtitle=",
                        "ytitle=",
                        "legend=",
                        "ymin=",
                        "ymax=",
                    ],
                    Kind::Parameter,
                );
            }
            "in" if matches!(name.as_str(), "search" | "find") => {
                offers.tables();
            }
            _ if self.is_operator() => self.operator(&name, name_end, !brackets.is_empty(), offers),
            _ => self.source(&name, name_end, !brackets.is_empty(), offers),
        }
    }

    /// Behind a dot: a side of a join. Keys of a dynamic are nobody's to guess.
    fn member(&self, offers: &mut Candidates<'_>) {
        let side = self.last().map_or("", |last| self.word_before(last));
        match side {
            "$left" => {
                offers.columns();
            }
            "$right" => {
                offers.these_columns(&self.right_columns(), |_| true);
            }
            _ => {}
        }
    }

    /// The columns of a join's right side.
    fn right_columns(&self) -> Vec<crate::plan::ColumnInfo> {
        let (_, name_end) = operator_name(self.cursor, self.segment());
        let start = self.behind_parameters(name_end);
        match self.word_at("on") {
            Some(on) if start < on => self.situation.columns_of(self.cursor.slice(start..on)),
            _ => Vec::new(),
        }
    }

    /// Behind the `kind=inner hint.strategy=shuffle` that begin at `at`.
    fn behind_parameters(&self, mut at: usize) -> usize {
        let cursor = self.cursor;
        loop {
            let mut equals = at + 1;
            while cursor.name(at).is_some() && cursor.symbol(equals) == Some(".") && cursor.name(equals + 1).is_some() {
                equals += 2;
            }
            if cursor.name(at).is_none() || cursor.symbol(equals) != Some("=") || equals + 2 > cursor.end() {
                return at;
            }
            at = equals + 2;
        }
    }

    // ---- sources -----------------------------------------------------------------------------

    fn source(&self, name: &str, name_end: usize, is_in_brackets: bool, offers: &mut Candidates<'_>) {
        let region = &self.situation.region;
        let begins_statement = region.pipeline == region.statement;
        match name {
            "let" | "set" | "declare" if begins_statement => {}
            "print" => self.expression(name_end, &[], offers),
            "union" if !is_in_brackets => self.union(name_end, offers),
            "range" if !is_in_brackets => match wanted(self.cursor, name_end..self.segment().end, self.situation) {
                Wanted::Operand if self.last() >= Some(name_end) => self.values(offers),
                Wanted::Operand => {}
                Wanted::Operator(..) => {
                    offers.words(&["from", "to", "step"], Kind::Keyword);
                }
            },
            "search" | "find" if !is_in_brackets => {
                offers.words(&["in", "where", "kind=", "withsource="], Kind::Keyword);
            }
            "" if self.segment().is_empty() => {
                if !begins_statement {
                    offers.tables().variables().then().sources().then().functions();
                    return;
                }
                offers.tables().then().sources();
                let is_body = matches!(region.kind, regions::Kind::Lambda(_));
                if self.situation.is_outermost || is_body {
                    offers.words(&["let"], Kind::Keyword);
                }
                if self.situation.is_outermost {
                    offers.words(&["set", "declare query_parameters"], Kind::Keyword);
                }
                if is_body {
                    offers.then().variables().functions();
                }
            }
            _ => self.behind_source(is_in_brackets, offers),
        }
    }

    fn behind_source(&self, is_in_brackets: bool, offers: &mut Candidates<'_>) {
        match wanted(self.cursor, self.segment(), self.situation) {
            Wanted::Operand => {
                self.values(offers);
                offers.then().tables();
            }
            Wanted::Operator(kql_type, is_compared) => {
                let is_table =
                    !is_in_brackets && !self.situation.columns_of(self.cursor.slice(self.segment())).is_empty();
                if is_table {
                    offers.operators("| ");
                } else if is_compared {
                    offers.words(&["and", "or"], Kind::Keyword);
                } else {
                    offers.infix(kql_type).words(&["and", "or"], Kind::Keyword);
                }
            }
        }
    }

    fn union(&self, name_end: usize, offers: &mut Candidates<'_>) {
        let last = self.last();
        let is_value = last.is_some_and(|last| self.cursor.symbol(last) == Some("="));
        match last.map(|last| self.word_before(last)) {
            Some("kind") if is_value => {
                offers.words(&["outer", "inner"], Kind::Value);
            }
            Some("isfuzzy") if is_value => {
                offers.words(&["true", "false"], Kind::Value);
            }
            Some(_) if is_value => {}
            _ if last.is_some_and(|last| last >= name_end && self.cursor.symbol(last) == Some(",")) => {
                offers.tables();
            }
            _ if self.behind_parameters(name_end) == self.segment().end => {
                offers.tables().then().words(&["isfuzzy=", "withsource=", "kind="], Kind::Parameter);
            }
            _ => {
                offers.operators("| ");
            }
        }
    }

    // ---- operators ---------------------------------------------------------------------------

    fn operator(&self, name: &str, name_end: usize, is_in_brackets: bool, offers: &mut Candidates<'_>) {
        let is_at_start = self.segment().end <= name_end;
        match name {
            "summarize" if !self.has_word("by") => self.aggregated(name_end, &["by"], offers),
            "make-series" if !self.has_word("on") => self.aggregated(name_end, &["on", "default="], offers),
            "make-series" => self.keyed(name_end, &["from", "to", "step", "by"], offers),
            "summarize" => self.keyed(name_end, &[], offers),
            "sort" | "order" if is_at_start => {
                offers.words(&["by"], Kind::Keyword);
            }
            "sort" | "order" => self.expression(name_end, &["asc", "desc", "nulls first", "nulls last"], offers),
            "top" if self.has_word("by") => {
                self.expression(name_end, &["asc", "desc", "nulls first", "nulls last"], offers);
            }
            "top" => self.limited(is_at_start, "by", offers),
            "take" | "limit" | "sample" => self.limited(is_at_start, "", offers),
            "sample-distinct" | "top-hitters" | "top-nested" if !self.has_word("of") => {
                self.limited(is_at_start, "of", offers);
            }
            "top-nested" => self.aggregated(name_end, &["by", "asc", "desc"], offers),
            "top-hitters" => self.expression(name_end, &["by"], offers),
            "project-away" | "project-keep" | "project-reorder" if !is_in_brackets => {
                if matches!(self.last().and_then(|last| self.cursor.symbol(last)), Some(",")) || is_at_start {
                    offers.columns();
                } else if name == "project-reorder" {
                    offers.words(&["asc", "desc"], Kind::Keyword);
                }
            }
            "join" | "lookup" if !is_in_brackets || self.has_word("on") => self.join(name, name_end, offers),
            "union" if !is_in_brackets => self.union(name_end, offers),
            "render" if is_at_start => {
                offers.described(descriptions::render_kinds(), Kind::Value);
            }
            "render" => {
                offers.words(&["with"], Kind::Keyword);
            }
            "evaluate" if is_at_start => {
                offers.plugins();
            }
            "mv-expand" | "mvexpand" | "mv-apply" | "mvapply" => {
                let clauses: &[&str] = if name.contains("apply") { &["to", "on", "limit"] } else { &["to", "limit"] };
                if self.last().is_some_and(|last| self.cursor.name(last) == Some("to")) {
                    offers.words(&["typeof("], Kind::Keyword);
                } else if is_at_start {
                    offers.columns_first(|column| column.kql_type == KqlType::Dynamic).then().functions();
                } else {
                    self.expression(name_end, clauses, offers);
                }
            }
            "parse" | "parse-where" if self.has_word("with") => {}
            "parse" | "parse-where" => self.expression(name_end, &["with", "kind="], offers),
            "parse-kv" => self.expression(name_end, &["as", "with"], offers),
            "partition" if self.has_word("by") => {
                offers.columns();
            }
            "partition" => {
                offers.words(&["by"], Kind::Keyword);
            }
            "invoke" if is_at_start => {
                offers.tables();
                offers.found.retain(|candidate| candidate.completion.kind == Kind::Function);
            }
            "scan" => {
                self.expression(name_end, &["order by", "partition by", "declare", "with", "step", "output="], offers)
            }
            "as" | "count" | "consume" | "getschema" | "assert-schema" => {}
            _ => self.expression(name_end, &[], offers),
        }
    }

    /// A number of rows, then perhaps a word.
    fn limited(&self, is_at_start: bool, word: &str, offers: &mut Candidates<'_>) {
        if is_at_start {
            offers.variables();
        } else if !word.is_empty() {
            offers.words(&[word], Kind::Keyword);
        }
    }

    /// Columns, scalars and functions where an operand is wanted; operators and clauses behind one.
    fn expression(&self, from: usize, clauses: &[&str], offers: &mut Candidates<'_>) {
        match wanted(self.cursor, from..self.segment().end, self.situation) {
            Wanted::Operand => {
                self.values(offers);
                let brackets = self.open_brackets();
                let lists = ["in", "in~", "!in", "!in~", "has_any", "has_all"];
                if brackets.last().is_some_and(|open| lists.contains(&self.word_before(*open))) {
                    offers.then().tables();
                }
            }
            Wanted::Operator(kql_type, is_compared) => self.continued(kql_type, is_compared, clauses, offers),
        }
    }

    fn continued(&self, kql_type: Option<KqlType>, is_compared: bool, clauses: &[&str], offers: &mut Candidates<'_>) {
        // Inside brackets the clauses of the operator cannot follow.
        let clauses = if self.open_brackets().is_empty() { clauses } else { &[] };
        offers.words(clauses, Kind::Keyword);
        if is_compared || kql_type == Some(KqlType::Bool) {
            offers.words(&["and", "or"], Kind::Keyword).then();
        }
        if !is_compared {
            offers.infix(kql_type).then().words(&["and", "or"], Kind::Keyword);
        }
    }

    fn values(&self, offers: &mut Candidates<'_>) {
        offers.columns().variables().then().functions();
    }

    /// Where aggregates stand.
    fn aggregated(&self, from: usize, clauses: &[&str], offers: &mut Candidates<'_>) {
        match wanted(self.cursor, from..self.segment().end, self.situation) {
            Wanted::Operand if self.open_brackets().is_empty() => {
                offers.aggregates().then().columns().variables().then().functions();
            }
            Wanted::Operand => {
                offers.columns().variables().then().functions().then().aggregates();
            }
            Wanted::Operator(kql_type, is_compared) => self.continued(kql_type, is_compared, clauses, offers),
        }
    }

    /// Keys of a group, or the axis of a series.
    fn keyed(&self, from: usize, clauses: &[&str], offers: &mut Candidates<'_>) {
        self.expression(from, clauses, offers);
        // Times are grouped by `bin` in almost every query.
        for candidate in &mut offers.found {
            if candidate.completion.kind == Kind::Function && candidate.completion.label == "bin" {
                candidate.priority = 0;
            }
        }
    }

    fn join(&self, name: &str, name_end: usize, offers: &mut Candidates<'_>) {
        let cursor = self.cursor;
        let last = self.last();
        if let Some(on) = self.word_at("on") {
            let is_condition = matches!(wanted(cursor, on + 1..self.segment().end, self.situation), Wanted::Operand);
            if is_condition {
                let right = self.right_columns();
                let is_common = |column: &crate::plan::ColumnInfo| right.iter().any(|other| other.name == column.name);
                let left = self.situation.columns();
                offers.these_columns(left, is_common);
                offers.words(&["$left", "$right"], Kind::Keyword);
            } else {
                let start = last.map_or(on, |last| operand_start(cursor, last, on + 1));
                let is_side = cursor.name(start).is_some_and(|word| word.starts_with('$'));
                offers.words(if is_side { &["==", "and"] } else { &["and"] }, Kind::Keyword);
            }
            return;
        }
        let is_value = last.is_some_and(|last| cursor.symbol(last) == Some("="));
        if is_value {
            match last.map_or("", |last| self.word_before(last)) {
                "kind" if name == "lookup" => {
                    let kinds = descriptions::join_kinds().iter();
                    let kinds: Vec<_> =
                        kinds.filter(|(kind, _)| matches!(*kind, "leftouter" | "inner")).copied().collect();
                    offers.described(&kinds, Kind::Value);
                }
                "kind" => {
                    offers.described(descriptions::join_kinds(), Kind::Value);
                }
                "strategy" => {
                    offers.words(&["broadcast", "shuffle"], Kind::Value);
                }
                "remote" => {
                    offers.words(&["auto", "left", "local", "right"], Kind::Value);
                }
                _ => {}
            }
        } else if self.behind_parameters(name_end) == self.segment().end {
            offers.words(&["kind="], Kind::Parameter).tables().then();
            offers.words(&["hint.strategy=", "hint.remote=", "hint.shufflekey="], Kind::Parameter);
        } else {
            offers.words(&["on"], Kind::Keyword);
        }
    }
}
