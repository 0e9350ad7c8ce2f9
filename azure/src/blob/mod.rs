//! Azure Blob Storage: locations, accounts, listings, reading and writing.
//!
//! Requests are made here rather than through `object_store`, which signs them: it cannot name a blob with `//` in it
//! and fails on a listing that has one, cannot finish a multipart upload only if the blob is new, and prints keys in
//! `Debug`. No request follows a redirect, and credentials go to the hosts of Azure Storage or to the endpoint that
//! they were configured with.
//!
//! Source: "Blob Storage REST API" of Microsoft's documentation, service version 2023-11-03.

mod account;
mod connection_string;
mod endpoint;
mod error;
mod list;
mod location;
mod read;
mod write;

use std::pin::Pin;

pub use account::{Auth, BlobAccount, STORAGE_SCOPE};
pub use connection_string::{ConnectionCredential, ConnectionString};
pub use error::{BlobError, BlobErrorKind};
pub use list::{BlobInfo, Listing};
pub use location::{AccountRef, AzureLocation, Location, check_container};
pub use read::BlobReader;
pub use write::BlobWriter;

use crate::secret::Secret;

/// A token on its way.
pub type TokenFuture = Pin<Box<dyn Future<Output = Result<Secret, BlobError>> + Send>>;
