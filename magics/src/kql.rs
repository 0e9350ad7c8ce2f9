//! `%kql [CONNECTION] [NAME <<] [OPTIONS] QUERY` and `%%kql`.

pub(crate) mod options;
mod picture;
mod run;

use huntbook_engine::{Engine, Visual, leading_connection, values_wanted};

use crate::MagicError;
use crate::options::{Given, is_option};
use crate::words::{binding, is_identifier};

#[derive(Clone, Debug, PartialEq)]
pub struct Kql {
    /// Frame that takes the rows; they are then not displayed.
    bind: Option<String>,
    /// As it stands in front of the query
    connection: Option<String>,
    given: Given,
    /// The rows are drawn, whatever the query's `render` says.
    visual: Option<Visual>,
    /// What follows the head: a query, or words that narrow a list
    text: String,
    /// The query ends with `;`: its rows are not displayed.
    quiet: bool,
}

/// What the text in front of the query says.
#[derive(Debug, Default)]
struct Head<'t> {
    bind: Option<String>,
    connection: Option<String>,
    given: Given,
    visual: Option<Visual>,
    /// The text from the query on
    rest: &'t str,
}

/// Options that make a query of their own, or need none.
const WITHOUT_QUERY: [&str; 11] =
    ["query", "file", "run", "list", "schema", "cache-list", "cache-remove", "version", "connect", "nop", "conn"];

impl Kql {
    pub(crate) fn parse(text: &str) -> Result<Kql, MagicError> {
        // `--conn` alone lists the connections.
        let listing = matches!(text.trim().trim_start_matches('-'), "conn" | "connect") && text.trim().starts_with('-');
        if listing {
            let given = Given::default();
            return Ok(Kql { bind: None, connection: None, given, visual: None, text: String::new(), quiet: false });
        }
        let Head { mut bind, connection, given, visual, rest } = head(text)?;
        let mut trimmed = rest.trim_end();
        if let Some((body, name)) = named_at_the_end(trimmed) {
            bind = Some(name);
            trimmed = body;
        }
        let query = trimmed.trim_end_matches(';').trim_end();
        let needs_query = connection.is_none() && !WITHOUT_QUERY.iter().any(|option| given.value(option).is_some());
        if query.is_empty() && needs_query {
            return Err(MagicError::usage("the query is missing: `%kql SecurityEvent | take 5`"));
        }
        Ok(Kql { bind, connection, given, visual, text: query.to_owned(), quiet: query.len() < trimmed.len() })
    }

    /// `--conn` and nothing else.
    fn lists_connections(&self) -> bool {
        self.text.is_empty() && self.connection.is_none() && self.given == Given::default()
    }

    /// Frames and tables that the query names.
    pub(crate) fn tables(&self, engine: &Engine) -> Vec<String> {
        huntbook_engine::tables_mentioned(&self.text_now(engine))
    }

    /// Rust variables that must be known before the query runs.
    pub(crate) fn scalars(&self, engine: &Engine) -> Vec<String> {
        wanted(&self.text_now(engine), true).chain(self.variable("query")).collect()
    }

    /// Names that are Rust variables or something else: `let x = name;`, `-params_dict name`, `-conn name`.
    pub(crate) fn perhaps_scalars(&self, engine: &Engine) -> Vec<String> {
        let others = ["params_dict", "conn"].iter().filter_map(|option| self.variable(option));
        wanted(&self.text_now(engine), false).chain(others).collect()
    }

    /// The query as far as it is known now: a variable's text is once the engine has it.
    fn text_now(&self, engine: &Engine) -> String {
        if let Some(variable) = self.given.value("query") {
            return engine.scalar_text(variable).unwrap_or_default();
        }
        if let Some(path) = self.given.value("file") {
            return engine.query_file(path).unwrap_or_default();
        }
        self.text.clone()
    }

    fn variable(&self, option: &str) -> Option<String> {
        self.given.value(option).filter(|name| is_identifier(name)).map(str::to_owned)
    }
}

fn wanted(query: &str, required: bool) -> impl Iterator<Item = String> {
    values_wanted(query).into_iter().filter(move |wanted| wanted.required == required).map(|wanted| wanted.name)
}

/// Connection, options and the binding come in any order, before the query. Comments may stand between them.
fn head(text: &str) -> Result<Head<'_>, MagicError> {
    let mut head = Head { rest: text.trim_start(), ..Head::default() };
    loop {
        let rest = after_comments(head.rest);
        if let (None, (Some(name), after)) = (&head.bind, binding(rest)) {
            head.bind = Some(name);
            head.rest = after.trim_start();
        } else if let (None, Some(length)) = (&head.connection, leading_connection(rest)) {
            head.connection = Some(rest[..length].to_owned());
            head.rest = rest[length..].trim_start();
        } else if let Some((visual, after)) = picture::asked(rest)? {
            head.visual = Some(visual);
            head.rest = after;
        } else if is_option(rest) {
            head.rest = options::TABLE.take(rest, &mut head.given)?.trim_start();
        } else {
            return Ok(head);
        }
    }
}

