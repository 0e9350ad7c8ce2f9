//! The huntbook engine: it holds the data that cells only have handles on.
//!
//! One [`Engine`] lives in the kernel process. Magics call its methods; cells reach it over the private socket,
//! where each [`huntbook_wire::Request`] is answered by [`Engine::serve`]. Frames are immutable and have ids; a
//! name is bound to an id, so a handle always means the rows it was made from.

mod access_anomaly;
pub mod blob;
mod cancel;
mod catalog;
mod charts;
mod connections;
mod error;
mod expr;
mod frames;
mod functions;
mod geo;
mod in_range;
mod la_write;
mod language;
mod lifecycle;
mod notify;
mod parameters;
mod plan;
mod query;
mod sample;
pub mod sentinel;
mod serve;
pub mod table;
mod templates;
mod text_table;
mod time_range;
mod transfer;
mod workspace_server;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use huntbook_kql::Render;
use huntbook_wire::Literal;
use huntbook_workspace::Workspace;
pub use polars::prelude::DataFrame;

pub use cancel::CancelToken;
pub use charts::{Visual, draw, draws};
pub use connections::request::{CacheUse, Partial, Provenance, QueryRequest, Split};
pub use connections::string::leading as leading_connection;
pub use error::Error;
pub use frames::FrameId;
pub use huntbook_azure::redact;
pub use huntbook_kql::{
    Completions, Engine as KqlEngine, Hover, KqlType, Limits, Literal as KqlLiteral, declared_parameters,
    tables_mentioned,
};
pub use huntbook_wire::{DataType, Expr, FrameInfo, Plan, SourceFormat};
pub use huntbook_workspace::{Appended, server};
pub use la_write::WriteRequest;
pub use language::kql_format;
pub use parameters::{Wanted, wanted as values_wanted};
pub use query::{QueryFormat, check_batch, check_report, schema_engine};
pub use serde_json::Value;
pub use serve::{CellEvents, Display};
pub use templates::Template;
pub use time_range::{TimeRange, duration as timespan, now as time_now};
pub use workspace_server::WorkspaceQueries;

pub type Result<T> = std::result::Result<T, Error>;

/// Where things are for one engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the local workspace.
    pub workspace: PathBuf,
    /// Relative paths of `%blob` are relative to this: the notebook's folder.
    pub base: PathBuf,
    /// Column data passes through this folder, which only the user may read.
    pub transfer: PathBuf,
}

/// Shared by the kernel's threads; all methods take `&self`.
pub struct Engine {
    settings: Settings,
    workspace: Workspace,
    state: Mutex<State>,
    cancel: CancelToken,
    functions: Arc<functions::Functions>,
    notifier: notify::Notifier,
}

#[derive(Default)]
struct State {
    frames: frames::Frames,
    scalars: HashMap<String, Literal>,
    models: HashMap<u64, Arc<huntbook_factorization::AccessAnomalyModel>>,
    next_model: u64,
    attached: catalog::Attached,
    connections: connections::Connections,
    /// The query that made a named frame
    queries: HashMap<FrameId, String>,
}

/// The answer to a KQL query.
#[derive(Clone)]
pub struct QueryAnswer {
    pub frame: Arc<DataFrame>,
    pub types: Vec<String>,
    pub render: Option<Render>,
    /// How many results of the query are not here: this is the last of them.
    pub earlier_results: usize,
    /// What the person should know about it.
    pub warnings: Vec<String>,
    pub provenance: Provenance,
}

impl Engine {
    pub fn new(settings: Settings) -> Result<Engine> {
        let workspace = Workspace::open(&settings.workspace)?;
        std::fs::create_dir_all(&settings.transfer)
            .map_err(|error| Error::io("make the folder", &settings.transfer, &error))?;
        let functions = Arc::new(functions::Functions::new(workspace.folder().join("functions")));
        let (state, cancel, notifier) = (Mutex::default(), CancelToken::default(), notify::Notifier::default());
        Ok(Engine { settings, workspace, state, cancel, functions, notifier })
    }

    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Stops whatever the engine is doing for the running cell.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    pub(crate) fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Forgets an earlier cancellation: a new cell begins.
    pub fn begin_cell(&self) {
        self.cancel.reset();
    }

    /// Runs a KQL query over the workspace's tables and the named frames.
    /// Complexity: that of the plan; predicates and columns are pushed into the Parquet segments.
    pub fn kql(&self, query: &str) -> Result<QueryAnswer> {
        self.kql_on(query, None)
    }

    /// Makes the rows a frame and, where given, binds a name to it.
    pub fn keep(&self, frame: Arc<DataFrame>, name: Option<&str>) -> FrameInfo {
        let mut state = self.state();
        let id = state.frames.insert(frame.clone());
        if let Some(name) = name {
            state.frames.bind(name, id);
        }
        frames::info(id, &frame)
    }

    /// Remembers which query made a named frame.
    pub fn note_query(&self, name: &str, query: &str) {
        let mut state = self.state();
        let named: Vec<FrameId> =
            state.frames.names().iter().filter_map(|(name, ..)| state.frames.by_name(name)).collect();
        state.queries.retain(|id, _| named.contains(id));
        if let Some(id) = state.frames.by_name(name) {
            state.queries.insert(id, query.to_owned());
        }
    }

    /// Runs a plan; the result is held for the cell that asked until it is released.
    pub fn collect(&self, plan: &Plan) -> Result<Arc<DataFrame>> {
        if let Plan::Frame { id } = plan {
            return self.frame_by_id(*id);
        }
        let lazy = self.lower(plan)?;
        self.cancel.run(move |_| lazy.collect().map_err(Error::from)).map(Arc::new)
    }

    /// Names bound to frames, sorted, with their shapes.
    pub fn names(&self) -> Vec<(String, usize, usize)> {
        self.state().frames.names()
    }

    /// The frame bound to a name.
    pub fn frame(&self, name: &str) -> Option<Arc<DataFrame>> {
        let state = self.state();
        state.frames.by_name(name).and_then(|id| state.frames.get(id))
    }

    /// The frame bound to a name.
    ///
    /// Errors: no frame is called so; the message lists those there are.
    pub fn named_frame(&self, name: &str) -> Result<Arc<DataFrame>> {
        self.frame(name).ok_or_else(|| {
            let names: Vec<String> = self.names().into_iter().map(|(name, _, _)| name).collect();
            let known = if names.is_empty() {
                "there are no frames yet".into()
            } else {
                format!("there are: {}", names.join(", "))
            };
            Error::new("FrameError", format!("no frame is called `{name}`; {known}"))
        })
    }

    /// The id that a name is bound to: it changes when the name is bound anew.
    pub fn binding(&self, name: &str) -> Option<FrameId> {
        self.state().frames.by_name(name)
    }

    fn frame_by_id(&self, id: FrameId) -> Result<Arc<DataFrame>> {
        self.state().frames.get(id).ok_or_else(|| {
            Error::new("FrameError", "the engine no longer holds this frame: run the cell that made it again")
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A path as the user wrote it, relative to the notebook's folder.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.settings.base.join(path)
    }
}
