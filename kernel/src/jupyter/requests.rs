//! Requests as clients send them: with fields left out, and sometimes with fields of the wrong kind.

use serde_json::{Value, json};

/// Fields that a client may leave out, with what the protocol says they are then.
pub(super) fn fill_in(message_type: &str, content: &mut Value) {
    let code_length = content["code"].as_str().map_or(0, |code| code.chars().count());
    let Some(members) = content.as_object_mut() else { return };
    let defaults = match message_type {
        "execute_request" => {
            let silent = members.get("silent").and_then(Value::as_bool).unwrap_or(false);
            json!({"silent": false, "store_history": !silent, "user_expressions": {}})
        }
        "complete_request" => json!({"cursor_pos": code_length}),
        "inspect_request" => json!({"cursor_pos": code_length, "detail_level": 0}),
        "shutdown_request" => json!({"restart": false}),
        _ => return,
    };
    for (name, value) in defaults.as_object().into_iter().flatten() {
        members.entry(name.as_str()).or_insert_with(|| value.clone());
    }
}

/// The answer to a request whose content cannot be read: a client that waits for a reply must not wait forever.
pub(super) fn refusal(message_type: &str) -> Option<(&'static str, Value)> {
    let reply = match message_type {
        "execute_request" => "execute_reply",
        "complete_request" => "complete_reply",
        "inspect_request" => "inspect_reply",
        "is_complete_request" => "is_complete_reply",
        _ => return None,
    };
    let message = format!("the content of this `{message_type}` is not as Jupyter's protocol 5.4 says");
    Some((reply, json!({"status": "error", "ename": "BadRequest", "evalue": message, "traceback": [message]})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in_and_what_is_there_is_kept() {
        let mut content = json!({"code": "1", "silent": true});
        fill_in("execute_request", &mut content);
        assert_eq!(content, json!({"code": "1", "silent": true, "store_history": false, "user_expressions": {}}));
        let mut content = json!({"code": "\u{e9}\u{1f600}", "cursor_pos": 1});
        fill_in("inspect_request", &mut content);
        assert_eq!(content["cursor_pos"], 1);
        fill_in("complete_request", &mut Value::Null);
    }
}
