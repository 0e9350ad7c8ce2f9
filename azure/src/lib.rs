//! Azure protocols for huntbook: credentials, Log Analytics, Azure Data Explorer, ingestion and the management plane,
//! and the rules of Log Analytics custom tables, which the local workspace keeps too, so that a notebook written
//! offline is accepted by the service.
//!
//! | module | what it is |
//! |---|---|
//! | [`run`](mod@run) | calls the rest from synchronous code, with interrupts |
//! | [`log_analytics`], [`kusto`] | queries, schemas |
//! | [`ingestion`], [`data_collector`] | rows into tables, with exact accounts of what was accepted |
//! | [`arm`] | the management plane |
//! | [`blob`], [`export_layout`] | Blob Storage, and how Log Analytics lays its exports out in it |
//! | [`credential`], [`secret_source`] | who the user is; keys kept elsewhere |
//! | [`http`] | the one way to the network, with its rules |
//! | [`decode`], [`table`] | answers as typed columns |
//! | [`secret`], [`redact`] | values that must not be seen |
//!
//! ```no_run
//! use huntbook_azure::cloud::Cloud;
//! use huntbook_azure::credential::{TokenSource, default_chain};
//! use huntbook_azure::http::{Auth, Transport, TransportOptions};
//! use huntbook_azure::log_analytics::{LogAnalytics, Query, Resource};
//!
//! let tokens = TokenSource::new(default_chain(Cloud::Public, None, &|name| std::env::var(name).ok())?);
//! let service = LogAnalytics::new(Transport::new(TransportOptions::default())?, Cloud::Public, Auth::Token(tokens))?;
//! let workspace = Resource::workspace("11111111-2222-3333-4444-555555555555")?;
//! let query = Query::new("SecurityEvent | summarize n = count() by Account");
//! let reply = huntbook_azure::run(&|| false, service.query(&workspace, &query))?;
//! for table in reply.answer.results() {
//!     println!("{} rows of {}", table.rows, table.name);
//! }
//! # Ok::<(), huntbook_azure::Error>(())
//! ```

pub mod arm;
pub mod blob;
pub mod cloud;
pub mod credential;
pub mod custom_table;
pub mod data_collector;
pub mod decode;
mod error;
pub mod export_layout;
pub mod fault;
pub mod http;
pub mod ingestion;
pub mod kusto;
pub mod log_analytics;
pub mod redact;
mod reply;
pub mod run;
pub mod secret;
pub mod secret_source;
pub mod table;
mod upload;

pub use error::{Error, ServiceError, TransportKind};
pub use run::run;
