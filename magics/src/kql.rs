//! `%kql [NAME <<] [--limit N] QUERY` and `%%kql`.

use std::time::Instant;

use huntbook_engine::{Display, Engine, table};

use crate::MagicError;
use crate::words::binding;

#[derive(Clone, Debug, PartialEq)]
pub struct Kql {
    /// Frame that takes the rows; they are then not displayed.
    bind: Option<String>,
    query: String,
    limit: usize,
    /// The query ends with `;`: its rows are not displayed.
    quiet: bool,
}

const OPTIONS: &str = "--limit N";

impl Kql {
    pub(crate) fn parse(text: &str) -> Result<Kql, MagicError> {
        let Head { bind, limit, query: rest } = head(text)?;
        let trimmed = rest.trim_end();
        let query = trimmed.trim_end_matches(';').trim_end();
        if query.is_empty() {
            return Err(MagicError::usage("the query is missing: `%kql SecurityEvent | take 5`"));
        }
        Ok(Kql { bind, query: query.to_owned(), limit, quiet: query.len() < trimmed.len() })
    }

    pub(crate) fn tables(&self) -> Vec<String> {
        huntbook_engine::tables_mentioned(&self.query)
    }

    pub(crate) fn scalars(&self) -> Vec<String> {
        let mut names = Vec::new();
        for piece in self.query.split("${").skip(1) {
            if let Some((name, _)) = piece.split_once('}')
                && crate::words::is_identifier(name)
            {
                names.push(name.to_owned());
            }
        }
        names
    }

    pub(crate) fn run(&self, engine: &Engine) -> Result<Vec<Display>, MagicError> {
        let began = Instant::now();
        let answer = engine.kql(&self.query)?;
        let (rows, columns) = (answer.frame.height(), answer.frame.width());
        if let Some(name) = &self.bind {
            engine.keep(answer.frame, Some(name));
            engine.note_query(name, &self.query);
            let text = format!("{name} << {rows} rows × {columns} columns");
            return Ok(if self.quiet { Vec::new() } else { vec![Display::new([("text/plain", text)])] });
        }
        if self.quiet {
            return Ok(Vec::new());
        }
        let mut display = table::render(&answer.frame, Some(&answer.types), self.limit).result();
        let provenance = provenance(rows, began.elapsed().as_secs_f64() * 1000.0);
        display.metadata.extend(provenance);
        let mut displays = Vec::new();
        if answer.earlier_results > 0 {
            let note = format!(
                "the query has {} results: this is the last. Put the others in cells of their own",
                answer.earlier_results + 1
            );
            displays.push(Display::new([("text/plain", note)]));
        }
        if let Some(render) = &answer.render {
            let note = format!("`render {}` is not drawn yet: the rows are shown as a table", render.kind);
            displays.push(Display::new([("text/plain", note)]));
        }
        displays.push(display);
        Ok(displays)
    }
}

/// What stands before the query.
struct Head<'t> {
    bind: Option<String>,
    limit: usize,
    /// The text from the query on
    query: &'t str,
}

/// Options and the binding come in either order, before the query.
fn head(text: &str) -> Result<Head<'_>, MagicError> {
    let mut head = Head { bind: None, limit: table::DEFAULT_LIMIT, query: text.trim_start() };
    loop {
        let rest = head.query;
        if let (Some(name), after) = binding(rest) {
            head.bind = Some(name);
            head.query = after.trim_start();
        } else if let Some(after) = rest.strip_prefix("--limit") {
            let after = after.trim_start_matches([' ', '=', '\t']);
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            head.limit = after[..end]
                .parse()
                .map_err(|_| MagicError::usage(format!("--limit takes a number of rows, not `{}`", &after[..end])))?;
            head.query = after[end..].trim_start();
        } else if rest.starts_with('-') {
            let word = rest.split_whitespace().next().unwrap_or_default();
            return Err(MagicError::usage(format!(
                "`%kql` has no option `{word}`; it has: {OPTIONS}. `%kql --help` shows examples"
            )));
        } else {
            return Ok(head);
        }
    }
}

/// Where the query begins in what follows `%kql`; `None` while its options are not right.
pub(crate) fn query_start(text: &str) -> Option<usize> {
    head(text).ok().map(|head| text.len() - head.query.len())
}

/// Where the rows come from, in the output's metadata: the table itself stays the same from run to run.
fn provenance(rows: usize, milliseconds: f64) -> [(String, huntbook_engine::Value); 1] {
    let text = format!("local workspace · {rows} rows · {milliseconds:.0} ms");
    [("huntbook".to_owned(), huntbook_engine::Value::String(text))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Kql {
        Kql::parse(text).unwrap()
    }

    #[test]
    fn binding_options_and_query_are_told_apart() {
        let kql = parse(" hits << --limit 5 T | where a << 1");
        assert_eq!((kql.bind.as_deref(), kql.limit, kql.query.as_str()), (Some("hits"), 5, "T | where a << 1"));
        assert!(parse("T | take 1 ;").quiet);
        assert_eq!(parse("--limit=3 T").limit, 3);
    }

    #[test]
    fn an_unknown_option_is_named() {
        let error = Kql::parse("--popup T").unwrap_err();
        assert!(error.message.contains("`--popup`") && error.message.contains("--limit"), "{error}");
    }

    #[test]
    fn scalars_are_found() {
        assert_eq!(parse("T | where a > ${low} and b == ${name}").scalars(), ["low", "name"]);
    }
}
