//! What to try, for the slips that hunters make most: the parser says what it expected, this says
//! what was probably meant. Looked up only once a query is wrong, so it costs right queries nothing.

use crate::{
    diagnostics::{Diagnostic, codes, nearest},
    lexer::{Token, TokenKind},
};

/// What SQL and other languages write.
const FOREIGN: &[(&str, &str)] = &[
    ("like", "use `has` for a word, `contains` for a part, `matches regex` for a pattern"),
    ("ilike", "use `has` for a word, `contains` for a part, `matches regex` for a pattern"),
    ("rlike", "use `matches regex`"),
    ("matches", "write `matches regex`"),
    ("!has_any", "use `not(x has_any (...))`"),
    ("!has_all", "use `not(x has_all (...))`"),
    ("!matches", "use `not(x matches regex ...)`"),
    ("!between", "write `!between (low .. high)`"),
    ("is", "use `isnull(...)`, `isempty(...)` or `isnotempty(...)`"),
    ("not", "use `!in`, `!has`, `!contains`, or `not(...)` around the condition"),
    ("equals", "use `==`, or `=~` for any case"),
    ("eq", "use `==`"),
    ("xor", "write `(a and not(b)) or (b and not(a))`"),
];

/// Operators of other languages, and what they are called here.
pub(super) const FOREIGN_OPERATORS: &[(&str, &str)] = &[
    ("select", "use `project` for columns, `where` for conditions"),
    ("from", "begin with the table: `Table | where ...`"),
    ("group", "use `summarize ... by ...`"),
    ("groupby", "use `summarize ... by ...`"),
    ("orderby", "use `sort by ...`"),
    ("having", "use `where` behind `summarize`"),
    ("head", "use `take`, or `top ... by ...`"),
    ("first", "use `take`, or `top ... by ...`"),
    ("tail", "use `top ... by ... asc`"),
    ("rename", "use `project-rename new = old`"),
    ("drop", "use `project-away`"),
    ("fields", "use `project`"),
    ("table", "use `project`"),
    ("stats", "use `summarize`"),
    ("eval", "use `extend`"),
    ("dedup", "use `distinct`, or `summarize arg_max(TimeGenerated, *) by ...`"),
    ("unique", "use `distinct`"),
    ("explode", "use `mv-expand`"),
    ("let", "`let` is a statement of its own, before the query: let x = ...;"),
    ("in", "`in` stands in a condition: where x in (...)"),
    ("by", "`by` belongs to the operator before it: leave out the `|`"),
    ("on", "`on` belongs to `join`: leave out the `|`"),
];

/// Words between values, to find what a misspelt one was meant to be.
const BETWEEN_VALUES: &[&str] = &[
    "and",
    "or",
    "has",
    "has_any",
    "has_all",
    "contains",
    "startswith",
    "endswith",
    "in",
    "between",
    "matches",
    "by",
    "asc",
    "desc",
    "on",
    "with",
    "has_cs",
    "contains_cs",
    "hasprefix",
    "hassuffix",
];

/// Adds a suggestion to a syntax error that has none.
pub(super) fn advised(diagnostic: Diagnostic, tokens: &[Token], source: &str) -> Diagnostic {
    if diagnostic.code != codes::SYNTAX || diagnostic.hint.is_some() {
        return diagnostic;
    }
    let at = tokens.partition_point(|token| token.span.start < diagnostic.span.start);
    let slip = Slip { tokens, at, source, message: &diagnostic.message };
    match slip.advice() {
        Some(advice) => diagnostic.with_hint(advice),
        None => diagnostic,
    }
}

struct Slip<'s> {
    tokens: &'s [Token],
    /// The token that was not expected
    at: usize,
    source: &'s str,
    message: &'s str,
}

