//! The content of a `history_reply`.

use serde_json::{Value, json};

use crate::history::{Entry, History};

/// How many cells are told when the front end does not say.
const TAIL: usize = 1000;

/// Clients leave out what they have no opinion on, so the request is read field by field.
pub(crate) fn reply(history: &History, asked: &Value) -> Value {
    let count = asked["n"].as_u64().and_then(|n| usize::try_from(n).ok());
    let entries = match asked["hist_access_type"].as_str() {
        Some("tail") => history.tail(count.unwrap_or(TAIL)),
        Some("search") => {
            history.search(asked["pattern"].as_str().unwrap_or("*"), count, asked["unique"].as_bool().unwrap_or(false))
        }
        Some("range") | None => history.range(
            asked["session"].as_i64().unwrap_or(0),
            asked["start"].as_i64().unwrap_or(0),
            asked["stop"].as_i64(),
        ),
        Some(other) => {
            let why = format!("hist_access_type is `tail`, `range` or `search`, not `{other}`");
            return json!({"status": "error", "ename": "HistoryError", "evalue": why, "traceback": []});
        }
    };
    let with_output = asked["output"].as_bool().unwrap_or(false);
    let told: Vec<Value> = entries.into_iter().map(|entry| tell(entry, with_output)).collect();
    json!({"status": "ok", "history": told})
}

/// Raw and transformed input are the same here: nothing rewrites a cell before it is stored.
fn tell(Entry { session, line, input, output }: Entry, with_output: bool) -> Value {
    if with_output { json!([session, line, [input, output]]) } else { json!([session, line, input]) }
}
