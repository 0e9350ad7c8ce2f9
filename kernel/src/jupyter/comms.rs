//! Comms. Cells have no widgets, so the only one that stays open is the channel by which ipywidgets' front end asks
//! for those there are: refused, it would report an error in every notebook.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use jupyter_protocol::messaging::{CommClose, CommInfoRequest, CommMsg, CommOpen};
use serde_json::{Map, Value, json};

const WIDGET_CONTROL: &str = "jupyter.widget.control";

/// Open comms: id to target.
#[derive(Default)]
pub(crate) struct Comms {
    open: Mutex<BTreeMap<String, String>>,
}

impl Comms {
    /// What is to be published: that a target nobody here knows is closed again.
    pub(crate) fn opened(&self, request: &CommOpen) -> Option<(&'static str, Value)> {
        if request.target_name != WIDGET_CONTROL {
            return Some(("comm_close", json!({"comm_id": request.comm_id, "data": {}})));
        }
        self.open().insert(request.comm_id.0.clone(), request.target_name.clone());
        None
    }

    /// The one question of the control channel: the states of all widgets. There are none.
    pub(crate) fn told(&self, request: &CommMsg) -> Option<(&'static str, Value)> {
        let asks = request.data.get("method").and_then(Value::as_str) == Some("request_states");
        let states = || json!({"method": "update_states", "states": {}, "buffer_paths": []});
        let known = self.open().contains_key(&request.comm_id.0);
        (known && asks).then(|| ("comm_msg", json!({"comm_id": request.comm_id, "data": states()})))
    }

    pub(crate) fn closed(&self, request: &CommClose) {
        self.open().remove(&request.comm_id.0);
    }

    /// The content of a `comm_info_reply`.
    pub(crate) fn info(&self, request: &CommInfoRequest) -> Value {
        let open = self.open();
        let asked =
            open.iter().filter(|(_, target)| request.target_name.as_ref().is_none_or(|wanted| wanted == *target));
        let comms: Map<String, Value> =
            asked.map(|(id, target)| (id.clone(), json!({"target_name": target}))).collect();
        json!({"status": "ok", "comms": comms})
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
