use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use huntbook_kql::KqlType;
use huntbook_wire::{DataType, FrameInfo};
use polars::prelude::{DataFrame, DataType as PolarsType};

pub type FrameId = u64;

/// The text columns of a frame that are more than text: `dynamic` (JSON) and `guid`.
pub(crate) type Tags = Vec<(String, KqlType)>;

/// Names of the last result: the second is Kqlmagic's.
pub(crate) const LAST: [&str; 2] = ["_", "_kql_raw_result_"];

/// The frames that the engine holds: as long as a name is bound to one or a cell has a handle on it.
#[derive(Default)]
pub(crate) struct Frames {
    next: FrameId,
    frames: HashMap<FrameId, Held>,
    names: BTreeMap<String, FrameId>,
    /// The result of the last query, which `_` names.
    last: Option<FrameId>,
    /// Set while a cell runs that may be rolled back.
    checkpoint: Option<Checkpoint>,
}

/// The handles of the cell process before a cell.
struct Checkpoint {
    /// The newest frame at that time
    newest: FrameId,
    /// Frames from before the cell of which the cell has dropped handles
    released: Vec<FrameId>,
}

struct Held {
    frame: Arc<DataFrame>,
    tags: Tags,
    /// Handles in the cell process.
    handles: usize,
}

impl Frames {
    pub(crate) fn insert(&mut self, frame: Arc<DataFrame>) -> FrameId {
        self.next += 1;
        self.frames.insert(self.next, Held { frame, tags: Tags::new(), handles: 0 });
        self.next
    }

    pub(crate) fn tag(&mut self, id: FrameId, tags: Tags) {
        if let Some(held) = self.frames.get_mut(&id) {
            held.tags = tags;
        }
    }

    pub(crate) fn tags(&self, id: FrameId) -> Tags {
        self.frames.get(&id).map_or_else(Tags::new, |held| held.tags.clone())
    }

    /// What `_` names from now on; nothing after a query that failed.
    pub(crate) fn set_last(&mut self, id: Option<FrameId>) {
        if let Some(old) = std::mem::replace(&mut self.last, id).filter(|old| Some(*old) != id) {
            self.drop_if_unused(old);
        }
    }

    pub(crate) fn get(&self, id: FrameId) -> Option<Arc<DataFrame>> {
        self.frames.get(&id).map(|held| held.frame.clone())
    }

