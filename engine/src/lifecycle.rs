//! How long cells' frames live.

use std::sync::Arc;

use huntbook_kql::KqlType;
use huntbook_wire::{FrameInfo, Plan};
use polars::prelude::DataFrame;

use crate::frames::{self, Tags, column_names};
use crate::{Engine, QueryAnswer, Result};

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

    /// Keeps the rows of a query, as what `_` names and, where given, under a name.
    pub fn keep_answer(&self, answer: &QueryAnswer, name: Option<&str>) -> FrameInfo {
        let mut state = self.state();
        let id = state.frames.insert(answer.frame.clone());
        state.frames.tag(id, tags_of(answer));
        state.frames.set_last(Some(id));
        if let Some(name) = name {
            state.frames.bind(name, id);
        }
        frames::info(id, &answer.frame)
    }

    /// A query begins: until it has a result, `_` names none, so that a failure cannot be taken for the result before.
    pub(crate) fn forget_last(&self) {
        self.state().frames.set_last(None);
    }

    /// Keeps the rows of a query for a cell, which now has a handle on them.
    pub(crate) fn hand_out_answer(&self, answer: &QueryAnswer) -> FrameInfo {
        self.hand_out_tagged(answer.frame.clone(), tags_of(answer))
    }

    /// Keeps rows for a cell, which now has a handle on them.
    pub(crate) fn hand_out(&self, frame: Arc<DataFrame>) -> FrameInfo {
        self.hand_out_tagged(frame, Tags::new())
    }

    pub(crate) fn hand_out_tagged(&self, frame: Arc<DataFrame>, tags: Tags) -> FrameInfo {
        let mut state = self.state();
        let id = state.frames.insert(frame.clone());
        state.frames.tag(id, tags);
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
        let info = self.keep(frame, Some(name));
        let tags = self.tags_of_plan(plan);
        self.state().frames.tag(info.id, tags);
        Ok(())
    }

    /// The types of text columns that plans pass on as they are.
    pub(crate) fn tags_of_plan(&self, plan: &Plan) -> Tags {
        match plan {
            Plan::Frame { id } => self.state().frames.tags(*id),
            Plan::Filter { input, .. }
            | Plan::Sort { input, .. }
            | Plan::Head { input, .. }
            | Plan::Tail { input, .. }
            | Plan::Unique { input, .. }
            | Plan::Drop { input, .. } => self.tags_of_plan(input),
            _ => Tags::new(),
        }
    }

    /// KQL's types of a frame's columns.
    pub(crate) fn kql_types(&self, frame: &DataFrame, tags: &Tags) -> Vec<KqlType> {
        let kind = |column: &polars::prelude::Column| {
            let tagged = tags.iter().find(|(name, _)| name == column.name()).map(|(_, kind)| *kind);
            let plain = || KqlType::from_name(&crate::table::type_name(column.dtype()));
            tagged.or_else(plain).unwrap_or(KqlType::String)
        };
        frame.columns().iter().map(kind).collect()
    }
}

fn tags_of(answer: &QueryAnswer) -> Tags {
    let named = column_names(&answer.frame).zip(&answer.types);
    named
        .filter_map(|(name, kind)| Some((name.to_owned(), KqlType::from_name(kind)?)))
        .filter(|(_, kind)| matches!(kind, KqlType::Dynamic | KqlType::Guid))
        .collect()
}
