//! `reduce by`: texts that differ in some of their words, as patterns.
//!
//! Kusto names its source: R. Vaarandi, "A Data Clustering Algorithm for Mining Patterns From Event
//! Logs" (2003). Words that are frequent at their place make a pattern; texts with the same frequent
//! words belong together.

use std::collections::HashMap;

use polars::prelude::*;

use super::{Binder, Bound, ColumnInfo, Table, hosted::never_run, lets::Scope, plan_error, union::text_of};
use crate::{
    ast::{Expr as Ast, KqlType, Name, OperatorParameter},
    diagnostics::{Diagnostic, Span, codes},
    rows,
    value::{Cell, Value},
};

/// Texts without frequent words, as Kusto calls them.
const OTHERS: &str = "others";

impl Binder<'_> {
    pub(super) fn reduce(
        &self,
        table: Table,
        parameters: &[OperatorParameter],
        value: &Ast,
        properties: &[(Name, Ast)],
        span: &Span,
        scope: &Scope,
    ) -> Bound<Table> {
        let text = self.scalar(value, &scope.with_rows(&table.columns))?.converted(KqlType::String);
        let keeps_rows = match text_of(parameters, &["kind"]).as_deref() {
            None => false,
            Some("source") => true,
            Some(other) => {
                let message = format!("the kind of `reduce` is `source`, not `{other}`");
                return Err(Diagnostic::new(codes::VALUE, span.clone(), message));
            }
        };
        let (mut threshold, mut characters) = (0.1, String::new());
        for (name, value) in properties {
            let constant = self.constant(value, scope)?;
            match (name.text.as_str(), constant.real()) {
                ("threshold", Some(share)) if (0.0..=1.0).contains(&share) => threshold = share,
                ("threshold", _) if !self.checking => {
                    let message = "the threshold of `reduce` lies between 0 and 1";
                    return Err(Diagnostic::new(codes::VALUE, value.span.clone(), message));
                }
                ("characters", _) => characters = constant.text().to_string(),
                ("threshold", _) => {}
                (other, _) => {
                    let message = format!("`reduce` has no property `{other}`: threshold and characters are known");
                    return Err(Diagnostic::new(codes::VALUE, name.span.clone(), message));
                }
            }
        }
        let summary = [("Pattern", KqlType::String), ("Count", KqlType::Long), ("Representative", KqlType::String)];
        let columns = if keeps_rows {
            let mut columns = table.columns.clone();
            columns.push(ColumnInfo::new("Pattern", KqlType::String));
            columns
        } else {
            summary.map(|(name, kql_type)| ColumnInfo::new(name, kql_type)).to_vec()
        };
        if self.checking {
            return Ok(never_run(columns));
        }
        const TEXT: &str = "\0text";
        let table = table.canonical();
        let mut frame = self.collected(table.frame.clone().with_columns([text.expression.alias(TEXT)]), span)?;
        let texts = frame.drop_in_place(TEXT).map_err(plan_error(span))?;
        let texts = texts.as_materialized_series().rechunk();
        let texts: Vec<&str> = texts.str().map_err(plan_error(span))?.iter().map(Option::unwrap_or_default).collect();
        let reduced = Reduced::of(&texts, threshold, &characters);
        let frame = if keeps_rows {
            let cells = reduced.places.iter().map(|at| Value::from(reduced.patterns[*at].text.as_str()));
            let column = rows::build("Pattern".into(), KqlType::String, cells).into_column();
            frame.with_column(column).map_err(plan_error(span))?;
            frame
        } else {
            let mut patterns: Vec<&Group> = reduced.patterns.iter().collect();
            patterns.sort_by_key(|group| std::cmp::Reverse(group.count));
            let column = |at: usize, cell: fn(&Group) -> Value| {
                rows::build(summary[at].0.into(), summary[at].1, patterns.iter().map(|group| cell(group))).into_column()
            };
            let columns = vec![
                column(0, |group| group.text.as_str().into()),
                column(1, |group| Cell::Long(group.count)),
                column(2, |group| group.representative.as_str().into()),
            ];
            DataFrame::new(patterns.len(), columns).map_err(plan_error(span))?
        };
        let columns: Vec<ColumnInfo> =
            columns.into_iter().map(|column| ColumnInfo { scanned: None, ..column }).collect();
        Ok(table.with(frame.lazy(), columns))
    }
}

struct Group {
    text: String,
    count: i64,
    representative: String,
}

struct Reduced {
    patterns: Vec<Group>,
    /// The pattern of each text.
    places: Vec<usize>,
}

/// A text as words and what stands between them: there is one more gap than words.
struct Words<'t> {
    words: Vec<&'t str>,
    gaps: Vec<&'t str>,
}

