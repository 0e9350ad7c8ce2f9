//! Files and blobs: local ones, Azure Blob Storage, and what a Log Analytics export rule puts there.
//!
//! ```text
//! place    a location -> files, here or in Azure          stores   whose account, which credential
//! source   a file -> parts of whole lines, unpacked       json     a part -> columns, what is not wanted left out
//! gather   many files at a time, memory bound             frame    columns of all parts -> one frame
//! export   the folders of a time range                    cache    blobs on disk, by ETag
//! sink     files that are whole or not there              transfer get, put, rm, cat
//! ```

mod cache;
mod entra;
mod export;
mod filter;
mod frame;
mod gather;
mod json;
mod pattern;
mod place;
mod progress;
mod read;
mod sink;
mod source;
mod stores;
mod tabular;
mod time;
mod transfer;
mod wait;
mod write;

pub use export::Export;
pub use json::BadLines;
pub use place::Entry;
pub use progress::size;
pub use read::{ReadOptions, ReadOutcome};
pub use stores::Access;
pub use time::{moment, shown_time};
pub use write::WriteOptions;
