//! Jupyter's protocol: sockets, requests, and the queue of cells.

mod comms;
mod expressions;
mod history;
mod is_complete;
mod language;
mod messages;
mod queue;
mod requests;
mod server;
mod stdin;

pub(crate) use messages::PROTOCOL_VERSION;
pub(crate) use server::serve;
