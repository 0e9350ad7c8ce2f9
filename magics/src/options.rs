//! The options of magics: one grammar for all of them.
//!
//! ```text
//! option := -name | --name | -!name | --name value | --name=value | +property value | +property=value
//! value  := word | "quoted text" | 'quoted text' | {JSON} | [JSON] | $ENVIRONMENT_VARIABLE
//! ```
//!
//! Case, `-` and `_` inside a name do not count, as in Kqlmagic. What a magic accepts is a [`Table`]: parsing, help and
//! completion are all made from it, so that they cannot differ.

use crate::MagicError;

/// What stands behind an option's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Takes {
    /// On or off
    Nothing,
    /// One value, called so in the help
    Value(&'static str),
    /// One of these
    OneOf(&'static [&'static str]),
    /// The name of a connection
    Connection,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// Other spellings
    pub(crate) aliases: &'static [&'static str],
    pub(crate) takes: Takes,
    pub(crate) help: &'static str,
}

/// What another tool has and this one does without.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ignored {
    pub(crate) names: &'static [&'static str],
    pub(crate) takes_value: bool,
    /// Why nothing is lost
    pub(crate) why: &'static str,
}

/// The options of one magic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    /// With its `%`
    pub(crate) magic: &'static str,
    pub(crate) specs: &'static [Spec],
    pub(crate) ignored: &'static [Ignored],
    /// Takes `+property value`
    pub(crate) properties: bool,
}

/// The options that a text gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Given {
    /// In order; a flag has `true` or `false`
    values: Vec<(&'static str, String)>,
    /// `+name value`
    pub(crate) properties: Vec<(String, String)>,
    /// What was accepted and does nothing
    pub(crate) notices: Vec<String>,
}

impl Given {
    /// The value given last.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'g>(&'g self, name: &'g str) -> impl Iterator<Item = &'g str> {
        self.values.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some("true")
    }

    /// A value as a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, MagicError> {
        let Some(text) = self.value(name) else { return Ok(None) };
        let number = text.parse().map_err(|_| MagicError::usage(format!("--{name} takes a number, not `{text}`")))?;
        Ok(Some(number))
    }
}

