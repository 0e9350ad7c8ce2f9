//! Completion and inspection: positions of Jupyter are characters, ours are bytes.

use serde_json::{Map, Value, json};

use crate::session::Session;

/// The content of a `complete_reply`.
pub(crate) fn complete(session: &Session, code: &str, cursor: usize) -> Value {
    let Some(found) = session.complete(code, byte_of(code, cursor)) else {
        return json!({
            "status": "ok", "matches": [], "cursor_start": cursor, "cursor_end": cursor, "metadata": {},
        });
    };
    let (start, end) = (character_of(code, found.replace.start), character_of(code, found.replace.end));
    let matches: Vec<&str> = found.items.iter().map(|item| item.text.as_str()).collect();
    let kind = |item: &huntbook_magics::Completion| {
        let signature = item.signature.as_deref().unwrap_or_default();
        json!({"start": start, "end": end, "text": item.text, "type": item.kind, "signature": signature})
    };
    // The name under which JupyterLab and IPython know the kinds of completions.
    let kinds: Vec<Value> = found.items.iter().map(kind).collect();
    json!({
        "status": "ok", "matches": matches, "cursor_start": start, "cursor_end": end,
        "metadata": {"_jupyter_types_experimental": kinds},
    })
}

/// The content of an `inspect_reply`.
pub(crate) fn inspect(session: &Session, code: &str, cursor: usize, detailed: bool) -> Value {
    match session.inspect(code, byte_of(code, cursor), detailed) {
        Some(bundle) => {
            let data: Map<String, Value> =
                bundle.into_iter().map(|(mime, text)| (mime.to_owned(), text.into())).collect();
            json!({"status": "ok", "found": true, "data": data, "metadata": {}})
        }
        None => json!({"status": "ok", "found": false, "data": {}, "metadata": {}}),
    }
}

fn byte_of(code: &str, character: usize) -> usize {
    code.char_indices().nth(character).map_or(code.len(), |(at, _)| at)
}

fn character_of(code: &str, byte: usize) -> usize {
    code.char_indices().take_while(|(at, _)| *at < byte).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_characters() {
        let code = "%kql Größe | take 5";
        assert_eq!((byte_of(code, 9), character_of(code, 11)), (11, 9));
        assert_eq!((byte_of(code, 99), character_of(code, 99)), (code.len(), code.chars().count()));
    }
}
