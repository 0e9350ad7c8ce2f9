//! Jupyter's protocol: sockets, requests, and the queue of cells.

mod is_complete;
mod language;
mod messages;
mod queue;
mod server;

pub(crate) use messages::PROTOCOL_VERSION;
pub(crate) use server::serve;
