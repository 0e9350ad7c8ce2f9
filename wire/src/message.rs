use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DataType, Literal, Plan};

/// The first message on a connection proves that the peer is this kernel's own cell process.
#[derive(Clone, Serialize, Deserialize)]
pub struct Envelope {
    pub token: String,
}

/// What a cell asks of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// The frame bound to a name now.
    Resolve {
        name: String,
    },
    /// Runs the plan and keeps the rows as a new frame.
    Collect {
        plan: Plan,
    },
    /// Runs the plan and displays its rows.
    Show {
        plan: Plan,
        limit: Option<usize>,
    },
    /// Column names and types of the plan, without running it where polars can tell.
    Schema {
        plan: Plan,
    },
    /// Runs the plan and writes these columns (all when empty) to a column file.
    Columns {
        plan: Plan,
        names: Vec<String>,
    },
    /// Takes a column file that the cell wrote.
    Upload {
        path: PathBuf,
    },
    /// Runs the plan and writes it as an Arrow IPC file, for the polars bridge.
    ExportIpc {
        plan: Plan,
    },
    /// Takes an Arrow IPC file, from the polars bridge.
    ImportIpc {
        path: PathBuf,
    },
    /// Binds the plan's rows to a name, so that a query can use it as a table.
    Bind {
        name: String,
        plan: Plan,
    },
    /// Binds a scalar, for `${name}` in a query.
    BindScalar {
        name: String,
        value: Literal,
    },
    /// Runs a KQL query: over the workspace and the named frames, or at a connection.
    Kql {
        query: String,
        options: QueryOptions,
    },
    /// Appends the plan's rows to a custom table: of the workspace, or at a connection.
    LaWrite {
        plan: Plan,
        table: String,
        options: WriteOptions,
    },
    /// Reads a file or folder of files into a frame.
    BlobRead {
        location: String,
        format: Option<SourceFormat>,
    },
    /// Generated accesses: `training`, `intra_test` or `inter_test`.
    SampleAccesses {
        set: String,
        ratio: Option<String>,
        seed: u64,
    },
    FitAccessAnomaly {
        plan: Plan,
        parameters: AccessAnomalyParameters,
        /// Accesses known to be fine.
        history: Option<Plan>,
    },
    ScoreAccessAnomaly {
        model: u64,
        plan: Plan,
        output: String,
    },
    /// Answered with text: why an access scored as it did.
    ExplainAccess {
        model: u64,
        tenant: Option<String>,
        user: String,
        resource: String,
    },
    SaveModel {
        model: u64,
        folder: String,
    },
    /// `synapse`: a model saved by SynapseML.
    LoadModel {
        folder: String,
        synapse: bool,
    },
    /// Draws the plan's rows: shown as the cell's value, or answered with SVG text.
    Chart {
        plan: Plan,
        spec: ChartSpec,
        show: bool,
    },
    /// A display from user code: a MIME bundle.
    Display {
        data: BTreeMap<String, Value>,
        metadata: BTreeMap<String, Value>,
        display_id: Option<String>,
        update: bool,
    },
    /// The value of the cell's trailing expression.
    Result {
        data: BTreeMap<String, Value>,
    },
    /// Takes away what the cell has shown; with `wait`, when it shows the next thing.
    ClearOutput {
        wait: bool,
    },
    /// Asks the person at the notebook. Answered with text.
    Input {
        prompt: String,
        password: bool,
    },
    /// Text that was printed until now is handed on before the answer.
    Printed,
    /// User code panicked on the cell's own thread.
    Panicked {
        message: String,
        line: Option<u32>,
        column: Option<u32>,
    },
    /// A `?` at the top level of the cell met an error.
    QuestionMark {
        message: String,
    },
    /// The cell no longer holds these frames.
    Release {
        frames: Vec<u64>,
    },
}

/// How a query of a cell runs; all empty, it runs on the current connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryOptions {
    /// Name of a connection, or a connection string
    pub connection: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
    /// `7d`
    pub last: Option<String>,
    pub allow_partial: bool,
}

/// Where the rows of a cell go; all empty, to the local workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WriteOptions {
    pub connection: Option<String>,
    pub dce: Option<String>,
    pub dcr: Option<String>,
    pub stream: Option<String>,
    pub legacy: bool,
    pub dry_run: bool,
}

/// The engine's answer. Every request gets exactly one, except [`Request::Release`], which gets none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    Done,
    Frame(FrameInfo),
    Model(ModelInfo),
    Schema(Vec<(String, DataType)>),
    /// A file the cell may map and must remove.
    File(PathBuf),
    Text(String),
    Failed(EngineError),
}

/// A frame that the engine holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameInfo {
    pub id: u64,
    pub rows: u64,
    pub columns: Vec<(String, DataType)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    pub id: u64,
    pub tenants: u64,
    pub users: u64,
    pub resources: u64,
    pub rows: u64,
    pub rank: u64,
    pub iterations: u64,
    pub loss: f64,
    pub seed: u64,
}

/// An error of the engine: what went wrong and, where known, what to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineError {
    /// Short name of the kind, shown as `ename`: `KqlError`, `WorkspaceError`...
    pub kind: String,
    pub message: String,
}

impl EngineError {
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        EngineError { kind: kind.into(), message: message.into() }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for EngineError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceFormat {
    Csv,
    Tsv,
    JsonLines,
    Parquet,
}

/// Parameters of the AccessAnomaly estimator; names follow SynapseML's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessAnomalyParameters {
    /// `None`: all rows belong to one tenant.
    pub tenant_column: Option<String>,
    pub user_column: String,
    pub resource_column: String,
    pub likelihood_column: String,
    pub rank: usize,
    pub max_iterations: usize,
    pub regularization: f64,
    /// Confidence per unit of likelihood; `None` is the default of the mode.
    pub alpha: Option<f64>,
    pub low_value: Option<f64>,
    pub high_value: Option<f64>,
    pub seed: u64,
    /// Explicit feedback: accesses that did not happen are sampled.
    pub explicit: bool,
    pub complement_factor: Option<usize>,
    pub negative_score: Option<f64>,
    pub tolerance: f64,
    pub separate_tenants: bool,
    /// Fits made to learn what unseen normal accesses score; 0 gives no p-values.
    pub calibration_folds: usize,
}

impl Default for AccessAnomalyParameters {
    fn default() -> Self {
        AccessAnomalyParameters {
            tenant_column: None,
            user_column: "user".into(),
            resource_column: "res".into(),
            likelihood_column: "likelihood".into(),
            rank: 10,
            max_iterations: 25,
            regularization: 1.0,
            alpha: None,
            low_value: Some(5.0),
            high_value: Some(10.0),
            seed: 42,
            explicit: false,
            complement_factor: None,
            negative_score: None,
            tolerance: 0.0,
            separate_tenants: false,
            calibration_folds: 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ChartSpec {
    Sankey {
        title: String,
        source: String,
        target: String,
        /// Column with the width of a flow; every row counts 1 without it.
        value: Option<String>,
        /// Boolean column that marks anomalous flows.
        anomalous: Option<String>,
    },
    Histogram {
        title: String,
        column: String,
        /// Column that splits the values into series.
        series: Option<String>,
        threshold: Option<f64>,
        bins: Option<usize>,
    },
    /// A kind of KQL's `render`, or a hunting visual, with its properties.
    Visual { kind: String, properties: Vec<(String, String)> },
}