impl Table {
    /// Takes one option off the front of the text, which begins with `-` or `+`; what is left comes back.
    pub(crate) fn take<'t>(&self, text: &'t str, given: &mut Given) -> Result<&'t str, MagicError> {
        let sign_end = text.find(|c: char| !matches!(c, '-' | '+')).unwrap_or(text.len());
        let (sign, rest) = text.split_at(sign_end);
        let (negated, rest) = rest.strip_prefix('!').map_or((false, rest), |rest| (true, rest));
        let name_end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(name_end);
        if sign == "+" && self.properties && !name.is_empty() {
            let (value, rest) = if negated { ("false".to_owned(), rest) } else { self.value(name, rest)? };
            given.properties.push((name.to_owned(), value));
            return Ok(rest);
        }
        if let Some(ignored) = self.ignored_named(name) {
            given.notices.push(format!("`-{name}` of Kqlmagic is accepted and does nothing: {}", ignored.why));
            return if ignored.takes_value && !negated { Ok(self.value(name, rest)?.1) } else { Ok(flag(rest).1) };
        }
        let Some(spec) = self.named(name).filter(|_| matches!(sign, "-" | "--")) else {
            return Err(self.unknown(&text[..text.len() - rest.len()]));
        };
        let (value, rest) = match spec.takes {
            Takes::Nothing => {
                let (on, rest) = flag(rest);
                ((on != negated).to_string(), rest)
            }
            _ => self.value(name, rest)?,
        };
        if let Takes::OneOf(words) = spec.takes
            && !words.contains(&value.as_str())
        {
            return Err(MagicError::usage(format!("--{} is {}, not `{value}`", spec.name, words.join(", "))));
        }
        given.values.push((spec.name, value));
        Ok(rest)
    }

    /// Splits a line into words and options, which stand in any order.
    pub(crate) fn words(&self, line: &str) -> Result<(Vec<String>, Given), MagicError> {
        let (mut words, mut given) = (Vec::new(), Given::default());
        let mut rest = line.trim();
        while !rest.is_empty() {
            if is_option(rest) {
                rest = self.take(rest, &mut given)?.trim_start();
            } else {
                let (word, after) = value_text(rest)?;
                words.push(word);
                rest = after.trim_start();
            }
        }
        Ok((words, given))
    }

    fn named(&self, name: &str) -> Option<&'static Spec> {
        let wanted = canonical(name);
        let answers = |spec: &&'static Spec| {
            canonical(spec.name) == wanted || spec.aliases.iter().any(|alias| canonical(alias) == wanted)
        };
        self.specs.iter().find(answers)
    }

    fn ignored_named(&self, name: &str) -> Option<&'static Ignored> {
        let wanted = canonical(name);
        self.ignored.iter().find(|ignored| ignored.names.iter().any(|name| canonical(name) == wanted))
    }

    fn value<'t>(&self, name: &str, rest: &'t str) -> Result<(String, &'t str), MagicError> {
        let text = rest.strip_prefix('=').unwrap_or(rest).trim_start_matches([' ', '\t']);
        if text.is_empty() || text.starts_with(['\n', '\r']) {
            return Err(MagicError::usage(format!(
                "`{}`: the option `{name}` needs a value, as in `--{name} VALUE`",
                self.magic
            )));
        }
        value_text(text)
    }

    fn unknown(&self, word: &str) -> MagicError {
        let names: Vec<String> = self.specs.iter().map(|spec| format!("--{}", spec.name)).collect();
        MagicError::usage(format!(
            "`{magic}` has no option `{word}`; it has: {}. `{magic} --help` says what they do",
            names.join(" "),
            magic = self.magic
        ))
    }

    /// One line for each option.
    pub(crate) fn help(&self) -> String {
        let shown = |spec: &Spec| match spec.takes {
            Takes::Nothing => format!("--{}", spec.name),
            Takes::Value(what) => format!("--{} {what}", spec.name),
            Takes::OneOf(words) => format!("--{} {}", spec.name, words.join("|")),
            Takes::Connection => format!("--{} NAME", spec.name),
        };
        let width = self.specs.iter().map(|spec| shown(spec).chars().count()).max().unwrap_or(0);
        let line = |spec: &Spec| {
            let also = match spec.aliases {
                [] => String::new(),
                aliases => {
                    format!(" (also {})", aliases.iter().map(|name| format!("-{name}")).collect::<Vec<_>>().join(", "))
                }
            };
            format!("  {:<width$}  {}{also}", shown(spec), spec.help)
        };
        self.specs.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// What may stand at the end of `head`, the text in front of the cursor: the length of the word that is being
    /// typed, and what can take its place.
    pub(crate) fn complete(&self, head: &str, connections: &[String]) -> Option<(usize, Vec<(String, &'static str)>)> {
        let start = head.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        let word = &head[start..];
        if let Some((option, typed)) = word.split_once('=').filter(|(option, _)| option.starts_with('-')) {
            return self.values_of(option, typed, connections);
        }
        if word.starts_with('-') {
            let typed = canonical(word);
            let items = self.specs.iter().filter(|spec| canonical(spec.name).starts_with(&typed));
            return Some((word.len(), items.map(|spec| (format!("--{}", spec.name), spec.help)).collect()));
        }
        let before = head[..start].trim_end();
        let option = &before[before.rfind(char::is_whitespace).map_or(0, |at| at + 1)..];
        if option.starts_with('-') { self.values_of(option, word, connections) } else { None }
    }

    fn values_of(
        &self,
        option: &str,
        typed: &str,
        connections: &[String],
    ) -> Option<(usize, Vec<(String, &'static str)>)> {
        let items: Vec<(String, &'static str)> = match self.named(option.trim_start_matches('-'))?.takes {
            Takes::OneOf(words) => words.iter().map(|word| ((*word).to_owned(), "value")).collect(),
            Takes::Connection => connections.iter().map(|name| (name.clone(), "connection")).collect(),
            Takes::Value(_) => Vec::new(),
            Takes::Nothing => return None,
        };
        Some((typed.len(), items.into_iter().filter(|(word, _)| word.starts_with(typed)).collect()))
    }
}

/// Does an option begin here? Neither a query nor a name begins with these signs.
pub(crate) fn is_option(text: &str) -> bool {
    let name = text.trim_start_matches(['-', '+']);
    text.starts_with(['-', '+']) && name.starts_with(|c: char| c.is_alphabetic() || c == '!')
}

/// Case, `-` and `_` do not count.
fn canonical(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// `=true` or `=false` behind a flag; on without.
fn flag(rest: &str) -> (bool, &str) {
    if let Some(after) = rest.strip_prefix("=true").or_else(|| rest.strip_prefix("=True")) {
        return (true, after);
    }
    if let Some(after) = rest.strip_prefix("=false").or_else(|| rest.strip_prefix("=False")) {
        return (false, after);
    }
    (true, rest)
}

/// One value off the front of the text.
pub(crate) fn value_text(text: &str) -> Result<(String, &str), MagicError> {
    let Some(first) = text.chars().next() else { return Ok((String::new(), text)) };
    let end = match first {
        '"' | '\'' => {
            // The text is not shown: it may be a connection string with a key in it.
            let close = text[1..].find(first).ok_or_else(|| MagicError::usage(format!("a {first} is not closed")))?;
            return Ok((text[1..1 + close].to_owned(), &text[close + 2..]));
        }
        '{' | '[' => json_end(text).ok_or_else(|| MagicError::usage(format!("a `{first}` is not closed")))?,
        _ => text.find(char::is_whitespace).unwrap_or(text.len()),
    };
    let (word, rest) = text.split_at(end);
    if let Some(variable) = word.strip_prefix('$').filter(|name| is_environment_name(name)) {
        let value = std::env::var(variable)
            .map_err(|_| MagicError::usage(format!("the environment variable `{variable}` is not set")))?;
        return Ok((value, rest));
    }
    Ok((word.to_owned(), rest))
}

fn is_environment_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Where the brackets that open the text are closed; brackets in strings do not count.
fn json_end(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: Table = Table {
        magic: "%test",
        specs: &[
            Spec { name: "limit", aliases: &["dl", "display_limit"], takes: Takes::Value("N"), help: "rows shown" },
            Spec { name: "dry-run", aliases: &[], takes: Takes::Nothing, help: "only checks" },
            Spec {
                name: "partial",
                aliases: &[],
                takes: Takes::OneOf(&["error", "warn"]),
                help: "what partial rows are",
            },
            Spec { name: "conn", aliases: &["c"], takes: Takes::Connection, help: "where" },
        ],
        ignored: &[Ignored { names: &["palette_name", "pn"], takes_value: true, why: "charts have one theme" }],
        properties: true,
    };

    fn words(line: &str) -> (Vec<String>, Given) {
        TABLE.words(line).unwrap()
    }

    #[test]
    fn every_spelling_of_an_option_is_one() {
        for line in ["--limit 5", "-limit=5", "-DL 5", "--display-limit=5", "-Display_Limit '5'"] {
            assert_eq!(words(line).1.value("limit"), Some("5"), "{line}");
        }
        for (line, on) in [("--dry-run", true), ("-dryrun", true), ("-!dry_run", false), ("--dry-run=false", false)] {
            assert_eq!(words(line).1.is_on("dry-run"), on, "{line}");
        }
    }

    #[test]
    fn values_may_hold_blanks_quotes_and_json() {
        let (words, given) = words(r#"a -limit {"x": "}'", "y": [1, 2]} 'b c' +timespan "P1D/P2D" +!notruncation"#);
        assert_eq!(words, ["a", "b c"]);
        assert_eq!(given.value("limit"), Some(r#"{"x": "}'", "y": [1, 2]}"#));
        let expected = [("timespan".to_owned(), "P1D/P2D".to_owned()), ("notruncation".to_owned(), "false".to_owned())];
        assert_eq!(given.properties, expected);
    }

    #[test]
    fn what_does_nothing_is_said() {
        let (words, given) = words("-pn Blues T");
        assert_eq!(words, ["T"]);
        assert!(given.notices[0].contains("palette") || given.notices[0].contains("charts"), "{:?}", given.notices);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |line: &str| TABLE.words(line).unwrap_err().message;
        assert!(message("--popup").contains("`--popup`") && message("--popup").contains("--limit"));
        assert!(message("--limit").contains("needs a value"));
        assert!(message("--partial maybe").contains("error, warn"));
        assert!(message("--conn \"x").contains("not closed"));
        assert!(message("--limit $NOT_SET_ANYWHERE").contains("NOT_SET_ANYWHERE"));
        let secret = message("--conn 'loganalytics://clientsecret=\"S3CRET\"");
        assert!(!secret.contains("S3CRET"), "{secret}");
    }

    #[test]
    fn completion_and_help_come_of_the_same_table() {
        let names = |head: &str| -> Vec<String> {
            let found = TABLE.complete(head, &["prod".to_owned(), "test".to_owned()]);
            found.map(|(_, items)| items.into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
        };
        assert_eq!(names("--l"), ["--limit"]);
        assert_eq!(names("a --partial w"), ["warn"]);
        assert_eq!(names("--conn "), ["prod", "test"]);
        assert_eq!(names("--conn=p"), ["prod"]);
        assert_eq!(names("T"), Vec::<String>::new());
        assert!(TABLE.help().contains("--partial error|warn"));
    }

    proptest! {
        #[test]
        fn no_text_panics(line in "[-+!=a-z \"'{}\\[\\]$é\\\\\n]{0,60}") {
            let _ = TABLE.words(&line);
            let _ = TABLE.complete(&line, &[]);
        }
    }
}
