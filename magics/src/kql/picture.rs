//! The rows of a query as a picture: `--viz` in front of it, or its own `render`.

use huntbook_engine::{Display, QueryAnswer, Visual, draw, draws};

use crate::MagicError;
use crate::words::is_identifier;

/// `--viz KIND name=value ...` at the beginning of the text, and what follows it.
///
/// Errors: there is no such picture, or it has no such property.
pub(super) fn asked(text: &str) -> Result<Option<(Visual, &str)>, MagicError> {
    let after = text.strip_prefix("--viz").filter(|after| after.starts_with([' ', '=', '\t']));
    let Some(after) = after.map(|after| after.trim_start_matches([' ', '=', '\t'])) else { return Ok(None) };
    let end = end_of_properties(after);
    Ok(Some((Visual::parse(&after[..end])?, after[end..].trim_start())))
}

/// Where `KIND name=value ...` ends: no query begins with `name=value`.
fn end_of_properties(text: &str) -> usize {
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
            Some((name, value)) if is_identifier(name) && !value.is_empty() && next > start => end = next,
            _ => return end,
        }
    }
}

/// The rows as `--viz` or the query's `render` wants them drawn; or why `render` gives a table.
///
/// Errors: what `--viz` asks for cannot be drawn of these rows.
pub(super) fn drawn(
    answer: &QueryAnswer,
    asked: Option<&Visual>,
) -> Result<(Option<Display>, Option<String>), MagicError> {
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