impl Slip<'_> {
    fn word(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at).map(|token| &token.kind) {
            Some(TokenKind::Name(word)) => Some(word),
            _ => None,
        }
    }

    fn symbol(&self, at: usize) -> Option<&'static str> {
        match self.tokens.get(at).map(|token| &token.kind) {
            Some(TokenKind::Punct(symbol)) => Some(symbol),
            _ => None,
        }
    }

    fn previous_word(&self) -> &str {
        self.at.checked_sub(1).and_then(|before| self.word(before)).unwrap_or("")
    }

    fn expected(&self, what: &str) -> bool {
        self.message.strip_prefix("expected ").is_some_and(|rest| rest.starts_with(what))
    }

    fn advice(&self) -> Option<String> {
        self.stray().or_else(|| self.missing_word()).or_else(|| self.brackets()).or_else(|| self.behind_operand())
    }

    /// Characters that no query has.
    fn stray(&self) -> Option<String> {
        let advice = match self.tokens.get(self.at).map(|token| &token.kind)? {
            TokenKind::Stray('“' | '”' | '„' | '‘' | '’' | '´' | '`') => "write plain quotes: \" or '",
            TokenKind::Stray('#') => "comments begin with `//`",
            TokenKind::Stray('&') => "write `and`",
            TokenKind::Stray('!') => "write `not(...)`, or an operator such as `!has`",
            TokenKind::Stray('\\') => "a backslash stands in strings only: @\"C:\\dir\"",
            TokenKind::Punct("/") if self.symbol(self.at + 1) == Some("*") => "comments begin with `//`",
            TokenKind::Punct("-") if self.symbol(self.at + 1) == Some("-") => "comments begin with `//`",
            TokenKind::Punct("=") if self.symbol(self.at + 1) == Some("=") => "write `==` for equal",
            TokenKind::Punct("=") => "compare with `==`",
            _ => return None,
        };
        Some(advice.to_string())
    }

    fn missing_word(&self) -> Option<String> {
        let before = self.previous_word();
        if self.expected("`by`") {
            let operator = self.operator().unwrap_or("sort");
            return Some(match operator {
                "top" => match (self.at.checked_sub(1).and_then(|at| self.tokens.get(at)), self.word(self.at)) {
                    (Some(count), Some(column)) if matches!(count.kind, TokenKind::Literal(_)) => {
                        format!("write `top {} by {column}`", &self.source[count.span.clone()])
                    }
                    _ => "write `top 10 by column`".to_string(),
                },
                "sort" | "order" => match self.word(self.at) {
                    Some(column) => format!("write `{operator} by {column}`"),
                    None => format!("write `{operator} by column`"),
                },
                _ => format!("`{operator}` needs `by` and what follows it"),
            });
        }
        if self.expected("`(`") {
            return Some(match before {
                "between" | "!between" => format!("write `{before} (low .. high)`"),
                "in" | "!in" | "in~" | "!in~" | "has_any" | "has_all" => {
                    format!("write the list in brackets: `{before} (...)`")
                }
                "" => return None,
                word => format!("`{word}` takes its arguments in brackets: `{word}(...)`"),
            });
        }
        if self.expected("a type") {
            let types = ["string", "long", "int", "real", "bool", "datetime", "timespan", "dynamic", "guid", "decimal"];
            let word = self.word(self.at)?;
            let aliases =
                [("str", "string"), ("text", "string"), ("float", "real"), ("number", "long"), ("json", "dynamic")];
            let alias = aliases.iter().find(|(alias, _)| *alias == word.to_lowercase()).map(|(_, name)| *name);
            return alias.or_else(|| nearest(word, types)).map(|name| format!("did you mean `{name}`?"));
        }
        if self.expected("an operator") {
            return match self.symbol(self.at) {
                Some("|") => Some("write `or` for either condition; between two pipes stands an operator".to_string()),
                None if self.at >= self.tokens.len() => {
                    Some("leave out the last `|`, or write an operator behind it".to_string())
                }
                _ => None,
            };
        }
        let ends = self.at >= self.tokens.len() || matches!(self.symbol(self.at), Some("|" | ";" | ")" | ","));
        if self.expected("an expression") && ends && self.unclosed().is_none() {
            let token = self.tokens.get(self.at.checked_sub(1)?)?;
            return Some(format!("something is missing behind `{}`", shortened(&self.source[token.span.clone()])));
        }
        None
    }

    fn brackets(&self) -> Option<String> {
        let closes = matches!(self.symbol(self.at), Some(")" | "]" | "}"));
        match self.unclosed() {
            // `has ("a", "b")`
            Some(open) if self.symbol(self.at) == Some(",") && open > 0 => match self.word(open - 1) {
                Some("has" | "contains") => {
                    Some("for several terms use `has_any (...)` or `has_all (...)`".to_string())
                }
                Some("!has" | "!contains") => Some("for several terms use `not(x has_any (...))`".to_string()),
                Some("startswith" | "endswith" | "startswith_cs" | "endswith_cs" | "hasprefix" | "hassuffix") => {
                    Some("for several texts join conditions with `or`, or use `matches regex`".to_string())
                }
                _ if matches!(self.symbol(open - 1), Some("==" | "=~")) => {
                    Some("for several values use `in (...)`".to_string())
                }
                _ if matches!(self.symbol(open - 1), Some("!=" | "!~")) => {
                    Some("for several values use `!in (...)`".to_string())
                }
                _ => None,
            },
            Some(open)
                if self.at >= self.tokens.len()
                    || closes
                    || self.expected("`)`")
                    || self.expected("`]`")
                    || self.expected("`}`") =>
            {
                let token = &self.tokens[open];
                let place = Diagnostic::new(codes::SYNTAX, token.span.clone(), "").located(self.source);
                let opener = self.symbol(open).unwrap_or("(");
                Some(format!("the `{opener}` at line {}, column {} is not closed", place.line, place.column))
            }
            None if closes => Some("nothing opens this bracket".to_string()),
            _ => None,
        }
    }

    /// An operand is complete, and what follows does not go on with it.
    fn behind_operand(&self) -> Option<String> {
        if !self.expected("`|`") && !self.expected("`)`") {
            return None;
        }
        if self.symbol(self.at) == Some(",") {
            if self.operator() == Some("top") {
                return Some("`top` takes one key: `sort by a, b | take n` takes several".to_string());
            }
            return matches!(self.operator(), Some("where" | "filter"))
                .then(|| "join conditions with `and`".to_string());
        }
        if self.is_behind_dashes() {
            return Some("comments begin with `//`".to_string());
        }
        if let Some("!") = self.symbol(self.at)
            && let Some(word) = self.word(self.at + 1)
            && let Some((_, advice)) = FOREIGN.iter().find(|(foreign, _)| foreign.strip_prefix('!') == Some(word))
        {
            return Some((*advice).to_string());
        }
        let Some(word) = self.word(self.at) else {
            let is_value = matches!(self.tokens.get(self.at)?.kind, TokenKind::Literal(_));
            return is_value.then(|| self.missing_comma()).flatten();
        };
        let lowered = word.to_lowercase();
        if word != lowered && BETWEEN_VALUES.contains(&lowered.as_str()) {
            return Some(format!("did you mean `{lowered}`?"));
        }
        if let Some((_, advice)) = FOREIGN.iter().find(|(foreign, _)| *foreign == lowered) {
            return Some((*advice).to_string());
        }
        if self.expected("`|`")
            && super::known_operators().any(|known| known == lowered || known.starts_with(&format!("{lowered}-")))
        {
            return Some(format!("put `|` in front of `{lowered}`"));
        }
        if self.statement_word() == Some("let") && self.expected("`|` or `;`") {
            return Some("end the `let` with `;`".to_string());
        }
        let close = (word.len() > 2).then(|| nearest(word, BETWEEN_VALUES.iter().copied())).flatten();
        close.map(|close| format!("did you mean `{close}`?")).or_else(|| self.missing_comma())
    }

    /// `-- a comment of SQL` in front, on the same line
    fn is_behind_dashes(&self) -> bool {
        let Some(token) = self.tokens.get(self.at) else { return false };
        let line = self.source[..token.span.start].rfind('\n').map_or(0, |at| at + 1);
        self.tokens[..self.at].windows(2).any(|pair| {
            let is_dash = |token: &Token| matches!(token.kind, TokenKind::Punct("-"));
            pair[0].span.start >= line && pair[0].span.end == pair[1].span.start && pair.iter().all(is_dash)
        })
    }

    fn missing_comma(&self) -> Option<String> {
        let token = &self.source[self.tokens[self.at].span.clone()];
        let token = shortened(token);
        match self.operator() {
            Some("summarize") if !self.has_by() => Some(format!("put `by` or a comma in front of `{token}`")),
            Some("project" | "extend" | "summarize" | "distinct" | "sort" | "order" | "project-away" | "print") => {
                Some(format!("put a comma in front of `{token}`"))
            }
            Some("where" | "filter") => {
                Some(format!("an operator such as `==` or `and` is missing in front of `{token}`"))
            }
            _ => None,
        }
    }

    fn segment_start(&self) -> usize {
        let is_start = |at: &usize| matches!(self.symbol(*at), Some("|" | ";"));
        (0..self.at.min(self.tokens.len())).rev().find(is_start).map_or(0, |at| at + 1)
    }

    /// The operator that the slip is in.
    fn operator(&self) -> Option<&str> {
        let start = self.segment_start();
        let word = self.word(start)?;
        let is_away = self.symbol(start + 1) == Some("-") && self.word(start + 2) == Some("away");
        Some(if word == "project" && is_away { "project-away" } else { word })
    }

    fn has_by(&self) -> bool {
        (self.segment_start()..self.at).any(|at| self.word(at) == Some("by"))
    }

    fn statement_word(&self) -> Option<&str> {
        let start = (0..self.at.min(self.tokens.len())).rev().find(|at| self.symbol(*at) == Some(";"));
        self.word(start.map_or(0, |at| at + 1))
    }

    /// The innermost bracket that is open where the slip is.
    fn unclosed(&self) -> Option<usize> {
        let mut open = Vec::new();
        for at in 0..self.at.min(self.tokens.len()) {
            match self.symbol(at) {
                Some("(" | "[" | "{") => open.push(at),
                Some(")" | "]" | "}") => drop(open.pop()),
                _ => {}
            }
        }
        open.pop()
    }
}

/// The first few characters of a token.
fn shortened(text: &str) -> String {
    text.lines().next().unwrap_or("").chars().take(30).collect()
}
