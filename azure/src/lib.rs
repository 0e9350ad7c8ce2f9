//! Azure protocols for huntbook: credentials, Log Analytics, Azure Data Explorer, ingestion and the management plane,
//! and the rules of Log Analytics custom tables, which the local workspace keeps too, so that a notebook written
//! offline is accepted by the service.

pub mod custom_table;
pub mod decode;
pub mod fault;
pub mod table;