/// Comments belong to the query unless an option follows them.
fn after_comments(text: &str) -> &str {
    let mut rest = text;
    while let Some(comment) = rest.strip_prefix("//") {
        rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
    }
    rest
}

/// `-> NAME` on a line of its own at the end; elsewhere `->` is KQL.
fn named_at_the_end(text: &str) -> Option<(&str, String)> {
    let (body, last) = text.rsplit_once('\n')?;
    let name = last.trim().strip_prefix("->")?.trim();
    is_identifier(name).then(|| (body.trim_end(), name.to_owned()))
}

/// Where the query begins in what follows `%kql`; `None` while its options are not right.
pub(crate) fn query_start(text: &str) -> Option<usize> {
    head(text).ok().map(|head| text.len() - head.rest.len())
}

/// The connection that the head names.
pub(crate) fn connection(text: &str) -> Option<String> {
    let head = head(text).ok()?;
    head.connection.or_else(|| head.given.value("conn").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Kql {
        Kql::parse(text).unwrap()
    }

    #[test]
    fn the_head_is_told_from_the_query() {
        let kql = parse(" hits << --limit 5 T | where a << 1");
        assert_eq!(
            (kql.bind.as_deref(), kql.given.value("limit"), kql.text.as_str()),
            (Some("hits"), Some("5"), "T | where a << 1")
        );
        assert!(parse("T | take 1 ;").quiet);
        let kql = parse("loganalytics://workspace='a b';code -last 7d hits<<\n\nT\n\n| take 5\n-> other");
        assert_eq!(kql.connection.as_deref(), Some("loganalytics://workspace='a b';code"));
        assert_eq!((kql.bind.as_deref(), kql.text.as_str()), (Some("other"), "T\n\n| take 5"));
        let kql = parse("Samples@help // every row\n--timeout 30 // of\nT");
        assert_eq!((kql.given.value("timeout"), kql.text.as_str()), (Some("30"), "// of\nT"));
    }

    #[test]
    fn what_stands_without_a_query() {
        assert!(parse("--conn").lists_connections());
        for text in
            ["--schema", "--conn prod", "prod@loganalytics", "--query v", "--run x host=y", "--list", "--version"]
        {
            parse(text);
        }
        assert!(Kql::parse("--limit 5").unwrap_err().message.contains("missing"));
    }

    #[test]
    fn a_picture_is_told_from_the_query() {
        let kql = parse("--viz timeline group=Computer mark='2026-11-02 09:00|a b' SecurityEvent | where x == 1");
        assert_eq!(kql.text, "SecurityEvent | where x == 1");
        let visual = kql.visual.unwrap();
        assert_eq!((visual.kind.as_str(), visual.properties.len()), ("timeline", 2));
        assert_eq!(visual.properties[1].1, "2026-11-02 09:00|a b");
        let kql = parse("hits << --viz=piechart --limit 3 T\n| count");
        assert_eq!((kql.text.as_str(), kql.given.value("limit")), ("T\n| count", Some("3")));
        assert!(Kql::parse("--viz pivot T").unwrap_err().message.contains("there are timechart"));
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = Kql::parse("--popup T").unwrap_err();
        assert!(error.message.contains("`--popup`") && error.message.contains("--limit"), "{error}");
    }

    #[test]
    fn variables_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::new(huntbook_engine::Settings {
            workspace: folder.path().join("workspace"),
            base: folder.path().to_owned(),
            transfer: folder.path().join("transfer"),
        })
        .unwrap();
        let kql = parse("-params_dict d let x = high; T | where a > ${low} and b == ${name} and c == '${no}'");
        assert_eq!(kql.scalars(&engine), ["low", "name"]);
        assert_eq!(kql.perhaps_scalars(&engine), ["high", "d"]);
        let kql = parse("-query v");
        assert_eq!(kql.scalars(&engine), ["v"]);
        engine.bind_parameter("v", "U | where a == ${w}".into());
        assert_eq!(
            (kql.tables(&engine), kql.scalars(&engine)),
            (vec!["U".to_owned()], vec!["w".to_owned(), "v".to_owned()])
        );
    }

    #[test]
    fn what_kqlmagic_notebooks_bring_is_accepted() {
        let kql = parse("-tp pandas -pn Blues -!f -sq -dl=3 +timespan P1D T | render timechart");
        assert_eq!(kql.given.notices.len(), 3, "{:?}", kql.given.notices);
        assert_eq!(kql.given.value("limit"), Some("3"));
        assert_eq!(kql.given.properties, [("timespan".to_owned(), "P1D".to_owned())]);
    }
}
