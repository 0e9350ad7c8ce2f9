//! Where lines may break: statements, pipelines, operators, lists.
//!
//! The layout works on tokens and never changes, adds or drops one, so that comments and literals
//! stay as they are written. What the parser skips (`graph-match` and its kin) is left alone.

use std::ops::Range;

use super::{
    doc::Doc,
    source::{Comment, Piece},
    spacing::{self, Spacing},
};
use crate::parser;

type Pieces = Range<usize>;

/// How brackets and signs around here are meant.
#[derive(Clone, Copy, Default)]
pub(super) struct Around {
    /// Inside `dynamic(...)`
    pub(super) json: bool,
    /// `*` is part of a name, as in `project-away Source*`
    pub(super) patterns: bool,
    /// `name=value` is a property, not an assignment
    pub(super) properties: bool,
}

pub(super) struct Layout<'p, 'q> {
    pub(super) pieces: &'p [Piece<'q>],
    /// Pieces that must touch the one before: `project-away`
    pub(super) joined: Vec<bool>,
}

impl<'p, 'q> Layout<'p, 'q> {
    pub(super) fn new(pieces: &'p [Piece<'q>]) -> Self {
        Self { joined: spacing::joined(pieces), pieces }
    }

    pub(super) fn query(&self, end: &[Comment<'q>]) -> Doc<'q> {
        let mut parts = self.statements(0..self.pieces.len());
        for comment in end {
            parts.push(if comment.after_blank { Doc::Blank } else { Doc::Hard });
            parts.push(Doc::Comment(comment.text));
        }
        Doc::Concat(parts)
    }

    pub(super) fn symbol(&self, at: usize) -> Option<&'static str> {
        self.pieces.get(at).and_then(Piece::symbol)
    }

    pub(super) fn word(&self, at: usize) -> Option<&str> {
        self.pieces.get(at).and_then(Piece::word)
    }

    /// Behind the token, or behind the bracket that it opens.
    fn next(&self, at: usize, end: usize) -> usize {
        match self.pieces[at].symbol() {
            // A bracket that nothing closes swallows the rest, as it does in the parser.
            Some("(" | "[" | "{") => self.pieces[at].close.map_or(end, |close| close + 1).min(end),
            _ => at + 1,
        }
    }

    /// The first place in the range, outside inner brackets, where `test` holds.
    fn find(&self, range: &Pieces, test: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = range.start;
        while at < range.end {
            if test(at) {
                return Some(at);
            }
            at = self.next(at, range.end);
        }
        None
    }

    /// The parts between separators, each with the separator that ends it.
    fn parts(&self, range: Pieces, separator: &str) -> Vec<(Pieces, Option<usize>)> {
        let mut parts = Vec::new();
        let mut start = range.start;
        while let Some(at) = self.find(&(start..range.end), |at| self.symbol(at) == Some(separator)) {
            parts.push((start..at, Some(at)));
            start = at + 1;
        }
        if start < range.end || parts.is_empty() {
            parts.push((start..range.end, None));
        }
        parts
    }

    // ---- tokens ------------------------------------------------------------------------------

    /// One token with its comments.
    fn token(&self, at: usize) -> Doc<'q> {
        let piece = &self.pieces[at];
        let starts_statement = at > 0 && self.symbol(at - 1) == Some(";");
        let mut parts = Vec::new();
        for comment in &piece.comments {
            if comment.after_blank && starts_statement {
                parts.push(Doc::Blank);
            }
            parts.push(Doc::Comment(comment.text));
        }
        if piece.after_blank && starts_statement {
            parts.push(Doc::Blank);
        }
        parts.push(Doc::Text(piece.text));
        parts.extend(piece.trailing.map(Doc::Trailing));
        if parts.len() == 1 { Doc::Text(piece.text) } else { Doc::Concat(parts) }
    }

    // ---- statements and pipelines ------------------------------------------------------------

    fn statements(&self, range: Pieces) -> Vec<Doc<'q>> {
        let mut docs = Vec::new();
        for (part, end) in self.parts(range, ";") {
            if !docs.is_empty() {
                docs.push(Doc::Hard);
            }
            docs.push(self.statement(part));
            docs.extend(end.map(|end| self.token(end)));
        }
        docs
    }

    fn statement(&self, range: Pieces) -> Doc<'q> {
        if range.is_empty() {
            return Doc::nothing();
        }
        let start = range.start;
        let second = self.word(start + 1).filter(|_| start + 1 < range.end);
        match self.word(start) {
            _ if self.symbol(start) == Some(".") => self.raw(range),
            Some("let") if second.is_some() || self.symbol(start + 1) == Some("[") => self.let_statement(range),
            Some("set" | "restrict" | "alias" | "pattern") if second.is_some() => self.raw(range),
            Some("declare") => match second {
                Some("query_parameters") => self.expression(range, Around::default()),
                Some("pattern") if self.symbol(start + 3) == Some("=") => self.expression(range, Around::default()),
                _ => self.raw(range),
            },
            _ => self.pipeline(range, Doc::Hard),
        }
    }

    fn let_statement(&self, range: Pieces) -> Doc<'q> {
        let Some(equals) = self.find(&range, |at| self.symbol(at) == Some("=")) else { return self.raw(range) };
        let head = self.expression(range.start..equals + 1, Around::default());
        Doc::Concat(vec![head, Doc::Space, Doc::indented_tail(self.pipeline_parts(equals + 1..range.end, &Doc::Hard))])
    }

    fn pipeline(&self, range: Pieces, line: Doc<'q>) -> Doc<'q> {
        Doc::Concat(self.pipeline_parts(range, &line))
    }

    /// The source, then a break and `| operator` for each operator.
    fn pipeline_parts(&self, range: Pieces, line: &Doc<'q>) -> Vec<Doc<'q>> {
        let mut docs = Vec::new();
        let mut pipe = None;
        for (part, end) in self.parts(range, "|") {
            if let Some(pipe) = pipe {
                if !docs.is_empty() {
                    docs.push(if matches!(line, Doc::Hard) { Doc::Hard } else { Doc::Line });
                }
                docs.extend([self.token(pipe), Doc::Space]);
            }
            if !part.is_empty() {
                docs.push(self.segment(part, pipe.is_some()));
            }
            pipe = end;
        }
        docs
    }

    /// Tokens with the blanks that the author left between them.
    fn raw(&self, range: Pieces) -> Doc<'q> {
        let mut docs = Vec::new();
        for at in range.clone() {
            if at > range.start && !self.pieces[at].touches {
                docs.push(Doc::Space);
            }
            docs.push(self.token(at));
        }
        Doc::Concat(docs)
    }

    // ---- operators ---------------------------------------------------------------------------

    /// One operator, or the source of a pipeline.
    fn segment(&self, range: Pieces, is_operator: bool) -> Doc<'q> {
        let start = range.start;
        let mut name_end = start + 1;
        while name_end < range.end && self.joined[name_end] {
            name_end += 1;
        }
        let name: String = self.pieces[start..name_end].iter().map(|piece| piece.text).collect();
        let is_source =
            matches!(name.as_str(), "print" | "union" | "search" | "find" | "range" | "evaluate" | "macro-expand")
                && name_end < range.end
                && !matches!(self.symbol(name_end), Some("." | ","));
        let begins_body = is_source || parser::known_operators().any(|known| known == name);
        if self.word(start).is_none() || !(is_operator || begins_body) {
            return Doc::group(self.expression(range, Around::default()));
        }
        let is_refused = parser::refused_operators().any(|refused| refused == name) && !(is_source && name == "find");
        let has_braces = self.find(&range, |at| self.symbol(at) == Some("{")).is_some();
        if is_refused || (!is_operator && matches!(name.as_str(), "evaluate" | "macro-expand")) || has_braces {
            return self.raw(range);
        }
        let around = Around {
            patterns: matches!(
                name.as_str(),
                "project-away" | "project-keep" | "project-reorder" | "union" | "search" | "find"
            ),
            ..Around::default()
        };
        let head_end = self.parameters_end(&name, name_end, range.end);
        let mut head = vec![self.expression(start..name_end, around)];
        if head_end > name_end {
            head.extend([Doc::Space, self.expression(name_end..head_end, Around { properties: true, ..around })]);
        }
        let rest = head_end..range.end;
        if rest.is_empty() {
            return Doc::Concat(head);
        }
        match name.as_str() {
            "where" | "filter" | "join" | "lookup" | "mv-apply" | "mvapply" | "scan" | "partition" | "evaluate"
            | "top" | "as" | "invoke" => {
                head.push(Doc::Space);
                head.push(Doc::group(self.expression(rest, around)));
                Doc::Concat(head)
            }
            "render" | "parse-kv" => {
                head.extend([Doc::Space, self.expression(rest, Around { properties: true, ..around })]);
                Doc::Concat(head)
            }
            "parse" | "parse-where" => self.parse_operator(head, rest),
            _ => self.list_operator(&name, head, rest, around),
        }
    }

    /// Behind the `kind=inner hint.strategy=shuffle` that begin at `at`.
    fn parameters_end(&self, operator: &str, mut at: usize, end: usize) -> usize {
        // Elsewhere `kind = x` names a column.
        let has_parameters = spacing::WITH_PARAMETERS.contains(&operator);
        loop {
            let mut name_end = at + 1;
            while self.symbol(name_end) == Some(".") && self.word(name_end + 1).is_some() {
                name_end += 2;
            }
            let is_parameter = match self.word(at) {
                Some("hint") => name_end > at + 1,
                Some(word) => has_parameters && name_end == at + 1 && spacing::PARAMETERS.contains(&word),
                None => false,
            };
            if !is_parameter || self.symbol(name_end) != Some("=") || name_end + 2 > end {
                return at;
            }
            at = name_end + 2;
        }
    }

    /// `parse x with "a" b:long "c"`: the pattern fills lines.
    fn parse_operator(&self, mut head: Vec<Doc<'q>>, rest: Pieces) -> Doc<'q> {
        let with = self.find(&rest, |at| self.word(at) == Some("with"));
        let Some(with) = with else { return Doc::Concat(vec![Doc::Concat(head), Doc::Space, self.raw(rest)]) };
        head.extend([Doc::Space, self.expression(rest.start..with + 1, Around::default()), Doc::Space]);
        let mut words = Vec::new();
        let mut start = with + 1;
        for at in with + 2..rest.end {
            if self.symbol(at) != Some(":") && self.symbol(at - 1) != Some(":") {
                words.push(self.expression(start..at, Around::default()));
                start = at;
            }
        }
        words.push(self.expression(start..rest.end, Around::default()));
        head.push(Doc::group(Doc::indent(Doc::Fill(words))));
        Doc::Concat(head)
    }

    /// Operators that take a list, perhaps with clauses behind it.
    fn list_operator(&self, name: &str, head: Vec<Doc<'q>>, rest: Pieces, around: Around) -> Doc<'q> {
        let clauses: &[&str] = match name {
            "summarize" => &["by"],
            "make-series" => &["on", "by"],
            "find" => &["where", "project"],
            _ => &[],
        };
        let mut starts = vec![rest.start];
        let mut from = rest.start;
        while let Some(at) =
            self.find(&(from..rest.end), |at| self.word(at).is_some_and(|word| clauses.contains(&word)))
        {
            starts.push(at);
            from = at + 1;
        }
        starts.push(rest.end);
        starts.dedup();
        let (mut single, mut docs) = (Vec::new(), Vec::new());
        for pair in starts.windows(2) {
            let clause = pair[0]..pair[1];
            let is_keyword = self.word(clause.start).is_some_and(|word| clauses.contains(&word));
            let (items, is_list) =
                self.list(if is_keyword { clause.start + 1..clause.end } else { clause.clone() }, around);
            if !is_keyword && !is_list {
                // A single item stays beside the operator's name.
                single.extend([Doc::Space, items]);
                continue;
            }
            docs.push(Doc::Line);
            if !is_keyword {
                docs.push(items);
            } else if clause.len() > 1 {
                let keyword = self.token(clause.start);
                let line = if is_list { Doc::Line } else { Doc::Space };
                docs.push(Doc::group(Doc::Concat(vec![keyword, Doc::indent(Doc::Concat(vec![line, items]))])));
            } else {
                docs.push(self.token(clause.start));
            }
        }
        Doc::group(Doc::Concat(vec![Doc::Concat(head), Doc::Concat(single), Doc::indent(Doc::Concat(docs))]))
    }

    // ---- lists and brackets ------------------------------------------------------------------

    /// Items between commas: names fill lines, anything longer has a line of its own. The flag
    /// tells whether there is more than one.
    fn list(&self, range: Pieces, around: Around) -> (Doc<'q>, bool) {
        let parts = self.parts(range, ",");
        let is_list = parts.len() > 1;
        let is_short = parts.iter().all(|(part, _)| {
            part.len() <= 3 && part.clone().all(|at| matches!(self.symbol(at), None | Some("." | "-" | "*")))
        });
        let item = |(part, comma): (Pieces, Option<usize>)| {
            let inner = self.expression(part, around);
            let inner = if is_list { Doc::group(inner) } else { inner };
            Doc::Concat(std::iter::once(inner).chain(comma.map(|comma| self.token(comma))).collect())
        };
        let items: Vec<Doc<'q>> = parts.into_iter().map(item).collect();
        if is_short {
            return (Doc::Fill(items), is_list);
        }
        let mut docs = Vec::new();
        for item in items {
            if !docs.is_empty() {
                docs.push(Doc::Line);
            }
            docs.push(item);
        }
        (Doc::Concat(docs), is_list)
    }

    /// Tokens and brackets side by side; `and` and `or` begin lines where one is not enough.
    fn expression(&self, range: Pieces, around: Around) -> Doc<'q> {
        let around = Around { patterns: around.patterns || self.names_tables(&range), ..around };
        // What stands behind the first `and` is one level deeper.
        let (mut first, mut others) = (Vec::new(), Vec::new());
        let mut at = range.start;
        while at < range.end {
            let is_conjunction = matches!(self.word(at), Some("and" | "or"));
            let is_first = others.is_empty() && !(is_conjunction && at > range.start);
            let docs = if is_first { &mut first } else { &mut others };
            if at > range.start && spacing::before(self, at, around) == Spacing::Blank {
                docs.push(if is_conjunction { Doc::Line } else { Doc::Space });
            }
            let next = self.next(at, range.end);
            match self.pieces[at].close {
                Some(close) if close < range.end => docs.push(self.brackets(at, close, around)),
                _ => docs.extend((at..next).map(|at| self.token(at))),
            }
            at = next;
        }
        if !others.is_empty() {
            first.push(Doc::indent(Doc::Concat(others)));
        }
        Doc::Concat(first)
    }

    /// Whether table names with `*` may stand here.
    fn names_tables(&self, range: &Pieces) -> bool {
        self.find(range, |at| matches!(self.word(at), Some("union" | "search" | "find"))).is_some()
    }

    fn brackets(&self, open: usize, close: usize, around: Around) -> Doc<'q> {
        let inner = open + 1..close;
        let before = open.checked_sub(1);
        let word = before.and_then(|before| self.word(before)).unwrap_or("");
        let around = Around {
            json: around.json || word == "dynamic",
            properties: word == "with" && around.properties,
            patterns: around.patterns || self.names_tables(&inner),
        };
        let (ends, last) = self.closing(close);
        if inner.is_empty() {
            return Doc::Concat(vec![self.token(open), Doc::indent(ends), last]);
        }
        if self.find(&inner, |at| self.symbol(at) == Some(";")).is_some() {
            let body = self.statements(inner);
            return self.bracketed(open, Doc::Hard, Doc::Concat(body), ends, last, true);
        }
        let pipes = self.parts(inner.clone(), "|").len() - 1;
        if self.symbol(open) == Some("{") && !around.json {
            let is_long = pipes > 0;
            let body = if is_long { self.pipeline(inner, Doc::Line) } else { self.statement(inner) };
            return self.bracketed(open, Doc::Line, body, ends, last, is_long);
        }
        if pipes > 0 {
            let body = self.pipeline(inner, Doc::Line);
            return self.bracketed(open, Doc::Soft, body, ends, last, pipes > 1);
        }
        if !around.json && self.begins_body(&inner, word) {
            let body = self.segment(inner, false);
            return self.bracketed(open, Doc::Soft, body, ends, last, false);
        }
        if let Some(columns) = self.datatable_columns(open) {
            return self.rows(open, close, columns);
        }
        let is_hugged = self.next(inner.start, inner.end) == inner.end && self.pieces[inner.start].close.is_some();
        if is_hugged {
            let body = self.expression(inner, around);
            return Doc::Concat(vec![self.token(open), body, ends, last]);
        }
        let (items, _) = self.list(inner, around);
        self.bracketed(open, Doc::Soft, items, ends, last, false)
    }

    /// Whether brackets hold operators or a source that is written like one.
    fn begins_body(&self, inner: &Pieces, before: &str) -> bool {
        let first = self.word(inner.start).unwrap_or("");
        match first {
            "union" | "search" | "find" | "print" => inner.len() > 1,
            _ => inner.len() > 1 && before == "on" && parser::known_operators().any(|known| known == first),
        }
    }

    /// The comments before a closing bracket, and the bracket.
    fn closing(&self, close: usize) -> (Doc<'q>, Doc<'q>) {
        let piece = &self.pieces[close];
        let comments = piece.comments.iter().map(|comment| Doc::Comment(comment.text)).collect();
        let mut last = vec![Doc::Text(piece.text)];
        last.extend(piece.trailing.map(Doc::Trailing));
        (Doc::Concat(comments), Doc::Concat(last))
    }

    fn bracketed(
        &self,
        open: usize,
        line: Doc<'q>,
        body: Doc<'q>,
        ends: Doc<'q>,
        last: Doc<'q>,
        is_broken: bool,
    ) -> Doc<'q> {
        let before_last = match line {
            Doc::Hard => Doc::Hard,
            Doc::Line => Doc::Line,
            _ => Doc::Soft,
        };
        let inner = Doc::indent(Doc::Concat(vec![line, body, ends]));
        let whole = Doc::Concat(vec![self.token(open), inner, before_last, last]);
        if is_broken { Doc::broken(whole) } else { Doc::group(whole) }
    }

    /// The word before the brackets that end before `open`: `datatable` of `datatable(...) [`.
    pub(super) fn declaring_word(&self, open: usize) -> Option<(&str, Pieces)> {
        let close = open.checked_sub(1)?;
        let begins = self.pieces[close].open?;
        self.word(begins.checked_sub(1)?).map(|word| (word, begins + 1..close))
    }

    /// How many columns a `datatable` has whose values `open` begins.
    fn datatable_columns(&self, open: usize) -> Option<usize> {
        let (word, declared) = self.declaring_word(open).filter(|_| self.symbol(open) == Some("["))?;
        (word == "datatable").then(|| self.parts(declared, ",").len())
    }

    /// The values of a `datatable`, one row per line.
    fn rows(&self, open: usize, close: usize, columns: usize) -> Doc<'q> {
        let parts = self.parts(open + 1..close, ",");
        let count = parts.len();
        let (ends, last) = self.closing(close);
        let mut body = Vec::new();
        for (at, (part, comma)) in parts.into_iter().enumerate() {
            body.push(self.expression(part, Around::default()));
            body.extend(comma.map(|comma| self.token(comma)));
            if at + 1 < count {
                body.push(if (at + 1).is_multiple_of(columns) { Doc::Line } else { Doc::Space });
            }
        }
        self.bracketed(open, Doc::Soft, Doc::Concat(body), ends, last, count > columns)
    }
}

impl<'q> Doc<'q> {
    /// What follows the first part is one level deeper.
    fn indented_tail(mut parts: Vec<Doc<'q>>) -> Doc<'q> {
        if parts.is_empty() {
            return Doc::nothing();
        }
        let first = parts.remove(0);
        Doc::Concat(vec![first, Doc::indent(Doc::Concat(parts))])
    }
}
