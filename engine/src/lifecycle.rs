//! How long cells' frames live.

use std::sync::Arc;

use huntbook_wire::{FrameInfo, Plan};
use polars::prelude::DataFrame;

use crate::{Engine, Result, frames};

impl Engine {
    /// Rust code begins that may be rolled back. Then comes [`commit_handles`](Self::commit_handles),
    /// [`roll_back_handles`](Self::roll_back_handles) or [`forget_cell_handles`](Self::forget_cell_handles).
    pub fn set_handle_checkpoint(&self) {
        self.state().frames.set_checkpoint();
    }

    /// The code has come back, with its changes.
    pub fn commit_handles(&self) {
        self.state().frames.commit();
    }

    /// The cell process is as it was before the code.
    pub fn roll_back_handles(&self) {
        self.state().frames.roll_back();
    }

    /// The cell process ended: its handles are gone. Named frames stay.
    pub fn forget_cell_handles(&self) {
        self.state().frames.release_all();
    }

    /// Lets go of one frame that was kept without a name.
    pub(crate) fn release(&self, ids: &[u64]) {
        let mut state = self.state();
        ids.iter().for_each(|id| state.frames.release(*id));
    }

    /// Keeps rows for a cell, which now has a handle on them.
    pub(crate) fn hand_out(&self, frame: Arc<DataFrame>) -> FrameInfo {
        let mut state = self.state();
        let id = state.frames.insert(frame.clone());
        state.frames.retain(id);
        frames::info(id, &frame)
    }

    /// A handle on the frame bound to a name.
    pub(crate) fn hand_out_named(&self, name: &str) -> Result<FrameInfo> {
        let mut state = self.state();
        let id = state.frames.by_name(name);
        match id.and_then(|id| state.frames.get(id).map(|frame| (id, frame))) {
            Some((id, frame)) => {
                state.frames.retain(id);
                Ok(frames::info(id, &frame))
            }
            None => {
                let names: Vec<String> = state.frames.names().into_iter().map(|(name, _, _)| name).collect();
                let known = if names.is_empty() {
                    "there are none yet".to_owned()
                } else {
                    format!("there are: {}", names.join(", "))
                };
                let message = format!("no frame is called `{name}`; {known}. `%kql {name} << ...` makes one");
                Err(crate::Error::new("FrameError", message))
            }
        }
    }

    /// Binds a plan's rows to a name.
    pub fn bind_plan(&self, name: &str, plan: &Plan) -> Result<()> {
        let frame = self.collect(plan)?;
        self.keep(frame, Some(name));
        Ok(())
    }
}
