//! The huntbook kernel: Jupyter's protocol, the routing of cells, evcxr, headless runs and the command line.
//!
//! [`session::Session`] runs cells, whoever asks: [`jupyter`] (sockets) or [`run`] (headless). Magic segments go to
//! the engine, Rust segments to [`cells`], which drives evcxr; user code runs in [`cell_process`].

pub mod cell_process;
pub mod cells;
pub mod cli;
mod history;
mod hub;
mod install;
pub mod jupyter;
mod kql;
mod notebook;
mod output;
mod paths;
mod processes;
pub mod processor;
mod redaction;
mod rule;
mod run;
mod rust_text;
mod sample_data;
mod serve;
mod session;
mod shell;
mod terminal;
