//! Azure protocols for huntbook. First slice: the rules of Log Analytics custom tables, which the local workspace
//! keeps too, so that a notebook written offline is accepted by the service. The HTTP clients join this crate with
//! the data plane.

pub mod custom_table;
pub mod redact;
