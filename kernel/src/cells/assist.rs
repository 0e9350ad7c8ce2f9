//! What rust-analyzer knows: completion and hover on code that is being typed.

use huntbook_magics::{Completion, Completions};

use super::RustCells;

impl RustCells {
    /// What may stand at `cursor`, a byte of `code`. `frames` are names that the cell would get as variables.
    pub(crate) fn complete(&mut self, code: &str, cursor: usize, frames: &[String]) -> Option<Completions> {
        let before = lets(frames);
        let found = self.context.completions(&format!("{before}{code}"), before.len() + cursor).ok()?;
        let replace = found.start_offset.checked_sub(before.len())?..found.end_offset.checked_sub(before.len())?;
        let mut items: Vec<Completion> = found
            .completions
            .into_iter()
            // evcxr's own: every value has an `evcxr_display`.
            .filter(|item| !item.code.starts_with("evcxr_"))
            .map(|item| Completion {
                text: without_arguments(&item.code).to_owned(),
                kind: item.kind,
                signature: Some(item.label),
            })
            .collect();
        items.sort_by(|left, right| left.text.cmp(&right.text));
        items.dedup_by(|left, right| left.text == right.text);
        (!items.is_empty()).then_some(Completions { replace, items })
    }

    /// What the word that ends at `end` is, as plain text and as HTML.
    pub(crate) fn hover(&mut self, code: &str, end: usize, frames: &[String]) -> Option<(String, String)> {
        let before = lets(frames);
        let (plain, html) = self.context.hover_at(&format!("{before}{code}"), before.len() + end).ok()?;
        // What evcxr says when there is nothing, and rust-analyzer of a name that it does not know.
        let is_known = !plain.trim().is_empty() && plain != "No documentation found" && !plain.contains("{unknown}");
        is_known.then_some((plain, html))
    }
}

fn lets(frames: &[String]) -> String {
    frames.iter().map(|name| format!("let {name} = huntbook::frame(\"{name}\");\n")).collect()
}

/// rust-analyzer proposes `starts_with(pat)`: the name is what the person is after, the label shows the rest.
fn without_arguments(code: &str) -> &str {
    match code.split_once('(') {
        Some((name, _)) if name.chars().all(|character| character.is_alphanumeric() || character == '_') => name,
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_completed_by_its_name() {
        assert_eq!(without_arguments("starts_with(pat)"), "starts_with");
        assert_eq!(without_arguments("println!()"), "println!()");
        assert_eq!(without_arguments("field"), "field");
    }
}
