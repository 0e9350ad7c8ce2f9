//! Catalogs to choose from, and [`Layered`] to put them on top of each other.
//!
//! | catalog | offers |
//! |---|---|
//! | [`Frames`] | polars frames by name |
//! | [`Files`] | Parquet, CSV, TSV and JSON lines, scanned lazily; JSON arrays |
//! | [`FunctionFolder`] | functions of `.kql` files and of ASIM's YAML files |
//! | [`Watchlists`] | `_GetWatchlist('x')` over a folder of CSV files |
//! | [`HostFunctions`] | tabular functions written in Rust, such as `invoke FileProfile(SHA1)` |
//! | [`crate::SchemaCatalog`] | columns without rows, for checking |

mod asim;
mod files;
mod frames;
mod function_folder;
mod host_functions;
mod json_lines;
mod layered;
mod patterns;
mod text_files;
mod text_types;
mod watchlists;

pub use files::{FileFormat, Files};
pub use frames::Frames;
pub use function_folder::FunctionFolder;
pub use host_functions::HostFunctions;
pub use layered::Layered;
pub(crate) use text_types::is_datetime;
pub use watchlists::Watchlists;
