//! Outgoing messages.

use jupyter_protocol::messaging::UnknownMessage;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent};
use serde_json::{Value, json};

use crate::output::CellError;

/// A message with this type and content, in answer to `parent`.
pub(crate) fn message(kind: &str, content: Value, parent: Option<&JupyterMessage>) -> JupyterMessage {
    let content = JupyterMessageContent::UnknownMessage(UnknownMessage { msg_type: kind.to_owned(), content });
    let mut message = JupyterMessage::new(content, parent);
    message.header.username = "huntbook".to_owned();
    message.header.version = PROTOCOL_VERSION.to_owned();
    message
}

pub(crate) const PROTOCOL_VERSION: &str = "5.4";

pub(crate) fn status(state: &str, parent: Option<&JupyterMessage>) -> JupyterMessage {
    message("status", json!({"execution_state": state}), parent)
}

pub(crate) fn kernel_info() -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "huntbook",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": {
            "name": "rust",
            "version": env!("CARGO_PKG_RUST_VERSION"),
            "mimetype": "text/rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
            "nbconvert_exporter": "script",
        },
        "banner": concat!("huntbook ", env!("CARGO_PKG_VERSION"), ": Rust and KQL for security hunting. `%help` shows the magics."),
        "help_links": [
            {"text": "KQL reference", "url": "https://learn.microsoft.com/kusto/query/"},
            {"text": "The Rust book", "url": "https://doc.rust-lang.org/book/"},
        ],
        "debugger": false,
    })
}

pub(crate) fn error(error: &CellError) -> Value {
    json!({"ename": error.name, "evalue": error.value, "traceback": error.traceback})
}

/// `offered` are texts of new cells for the notebook.
pub(crate) fn execute_reply(
    result: &Result<(), CellError>,
    count: u64,
    user_expressions: Value,
    offered: Vec<String>,
) -> Value {
    let mut reply = match result {
        Ok(()) => json!({"status": "ok"}),
        Err(failed) => {
            let mut reply = error(failed);
            reply["status"] = "error".into();
            reply
        }
    };
    reply["execution_count"] = count.into();
    let new_cell = |text| json!({"source": "set_next_input", "text": text, "replace": false});
    reply["payload"] = offered.into_iter().map(new_cell).collect();
    reply["user_expressions"] = user_expressions;
    reply
}

pub(crate) fn aborted(count: u64) -> Value {
    json!({"status": "aborted", "execution_count": count, "payload": [], "user_expressions": {}})
}
