//! The messages between a cell process and the huntbook engine.
//!
//! A Rust cell holds no data: it builds a [`Plan`] of [`Expr`]essions, sends it as a [`Request`] over a private
//! Unix socket and gets a [`Response`]. Columns that a cell asks for cross as memory-mapped files ([`columns`]),
//! never through the socket.

pub mod columns;
mod expr;
mod frame;
mod message;
mod plan;

pub use expr::{Aggregate, BinaryOperator, DataType, Expr, Function, Literal};
pub use frame::{read_message, write_message};
pub use message::{
    AccessAnomalyParameters, ChartSpec, EngineError, Envelope, FrameInfo, ModelInfo, QueryOptions, Request, Response,
    SourceFormat, WriteOptions,
};
pub use plan::{JoinKind, Plan, SortKey};

/// Name under which a cell binds the values of its variables as a JSON list, to be shown; no variable has such a name.
pub const VALUES: &str = "%vars";

/// Environment variables through which the kernel tells a cell process where its engine is.
pub mod environment {
    /// Path of the engine's Unix socket.
    pub const SOCKET: &str = "HUNTBOOK_SOCKET";
    /// Secret that the first message on a connection must carry.
    pub const TOKEN: &str = "HUNTBOOK_TOKEN";
    /// File descriptor that user code's stdout goes to once a cell has begun.
    pub const STDOUT_FD: &str = "HUNTBOOK_STDOUT_FD";
    /// File descriptor on which evcxr reads control lines.
    pub const CONTROL_FD: &str = "HUNTBOOK_CONTROL_FD";
}