impl<'t> Words<'t> {
    fn of(text: &'t str, characters: &str) -> Self {
        // With characters of its own the query says what parts words, beside white space.
        let parts = |letter: char| match characters {
            "" => !letter.is_ascii_alphanumeric(),
            own => own.contains(letter) || letter.is_whitespace(),
        };
        let (mut words, mut gaps, mut start, mut in_word) = (Vec::new(), Vec::new(), 0, false);
        for (at, letter) in text.char_indices() {
            if parts(letter) == in_word {
                if in_word {
                    words.push(&text[start..at])
                } else {
                    gaps.push(&text[start..at])
                }
                (start, in_word) = (at, !in_word);
            }
        }
        if in_word {
            words.push(&text[start..]);
            gaps.push("");
        } else {
            gaps.push(&text[start..]);
        }
        Words { words, gaps }
    }

    /// Frequent words stay; everything else is a star. Characters that the query named itself are
    /// swallowed by a star beside them.
    fn pattern(&self, is_frequent: impl Fn(usize, &str) -> bool, characters: &str) -> Option<String> {
        let kept: Vec<bool> = self.words.iter().enumerate().map(|(at, word)| is_frequent(at, word)).collect();
        if !kept.contains(&true) {
            return None;
        }
        let swallowed = |gap: &str| !characters.is_empty() && gap.chars().all(|letter| characters.contains(letter));
        let is_star = |at: usize| kept.get(at).is_some_and(|kept| !kept);
        let mut pattern = String::new();
        for (at, gap) in self.gaps.iter().enumerate() {
            let beside_star = is_star(at) || at > 0 && is_star(at - 1);
            if !(beside_star && swallowed(gap)) {
                pattern.push_str(gap);
            }
            match kept.get(at) {
                Some(true) => pattern.push_str(self.words[at]),
                Some(false) if !pattern.ends_with('*') => pattern.push('*'),
                _ => {}
            }
        }
        Some(pattern)
    }
}

impl Reduced {
    fn of(texts: &[&str], threshold: f64, characters: &str) -> Self {
        let split: Vec<Words<'_>> = texts.iter().map(|text| Words::of(text, characters)).collect();
        let mut frequency: HashMap<(usize, &str), usize> = HashMap::new();
        for words in &split {
            for (at, word) in words.words.iter().enumerate() {
                *frequency.entry((at, *word)).or_insert(0) += 1;
            }
        }
        let needed = (threshold * texts.len() as f64).ceil().max(1.0) as usize;
        // A single text is no pattern of texts.
        let needed = if texts.len() > 1 { needed.max(2) } else { needed };
        let is_frequent = |at: usize, word: &str| frequency.get(&(at, word)).is_some_and(|count| *count >= needed);
        let found: Vec<Option<String>> = split.iter().map(|words| words.pattern(is_frequent, characters)).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for pattern in found.iter().flatten() {
            *counts.entry(pattern).or_insert(0) += 1;
        }
        let mut reduced = Reduced { patterns: Vec::new(), places: Vec::new() };
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (pattern, text) in found.iter().zip(texts) {
            let pattern =
                pattern.as_deref().filter(|pattern| counts.get(pattern).is_some_and(|count| *count >= needed));
            let name = pattern.unwrap_or(OTHERS);
            let at = *known.entry(name).or_insert_with(|| {
                let representative = if pattern.is_some() { text.to_string() } else { String::new() };
                reduced.patterns.push(Group { text: name.to_string(), count: 0, representative });
                reduced.patterns.len() - 1
            });
            reduced.patterns[at].count += 1;
            reduced.places.push(at);
        }
        reduced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str], characters: &str) -> Vec<(String, i64, String)> {
        let reduced = Reduced::of(texts, 0.1, characters);
        reduced.patterns.into_iter().map(|group| (group.text, group.count, group.representative)).collect()
    }

    #[test]
    fn the_examples_of_kustos_page() {
        let texts: Vec<String> = (1..=10).map(|at| format!("fooZ{at}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(patterns(&texts, ""), [("others".to_string(), 10, String::new())]);
        assert_eq!(patterns(&texts, "Z"), [("foo*".to_string(), 10, "fooZ1".to_string())]);
    }

    #[test]
    fn frequent_words_make_patterns() {
        let texts = ["login of ann failed", "login of bob failed", "login of eve failed", "shutdown"];
        let found = patterns(&texts, "");
        assert_eq!(found[0], ("login of * failed".to_string(), 3, "login of ann failed".to_string()));
        assert_eq!(found[1], ("others".to_string(), 1, String::new()));
        assert_eq!(patterns(&["", ""], ""), [("others".to_string(), 2, String::new())]);
    }
}