    pub(crate) fn bind(&mut self, name: &str, id: FrameId) {
        if let Some(old) = self.names.insert(name.to_owned(), id) {
            self.drop_if_unused(old);
        }
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<FrameId> {
        if LAST.contains(&name) {
            return self.last;
        }
        self.names.get(name).copied()
    }

    pub(crate) fn names(&self) -> Vec<(String, usize, usize)> {
        let shape = |id: &FrameId| self.frames.get(id).map_or((0, 0), |held| (held.frame.height(), held.frame.width()));
        self.names.iter().map(|(name, id)| (name.clone(), shape(id).0, shape(id).1)).collect()
    }

    /// A cell has one more handle on the frame.
    pub(crate) fn retain(&mut self, id: FrameId) {
        if let Some(held) = self.frames.get_mut(&id) {
            held.handles += 1;
        }
    }

    pub(crate) fn release(&mut self, id: FrameId) {
        if let Some(checkpoint) = &mut self.checkpoint
            && id <= checkpoint.newest
        {
            return checkpoint.released.push(id);
        }
        if let Some(held) = self.frames.get_mut(&id) {
            held.handles = held.handles.saturating_sub(1);
        }
        self.drop_if_unused(id);
    }

    /// A cell begins: its variables may come back as they are now, and with them their handles.
    pub(crate) fn set_checkpoint(&mut self) {
        self.commit();
        self.checkpoint = Some(Checkpoint { newest: self.next, released: Vec::new() });
    }

    /// The cell has come back: what it dropped is dropped.
    pub(crate) fn commit(&mut self) {
        if let Some(checkpoint) = self.checkpoint.take() {
            checkpoint.released.into_iter().for_each(|id| self.release(id));
        }
    }

    /// The cell's variables are as before it: what it dropped is there, and what it made has no handle.
    pub(crate) fn roll_back(&mut self) {
        let Some(checkpoint) = self.checkpoint.take() else { return };
        let named = self.named();
        self.frames.retain(|id, held| {
            if *id > checkpoint.newest {
                held.handles = 0;
            }
            held.handles > 0 || named.contains(id)
        });
    }

    /// The cell process is gone and its handles with it.
    pub(crate) fn release_all(&mut self) {
        self.checkpoint = None;
        let named = self.named();
        self.frames.retain(|id, held| {
            held.handles = 0;
            named.contains(id)
        });
    }

    fn drop_if_unused(&mut self, id: FrameId) {
        let unused = self.frames.get(&id).is_some_and(|held| held.handles == 0);
        if unused && self.last != Some(id) && !self.names.values().any(|named| *named == id) {
            self.frames.remove(&id);
        }
    }

    fn named(&self) -> Vec<FrameId> {
        self.names.values().copied().chain(self.last).collect()
    }
}

/// Names of a frame's columns, in order.
pub(crate) fn column_names(frame: &DataFrame) -> impl Iterator<Item = &str> {
    frame.get_column_names().into_iter().map(|name| name.as_str())
}

pub(crate) fn info(id: FrameId, frame: &DataFrame) -> FrameInfo {
    let columns = frame.schema().iter().map(|(name, data_type)| (name.to_string(), wire_type(data_type))).collect();
    FrameInfo { id, rows: frame.height() as u64, columns }
}

/// How a column of this type crosses to a cell.
pub(crate) fn wire_type(data_type: &PolarsType) -> DataType {
    match data_type {
        PolarsType::Boolean => DataType::Bool,
        PolarsType::Int8 | PolarsType::Int16 | PolarsType::Int32 | PolarsType::UInt8 | PolarsType::UInt16 => {
            DataType::Int32
        }
        PolarsType::Int64 | PolarsType::UInt32 | PolarsType::UInt64 => DataType::Int64,
        PolarsType::Float32 | PolarsType::Float64 => DataType::Float64,
        PolarsType::String => DataType::String,
        PolarsType::Datetime(_, _) | PolarsType::Date => DataType::Datetime,
        PolarsType::Duration(_) => DataType::Duration,
        _ => DataType::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Arc<DataFrame> {
        Arc::new(DataFrame::empty())
    }

    #[test]
    fn handles_come_back_with_a_cell_that_is_rolled_back() {
        let mut frames = Frames::default();
        let handed = |frames: &mut Frames| {
            let id = frames.insert(frame());
            frames.retain(id);
            id
        };
        let (kept, dropped) = (handed(&mut frames), handed(&mut frames));
        frames.set_checkpoint();
        frames.release(dropped);
        let (made, named, passing) = (handed(&mut frames), handed(&mut frames), handed(&mut frames));
        frames.bind("hits", named);
        // What a cell makes and drops is gone at once: loops over queries hold one result at a time.
        frames.release(passing);
        assert!(frames.get(passing).is_none());
        frames.roll_back();
        assert!([kept, dropped, named].iter().all(|id| frames.get(*id).is_some()) && frames.get(made).is_none());
        frames.set_checkpoint();
        frames.release(dropped);
        assert!(frames.get(dropped).is_some());
        frames.commit();
        assert!(frames.get(dropped).is_none() && frames.get(kept).is_some());
    }

    #[test]
    fn the_last_result_is_kept_until_the_next() {
        let mut frames = Frames::default();
        let first = frames.insert(frame());
        frames.set_last(Some(first));
        assert_eq!((frames.by_name("_"), frames.by_name("_kql_raw_result_")), (Some(first), Some(first)));
        assert!(frames.names().is_empty());
        frames.release_all();
        assert!(frames.get(first).is_some());
        frames.set_last(None);
        assert!(frames.get(first).is_none() && frames.by_name("_").is_none());
    }

    #[test]
    fn a_frame_lives_as_long_as_a_name_or_a_handle() {
        let mut frames = Frames::default();
        let id = frames.insert(frame());
        frames.bind("hits", id);
        frames.retain(id);
        let newer = frames.insert(frame());
        frames.bind("hits", newer);
        assert!(frames.get(id).is_some(), "a handle keeps it");
        frames.release(id);
        assert!(frames.get(id).is_none());
        frames.release_all();
        assert!(frames.get(newer).is_some(), "a name keeps it");
    }
}
