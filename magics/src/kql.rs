//! `%kql [NAME <<] [--limit N] QUERY` and `%%kql`.

use std::time::Instant;

use huntbook_engine::{Display, Engine, QueryAnswer, Visual, draw, draws, table};

use crate::MagicError;
use crate::words::binding;

#[derive(Clone, Debug, PartialEq)]
pub struct Kql {
    /// Frame that takes the rows; they are then not displayed.
    bind: Option<String>,
    query: String,
    limit: usize,
    /// The rows are drawn, whatever the query's `render` says.
    visual: Option<Visual>,
    /// The query ends with `;`: its rows are not displayed.
    quiet: bool,
}

const OPTIONS: &str = "--limit N, --viz KIND";

impl Kql {
    pub(crate) fn parse(text: &str) -> Result<Kql, MagicError> {
        let Head { bind, limit, visual, query: rest } = head(text)?;
        let trimmed = rest.trim_end();
        let query = trimmed.trim_end_matches(';').trim_end();
        if query.is_empty() {
            return Err(MagicError::usage("the query is missing: `%kql SecurityEvent | take 5`"));
        }
        Ok(Kql { bind, query: query.to_owned(), limit, visual, quiet: query.len() < trimmed.len() })
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
            let text = format!("{name} << {rows} rows × {columns} columns");
            return Ok(if self.quiet { Vec::new() } else { vec![Display::new([("text/plain", text)])] });
        }
        if self.quiet {
            return Ok(Vec::new());
        }
        let (drawn, note) = drawn(&answer, self.visual.as_ref())?;
        let mut display =
            drawn.unwrap_or_else(|| table::render(&answer.frame, Some(&answer.types), self.limit)).result();
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
        displays.extend(note.map(|note| Display::new([("text/plain", note)])));
        displays.push(display);
        Ok(displays)
    }
}

/// The rows as `--viz` or the query's `render` wants them drawn; or why `render` gives a table.
///
/// Errors: what `--viz` asks for cannot be drawn of these rows.
fn drawn(answer: &QueryAnswer, asked: Option<&Visual>) -> Result<(Option<Display>, Option<String>), MagicError> {
    if let Some(visual) = asked {
        return Ok((Some(draw(visual, &answer.frame, &answer.types)?), None));
    }
    let Some(render) = answer.render.as_ref().filter(|render| !render.kind.eq_ignore_ascii_case("table")) else {
        return Ok((None, None));
    };
    if !draws(&render.kind) {
        let note = format!("`render {}` has no picture: the rows are shown as a table", render.kind);
        return Ok((None, Some(note)));
    }
    let visual = Visual { kind: render.kind.clone(), properties: render.properties.clone() };
    Ok(match draw(&visual, &answer.frame, &answer.types) {
        Ok(display) => (Some(display), None),
        Err(error) => (None, Some(format!("`render {}` is not drawn, the rows are a table: {error}", render.kind))),
    })
}

/// What stands before the query.
struct Head<'t> {
    bind: Option<String>,
    limit: usize,
    visual: Option<Visual>,
    /// The text from the query on
    query: &'t str,
}

/// Options and the binding come in either order, before the query.
fn head(text: &str) -> Result<Head<'_>, MagicError> {
    let mut head = Head { bind: None, limit: table::DEFAULT_LIMIT, visual: None, query: text.trim_start() };
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
        } else if let Some(after) = rest.strip_prefix("--viz").filter(|after| after.starts_with([' ', '=', '\t'])) {
            let after = after.trim_start_matches([' ', '=', '\t']);
            let end = visual_end(after);
            head.visual = Some(Visual::parse(&after[..end])?);
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

/// Where `KIND name=value ...` ends: no query begins with `name=value`.
fn visual_end(text: &str) -> usize {
    let word = |from: usize| {
        let rest = &text[from..];
        let start = from + rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let mut quote = None;
        let end = text[start..].find(|character: char| match quote {
            Some(open) => {
                quote = (character != open).then_some(open);
                false
            }
            None if matches!(character, '"' | '\'') => {
                quote = Some(character);
                false
            }
            None => character.is_whitespace(),
        });
        (start, end.map_or(text.len(), |end| start + end))
    };
    let (_, mut end) = word(0);
    loop {
        let (start, next) = word(end);
        match text[start..next].split_once('=') {
            Some((name, value)) if crate::words::is_identifier(name) && !value.is_empty() && next > start => end = next,
            _ => return end,
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
    fn a_picture_is_told_from_the_query() {
        let kql = parse("--viz timeline group=Computer mark='2026-11-02 09:00|a b' SecurityEvent | where x == 1");
        assert_eq!(kql.query, "SecurityEvent | where x == 1");
        let visual = kql.visual.unwrap();
        assert_eq!((visual.kind.as_str(), visual.properties.len()), ("timeline", 2));
        assert_eq!(visual.properties[1].1, "2026-11-02 09:00|a b");
        let kql = parse("hits << --viz=piechart --limit 3 T\n| count");
        assert_eq!((kql.query.as_str(), kql.limit), ("T\n| count", 3));
        assert!(Kql::parse("--viz pivot T").unwrap_err().message.contains("there are timechart"));
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
